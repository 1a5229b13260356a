"""What a run decoded, step by step: all that its predictions hang on besides the samples themselves."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from rtbci.publish.outbox import Numbers
from rtbci.runtime.decoder import Decoder
from rtbci.stream.source import Chunk, Marker
from rtbci.stream.waiting import Counted

__all__ = ["TOPICS", "Journal", "Taken"]

TOPICS = ("prediction", "event", "status")
"""Order of `Taken.n_sent`."""


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="taken"):
    """Some samples, or only markers, were decoded.

    What was told before, and since the row in front of it, was done between two chunks: another profile, another
    engine, a pause. Not every chunk has a row: only where a window was completed, samples were left out or something was
    told since.

    Parameters
    ----------
    t_lsl : float
        When they were there, in seconds: what says whether windows are late.
    n_chunks, n_samples : int
        Of the stream since the start of the run, these included.
    n : int
        Samples of this chunk; 0: only markers came.
    n_markers : int
        Markers that came with it.
    n_sent : tuple of int
        Predictions, events and statuses sent when it had been decoded; also the numbers of the next ones.
    windows : tuple of str
        Checksums of the windows that it completed and that were decoded; see `rtbci.runtime.digests`.
    skipped : tuple of int
        Which of its windows were skipped, because they were late: so many were decoded, so many then skipped, and so on
        in turn; all others were decoded. Empty: none was skipped.
    n_left_out : int
        Chunks in front of this one that were not given to the decoder, because too many waited; they are counted in
        `n_chunks`, and their samples in `n_samples`.
    failed : tuple of str
        Branches whose engine failed on it and was replaced by the first one.
    """

    t_lsl: float
    n_chunks: int
    n_samples: int
    n: int
    n_markers: int = 0
    n_sent: tuple[int, int, int]
    windows: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()
    n_left_out: int = 0
    failed: tuple[str, ...] = ()


class Journal:
    """Tells what a run has decoded, after each decision.

    Parameters
    ----------
    decoder : Decoder
        Of the run.
    take : callable
        Gets the rows; must not wait.
    numbers : Numbers, optional
        Where the run's messages begin.

    Notes
    -----
    One owner, who holds the decoder. With a row and its checksums about 35 µs for motor imagery (tools/bench_journal.py), behind the decision.
    """

    def __init__(
        self, decoder: Decoder, take: Callable[[Taken], None], numbers: Numbers | None = None
    ) -> None:
        self._decoder, self._take, self.numbers = decoder, take, numbers
        self._n_chunks = self._n_samples = 0
        self._n_told = (-1, -1, -1)
        self._n_left_out = 0
        self._failed: set[str] = set()

    def opened(self) -> None:
        """The decoder has opened a stream: have checksums kept of what it computes."""
        self._decoder.pipeline.keep_digests()

    def left_out(self, left: Counted) -> None:
        """Samples are recorded that the decoder is not given, in front of what is decoded next."""
        self._n_chunks += left.n_chunks
        self._n_samples += left.n_samples
        self._n_left_out += left.n_chunks

    def note(
        self,
        chunk: Chunk,
        markers: Sequence[Marker],
        t_taken: float,
        n_sent: Mapping[str, int],
        skipped: tuple[int, ...] = (),
    ) -> None:
        """Take note of what has just been decoded, which windows were skipped, and of how many messages were sent by then."""
        n = len(chunk.t_lsl)
        self._n_chunks += n > 0
        self._n_samples += n
        digests = self._decoder.pipeline.digests
        windows = digests.take() if digests is not None else ()
        told = (n_sent["prediction"], n_sent["event"], n_sent["status"])
        if not (windows or skipped or self._n_left_out) and told == self._n_told:
            return
        self._n_told = told
        row = Taken(
            t_lsl=t_taken,
            n_chunks=self._n_chunks,
            n_samples=self._n_samples,
            n=n,
            n_markers=len(markers),
            n_sent=told,
            windows=windows,
            skipped=skipped,
            n_left_out=self._n_left_out,
            failed=self._new_failures(),
        )
        self._n_left_out = 0
        self._take(row)

    def _new_failures(self) -> tuple[str, ...]:
        sessions = self._decoder.sessions.items()
        failing = {name for name, session in sessions if session.failure}
        new, self._failed = failing - self._failed, failing
        return tuple(sorted(new))
