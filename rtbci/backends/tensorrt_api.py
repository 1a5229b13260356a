"""TensorRT and TensorRT for RTX: two packages with one programming interface, imported when they are needed."""

import importlib
import logging
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from rtbci.backends.cuda import Gpu, mend_driver
from rtbci.backends.registry import BACKENDS
from rtbci.errors import EngineError, MissingPackageError

__all__ = ["MODULES", "Api", "TensorRTBackend", "check_driver", "load_api"]

TensorRTBackend = Literal["tensorrt", "tensorrt_rtx"]

MODULES: dict[str, tuple[str, ...]] = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
"""Modules that a back end may come in, the first that is there being taken. The bindings alone are enough."""

TITLES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}

LOG = logging.getLogger("rtbci.backends.tensorrt")
_LOGGERS: list[Any] = []
CUDA_MAJORS = (12, 13, 14)


@dataclass(frozen=True)
class Api:
    """One of the two packages.

    Attributes
    ----------
    backend : {'tensorrt', 'tensorrt_rtx'}
        Name of the back end.
    module : module
        Holds ``Builder``, ``Runtime`` and so on.
    version : str
        Of the package, for instance ``"1.7.1.116"``; an engine is tied to it.
    title : str
        For people.
    """

    backend: TensorRTBackend
    module: Any
    version: str
    title: str

    def logger(self) -> Any:
        """Make a logger for TensorRT: all goes to `logging`, and errors are kept in the order in which they came.

        It lives as long as the process: TensorRT goes on using the first one that it was given, wherever others are.
        """
        logger = _logger_class(self.module)()
        _LOGGERS.append(logger)
        return logger

    def failure(self, logger: Any, what: str, todo: str) -> EngineError:
        """Put what TensorRT said into an error."""
        said = "; ".join(dict.fromkeys(logger.errors)) or "it gave no reason"
        return EngineError(f"{self.title} {self.version}: {what} ({said}); {todo}")


def load_api(backend: str) -> Api:
    """Import a back end's package.

    Raises
    ------
    EngineError
        When `backend` is neither of the two.
    MissingPackageError
        When it is not installed, or installed and cannot be loaded.
    """
    if backend not in MODULES:
        raise EngineError(f"load_api: got back end '{backend}', need one of {', '.join(MODULES)}")
    reasons = []
    for name in MODULES[backend]:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                reasons.append(str(error))
        except (ImportError, OSError) as error:  # a library that it needs is absent
            reasons.append(str(error))
        else:
            return Api(backend, module, str(module.__version__), TITLES[backend])  # type: ignore[arg-type]
    why = f"cannot be loaded ({'; '.join(reasons)})" if reasons else "is not installed"
    raise MissingPackageError(f"{backend}: {TITLES[backend]} {why}; {BACKENDS[backend].install}") from None


def check_driver(backend: str, gpu: Gpu) -> None:
    """Refuse a package that is for a newer CUDA than the GPU's driver brings: TensorRT itself would only name a number.

    Raises
    ------
    EngineError
        When it is; with what to install.
    """
    have = int(gpu.driver.partition(".")[0])
    needed = [major for major in CUDA_MAJORS if _is_installed(f"{backend}_cu{major}_bindings")]
    if needed and min(needed) > have:
        raise EngineError(
            f"{backend}: {TITLES[backend]} for CUDA {min(needed)} is installed, the NVIDIA driver brings CUDA {gpu.driver}; "
            f"{mend_driver(have)}"
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _logger_class(trt: Any) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]
        """Called by TensorRT, from any of its threads."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # pybind11 wants it called by name
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            """Keep errors, pass everything on."""
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(" ".join(message.split()))
            LOG.debug("%s", message)

    return Logger
