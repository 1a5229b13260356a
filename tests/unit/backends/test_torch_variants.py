from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rtbci.backends.bench_contenders import write_random_engine
from rtbci.backends.torch import TorchSession
from rtbci.backends.torch_variants import TorchVariant
from rtbci.errors import EngineError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_random_engine("nano", tmp_path, ["C3", "CZ", "C4"]).with_suffix(".safetensors")


def patches(n: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal((n, 3, 64)).astype(np.float32)


def test_gives_what_the_reference_gives(checkpoint: Path) -> None:
    variant = TorchVariant(checkpoint)
    np.testing.assert_allclose(
        variant.run(patches(3)), TorchSession(checkpoint).run(patches(3)), atol=1e-6, rtol=0
    )
    assert (variant.backend, variant.device) == ("torch", "cpu")


def test_what_torch_compiles_is_what_runs(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Compiling takes a minute; `rtbci engine bench` does it.
    compiled: list[str] = []
    calls: list[tuple[int, ...]] = []

    def stand_in(encode: Callable[..., Any], mode: str) -> Callable[..., Any]:
        compiled.append(mode)

        def run(x: torch.Tensor, ids: torch.Tensor) -> Any:
            calls.append(tuple(x.shape))
            return encode(x, ids)

        return run

    monkeypatch.setattr(torch, "compile", stand_in)
    variant = TorchVariant(checkpoint, is_compiled=True)
    np.testing.assert_allclose(
        variant.run(patches(2)), TorchSession(checkpoint).run(patches(2)), atol=1e-6, rtol=0
    )
    assert (compiled, calls, variant.backend) == (["default"], [(2, 3, 64)], "torch.compile")


def test_bf16_is_near_and_not_the_same(checkpoint: Path) -> None:
    wanted = TorchSession(checkpoint).run(patches(3))
    variant = TorchVariant(checkpoint, precision="bf16")
    got = variant.run(patches(3))
    assert got.dtype == np.float32
    assert variant.precision == "bf16"
    assert 1e-4 < np.abs(got - wanted).max() < 0.2


def test_weights_are_not_converted_in_every_call(checkpoint: Path) -> None:
    """What eager torch and torch.compile would take longer for, and would be compared unfairly with."""
    kinds = {
        type(module): {one.dtype for one in module.parameters(recurse=False)}
        for module in TorchVariant(checkpoint, precision="bf16")._encoder.modules()
    }
    assert kinds[torch.nn.Linear] == {torch.bfloat16}
    assert kinds[torch.nn.LayerNorm] == {torch.float32}


def test_wrong_input_is_refused(checkpoint: Path) -> None:
    with pytest.raises(EngineError, match=r"input is \(1, 2, 64\) float32, need \(n, 3, 64\) float32"):
        TorchVariant(checkpoint).run(np.zeros((1, 2, 64), np.float32))
