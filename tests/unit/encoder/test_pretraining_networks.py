import pytest
import torch

from rtbci.encoder.dare import DareEncoder
from rtbci.encoder.predictor import Predictor, Reconstructor, RotaryBlock, rotate
from rtbci.encoder.sizes import SIZES, EncoderSize

TINY = EncoderSize("tiny", 16, 2, 1, 2, 2, 2)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(5)


def test_rotated_products_depend_on_the_difference_of_positions_only() -> None:
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(i: int, j: int) -> torch.Tensor:
        return (rotate(q, torch.tensor([[i]])) * rotate(k, torch.tensor([[j]]))).sum()

    torch.testing.assert_close(product(3, 5), product(11, 13))
    assert (product(3, 5) - product(3, 6)).abs() > 1e-3
    torch.testing.assert_close(rotate(q, torch.tensor([[0]])), q)
    torch.testing.assert_close(rotate(q, torch.tensor([[9]])).norm(), q.norm())


def test_frequencies_fall_from_one_to_one_over_theta() -> None:
    x = torch.zeros(1, 1, 1, 8)
    x[..., 0] = x[..., 3] = 1.0  # first parts of the fastest and of the slowest pair
    turned = rotate(x, torch.tensor([[1]]))[0, 0, 0]
    assert turned[4].item() == pytest.approx(torch.tensor(1.0).sin().item())
    assert turned[7].item() == pytest.approx(1e4**-0.75, rel=1e-3)


def test_queries_read_the_memory_as_tokens_would() -> None:
    block = RotaryBlock(16, 2)
    memory, queries = torch.randn(2, 4, 16), torch.randn(3, 16)
    times, positions = torch.arange(4)[None], torch.tensor([1, 3, 0])
    seats = (torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]), 2)
    read = block.read(queries, positions, seats, memory, times)
    # One query that is the memory's own token, at its place, reads what the token reads.
    own = block.read(
        memory[1, 2:3], torch.tensor([2]), (torch.tensor([1]), torch.tensor([0]), 1), memory, times
    )
    torch.testing.assert_close(own[0], block(memory, times)[1, 2])
    alone = block.read(queries[2:], positions[2:], (torch.tensor([1]), torch.tensor([0]), 1), memory, times)
    torch.testing.assert_close(alone[0], read[2])


def test_predictor_reads_no_dropped_patch_and_answers_at_all() -> None:
    predictor = Predictor(TINY)
    features = torch.randn(3, 6, 2, 16)
    kept = torch.tensor([[1, 0, 1, 1, 0, 0]] * 3).bool()
    predicted = predictor(features, kept)
    assert predicted.shape == (3, 6, 2, 16)
    changed = features.clone()
    changed[:, ~kept[0]] = 99.0
    torch.testing.assert_close(predictor(changed, kept), predicted)
    changed = features.clone()
    changed[0, 2] += 1.0
    difference = (predictor(changed, kept) - predicted).abs().amax(dim=(2, 3))
    assert (difference[0] > 1e-7).all(), "a kept patch tells of all others"
    assert (difference[1:] == 0).all()


def test_predictor_knows_the_order_of_patches() -> None:
    predictor = Predictor(TINY)
    features = torch.randn(1, 6, 2, 16).expand(1, 6, 2, 16)
    kept = torch.tensor([[1, 1, 0, 0, 1, 1]]).bool()
    predicted = predictor(features, kept)
    swapped = predictor(features[:, [1, 0, 2, 3, 4, 5]], kept)
    assert (predicted[:, 2] - swapped[:, 2]).abs().max() > 1e-6
    assert (predicted[:, 2] - predicted[:, 3]).abs().max() > 1e-6


def test_reconstructor_answers_each_target_by_itself_and_in_order() -> None:
    reconstructor = Reconstructor(TINY, 0.5)
    features, ids = torch.randn(2, 5, 2, 16), torch.tensor([4, 9, 30])
    target = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0)) < 0.6
    samples, powers = reconstructor(features, ids, target)
    assert samples.shape == (int(target.sum()), 64)
    assert powers is None
    for row, place in enumerate(target.nonzero().tolist()):
        alone = torch.zeros_like(target)
        alone[tuple(place)] = True
        torch.testing.assert_close(
            reconstructor(features, ids, alone)[0][0], samples[row], atol=1e-5, rtol=1e-4
        )


def test_reconstructor_tells_channels_and_patches_apart() -> None:
    reconstructor = Reconstructor(TINY, 0.5)
    with torch.no_grad():
        reconstructor.samples.weight.mul_(50.0)
    features = torch.randn(1, 1, 2, 16).expand(1, 4, 2, 16)
    samples, _ = reconstructor(features, torch.tensor([4, 9]), torch.ones(1, 4, 2, dtype=torch.bool))
    assert (samples[0] - samples[1]).abs().max() > 1e-2


def test_powers_are_answered_where_asked_for() -> None:
    reconstructor = Reconstructor(TINY, n_powers=2)
    target = torch.ones(1, 2, 3, dtype=torch.bool)
    _, powers = reconstructor(torch.randn(1, 2, 2, 16), torch.tensor([0, 1, 2]), target)
    assert powers is not None
    assert powers.shape == (6, 2)


@pytest.mark.parametrize("name", SIZES)
def test_depths_are_those_of_the_table(name: str) -> None:
    size = SIZES[name]
    with torch.device("meta"):
        assert len(Predictor(size).blocks) == size.depth_predictor
        assert len(Reconstructor(size).blocks) == size.depth_reconstructor
        assert len(DareEncoder(size).blocks) == size.depth


def test_linear_maps_start_as_the_encoders() -> None:
    network = Reconstructor(SIZES["light"])
    spreads = {
        name: weight.std().item() for name, weight in network.blocks.named_parameters() if weight.ndim == 2
    }
    for i_layer in range(6):
        assert spreads[f"{i_layer}.query.weight"] == pytest.approx(0.02, rel=0.05)
        for name in ("proj", "fc2"):
            wanted = 0.02 / (2.0 * (i_layer + 1)) ** 0.5
            assert spreads[f"{i_layer}.{name}.weight"] == pytest.approx(wanted, rel=0.05)
