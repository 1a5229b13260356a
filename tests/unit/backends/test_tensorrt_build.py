"""Engines of TensorRT for RTX are really built here; no GPU is needed for that, and none is used."""

import logging
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from onnx import TensorProto, helper

from rtbci.backends.export import onnx_bytes
from rtbci.backends.precision import lower_precision
from rtbci.backends.tensorrt_api import load_api
from rtbci.backends.tensorrt_build import Target, build_engine, known_capabilities
from rtbci.backends.tensorrt_engine import OpenedEngine
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError
from rtbci.recipes import list_recipes, read_engine
from tests.fake_gpu import FakeLogger

rtx = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")

ALL = ("SM75", "SM80", "SM86", "SM89", "SM120", "SM121")
FROM_AMPERE = ALL[1:]
AMPERE = Target(("SM86",))


@pytest.fixture(scope="module")
def model() -> bytes:
    torch.manual_seed(5)
    return onnx_bytes(*describe(DareEncoder("nano", 0.5), ["C3", "CZ", "C4"], "uV"))


def model_of(nodes: list[Any], inputs: list[Any], shape: list[Any]) -> bytes:
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "small", inputs, [output])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data: bytes = made.SerializeToString()
    return data


def layers(messages: list[str]) -> str:
    """What the builder says that it has built: layers with types and shapes of inputs and outputs."""
    return next(one for one in messages if one.startswith("Engine Layer Information"))


def built_layers(
    model: bytes, target: Target, caplog: pytest.LogCaptureFixture, max_batch: int = 256, fixed: bool = False
) -> tuple[bytes, str]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "rtbci.backends.tensorrt"):
        built = build_engine(model, "tensorrt_rtx", max_batch=max_batch, fixed_batch=fixed, target=target)
    assert built.timing_cache is None
    return built.data, layers(caplog.messages)


