"""Messages in files: written as they came, read whole, wrong ones refused with their line."""

import json
from pathlib import Path

import msgspec
import pytest

from rtbci.errors import FileFormatError
from rtbci.publish.codec import encode
from rtbci.publish.message_file import MessageRecorder, Received, read_messages, summary_of
from tools.write_schema import SESSION, samples

SAMPLES = samples()


def write(path: Path, *payloads: tuple[bytes, bytes]) -> Path:
    times = iter(range(100, 200))
    recorder = MessageRecorder(path, clock=lambda: float(next(times)))
    for topic, payload in payloads:
        recorder.take(topic, payload)
    recorder.close()
    assert recorder.n_messages == len(payloads)
    return path


def write_samples(path: Path) -> Path:
    return write(path, *((one.topic.encode(), encode(one)) for one in SAMPLES.values()))


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_what_is_written_is_read(tmp_path: Path, format: str) -> None:
    payloads = [(one.topic.encode(), encode(one, format)) for one in SAMPLES.values()]  # type: ignore[arg-type]
    path = write(tmp_path / "a.jsonl", *payloads)
    assert list(read_messages(path)) == [
        Received(100.0 + i, message) for i, message in enumerate(SAMPLES.values())
    ]


def test_lines_have_the_payload_as_it_came(tmp_path: Path) -> None:
    payload = encode(SAMPLES["event"])[:-1] + b',"from_a_later_version":{"a":1.50}}'
    path = write(tmp_path / "a.jsonl", (b"event", payload))
    [line] = path.read_bytes().splitlines()
    assert line == b'{"t_received":100.0,"topic":"event","message":' + payload + b"}"


def test_a_payload_on_several_lines_is_one_line_of_the_file(tmp_path: Path) -> None:
    pretty = json.dumps(msgspec.to_builtins(SAMPLES["event"]), indent=2).replace("\n", "\r\n").encode()
    path = write(tmp_path / "a.jsonl", (b"event", pretty))
    assert len(path.read_bytes().splitlines()) == 1
    assert [one.message for one in read_messages(path)] == [SAMPLES["event"]]


def test_a_torn_last_line_is_left_out_and_told(tmp_path: Path) -> None:
    whole = write_samples(tmp_path / "a.jsonl").read_bytes()
    torn = tmp_path / "b.jsonl"
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for n_left in (1, 10, len(whole) - last - 3):
        torn.write_bytes(whole[: last + n_left])
        assert [one.message for one in read_messages(torn)] == list(SAMPLES.values())[:-1]
    torn.write_bytes(whole + whole[:50])
    assert summary_of(torn).is_torn
    assert not summary_of(tmp_path / "a.jsonl").is_torn


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b'{"t_received":1.0,"topic":"prediction","message":{}}\n',
        b'{"t_received":"now","topic":"event","message":{}}\n',
        b'{"t_received":1.0,"topic":"gossip","message":{"v":1}}\n',
        b'{"t_received":NaN,"topic":"event","message":{}}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_wrong_line_is_refused_with_its_number(tmp_path: Path, line: bytes) -> None:
    path = write_samples(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(FileFormatError, match=rf"a\.jsonl: line {len(SAMPLES) + 1} is no message"):
        summary_of(path)


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(FileFormatError, match="line 1 is no message"):
        summary_of(path)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("mine")
    with pytest.raises(FileFormatError, match="is there already, need a new file"):
        MessageRecorder(path)
    assert path.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be made"):
        MessageRecorder(tmp_path / "none" / "a.jsonl")
    with pytest.raises(FileFormatError, match="cannot be read"):
        list(read_messages(tmp_path / "none.jsonl"))
    with pytest.raises(FileFormatError, match="cannot be read"):
        list(read_messages(tmp_path))


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    recorder = MessageRecorder(path, clock=lambda: 1.0)
    payload = encode(SAMPLES["event"])
    recorder.take(b"event", payload)

    class Full:
        def __init__(self, file: object) -> None:
            self.file, self.n_left = file, 20

        def write(self, data: bytes) -> int:
            if not self.n_left:
                raise OSError(28, "No space left on device")
            n, self.n_left = self.n_left, 0
            return int(self.file.write(data[:n]))  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    real = recorder._file._file
    monkeypatch.setattr(recorder._file, "_file", Full(real))
    with pytest.raises(FileFormatError, match=r"No space left on device.*1 messages are in it"):
        recorder.take(b"event", payload)
    monkeypatch.setattr(recorder._file, "_file", real)
    recorder.take(b"event", payload)
    recorder.close()
    assert len(list(read_messages(path))) == 2


def test_the_summary_counts_and_finds_hellos(tmp_path: Path) -> None:
    summary = summary_of(write_samples(tmp_path / "a.jsonl"))
    n = len(SAMPLES)
    assert (summary.n_messages, summary.duration_s, summary.is_torn) == (n, n - 1.0, False)
    assert summary.hellos == {SESSION: SAMPLES["hello"]}


def test_a_file_without_hello_or_message_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", (b"event", encode(SAMPLES["event"])))
    with pytest.raises(FileFormatError, match=f"no hello of session {SESSION}, need one"):
        summary_of(path)
    with pytest.raises(FileFormatError, match="no message, need one"):
        summary_of(write(tmp_path / "b.jsonl"))
