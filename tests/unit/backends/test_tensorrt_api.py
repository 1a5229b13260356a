import logging
import sys
import weakref
from importlib.metadata import PackageNotFoundError
from types import ModuleType
from typing import Any

import pytest

from rtbci.backends.cuda import Gpu
from rtbci.backends.tensorrt_api import check_driver, load_api
from rtbci.errors import EngineError, MissingPackageError
from tests.fake_gpu import collect_garbage


class Package(ModuleType):
    __version__ = "9.9"

    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_the_package_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package("tensorrt_rtx_bindings")
    hide(monkeypatch, "tensorrt_rtx")
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", package)
    api = load_api("tensorrt_rtx")
    assert (api.backend, api.module, api.version) == ("tensorrt_rtx", package, "9.9")
    assert api.title == "TensorRT for RTX"


@pytest.mark.parametrize(
    ("backend", "install"),
    [
        ("tensorrt", r"install .*\[tensorrt\]"),
        ("tensorrt_rtx", r"install .*\[tensorrt-rtx\]"),
    ],
)
def test_missing_package_is_named_with_the_install_line(
    monkeypatch: pytest.MonkeyPatch, backend: str, install: str
) -> None:
    hide(monkeypatch, "tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
    with pytest.raises(MissingPackageError, match=rf"{backend}: TensorRT.* is not installed; .*{install}"):
        load_api(backend)


def test_package_that_cannot_be_loaded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        raise OSError("libnvinfer.so.11: cannot open shared object file")

    monkeypatch.setattr("importlib.import_module", load)
    with pytest.raises(MissingPackageError, match=r"cannot be loaded \(libnvinfer\.so\.11"):
        load_api("tensorrt")


def test_a_package_for_a_newer_cuda_than_the_drivers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"tensorrt_cu13_bindings"}

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return "11.4"

    monkeypatch.setattr("rtbci.backends.tensorrt_api.metadata.version", version)
    old, new = Gpu("A GPU", "SM86", "12.8"), Gpu("A GPU", "SM86", "13.0")
    check_driver("tensorrt", new)
    check_driver("tensorrt_rtx", old)
    said = r"TensorRT for CUDA 13 is installed, the NVIDIA driver brings CUDA 12\.8; update the driver, or for CUDA 12: .*pip"
    with pytest.raises(EngineError, match=said):
        check_driver("tensorrt", old)
    installed.add("tensorrt_cu12_bindings")
    check_driver("tensorrt", old)
    with pytest.raises(
        EngineError, match=r"for CUDA 12 is installed.* brings CUDA 11\.8; update the driver$"
    ):
        check_driver("tensorrt", Gpu("A GPU", "SM86", "11.8"))


def test_loggers_outlive_what_they_were_given_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", Package("tensorrt"))
    kept = weakref.ref(load_api("tensorrt").logger())
    collect_garbage()
    assert kept() is not None


def test_other_names_are_refused() -> None:
    with pytest.raises(EngineError, match="got back end 'tensorflow', need one of tensorrt, tensorrt_rtx"):
        load_api("tensorflow")


def test_errors_are_kept_for_the_message_and_all_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", Package("tensorrt"))
    api = load_api("tensorrt")
    logger = api.logger()
    with caplog.at_level(logging.DEBUG, "rtbci.backends.tensorrt"):
        logger.log(Package.ILogger.WARNING, "slow")
        logger.log(Package.ILogger.ERROR, "no\n  memory")
        logger.log(Package.ILogger.ERROR, "no memory")
    assert caplog.messages == ["slow", "no\n  memory", "no memory"]
    assert (
        str(api.failure(logger, "it failed", "try again")) == "TensorRT 9.9: it failed (no memory); try again"
    )
    assert "it gave no reason" in str(api.failure(api.logger(), "it failed", "try again"))
