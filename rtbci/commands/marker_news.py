"""What a live run says of marker streams that it reads, leaves out, or that have ended."""

from collections import deque
from collections.abc import Sequence

from rtbci.publish.messages import Scalar
from rtbci.runtime.news import News
from rtbci.stream.marker_choice import SeenMarkers

__all__ = ["MarkerNews", "line_of"]

SAID = {
    "markers_found": "markers are read from",
    "markers_left": "markers are not read from",
    "markers_lost": "markers have ended",
}


class MarkerNews:
    """Keeps what the thread that pulls is told, until the run makes events of it."""

    def __init__(self) -> None:
        self._told: deque[SeenMarkers] = deque()

    def tell(self, seen: SeenMarkers) -> None:
        """Take what has become of a marker stream; any thread."""
        self._told.append(seen)

    def news(self) -> Sequence[News]:
        """What there is to tell since the last call."""
        told = [self._told.popleft() for _ in range(len(self._told))]
        return [News(seen.kind, seen.stream.name, _data(seen)) for seen in told]


def line_of(seen: SeenMarkers) -> str:
    """The same for a terminal."""
    said = f"{SAID[seen.kind]}: {seen.stream.name}"
    return f"{said} ({seen.reason})" if seen.reason else said


def _data(seen: SeenMarkers) -> dict[str, Scalar]:
    data: dict[str, Scalar] = {
        "source_id": seen.stream.source_id,
        "host": seen.stream.hostname,
        "n_streams": seen.n_streams,
    }
    return data | ({"reason": seen.reason} if seen.reason else {})
