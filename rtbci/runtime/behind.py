"""A run whose decoder is slower than its stream: which windows and samples it leaves out, counted, told, kept for the journal."""

import math
from collections.abc import Sequence

from rtbci.clock import Clock
from rtbci.publish.outbox import Outbox
from rtbci.runtime.backlog import Backlog, LateSkips, Skips, WaitsBehind
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.intake import Break
from rtbci.runtime.journal import Journal
from rtbci.runtime.telemetry import Telemetry
from rtbci.runtime.verdict import Verdict
from rtbci.stream.source import Chunk
from rtbci.stream.waiting import Counted

__all__ = ["Behind"]

TOLD_S = 1.0


class Behind:
    """Keeps a run up with its stream; see docs/adr/0040-the-recording-does-not-wait.md.

    Parameters
    ----------
    decoder : Decoder
    outbox : Outbox
        Is told of windows that were skipped, once a second at most.
    telemetry : Telemetry
        Its counters of them, and of samples.
    journal : Journal or None
    max_backlog_s : float
        See `Backlog`.
    clock : Clock
    skips : Skips or None
        Which windows are skipped; None: those that are late by the clock.
    decodes_late : bool
        Late windows are decoded and not sent, as by a decoder that needs every window.

    Notes
    -----
    One owner, who decodes.
    """

    def __init__(
        self,
        decoder: Decoder,
        outbox: Outbox,
        telemetry: Telemetry,
        journal: Journal | None,
        max_backlog_s: float,
        clock: Clock,
        skips: Skips | None,
        decodes_late: bool,
    ) -> None:
        self._decoder, self._outbox, self._telemetry, self._journal = decoder, outbox, telemetry, journal
        self._max_s, self._clock, self._given = max_backlog_s, clock, skips
        self._decodes_late = decodes_late or decoder.needs_every_window
        self._n_left_out = 0  # samples in front of the chunk that is decoded next
        self._t_told = -math.inf
        self.opened()

    def opened(self) -> None:
        """Begin for a stream that the decoder has opened: how late its data usually is has to be learnt."""
        window = self._decoder.recipe.window
        self._backlog = Backlog(self._max_s)
        self._skips = self._given or LateSkips(self._backlog, window.hop_s, self._clock)
        # Each flash counts, however late: one that is left out may be the one that decides.
        self._keeps_all = window.policy == "marker" or not self._decodes_late
        if self._decoder.info is not None:
            self._decoder.pipeline.skips = None if self._decodes_late else self._skips

    def left_out(self, left: Counted) -> None:
        """Samples in front of the next chunk are recorded and not decoded: too many waited."""
        if left.n_chunks:
            self._n_left_out += left.n_samples
            if self._journal is not None:
                self._journal.left_out(left)

    def cut(self, pieces: list[Chunk | Break], rate_hz: float) -> None:
        """Have the decoder begin anew behind samples that it was not given, however few they were."""
        if self._n_left_out and pieces and isinstance(pieces[0], Chunk):
            gap_s = self._n_left_out / rate_hz
            pieces.insert(0, Break("gap", float(pieces[0].t_lsl[0]), gap_s=gap_s))

    def begin(self, chunk: Chunk, is_newest: bool, behind: WaitsBehind) -> None:
        """A chunk is about to be decoded; see `Skips.begin`."""
        if len(chunk.t_lsl):  # nothing is left of a chunk whose samples all came before
            self._skips.begin(float(chunk.t_lsl[-1]), is_newest, behind)

    def keep(self, verdicts: list[Verdict], t_taken: float, is_newest: bool) -> Sequence[Verdict]:
        """What is sent of windows that were decoded."""
        if self._keeps_all:
            return verdicts
        kept = self._backlog.keep(verdicts, t_taken, is_newest)
        self._telemetry.n_skipped += len(verdicts) - len(kept)
        return kept

    def made(self, gap: Break, t_taken: float) -> bool:
        """Whether a gap was made here, because we were late; its samples are counted then."""
        is_ours = self._backlog.lost(gap, t_taken) or self._n_left_out > 0
        if is_ours:
            lost = round(gap.gap_s * self._decoder.info.rate_hz) if self._decoder.info else 0
            self._telemetry.n_overflow += self._n_left_out or lost
            self._n_left_out = 0
        return is_ours

    def take(self, t_taken: float) -> tuple[int, ...]:
        """Which windows were skipped of the chunk that has been decoded; see `rtbci.runtime.journal.Taken.skipped`."""
        skipped = self._skips.take()
        # What waits when a stream is opened comes at once: nothing would have been decoded of windows that are not full.
        if skipped and self._decoder.pipeline.has_window:
            self._telemetry.n_skipped += sum(skipped[1::2])
            if t_taken - self._t_told >= TOLD_S:
                self._t_told = t_taken
                n = self._telemetry.n_skipped
                self._outbox.event("windows_skipped", t_taken, "", {"n_windows": n})
        return skipped
