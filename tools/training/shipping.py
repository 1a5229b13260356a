"""Write what was trained: the engine's folder and the population decoder."""

import json
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec.structs import replace
from pydantic import TypeAdapter

from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.profile import (
    Accuracy,
    BranchEntry,
    Probe,
    Profile,
    Weights,
    chain_hash,
    join_tensors,
    read_profile,
    write_profile,
)
from rtbci.probe.profile_record import SPREAD_NAME
from rtbci.probe.refit import SCALE_NAME
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import StageSettings
from rtbci.stages.stage import FloatArray
from tools.export_engine import write_engine
from tools.training.cards import engine_card, paradigm_card
from tools.training.folds import Fitted, Plan
from tools.training.idle import IdleFusion, IdleRow, read_idle_rows, with_idle_row, with_sums, write_idle_rows
from tools.training.results import BRANCHES, folds_text
from tools.training.signals import CHAIN, LAYOUT, RATE_HZ
from tools.training.trials import BAND_ORDER, BANDS_HZ, HOP, WINDOW

BASE_SIZE = "nano"
"""Size of the decoder that is shipped as the paradigm `motor_imagery`."""

WEIGHTS_DTYPE: dict[str, Literal["float32", "float16"]] = {BASE_SIZE: "float32"}
"""Of the shipped checkpoint; every other size is rounded to float16, to keep the package small."""

CLASSES = ("left_hand", "right_hand")
COMMAND = "python -m tools.train_motor_imagery"
SUBJECTS_NAME, IDLE_ROWS_NAME = "subjects.json", "idle_rows.npz"
IDLE_ACCURACY = "left against right, rest left out: "
LEAST_WEIGHT = 1e-3
"""A branch that the fusion leaves out has no say about rest either: its row stays finite."""

__all__ = [
    "BASE_SIZE",
    "chain_settings",
    "command_of",
    "fuse_folds",
    "idle_profile_of",
    "paradigm_of",
    "plan_record",
    "profile_of",
    "ship",
    "trained_on",
    "write_fold",
    "write_idle_fold",
]

DATA_NOTE = (
    "PhysioNet EEGMMIDB, 75 subjects, imagined left and right fist; ODC-BY 1.0; Schalk et al. 2004, "
    "Goldberger et al. 2000"
)


def paradigm_of(size: str) -> str:
    """Paradigm whose population decoder has an encoder of this size: a profile is bound to one engine."""
    return "motor_imagery" if size == BASE_SIZE else f"motor_imagery_{size}"


def plan_record(plan: Plan) -> dict[str, Any]:
    """What was trained, as plain data."""
    return {
        "size": plan.size,
        "seed": plan.seed,
        "epochs": plan.encoder.epochs,
        "power_epochs": plan.power.epochs,
        "start": None if plan.start.encoder is None else str(plan.start.encoder),
        "adapter_start": plan.start.adapter,
        "transformer_rate": plan.encoder.transformer_rate,
        "path_dropout": plan.path_dropout,
    }


def command_of(plan: Plan, which: Sequence[int] = (), n_folds: int = 0) -> str:
    """The command that trains this, without folders; only what differs from the defaults is named."""
    defaults = {"size": BASE_SIZE, "seed": 0, "epochs": 10, "power_epochs": 10, "start": None}
    defaults |= {"adapter_start": "random", "transformer_rate": 0.1, "path_dropout": 0.5}
    given = {name: value for name, value in plan_record(plan).items() if value != defaults[name]}
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    if len(which) < n_folds:
        words += [word for i in which for word in ("--only-fold", str(i))]
    return shlex.join([*COMMAND.split(), *words])


def chain_settings() -> list[dict[str, Any]]:
    """`CHAIN` as the paradigm's recipe would give it, every default filled in."""
    adapter: TypeAdapter[Any] = TypeAdapter(tuple[StageSettings, ...])
    return [stage.model_dump(mode="json") for stage in adapter.validate_python(CHAIN)]


