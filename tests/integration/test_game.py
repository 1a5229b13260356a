"""The game on a dummy display against real publishers on loopback."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pygame
import pytest

from examples import feedback_bar
from examples.game.app import Game, run_game
from examples.game.brain import Brain
from examples.game.brain_publisher import BrainPublisher
from examples.game.messages import Feed, Link
from examples.game.options import Options
from examples.game.world import Pace
from rtbci.clock import now
from rtbci.errors import ConfigError, PortInUseError, StreamNotFoundError
from rtbci.publish.messages import Prediction, State, StatusContent
from tests.integration.live_runs import ANY_PORT, PATIENCE_S, wait_for
from tests.integration.publish_fixtures import published, window
from tests.integration.test_door import guarded_in
from tests.message_samples import STATUS

GAME = Path(__file__).resolve().parents[2] / "examples" / "game"
SIZE = (640, 360)


@pytest.fixture(autouse=True)
def dummy_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")


def opened(stack: ExitStack, publisher: BrainPublisher) -> Game:
    """A game that listens to a stand-in as to any decoder; a lantern takes a minute."""
    options = Options(
        address=publisher.address,
        control=publisher.control_address,
        cue_stream="",
        size=SIZE,
        seed=0,
        pace=Pace(0.5, 0.3, 60.0),
    )
    return Game(options, None, None, stack, now)


def status(state: State, paused: bool) -> StatusContent:
    return msgspec.structs.replace(STATUS, state=state, paused=paused)


def until(game: Game, condition: Callable[[], object], what: str) -> None:
    t_due = now() + PATIENCE_S
    while not condition():
        game.frame()
        assert now() < t_due, what


def link_of(feed: Feed) -> str:
    """How the line is, in a way that type checkers do not take for settled."""
    return feed.link


def press(key: int) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))


@pytest.mark.net
def test_plays_itself_from_an_empty_folder(tmp_path: Path) -> None:
    what = "--brain autopilot --accuracy 0.99 --noise-s 0 --headless --gates 1 --rest-s 0.3 --aim-s 0.3 --steer-s 2.5"
    where = f"--address {ANY_PORT} --control {ANY_PORT} --width 640 --height 360"
    command = [sys.executable, str(GAME), *what.split(), *where.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "lanterns: 1 of 1, 0 in the middle. A coin gets 0.5 of 1 on average" in done.stdout
    assert "points of the last game: 10" in done.stdout
    assert " read, 0 lost" in done.stdout
    assert "message to frame: p50" in done.stdout


@pytest.mark.net
def test_loss_pause_and_marks_over_real_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("STALE_S", 0.2), ("LOST_S", 0.4), ("WINDOW_S", 0.5)):
        monkeypatch.setattr(f"examples.game.brain.{name}", seconds)  # so that nobody waits for them
    brain = Brain(0.95, seed=0)
    with ExitStack() as outer:
        with ExitStack() as stack:
            publisher = outer.enter_context(BrainPublisher(brain, ANY_PORT, ANY_PORT))
            game = opened(stack, publisher)
            play, feed = game._play, game._feed
            assert play.mode == "waiting"
            until(game, lambda: play.mode == "ready", "a decoder")
            press(pygame.K_SPACE)
            brain.intent = "left"
            until(game, lambda: play.world.x < -0.3, "the boat on the left")
            brain.mishap = "poor_signal"
            until(game, lambda: "Poor signal at FC3, C3, CP3, CZ" in game._wind.words, "a poor signal")
            assert (game._wind.thrust, game._wind.air) == (0.0, "trouble")
            brain.mishap = "lost"
            until(game, lambda: play.mode == "paused" and feed.link == "lost", "a pause by itself")
            assert not play.by_player
            brain.mishap = "none"
            until(game, lambda: play.mode == "playing", "the stream to come back")
            press(pygame.K_m)
            until(game, lambda: publisher.marks == ["game: marked by the player"], "a mark in the session")
            press(pygame.K_p)
            until(game, lambda: feed.link == "paused", "a decoder that pauses too")
            assert (play.mode, play.by_player) == ("paused", True)
            press(pygame.K_p)
            until(game, lambda: play.mode == "playing", "the game to go on")
            press(pygame.K_p)
            until(game, lambda: publisher.paused, "a paused decoder")
            assert feed.n_lost == 0
        assert not publisher.paused  # who leaves a paused game leaves no paused decoder


@pytest.mark.net
@pytest.mark.parametrize(
    ("state", "paused", "link"),
    [
        ("running", False, "running"),
        ("running", True, "paused"),
        ("stale", False, "stale"),
        ("waiting", False, "waiting"),
        ("lost", False, "lost"),
        ("stopped", True, "stopped"),
    ],
)
def test_feed_says_how_the_line_is(state: State, paused: bool, link: Link) -> None:
    t = [10.0]
    with published() as (outbox, publisher), Feed(publisher.address, clock=lambda: t[0]) as feed:
        assert link_of(feed) == "nobody"

        def greeted() -> bool:
            outbox.poll()
            feed.read()
            return feed.hello is not None

        wait_for(greeted, "a hello")
        assert link_of(feed) == "filling"
        for _ in range(3):
            outbox.prediction(window())
        outbox.status(status(state, paused))
        read: list[Prediction] = []

        def told() -> bool:
            read.extend(feed.read())
            return feed.status is not None

        wait_for(told, "a status")
        assert len(read) == feed.n_predictions == 3
        assert link_of(feed) == link
        t[0] += 3.0
        assert link_of(feed) == ("stopped" if state == "stopped" else "silent")
        assert feed.silent_s == 3.0


@pytest.mark.net
def test_nothing_publishes() -> None:
    options = Options("tcp://127.0.0.1:9", cue_stream="", size=SIZE, seconds=0.3)
    said: list[str] = []
    report = run_game(options, said.append)  # a window that is closed again is no error
    assert report.n_predictions == 0
    assert "message to frame: nothing was measured" in said
    with pytest.raises(StreamNotFoundError, match="nothing came from"):
        run_game(replace(options, autostart=True), said.append)


@pytest.mark.net
def test_it_listens_to_a_run_with_keys_and_marks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with guarded_in(tmp_path / "rtbci" / "keys") as run, ExitStack() as stack:
        run.key("default", "controller")
        options = Options(
            run.publisher.address, run.control.address, server_key=run.server_key, cue_stream="", size=SIZE
        )
        game = Game(options, None, None, stack, now)
        until(game, lambda: run.go_on() and game._feed.n_predictions, "a prediction")
        press(pygame.K_m)
        until(game, lambda: run.go_on() and game._note == "Marked in the session", "a mark")


@pytest.mark.net
def test_wrong_settings_are_errors() -> None:
    with published() as (_outbox, publisher), pytest.raises(PortInUseError, match="with --address"):
        run_game(Options(publisher.address, ANY_PORT, brain="keyboard", size=SIZE))
    with publishing() as address, pytest.raises(ConfigError, match="need one for each side"):
        run_game(Options(address, left="feet", cue_stream="", size=SIZE, seconds=PATIENCE_S))


@contextmanager
def publishing() -> Iterator[str]:
    """Publish windows, 25 % left, fifty times a second."""
    stop = threading.Event()
    with published() as (outbox, publisher):

        def publish() -> None:
            while not stop.wait(0.02):
                outbox.poll()
                outbox.prediction(window(p_left=0.25))

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield publisher.address
        finally:
            stop.set()
            thread.join()


@pytest.mark.net
def test_feedback_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    draw = feedback_bar.draw

    def look(
        screen: pygame.Surface, font: pygame.font.Font, prediction: Prediction | None, n_lost: int
    ) -> None:
        draw(screen, font, prediction, n_lost)
        # 25 % of the left half is blue from 320 on, 75 % of the right half is orange up to 640
        seen.append([tuple(screen.get_at((x, 150)))[:3] for x in (310, 330, 630, 650)])
        if prediction is not None:
            pygame.event.post(pygame.event.Event(pygame.QUIT))

    monkeypatch.setattr(feedback_bar, "draw", look)
    with publishing() as address:
        feedback_bar.main(address)
    blue, orange = feedback_bar.COLOURS
    assert seen[0] == [feedback_bar.TRACK] * 4
    assert seen[-1] == [feedback_bar.TRACK, blue, orange, feedback_bar.TRACK]
