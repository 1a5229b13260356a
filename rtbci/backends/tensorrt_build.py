"""From an ONNX file to a TensorRT engine: strongly typed, so that the graph's own types are what is computed in.

Building takes the builder's threads and not Python's lock: another thread's longest wait was 19 ms during a
build of 3 s (two cores), so a run goes on beside it.
"""

from dataclasses import dataclass
from typing import Any

from rtbci.backends.tensorrt_api import Api, load_api
from rtbci.backends.tensorrt_progress import Progress, progress_monitor
from rtbci.errors import EngineError

__all__ = ["Built", "Target", "build_engine", "known_capabilities"]

CURRENT = "current"
AMPERE = 80


@dataclass(frozen=True)
class Target:
    """What an engine is built for.

    Parameters
    ----------
    capabilities : tuple of str
        ``("current",)``, the GPU that is here, or compute capabilities such as ``("SM75", "SM86")``, which only
        TensorRT for RTX can build for and for which it needs no GPU.
    version_compatible : bool
        Whether later versions of TensorRT may run it; not with TensorRT for RTX.
    hardware_compatible : bool
        Whether all GPUs from Ampere on may run it.
    """

    capabilities: tuple[str, ...] = (CURRENT,)
    version_compatible: bool = False
    hardware_compatible: bool = False


@dataclass(frozen=True)
class Built:
    """An engine as bytes, and what the builder has learnt about kernels' times (None with TensorRT for RTX)."""

    data: bytes
    timing_cache: bytes | None


def known_capabilities(backend: str) -> tuple[str, ...]:
    """Compute capabilities that can be built for without having the GPU; none with plain TensorRT."""
    kind = getattr(load_api(backend).module, "ComputeCapability", None)
    return () if kind is None else tuple(name for name in kind.__members__ if name.startswith("SM"))