def profile_of(
    fitted: Fitted,
    engine: str,
    engine_id: str,
    results: Mapping[str, Any],
    created: str,
    subjects: Iterable[int],
) -> Profile:
    """The population decoder as a profile, its tensors as float32 where that changes nothing that matters.

    Parameters
    ----------
    fitted : Fitted
    engine, engine_id : str
        Name and sha256 of the exported encoder.
    results : mapping
        See `results_of`.
    created : str
        ISO 8601.
    subjects : iterable of int
        Who it was trained on.
    """
    probes: dict[str, Probe] = {
        "encoder": fitted.encoder.probe(),
        "tangent": fitted.tangent,
    }
    weights: Weights = {name: tensor.astype(np.float32) for name, tensor in join_tensors(probes).items()}
    for name, tensor in fitted.encoder.adapter_tensors().items():
        weights[f"encoder.{name}"] = tensor.astype(np.float32)
    for name, scale in fitted.feature_scales.items():
        weights[f"{name}.{SCALE_NAME}"] = scale.astype(np.float32)
    weights[f"tangent.{SPREAD_NAME}"] = fitted.user_spread.astype(np.float32)
    weights["align.covariance"] = fitted.covariance.astype(np.float32)
    share = dict(zip(results["fusion"]["branches"], results["fusion"]["weights"], strict=True))
    chain = chain_settings()
    return Profile(
        user="population",
        paradigm=paradigm_of(fitted.encoder.encoder.size.name),
        classes=list(CLASSES),
        channels=list(LAYOUT),
        rate_hz=RATE_HZ,
        window_samples=WINDOW,
        hop_samples=HOP,
        chain=chain,
        chain_hash=chain_hash(chain),
        branches=[
            BranchEntry(
                name="encoder", kind="encoder", weight=share["encoder"], engine=engine, engine_id=engine_id
            ),
            BranchEntry(
                name="tangent",
                kind="tangent",
                weight=share["tangent"],
                bands_hz=list(BANDS_HZ),
                order=BAND_ORDER,
            ),
        ],
        bias=[0.0, 0.0],
        mirror=[1, 0],
        temperature=results["fusion"]["temperature"],
        n_trials=results.get("n_trials", 0),
        accuracy=_accuracy(results),
        trained_on=trained_on(subjects),
        created=created,
        weights=weights,
    )


def doubles(tensors: Weights) -> dict[str, FloatArray]:
    """Tensors as float64."""
    return {name: np.asarray(tensor, dtype=np.float64) for name, tensor in tensors.items()}


def trained_on(subjects: Iterable[int]) -> list[str]:
    """Names of the subjects, as `rtbci eval` compares them with those that it judges."""
    return [f"eegmmidb/S{subject:03d}" for subject in sorted(set(subjects))]


def idle_profile_of(profile: Profile, rows: Mapping[str, IdleRow], fusion: IdleFusion) -> Profile:
    """The same decoder with rest as a third class; its engine is that of `profile`.

    Parameters
    ----------
    profile : Profile
        Of two classes, from `profile_of`.
    rows : mapping of str to IdleRow
        By branch.
    fusion : IdleFusion
    """
    probes: dict[str, Probe] = {}
    two: dict[str, ConvProbe | TangentProbe] = {
        "encoder": with_sums(ConvProbe.from_tensors(doubles(profile.tensors("encoder")))),
        "tangent": TangentProbe.from_tensors(doubles(profile.tensors("tangent"))),
    }
    for entry in profile.branches:
        # In the fusion a branch's logits are multiplied by its weight and divided by the temperature.
        share = fusion.shares[entry.name] * profile.temperature / max(entry.weight, LEAST_WEIGHT)
        probes[entry.name] = with_idle_row(two[entry.name], rows[entry.name], share)
    heads = {name: tensor.astype(np.float32) for name, tensor in join_tensors(probes).items()}
    heads |= {f"{name}.{SCALE_NAME}": row.scale.astype(np.float32) for name, row in rows.items()}
    return replace(
        profile,
        paradigm="motor_imagery_idle",
        classes=[*CLASSES, "idle"],
        bias=[0.0, 0.0, fusion.offset * profile.temperature],
        mirror=[*profile.mirror, 2],
        accuracy=None
        if profile.accuracy is None
        else replace(profile.accuracy, what=IDLE_ACCURACY + profile.accuracy.what),
        weights_sha256="",
        weights={**profile.weights, **heads},
    )


