"""The program: a loop that reads messages, moves the world, draws, and passes cues on."""

import random
from collections.abc import Callable
from contextlib import ExitStack

import pygame

from rtbci.calibrate.markers_out import CueMarkers
from rtbci.clock import Clock, cpu_s, now
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import StreamNotFoundError

from .brain import Brain, Mishap
from .brain_publisher import BrainPublisher
from .chance import against_chance
from .cues import BrainCues, Cues, LslCues, NoCues
from .messages import Feed
from .meter import Meter
from .options import Options, Report
from .picture import Picture
from .play import Play
from .remote import Remote
from .shapes import forget_fonts
from .shown import Shown
from .sounds import Sounds
from .steering import CALM, Hands, find_hands, wind_of
from .window import Window, Wish
from .world import Happening

__all__ = ["Game", "run_game"]

LONGEST_FRAME_S = 0.1
"""A frame that took longer (the window was dragged) moves the world by this much."""
SILENT_HOPS = 6
"""After so many hops without a prediction the wind is gone."""
NOTE_S = 4.0
MARK = "game: marked by the player"


def run_game(options: Options, say: Callable[[str], None] = print, clock: Clock = now) -> Report:
    """Play until the window is closed, or for `seconds`.

    Raises
    ------
    RtbciError
        When an address, a class of the decoder or a setting is wrong; or nothing came for a game that starts by itself.
    """
    with stop_on_signals() as stop, ExitStack() as stack:
        brain = publisher = None
        if options.brain != "decoder":
            brain = Brain(options.accuracy, options.noise_s, options.seed)
            publisher = stack.enter_context(BrainPublisher(brain, options.address, options.control))
        game = Game(options, brain, publisher, stack, clock)
        while not (stop.is_set() or game.is_over):
            game.frame()
        report = game.report()
    for line in report.lines:
        say(line)
    if options.autostart and not report.n_predictions:
        raise StreamNotFoundError(
            f"game: nothing came from {options.address}, need a decoder that publishes there"
            f"{' and trusts this key' if options.server_key else ''}; start `rtbci run`, or choose --brain keyboard"
        )
    return report


