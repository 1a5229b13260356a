"""Which back ends can be used on this computer, and why the others cannot."""

from importlib import metadata
from importlib.util import find_spec

import msgspec

from rtbci.backends.compilers import COMPILERS
from rtbci.backends.cuda import find_gpu
from rtbci.backends.onnxruntime_api import load_onnxruntime
from rtbci.backends.registry import BACKENDS, Backend
from rtbci.backends.tensorrt_api import check_driver
from rtbci.errors import MissingPackageError, RtbciError
from rtbci.recipes import Precision

__all__ = ["Usable", "version_of", "what_is_there", "why_not"]

MODULES = {
    "torch": ("torch", "onnx"),
    "onnxruntime": ("onnxruntime",),
    "onnxruntime-cuda": ("onnxruntime",),
    "openvino": ("openvino",),
}
"""What must be importable, by back end; those that compile say so themselves."""
OTHER_DISTRIBUTIONS = {"onnxruntime": ("onnxruntime-gpu",)}
CUDA_PROVIDER = "CUDAExecutionProvider"


class Usable(msgspec.Struct, frozen=True, kw_only=True):
    """One back end on this computer.

    Parameters
    ----------
    backend : str
    can_run : bool
        Whether engines can be run by it here.
    can_build : bool
        Whether it compiles engines and can do so here, for this computer or others.
    version : str
        Of its library; empty when that is not installed.
    device : str
        What it would run on.
    why_not : str
        Why it cannot be used; empty when it can.
    remedy : str
        What to do about it.
    """

    backend: str
    can_run: bool
    can_build: bool = False
    version: str = ""
    device: str = ""
    why_not: str = ""
    remedy: str = ""


def what_is_there() -> list[Usable]:
    """Look at all back ends; imports little, opens no engine, and never fails."""
    return [_look_at(name, known) for name, known in BACKENDS.items()]


def version_of(backend: str) -> str:
    """Version of the library that runs a back end's engines.

    Raises
    ------
    MissingPackageError
        When it is not installed.
    """
    if backend in COMPILERS:
        return COMPILERS[backend].version()
    for module in MODULES[backend]:
        if find_spec(module) is None:
            raise MissingPackageError(
                f"back end '{backend}': {module} is not installed; {BACKENDS[backend].install}"
            )
    return _version(MODULES[backend][0])


def why_not(backend: str, precision: Precision) -> str:
    """Why a back end that can be used here cannot in this precision; empty when it can, or when only trying tells."""
    if backend == "openvino" and precision != "fp32":
        from rtbci.backends.openvino import why_no_bf16

        return why_no_bf16()
    return ""


def _look_at(name: str, known: Backend) -> Usable:
    try:
        version = version_of(name)
    except RtbciError as error:
        return Usable(backend=name, can_run=False, why_not=_reason(error), remedy=known.install)
    if known.kind == "cpu":
        return Usable(backend=name, can_run=True, version=version, device="cpu")
    if name == "onnxruntime-cuda" and not _has_cuda_provider():
        why = "the onnxruntime that is installed has no CUDA provider"
        return Usable(backend=name, can_run=False, version=version, why_not=why, remedy=known.install)
    try:
        gpu = find_gpu()
        if known.compiles:
            check_driver(name, gpu)
    except RtbciError as error:
        is_missing = isinstance(error, MissingPackageError)
        return Usable(
            backend=name,
            can_run=False,
            can_build=known.compiles,
            version=version,
            why_not=_reason(error),
            remedy=known.install if is_missing else str(error).partition("; ")[2],
        )
    return Usable(backend=name, can_run=True, can_build=known.compiles, version=version, device=gpu.name)


def _reason(error: RtbciError) -> str:
    """What is wrong, without where and what to do."""
    return str(error).partition(";")[0].partition(": ")[2] or str(error)


def _has_cuda_provider() -> bool:
    return CUDA_PROVIDER in load_onnxruntime().get_available_providers()


def _version(module: str) -> str:
    """Version of the distribution that a module came with."""
    # Asking which distribution a module is from reads all that are installed: 1 s here.
    for name in (module, *OTHER_DISTRIBUTIONS.get(module, ())):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"