def ship(
    fitted: Fitted,
    results: Mapping[str, Any],
    engine_folder: Path,
    profile_folder: Path,
    subjects: Iterable[int],
    command: str,
    idle: tuple[Path, IdleFusion] | None = None,
) -> Profile:
    """Export the encoder, write the population decoder that uses it, and the cards of both, with the command.

    With `idle` also the decoder with an idle class, into that folder.

    Returns
    -------
    Profile
        As written.
    """
    written = _write(fitted, results, engine_folder, profile_folder, subjects, command)
    if idle is not None:
        write_profile(idle[0], idle_profile_of(written, fitted.idle, idle[1]), replace=True)
    (engine_folder / "CARD.md").write_text(engine_card(results, command))
    (profile_folder.parent / "CARD.md").write_text(paradigm_card(results, command))
    return written


def write_fold(
    fitted: Fitted, folder: Path, test: Iterable[int], train: Iterable[int], command: str = COMMAND
) -> None:
    """Write a fold's decoder where ``rtbci eval --folds`` finds it; its fusion comes later, see `fuse_folds`."""
    equal = {"branches": list(BRANCHES), "weights": [1 / len(BRANCHES)] * len(BRANCHES), "temperature": 1.0}
    folder.mkdir(parents=True, exist_ok=True)
    _write(fitted, {"fusion": equal}, folder / "engine", folder / "profile", train, command)
    names = [f"S{subject:03d}" for subject in sorted(set(test))]
    (folder / SUBJECTS_NAME).write_text(json.dumps({"test": names}) + "\n")
    write_idle_rows(folder / IDLE_ROWS_NAME, fitted.idle)


def write_idle_fold(folder: Path, profile: Profile, fusion: IdleFusion, out: Path) -> None:
    """The decoder with an idle class of a fold, where ``rtbci eval --folds`` finds it.

    Parameters
    ----------
    folder : Path
        From `write_fold`.
    profile : Profile
        The fold's, fused.
    fusion : IdleFusion
    out : Path
    """
    shutil.copytree(folder / "engine", out / "engine", dirs_exist_ok=True)
    shutil.copyfile(folder / SUBJECTS_NAME, out / SUBJECTS_NAME)
    rows = read_idle_rows(folder / IDLE_ROWS_NAME)
    write_profile(out / "profile", idle_profile_of(profile, rows, fusion), replace=True)


def fuse_folds(folders: Sequence[Path], fusions: Sequence[tuple[FloatArray, float]]) -> list[Profile]:
    """Give each fold's decoder the fusion that was fitted on the other folds; returns them as written."""
    written = []
    for folder, (weights, temperature) in zip(folders, fusions, strict=True):
        profile = read_profile(folder / "profile")
        share: dict[str, float] = dict(zip(BRANCHES, weights.tolist(), strict=True))
        branches = [replace(entry, weight=share[entry.name]) for entry in profile.branches]
        fused = replace(profile, branches=branches, temperature=temperature)
        written.append(write_profile(folder / "profile", fused, replace=True))
    return written


def _write(
    fitted: Fitted,
    results: Mapping[str, Any],
    engine_folder: Path,
    profile_folder: Path,
    subjects: Iterable[int],
    command: str,
) -> Profile:
    engine_folder.mkdir(parents=True, exist_ok=True)
    checkpoint = engine_folder / "encoder.safetensors"
    notes = {"data": DATA_NOTE, "command": command}
    encoder = fitted.encoder.folded()
    dtype = WEIGHTS_DTYPE.get(encoder.size.name, "float16")
    write_checkpoint(checkpoint, encoder, LAYOUT, "whitened", RATE_HZ, dtype, notes)
    engine_id = write_engine(checkpoint, engine_folder)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    profile = profile_of(fitted, engine_folder.name, engine_id, results, created, subjects)
    return write_profile(profile_folder, profile, replace=True)


def _accuracy(results: Mapping[str, Any]) -> Accuracy | None:
    """Of windows cut at the cues; `tools.as_it_runs` puts that of the decoder as it runs in its place."""
    if "scores" not in results:
        return None
    fused = next(one for one in results["scores"]["B"] if one["name"] == "encoder + tangent")
    return Accuracy(
        mean=fused["mean"],
        low=fused["low"],
        high=fused["high"],
        n=fused["n"],
        what=f"track B, windows cut 1-4 s after the cue, subjects not seen in training, {folds_text(results)}",
    )
