import shlex
import shutil
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rtbci.backends import gated
from rtbci.backends import open_engine as module
from rtbci.backends.cache import EngineCache
from rtbci.backends.gate import GateReport
from rtbci.backends.gate_store import GateStore
from rtbci.backends.lowered import keep_lowered, open_lowered
from rtbci.backends.open_engine import EngineRequest, open_engine
from rtbci.backends.openvino import OpenVinoSession
from rtbci.backends.registry import BACKENDS
from rtbci.backends.usable import Usable, why_not
from rtbci.errors import ConfigError, EngineError, MissingPackageError
from rtbci.recipes import EngineRecipe, Tolerance, read_engine
from tests.engine_stand_ins import GPU, FakeCompiler, FakeSession, give_gpu, write_compilable

PASSED = GateReport(
    engine="", backend="", precision="", device="", network_id="", engine_id="", reference="", max_abs=1, cosine=0, windows=()
)  # fmt: skip


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> EngineCache:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setattr(module, "_fastest", lambda *_: "openvino")
    return EngineCache(tmp_path / "engines", told=said.append)


@pytest.fixture
def tiny(tmp_path: Path) -> EngineRecipe:
    return read_engine(str(write_compilable(tmp_path / "tiny")))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeCompiler]:
    return give_gpu(monkeypatch)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeCompiler]:
    return give_gpu(monkeypatch, None)


def test_auto_without_a_gpu_is_the_fastest_on_the_cpu(
    tiny: EngineRecipe, cache: EngineCache, said: list[str], no_gpu: object
) -> None:
    session = open_engine(tiny, told=said.append, cache=cache)
    assert (session.backend, session.precision) == ("openvino", "fp32")
    assert said == [
        "engine 'tiny': comparing openvino in fp32 with ONNX Runtime fp32 (the recipe has no weights for torch)"
    ]


def test_auto_with_a_gpu_builds_once(
    tiny: EngineRecipe, cache: EngineCache, said: list[str], gpu: dict[str, FakeCompiler]
) -> None:
    shares: list[float] = []
    session = open_engine(
        tiny, told=said.append, cache=cache, progress=lambda _what, share: shares.append(share)
    )
    assert (session.backend, session.device, session.precision) == ("tensorrt", GPU.name, "fp32")
    assert session.network_id != session.engine_id
    assert shares == [1.0]
    assert said[0] == "engine 'tiny': building it for Test GPU in fp32"
    assert "built in" in said[1]
    said.clear()
    again = open_engine(tiny, told=said.append, cache=cache, build=False)
    assert again.engine_id == session.engine_id
    assert (gpu["tensorrt"].n_built, said) == (1, [])
    x = np.ones(session.input_shape, np.float32)
    assert np.array_equal(again.run(x), session.run(x))


def test_timings_go_into_the_next_build(
    tiny: EngineRecipe, cache: EngineCache, gpu: dict[str, FakeCompiler]
) -> None:
    for precision in ("fp32", "fp16"):
        open_engine(tiny, EngineRequest("tensorrt", precision), cache=cache)
    assert gpu["tensorrt"].timings == [None, b"timings"]


def test_an_engine_that_is_not_built_is_not_built_by_surprise(
    tiny: EngineRecipe, cache: EngineCache, said: list[str], gpu: dict[str, FakeCompiler]
) -> None:
    session = open_engine(tiny, EngineRequest("tensorrt", "fp16"), said.append, build=False, cache=cache)
    assert session.backend == "onnxruntime"
    assert f"`rtbci engine build {tiny.option} --backend tensorrt --precision fp16`" in said[0]
    assert said[-1].startswith(
        "engine 'tiny': runs on onnxruntime in fp32, and not on tensorrt; tensorrt: tensorrt: no engine"
    )
    assert gpu["tensorrt"].n_built == 0


def test_a_failed_gate_falls_back_loudly_each_time_and_runs_once(
    tiny: EngineRecipe, cache: EngineCache, said: list[str], gpu: dict[str, FakeCompiler]
) -> None:
    for fake in gpu.values():
        fake.change = lambda y: y * np.float32(1.01)
    for n_compared in (3, 0):
        said.clear()
        session = open_engine(tiny, EngineRequest("tensorrt"), said.append, cache=cache)
        assert session.backend == "onnxruntime"
        refused = [line for line in said if "cannot be used" in line]
        assert [line.split()[2] for line in refused] == ["tensorrt", "tensorrt_rtx"]
        assert "does not agree with ONNX Runtime fp32" in refused[0]
        assert "noise: differs by" in refused[0]
        assert f"`rtbci engine check {tiny.option}` shows" in refused[0]
        assert tiny.option == shlex.quote(str(tiny.folder))  # its name alone would not be found
        assert "runs on onnxruntime in fp32, and not on tensorrt" in said[-1]
        assert sum("comparing" in line for line in said) == n_compared
    assert len(GateStore(cache.root / "gates", said.append).reports()) == 3


