"""What a live run does with what comes: markers placed, samples checked and decoded, breaks told, from chunk to messages."""

from collections.abc import Mapping, Sequence

from rtbci.errors import StreamError
from rtbci.publish.messages import Scalar
from rtbci.publish.outbox import Outbox
from rtbci.runtime.backlog import WaitsBehind
from rtbci.runtime.behind import Behind
from rtbci.runtime.break_news import BreakNews
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.intake import Break, Intake
from rtbci.runtime.marker_stamps import MarkerStamps
from rtbci.runtime.quality import SignalQuality
from rtbci.runtime.telemetry import Telemetry, marker_data
from rtbci.runtime.teller import Teller
from rtbci.runtime.use_watch import UseWatch
from rtbci.runtime.watch import StreamWatch
from rtbci.stream.source import Chunk, Marker, StreamInfo

__all__ = ["StreamDecoding"]


class StreamDecoding:
    """Takes chunks and markers of one stream after another, and has said what they say.

    Parameters
    ----------
    decoder : Decoder
    outbox : Outbox
    telemetry : Telemetry
        Its counters of gaps and of samples that are not finite.
    watch : StreamWatch
        State of the stream.
    use : UseWatch
        Is told how good the signal is.
    teller : Teller
        Publishes verdicts.
    behind : Behind
        Says which windows are skipped.

    Attributes
    ----------
    intake : Intake
        Of the open stream; from the first `opened` on.

    Notes
    -----
    Called by whoever holds the run's lock.
    """

    intake: Intake

    def __init__(
        self,
        decoder: Decoder,
        outbox: Outbox,
        telemetry: Telemetry,
        watch: StreamWatch,
        use: UseWatch,
        teller: Teller,
        behind: Behind,
    ) -> None:
        self._decoder, self._outbox, self._telemetry = decoder, outbox, telemetry
        self._watch, self._use, self._teller, self._behind = watch, use, teller, behind
        self._stamps, self._breaks = MarkerStamps(), BreakNews()

    def opened(self, info: StreamInfo, t_now: float) -> None:
        """The decoder has opened a stream, new or come back: nothing of the one before counts for it."""
        tolerates = self._decoder.pipeline.can_replace
        self.intake = Intake(info, self._decoder.read, t_now, tolerates=tolerates)
        self._quality = SignalQuality(self._decoder)
        self._stamps.reset()
        self._use.reset()
        self._behind.opened()
        self._teller.opened(self.intake, self._quality)
        self._watch.opened(t_now)

    def take(
        self, chunk: Chunk, markers: Sequence[Marker], t_taken: float, waiting: WaitsBehind
    ) -> Sequence[Marker]:
        """Decode what has come and publish what it says.

        Parameters
        ----------
        chunk : Chunk
            May be empty.
        markers : sequence of Marker
            That came with it.
        t_taken : float
            When it was there, seconds of the local LSL clock.
        waiting : WaitsBehind
            What else waits for the decoder.

        Returns
        -------
        sequence of Marker
            Those whose stamps samples can be found for, which the decoder was given; the others are told, and no reason to end a run.
        """
        placed = self._placed(chunk, markers, t_taken)
        for marker in placed:
            self._decoder.mark(marker)
            self._tell_marker(marker)
        if not len(chunk.t_lsl):
            return placed
        self._watch.received(t_taken)
        pieces = self.intake.push(chunk)
        self._behind.cut(pieces, self.intake.info.rate_hz)
        for i, piece in enumerate(pieces, 1):
            if isinstance(piece, Chunk):
                self._push(piece, t_taken, i == len(pieces), waiting)
            else:
                self._break(piece, t_taken)
        self.intake.note(t_taken)  # what can wait comes after the decision
        return placed

    def end(self) -> None:
        """Tell the markers that samples have not come for."""
        for marker in self._stamps.flush():
            self._tell_marker(marker)

    def check_not_left(self) -> None:
        """End the thread whose window took so long that the run has ended without it: nothing here is its own any more."""
        if self._telemetry.is_stuck:
            raise StreamError("LiveRun: a window was decoded after the end of the run")

    def _placed(self, chunk: Chunk, markers: Sequence[Marker], t_taken: float) -> list[Marker]:
        t_newest = float(chunk.t_lsl[-1]) if len(chunk.t_lsl) else None
        placed, lost = self._stamps.push(markers, t_newest)
        for marker, reason in lost:
            t_lsl = t_taken if reason == "no_time" else marker.t_lsl
            self._outbox.event("window_lost", t_lsl, marker.value, {"reason": reason})
        return placed

    def _tell_marker(self, marker: Marker) -> None:
        data = marker_data(self._decoder.recipe, marker.value)
        self._outbox.event("marker", marker.t_lsl, marker.value, data)

    def _break(self, at: Break, t_taken: float) -> None:
        """Start anew behind a break; tell a gap that the stream made from one that we made by being late."""
        telemetry = self._telemetry
        if at.kind == "not_finite":
            telemetry.n_not_finite += at.n_samples
            self._start_anew("not_finite", at, t_taken, {"n_samples": telemetry.n_not_finite})
            return
        telemetry.n_gaps += 1
        if self._behind.made(at, t_taken):
            self._start_anew("overflow", at, t_taken, {"gap_s": at.gap_s, "n_samples": telemetry.n_overflow})
        else:
            self._start_anew("gap", at, t_taken, {"gap_s": at.gap_s, "n_gaps": telemetry.n_gaps})

    def _push(self, chunk: Chunk, t_taken: float, is_newest: bool, waiting: WaitsBehind) -> None:
        self._behind.begin(chunk, is_newest, waiting)
        verdicts = self._decoder.push(chunk.data, chunk.t_lsl)
        self._teller.decoded(len(chunk.t_lsl), len(verdicts))
        self.check_not_left()
        self._quality.note()
        self._tell_lost()
        for verdict in self._behind.keep(verdicts, t_taken, is_newest) if verdicts else ():
            self._teller.predict(verdict, t_taken)
        self._use.guard(self._teller.score)
        self._quality.tell(self._outbox)

    def _tell_lost(self) -> None:
        for marker, reason in self._decoder.lost_windows():
            self._outbox.event("window_lost", marker.t_lsl, marker.value, {"reason": reason})

    def _start_anew(self, kind: str, at: Break, t_taken: float, data: Mapping[str, Scalar]) -> None:
        self._decoder.restart()
        self._watch.restarted()
        self._tell_lost()
        if self._breaks.is_due(at, t_taken):
            self._outbox.event(kind, at.t_lsl, "", data)
        self._teller.say_broken(at.t_lsl, t_taken)
