"""The second way through the encoder: log power of each electrode, which LayerNorm cannot remove."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rtbci.backends.export import export_checkpoint
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import expected_shapes, read_checkpoint, read_metadata, write_checkpoint
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.sizes import PATCH_SAMPLES, RATE_HZ, SIZES, PowerPath, n_parameters
from rtbci.errors import EngineError

POWER = PowerPath(level=0.25)
LABELS = ["C3", "CZ", "C4", "CP3", "O2"]


def make(size: str = "nano", power: PowerPath | None = POWER) -> DareEncoder:
    torch.manual_seed(5)
    return DareEncoder(size, embedding_std=0.5, power=power).eval()


def sine(freq_hz: float, phase: float = 0.3) -> Tensor:
    t_s = torch.arange(PATCH_SAMPLES) / RATE_HZ
    return torch.sin(2.0 * torch.pi * freq_hz * t_s + phase)


@pytest.mark.parametrize("size", ["nano", "base"])
def test_parameters_and_shapes_are_the_stated_ones(size: str) -> None:
    with torch.device("meta"):
        state = DareEncoder(size, power=POWER).state_dict()
    assert expected_shapes(SIZES[size], POWER) == {key: tuple(value.shape) for key, value in state.items()}
    assert sum(value.numel() for value in state.values()) == n_parameters(SIZES[size], POWER)


def test_a_level_is_the_log_power_of_its_own_electrode_above_its_offset() -> None:
    encoder, ids = make(), channel_ids(LABELS)
    amplitudes = torch.tensor([0.1, 0.5, 1.0, 2.0, 0.0])
    with torch.inference_mode():
        encoder.power_offset[ids[2]] = 1.0
        levels = encoder.levels(amplitudes[:, None] * sine(12.0).expand(1, len(LABELS), -1), ids)
    power = amplitudes.double().square() / 2.0  # mean square of a sine
    want = torch.log(power + POWER.floor) - torch.log(torch.tensor(POWER.level, dtype=torch.float64))
    want[2] = torch.log(power[2] + POWER.floor) - 1.0
    torch.testing.assert_close(levels[0].double(), want, atol=1e-5, rtol=0)


def test_levels_are_read_out_around_the_transformer() -> None:
    """What is added to the output is linear in the levels, and the tokens hear them too."""
    encoder, ids = make(), channel_ids(LABELS)
    x = torch.randn(3, len(LABELS), 64)
    with torch.inference_mode():
        levels = encoder.levels(x, ids)
        around = levels @ encoder.readout.weight[ids]
        with_both = encoder.encode_patches(x, ids)
        encoder.readout.weight.zero_()
        through = encoder.encode_patches(x, ids)
        torch.testing.assert_close(with_both - through, around[:, None], atol=1e-5, rtol=0)
        assert (through - encoder.transform(x, ids, torch.zeros_like(levels))).norm() > 0.1


def test_an_encoder_without_the_path_has_no_levels() -> None:
    with pytest.raises(EngineError, match="has no power path"):
        make(power=None).levels(torch.zeros(1, 1, 64), channel_ids(["C3"]))


def test_louder_patches_change_the_features_where_the_published_encoder_hardly_hears_them() -> None:
    x = 0.3 * (sine(12.0) + sine(20.0)).expand(1, len(LABELS), -1) + 0.05 * torch.randn(1, len(LABELS), 64)
    changes = []
    for power in (None, POWER):
        encoder = make(power=power)
        with torch.inference_mode():
            soft, loud = (encoder.encode_patches(gain * x, channel_ids(LABELS)) for gain in (1.0, 3.0))
        changes.append(float((loud - soft).norm() / soft.norm()))
    assert changes[1] > 2.0 * changes[0]


def test_power_of_one_electrode_is_told_from_that_of_another() -> None:
    encoder, ids = make(), channel_ids(["C3", "C4"])
    quiet, strong = 0.1 * sine(12.0), sine(12.0)
    with torch.inference_mode():
        left, right = encoder.encode_patches(torch.stack([torch.stack([strong, quiet]),
                                                          torch.stack([quiet, strong])]), ids)  # fmt: skip
    assert (left - right).norm() > 0.1 * left.norm()


def test_silence_is_finite_and_so_is_its_gradient() -> None:
    encoder = make()
    encoder.encode_patches(torch.zeros(2, len(LABELS), 64), channel_ids(LABELS)).sum().backward()  # type: ignore[no-untyped-call]
    assert all(
        parameter.grad is not None and torch.isfinite(parameter.grad).all()
        for parameter in encoder.parameters()
    )


def test_a_patch_alone_equals_the_patch_in_its_window() -> None:
    encoder, ids = make(), channel_ids(LABELS)
    x = torch.randn(2, 6, len(LABELS), 64)
    with torch.inference_mode():
        window = encoder(x, ids)
        for i in range(6):
            torch.testing.assert_close(encoder.encode_patches(x[:, i], ids), window[:, i], atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", ["nano", "light"])
def test_checkpoint_and_engine_keep_it(size: str, tmp_path: Path) -> None:
    encoder, path = make(size), tmp_path / "encoder.safetensors"
    write_checkpoint(path, encoder, LABELS, "whitened")
    read, info = read_checkpoint(path)
    assert info.power == POWER == read.power
    export_checkpoint(path, tmp_path / "encoder.onnx")
    x = np.random.default_rng(0).standard_normal((1, len(LABELS), 64)).astype(np.float32)
    x[0, 1] = 0.0
    with torch.inference_mode():
        want = encoder.encode_patches(torch.from_numpy(x), channel_ids(LABELS)).numpy()
        again = read.encode_patches(torch.from_numpy(x), channel_ids(LABELS)).numpy()
    np.testing.assert_array_equal(again, want)
    np.testing.assert_allclose(OrtSession(tmp_path / "encoder.onnx").run(x), want, atol=1e-5)


def test_a_checkpoint_without_it_is_hashed_as_before(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    with_it, without = (
        write_checkpoint(path, make(power=power), LABELS, "whitened") for power in (POWER, None)
    )
    assert without.power is None
    assert read_metadata(path) == without
    assert with_it.sha256 != without.sha256


@pytest.mark.parametrize("level", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(EngineError, match=r"level is .*, need a number above 0"):
        PowerPath(level)
