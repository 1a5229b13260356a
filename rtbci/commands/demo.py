"""`rtbci demo`: the main job without hardware, in one terminal."""

import webbrowser
from collections import deque
from contextlib import ExitStack

import numpy as np
from rich.console import Console

from rtbci.amp.cues import STATES
from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.commands.amp import flicker_of
from rtbci.commands.demo_board import DemoBoard, Trace
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.publish.control import Control
from rtbci.publish.sink import Sink
from rtbci.publish.zmq_publisher import Publisher
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun, Report
from rtbci.runtime.score import Score
from rtbci.runtime.signal_tap import SignalOffer
from rtbci.stream.source import Chunk, Source

__all__ = ["demo"]

TRACE_S = 4.0


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
    config: RunConfig, console: Console, *, seconds: float, seed: int, address: str, opens: bool
) -> Score:
    """Run the synthetic amplifier through the decoder, show it, and report.

    Its user imagines hands, or looks at the targets of a paradigm that reads flicker.
    """
    config = config.model_copy(update={"duration_s": seconds})
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        publisher = stack.enter_context(Publisher(address))
        control = page = None
        if config.monitor.enabled:
            from rtbci.commands.page_process import PageProcess

            control = stack.enter_context(Control("tcp://127.0.0.1:0"))
            page = stack.enter_context(PageProcess(config.monitor, publisher.address, control.address))
        console.print("making a head with 60 sources, and loading the decoder ...", highlight=False)
        decoder = stack.enter_context(
            Decoder(config.paradigm, decision=config.decision, mask=config.mask.enabled)
        )
        amp, rows = _amp_for(decoder, seed)
        source = TappedSource(amp, rows)
        score = Score()
        if page is not None:
            _show(console, page.url, opens)
        board = DemoBoard(console, source.trace, score, seconds, publisher.address, rows=rows)
        stack.callback(board.close)

        def make_source(_lost: object) -> Source:
            return source

        offer = SignalOffer(publisher, channel_map=lambda: decoder.channel_map)
        sinks: list[Sink] = [publisher, offer, score, board]
        news = tuple if page is None else page.news
        report = LiveRun(config, decoder, offer.factory(make_source), sinks, control, news=news).run(stop)
    _say(console, score, report, board, decoder.recipe.name, is_flicker=amp.states != STATES)
    return score


def _amp_for(decoder: Decoder, seed: int) -> tuple[SyntheticAmp, tuple[str, ...]]:
    """An amplifier whose user does what the decoder reads, and three electrodes to show."""
    recipe = decoder.recipe
    if not any(branch.kind == "cca" for branch in recipe.branches):
        return SyntheticAmp(seed=seed), ("C3", "CZ", "C4")
    flicker, channels = flicker_of(str(recipe.folder))
    return SyntheticAmp(channels, seed=seed, flicker=flicker), tuple(channels[-3:])


def _show(console: Console, url: str, opens: bool) -> None:
    console.print(f"live page: {url}", highlight=False)
    if opens:
        webbrowser.open(url)


def _say(
    console: Console, score: Score, report: Report, board: DemoBoard, paradigm: str, is_flicker: bool
) -> None:
    console.rule("report")
    confusion = score.confusion()
    n = sum(confusion.values())
    if n:
        right = sum(count for (cue, label), count in confusion.items() if cue == label)
        p = right / n
        half_width = 1.96 * float(np.sqrt(max(p * (1 - p), 0.25 / n) / n))
        console.print(
            f"trials       {right} of {n} with the right label: {100 * p:.0f} % +- {100 * half_width:.0f} "
            "(95 %; a synthetic user)",
            highlight=False,
        )
        decided_right, decided_wrong, undecided = score.decided()
        console.print(
            f"decisions    {decided_right} right, {decided_wrong} wrong, {undecided} trials without one",
            highlight=False,
        )
    else:
        console.print("trials       none complete yet: run longer, --seconds 60", highlight=False)
    latency = board.latency
    if latency is not None:
        console.print(
            f"age          p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms, p99 {latency.p99:.1f} ms "
            "(newest sample of the window to message sent)",
            highlight=False,
        )
    console.print(
        f"predictions  {report.n_predictions} sent, {report.n_gaps} gaps, {report.n_skipped} skipped, "
        f"{report.n_overflow} samples lost",
        highlight=False,
    )
    amp = f"rtbci amp --paradigm {paradigm}" if is_flicker else "rtbci amp"
    console.print(f"next         {amp}  |  rtbci run --paradigm {paradigm}  |  rtbci listen", highlight=False)
