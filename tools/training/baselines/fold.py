"""One fold of one track: every baseline trained on the other subjects, its margins for the fold's subjects."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.training.baselines.eegnet import NetSettings, eegnet_margins, fine_tune, fit_eegnet, net_tensors
from tools.training.baselines.few_trials import (
    KS,
    Adapt,
    guarded_margins,
    judged_by_k,
    linear_margins,
    own_margins,
    refitted_margins,
)
from tools.training.baselines.linear import LINEAR, fit_linear
from tools.training.baselines.prepare import Covariances, Prepared, Track, prepare
from tools.training.eye_rule import eye_rule
from tools.training.signals import FRONTAL, LAYOUT, Signal

__all__ = ["FRONTAL_PREFIX", "GUARDED", "OWN", "Settings", "read_decoders", "read_fold", "run_fold"]

FRONTAL_PREFIX = "frontal_"
OWN = ("csp_lda", "tangent")
GUARDED = "_guarded"

GetSignals = Callable[[tuple[str, ...], float, float], Sequence[Signal]]
"""Layout and band (Hz) to all subjects' signals before the alignment."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a fold's numbers depend on, beside the recordings.

    Parameters
    ----------
    n_folds, seed : int
        Of `subject_folds`.
    precision : float
        Of `refit_head`.
    net : NetSettings
    all_channels : tuple of str
        Of the whole-head EEGNets of track A.
    ks : tuple of int
        Which of `KS` are tried.
    layout : tuple of str
        Electrodes of all other decoders: our decoder's.
    """

    n_folds: int
    seed: int
    precision: float
    net: NetSettings = field(default_factory=NetSettings)
    all_channels: tuple[str, ...] = ()
    ks: tuple[int, ...] = KS
    layout: tuple[str, ...] = LAYOUT


@dataclass(slots=True)
class _Found:
    """What the fold has so far: margins (len(KS), n_test) and seconds by decoder, tensors by decoder and name."""

    margins: dict[str, FloatArray] = field(default_factory=dict)
    tensors: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def keep(self, name: str, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """What a decoder was trained to, for whoever judges it on other windows later."""
        self.tensors |= {f"{name}/{key}": one for key, one in tensors.items()}


def run_fold(
    get_signals: GetSignals,
    paths: Sequence[Path],
    test_subjects: npt.NDArray[np.intp],
    track: Track,
    settings: Settings,
    path: Path,
    report: Callable[[str], None],
) -> None:
    """Run all baselines; write margins to `path` (npz), what was trained, and what it is to neighbours of it.

    Parameters
    ----------
    get_signals : callable
    paths : sequence of Path
        Recordings of the test subjects, for the eye rule.
    test_subjects : ndarray of int
    track : Track
    settings : Settings
    path : Path
        ``*.npz``; beside it ``*_decoders.npz`` and ``*.json``, written last: a fold is done when it is there.
    report : callable
        Takes lines of progress.
    """
    found = _Found()
    t_start = time.monotonic()
    data = prepare(get_signals(settings.layout, 8.0, 30.0), test_subjects, track)
    test = np.isin(data.subjects, test_subjects)
    identity: dict[str, npt.NDArray[Any]] = {"subjects": data.subjects[test], "classes": data.classes[test]}
    found.seconds["signal and covariances"] = time.monotonic() - t_start
    report(f"prepared {len(test)} trials in {found.seconds['signal and covariances']:.0f} s")
    _judge_linear(found, data, test, settings.layout, settings, report)
    _judge_net(found, "eegnet", data, test, settings.layout, settings, report)
    del data
    control = prepare(get_signals(FRONTAL, 8.0, 30.0), test_subjects, track)
    _judge_linear(found, control, test, FRONTAL, settings, report, FRONTAL_PREFIX)
    _judge_net(found, f"{FRONTAL_PREFIX}eegnet", control, test, FRONTAL, settings, report, is_tuned=False)
    if track.name == "A" and settings.all_channels:
        for name, low_hz, high_hz in (("eegnet_all", 8.0, 30.0), ("eegnet_all_4_40", 4.0, 40.0)):
            signals = get_signals(settings.all_channels, low_hz, high_hz)
            head = prepare(signals, test_subjects, track, is_power=False)
            _judge_net(found, name, head, test, settings.all_channels, settings, report)
    eyes = eye_rule(paths, track.eye_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **identity, **found.margins)  # type: ignore[arg-type]
    np.savez(_decoders_path(path), **found.tensors)  # type: ignore[arg-type]
    record = {
        "track": track.name,
        "settings": asdict(settings),
        "test_subjects": sorted(int(one) for one in test_subjects),
        "eye_rule": eyes.tolist(),
        "seconds": found.seconds,
        "minutes": (time.monotonic() - t_start) / 60.0,
    }
    temporary = path.with_suffix(".json.part")
    temporary.write_text(json.dumps(record, indent=1) + "\n")
    temporary.replace(path.with_suffix(".json"))


def read_fold(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Arrays and record of a fold that `run_fold` wrote."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    record: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return arrays, record


def read_decoders(path: Path) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """Tensors by decoder and name of a fold that `run_fold` wrote to `path`."""
    found: dict[str, dict[str, npt.NDArray[Any]]] = {}
    with np.load(_decoders_path(path)) as archive:
        for key in archive.files:
            decoder, name = key.split("/")
            found.setdefault(decoder, {})[name] = archive[key]
    return found


def _decoders_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}_decoders.npz")


def _judge_linear(
    found: _Found,
    data: Prepared,
    test: npt.NDArray[np.bool_],
    layout: Sequence[str],
    settings: Settings,
    report: Callable[[str], None],
    prefix: str = "",
) -> None:
    """All of `LINEAR`; the control (with a prefix) only without calibration."""
    mirror = mirror_columns(layout)
    train = {name: many[~test] for name, many in data.covariances.items()}
    held: Covariances = {name: many[test] for name, many in data.covariances.items()}
    subjects, classes = data.subjects[test], data.classes[test]
    for name in LINEAR:
        t_start = time.monotonic()
        decoder = fit_linear(name, train, data.classes[~test], mirror, settings.seed)
        features = decoder.features(held)
        pool = linear_margins(features, decoder.coef, decoder.intercept)
        ways: dict[str, Adapt] = {
            name: refitted_margins(decoder, features, classes, settings.precision),
            name + GUARDED: guarded_margins(decoder, features, classes, settings.precision),
        }
        if not prefix:
            found.keep(name, decoder.tensors())
        for way, adapt in ways.items() if not prefix else ():
            found.margins[way] = judged_by_k(subjects, classes, pool, adapt, settings.ks)
        if prefix:
            found.margins[prefix + name] = pool[np.newaxis]
        _finish(found, prefix + name, t_start, report)
    for name in OWN if not prefix else ():
        t_start = time.monotonic()
        own = own_margins(name, held, classes)
        found.margins[f"own_{name}"] = judged_by_k(subjects, classes, None, own, settings.ks)
        _finish(found, f"own_{name}", t_start, report)


def _judge_net(
    found: _Found,
    name: str,
    data: Prepared,
    test: npt.NDArray[np.bool_],
    layout: Sequence[str],
    settings: Settings,
    report: Callable[[str], None],
    is_tuned: bool = True,
) -> None:
    t_start = time.monotonic()
    mirror = mirror_columns(layout)
    net = fit_eegnet(data.x[~test], data.classes[~test], mirror, settings.net, settings.seed, report)
    x, classes = data.x[test], data.classes[test]
    pool = eegnet_margins(net, x, mirror)

    def adapt(calibration: npt.NDArray[np.intp], judged: npt.NDArray[np.intp]) -> FloatArray:
        mine = x[calibration], classes[calibration]
        tuned = fine_tune(net, *mine, mirror, settings.net, settings.seed)
        return eegnet_margins(tuned, x[judged], mirror)

    if is_tuned:
        found.keep(name, net_tensors(net))
        found.margins[name] = judged_by_k(data.subjects[test], classes, pool, adapt, settings.ks)
    else:
        found.margins[name] = pool[np.newaxis]
    _finish(found, name, t_start, report)


def _finish(found: _Found, name: str, t_start: float, report: Callable[[str], None]) -> None:
    found.seconds[name] = time.monotonic() - t_start
    report(f"{name}: {found.seconds[name]:.0f} s")
