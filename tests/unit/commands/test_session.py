import json
from pathlib import Path
from typing import Any

import pytest

from rtbci import cli
from rtbci.record.disk import SyncedFile
from rtbci.record.session_json import JSON_NAME, Ended, ProfileUsed, write_session_json
from tests.unit.record.samples import make_session, record, write_session

MADE = make_session()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "sessions"
    whole = write_session(root / "20260101T000000Z-tiny-ada", MADE)
    ended = Ended(utc="", n_samples=len(MADE.data), n_samples_lost=0, n_messages_lost=0, n_bytes=1)
    write_session_json(whole, record(ended=ended))
    write_session(root / "20260102T000000Z-tiny-ada", MADE, cut=MADE.ends[4] + 100)
    return root


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], root: Path) -> Any:
    def call(*args: str | Path, inside: bool = True) -> tuple[object, str]:
        where = ["--in", str(root)] if inside else []
        monkeypatch.setattr("sys.argv", ["rtbci", "session", *map(str, args), *where])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capfd.readouterr()
        return end.value.code, said.out + said.err

    return call


def test_list(call: Any, root: Path) -> None:
    status, said = call("list")
    assert status == 0
    lines = [line.split() for line in said.splitlines()]
    assert lines[1] == ["20260101T000000Z-tiny-ada", str(len(MADE.data)), "0.0", "ended"]
    assert (lines[2][0], lines[2][-2:]) == ("20260102T000000Z-tiny-ada", ["cut", "short"])
    _, said = call("list", "--json")
    assert [one["state"] for one in json.loads(said)] == ["ended", "cut short"]


def test_list_where_a_file_could_not_be_made(call: Any, root: Path) -> None:
    (root / "20260102T000000Z-tiny-ada" / "session.xdf").unlink()
    status, said = call("list")
    assert status == 0
    assert said.splitlines()[2].split() == ["20260102T000000Z-tiny-ada", "0.0", "cut", "short"]


def test_list_of_nothing(call: Any, tmp_path: Path) -> None:
    assert call("list", "--in", tmp_path / "none", inside=False) == (
        0,
        f"no sessions in {tmp_path / 'none'}\n",
    )


def test_info(call: Any, root: Path) -> None:
    status, said = call("info", "20260101T000000Z-tiny-ada")
    assert status == 0
    assert "state     ended" in said
    assert "damaged" not in said
    status, said = call("info", "last")
    assert status == 0
    assert "state     cut short" in said
    assert "cut short); `rtbci session repair` mends the file" in said
    _, said = call("info", "last", "--json")
    content = json.loads(said)
    amp = next(one for one in content["streams"] if one["name"] == "amp")
    assert amp["n_samples"] >= MADE.counts[4]
    assert len(content["damages"]) == 1
    assert content["record"]["paradigm"] == "tiny"


def test_info_of_a_file_and_of_a_folder_without_description(call: Any, root: Path) -> None:
    folder = root / "20260101T000000Z-tiny-ada"
    status, said = call("info", folder / "session.xdf")
    assert (status, "no description" in said) == (0, True)
    (folder / JSON_NAME).unlink()
    status, said = call("info", folder)
    assert (status, "session.json: cannot be read" in said) == (0, True)


BLANK_USED = ProfileUsed(user="population", generation=0, id="", weights_sha256="", chain_hash="")


def test_info_of_a_calibration_that_began_from_nothing(call: Any, root: Path) -> None:
    folder = root / "20260101T000000Z-tiny-ada"
    for used, said in ((BLANK_USED, "blank"), (None, "")):
        write_session_json(folder, record(profile=used))
        status, shown = call("info", folder)
        assert status == 0
        assert [line.split()[1:] for line in shown.splitlines() if line.startswith("profile")] == (
            [[said]] if said else []
        )


def test_info_while_it_is_recorded(call: Any, root: Path) -> None:
    folder = root / "20260103T000000Z-tiny-ada"
    folder.mkdir()
    disk = SyncedFile(folder / "session.xdf")
    disk.write(0, MADE.content[: MADE.ends[2]])
    write_session_json(folder, record())
    status, said = call("info", "last")
    assert (status, "state     recording" in said) == (0, True)
    status, said = call("repair", "last")
    assert (status, "is being recorded" in said) == (5, True)
    disk.close()


def test_repair(call: Any, root: Path) -> None:
    status, said = call("repair", "last")
    assert status == 0
    assert "session.xdf is valid now" in said
    assert "session.damaged.xdf" in said
    assert call("repair", "last")[1].strip().endswith("is sound and complete, nothing was changed")
    _, said = call("repair", "last", "--json")
    assert json.loads(said)["damages"] == []


def test_a_list_says_that_a_session_was_repaired_and_what_is_in_it(call: Any, root: Path) -> None:
    call("repair", "last")
    n = MADE.counts[4]
    row = ["20260102T000000Z-tiny-ada", str(n), "0.0", "cut", "short,", "repaired"]
    assert call("list")[1].splitlines()[2].split() == row
    assert json.loads(call("list", "--json")[1])[1]["state"] == "cut short, repaired"
    assert "cut short, repaired" in call("info", "last")[1]
    xdf = root / "20260102T000000Z-tiny-ada" / "session.xdf"
    xdf.write_bytes(MADE.content[: MADE.ends[5]])  # a run went on with it, and was killed too
    assert call("list")[1].splitlines()[2].split()[-2:] == ["cut", "short"]


def test_a_list_where_the_file_of_a_session_that_ended_was_repaired(call: Any, root: Path) -> None:
    folder = root / "20260101T000000Z-tiny-ada"
    (folder / "session.xdf").write_bytes(MADE.content[: MADE.ends[4] + 100])
    call("repair", folder.name)
    row = [folder.name, str(MADE.counts[4]), "0.0", "ended,", "repaired"]
    assert call("list")[1].splitlines()[1].split() == row


def test_repair_of_one_that_only_lacks_its_end(call: Any, root: Path) -> None:
    (root / "20260102T000000Z-tiny-ada" / "session.xdf").write_bytes(MADE.content[: MADE.ends[4]])
    assert "nothing was lost; it lacked its end" in call("repair", "last")[1]


def test_export(call: Any, tmp_path: Path) -> None:
    status, said = call("export", "last", "--to", "csv", "--out", tmp_path / "csv")
    assert status == 0
    assert f"written: {tmp_path / 'csv' / 'samples.csv'}" in said
    status, said = call("export", "last", "--to", "docx", "--out", tmp_path / "x")
    assert (status, "need one of bids, edf, bdf, csv" in said) == (2, True)


def test_what_to_export_to_is_given_in_either_way(call: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert call("export", "last", first, "--to", "csv")[0] == 0
    assert call("export", "last", "--to", "csv", "--out", second)[0] == 0
    assert (first / "samples.csv").read_bytes() == (second / "samples.csv").read_bytes()
    status, said = call("export", "last", "--to", "csv")
    assert status == 2
    assert "session export: got no file, need one to write to; give it once, as session.edf or --out" in said


def test_a_session_that_is_not_there(call: Any) -> None:
    status, said = call("info", "nope")
    assert (status, "no such session" in said) == (5, True)
