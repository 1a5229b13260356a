"""One fold: train every branch on some subjects, give the logits of the others."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from rtbci.errors import ConfigError
from rtbci.probe.head_features import tangent_features
from rtbci.probe.refit import feature_scale
from rtbci.probe.tangent import TangentProbe
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.training.idle import IdleRow, branch_features, fit_idle_rows, with_sums
from tools.training.networks import (
    EncoderNet,
    FitSettings,
    PowerNet,
    fit_network,
    head_inputs_of_windows,
    logits_of_windows,
)
from tools.training.signals import (
    FRONTAL,
    LAYOUT,
    POSTERIOR,
    Signal,
    align_signals,
    mean_covariance,
)
from tools.training.starts import Start, start_network
from tools.training.tangent_fit import fit_tangent, tangent_margins
from tools.training.trials import END_TRACK_B, ENDS_SLIDING, WINDOW, Trials, band_covariances, cut_trials
from tools.training.user_prior import sided_features, user_spread

__all__ = [
    "MARGINS",
    "Fitted",
    "Plan",
    "fit_all",
    "run_branches_fold",
    "run_encoder_fold",
    "run_fold",
    "use_one_thread",
]

SPAN_A = (0, END_TRACK_B)
SPANS = tuple((end - WINDOW, end) for end in ENDS_SLIDING)
SPANS_FIT = (SPANS[0], SPANS[len(SPANS) // 2], (END_TRACK_B - WINDOW, END_TRACK_B))
MARGINS = (
    "encoder",
    "tangent",
    "power",
    "frontal_tangent",
    "frontal_power",
    "posterior_tangent",
    "posterior_power",
    "tangent_a",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of a training.

    Parameters
    ----------
    size : str
        Size of the encoder.
    encoder, power : FitSettings
    seed : int
    start : Start
        Of the encoder's network.
    path_dropout : float
        See `EncoderNet`.
    """

    size: str
    encoder: FitSettings
    power: FitSettings
    seed: int
    start: Start = field(default_factory=Start)
    path_dropout: float = 0.5


@dataclass(frozen=True, slots=True)
class Fitted:
    """Trained branches (power: only to compare), the covariance that the alignment starts from, the spread of each head's features, rest.

    A user's head is refitted in units of that spread; see `rtbci.probe.refit`. `idle` are the third rows of the heads, if any;
    `user_spread` says of the tangent branch's weights how far people differ.
    """

    encoder: EncoderNet
    tangent: TangentProbe
    power: PowerNet | None
    covariance: FloatArray
    feature_scales: dict[str, FloatArray]
    idle: dict[str, IdleRow]
    user_spread: FloatArray


def use_one_thread() -> None:
    """Make this process deterministic and polite to the machine's other users."""
    threadpool_limits(1)  # numpy's and SciPy's: the environment is read only when they are loaded
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def fit_all(
    trials: Trials,
    covariances: dict[tuple[int, int], FloatArray],
    rows: npt.NDArray[np.intp],
    covariance: FloatArray,
    plan: Plan,
    report: Callable[[str], None],
    aligned: Sequence[Signal] = (),
    with_power: bool = True,
) -> Fitted:
    """Train the two branches, and on wish the power branch to compare with, on trials of the sensorimotor layout.

    Rest is told from imagery in `aligned`; not at all without it.
    """
    mirror = mirror_columns(LAYOUT)
    encoder = _start_encoder(plan, covariance)
    power = PowerNet(len(LAYOUT)) if with_power else None
    if power is not None:
        fit_network(power, trials, rows, mirror, plan.power, plan.seed, report)
    fit_network(encoder, trials, rows, mirror, plan.encoder, plan.seed, report)
    tangent = _fit_tangent(covariances, trials, rows, mirror)
    windows = trials.windows(END_TRACK_B, encoder.context)[rows]
    scales = {
        "encoder": feature_scale(head_inputs_of_windows(encoder, windows)),
        "tangent": feature_scale(tangent_features(tangent, covariances[SPANS_FIT[-1]][rows])),
    }
    idle: dict[str, IdleRow] = {}
    if aligned:
        report("rest against imagery")
        idle = fit_idle_rows(branch_features(encoder, tangent, aligned))
    report("how far people differ")
    sided = sided_features(tangent, [covariances[span][rows] for span in SPANS_FIT], mirror)
    spread = user_spread(sided, trials.classes[rows], trials.subjects[rows])
    return Fitted(encoder, tangent, power, covariance, scales, idle, spread)


