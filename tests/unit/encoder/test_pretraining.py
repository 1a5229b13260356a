import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from rtbci.encoder.dare import DareEncoder
from rtbci.encoder.masks import Masks, draw_masks
from rtbci.encoder.pretraining import (
    CONTRAST_WEIGHT,
    PENALTY_WEIGHT,
    AmplitudeTask,
    EmaEncoder,
    Losses,
    Pretraining,
    count_targets,
    ema_momentum,
    patches_of,
    start_wide,
)
from rtbci.encoder.sizes import EncoderSize
from rtbci.errors import ConfigError, ShapeError

TINY = EncoderSize("tiny", 16, 2, 2, 1, 1, 2)
N_CHANNELS, N_PATCHES, BATCH = 10, 6, 4
IDS = torch.tensor([3, 8, 17, 19, 21, 25, 29, 33, 40, 61])


class Case:
    """A small model, a batch, its masks and its anchor."""

    def __init__(
        self, amplitude: float = 0.0, n_channels: int = N_CHANNELS, embedding_std: float = 0.5
    ) -> None:
        torch.manual_seed(2)
        self.encoder = DareEncoder(TINY, embedding_std)
        self.model = Pretraining(self.encoder, AmplitudeTask(amplitude), embedding_std)
        start_wide(self.model, 1.0)
        self.ema = EmaEncoder(self.encoder)
        self.x = torch.randn(BATCH, n_channels, N_PATCHES * 64)
        self.ids = IDS[:n_channels]
        self.masks = draw_masks(BATCH, N_PATCHES, n_channels, torch.Generator().manual_seed(0))

    def losses(self, x: Tensor | None = None) -> Losses:
        x = self.x if x is None else x
        result: Losses = self.model(x, self.ids, self.masks, self.ema(x, self.ids))
        return result


def seen(masks: Masks, view: Tensor, n_channels: int = N_CHANNELS) -> Tensor:
    """What a view shows, (batch, n_patches, n_channels)."""
    shown = torch.zeros(*view.shape[:2], n_channels, dtype=torch.bool).scatter_(-1, view, True)
    return shown & masks.kept[..., None]


def changed_elsewhere(case: Case, keep: Tensor) -> Tensor:
    """The batch with all samples replaced but those of `keep`."""
    patches = patches_of(case.x).clone()
    patches[~keep] = 100.0 * torch.randn(int((~keep).sum()), 64)
    return patches.transpose(1, 2).flatten(2)


def test_no_target_value_reaches_encoder_prediction_or_reconstruction() -> None:
    case = Case()
    keep = seen(case.masks, case.masks.first)
    assert not (keep & case.masks.target).any()
    other = changed_elsewhere(case, keep)
    outputs = []
    for x in (case.x, other):
        first, _ = case.model.encode_views(patches_of(x), case.ids, case.masks)
        predicted = case.model.predictor(first, case.masks.kept)
        features = torch.where(case.masks.kept[..., None, None], first, predicted)
        samples, _ = case.model.reconstructor(features, case.ids, case.masks.target)
        outputs.append((first, predicted, samples))
    for one, two in zip(*outputs, strict=True):
        assert torch.equal(one, two)


def test_second_view_reads_what_its_mask_shows_and_nothing_else() -> None:
    case = Case()
    other = changed_elsewhere(case, seen(case.masks, case.masks.second))
    _, one = case.model.encode_views(patches_of(case.x), case.ids, case.masks)
    first, two = case.model.encode_views(patches_of(other), case.ids, case.masks)
    assert torch.equal(one, two)
    assert not torch.equal(first, case.model.encode_views(patches_of(case.x), case.ids, case.masks)[0])


def test_views_are_the_encoder_on_visible_channels_patch_by_patch() -> None:
    case = Case()
    patches = patches_of(case.x)
    views = case.model.encode_views(patches, case.ids, case.masks)
    for view, columns in zip(views, (case.masks.first, case.masks.second), strict=True):
        for i, j in case.masks.kept.nonzero().tolist():
            picked = columns[i, j]
            alone = case.encoder.encode_patches(patches[i, j, picked][None], case.ids[picked])[0]
            torch.testing.assert_close(view[i, j], alone, atol=1e-5, rtol=1e-4)
        assert (view[~case.masks.kept] == 0).all()


