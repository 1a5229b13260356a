from importlib.util import find_spec

import pytest

from rtbci.backends import usable
from rtbci.backends.cuda import Gpu
from rtbci.backends.registry import BACKENDS
from rtbci.backends.usable import Usable, version_of, what_is_there
from rtbci.errors import MissingPackageError
from rtbci.installing import pip_extra
from tests.engine_stand_ins import give_gpu


def found() -> dict[str, Usable]:
    return {one.backend: one for one in what_is_there()}


def test_every_back_end_is_said_something_of(monkeypatch: pytest.MonkeyPatch) -> None:
    give_gpu(monkeypatch, None)
    assert list(found()) == list(BACKENDS)
    for one in found().values():
        assert one.can_run == (not one.why_not)
        assert one.can_run == bool(one.device)


def test_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    give_gpu(monkeypatch)
    there = found()
    assert (there["tensorrt"].can_run, there["tensorrt"].device) == (True, "Test GPU")
    assert "no CUDA provider" in there["onnxruntime-cuda"].why_not
    monkeypatch.setattr(usable, "_has_cuda_provider", lambda: True)
    assert found()["onnxruntime-cuda"].device == "Test GPU"


def test_without_a_gpu_one_can_still_build(monkeypatch: pytest.MonkeyPatch) -> None:
    give_gpu(monkeypatch, None)
    one = found()["tensorrt_rtx"]
    assert (one.can_run, one.can_build, one.version) == (False, True, "1.0")
    assert (one.why_not, one.remedy) == ("no GPU is visible", "look at nvidia-smi")


def test_a_driver_that_is_too_old_for_the_package_is_told_before_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_gpu(monkeypatch, Gpu("Test GPU", "SM89", "12.8"))
    monkeypatch.setattr(
        "rtbci.backends.tensorrt_api._is_installed", lambda name: name.endswith("cu13_bindings")
    )
    one = found()["tensorrt"]
    assert (one.can_run, one.can_build) == (False, True)
    assert "for CUDA 13 is installed, the NVIDIA driver brings CUDA 12.8" in one.why_not
    assert one.remedy.startswith("update the driver, or for CUDA 12: ")


def test_a_missing_package_comes_with_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = give_gpu(monkeypatch)
    fakes["tensorrt"].missing = True
    monkeypatch.setattr(usable, "find_spec", lambda name: None if name == "openvino" else find_spec(name))
    there = found()
    assert (there["tensorrt"].why_not, there["tensorrt"].remedy) == (
        "is not installed",
        pip_extra("tensorrt"),
    )
    assert there["openvino"].remedy == pip_extra("openvino")
    with pytest.raises(MissingPackageError, match=r"openvino is not installed; .*install .*openvino\]"):
        version_of("openvino")


def test_versions() -> None:
    import onnxruntime

    assert version_of("onnxruntime") == version_of("onnxruntime-cuda") == onnxruntime.__version__
    assert version_of("torch")[0].isdigit()
