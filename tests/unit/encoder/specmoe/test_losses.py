"""The hierarchical loss and what a reconstruction is compared with."""

import pytest
import torch
import torch.nn.functional as F

from rtbci.encoder.specmoe.hinet import Reconstructions, SpecHiNet
from rtbci.encoder.specmoe.losses import (
    SpecPretraining,
    masked_error,
    reconstruction_losses,
    spectrum_distance,
    trivial_errors,
)
from rtbci.encoder.specmoe.masks import apply_mask, draw_masks

N_SAMPLES = 1600


def windows(n: int = 3, n_channels: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, n_channels, N_SAMPLES, generator=torch.Generator().manual_seed(seed))


def masks(n: int = 3, seed: int = 0) -> torch.Tensor:
    return draw_masks(n, N_SAMPLES, torch.Generator().manual_seed(seed))


def test_a_perfect_reconstruction_costs_nothing() -> None:
    x = windows().flatten(0, 1)
    perfect = Reconstructions(x, x, F.avg_pool1d(x[:, None], 2)[:, 0], F.avg_pool1d(x[:, None], 4)[:, 0])
    losses = reconstruction_losses(perfect, x, torch.tensor(0.0))
    assert float(losses.total) == pytest.approx(0.0, abs=1e-9)


def test_the_total_has_the_described_weights() -> None:
    x = windows().flatten(0, 1)
    wrong = Reconstructions(x + 0.1, 0.5 * x, x[:, ::2] * 0, x[:, ::4] * 0)
    losses = reconstruction_losses(wrong, x, torch.tensor(0.0))
    first, second = spectrum_distance(wrong.coarse, x), spectrum_distance(wrong.fine, x)
    assert float(losses.coarse) == pytest.approx(0.01, rel=1e-4)
    assert float(losses.spectrum) == pytest.approx(float(first + second), rel=1e-5)
    wanted = losses.coarse + losses.fine + 0.02 * (first + second) + 0.3 * losses.half + 0.2 * losses.quarter
    assert float(losses.total) == pytest.approx(float(wanted), rel=1e-6)
    assert float(losses.half) == pytest.approx(float(F.avg_pool1d(x, 2).square().mean()), rel=1e-5)


def test_the_distance_of_spectra_is_that_of_magnitudes() -> None:
    x = windows().flatten(0, 1)
    assert float(spectrum_distance(-x, x)) == pytest.approx(
        0.0, abs=1e-6
    )  # phase is the other term's business
    assert float(spectrum_distance(0 * x, x)) > 1.0


def test_zeros_have_a_masked_error_of_one_and_the_truth_of_zero() -> None:
    x = windows()
    assert float(masked_error(0 * x, x, masks())) == pytest.approx(1.0)
    assert float(masked_error(x, x, masks())) == 0.0


def test_what_was_not_masked_does_not_count() -> None:
    x = windows()
    half = torch.ones_like(masks())
    half[:, :100] = 0.0  # below 50 Hz
    inside, outside = x - apply_mask(x, half), apply_mask(x, half)
    assert float(masked_error(inside, x, half)) < 0.2
    assert float(masked_error(outside, x, half)) > 0.8


def test_trivial_predictors_are_what_they_say() -> None:
    x, mask = windows(), masks()
    found = trivial_errors(x, mask)
    assert found.zeros == 1.0
    assert found.masked_input == pytest.approx(float(masked_error(apply_mask(x, mask), x, mask)))
    assert found.interpolated > 1.0  # of white noise nothing can be told from the frames beside


def test_interpolation_is_right_for_what_is_linear_in_time() -> None:
    x = torch.sin(2 * torch.pi * 10 * torch.arange(N_SAMPLES) / 200.0)[
        None, None
    ]  # whole periods a hop: every frame alike
    mask = torch.ones(1, 201, 9)
    mask[:, :, 4] = 0.0
    assert trivial_errors(x, mask).interpolated < 1e-6


def test_an_expert_learns_to_put_a_rhythm_back_better_than_any_trivial_predictor() -> None:
    torch.manual_seed(0)
    model, generator = SpecPretraining(SpecHiNet("mini")), torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    t_s = torch.arange(800) / 200.0
    errors: list[tuple[float, float]] = []
    for _ in range(15):
        phase = 6.3 * torch.rand(4, 1, 1, generator=generator)
        x = torch.sin(2 * torch.pi * 10 * t_s + phase)
        mask = draw_masks(4, 800, generator)
        losses = model(x, mask)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        errors.append((float(losses.masked), trivial_errors(x, mask).masked_input))
    assert errors[-1][0] < min(1.0, errors[-1][1])
