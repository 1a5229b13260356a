"""The stream of a session's file that says how it was decoded, row by row; see docs/adr/0016."""

import msgspec

from rtbci.runtime.journal import Taken

__all__ = ["JOURNAL_NAME", "Begun", "Lost", "Row", "StreamOpened", "read_row"]

JOURNAL_NAME = "rtbci-journal"


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="begun"):
    """A process began to record, or went on with a session.

    Parameters
    ----------
    n_chunks : int
        Chunks of samples in the file by then.
    n_sent : tuple of int
        Numbers of its first prediction, event and status; see `rtbci.runtime.journal.TOPICS`.
    says_skipped : bool
        Whether its rows say which windows were skipped, which are not decoded then. Before, late windows were decoded like
        all others and not sent.
    """

    n_chunks: int
    n_sent: tuple[int, int, int] = (0, 0, 0)
    says_skipped: bool = False


class StreamOpened(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="opened"):
    """A connection was made: what comes from here on is in the stream of this number.

    Parameters
    ----------
    n_chunks : int
        Chunks of samples in the file by then.
    stream_id : int
        Number of the stream in the file.
    """

    n_chunks: int
    stream_id: int


class Lost(msgspec.Struct, frozen=True, tag_field="kind", tag="lost"):
    """There was no memory for something, or no disk, at this place.

    Parameters
    ----------
    n_chunks : int
        Chunks of samples in the file by then.
    n_chunks_lost, n_samples_lost, n_other_lost : int
        What is missing: chunks, samples in them, rows and messages.
    """

    n_chunks: int
    n_chunks_lost: int
    n_samples_lost: int
    n_other_lost: int


Row = Taken | Begun | StreamOpened | Lost
_DECODER = msgspec.json.Decoder(Row)


def read_row(text: str) -> Row | None:
    """A row as it was written; None when it is none."""
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
