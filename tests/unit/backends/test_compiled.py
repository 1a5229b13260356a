from hashlib import sha256
from pathlib import Path

import pytest

from rtbci.backends.cache import EngineCache
from rtbci.backends.compiled import build_compiled, open_compiled, plan_of, read_network
from rtbci.backends.compilers import COMPILERS, BuildOptions
from rtbci.backends.cuda import Gpu
from rtbci.backends.precision import lower_precision
from rtbci.backends.tensorrt_build import Target
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe, read_engine
from tests.engine_stand_ins import GPU, FakeCompiler, FakeSession, give_gpu


@pytest.fixture(scope="module")
def recipe() -> EngineRecipe:
    return read_engine("dare_nano")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeCompiler]:
    return give_gpu(monkeypatch)


def test_the_key_of_an_engine_for_this_computer(recipe: EngineRecipe, gpu: object) -> None:
    plan = plan_of(recipe, "tensorrt", "fp16")
    network = read_network(recipe)
    assert plan.model == lower_precision(network, "fp16")
    key = plan.key
    assert (key.network_id, key.graph_id) == (recipe.onnx_sha256, sha256(plan.model).hexdigest())
    assert (key.precision, key.max_batch, key.fixed_batch) == ("fp16", 1, True)
    assert (key.backend, key.backend_version) == ("tensorrt", "1.0")
    assert (key.device, key.targets, key.driver) == (GPU.name, (GPU.capability,), GPU.driver)
    assert key.options == ()
    assert plan.gpu == GPU


def test_the_key_of_an_engine_for_other_computers(recipe: EngineRecipe, gpu: object) -> None:
    target = Target(("SM120", "SM86"), hardware_compatible=True)
    plan = plan_of(recipe, "tensorrt_rtx", None, BuildOptions(256, target))
    key = plan.key
    assert plan.model == read_network(recipe)
    assert (key.precision, key.max_batch, key.fixed_batch) == ("fp32", 256, False)
    assert (key.device, key.targets, key.driver) == ("", ("SM86", "SM120"), "")
    assert key.options == ("hardware_compatible",)
    assert plan.gpu is None


def test_what_was_built_ahead_is_used_where_its_gpu_is(
    recipe: EngineRecipe, gpu: dict[str, FakeCompiler], tmp_path: Path
) -> None:
    cache, said = EngineCache(tmp_path), list[str]()
    ahead = plan_of(recipe, "tensorrt_rtx", "fp16", BuildOptions(1, Target(("SM89", "SM120"))))
    built = build_compiled(ahead, cache, said.append)
    session = open_compiled(recipe, "tensorrt_rtx", "fp16", BuildOptions(), cache, said.append, build=False)
    assert session.engine_id == built.entry.sha256
    assert (session.network_id, session.device) == (recipe.onnx_sha256, GPU.name)
    assert gpu["tensorrt_rtx"].n_built == 1
    with pytest.raises(EngineError, match="no engine for Test GPU in bf16 is built yet"):
        open_compiled(recipe, "tensorrt_rtx", "bf16", BuildOptions(), cache, said.append, build=False)


def test_a_real_engine_is_built_once_and_found(recipe: EngineRecipe, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX")
    cache = EngineCache(tmp_path)
    plan = plan_of(recipe, "tensorrt_rtx", "fp16", BuildOptions(1, Target(("SM89",))))
    assert plan.key.backend_version == COMPILERS["tensorrt_rtx"].version()
    shares: list[float] = []
    built = build_compiled(plan, cache, lambda _text: None, lambda _what, share: shares.append(share))
    again = build_compiled(plan, cache, lambda _text: None)
    assert (built.is_new, again.is_new) == (True, False)
    assert again.data == built.data
    assert len(built.data) > 10_000
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_an_engine_that_cannot_be_recorded_is_told(
    recipe: EngineRecipe, gpu: dict[str, FakeCompiler], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    given = recipe, "tensorrt", "fp32", BuildOptions(), EngineCache(tmp_path), said.append
    open_compiled(*given)  # type: ignore[arg-type]
    assert not any("graph" in line for line in said)
    monkeypatch.setattr(FakeSession, "why_no_graph", "it synchronises", raising=False)
    open_compiled(*given)  # type: ignore[arg-type]
    assert said[-1] == "engine 'dare_nano': runs without a CUDA graph, which takes longer: it synchronises"


def test_a_driver_that_is_too_old_for_the_package_is_told_before_anything_is_built(
    recipe: EngineRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_gpu(monkeypatch, Gpu("Test GPU", "SM89", "12.8"))
    monkeypatch.setattr("rtbci.backends.tensorrt_api._is_installed", lambda name: "cu13" in name)
    with pytest.raises(EngineError, match=r"driver brings CUDA 12\.8; update the driver"):
        plan_of(recipe, "tensorrt", "fp16")
    assert plan_of(recipe, "tensorrt_rtx", "fp16", BuildOptions(1, Target(("SM89",)))).gpu is None