def test_encoder_is_called_once_with_visible_channels_of_kept_patches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, shapes = Case(), []
    anchor = case.ema(case.x, case.ids)
    original = case.encoder.encode_patches

    def watched(patches: Tensor, channel_ids: Tensor) -> Tensor:
        shapes.append((tuple(patches.shape), tuple(channel_ids.shape)))
        return original(patches, channel_ids)

    monkeypatch.setattr(case.encoder, "encode_patches", watched)
    case.model(case.x, case.ids, case.masks, anchor)
    n = 2 * int(case.masks.kept.sum())
    assert shapes == [((n, 3, 64), (n, 3))]


def test_every_parameter_gets_a_gradient_and_is_in_the_optimiser_once() -> None:
    for amplitude in (0.0, 1.0):
        case = Case(amplitude)
        case.losses().total.backward()  # type: ignore[no-untyped-call]
        optimizer = torch.optim.AdamW(case.model.parameters())
        (group,) = optimizer.param_groups
        numbers = [id(parameter) for parameter in group["params"]]
        assert len(set(numbers)) == len(numbers)
        for name, parameter in case.model.named_parameters():
            assert numbers.count(id(parameter)) == 1, name
            assert parameter.grad is not None, name
            # A bias of all keys shifts all scores of a query alike, so the softmax undoes it.
            assert parameter.grad.abs().max() > 0, name
        assert any(name.startswith("projection.") for name, _ in case.model.named_parameters())


def test_embedding_rows_of_other_electrodes_get_no_gradient() -> None:
    case = Case()
    case.losses().total.backward()  # type: ignore[no-untyped-call]
    for embedding in (case.encoder.channel_embedding, case.model.reconstructor.channel_embedding):
        assert embedding.weight.grad is not None
        used = embedding.weight.grad.abs().amax(dim=1) > 0
        assert set(used.nonzero().flatten().tolist()) <= set(IDS.tolist())


def test_no_gradient_reaches_the_ema_and_it_is_no_part_of_the_model() -> None:
    case = Case()
    case.losses().total.backward()  # type: ignore[no-untyped-call]
    own = {id(parameter) for parameter in case.model.parameters()}
    for parameter in case.ema.parameters():
        assert not parameter.requires_grad
        assert parameter.grad is None
        assert id(parameter) not in own


def test_total_is_the_weighted_sum() -> None:
    losses = Case(amplitude=0.3).losses()
    wanted = losses.reconstruction + losses.anchor + 0.3 * losses.amplitude
    wanted = wanted + CONTRAST_WEIGHT * losses.contrast + PENALTY_WEIGHT * losses.penalty
    torch.testing.assert_close(losses.total.detach(), wanted)
    assert (CONTRAST_WEIGHT, PENALTY_WEIGHT) == (0.1, 1e-4)
    assert losses.total.requires_grad
    assert not any(part.requires_grad for part in losses[1:])


def test_reconstruction_is_the_mean_over_both_kinds_of_targets() -> None:
    case = Case()
    losses = case.losses()
    dropped, unseen = count_targets(case.masks)
    assert dropped + unseen == case.masks.target.sum()
    assert dropped == (~case.masks.kept).sum() * N_CHANNELS
    mixed = (dropped * losses.reconstruction_dropped + unseen * losses.reconstruction_unseen) / (
        dropped + unseen
    )
    torch.testing.assert_close(losses.reconstruction, mixed)
    assert count_targets(case.masks, 2) == (dropped / 2, unseen / 2)


def test_anchor_reads_the_complete_signal() -> None:
    case = Case()
    whole = case.ema(case.x, case.ids)
    torch.testing.assert_close(whole, case.encoder(patches_of(case.x), case.ids), atol=1e-5, rtol=1e-4)
    hidden = changed_elsewhere(case, seen(case.masks, case.masks.first))
    assert (case.ema(hidden, case.ids) - whole).abs().max() > 0.1


def test_projection_is_of_the_mean_over_kept_patches() -> None:
    case = Case()
    features = torch.randn(BATCH, N_PATCHES, 2, 16)
    z = case.model.project(features, case.masks.kept)
    assert z.shape == (BATCH, 256)
    mean = torch.stack([features[i, case.masks.kept[i]].mean(0) for i in range(BATCH)])
    torch.testing.assert_close(z, case.model.projection(mean.flatten(1)))
    layers = [layer for layer in case.model.projection if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(32, 512), (512, 256)]


def test_momentum_rises_in_a_line_to_one() -> None:
    momenta = [ema_momentum(i, 101) for i in range(101)]
    assert momenta[0] == 0.996
    assert momenta[-1] == 1.0
    steps = [b - a for a, b in pairwise(momenta)]
    assert max(steps) - min(steps) < 1e-12