def _start_encoder(plan: Plan, covariance: FloatArray, layout: Sequence[str] = LAYOUT) -> EncoderNet:
    torch.manual_seed(plan.seed)
    encoder = EncoderNet(plan.size, layout, path_dropout=plan.path_dropout)
    start_network(encoder, plan.start, covariance)
    return encoder


def run_fold(
    signals: Sequence[Signal],
    frontal: Sequence[Signal],
    posterior: Sequence[Signal],
    test_subjects: npt.NDArray[np.intp],
    plan: Plan,
    path: Path,
    report: Callable[[str], None],
    keep: Callable[[Fitted], None] = lambda _: None,
) -> None:
    """Train without the test subjects, write their margins to `path` (npz), give what was trained to `keep`.

    Also the alignment's warm start knows only the training subjects.
    """
    use_one_thread()
    t_start = time.monotonic()
    margins: dict[str, FloatArray] = {}
    trials, covariances, covariance, aligned = _aligned(signals, test_subjects)
    test = np.isin(trials.subjects, test_subjects)
    rows = np.flatnonzero(~test)
    known = [one for one in aligned if one.subject not in test_subjects]
    fitted = fit_all(trials, covariances, rows, covariance, plan, report, known)
    keep(fitted)
    margins["encoder"] = _network_margins(fitted.encoder, trials, test)
    if fitted.power is not None:
        margins["power"] = _network_margins(fitted.power, trials, test)
    margins["tangent"] = _tangent_margins(fitted.tangent, covariances, test)
    track_a = fit_tangent(covariances[SPAN_A][rows], trials.classes[rows], mirror_columns(LAYOUT))
    margins["tangent_a"] = tangent_margins(track_a, covariances[SPAN_A][test])[:, np.newaxis]
    identity: dict[str, npt.NDArray[Any]] = {
        "subjects": trials.subjects[test],
        "classes": trials.classes[test],
    }
    identity |= _idle_windows(fitted, [one for one in aligned if one.subject in test_subjects])
    del trials, covariances, aligned, known
    margins |= _control_margins("frontal", FRONTAL, frontal, test_subjects, plan, report)
    margins |= _control_margins("posterior", POSTERIOR, posterior, test_subjects, plan, report)
    path.parent.mkdir(parents=True, exist_ok=True)
    identity["minutes"] = np.array((time.monotonic() - t_start) / 60.0)
    np.savez(path, **identity, **margins)  # type: ignore[arg-type]


def run_encoder_fold(
    signals: Sequence[Signal],
    test_subjects: npt.NDArray[np.intp],
    plan: Plan,
    path: Path,
    report: Callable[[str], None],
    others: Path | None = None,
) -> None:
    """As `run_fold`, but the encoder alone, the very one that `run_fold` would train, and nothing is kept but its margins.

    With `others` the margins of all other branches are taken from that fold (npz) of another training.

    Raises
    ------
    ConfigError
        When that fold is of other trials.
    """
    use_one_thread()
    t_start = time.monotonic()
    covariance = mean_covariance([one for one in signals if one.subject not in test_subjects])
    trials = cut_trials(align_signals(signals, covariance))
    test = np.isin(trials.subjects, test_subjects)
    encoder = _start_encoder(plan, covariance)
    rows = np.flatnonzero(~test)
    fit_network(encoder, trials, rows, mirror_columns(LAYOUT), plan.encoder, plan.seed, report)
    found = {
        "subjects": trials.subjects[test],
        "classes": trials.classes[test],
        "encoder": _network_margins(encoder, trials, test),
    }
    if others is not None:
        found |= _other_margins(others, found)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **found, minutes=np.array((time.monotonic() - t_start) / 60.0))  # type: ignore[arg-type]


