"""`rtbci demo`: the main job without hardware, in one terminal."""

from collections import deque
from contextlib import ExitStack

from rich.console import Console

from rtbci.amp.cues import STATES
from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.commands.amp_users import flicker_of, rhythms_of
from rtbci.commands.demo_board import DemoBoard, Trace, say_run
from rtbci.commands.demo_page import DemoPage
from rtbci.commands.options import teller_of
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.evaluate.statistics import wilson
from rtbci.listing import counted
from rtbci.night.windows import is_stager
from rtbci.publish.sink import Sink
from rtbci.publish.zmq_publisher import Publisher
from rtbci.recipes import read_paradigm
from rtbci.recipes.value import ValueSettings
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.score import Score
from rtbci.runtime.signal_tap import SignalOffer
from rtbci.runtime.telemetry import Report
from rtbci.runtime.value_score import ValueScore
from rtbci.speller.score import SpellingScore
from rtbci.stream.source import Chunk, Source

__all__ = ["demo"]

TRACE_S = 4.0
SHORT_S, LONG_S = 60.0, 200.0
"""How long it takes by itself, without a baseline to learn first and with one."""


class TappedSource(AmpSource):
    """The synthetic amplifier, with its newest samples kept for the eye."""

    def __init__(self, amp: SyntheticAmp, labels: tuple[str, ...]) -> None:
        super().__init__(amp)
        self._columns = [amp.info.labels.index(label) for label in labels]
        self.trace: Trace = deque(maxlen=int(TRACE_S * amp.info.rate_hz))

    def pull(self, timeout_s: float) -> Chunk:
        """As the amplifier; appending to a deque is safe while another thread reads it."""
        chunk = super().pull(timeout_s)
        self.trace.extend(chunk.data[:, self._columns])
        return chunk


def demo(
    config: RunConfig, console: Console, *, seconds: float | None, seed: int, address: str, opens: bool
) -> Score | SpellingScore | None:
    """Run the synthetic amplifier through the decoder, show it, and report.

    Its user imagines hands, looks at the targets of a paradigm that reads flicker, lets its rhythms follow, spells a word
    where items flash, or sleeps.
    """
    recipe = read_paradigm(config.paradigm)
    if is_stager(recipe):
        from rtbci.commands.demo_night import demo_night

        demo_night(config, recipe, console, seconds=seconds or SHORT_S, seed=seed)
        return None
    if recipe.flashes is not None:
        from rtbci.commands.demo_speller import demo_speller

        return demo_speller(config, recipe, console, seconds=seconds, seed=seed, address=address, opens=opens)
    value = recipe.value
    seconds = seconds or (LONG_S if value is not None and value.baseline is not None else SHORT_S)
    config = config.model_copy(update={"duration_s": seconds})
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        publisher = stack.enter_context(Publisher(address))
        page = DemoPage(config, publisher, stack)
        console.print("making a head with 60 sources, and loading the decoder ...", highlight=False)
        decoder = stack.enter_context(
            Decoder(config.paradigm, decision=config.decision, mask=config.mask.enabled)
        )
        amp, rows = _amp_for(decoder, seed)
        source = TappedSource(amp, rows)
        score = Score()
        settled_s = recipe.window.length_s + (2 * value.smoothing_s if value else 0.0)
        values = ValueScore(value.of if value else "", settled_s)
        page.show(console, opens)
        board = DemoBoard(console, source.trace, score, seconds, publisher.address, rows=rows)
        stack.callback(board.close)

        def make_source(_lost: object) -> Source:
            return source

        offer = SignalOffer(publisher, channel_map=lambda: decoder.channel_map)
        sinks: list[Sink] = [publisher, offer, score, board, *([values] if value else [])]
        made = offer.factory(make_source)
        report = LiveRun(config, decoder, made, sinks, page.control, news=page.news).run(stop)
    console.rule("report")
    if value is not None:
        _say_value(console, values, value)
    else:
        _say_trials(console, score, decoder)
    _say(console, report, board, decoder.recipe.option, is_hands=amp.states == STATES)
    return score


