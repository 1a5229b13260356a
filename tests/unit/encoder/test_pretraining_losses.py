import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rtbci.encoder.losses import (
    anchor_loss,
    gather_rows,
    info_nce,
    log_band_powers,
    normalise_patches,
    projection_penalty,
    squared_errors,
)


def test_info_nce_equals_a_computation_by_hand() -> None:
    z1 = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    z2 = torch.tensor([[1.0, 1.0], [0.0, 5.0]])
    # Cosines: row 1 with (1, 1) is 1/sqrt 2, with (0, 1) is 0; row 2: 1/sqrt 2 and 1. Temperature 0.5.
    c = 1 / math.sqrt(2)
    cosines = np.array([[c, 0.0], [c, 1.0]]) / 0.5
    rows = [math.log(np.exp(cosines[i]).sum()) - cosines[i, i] for i in range(2)]
    columns = [math.log(np.exp(cosines[:, i]).sum()) - cosines[i, i] for i in range(2)]
    wanted = (sum(rows) / 2 + sum(columns) / 2) / 2
    assert info_nce(z1, z2, temperature=0.5).item() == pytest.approx(wanted, rel=1e-6)


def test_info_nce_is_symmetric_and_least_for_equal_views() -> None:
    torch.manual_seed(0)
    z1, z2 = torch.randn(6, 8), torch.randn(6, 8)
    torch.testing.assert_close(info_nce(z1, z2), info_nce(z2, z1))
    assert info_nce(z1, z1) < info_nce(z1, z2)
    assert info_nce(torch.ones(4, 3), torch.ones(4, 3)).item() == pytest.approx(math.log(4))


def test_info_nce_gradient_is_that_of_its_formula() -> None:
    torch.manual_seed(1)
    z1 = torch.randn(3, 4, requires_grad=True)
    z2 = torch.randn(3, 4, requires_grad=True)
    info_nce(z1, z2).backward()  # type: ignore[no-untyped-call]
    step = 1e-3
    for z in (z1, z2):
        assert z.grad is not None
        with torch.no_grad():
            z[1, 2] += step
            above = info_nce(z1, z2)
            z[1, 2] -= 2 * step
            below = info_nce(z1, z2)
            z[1, 2] += step
        assert z.grad[1, 2].item() == pytest.approx(((above - below) / (2 * step)).item(), abs=2e-3)


def test_one_process_gathers_its_own_rows() -> None:
    x = torch.randn(3, 2, requires_grad=True)
    assert gather_rows(x) is x


def test_targets_have_no_mean_and_unit_variance_whatever_the_unit() -> None:
    torch.manual_seed(0)
    patches = torch.randn(5, 64) * 20.0 + 7.0
    normed = normalise_patches(patches)
    torch.testing.assert_close(normed.mean(-1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed.var(-1, unbiased=False), torch.ones(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(normalise_patches(patches * 1e-3), normed, atol=1e-3, rtol=0)
    assert (normalise_patches(torch.zeros(2, 64)) == 0).all()


def test_squared_errors_are_means_of_rows() -> None:
    errors = squared_errors(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 2.0]]))
    assert errors.tolist() == [2.5, 2.0]


def test_anchor_is_normalised_and_gets_no_gradient() -> None:
    torch.manual_seed(0)
    anchor = (3.0 * torch.randn(2, 4, 1, 8) + 1.0).requires_grad_()
    predicted = torch.randn(2, 4, 1, 8, requires_grad=True)
    wanted = (anchor - anchor.mean(-1, keepdim=True)) / anchor.var(-1, unbiased=False, keepdim=True).add(
        1e-5
    ).sqrt()
    loss = anchor_loss(predicted, anchor)
    torch.testing.assert_close(loss, (predicted - wanted).square().mean())
    loss.backward()  # type: ignore[no-untyped-call]
    assert anchor.grad is None
    assert predicted.grad is not None
    assert anchor_loss(F.layer_norm(anchor, (8,)), 5.0 * anchor).item() < 1e-6, "scale does not matter"


def test_penalty_is_half_the_sum_of_the_mean_squares() -> None:
    assert projection_penalty(torch.full((2, 4), 3.0), torch.full((2, 4), 1.0)).item() == 5.0


@pytest.mark.parametrize(("freq_hz", "band"), [(8.0, 0), (12.0, 0), (20.0, 1), (28.0, 1)])
def test_log_power_of_a_sine_is_in_its_band(freq_hz: float, band: int) -> None:
    t_s = torch.arange(64) / 256.0
    sine = 4.0 * torch.sin(2 * torch.pi * freq_hz * t_s + 0.4)
    powers = log_band_powers(sine[None], mean_square=1.0)[0]
    # A Hann window leaks into the next bins, most of which are inside; a sine of 4 has a mean square of 8.
    assert powers[band].item() == pytest.approx(math.log(8.0), abs=0.25)
    assert powers[band] > powers[1 - band] + 1.0


def test_log_power_follows_amplitude_and_reference() -> None:
    torch.manual_seed(0)
    patches = torch.randn(3, 64)
    powers = log_band_powers(patches)
    torch.testing.assert_close(log_band_powers(3.0 * patches), powers + 2 * math.log(3.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(log_band_powers(3.0 * patches, 9.0), powers, atol=1e-3, rtol=0)
    assert torch.isfinite(log_band_powers(torch.zeros(1, 64))).all()