def build_engine(
    model: bytes,
    backend: str,
    *,
    max_batch: int,
    fixed_batch: bool = False,
    target: Target = Target(),
    timing_cache: bytes | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build an engine.

    Parameters
    ----------
    model : bytes
        An ONNX file with one input, in the types that are to be computed in; see
        `rtbci.backends.precision.lower_precision`.
    backend : {'tensorrt', 'tensorrt_rtx'}
        Which of the two.
    max_batch : int
        Largest batch, from 1 on; the only one with `fixed_batch`.
    fixed_batch : bool
        Build for exactly one batch size.
    target : Target
        GPUs that it is to run on.
    timing_cache : bytes, optional
        Of an earlier build on the same GPU; one that does not fit is not used.
    progress : callable, optional
        See `Progress`; what it raises ends the build and is raised here.

    Raises
    ------
    EngineError
        When the network cannot be read or built, or the target is not possible; with TensorRT's own words.
    MissingPackageError
        When the back end is not installed.

    Notes
    -----
    TF32 is off: fp32 means 24 bits. Not-a-number is kept, which TensorRT does only when told to. TensorRT for
    RTX 1.7 has no float32 matrix products and no bf16 on Turing (SM75); fp16 is what runs there.
    """
    if max_batch < 1:
        raise EngineError(f"build_engine: got a batch of {max_batch}, need at least 1")
    api = load_api(backend)
    logger = api.logger()
    # Each object needs the one above it to stay alive.
    builder = _made(api, logger, api.module.Builder, logger)
    network = _parse(api, logger, builder, model)
    config = builder.create_builder_config()
    _set_options(api, config, target)
    _set_batch(api, builder, network, config, max_batch, fixed_batch)
    cache = _set_timing_cache(api, config, timing_cache)
    monitor = progress_monitor(api.module, progress)
    config.progress_monitor = monitor
    data = builder.build_serialized_network(network, config)
    if monitor.failure is not None:
        raise monitor.failure
    if data is None:
        raise api.failure(logger, "the engine could not be built", _advice(logger))
    return Built(bytes(data), None if cache is None else bytes(cache.serialize()))


def _made(api: Api, logger: Any, kind: Any, *arguments: Any) -> Any:
    try:
        return kind(*arguments)
    except (TypeError, RuntimeError):  # pybind11: the factory gave a null pointer
        what = f"{kind.__name__} could not be made"
        raise api.failure(logger, what, "check the NVIDIA driver with nvidia-smi") from None


def _parse(api: Api, logger: Any, builder: Any, model: bytes) -> Any:
    trt = api.module
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        said = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise EngineError(
            f"{api.title} {api.version}: cannot read the network ({said}), need a whole ONNX file of "
            "operators that it knows; export it again or use another back end"
        )
    if network.num_inputs != 1:
        raise EngineError(f"{api.title}: network has {network.num_inputs} inputs, need one; export it again")
    return network


def _set_options(api: Api, config: Any, target: Target) -> None:
    trt = api.module
    config.clear_flag(trt.BuilderFlag.TF32)
    config.set_flag(trt.BuilderFlag.STRICT_NANS)
    config.max_aux_streams = 0  # the session has one stream, whose work is recorded as a graph
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):  # what recording asks for in TensorRT for RTX
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if hasattr(trt, "ComputeCapability"):
        _set_capabilities(api, config, target)
        return
    if target.capabilities != (CURRENT,):
        raise EngineError(
            f"{api.title}: got target {', '.join(target.capabilities)}, it builds for the GPU that is here only; "
            "use tensorrt_rtx, or hardware_compatible"
        )
    if target.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if target.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS


def _set_capabilities(api: Api, config: Any, target: Target) -> None:
    if target.version_compatible:
        raise EngineError(
            f"{api.title} {api.version}: has no version-compatible engines; leave version_compatible out and build "
            "again after an update"
        )
    known = known_capabilities(api.backend)
    wanted = target.capabilities
    if target.hardware_compatible:
        wanted = tuple(name for name in known if int(name[2:]) >= AMPERE)
    if not wanted or (wanted != (CURRENT,) and not set(wanted) <= set(known)):
        raise EngineError(
            f"{api.title} {api.version}: got target {', '.join(wanted) or 'nothing'}, need {CURRENT} or some of "
            f"{', '.join(known)}"
        )
    config.num_compute_capabilities = len(wanted)
    for i, name in enumerate(wanted):
        config.set_compute_capability(getattr(api.module.ComputeCapability, name.upper()), i)


def _set_batch(api: Api, builder: Any, network: Any, config: Any, max_batch: int, fixed_batch: bool) -> None:
    tensor = network.get_input(0)
    given, *sizes = tuple(tensor.shape)
    if any(size < 1 for size in sizes):
        raise EngineError(
            f"{api.title}: input '{tensor.name}' has shape {(given, *sizes)}, need fixed sizes on all axes but the "
            "first; export it for one layout"
        )
    if given > 0 and given != max_batch:
        raise EngineError(
            f"{api.title}: the network is made for a batch of {given}, got {max_batch}; export it with a free batch"
        )
    if given > 0:
        return
    if fixed_batch:
        tensor.shape = (max_batch, *sizes)
        return
    for smallest, likely, largest in _batch_ranges(api, max_batch):
        profile = builder.create_optimization_profile()
        profile.set_shape(tensor.name, (smallest, *sizes), (likely, *sizes), (largest, *sizes))
        config.add_optimization_profile(profile)


def _batch_ranges(api: Api, max_batch: int) -> list[tuple[int, int, int]]:
    """One range of batches for TensorRT for RTX, which picks kernels when it runs; else a live patch gets its own."""
    every = (1, max_batch, max_batch)
    return [every] if api.backend == "tensorrt_rtx" or max_batch == 1 else [(1, 1, 1), every]


def _set_timing_cache(api: Api, config: Any, given: bytes | None) -> Any:
    if api.backend == "tensorrt_rtx":
        return None  # it times no kernels when it builds
    cache = config.create_timing_cache(given or b"")
    if not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, False)
    return cache


def _advice(logger: Any) -> str:
    said = " ".join(logger.errors).lower()
    if "turing" in said or "sm75" in said:
        return "Turing GPUs (SM75) run fp16 only here; build fp16, or leave SM75 out"
    if "cuda" in said:
        return "build where the GPU is, or name compute capabilities as the target (TensorRT for RTX)"
    return "use fp32 or another back end"