def _amp_for(decoder: Decoder, seed: int) -> tuple[SyntheticAmp, tuple[str, ...]]:
    """An amplifier whose user does what the decoder reads, and three electrodes to show."""
    recipe = decoder.recipe
    if (rhythms := rhythms_of(str(recipe.folder))) is not None:
        return SyntheticAmp(seed=seed, rhythms=rhythms), ("FZ", "CZ", "PZ")
    if not recipe.flickers:
        return SyntheticAmp(seed=seed), ("C3", "CZ", "C4")
    flicker, channels = flicker_of(str(recipe.folder))
    return SyntheticAmp(channels, seed=seed, flicker=flicker), tuple(channels[-3:])


def _say_value(console: Console, values: ValueScore, value: ValueSettings) -> None:
    """Tell how the continuous output went with the cues."""
    found = values.numbers()
    if found is None:
        usual_s = 0.0 if value.baseline is None else value.baseline.length_s
        console.print(
            f"value        not enough yet: the baseline takes {usual_s:.0f} s, then both states are needed; run longer, "
            "--seconds 200",
            highlight=False,
        )
        return
    console.print(
        f"value        {found.mean_of:.2f} while '{value.of}' was asked for, {found.mean_else:.2f} otherwise; AUC "
        f"{found.auc:.2f} ({found.n} settled windows); correlation {found.correlation:.2f} with all (a synthetic user)",
        highlight=False,
    )


def _say_trials(console: Console, score: Score, decoder: Decoder) -> None:
    confusion = score.confusion()
    n = sum(confusion.values())
    if n:
        right = sum(count for (cue, label), count in confusion.items() if cue == label)
        low, high = wilson(right, n)
        console.print(
            f"trials       {right} of {n} with the right label: {100 * right / n:.0f} % ({100 * low:.0f} to "
            f"{100 * high:.0f}, 95 %; a synthetic user)",
            highlight=False,
        )
        decided_right, decided_wrong, undecided = score.decided()
        console.print(
            f"decisions    {decided_right} right, {decided_wrong} wrong, {counted(undecided, 'trial')} without one",
            highlight=False,
        )
        if not decided_right + decided_wrong:
            _say_why_none(console, score, decoder)
    else:
        console.print("trials       none complete yet: run longer, --seconds 60", highlight=False)


def _say_why_none(console: Console, score: Score, decoder: Decoder) -> None:
    """What stood between probabilities and a decision, and what to do about it."""
    policy, recipe, told = decoder.decision, decoder.recipe, teller_of(console)
    idle = "" if recipe.idle is None else recipe.classes[recipe.idle]
    meant = {
        "below_threshold": f"were not at probability {policy.threshold:g}, held for {policy.dwell_s:g} s (of the {decoder.decision_from})",
        "idle": f"looked most like '{idle}', which is never decided for",
        "refractory": f"were within {policy.refractory_s:g} s of a decision before, the pause after each",
    }
    shares = score.undecided()
    found = [f"{100 * share:.0f} % {meant.get(why, why)}" for why, share in shares.items()]
    told(f"why none     of the windows in those trials {'; '.join(found)}")
    if next(iter(shares), "") not in ("below_threshold", "idle"):
        return
    told(
        "             nothing is broken: a decoder that knows nobody yet keeps still rather than act unasked; rtbci calibrate "
        "makes it a person's own, threshold in [decision] of a --config decides sooner"
    )
    if (card := recipe.folder / "CARD.md").is_file():
        told(f"             how often it decides for people: {card}")


def _say(console: Console, report: Report, board: DemoBoard, option: str, is_hands: bool) -> None:
    say_run(console, report, board.latency)
    amp = "rtbci amp" if is_hands else f"rtbci amp --paradigm {option}"
    console.print(f"next         {amp}  |  rtbci run --paradigm {option}  |  rtbci listen", highlight=False)
