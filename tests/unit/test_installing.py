"""The line that installs an extra: from where this installation came from, by this interpreter's pip."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from rtbci import installing
from rtbci.installing import pip_extra, pip_install
from rtbci.system import quoting

ROOT = Path(__file__).resolve().parents[2]
REQUIRES = (
    "numpy>=2.0",
    'colour>=1; sys_platform == "nowhere"',
    "starlette>=0.40; extra == 'calibrate'",
    "torch<2.14,>=2.6; extra == 'train'",
    "rtbci[calibrate]; extra == 'all'",
    "onnxruntime-gpu[cuda]>=1.21; extra == 'all'",
    "nothing; (sys_platform == 'nowhere') and extra == 'all'",
)


@pytest.fixture(autouse=True)
def own_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "find_spec", lambda _name: object())
    monkeypatch.setattr(shutil, "which", lambda _name: str(Path(sysconfig.get_path("scripts")) / "pip"))
    monkeypatch.setattr(quoting, "is_windows", lambda: False)


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, direct_url: object = None, *, raw: str | None = None
) -> None:
    """Make rtbci's installation one with this direct_url.json."""
    info = folder / "rtbci-0.1.0.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {one}\n" for one in REQUIRES)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: rtbci\nVersion: 0.1.0\n{requires}")
    if direct_url is not None or raw is not None:
        (info / "direct_url.json").write_text(json.dumps(direct_url) if raw is None else raw)

    def found(name: str) -> Distribution:
        assert name == "rtbci"
        return PathDistribution(info)

    monkeypatch.setattr(installing, "distribution", found)


def test_an_editable_checkout_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}
    install(tmp_path, monkeypatch, url)
    assert pip_extra("calibrate") == f"pip install -e '{tmp_path}[calibrate]'"


def test_a_checkout_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "my clone"
    checkout.mkdir()
    install(tmp_path, monkeypatch, {"url": checkout.as_uri(), "dir_info": {}})
    assert pip_extra("train", "osc") == f"pip install '{checkout}[train,osc]'"


def test_a_wheel_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "rtbci-0.1.0-py3-none-any.whl"
    wheel.touch()
    install(tmp_path, monkeypatch, {"url": wheel.as_uri(), "archive_info": {"hash": "sha256=0"}})
    assert pip_extra("eval") == f"pip install '{wheel}[eval]'"
    wheel.unlink()
    assert pip_extra("calibrate") == "pip install 'starlette>=0.40'"


def test_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vcs = {"vcs": "git", "commit_id": "abc", "requested_revision": "main"}
    install(
        tmp_path, monkeypatch, {"url": "https://example.org/rtbci.git", "vcs_info": vcs, "subdirectory": "py"}
    )
    expected = "pip install 'rtbci[osc] @ git+https://example.org/rtbci.git@abc#subdirectory=py'"
    assert pip_extra("osc") == expected


@pytest.mark.parametrize(
    "raw", [None, "{", "[]", '{"url": "x", "vcs_info": {}}', '{"url": "file:///no/such"}']
)
def test_what_nobody_wrote_down_is_the_packages_themselves(
    raw: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, raw=raw)
    assert pip_extra("train") == "pip install 'torch<2.14,>=2.6'"
    assert pip_extra("all") == "pip install 'starlette>=0.40' 'onnxruntime-gpu[cuda]>=1.21'"


def test_an_interpreter_that_the_shell_does_not_find(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: "/elsewhere/bin/pip")
    monkeypatch.setattr(sys, "executable", "/my env/bin/python")
    assert pip_install("onnx") == "'/my env/bin/python' -m pip install onnx"
    monkeypatch.setattr(installing, "find_spec", lambda _name: None)
    assert pip_install("onnx") == "uv pip install --python '/my env/bin/python' onnx"


def test_quotes_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quoting, "is_windows", lambda: True)
    assert pip_install("--upgrade", "cuda-bindings<13") == 'pip install --upgrade "cuda-bindings<13"'


@pytest.mark.slow
def test_pip_takes_the_line_of_a_wheel_in_a_folder_with_a_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel of this name is tried in place of the real one: what is asked is the line's form."""
    wheel = tmp_path / "a folder" / "rtbci-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(
            "rtbci-0.1.0.dist-info/METADATA",
            "Metadata-Version: 2.4\nName: rtbci\nVersion: 0.1.0\nProvides-Extra: nothing\n",
        )
        file.writestr(
            "rtbci-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("rtbci-0.1.0.dist-info/RECORD", "")
    install(tmp_path, monkeypatch, {"url": wheel.as_uri(), "archive_info": {}})
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    line = pip_extra("nothing")
    options = " --dry-run --ignore-installed --no-index --disable-pip-version-check"
    done = subprocess.run(line + options, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Would install rtbci-0.1.0" in done.stdout


def test_no_message_has_a_line_of_its_own() -> None:
    """`pip_extra` and `pip_install` are the only ones that write it."""
    files = [path for folder in ("rtbci", "examples/game") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 500
    own = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in files
        if path.name != "installing.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bpip3? install\b", line)
    ]
    assert own == []


def test_documents_have_one_form() -> None:
    """In a clone: ``pip install '.[extra]'``, with extras that there are; never a name that no index has."""
    extras = set(re.findall(r"^([\w-]+) = \[", _extras_table(), re.MULTILINE))
    paths = [
        *ROOT.glob("*.md"),
        *(p for d in ("docs", "paradigms", "engines", "examples") for p in (ROOT / d).rglob("*.md")),
    ]
    assert len(paths) > 80
    wrong = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            named = re.findall(r"'\.\[([\w,-]+)\]'", line)
            unknown = {one for each in named for one in each.split(",")} - extras - {"extra"}
            if unknown or re.search(r"rtbci\[|pip3? install (-\S+ )*['\"]?rtbci\b|install \.\[", line):
                wrong.append(f"{path.relative_to(ROOT)}: {line.strip()}")
    assert wrong == []


def _extras_table() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return text.split("[project.optional-dependencies]", 1)[1].split("[project.scripts]", 1)[0]