@pytest.mark.parametrize(
    ("name", "precision"),
    [(name, one) for name in list_recipes("engines") for one in read_engine(name).precisions],
)
def test_every_recipe_is_built_for_all_gpus_with_float32_inputs_and_outputs(
    name: str, precision: str, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, target = read_engine(name), ALL if precision == "fp16" else FROM_AMPERE
    model = recipe.onnx_path.read_bytes()
    if precision != "fp32":
        model = lower_precision(model, precision)  # type: ignore[arg-type]
    data, said = built_layers(model, Target(target), caplog, recipe.max_batch)
    shapes = (len(recipe.input.channels), recipe.input.n_samples), recipe.output.shape
    taken, given = (",".join(map(str, (-1, *shape))) for shape in shapes)
    assert f"{recipe.input.name} (Float[{taken}])" in said
    assert f"-> {recipe.output.name} (Float[{given}])" in said
    assert recipe.input.name.encode() in data
    assert recipe.output.name.encode() in data


@pytest.mark.slow
@pytest.mark.parametrize("capability", ALL)
@pytest.mark.parametrize(
    "name", [one for one in list_recipes("engines") if "fp16" in read_engine(one).precisions]
)
def test_every_recipe_in_fp16_is_built_for_each_gpu_alone(name: str, capability: str) -> None:
    model = read_engine(name).onnx_path.read_bytes()
    target = Target((capability,))
    lowered = lower_precision(model, "fp16")
    for fixed, max_batch in ((False, 256), (True, 1)):
        assert build_engine(
            lowered, "tensorrt_rtx", max_batch=max_batch, fixed_batch=fixed, target=target
        ).data
    if capability == "SM75":
        return
    assert build_engine(model, "tensorrt_rtx", max_batch=256, target=target).data


def test_float32_on_turing_is_refused_and_fp16_named(model: bytes) -> None:
    with pytest.raises(EngineError, match=r"FP32 GEMM is not supported.*Turing GPUs \(SM75\) run fp16 only"):
        build_engine(model, "tensorrt_rtx", max_batch=1, target=Target(("SM75",)))
    with pytest.raises(EngineError, match=r"sm75.*b16.*Turing GPUs \(SM75\) run fp16 only"):
        build_engine(lower_precision(model, "bf16"), "tensorrt_rtx", max_batch=1, target=Target(("SM75",)))


def test_batch_is_fixed_where_that_is_asked_for(model: bytes, caplog: pytest.LogCaptureFixture) -> None:
    _, said = built_layers(model, AMPERE, caplog, max_batch=1, fixed=True)
    assert "(Float[1,3,64])" in said
    assert "features (Float[1,1,64])" in said


def test_hardware_compatible_is_all_gpus_from_ampere_on(
    model: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert known_capabilities("tensorrt_rtx") == ALL
    built_layers(model, Target(hardware_compatible=True), caplog)
    assert "Number of target compute capabilities: 5" in caplog.messages


def test_progress_never_goes_back_and_ends_at_one(model: bytes) -> None:
    shares: list[float] = []
    build_engine(
        model, "tensorrt_rtx", max_batch=4, target=AMPERE, progress=lambda _, share: shares.append(share)
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(set(shares)) > 20


def test_callback_that_raises_ends_the_build(model: bytes) -> None:
    def stop(phase: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(model, "tensorrt_rtx", max_batch=4, target=AMPERE, progress=stop)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target(("SM90",)), "got target SM90, need current or some of SM75, SM80"),
        (Target(()), "got target nothing, need current"),
        (Target(("SM86",), version_compatible=True), "has no version-compatible engines"),
    ],
)
def test_targets_that_cannot_be_are_refused(model: bytes, target: Target, said: str) -> None:
    with pytest.raises(EngineError, match=re.escape(said)):
        build_engine(model, "tensorrt_rtx", max_batch=1, target=target)


def test_networks_that_cannot_be_built_are_refused(model: bytes) -> None:
    def refused(data: bytes, max_batch: int = 1) -> str:
        with pytest.raises(EngineError) as error:
            build_engine(data, "tensorrt_rtx", max_batch=max_batch, target=AMPERE)
        return str(error.value)

    assert "cannot read the network" in refused(model[: len(model) // 2])
    assert "got a batch of 0, need at least 1" in refused(model, max_batch=0)
    value = helper.make_tensor_value_info
    free = [value("x", TensorProto.FLOAT, ["n", "channels"])]
    assert "need fixed sizes on all axes but the first" in refused(
        model_of([helper.make_node("Relu", ["x"], ["y"])], free, ["n", "channels"])
    )
    fixed = [value("x", TensorProto.FLOAT, [2, 4])]
    relu = model_of([helper.make_node("Relu", ["x"], ["y"])], fixed, [2, 4])
    assert "made for a batch of 2, got 1" in refused(relu)
    two = [value(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", "z")]
    assert "has 2 inputs, need one" in refused(
        model_of([helper.make_node("Add", ["x", "z"], ["y"])], two, ["n", 4])
    )
    assert build_engine(relu, "tensorrt_rtx", max_batch=2, target=AMPERE).data


def test_opening_reads_the_header_before_it_needs_a_gpu(model: bytes) -> None:
    """Without a GPU a whole engine gets as far as CUDA; with one it is described."""
    data = build_engine(model, "tensorrt_rtx", max_batch=4, target=AMPERE).data
    with pytest.raises(EngineError, match="magicTag"):
        OpenedEngine(b"x" * len(data), load_api("tensorrt_rtx"))
    try:
        found = OpenedEngine(data, load_api("tensorrt_rtx")).description
    except EngineError as error:
        assert re.search("magicTag|Serialization", str(error)) is None  # noqa: PT017  either outcome is right
        assert re.search("cudaError|compute capability", str(error))  # noqa: PT017
    else:
        assert [(one.name, one.dtype, one.shape) for one in found.inputs] == [
            ("patch", "float32", (-1, 3, 64))
        ]
        assert found.batches == ((1, 4),)


class PlainConfig:
    """Notes what plain TensorRT is asked for."""

    def __init__(self) -> None:
        self.flags: list[str] = []
        self.cleared: list[str] = []
        self.profiles: list[Any] = []
        self.caches: list[bytes] = []

    def set_flag(self, flag: str) -> None:
        self.flags.append(flag)

    def clear_flag(self, flag: str) -> None:
        self.cleared.append(flag)

    def add_optimization_profile(self, profile: Any) -> None:
        self.profiles.append(profile)

    def create_timing_cache(self, data: bytes) -> Any:
        self.caches.append(data)
        return SimpleNamespace(serialize=lambda: data + b"+", fits=data != b"of another GPU")

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        return bool(cache.fits)


class PlainTensorRT(SimpleNamespace):
    """Plain TensorRT, as far as building uses it: it takes any network and gives back which it was."""

    def __init__(self) -> None:
        config = PlainConfig()
        network = SimpleNamespace(
            num_inputs=1, get_input=lambda _: SimpleNamespace(name="x", shape=(-1, 3, 64))
        )
        builder = SimpleNamespace(
            create_network=lambda flags: network,
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: SimpleNamespace(set_shape=lambda *to: shapes.append(to)),
            build_serialized_network=lambda network, config: b"engine",
        )
        shapes: list[Any] = []
        super().__init__(
            __version__="11.0",
            ILogger=FakeLogger,
            IProgressMonitor=object,
            NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
            BuilderFlag=SimpleNamespace(TF32="tf32", STRICT_NANS="nans", VERSION_COMPATIBLE="version"),
            HardwareCompatibilityLevel=SimpleNamespace(AMPERE_PLUS="ampere"),
            Builder=lambda logger: builder,
            OnnxParser=lambda network, logger: SimpleNamespace(parse=lambda model: True),
            config=config,
            shapes=shapes,
        )


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> PlainTensorRT:
    fake = PlainTensorRT()
    monkeypatch.setitem(sys.modules, "tensorrt", fake)
    return fake


def test_plain_tensorrt_gets_a_profile_of_its_own_for_one_patch(plain: PlainTensorRT) -> None:
    built = build_engine(b"", "tensorrt", max_batch=256, timing_cache=b"known")
    assert (built.data, built.timing_cache) == (b"engine", b"known+")
    assert [[shape[0] for shape in one[1:]] for one in plain.shapes] == [[1, 1, 1], [1, 256, 256]]
    assert (plain.config.flags, plain.config.cleared) == (["nans"], ["tf32"])
    assert plain.config.max_aux_streams == 0


def test_timing_cache_of_another_gpu_is_not_used(plain: PlainTensorRT) -> None:
    assert build_engine(b"", "tensorrt", max_batch=1, timing_cache=b"of another GPU").timing_cache == b"+"
    assert build_engine(b"", "tensorrt", max_batch=1).timing_cache == b"+"


def test_plain_tensorrt_builds_for_the_gpu_that_is_here(plain: PlainTensorRT) -> None:
    target = Target(version_compatible=True, hardware_compatible=True)
    build_engine(b"", "tensorrt", max_batch=1, target=target)
    assert "version" in plain.config.flags
    assert plain.config.hardware_compatibility_level == "ampere"
    with pytest.raises(EngineError, match="it builds for the GPU that is here only"):
        build_engine(b"", "tensorrt", max_batch=1, target=AMPERE)
    assert known_capabilities("tensorrt") == ()
