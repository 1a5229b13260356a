import pytest
import torch

from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.pretraining import Pretraining
from tools.pretraining.starts import smooth_rows, start


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_rows_of_neighbours_are_alike_and_those_of_far_electrodes_are_not() -> None:
    rows = smooth_rows(4000)
    c3, c1, c4, oz, fpz = rows[channel_ids(["C3", "C1", "C4", "OZ", "FPZ"])]

    def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
        return float(torch.corrcoef(torch.stack([a, b]))[0, 1])

    assert correlation(c3, c1) > 0.75
    assert correlation(c3, c1) < 0.97, "neighbours can be told apart"
    assert correlation(c3, c4) < correlation(c3, c1) - 0.3
    assert abs(correlation(oz, fpz)) < 0.1
    torch.testing.assert_close(rows.std(dim=1), torch.ones(len(rows)), atol=0.08, rtol=0)


def test_wide_start_scales_and_smooths_and_published_leaves_all() -> None:
    model = Pretraining(DareEncoder("nano"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start(model, "published", 0.02)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    start(model, "wide", 0.02)
    tokens = model.encoder.tokenise(0.02 * torch.randn(100, 64))
    assert tokens.std().item() == pytest.approx(1.0, rel=0.2)
    for embedding, std in (
        (model.encoder.channel_embedding, 2.0),
        (model.reconstructor.channel_embedding, 2.0),
        (model.reconstructor.channel_gains, 1.0),
    ):
        assert embedding.weight.std().item() == pytest.approx(std, rel=0.1)
