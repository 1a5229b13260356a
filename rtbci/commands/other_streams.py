"""What a run or a recording that has lost its stream says of others that have its name."""

from collections import deque
from collections.abc import Sequence

from rtbci.listing import counted
from rtbci.runtime.news import News
from rtbci.stream.source import StreamInfo

__all__ = ["OtherStreams"]

KIND = "stream_other"


class OtherStreams:
    """Keeps what is found while a stream is looked for again, until the run makes events of it, or the recording lines; each is told once."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        self._news: deque[News] = deque()

    def tell(self, lost: StreamInfo, other: StreamInfo) -> None:
        """Take a stream that has the name of the one that was lost, and another source id; any thread.

        It is neither decoded nor recorded, even where all else is equal: nothing says that it is the same device on the same head.
        """
        if (other.source_id, other.hostname) in self._told:
            return
        self._told.add((other.source_id, other.hostname))
        found = f"source id '{other.source_id}' on {other.hostname}, {counted(other.n_channels, 'channel')} at {other.rate_hz:g} Hz"
        reason = (
            f"{found}; need '{lost.source_id}', so it is left alone: it may be another device. If it is the same amplifier, stop "
            "and start again"
        )
        data = {"source_id": other.source_id, "host": other.hostname, "reason": reason}
        self._news.append(News(KIND, other.name, data))

    def news(self) -> Sequence[News]:
        """What there is to tell since the last call."""
        return [self._news.popleft() for _ in range(len(self._news))]
