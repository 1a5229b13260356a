"""What a run, and commands that have one inside, say of marker streams and of a stream that is lost."""

import io

from rich.console import Console

from rtbci.commands.marker_news import MarkerNews, line_of
from rtbci.commands.status_line import StatusLine, StreamWords
from rtbci.publish.messages import Event
from rtbci.stream.marker_choice import MarkerStream, SeenMarkers

STIM = MarkerStream("stim [1]", "id-1", "stimulus-pc")
LEFT = SeenMarkers("markers_left", STIM, 1, "from stimulus-pc; --markers 'stim [1]' reads it")


def event(kind: str, value: str, **data: str | int) -> Event:
    return Event(v=1, session="s", seq=0, t_sent=1.0, kind=kind, t_lsl=1.0, value=value, data=data)


def test_each_becomes_one_event() -> None:
    markers = MarkerNews()
    markers.tell(SeenMarkers("markers_found", STIM, 1))
    markers.tell(LEFT)
    found, left = markers.news()
    assert (found.kind, found.value) == ("markers_found", "stim [1]")
    assert found.data == {"source_id": "id-1", "host": "stimulus-pc", "n_streams": 1}
    assert left.data["reason"] == LEFT.reason
    assert not markers.news()


def test_a_run_says_them_and_a_name_is_no_markup() -> None:
    said = io.StringIO()
    line = StatusLine(Console(file=said, width=200))
    markers = MarkerNews()
    markers.tell(LEFT)
    for news in markers.news():
        line.send(event(news.kind, news.value, **news.data))  # type: ignore[arg-type]
    assert said.getvalue() == f"{line_of(LEFT)}\n"
    assert (
        line_of(LEFT)
        == "markers are not read from: stim [1] (from stimulus-pc; --markers 'stim [1]' reads it)"
    )


def test_what_is_left_out_is_not_said_anew_when_the_stream_is_back() -> None:
    said = io.StringIO()
    line = StatusLine(Console(file=said, width=200))
    other = LEFT._replace(stream=STIM._replace(source_id="id-2"))
    markers = MarkerNews()
    for seen in (LEFT, LEFT, other, LEFT._replace(reason="another is nearer")):
        markers.tell(seen)
    for news in markers.news():
        line.send(event(news.kind, news.value, **news.data))  # type: ignore[arg-type]
    assert len(said.getvalue().splitlines()) == 3


def test_a_command_without_a_status_line_says_that_the_stream_is_gone() -> None:
    said: list[str] = []
    words = StreamWords(said.append)
    for kind in ("stream_found", "stream_lost", "gap", "stream_recovered"):
        words.send(event(kind, "cap"))
    assert said == ["stream lost, looking for it: cap", "stream is back: cap"]
