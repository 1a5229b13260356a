"""`rtbci demo` where items flash: a synthetic user is calibrated, and spells a word."""

from contextlib import ExitStack

import numpy as np
from rich.console import Console

from rtbci.amp.flashes import LEAD_S, REST_S
from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.commands.amp_users import attention_of
from rtbci.commands.demo_board import say_run
from rtbci.commands.demo_page import DemoPage
from rtbci.commands.demo_speller_board import SpellerBoard
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.errors import ConfigError
from rtbci.flashes.contest import Contest, hold_contest
from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.fit import need_pyriemann
from rtbci.listing import counted
from rtbci.probe.profile import Profile
from rtbci.publish.sink import Sink
from rtbci.publish.zmq_publisher import Publisher
from rtbci.recipes import ParadigmRecipe
from rtbci.recipes.flashes import END
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.signal_tap import SignalOffer
from rtbci.runtime.telemetry import Report
from rtbci.speller.grid import letters_for, rows_of
from rtbci.speller.score import Letter, SpellingScore
from rtbci.speller.text import items_of_text
from rtbci.stream.source import Marker, Source

__all__ = ["calibrated", "demo_speller", "record_letters"]

WORD = "BRAIN"
N_LETTERS = 8
"""That the synthetic user is calibrated on."""
PIECE_S = 0.5
"""Shorter than the rest behind a selection: the next cue is not among what is calibrated on."""
USER = "synthetic"


def demo_speller(
    config: RunConfig,
    recipe: ParadigmRecipe,
    console: Console,
    *,
    seconds: float | None,
    seed: int,
    address: str,
    opens: bool,
) -> SpellingScore:
    """Calibrate a synthetic user on a few letters, have it spell a word, show it, and report.

    What a recipe ships was fitted on people, and says little of how an invented brain answers; so the user is calibrated
    first, on letters that are made as fast as they can be computed. Without `seconds` it lasts until the word is spelled.

    Raises
    ------
    MissingPackageError
        Without what fitting needs.
    CalibrationError
        When nothing can be learnt from its letters.
    """
    need_pyriemann()
    word, letters = _word(recipe, seed), letters_for(recipe.classes, N_LETTERS, seed)
    attention, channels = attention_of(str(recipe.folder), (*letters, *word))
    if attention is None:
        raise ConfigError(f"paradigm '{recipe.name}': has no [flashes], need items that flash; name another")
    amp = SyntheticAmp(channels, seed=seed, attention=attention)
    profile = _profile_of(recipe, amp, console)
    score = SpellingScore(len(recipe.classes), len(attention.groups), LEAD_S + REST_S)
    config = config.model_copy(update={"duration_s": seconds})
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        publisher = stack.enter_context(Publisher(address))
        page = DemoPage(config, publisher, stack)
        decoder = stack.enter_context(
            Decoder(recipe, profile=profile, decision=config.decision, mask=config.mask.enabled)
        )
        page.show(console, opens)
        source = AmpSource(amp)

        def on_letter(_letter: Letter) -> None:
            amp.end_trial()
            if len(score.letters) == len(word):
                stop.set()

        def make_source(_lost: object) -> Source:
            return source

        board = SpellerBoard(
            console, rows_of(recipe), attention.groups, word, score, publisher.address, on_letter
        )
        stack.callback(board.close)
        offer = SignalOffer(publisher, channel_map=lambda: decoder.channel_map)
        sinks: list[Sink] = [publisher, offer, board]
        report = LiveRun(config, decoder, offer.factory(make_source), sinks, page.control).run(stop)
    _say(console, score, report, board, recipe, word)
    return score


def _profile_of(recipe: ParadigmRecipe, amp: SyntheticAmp, console: Console) -> Profile:
    console.print(
        f"calibrating a synthetic user on {N_LETTERS} letters, not in real time ...", highlight=False
    )
    contest = calibrated(recipe, record_letters(amp, N_LETTERS))
    console.print(
        f"its flashes are told apart with an AUC of {contest.chosen.area.value:.2f} (cross-validated)",
        highlight=False,
    )
    return contest.profile


def record_letters(amp: SyntheticAmp, n: int) -> Recording:
    """What an amplifier gives until `n` selections are over; it goes on from there."""
    parts, markers = [], list[Marker]()
    while sum(marker.value == END for marker in markers) < n:
        data, new = amp.generate(round(PIECE_S * amp.info.rate_hz))
        parts.append(data)
        markers += new
    return Recording(amp.info, np.concatenate(parts), tuple(markers))


def calibrated(recipe: ParadigmRecipe, recording: Recording) -> Contest:
    """A decoder fitted on the letters of a recording alone, and how good it is.

    Raises
    ------
    CalibrationError
        When nothing can be learnt from them.
    """
    return hold_contest(cut_epochs([recording], recipe), recipe, USER, None)


def _word(recipe: ParadigmRecipe, seed: int) -> list[str]:
    """Items of a word; some at random where the recipe has other items."""
    try:
        return items_of_text(WORD, recipe.classes)
    except ConfigError:
        return letters_for(recipe.classes, len(WORD), seed + 1)


def _say(
    console: Console,
    score: SpellingScore,
    report: Report,
    board: SpellerBoard,
    recipe: ParadigmRecipe,
    word: list[str],
) -> None:
    console.rule("report")
    console.print(f"text         '{board.text}' of '{''.join(word)}'", highlight=False)
    console.print(f"letters      {score.words()} (a synthetic user)", highlight=False)
    if len(score.letters) < len(word):
        console.print(
            f"             {counted(len(word) - len(score.letters), 'letter')} left: run longer, without --seconds until the end",
            highlight=False,
        )
    say_run(console, report, board.latency)
    console.print(
        f"next         rtbci speller page --paradigm {recipe.option}  |  rtbci amp --paradigm {recipe.option} --follow "
        f"rtbci-speller  |  rtbci run --paradigm {recipe.option}",
        highlight=False,
    )
