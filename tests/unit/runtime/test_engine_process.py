"""The child process that builds engines: stand-ins for what it may do, and the real one."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from rtbci.backends.cache import EngineCache
from rtbci.backends.usable import why_not
from rtbci.errors import EngineError, MissingPackageError
from rtbci.recipes import EngineRecipe, read_engine, read_paradigm
from rtbci.runtime.engine_change import PreparedEngine
from rtbci.runtime.engine_process import EngineProcess, import_backend
from tests.tiny import write_paradigm

PATIENCE_S = 30.0
ANSWER = '{"type": "prepared", "backend": "compiled", "precision": "fp16", "engine_id": "c0de"}'


@pytest.fixture
def recipe(tmp_path: Path) -> EngineRecipe:
    return read_engine(str(write_paradigm(tmp_path).parent / "engine"))


def child(recipe: EngineRecipe, *lines: str) -> EngineProcess:
    """A child that does what these lines of Python say, with its request in `request`."""
    text = "\n".join(["import json, os, signal, sys", "request = json.loads(sys.stdin.readline())", *lines])
    paradigm = read_paradigm(str(recipe.folder.parent / "paradigm"))
    return EngineProcess(paradigm, "tensorrt", "fp16", 2, (sys.executable, "-c", text))


def say(line: str) -> str:
    return f"print({line!r}, flush=True)"


def test_it_is_asked_and_answers(recipe: EngineRecipe) -> None:
    told: list[str] = []
    process = child(
        recipe,
        "print(json.dumps({'type': 'told', 'text': repr(sorted(request.items()))}), flush=True)",
        say('{"type": "told", "text": "50 %"}'),
        say(ANSWER),
        "sys.stdin.read()",
    )
    assert process.prepare(recipe, told.append) == PreparedEngine("compiled", "fp16", "c0de")
    paradigm = str(recipe.folder.parent / "paradigm")
    wanted = {
        "folder": str(recipe.folder),
        "paradigm": paradigm,
        "backend": "tensorrt",
        "precision": "fp16",
        "n_threads": 2,
    }
    assert told == [repr(sorted(wanted.items())), "50 %"]


@pytest.mark.parametrize(("is_missing", "kind"), [("false", EngineError), ("true", MissingPackageError)])
def test_what_it_refuses(recipe: EngineRecipe, is_missing: str, kind: type[Exception]) -> None:
    refusal = f'{{"type": "refused", "text": "gate: cosine 0.9", "is_missing": {is_missing}}}'
    with pytest.raises(kind, match=r"^gate: cosine 0\.9$"):
        child(recipe, say(refusal)).prepare(recipe, print)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (
            ["os.kill(os.getpid(), signal.SIGKILL)"],
            r"ended with status -9 \(no message\), need one that ends well",
        ),
        (["raise ValueError('no such tactic')"], r"ended with status 1 \(ValueError: no such tactic\)"),
        ([say('{"type": "told", "te'), "sys.exit(3)"], r"ended with status 3 \(no message\)"),
    ],
)
def test_one_that_dies_is_told(recipe: EngineRecipe, lines: Sequence[str], wanted: str) -> None:
    with pytest.raises(EngineError, match=rf"engine 'tiny': building it on tensorrt {wanted}"):
        child(recipe, *lines).prepare(recipe, print)


def test_stopping_ends_it(recipe: EngineRecipe) -> None:
    pids: list[int] = []
    process = child(
        recipe,
        "print(json.dumps({'type': 'told', 'text': str(os.getpid())}), flush=True)",
        "sys.stdin.read()",
    )
    began = threading.Event()

    def told(line: str) -> None:
        pids.append(int(line))
        began.set()

    def stop() -> None:
        assert began.wait(PATIENCE_S)
        process.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(EngineError, match=r"ended with status -15"):
        process.prepare(recipe, told)
    thread.join()
    assert not psutil.pid_exists(pids[0])
    with pytest.raises(EngineError, match="the run ends before it was built, start it again"):
        process.prepare(recipe, told)


def test_one_that_does_not_end_when_told_to_is_killed(
    recipe: EngineRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtbci.runtime.engine_process.KILL_S", 0.01)
    process = child(recipe, say(ANSWER), "signal.pause()")
    assert process.prepare(recipe, print).engine_id == "c0de"


def test_the_real_one_ends_with_its_parent(recipe: EngineRecipe) -> None:
    """When standard input ends, however busy it is."""
    script = (
        "import threading; from rtbci.runtime import engine_child; "
        "engine_child._prepare = lambda *args: threading.Event().wait(); engine_child.main()"
    )
    request = f'{{"folder": "{recipe.folder}", "paradigm": "", "backend": "auto", "precision": "auto", "n_threads": 1}}\n'
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as popen:
        popen.communicate(request.encode(), timeout=PATIENCE_S)
    assert popen.returncode == 1


@pytest.mark.slow
def test_a_lowered_engine_is_made_by_the_child_and_only_opened_by_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why := why_not("openvino", "bf16"):
        pytest.skip(why)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recipe, process = (
        read_engine("dare_nano"),
        EngineProcess(read_paradigm("motor_imagery"), "openvino", "bf16"),
    )
    prepared = process.prepare(recipe, print)
    assert (prepared.backend, prepared.precision, prepared.why_other) == ("openvino", "bf16", "")
    monkeypatch.setattr("rtbci.backends.precision.lower_precision", None)
    with closing(process.open(recipe, prepared)) as session:
        assert (session.precision, session.network_id) == ("bf16", recipe.onnx_sha256)
    EngineCache().clear()
    with pytest.raises(EngineError, match="is not in the cache of engines though it was built"):
        process.open(recipe, prepared)


def test_a_missing_package_is_told_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        MissingPackageError, match=r"back end 'openvino' needs openvino .*install .*\[openvino\]"
    ):
        import_backend("openvino")
    import_backend("onnxruntime")
