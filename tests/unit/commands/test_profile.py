import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtbci import cli
from rtbci.probe.calibration_record import read_record, write_record
from rtbci.probe.profile import generations, read_profile, write_generation
from rtbci.runtime.profiles import profiles_root
from tests.calibration_samples import make_record
from tests.tiny import write_paradigm, write_tiny_profile

Call = Callable[..., tuple[object, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `rtbci profile ARGUMENTS`; returns exit status and what was said, on one line."""

    def run(*args: object) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["rtbci", "profile", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return end.value.code, " ".join((said.out + said.err).split())

    return run


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A paradigm's folder, and two generations of ada's profile for it, the first with a record."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    folder = write_paradigm(tmp_path / "tiny")
    profile = read_profile(write_tiny_profile(tmp_path / "ada", folder))
    profile = msgspec.structs.replace(profile, created="2025-01-02T03:04:05+00:00", n_trials=20)
    write_record(write_generation(profiles_root("tiny"), profile), make_record())
    write_generation(profiles_root("tiny"), msgspec.structs.replace(profile, temperature=2.0))
    return folder


def kept(user: str = "ada") -> list[int]:
    return [int(folder.name) for folder in generations(profiles_root("tiny"), user)]


def parsed(said: tuple[object, str]) -> Any:
    assert said[0] == 0
    return json.loads(said[1])


def test_list(tiny: Path, call: Call) -> None:
    status, said = call("list")
    assert status == 0
    assert "tiny ada@1 2025-01-02 03:04 20 not measured tiny ada@2" in said
    assert said.endswith("in use")
    assert call("list", "--paradigm", tiny)[1] == said
    rows = parsed(call("list", "--json"))
    assert [(row["generation"], row["in_use"], row["fault"]) for row in rows] == [
        (1, False, ""),
        (2, True, ""),
    ]
    assert call("list", "--paradigm", "nowhere")[0] == 2
    assert "no profiles in" in call("list", "--paradigm", "motor_imagery")[1]


def test_list_never_fails_for_a_broken_one(tiny: Path, call: Call) -> None:
    user = profiles_root("tiny") / "ada"
    (user / "0002" / "weights.safetensors").write_bytes(b"[/red]")
    (user / ".0003-xyz").mkdir()
    status, said = call("list")
    assert status == 0
    assert "ada@1 2025" in said
    assert "in use, and broken: profile" in said
    assert "unfinished: its writing was cut short" in said
    rows = parsed(call("list", "--json"))
    assert [row["generation"] for row in rows] == [1, 2, None]
    assert "changed or cut short" in rows[1]["fault"]


def test_show(tiny: Path, call: Call) -> None:
    status, said = call("show", "ada@1", "--paradigm", tiny)
    assert status == 0
    for words in (
        "ada, generation 1",
        "trials 20",
        "runs now yes",
        "conv-probe 70.0 % [60.0, 80.0]",
        "sha256",
    ):
        assert words in said
    assert "+10.0 (p = 0.03) chosen" in said
    assert "too few [trials]" in said
    found = parsed(call("show", "ada@1", "--paradigm", tiny, "--json"))
    assert found["fits"] is True
    assert [one["name"] for one in found["candidates"]] == ["population", "conv-probe", "CSP + LDA"]
    assert parsed(call("show", "ada", "--paradigm", tiny, "--json"))["generation"] == 2
    path = profiles_root("tiny") / "ada" / "0002"
    assert parsed(call("show", path, "--paradigm", tiny, "--json"))["temperature"] == 2.0


def test_show_says_why_a_profile_would_not_run(tiny: Path, call: Call) -> None:
    status, said = call("show", "ada@1", "--paradigm", "motor_imagery")
    assert (status, "profile 'ada@1': is neither" in said) == (6, True)
    path = profiles_root("tiny") / "ada" / "0001"
    said = call("show", path, "--paradigm", "motor_imagery")[1]
    assert "runs now no: profile of 'ada', generation 1: does not fit paradigm 'motor_imagery'" in said
    assert call("show", "population", "--paradigm", tiny)[0] == 6


def test_compare(tiny: Path, call: Call) -> None:
    assert "temperature 1 2" in call("compare", "ada@1", "ada@2", "--paradigm", tiny)[1]
    assert call("compare", "ada@1", "ada@1", "--paradigm", tiny)[1] == "ada@1 and ada@1 decode the same"
    (row,) = parsed(call("compare", "ada@1", "ada", "--paradigm", tiny, "--json"))
    assert row == {"what": "temperature", "first": "1", "second": "2", "note": ""}


def test_a_file_to_export_to_is_given_in_either_way(tiny: Path, call: Call, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    assert call("export", "ada@1", first, "--paradigm", tiny)[0] == 0
    assert call("export", "ada@1", "--out", second, "--paradigm", tiny)[0] == 0
    assert first.read_bytes() == second.read_bytes()
    for neither_or_both, given in ([], "no file"), ([first, "--out", second], f"{first} and --out {second}"):
        status, said = call("export", "ada@1", *neither_or_both, "--paradigm", tiny)
        assert status == 2
        assert f"profile export: got {given}, need one to write to" in said


def test_export_and_import(tiny: Path, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    assert call("export", "ada@1", file, "--paradigm", tiny)[0] == 0
    assert call("export", "ada@1", file, "--paradigm", tiny)[0] == 5
    assert call("export", "ada@1", file, "--paradigm", tiny, "--force")[0] == 0
    found = parsed(call("import", file, "--paradigm", tiny, "--json"))
    assert found["name"] == "ada@3"
    call("import", file, "--user", "bob", "--paradigm", tiny)
    assert kept("bob") == [1]
    folder = profiles_root("tiny") / "bob" / "0001"
    assert (read_profile(folder).user, read_record(folder).user) == ("bob", "bob")


def test_an_import_that_would_not_run_writes_nothing(tiny: Path, call: Call, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    call("export", "ada", file, "--paradigm", tiny)
    status, said = call("import", file, "--paradigm", "motor_imagery")
    assert (status, "nothing was written" in said) == (6, True)
    assert call("import", file)[0] == 2  # no recipe of that name comes with rtbci
    assert call("import", file, "--user", "../eve", "--paradigm", tiny)[0] == 6
    assert call("import", file, "--user", "population", "--paradigm", tiny)[0] == 6
    assert sorted(one.name for one in profiles_root("tiny").iterdir()) == ["ada"]
    assert kept() == [1, 2]


def test_a_file_cannot_name_a_paradigm_by_path(tiny: Path, call: Call, tmp_path: Path) -> None:
    profile = read_profile(profiles_root("tiny") / "ada" / "0001")
    write_generation(tmp_path / "evil", msgspec.structs.replace(profile, paradigm="../../tiny/paradigm"))
    file = tmp_path / "a.zip"
    call("export", tmp_path / "evil" / "ada" / "0001", file, "--paradigm", tiny)
    status, said = call("import", file)
    assert (status, "need letters, digits" in said) == (6, True)


def test_rollback(tiny: Path, call: Call) -> None:
    status, said = call("rollback", "ada", "--paradigm", tiny)
    assert status == 0
    assert "ada@3 is now the newest, a copy of ada@1 (before: ada@2, which is kept)" in said
    newest = profiles_root("tiny") / "ada" / "0003"
    assert read_profile(newest).temperature == 1.0
    assert read_record(newest).generation == 3
    assert parsed(call("rollback", "ada", "--to", "2", "--paradigm", tiny, "--json"))["copy_of"] == "ada@2"
    assert kept() == [1, 2, 3, 4]
    for args in (("ada@1",), ("ada", "--to", 9), ("bob",), ("../ada",)):
        assert call("rollback", *args, "--paradigm", tiny)[0] == 6
    assert "give --paradigm tiny" in call("rollback", "ada")[1]


def test_rollback_refuses_what_would_not_run(tiny: Path, call: Call) -> None:
    first = profiles_root("tiny") / "ada" / "0001" / "profile.json"
    first.write_text(first.read_text().replace('"hop_samples": 8', '"hop_samples": 16'))
    status, said = call("rollback", "ada", "--paradigm", tiny)
    assert (status, "nothing was written" in said, kept()) == (6, True, [1, 2])
    first.write_text("{}")
    assert call("rollback", "ada", "--to", 1, "--paradigm", tiny)[0] == 6
    assert kept() == [1, 2]


def test_delete(tiny: Path, call: Call) -> None:
    status, said = call("delete", "ada@2", "--paradigm", "tiny", "--yes")
    assert (status, "deleted ada@2 for tiny; the newest is ada@1" in said) == (0, True)
    assert kept() == [1]
    assert call("delete", "ada@2", "--paradigm", "tiny", "--yes")[0] == 6
    status, said = call("delete", "ada", "--paradigm", "tiny", "--yes")
    assert "1 generation; no profile is left: the population decoder is used" in said
    assert not (profiles_root("tiny") / "ada").exists()
    assert call("delete", "ada", "--paradigm", "tiny", "--yes")[0] == 6


def test_delete_asks(tiny: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    status, said = call("delete", "ada@1", "--paradigm", "tiny")
    assert (status, "nobody to ask; give --yes" in said) == (2, True)
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert call("delete", "ada@1", "--paradigm", "tiny")[0] == 1
    assert kept() == [1, 2]
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert call("delete", "ada@1", "--paradigm", "tiny")[0] == 0
    assert kept() == [2]


@pytest.mark.parametrize("verb", ["list", "show", "compare", "export", "import", "rollback", "delete"])
def test_every_verb_has_help(verb: str, call: Call) -> None:
    status, said = call(verb, "--help")
    assert status == 0
    assert "--json" in said
