"""The gate's spectrum, the readouts and what they can tell."""

import numpy as np
import pytest
import torch
from scipy import signal

from rtbci.encoder.specmoe.hinet import SpecHiNet
from rtbci.encoder.specmoe.moe import PSD_FLOOR, SpecMoe, log_spectra
from rtbci.errors import EngineError, ShapeError

N_CHANNELS = 4


def windows(n: int = 2, seed: int = 0, n_samples: int = 600) -> torch.Tensor:
    return torch.randn(n, N_CHANNELS, n_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_samples", [400, 600, 800])
def test_spectra_are_those_of_scipy(n_samples: int) -> None:
    x = windows(n_samples=n_samples)
    _, density = signal.welch(x.double().numpy(), 200.0, "hann", 400, 200, detrend=False)
    np.testing.assert_allclose(log_spectra(x).numpy(), np.log1p(density / PSD_FLOOR), rtol=1e-4, atol=1e-5)


def test_silence_is_zero() -> None:
    assert float(log_spectra(torch.zeros(1, 2, 600)).abs().max()) == 0.0


@pytest.mark.parametrize("readout", ["max", "electrodes"])
def test_logits_come_out_one_row_a_window_whatever_the_batch(readout: str) -> None:
    torch.manual_seed(2)
    decoder, x = SpecMoe("mini", N_CHANNELS, 3, readout=readout).eval(), windows(3)  # type: ignore[arg-type]
    with torch.inference_mode():
        logits = decoder(x)
        torch.testing.assert_close(torch.cat([decoder(one[None]) for one in x]), logits, atol=1e-5, rtol=1e-4)
    assert tuple(logits.shape) == (3, 3)


def test_the_described_readout_cannot_tell_left_from_right() -> None:
    """A largest value is the same whatever the order of the electrodes, and so is all before it."""
    torch.manual_seed(3)
    x, order = windows(), torch.tensor([2, 0, 3, 1])
    with torch.inference_mode():
        for readout, is_blind in (("max", True), ("electrodes", False)):
            decoder = SpecMoe("mini", N_CHANNELS, readout=readout).eval()  # type: ignore[arg-type]
            same = torch.allclose(decoder(x[:, order]), decoder(x), atol=1e-5)
            assert same == is_blind


def test_a_silent_electrode_weighs_what_the_gate_makes_of_silence() -> None:
    torch.manual_seed(4)
    decoder = SpecMoe("mini", N_CHANNELS).eval()
    x = windows(1)
    features, spectra = decoder.features(x), log_spectra(x)
    for gate in decoder.gates:
        torch.nn.init.constant_(gate.bias, -30.0)  # type: ignore[arg-type]
        torch.nn.init.zeros_(gate.weight)  # type: ignore[arg-type]
    closed = decoder.classify(features, spectra)
    torch.testing.assert_close(closed, decoder.classify(features * 0, spectra), atol=1e-5, rtol=0)


def test_the_published_size_is_as_large_as_described() -> None:
    decoder = SpecMoe("published", 19, 4, readout="max")
    around = sum(one.numel() for name, one in decoder.named_parameters() if not name.startswith("experts"))
    assert around == 227_716
    whole = around + 3 * sum(one.numel() for one in SpecHiNet("published").parameters())
    assert whole == pytest.approx(4.31e6, rel=0.02)


def test_pretrained_experts_are_taken_over_in_order() -> None:
    torch.manual_seed(5)
    experts = [SpecHiNet("mini") for _ in range(3)]
    decoder = SpecMoe("mini", N_CHANNELS)
    decoder.load_experts([one.encoder for one in experts])
    for mine, given in zip(decoder.experts, experts, strict=True):
        assert all(
            torch.equal(a, b) for a, b in zip(mine.parameters(), given.encoder.parameters(), strict=True)
        )
    with pytest.raises(EngineError, match="need 3 of 'mini'"):
        decoder.load_experts([experts[0].encoder])
    with pytest.raises(EngineError, match="need 3 of 'mini'"):
        decoder.load_experts([SpecHiNet("half").encoder] * 3)


def test_windows_that_do_not_fit_are_refused() -> None:
    decoder = SpecMoe("mini", N_CHANNELS)
    with pytest.raises(ShapeError, match=r"need \(n, 4, a multiple of 8 samples\)"):
        decoder(torch.zeros(1, 3, 600))
    with pytest.raises(ShapeError, match="400 samples or more"):
        log_spectra(torch.zeros(1, 4, 392))
    with pytest.raises(EngineError, match="'max' or 'electrodes'"):
        SpecMoe("mini", 4, readout="mean")  # type: ignore[arg-type]
