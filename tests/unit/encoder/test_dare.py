import math
from itertools import pairwise

import pytest
import torch

from rtbci.encoder.dare import Attention, Block, DareEncoder, channel_ids
from rtbci.encoder.sizes import SIZES, EncoderSize, find_size, n_parameters
from rtbci.errors import EngineError, ShapeError

LABELS = ["FC5", "CZ", "C3", "T3", "O2"]
N_PARAMETERS = {
    "nano": 108_288,
    "light": 1_206_272,
    "small": 4_771_840,
    "base": 6_352_128,
    "deep": 25_287_168,
}


@pytest.fixture
def encoder() -> DareEncoder:
    torch.manual_seed(3)
    return DareEncoder("nano", embedding_std=0.5).eval()


@pytest.mark.parametrize("name", SIZES)
def test_parameter_count_is_the_published_one(name: str) -> None:
    with torch.device("meta"):
        encoder = DareEncoder(name)
    assert sum(p.numel() for p in encoder.parameters()) == n_parameters(SIZES[name]) == N_PARAMETERS[name]


def test_a_patch_alone_equals_the_patch_in_its_window(encoder: DareEncoder) -> None:
    x, ids = torch.randn(2, 16, 5, 64), channel_ids(LABELS)
    with torch.inference_mode():
        window = encoder(x, ids)
        for i in range(16):
            torch.testing.assert_close(encoder.encode_patches(x[:, i], ids), window[:, i], atol=1e-5, rtol=0)
    assert window.shape == (2, 16, 1, 64)


def test_order_of_channels_does_not_matter_but_their_names_do(encoder: DareEncoder) -> None:
    x, ids = torch.randn(3, 5, 64), channel_ids(LABELS)
    order = [4, 2, 0, 1, 3]
    with torch.inference_mode():
        y = encoder.encode_patches(x, ids)
        torch.testing.assert_close(encoder.encode_patches(x[:, order], ids[order]), y, atol=1e-5, rtol=0)
        assert (encoder.encode_patches(x[:, order], ids) - y).abs().max() > 1e-3


def test_layouts_may_differ_between_patches(encoder: DareEncoder) -> None:
    x, ids = torch.randn(2, 3, 64), torch.tensor([[0, 5, 9], [61, 30, 2]])
    with torch.inference_mode():
        both = encoder.encode_patches(x, ids)
        one_by_one = torch.cat([encoder.encode_patches(x[i : i + 1], ids[i]) for i in range(2)])
    torch.testing.assert_close(both, one_by_one, atol=1e-5, rtol=0)


def test_fewer_queries_give_the_last_rows_and_the_same_gradients() -> None:
    torch.manual_seed(0)
    attention = Attention(32, 4)
    x = torch.randn(2, 7, 32)
    results = []
    for n_queries, rows in ((7, slice(-2, None)), (2, slice(None))):
        attention.zero_grad()
        y = attention(x, n_queries)[:, rows]
        y.square().sum().backward()
        results.append((y.detach(), *[p.grad.clone() for p in attention.parameters() if p.grad is not None]))
    for all_queries, two_queries in zip(*results, strict=True):
        torch.testing.assert_close(all_queries, two_queries, atol=1e-5, rtol=1e-4)


def test_gradients_reach_every_parameter_but_unused_electrodes() -> None:
    torch.manual_seed(0)
    encoder = DareEncoder("nano")
    ids = channel_ids(LABELS)
    encoder(torch.randn(2, 3, 5, 64), ids).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    grad = encoder.channel_embedding.weight.grad
    assert grad is not None
    assert set(grad.abs().sum(1).nonzero().ravel().tolist()) == set(ids.tolist())


@pytest.mark.parametrize("std", [0.02, 0.5])
def test_weights_start_as_stated(std: float) -> None:
    torch.manual_seed(0)
    encoder = DareEncoder("light", embedding_std=std)
    assert float(encoder.channel_embedding.weight.detach().std()) == pytest.approx(std, rel=0.05)
    for i_layer, block in enumerate(encoder.blocks, start=1):
        shrunk = 0.02 / math.sqrt(2 * i_layer)
        assert isinstance(block, Block)
        for linear, want in ((block.fc1, 0.02), (block.fc2, shrunk), (block.attention.proj, shrunk)):
            assert float(linear.weight.detach().std()) == pytest.approx(want, rel=0.05)
            assert not linear.bias.any()


def test_large_embedding_lets_amplitude_through() -> None:
    ids, x = channel_ids(LABELS), torch.randn(1, 5, 64)
    change = {}
    for std in (0.02, 0.5):
        torch.manual_seed(1)
        encoder = DareEncoder("nano", embedding_std=std)
        with torch.inference_mode():
            steps = [encoder.encode_patches(gain * x, ids) for gain in (10.0, 20.0, 40.0)]
        change[std] = float(torch.stack([(b - a).abs().mean() for a, b in pairwise(steps)]).mean())
    assert change[0.5] > 3 * change[0.02]


def test_wrong_shapes_say_got_and_need(encoder: DareEncoder) -> None:
    ids = channel_ids(LABELS)
    with pytest.raises(ShapeError, match=r"x has shape \(5, 64\), need \(batch, n_patches, C, 64\)"):
        encoder(torch.zeros(5, 64), ids)
    with pytest.raises(ShapeError, match=r"patches have shape \(1, 5, 63\), need \(n, n_channels, 64\)"):
        encoder.encode_patches(torch.zeros(1, 5, 63), ids)
    with pytest.raises(ShapeError, match=r"channel_ids have shape \(5,\), need \(4,\)"):
        encoder.encode_patches(torch.zeros(2, 4, 64), ids)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(EngineError, match="got 64 features and 5 heads"):
        EncoderSize("own", 64, 1, 2, 2, 2, 5)
    with pytest.raises(EngineError, match="widths, depths and heads of at least 1"):
        EncoderSize("own", 64, 0, 2, 2, 2, 4)
    with pytest.raises(EngineError, match="got encoder size 'huge', need one of nano, light"):
        find_size("huge")
