"""How the encoder's network starts, and what a command line says of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.encoder.checkpoint import Unit, write_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.encoder.sizes import PowerPath
from rtbci.errors import EngineError
from rtbci.stages.align import inverse_root
from rtbci.stages.stage import FloatArray
from tools.training.filters import convolve
from tools.training.folds import Plan
from tools.training.networks import EncoderNet, FitSettings
from tools.training.shipping import command_of, paradigm_of
from tools.training.signals import CHAIN, LAYOUT
from tools.training.starts import Start, electrode_filters, start_network
from tools.training.trials import PATCH

N = len(LAYOUT)
RMS_UV = 5.0


def covariance() -> FloatArray:
    """Of 31 electrodes that share sources, of mean power `RMS_UV` squared."""
    mixing = np.random.default_rng(0).standard_normal((N, 5))
    found = mixing @ mixing.T + np.eye(N)
    return np.asarray(found * RMS_UV**2 * N / np.trace(found))


def started(start: Start) -> EncoderNet:
    torch.manual_seed(0)
    net = EncoderNet("nano", LAYOUT).eval()
    start_network(net, start, covariance())
    return net


def write_pretrained(
    path: Path, size: str = "nano", unit: Unit = "mV", channels: tuple[str, ...] = LAYOUT, power: bool = False
) -> DareEncoder:
    torch.manual_seed(1)
    encoder = DareEncoder(size, embedding_std=2.0, power=PowerPath(0.25) if power else None)
    with torch.no_grad():
        encoder.tokenise.bias.normal_()
        encoder.norm.bias.normal_()
    write_checkpoint(path, encoder, channels, unit)
    return encoder


def test_electrode_filters_undo_the_whitening() -> None:
    share = float(str(CHAIN[-1]["shrinkage"]))
    whitening = inverse_root((1 - share) * covariance() + share * RMS_UV**2 * np.eye(N), 1e-9)
    np.testing.assert_allclose(electrode_filters(covariance()) @ whitening, np.eye(N) / RMS_UV, atol=1e-9)


@pytest.mark.parametrize("adapter", ["identity", "electrodes"])
def test_an_adapter_that_passes_on_electrodes_only_delays_them(adapter: str) -> None:
    net = started(Start(None, "identity" if adapter == "identity" else "electrodes"))
    x = torch.randn(2, N, 200)
    virtual = convolve(net.adapter @ x, net.adapter_fir)
    spatial = np.eye(N) if adapter == "identity" else electrode_filters(covariance())
    want = torch.from_numpy(spatial).float() @ x
    half = net.adapter_fir.shape[1] // 2
    torch.testing.assert_close(virtual, want[..., half:-half], atol=1e-5, rtol=1e-5)


def test_a_random_start_changes_nothing() -> None:
    torch.manual_seed(0)
    fresh = EncoderNet("nano", LAYOUT).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in started(Start()).state_dict().items())


@pytest.mark.parametrize(("unit", "factor"), [("mV", RMS_UV / 1e3), ("uV", RMS_UV), ("whitened", 1.0)])
def test_a_pretrained_start_gives_the_features_of_the_checkpoint(
    tmp_path: Path, unit: Unit, factor: float
) -> None:
    encoder = write_pretrained(tmp_path / "encoder.safetensors", unit=unit)
    net = started(Start(tmp_path / "encoder.safetensors", "electrodes"))
    patches = torch.randn(3, N, PATCH)  # of power 1, as virtual electrodes have it
    with torch.no_grad():
        got = net.encoder.transform(patches, net.ids, torch.randn(3, N))  # levels say nothing yet
        want = encoder.encode_patches(factor * patches, net.ids)
    torch.testing.assert_close(
        got, 0.1 * want, atol=1e-4, rtol=1e-4
    )  # small, so that the readout learns first
    assert net.encoder.power_embedding.weight.requires_grad


def test_what_cannot_be_started_from_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(EngineError, match="cannot be read"):
        started(Start(path))
    write_pretrained(path, size="light")
    with pytest.raises(EngineError, match="is of size 'light', need 'nano'; give --size light"):
        started(Start(path))
    write_pretrained(path, power=True)
    with pytest.raises(EngineError, match="has a power path, so it was trained with labels"):
        started(Start(path))
    write_pretrained(path, channels=LAYOUT[1:])
    with pytest.raises(EngineError, match=r"never saw \['FC5'\], need all electrodes"):
        started(Start(path))


def test_the_command_names_what_differs_from_the_defaults() -> None:
    power = FitSettings(10, 1e-2)
    plain = Plan("nano", FitSettings(10, 1e-2, transformer_rate=0.1), power, 0)
    assert command_of(plain, range(5), 5) == "python -m tools.train_motor_imagery"
    other = Plan(
        "light",
        FitSettings(6, 1e-2, transformer_rate=0.0),
        power,
        0,
        Start(Path("a b"), "electrodes"),
        0.75,
    )
    assert command_of(other, [0], 5) == (
        "python -m tools.train_motor_imagery --size light --epochs 6 --start 'a b' --adapter-start electrodes "
        "--transformer-rate 0.0 --path-dropout 0.75 --only-fold 0"
    )
    assert (paradigm_of("nano"), paradigm_of("light")) == ("motor_imagery", "motor_imagery_light")
