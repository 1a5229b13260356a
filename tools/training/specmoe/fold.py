"""Gate and head trained on some people in several ways, and the margins of the others."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from rtbci.encoder.specmoe.moe import Readout, SpecMoe
from rtbci.errors import ConfigError
from rtbci.files import write_whole
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.training.signals import FRONTAL, LAYOUT
from tools.training.specmoe.data import Windows, track_b
from tools.training.specmoe.experts import experts_sha256, read_experts
from tools.training.specmoe.features import Features, cached_features
from tools.training.specmoe.heads import HeadSettings, fit_head, head_margins, tune, tuned_margins

__all__ = ["SHIPPED", "TUNED", "WAYS", "Material", "Plan", "fit_way", "new_decoder", "run_way"]

SHIPPED, TUNED = "specmoe", "specmoe_tuned"
WAYS: dict[str, str] = {
    SHIPPED: "frozen experts, electrodes weighed",
    "frontal_specmoe": "control: the same on frontal electrodes",
    "specmoe_max": "readout as described: largest value over the electrodes",
    "gate_alone": "gate alone, the experts' features replaced by ones",
    "random_experts": "experts of random weights",
    TUNED: "end to end",
}
"""What can be trained, by name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the numbers depend on, beside the recordings.

    Parameters
    ----------
    experts : tuple of Path
        Checkpoints of pretrained experts, or the one of a decoder of such; see `expert_files`.
    head : HeadSettings
    seed : int
    """

    experts: tuple[Path, ...]
    head: HeadSettings
    seed: int = 0


class Material:
    """Windows and features, made when they are asked for and kept in files.

    Parameters
    ----------
    paths : sequence of Path
        Subjects' npz files.
    left_out : ndarray of int
        Subjects of all folds that are judged.
    plan : Plan
    work : Path
        Folder of the files.
    report : callable

    Raises
    ------
    ConfigError
        When that folder is of other experts or settings.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        left_out: npt.NDArray[np.intp],
        plan: Plan,
        work: Path,
        report: Callable[[str], None],
    ) -> None:
        self.plan, self.report = plan, report
        self._paths, self._left_out, self._work = paths, left_out, work
        self._windows: dict[tuple[str, ...], tuple[Windows, FloatArray]] = {}
        _hold_to_plan(work / "plan.json", plan)

    def windows(self, layout: tuple[str, ...] = LAYOUT) -> tuple[Windows, FloatArray]:
        """Windows of everybody, and the alignment's start."""
        if layout not in self._windows:
            cache = self._work / f"windows_{len(layout)}.npz"
            self._windows[layout] = track_b(self._paths, layout, self._left_out, cache)
        return self._windows[layout]

    def features(self, layout: tuple[str, ...] = LAYOUT, pretrained: bool = True) -> Features:
        """Features of all windows."""
        kind = "pretrained" if pretrained else "random"
        decoder = new_decoder(self.plan, len(layout), pretrained=pretrained)
        cache = self._work / f"features_{len(layout)}_{kind}.safetensors"
        return cached_features(decoder, self.windows(layout)[0].x, cache, self.report)


def _hold_to_plan(path: Path, plan: Plan) -> None:
    """Note what the folder's files are made with; refuse to mix them with others."""
    head = {name: value for name, value in asdict(plan.head).items() if not name.startswith("tune_")}
    mine = {"experts": experts_sha256(plan.experts), "head": head, "seed": plan.seed}
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(mine, indent=1) + "\n").encode())
    elif json.loads(path.read_text()) != mine:
        raise ConfigError(
            f"{path}: features and folds here are of other experts or settings, need {json.dumps(mine)}; give another --work"
        )


def run_way(name: str, material: Material, test_subjects: npt.NDArray[np.intp], path: Path) -> None:
    """Train in one way without the test subjects; write their margins to `path` (npz)."""
    t_start = time.monotonic()
    layout = FRONTAL if name.startswith("frontal_") else LAYOUT
    windows, _ = material.windows(layout)
    test = np.isin(windows.subjects, test_subjects)
    rows = np.flatnonzero(~test)
    decoder, features = fit_way(name, material, rows)
    if name == TUNED:
        plan = material.plan
        mine = windows.x[rows], windows.classes[rows]
        decoder = tune(decoder, *mine, mirror_columns(LAYOUT), plan.head, plan.seed, material.report)
        margins = tuned_margins(decoder, windows.x[test])
    else:
        margins = head_margins(decoder, features.rows(np.flatnonzero(test)))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        subjects=windows.subjects[test],
        classes=windows.classes[test],
        margins=margins,
        minutes=np.array((time.monotonic() - t_start) / 60),
    )


def fit_way(name: str, material: Material, rows: npt.NDArray[np.intp]) -> tuple[SpecMoe, Features]:
    """Train gate and head of one of `WAYS` on some windows; give it with the features of all windows."""
    layout = FRONTAL if name.startswith("frontal_") else LAYOUT
    readout: Readout = "max" if name == "specmoe_max" else "electrodes"
    pretrained = name != "random_experts"
    windows, _ = material.windows(layout)
    features = material.features(layout, pretrained)
    if name == "gate_alone":
        features = replace(features, experts=torch.ones_like(features.experts))
    plan, report = material.plan, material.report
    decoder = new_decoder(plan, len(layout), readout, pretrained)
    report(f"{name}: {WAYS[name]}")
    fit_head(
        decoder,
        features.rows(rows),
        windows.classes[rows],
        mirror_columns(layout),
        plan.head,
        plan.seed,
        report,
    )
    return decoder, features


def new_decoder(
    plan: Plan, n_channels: int, readout: Readout = "electrodes", pretrained: bool = True
) -> SpecMoe:
    """Pretrained experts (or fresh ones) under a fresh gate and head, in evaluation mode."""
    experts = read_experts(plan.experts)
    torch.manual_seed(plan.seed)
    decoder = SpecMoe(experts[0].size, n_channels, n_experts=len(experts), readout=readout)
    if pretrained:
        decoder.load_experts(experts)
    return decoder.eval()
