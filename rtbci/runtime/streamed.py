"""A live stream decoded where one stands, in a notebook or a script: what `rtbci run` decodes, without all that it does besides."""

from collections.abc import Generator, Iterator

from rtbci.clock import Clock, now
from rtbci.config import WatchSettings
from rtbci.errors import StreamLostError
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.intake import Intake
from rtbci.runtime.marker_stamps import MarkerStamps
from rtbci.runtime.verdict import Verdict
from rtbci.stream.source import Chunk, Source, is_checking
from rtbci.system.one_thread import limiter

__all__ = ["decode_stream"]

PULL_S = 0.25


def decode_stream(
    decoder: Decoder, stream: str | Source = "", *, unit: str = "", clock: Clock = now
) -> Generator[Verdict, None, None]:
    """Decode a stream until it ends, is lost, or nobody asks for more.

    A gap starts the decoder anew, so no window spans one; its markers reach the decoder.

    Parameters
    ----------
    decoder : Decoder
        Not closed.
    stream : str or Source
        Name of an LSL stream, empty for the only one of type EEG; or a source that is not open.
    unit : str
        Overrides the unit that the stream states.
    clock : Clock
        Seconds of the local LSL clock.

    Yields
    ------
    Verdict
        For every window, as soon as it is complete.

    Raises
    ------
    StreamNotFoundError
        When there is no such stream, or more than one.
    StreamLostError
        When it has gone, or nothing came for 5 s.
    ChannelError, RateError, UnitError, SignalError, ProfileError
        When it is not what the decoder needs; see `Decoder.open` and `Decoder.push`.

    Notes
    -----
    In the thread that iterates, which has to ask for the next verdict soon: LSL keeps 60 s. Nothing is recorded or published,
    late windows are decoded like others, and a stream that was lost is not looked for again: `rtbci run` does all that.

    Examples
    --------
    >>> from rtbci import Decoder, decode_stream                 # doctest: +SKIP
    >>> with Decoder("./my_hands") as decoder:                   # doctest: +SKIP
    ...     for verdict in decode_stream(decoder):
    ...         print(verdict.decision or verdict.why, verdict.estimate.probs)
    """
    if isinstance(stream, str):
        from rtbci.stream.lsl import LslSource

        source: Source = LslSource(name=stream)
    else:
        source = stream
    with source:
        decoder.open(source.info, unit)
        intake = Intake(source.info, decoder.read, clock(), tolerates=decoder.pipeline.can_replace)
        one_thread = limiter()  # only while it decodes: what the caller does meanwhile is the caller's
        for chunk in _chunks(decoder, source, clock):
            for piece in intake.push(chunk):
                if isinstance(piece, Chunk):
                    with one_thread():
                        verdicts = decoder.push(piece.data, piece.t_lsl)
                    yield from verdicts
                else:
                    decoder.restart()
            t_now = clock()
            intake.note(t_now)
            intake.check_rate(t_now)


def _chunks(decoder: Decoder, source: Source, clock: Clock) -> Iterator[Chunk]:
    """Chunks with samples, each behind the markers that came with it."""
    stamps, t_heard, lost_s = MarkerStamps(), clock(), WatchSettings().lost_s
    while True:
        try:
            chunk = source.pull(PULL_S)
        except EOFError:
            return
        n = len(chunk.t_lsl)
        placed, _ = stamps.push(source.pull_markers(), float(chunk.t_lsl[-1]) if n else None)
        for marker in placed:
            decoder.mark(marker)
        if n or is_checking(source):
            t_heard = clock()
        elif clock() - t_heard > lost_s:
            raise StreamLostError(
                f"stream '{source.info.name}': no data for {lost_s:g} s, need a stream that sends; look at its program"
            )
        if n:
            yield chunk