def run_branches_fold(
    signals: Sequence[Signal],
    frontal: Sequence[Signal],
    test_subjects: npt.NDArray[np.intp],
    plan: Plan,
    path: Path,
    report: Callable[[str], None],
) -> None:
    """As `run_fold`, but the branches that are shipped alone, the very ones; and, as control, both on frontal electrodes."""
    use_one_thread()
    t_start = time.monotonic()
    found: dict[str, npt.NDArray[Any]] = {}
    for prefix, layout, many in (("", LAYOUT, signals), ("frontal_", FRONTAL, frontal)):
        trials, covariances, covariance, _ = _aligned(many, test_subjects)
        test, mirror = np.isin(trials.subjects, test_subjects), mirror_columns(layout)
        rows = np.flatnonzero(~test)
        report(f"{prefix}encoder and {prefix}tangent, {len(layout)} electrodes, {len(rows)} trials")
        encoder = _start_encoder(plan, covariance, layout)
        fit_network(encoder, trials, rows, mirror, plan.encoder, plan.seed, report)
        found |= {"subjects": trials.subjects[test], "classes": trials.classes[test]}
        found[f"{prefix}encoder"] = _network_margins(encoder, trials, test)
        tangent = _fit_tangent(covariances, trials, rows, mirror)
        found[f"{prefix}tangent"] = _tangent_margins(tangent, covariances, test)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **found, minutes=np.array((time.monotonic() - t_start) / 60.0))  # type: ignore[arg-type]


def _other_margins(path: Path, mine: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    with np.load(path) as archive:
        if any(not np.array_equal(archive[key], mine[key]) for key in ("subjects", "classes")):
            raise ConfigError(
                f"run_encoder_fold: {path} is of other trials, need the fold of the same subjects; train it again"
            )
        return {name: archive[name] for name in MARGINS if name != "encoder"}


def _aligned(
    signals: Sequence[Signal], test_subjects: npt.NDArray[np.intp]
) -> tuple[Trials, dict[tuple[int, int], FloatArray], FloatArray, list[Signal]]:
    covariance = mean_covariance([one for one in signals if one.subject not in test_subjects])
    aligned = align_signals(signals, covariance)
    return cut_trials(aligned), band_covariances(aligned, (*SPANS, SPAN_A)), covariance, aligned


def _fit_tangent(
    covariances: dict[tuple[int, int], FloatArray],
    trials: Trials,
    rows: npt.NDArray[np.intp],
    mirror: Sequence[int],
) -> TangentProbe:
    pooled = np.concatenate([covariances[span][rows] for span in SPANS_FIT])
    return fit_tangent(pooled, np.tile(trials.classes[rows], len(SPANS_FIT)), mirror)


def _control_margins(
    name: str,
    layout: Sequence[str],
    signals: Sequence[Signal],
    test_subjects: npt.NDArray[np.intp],
    plan: Plan,
    report: Callable[[str], None],
) -> dict[str, FloatArray]:
    """A control: the same branches from other electrodes alone."""
    mirror = mirror_columns(layout)
    trials, covariances, _, _ = _aligned(signals, test_subjects)
    test = np.isin(trials.subjects, test_subjects)
    rows = np.flatnonzero(~test)
    torch.manual_seed(plan.seed)
    power = PowerNet(len(layout))
    fit_network(power, trials, rows, mirror, plan.power, plan.seed, report)
    tangent = _fit_tangent(covariances, trials, rows, mirror)
    return {
        f"{name}_power": _network_margins(power, trials, test),
        f"{name}_tangent": _tangent_margins(tangent, covariances, test),
    }


def _idle_windows(fitted: Fitted, signals: Sequence[Signal]) -> dict[str, npt.NDArray[Any]]:
    """For windows of imagery and rest of the test subjects: what each branch says, and what it was."""
    data = branch_features(fitted.encoder, fitted.tangent, signals)
    found: dict[str, npt.NDArray[Any]] = {"idle_labels": data.labels}
    encoder = with_sums(fitted.encoder.probe())
    heads = {
        "encoder": (encoder.weight, encoder.bias),
        "tangent": (fitted.tangent.coef, fitted.tangent.intercept),
    }
    for name, (coef, intercept) in heads.items():
        features = data.features[name]
        found[f"idle_margin_{name}"] = features @ (coef[1] - coef[0]) + (intercept[1] - intercept[0])
        found[f"idle_{name}"] = fitted.idle[name].logits(features)
    return found


def _network_margins(net: EncoderNet | PowerNet, trials: Trials, test: npt.NDArray[np.bool_]) -> FloatArray:
    columns = []
    for end in ENDS_SLIDING:
        logits = logits_of_windows(net, trials.windows(end, net.context)[test])
        columns.append(logits[:, 1] - logits[:, 0])
    return np.stack(columns, axis=1)


def _tangent_margins(
    probe: TangentProbe, covariances: dict[tuple[int, int], FloatArray], test: npt.NDArray[np.bool_]
) -> FloatArray:
    return np.stack([tangent_margins(probe, covariances[span][test]) for span in SPANS], axis=1)
