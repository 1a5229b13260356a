import pytest
import torch
from torch import Tensor

from rtbci.encoder.masks import Masks, MaskSettings, draw_masks, n_visible
from rtbci.errors import ConfigError, ShapeError

BATCH, N_PATCHES = 600, 16


def drawn(n_channels: int = 58, settings: MaskSettings | None = None, seed: int = 0) -> Masks:
    generator = torch.Generator().manual_seed(seed)
    return draw_masks(BATCH, N_PATCHES, n_channels, generator, settings)


def shown(channels: Tensor, n_channels: int) -> Tensor:
    """Which channels a view shows, (batch, n_patches, n_channels)."""
    return torch.zeros(*channels.shape[:2], n_channels, dtype=torch.bool).scatter_(-1, channels, True)


@pytest.mark.parametrize(
    ("n_channels", "wanted"), [(1, 1), (3, 3), (8, 3), (19, 4), (38, 8), (58, 12), (62, 13)]
)
def test_number_of_visible_channels(n_channels: int, wanted: int) -> None:
    masks = drawn(n_channels)
    assert n_visible(n_channels) == wanted
    assert masks.first.shape == masks.second.shape == (BATCH, N_PATCHES, wanted)
    for view in (masks.first, masks.second):
        assert (shown(view, n_channels).sum(-1) == wanted).all(), "a channel is shown twice"


def test_patches_are_kept_with_one_half_and_never_all_or_none() -> None:
    kept = drawn().kept
    assert abs(kept.float().mean() - 0.5) < 0.02
    assert (kept.any(dim=1) & ~kept.all(dim=1)).all()
    few = draw_masks(4000, 2, 5, torch.Generator().manual_seed(1)).kept
    assert (few.sum(dim=1) == 1).all()
    assert abs(few[:, 0].float().mean() - 0.5) < 0.03, "the patch that is turned round is drawn uniformly"


def test_visible_channels_are_drawn_uniformly() -> None:
    for view in (drawn().first, drawn().second):
        shares = shown(view, 58).float().mean(dim=(0, 1))
        assert (shares - 12 / 58).abs().max() < 0.025


def test_targets_are_dropped_patches_and_a_fifth_of_the_unseen_channels() -> None:
    masks = drawn()
    seen = shown(masks.first, 58)
    assert masks.target[~masks.kept].all()
    assert not (masks.target & seen)[masks.kept].any(), "what view 1 shows is no target"
    unseen = ~seen[masks.kept]
    assert abs(masks.target[masks.kept][unseen].float().mean() - 0.2) < 0.005


@pytest.mark.parametrize("overlap", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("n_channels", [19, 58])
def test_overlap_of_the_views_is_the_one_that_was_drawn(overlap: float, n_channels: int) -> None:
    masks = drawn(n_channels, MaskSettings(overlap=(overlap, overlap)))
    first, second = shown(masks.first, n_channels), shown(masks.second, n_channels)
    n = n_visible(n_channels)
    share = (first & second).sum(-1).float().mean() / n
    wanted = 2 * overlap / (1 + overlap)
    assert abs(share - wanted) < 0.01
    jaccard = (first & second).sum() / (first | second).sum()
    assert abs(jaccard - overlap) < 0.02, "s = 2r / (1 + r) makes r the Jaccard index"


def test_overlap_is_drawn_between_its_limits_and_jittered_by_patch() -> None:
    shares = (shown(drawn().first, 58) & shown(drawn().second, 58)).sum(-1) / 12
    of_windows = shares.mean(dim=1)
    low, high = (2 * r / (1 + r) for r in (0.2, 0.8))
    assert low - 0.05 < of_windows.min() < low + 0.1
    assert high - 0.1 < of_windows.max() < high + 0.05
    r = torch.linspace(0.2, 0.8, 1001)
    assert abs(of_windows.mean() - (2 * r / (1 + r)).mean()) < 0.02
    still = drawn(settings=MaskSettings(jitter=0.0))
    steady = ((shown(still.first, 58) & shown(still.second, 58)).sum(-1) / 12).std(dim=1).mean()
    # A uniform jitter of 0.05 has a standard deviation of 0.029; rounding up or down adds its own.
    assert shares.std(dim=1).square().mean() > steady**2 + 0.5 * 0.029**2


def test_shared_share_is_clipped() -> None:
    masks = drawn(58, MaskSettings(overlap=(1.0, 1.0), jitter=0.0))
    share = (shown(masks.first, 58) & shown(masks.second, 58)).sum(-1).float().mean() / 12
    assert abs(share - 0.95) < 0.005
    apart = drawn(58, MaskSettings(overlap=(0.0, 0.0), jitter=0.0))
    assert not (shown(apart.first, 58) & shown(apart.second, 58)).any()


def test_replacements_are_unseen_channels_of_the_same_patch() -> None:
    masks = drawn(58, MaskSettings(overlap=(0.0, 0.0), jitter=0.0))
    first, second = shown(masks.first, 58), shown(masks.second, 58)
    assert not (first & second).any()
    # From another patch of the window they would be channels that this patch shows in view 1.
    others = first.roll(1, dims=1)
    assert (others & second).any()


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5])
def test_few_channels_share_what_cannot_be_replaced(n_channels: int) -> None:
    masks = drawn(n_channels, MaskSettings(overlap=(0.0, 0.0), jitter=0.0))
    n = n_visible(n_channels)
    shared = (shown(masks.first, n_channels) & shown(masks.second, n_channels)).sum(-1)
    assert (shared == max(0, 2 * n - n_channels)).all()
    assert masks.target.any(dim=(1, 2)).all()


def test_same_seed_same_masks_and_rows_are_those_of_the_whole() -> None:
    one, two, other = drawn(seed=3), drawn(seed=3), drawn(seed=4)
    for name in ("kept", "first", "second", "target"):
        assert torch.equal(getattr(one, name), getattr(two, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))
        assert torch.equal(getattr(one.rows(5, 9), name), getattr(one, name)[5:9])


@pytest.mark.parametrize("numbers", [(0, 16, 8), (2, 1, 8), (2, 16, 0)])
def test_nothing_to_mask_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ShapeError, match="need at least 1, 2 and 1"):
        draw_masks(*numbers, torch.Generator())


def test_shares_outside_their_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="need shares from 0 to 1"):
        MaskSettings(keep=1.5)
    with pytest.raises(ConfigError, match="lower overlap first"):
        MaskSettings(overlap=(0.8, 0.2))
    with pytest.raises(ConfigError, match="need at least 1"):
        MaskSettings(min_visible=0)
