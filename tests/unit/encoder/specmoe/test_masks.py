"""Gaussian masks on the spectrogram: how much they take, where, how wide, and that nothing else changes."""

import numpy as np
import pytest
import torch

from rtbci.encoder.specmoe.masks import (
    Holes,
    SpecMaskSettings,
    apply_mask,
    draw_holes,
    draw_masks,
    hole_depths,
    spectrogram,
)
from rtbci.errors import ConfigError, ShapeError

N_SAMPLES = 1600
BIN_HZ = 0.5


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("area", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("n_samples", [800, N_SAMPLES, 6000])
def test_the_mean_of_what_is_taken_is_the_area_of_each_mask(area: float, n_samples: int) -> None:
    masks = draw_masks(16, n_samples, generator(), SpecMaskSettings(area=area))
    assert masks.shape == (16, 201, n_samples // 200 + 1)
    assert masks.min() >= 0
    assert masks.max() <= 1
    torch.testing.assert_close((1 - masks).mean(dim=(1, 2)), torch.full((16,), area), atol=1e-5, rtol=0)


@pytest.mark.parametrize("types", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_each_type_of_hole_alone_reaches_the_area(types: tuple[float, float, float]) -> None:
    masks = draw_masks(4, N_SAMPLES, generator(1), SpecMaskSettings(types=types))
    torch.testing.assert_close((1 - masks).mean(dim=(1, 2)), torch.full((4,), 0.5), atol=1e-5, rtol=0)
    constant_in_time = bool((masks.std(dim=2) < 1e-6).all())
    constant_in_frequency = bool((masks.std(dim=1) < 1e-6).all())
    assert (constant_in_time, constant_in_frequency) == (types[0] == 1.0, types[1] == 1.0)


def test_masks_differ_between_windows_and_follow_from_the_generator() -> None:
    one, same, other = (draw_masks(3, N_SAMPLES, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])


def test_holes_have_the_types_and_bands_that_are_described() -> None:
    settings = SpecMaskSettings()
    holes = draw_holes(400, 100, generator(2), settings)
    shares = torch.bincount(holes.kinds.flatten(), minlength=3) / holes.kinds.numel()
    torch.testing.assert_close(shares, torch.tensor(settings.types), atol=0.01, rtol=0)
    f_hz = holes.f_hz.flatten()
    assert f_hz.min() >= 0
    assert f_hz.max() < 100
    for (low_hz, high_hz), prob in zip(settings.bands_hz, settings.band_probs, strict=True):
        found = float(((f_hz >= low_hz) & (f_hz < high_hz)).double().mean())
        wanted = 0.5 * prob + 0.5 * (high_hz - low_hz) / 100  # drawn from the band, or from the whole axis
        assert found == pytest.approx(wanted, abs=0.01)


def test_without_the_bias_frequencies_are_uniform() -> None:
    holes = draw_holes(200, 100, generator(3), SpecMaskSettings(band_share=0.0))
    counts = torch.histc(holes.f_hz, 10, 0.0, 100.0) / holes.f_hz.numel()
    torch.testing.assert_close(counts, torch.full((10,), 0.1), atol=0.01, rtol=0)


def test_a_hole_is_a_gaussian_of_five_percent_of_each_axis() -> None:
    n_frames = 101  # 100 s: an axis that resolves it
    kinds = torch.tensor([[0, 1, 2]])
    holes = Holes(kinds, torch.full((1, 3), 40.0), torch.full((1, 3), 0.5))
    stripe, moment, spot = hole_depths(holes, n_frames, 0.05)[0]
    assert stripe[80, 0] == moment[0, 50] == spot[80, 50] == 1.0
    one_sigma = float(np.exp(-0.5))
    assert stripe[80 + round(5.0 / BIN_HZ), 7] == pytest.approx(one_sigma, abs=1e-5)
    assert moment[7, 55] == pytest.approx(one_sigma, abs=1e-5)
    assert spot[90, 50] == pytest.approx(one_sigma, abs=1e-5)
    assert spot[90, 55] == pytest.approx(one_sigma**2, abs=1e-5)
    assert stripe.sum(dim=0)[0] * BIN_HZ == pytest.approx(5.0 * np.sqrt(2 * np.pi), abs=0.05)


def test_nothing_masked_gives_the_signal_back() -> None:
    x = torch.randn(3, 2, N_SAMPLES, generator=generator(4))
    ones = torch.ones(3, 201, N_SAMPLES // 200 + 1)
    torch.testing.assert_close(apply_mask(x, ones), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(apply_mask(x, 0 * ones), 0 * x)


def test_one_mask_serves_all_channels_of_its_window_and_no_other() -> None:
    x = torch.randn(1, 1, N_SAMPLES, generator=generator(5)).repeat(2, 3, 1)
    masks = draw_masks(2, N_SAMPLES, generator(6))
    masked = apply_mask(x, masks)
    torch.testing.assert_close(masked[:, 0], masked[:, 2])
    assert not torch.allclose(masked[0], masked[1], atol=1e-3)


def test_a_stripe_takes_its_frequency_and_leaves_others() -> None:
    t_s = torch.arange(N_SAMPLES) / 200.0
    x = (torch.sin(2 * torch.pi * 10 * t_s) + torch.sin(2 * torch.pi * 40 * t_s))[None, None]
    holes = Holes(torch.zeros(1, 1, dtype=torch.int64), torch.tensor([[10.0]]), torch.tensor([[0.5]]))
    masks = 1 - hole_depths(holes, N_SAMPLES // 200 + 1, 0.05)[:, 0]
    power = spectrogram(apply_mask(x, masks)[:, 0]).abs()[0, :, 4]
    assert power[20] < 1e-2 * power[80]


@pytest.mark.parametrize(
    "changes",
    [
        {"area": 0.0},
        {"width": 0.0},
        {"types": (0.5, 0.5, 0.5)},
        {"band_share": 2.0},
        {"band_probs": (0.5, 0.5)},
    ],
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="SpecMaskSettings: got"):
        SpecMaskSettings(**changes)  # type: ignore[arg-type]


def test_an_area_that_holes_cannot_reach_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"do not reach the area 0\.9"):
        draw_masks(1, N_SAMPLES, generator(), SpecMaskSettings(area=0.9, width=1e-4))


def test_a_window_of_no_whole_hops_is_refused() -> None:
    with pytest.raises(ShapeError, match="need"):
        spectrogram(torch.zeros(1, 500))