def test_the_order_is_followed(
    tiny: EngineRecipe,
    cache: EngineCache,
    said: list[str],
    gpu: dict[str, FakeCompiler],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def none(recipe: object, backend: str, *_: object, **__: object) -> None:
        tried.append(backend)
        raise RuntimeError("broken driver")

    def no_session(_path: object, backend: str, _threads: int, _precision: str) -> None:
        tried.append(backend)
        raise EngineError("cannot")

    monkeypatch.setattr(module, "open_compiled", none)
    monkeypatch.setattr(module, "open_session", no_session)
    there = [Usable(backend=name, can_run=True) for name in BACKENDS]
    monkeypatch.setattr(module, "what_is_there", lambda: there)
    with pytest.raises(
        EngineError, match=r"no back end can be used: tensorrt: RuntimeError: broken driver; .*torch: cannot"
    ):
        open_engine(tiny, EngineRequest("tensorrt"), said.append, cache=cache)
    assert tried == ["tensorrt", "tensorrt_rtx", "onnxruntime-cuda", "onnxruntime", "torch"]
    tried.clear()
    with pytest.raises(EngineError):
        open_engine(tiny, EngineRequest("auto"), said.append, cache=cache)
    assert tried == ["tensorrt", "tensorrt_rtx", "onnxruntime-cuda", "openvino", "onnxruntime", "torch"]
    tried.clear()
    with pytest.raises(EngineError):
        open_engine(tiny, EngineRequest("openvino"), said.append, cache=cache)
    assert tried == ["openvino", "onnxruntime", "torch"]


def test_without_fallback_the_first_reason_is_raised(
    tiny: EngineRecipe, cache: EngineCache, said: list[str], gpu: dict[str, FakeCompiler]
) -> None:
    gpu["tensorrt"].missing = True
    with pytest.raises(MissingPackageError, match="is not installed; pip install it"):
        open_engine(tiny, EngineRequest("tensorrt", fallback=False), said.append, cache=cache)
    gpu["tensorrt"].missing, gpu["tensorrt"].fault = False, EngineError("no such layer")
    with pytest.raises(EngineError, match="no such layer"):
        open_engine(tiny, EngineRequest("tensorrt", fallback=False), said.append, cache=cache)
    assert said == ["engine 'tiny': building it for Test GPU in fp32"]


def test_a_missing_package_falls_back_with_its_install_line(
    tiny: EngineRecipe, cache: EngineCache, said: list[str], no_gpu: dict[str, FakeCompiler]
) -> None:
    no_gpu["tensorrt"].missing = True
    assert open_engine(tiny, EngineRequest("tensorrt"), said.append, cache=cache).backend == "onnxruntime"
    assert "pip install it" in said[-1]
    said.clear()
    assert open_engine(tiny, EngineRequest("tensorrt_rtx"), said.append, cache=cache).backend == "onnxruntime"
    assert "no GPU is visible" in said[-1]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (EngineRequest("tensorflow"), "no back end 'tensorflow', have onnxruntime,"),
        (EngineRequest("tensorrt", "bf16"), "no precision bf16, its recipe has fp32, fp16, auto"),
        (EngineRequest("onnxruntime", "fp16"), "onnxruntime computes in fp32, got fp16"),
        (
            EngineRequest("openvino", "fp16"),
            "openvino computes in fp32 or bf16, got fp16; take fp32, or one of tens",
        ),
    ],
)
def test_what_cannot_be_wished_for(
    tiny: EngineRecipe, cache: EngineCache, request_: EngineRequest, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        open_engine(tiny, request_, cache=cache)


def test_bf16_on_a_processor_without_it_falls_back_and_says_so(
    cache: EngineCache, said: list[str], monkeypatch: pytest.MonkeyPatch, no_gpu: object
) -> None:
    monkeypatch.setattr("rtbci.backends.openvino.why_no_bf16", lambda: "this processor has none")
    monkeypatch.setattr(module, "gate_of", lambda *_, **__: PASSED)
    recipe = read_engine("dare_nano")
    session = open_engine(recipe, EngineRequest("openvino", "bf16"), said.append, cache=cache)
    assert (session.backend, session.precision) == ("onnxruntime", "fp32")
    assert "runs on onnxruntime in fp32, and not on openvino" in said[-1]
    assert "this processor has none" in said[-1]
    with pytest.raises(EngineError, match="this processor has none; take fp32"):
        open_engine(recipe, EngineRequest("openvino", "bf16", fallback=False), cache=cache)


def test_bf16_on_openvino_passes_the_gate_under_an_id_of_its_own(
    cache: EngineCache, said: list[str], no_gpu: object
) -> None:
    if why := why_not("openvino", "bf16"):
        pytest.skip(why)
    recipe = read_engine("dare_nano")
    with closing(open_engine(recipe, EngineRequest("openvino", "bf16", fallback=False), cache=cache)) as one:
        assert (one.backend, one.precision) == ("openvino", "bf16")
        assert one.network_id == recipe.onnx_sha256 != one.engine_id
        (_, report) = GateStore(cache.root / "gates", said.append).reports()[0]
        assert (report.precision, report.engine_id, report.passed) == ("bf16", one.engine_id, True)
        assert 0 < max(row.max_abs for row in report.windows) <= recipe.tolerance["bf16"].max_abs
        assert isinstance(one, OpenVinoSession)
        key = keep_lowered(one, recipe, cache)
        found = cache.find(key)
        assert found is not None
        with closing(open_lowered(found.data, key, 1)) as again:
            assert (again.engine_id, again.network_id) == (one.engine_id, one.network_id)
            x = np.random.default_rng(1).standard_normal(one.input_shape).astype(np.float32)
            assert np.array_equal(again.run(x), one.run(x))


def test_what_is_kept_is_what_the_session_runs_and_is_not_lowered_again(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtbci.backends.openvino.why_no_bf16", str)  # slow elsewhere, but it runs
    recipe = read_engine("dare_nano")
    with closing(OpenVinoSession(recipe.onnx_path, 1, "bf16")) as one:
        monkeypatch.setattr("rtbci.backends.precision.lower_precision", None)
        monkeypatch.setattr("rtbci.backends.compiled.lower_precision", None, raising=False)
        found = cache.find(keep_lowered(one, recipe, cache))
        assert found is not None
        assert sha256(found.data).hexdigest() == one.engine_id


def test_a_damaged_network_is_no_reason_to_fall_back(
    cache: EngineCache, said: list[str], tmp_path: Path
) -> None:
    recipe = read_engine("dare_nano")
    assert recipe.onnx_sha256 is not None
    shutil.copytree(recipe.folder, tmp_path / "copy")
    damaged = read_engine(str(tmp_path / "copy"))
    data = bytearray(damaged.onnx_path.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.onnx_path.write_bytes(data)
    with pytest.raises(EngineError, match=f"its recipe says {recipe.onnx_sha256[:12]}"):
        open_engine(damaged, told=said.append, cache=cache)
    damaged.onnx_path.unlink()
    with pytest.raises(EngineError, match="need an ONNX file"):
        open_engine(damaged, told=said.append, cache=cache)
    assert said == []


@pytest.mark.parametrize("what", ["golden", "tolerance", "version", "driver"])
def test_the_gate_runs_again_when_what_it_stands_on_changes(
    what: str,
    cache: EngineCache,
    said: list[str],
    gpu: dict[str, FakeCompiler],
    tiny: EngineRecipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = EngineRequest("tensorrt", fallback=False)
    open_engine(tiny, request, cache=cache)
    if what == "golden":
        session = open_engine(tiny, EngineRequest("onnxruntime"), cache=cache)
        x = np.ones((2, *session.input_shape[1:]), np.float32)
        golden = {"input": x, "output": np.concatenate([session.run(one[None]) for one in x])}
        save_file(golden, tiny.folder / "golden.safetensors")
        tiny = tiny.model_copy(update={"golden": "golden.safetensors"})
    elif what == "tolerance":
        tiny = read_engine(str(tiny.folder)).model_copy(
            update={"tolerance": {"fp32": Tolerance(max_abs=2e-5)}}
        )
    elif what == "version":
        monkeypatch.setattr(gated, "version_of", lambda _backend: "1.1")
    else:
        monkeypatch.setattr(gated, "find_gpu", lambda: GPU.__class__(GPU.name, GPU.capability, "13.1"))
    open_engine(tiny, request, said.append, cache=cache)
    assert ["comparing" in line for line in said] == [True]


def test_a_damaged_report_is_told_and_the_gate_runs_again(
    tiny: EngineRecipe, cache: EngineCache, said: list[str], no_gpu: object
) -> None:
    request = EngineRequest("onnxruntime")
    open_engine(tiny, request, cache=cache)
    (path,) = (cache.root / "gates").glob("*.json")
    whole = path.read_text()
    for damaged in (
        "{",
        whole.replace('"passed": true', '"passed": false', 1),
        whole.replace("tiny", "tinx", 1),
    ):
        path.write_text(damaged)
        said.clear()
        open_engine(tiny, request, said.append, cache=cache)
        assert "was damaged; the gate is run again" in said[0]
        assert "comparing" in said[1]
        assert path.read_text() == whole


def test_a_cache_that_cannot_be_written_to_costs_only_time(
    tiny: EngineRecipe, said: list[str], tmp_path: Path, gpu: dict[str, FakeCompiler]
) -> None:
    (tmp_path / "file").write_text("")
    cache = EngineCache(tmp_path / "file", told=said.append)
    for i in range(2):
        assert open_engine(tiny, EngineRequest("tensorrt"), said.append, cache=cache).backend == "tensorrt"
        assert gpu["tensorrt"].n_built == i + 1
    assert any("cannot be kept" in line for line in said)


def test_a_session_that_fails_the_gate_is_closed(
    tiny: EngineRecipe, cache: EngineCache, gpu: dict[str, FakeCompiler], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    close = FakeSession.close

    def noted(self: FakeSession) -> None:
        closed.append(self.backend)
        close(self)

    monkeypatch.setattr(FakeSession, "close", noted)
    gpu["tensorrt"].change = lambda y: y + 1
    open_engine(tiny, EngineRequest("tensorrt"), cache=cache)
    assert closed == ["tensorrt"]
