"""SpecHi-Net: shapes, sizes, and what it must not do."""

import pytest
import torch

from rtbci.encoder.specmoe.hinet import SpecEncoder, SpecHiNet
from rtbci.encoder.specmoe.sizes import SIZES, SpecSize, find_spec_size
from rtbci.errors import EngineError, ShapeError

DESCRIBED = 1.36e6


def n_parameters(module: torch.nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def test_the_published_size_has_the_described_number_of_parameters() -> None:
    n = n_parameters(SpecHiNet("published"))
    assert n == 1_385_796
    assert n == pytest.approx(DESCRIBED, rel=0.02)


@pytest.mark.parametrize(("name", "n", "n_encoder"), [("half", 225_508, 172_864), ("mini", 51_412, 41_168)])
def test_the_small_sizes_have_theirs(name: str, n: int, n_encoder: int) -> None:
    network = SpecHiNet(name)
    assert (n_parameters(network), n_parameters(network.encoder)) == (n, n_encoder)


@pytest.mark.parametrize("n_samples", [400, 600, 1600])
def test_four_reconstructions_come_out_at_three_resolutions(n_samples: int) -> None:
    made = SpecHiNet("mini").eval()(torch.randn(2, n_samples))
    shapes = [tuple(one.shape) for one in made]
    assert shapes == [(2, n_samples), (2, n_samples), (2, n_samples // 2), (2, n_samples // 4)]


def test_the_bottom_has_an_eighth_of_the_samples_and_skips_a_half_and_a_quarter() -> None:
    bottom, skips = SpecEncoder("mini").eval()(torch.randn(2, 600))
    assert tuple(bottom.shape) == (2, 32, 75)
    assert [tuple(one.shape) for one in skips] == [(2, 16, 300), (2, 16, 150)]


def test_every_parameter_is_trained() -> None:
    network = SpecHiNet("half")
    torch.stack([one.square().sum() for one in network(torch.randn(2, 400))]).sum().backward()  # type: ignore[no-untyped-call]
    assert [name for name, one in network.named_parameters() if one.grad is None] == []


def test_it_starts_near_the_prediction_of_nothing() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        made = SpecHiNet("mini")(torch.randn(4, 800))
    assert all(float(one.square().mean()) < 0.05 for one in made)


def test_series_do_not_see_each_other_and_order_in_time_counts() -> None:
    torch.manual_seed(1)
    network, x = SpecEncoder("mini").eval(), torch.randn(2, 400)
    with torch.inference_mode():
        found = network.features(x)
        torch.testing.assert_close(network.features(x[1:]), found[1:], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(network.features(x.flip(1)), found, atol=1e-3)


def test_samples_that_cannot_be_halved_three_times_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"got shape \(1, 601\), need"):
        SpecEncoder("mini")(torch.randn(1, 601))


def test_a_size_is_known_or_refused_with_the_names() -> None:
    assert find_spec_size("mini") is SIZES["mini"]
    with pytest.raises(EngineError, match="need one of published, half, mini"):
        find_spec_size("nano")
    with pytest.raises(EngineError, match="twice the number of heads divides"):
        SpecSize("odd", (16, 16, 24), 16, (1, 1, 1))