def test_ema_moves_by_its_share() -> None:
    case = Case()
    before = [parameter.clone() for parameter in case.ema.parameters()]
    with torch.no_grad():
        for parameter in case.encoder.parameters():
            parameter.add_(1.0)
    case.ema.follow(case.encoder, 0.9)
    for old, new in zip(before, case.ema.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.1, atol=1e-6, rtol=0)
    case.ema.follow(case.encoder, 1.0)
    for old, new in zip(before, case.ema.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.1, atol=1e-6, rtol=0)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 7])
def test_any_number_of_channels(n_channels: int) -> None:
    losses = Case(n_channels=n_channels).losses()
    assert torch.isfinite(torch.stack(losses)).all()


def test_amplitude_wants_standardised_log_powers() -> None:
    torch.manual_seed(0)
    patches = 3.0 * torch.randn(500, 64)
    raw = AmplitudeTask(1.0, 9.0).wanted(patches)
    spreads = tuple(raw.std(dim=0).tolist())
    task = AmplitudeTask(1.0, 9.0, tuple(raw.mean(dim=0).tolist()), spreads)
    wanted = task.wanted(patches)
    torch.testing.assert_close(wanted.mean(dim=0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(wanted.std(dim=0), torch.ones(2), atol=1e-4, rtol=0)
    louder = task.wanted(2.0 * patches) - wanted
    torch.testing.assert_close(
        louder.mean(dim=0), 2 * math.log(2.0) / torch.tensor(spreads), atol=1e-3, rtol=0
    )


def test_amplitude_is_off_by_default_and_tells_loud_from_soft_when_on() -> None:
    assert Case().model.reconstructor.powers is None
    assert Case().losses().amplitude == 0
    case = Case(amplitude=1.0)
    soft, loud = case.losses(case.x), case.losses(10.0 * case.x)
    torch.testing.assert_close(soft.reconstruction, loud.reconstruction, atol=0.1, rtol=0)
    assert abs(loud.amplitude - soft.amplitude) > 1.0, "normalised targets do not tell, log powers do"


def test_impossible_amplitude_is_refused() -> None:
    with pytest.raises(ConfigError, match="need a weight of 0 or more"):
        AmplitudeTask(-1.0)
    with pytest.raises(ConfigError, match="a positive spread"):
        AmplitudeTask(1.0, spreads=(1.0, 0.0))


def test_windows_must_be_whole_patches() -> None:
    assert patches_of(torch.zeros(2, 3, 128)).shape == (2, 2, 3, 64)
    with pytest.raises(ShapeError, match="multiple of 64"):
        patches_of(torch.zeros(2, 3, 100))


def test_wide_start_keeps_tokens_at_one_whatever_the_unit() -> None:
    torch.manual_seed(0)
    encoder = DareEncoder("light")
    model = Pretraining(encoder)
    residual = encoder.state_dict()["blocks.3.fc2.weight"].std().item()
    start_wide(model, rms=0.02)
    tokens = encoder.tokenise(0.02 * torch.randn(500, 64))
    assert tokens.std().item() == pytest.approx(1.0, rel=0.1)
    after = encoder.state_dict()["blocks.3.fc2.weight"].std().item()
    assert after == pytest.approx(residual / 0.02 * 512**-0.5, rel=1e-3)
    assert model.reconstructor.samples.weight.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.slow
def test_training_learns_a_signal_that_channels_share() -> None:
    """One source on all channels and at all times: both kinds of targets can be predicted."""
    case = Case(amplitude=1.0, embedding_std=1.0)
    optimizer = torch.optim.AdamW(case.model.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    history: list[Losses] = []
    for step in range(300):
        phase = 6.28 * torch.rand(16, 1, 1, generator=generator)
        size = torch.rand(16, 1, 1, generator=generator) + 0.5
        time = torch.arange(N_PATCHES * 64) / 256.0
        gains = torch.linspace(-1.5, 1.5, N_CHANNELS)[None, :, None]
        x = size * gains * torch.sin(2 * torch.pi * 8.0 * time + phase)
        x = x + 0.05 * torch.randn(x.shape, generator=generator)
        masks = draw_masks(16, N_PATCHES, N_CHANNELS, generator)
        losses: Losses = case.model(x, case.ids, masks, case.ema(x, case.ids))
        optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        case.ema.follow(case.encoder, ema_momentum(step, 300))
        history.append(losses)
    first, last = history[0], history[-1]
    assert last.reconstruction_unseen < 0.3 < 0.9 < first.reconstruction_unseen
    assert last.reconstruction_dropped < 0.3 < 0.9 < first.reconstruction_dropped
    assert last.amplitude < 0.3 * first.amplitude