class Game:
    """Everything that lives while the window is open; `frame` is one turn of the loop.

    Parameters
    ----------
    options : Options
    brain, publisher : Brain and BrainPublisher, or None
        The stand-in, where there is one.
    stack : ExitStack
        Closes what is opened here.
    clock : Clock
        Of this computer's messages, so that their age can be told.
    """

    def __init__(
        self,
        options: Options,
        brain: Brain | None,
        publisher: BrainPublisher | None,
        stack: ExitStack,
        clock: Clock,
    ) -> None:
        self.is_over = False
        self._options, self._brain, self._publisher, self._clock = options, brain, publisher, clock
        self._address = options.address if publisher is None else publisher.address
        # The stand-in is on this computer and has no keys.
        none = (None, None)
        keys = (options.server_key, options.key) if publisher is None else none
        messages_keys = none if options.open_publish else keys
        self._feed = stack.enter_context(Feed(self._address, *messages_keys, clock=clock))
        control = options.control if publisher is None else publisher.control_address
        self._remote = stack.enter_context(Remote(control, *(none if options.open_control else keys)))
        self._cues = _cues_of(options, brain, stack)
        # Another stream of numbers than the stand-in's noise: sides must mean nothing to it.
        sides_seed = None if options.seed is None else f"sides {options.seed}"
        self._play = Play(options.n_gates, options.pace, random.Random(sides_seed))
        self._hands: Hands | None = None
        self._wind, self._meter = CALM, Meter()
        self._note, self._t_note = "", clock() - NOTE_S
        self._paused_decoder = False
        stack.callback(self._leave)
        stack.callback(pygame.quit)
        stack.callback(forget_fonts)
        self._window = Window(options.size, options.fullscreen)
        self._picture = Picture(*self._window.screen.get_size())
        self._sounds = self._open_sounds()
        self._pacer = pygame.time.Clock()
        self._t_start = self._t_frame = self._t_flip = clock()
        self._cpu_frame_s = 0.0

    def frame(self) -> None:
        """Read, move, draw, show; then wait until the next frame is due."""
        t_now, self._cpu_frame_s = self._clock(), cpu_s()
        dt_s, self._t_frame = t_now - self._t_frame, t_now
        happenings = [happening for wish in self._window.wishes() for happening in self._grant(wish)]
        if self._brain is not None and self._options.brain == "keyboard":
            self._brain.intent = self._window.intent()
        t_sent = self._listen()
        if self._options.autostart and self._play.mode == "ready":
            happenings += self._play.start()
        dt_s = min(dt_s, LONGEST_FRAME_S)
        happenings += self._play.step(dt_s, self._feed.link, self._wind)
        self._wind = self._wind._replace(gust=0)  # a decision counts once
        self._show(happenings, dt_s, t_now, t_sent)
        late = self._options.seconds is not None and t_now - self._t_start >= self._options.seconds
        if late or (self._options.autostart and self._play.mode == "over"):
            self.is_over = True
        self._pacer.tick(self._options.fps)

    def report(self) -> Report:
        """Lanterns against chance, and how fast it was."""
        play, world = self._play, self._play.world
        gates = play.all_gates + (world.gates if play.mode in ("playing", "paused") else [])
        against = against_chance(gates)
        lines = [
            f"lanterns: {against.n_hits} of {against.n_chosen}, {against.n_open} in the middle. {against.words}",
            f"points of the last game: {world.points}",
            f"predictions: {self._feed.n_predictions} read, {self._feed.n_lost} lost",
            *self._meter.lines(),
        ]
        return Report(against, world.points, self._feed.n_predictions, self._feed.n_lost, lines)

    def _listen(self) -> float | None:
        """Read what has come; return when the newest prediction was sent, if there is a new one."""
        if self._publisher is not None:
            self._publisher.check()
        predictions, hello = self._feed.read(), self._feed.hello
        if hello is None:
            self._wind = CALM
            return None
        self._hands = find_hands(hello, self._options.left, self._options.right)
        gust = 0
        for prediction in predictions:
            if prediction.classes != hello.classes:  # of a decoder whose hello is still to come
                continue
            self._wind = wind_of(prediction, self._hands, hello.decision.threshold)
            gust = self._wind.gust or gust
        self._wind = self._wind._replace(gust=gust)
        is_silent = self._feed.silent_s > max(0.5, SILENT_HOPS * hello.hop_s)
        if self._feed.link == "stale" or (is_silent and self._feed.link != "lost"):
            what = "samples" if self._feed.link == "stale" else "predictions"
            self._wind = CALM._replace(air="trouble", words=f"No {what} come: the boat glides")
        return predictions[-1].t_sent if predictions else None

    def _show(self, happenings: list[Happening], dt_s: float, t_now: float, t_sent: float | None) -> None:
        if self._window.resized:
            self._picture.resize(*self._window.screen.get_size())
        for text in self._remote.news():
            self._note, self._t_note = text, t_now
        shown = self._shown(t_now)
        self._picture.show(happenings)
        self._picture.draw(self._window.screen, shown, dt_s)
        pygame.display.flip()
        t_flip, t_before = self._clock(), self._t_flip
        self._t_flip = t_flip
        self._meter.frame(t_flip - t_now, cpu_s() - self._cpu_frame_s, t_flip - t_before)
        if t_sent is not None and self._feed.same_clock:
            self._meter.shown(t_flip - t_sent)
        self._send_cues(happenings, t_flip)
        self._sounds.play(happenings, self._play.world.streak)

    def _send_cues(self, happenings: list[Happening], t_flip: float) -> None:
        hands = self._hands
        if hands is None:
            return
        for happening in happenings:
            if happening.kind == "cue" and happening.side is not None:
                name = hands.left if happening.side == "left" else hands.right
                self._cues.send(happening.side, name, t_flip)
            elif happening.kind == "rest":
                self._cues.send("rest", "rest", t_flip)

    def _shown(self, t_now: float) -> Shown:
        feed = self._feed
        return Shown(
            play=self._play,
            wind=self._wind,
            link=feed.link,
            hello=feed.hello,
            status=feed.status,
            prediction=feed.prediction,
            hands=self._hands,
            n_lost=feed.n_lost,
            to_frame_ms=self._meter.recent_ms if feed.same_clock else None,
            address=self._address,
            note=self._note if t_now - self._t_note < NOTE_S else "",
            cues=self._cues.words,
            cue_stream=self._options.cue_stream,
            keyboard=self._options.brain == "keyboard",
        )

    def _grant(self, wish: Wish) -> list[Happening]:
        if wish == "quit":
            self.is_over = True
        elif wish == "start":
            return self._play.start()
        elif wish == "pause":
            return self._turn_pause()
        elif wish == "mark":
            self._remote.ask("mark", "Marked in the session", value=MARK)
        elif self._brain is not None:
            mishap: Mishap = wish
            self._brain.mishap = "none" if self._brain.mishap == mishap else mishap
        return []

    def _turn_pause(self) -> list[Happening]:
        was = self._play.mode
        happenings = self._play.turn_pause()
        if was == "playing":
            self._paused_decoder = True
            self._remote.ask("pause", "The decoder pauses too")
        elif was == "paused":
            self._resume_decoder()
        return happenings

    def _resume_decoder(self) -> None:
        if self._paused_decoder:
            self._paused_decoder = False
            self._remote.ask("resume", "The decoder goes on")

    def _leave(self) -> None:
        """Leave no decoder paused and nobody imagining."""
        self._resume_decoder()
        if self._hands is not None:
            self._cues.send("rest", "rest", self._clock())

    def _open_sounds(self) -> Sounds:
        try:
            return Sounds(self._options.sound)
        except pygame.error as error:
            self._note, self._t_note = f"No sound: {error}", self._clock()
            return Sounds(wanted=False)


def _cues_of(options: Options, brain: Brain | None, stack: ExitStack) -> Cues:
    if brain is not None:
        return BrainCues(brain) if options.brain == "autopilot" else NoCues()
    if not options.cue_stream:
        return NoCues()
    return LslCues(stack.enter_context(CueMarkers(options.cue_stream, f"{options.cue_stream}-game")))
