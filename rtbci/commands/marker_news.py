"""What a live run says of marker streams that it reads, leaves out, or that have ended."""

from collections import deque
from collections.abc import Sequence

from rtbci.commands.event_words import said_of
from rtbci.publish.messages import Scalar
from rtbci.runtime.news import News
from rtbci.stream.marker_choice import SeenMarkers

__all__ = ["MarkerNews", "line_of"]


class MarkerNews:
    """Keeps what the thread that pulls is told, until the run makes events of it."""

    def __init__(self) -> None:
        self._told: deque[SeenMarkers] = deque()

    def tell(self, seen: SeenMarkers) -> None:
        """Take what has become of a marker stream; any thread."""
        self._told.append(seen)

    def news(self) -> Sequence[News]:
        """What there is to tell since the last call."""
        return [_news_of(self._told.popleft()) for _ in range(len(self._told))]


def line_of(seen: SeenMarkers) -> str:
    """The same for a terminal."""
    return said_of(*_news_of(seen))


def _news_of(seen: SeenMarkers) -> News:
    data: dict[str, Scalar] = {
        "source_id": seen.stream.source_id,
        "host": seen.stream.hostname,
        "n_streams": seen.n_streams,
    }
    return News(seen.kind, seen.stream.name, data | ({"reason": seen.reason} if seen.reason else {}))
