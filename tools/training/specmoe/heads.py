"""Gate and head, trained on frozen experts; or all of it, end to end."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from rtbci.encoder.specmoe.moe import SpecMoe
from rtbci.stages.stage import FloatArray
from tools.training.specmoe.features import Features

__all__ = ["HeadSettings", "fit_head", "head_margins", "tune", "tuned_margins"]

Classes = npt.NDArray[np.int64]
CLIP = 1.0


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """How gate and head are trained.

    Parameters
    ----------
    epochs, batch : int
    rate, weight_decay : float
        AdamW with OneCycle, as the other decoders' branches are trained.
    tune_epochs : int
        Of all weights together afterwards, experts too; 0 for none.
    tune_batch : int
    tune_rate : float
    """

    epochs: int = 20
    batch: int = 64
    rate: float = 3e-3
    weight_decay: float = 5e-2
    tune_epochs: int = 0
    tune_batch: int = 16
    tune_rate: float = 5e-4


def fit_head(
    decoder: SpecMoe,
    features: Features,
    classes: Classes,
    mirror: Sequence[int],
    settings: HeadSettings,
    seed: int,
    report: Callable[[str], None],
) -> None:
    """Train gate and head in place, the experts being frozen; half of all windows are mirrored, with the other label.

    Parameters
    ----------
    decoder : SpecMoe
    features : Features
        Of the windows to train on. Experts read single channels, so those of a mirrored window are mirrored features.
    classes : ndarray of int64, shape (n,)
    mirror : sequence of int
        See `rtbci.stream.labels.mirror_columns`.
    settings : HeadSettings
    seed : int
    report : callable
    """
    torch.manual_seed(seed)
    rng, columns = np.random.default_rng(seed), torch.tensor(list(mirror))
    trained = [one for name, one in decoder.named_parameters() if not name.startswith("experts.")]
    n_batches = max(1, len(classes) // settings.batch)
    optimizer, schedule = _optimizer(
        trained, settings.rate, settings.weight_decay, max(10, settings.epochs * n_batches)
    )
    decoder.train()
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for rows in np.array_split(rng.permutation(len(classes)), n_batches):
            batch, wanted = features.rows(rows), torch.from_numpy(classes[rows])
            flip = torch.from_numpy(rng.random(len(rows)) < 0.5)
            experts, spectra = batch.experts, batch.spectra
            experts[flip], spectra[flip] = experts[flip][:, columns], spectra[flip][:, columns]
            logits = decoder.classify(experts, spectra)
            losses.append(_step(logits, torch.where(flip, 1 - wanted, wanted), optimizer, trained))
            schedule.step()
        if epoch % 5 == 0 or epoch == settings.epochs:
            report(f"head, epoch {epoch}/{settings.epochs}: loss {np.mean(losses):.4f}")
    decoder.eval()


def tune(
    decoder: SpecMoe,
    x: npt.NDArray[np.float32],
    classes: Classes,
    mirror: Sequence[int],
    settings: HeadSettings,
    seed: int,
    report: Callable[[str], None],
) -> SpecMoe:
    """Go on with all weights, experts too, on a copy; statistics of the batch normalisation stay those of pretraining."""
    torch.manual_seed(seed)
    rng, columns = np.random.default_rng(seed), list(mirror)
    tuned = copy.deepcopy(decoder).train()
    for module in tuned.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    n_batches = max(1, len(classes) // settings.tune_batch)
    trained = list(tuned.parameters())
    optimizer, schedule = _optimizer(
        trained, settings.tune_rate, settings.weight_decay, max(10, settings.tune_epochs * n_batches)
    )
    t_start, losses = time.monotonic(), []
    for epoch in range(settings.tune_epochs):
        for i, rows in enumerate(np.array_split(rng.permutation(len(classes)), n_batches), 1):
            batch, wanted = x[rows], classes[rows].copy()
            flip = rng.random(len(rows)) < 0.5
            batch[flip], wanted[flip] = batch[flip][:, columns], 1 - wanted[flip]
            logits = tuned(torch.from_numpy(batch))
            losses.append(_step(logits, torch.from_numpy(wanted), optimizer, trained))
            schedule.step()
            if i % 20 == 0 or i == n_batches:
                report(
                    f"end to end, epoch {epoch + 1}/{settings.tune_epochs}, {i}/{n_batches}: loss {np.mean(losses):.4f}, "
                    f"{time.monotonic() - t_start:.0f} s"
                )
                losses = []
    return tuned.eval()


def head_margins(decoder: SpecMoe, features: Features) -> FloatArray:
    """Logit of class 1 less that of class 0, shape (n,)."""
    with torch.inference_mode():
        parts = [
            decoder.classify(features.experts[i : i + 256], features.spectra[i : i + 256])
            for i in range(0, len(features.spectra), 256)
        ]
    return _margins(torch.cat(parts))


def tuned_margins(decoder: SpecMoe, x: npt.NDArray[np.float32]) -> FloatArray:
    """The same from windows (n, n_channels, n_samples)."""
    with torch.inference_mode():
        return _margins(torch.cat([decoder(torch.from_numpy(x[i : i + 8])) for i in range(0, len(x), 8)]))


def _margins(logits: torch.Tensor) -> FloatArray:
    values = logits.double().numpy()
    return np.asarray(values[:, 1] - values[:, 0])


def _optimizer(
    trained: Sequence[nn.Parameter], rate: float, weight_decay: float, n_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=n_steps + 1, pct_start=0.2)
    return optimizer, schedule


def _step(
    logits: torch.Tensor,
    wanted: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    trained: Sequence[nn.Parameter],
) -> float:
    loss = F.cross_entropy(logits, wanted)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(trained, CLIP)
    optimizer.step()
    return loss.item()
