"""What decoders read of a calibration trial, computed once when the trial is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rtbci.backends.session import Session
from rtbci.calibrate.flicker_learning import packed
from rtbci.calibrate.trial import CONTEXT_S, CalibrationTrial
from rtbci.errors import EngineError, ProfileError, ShapeError
from rtbci.probe.cca import CcaProbe
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.encoder_adapter import adapted_signal, encode_patch, encoder_adapter
from rtbci.probe.head_features import (
    conv_features,
    tangent_features,
    whole_window_features,
    window_features,
)
from rtbci.probe.moved_heads import learned_scales
from rtbci.probe.open_branches import cca_branch_of
from rtbci.probe.profile import BranchEntry, Profile
from rtbci.probe.reference_products import WindowProducts
from rtbci.probe.tangent import TangentProbe
from rtbci.probe.window_head import has_head
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns

__all__ = ["TrialFeatures", "check_heads", "chosen_windows", "read_trial", "window_moments"]

N_WINDOWS = 3
"""Windows of a trial that are fitted on: its first, its last, one between. They overlap by 80 % and more."""


@dataclass(frozen=True)
class TrialFeatures:
    """One trial, in the windows that are fitted on; the last is the one that the trial is judged by.

    Parameters
    ----------
    i_trial, i_class : int
        As in `CalibrationTrial`.
    heads : dict of str to ndarray, shape (n_windows, n_features)
        By branch of the population's profile: what its linear head reads; of a branch of kind cca its products, as
        `rtbci.calibrate.flicker_learning.packed` has them.
    logits : ndarray of float64, shape (n_windows, n_classes)
        What the population decoder said, recentred where the recipe says so, before the temperature.
    signal : ndarray of float64, shape (n_samples, n_channels)
        The decoder's signal, without the context before the first window; for decoders with features of their own.
    i_ends : tuple of int
        Where each window ends in `signal`.
    flicker_s : ndarray of float64, shape (n_windows,)
        As in `CalibrationTrial`.
    mirrored : dict of str to ndarray, shape (n_windows, n_features)
        As `heads`, of the signal with left and right electrodes exchanged: of branches with a prior of their own
        (`rtbci.probe.moved_heads.learned_scales`), where the profile says what the image of a class is.
    """

    i_trial: int
    i_class: int
    heads: dict[str, FloatArray]
    logits: FloatArray
    signal: FloatArray
    i_ends: tuple[int, ...]
    flicker_s: FloatArray = field(default_factory=lambda: np.empty(0))
    mirrored: dict[str, FloatArray] = field(default_factory=dict)


def chosen_windows(n_windows: int, n_most: int = N_WINDOWS) -> list[int]:
    """Indices of the windows that are fitted on, at most `n_most`, the last one always.

    Examples
    --------
    >>> chosen_windows(9), chosen_windows(2), chosen_windows(1), chosen_windows(9, 1)
    ([0, 4, 8], [0, 1], [0], [8])
    """
    spread = np.linspace(n_windows - 1, 0, min(n_most, n_windows))
    return sorted({round(float(i)) for i in spread})


def check_heads(profile: Profile, sessions: Mapping[str, Session]) -> None:
    """Find out before the first trial whether a profile can be calibrated.

    Parameters
    ----------
    profile : Profile
        What the calibration starts from.
    sessions : mapping of str to Session
        By branch, of those with an engine.

    Raises
    ------
    ProfileError
        When a branch has no head that can be refitted, or no session, or a prior that does not fit its head.
    """
    for entry in profile.branches:
        session = sessions.get(entry.name)
        if entry.kind == "window":
            has_one = session is not None and has_head(session, profile.tensors(entry.name, needed=False))
        else:
            has_one = entry.kind in ("tangent", "power", "cca") or (
                entry.kind == "encoder" and session is not None
            )
        if not has_one:
            raise ProfileError(
                f"paradigm '{profile.paradigm}': branch '{entry.name}' of kind {entry.kind} "
                f"{'without' if session is None else 'with'} an engine cannot be calibrated, need a tangent, power or cca branch, or an "
                "engine that gives features; use it without calibration, or calibrate another paradigm"
            )
    learned_scales(profile)  # says so where one does not fit its head


def read_trial(profile: Profile, sessions: Mapping[str, Session], trial: CalibrationTrial) -> TrialFeatures:
    """Read the features of a trial.

    Parameters
    ----------
    profile : Profile
        The population's: its branches give the features.
    sessions : mapping of str to Session
        By branch, of those with an engine.
    trial : CalibrationTrial

    Raises
    ------
    ProfileError
        When a branch has no head that can be refitted, or no session.
    EngineError
        When an engine gives what is not a number.
    ShapeError
        When the trial's signal is too short for its windows.
    """
    check_heads(profile, sessions)
    signal = np.asarray(trial.signal, dtype=np.float64)
    hop, window = profile.hop_samples, profile.window_samples
    n_context = round(CONTEXT_S * profile.rate_hz / hop) * hop
    n = len(trial.t_newest)
    ends = [len(signal) - (n - 1 - i) * hop for i in chosen_windows(n)]
    if ends[0] < window:
        raise ShapeError(
            f"trial {trial.i_trial}: its signal has {len(signal)} samples, need {window + (n - 1) * hop} for {n} windows; "
            "leave the trial out"
        )
    heads = {
        entry.name: _head_features(profile, entry, sessions.get(entry.name), signal, ends)
        for entry in profile.branches
    }
    mirrored = _mirrored_heads(profile, sessions, signal, ends)
    for name, features in (*heads.items(), *mirrored.items()):
        if not np.isfinite(features).all():
            raise EngineError(
                f"trial {trial.i_trial}: branch '{name}' reads what is not a number, need finite features; `rtbci engine check` "
                "finds out whether its engine gives them"
            )
    n_context = max(0, min(n_context, ends[0] - window))
    return TrialFeatures(
        trial.i_trial,
        trial.i_class,
        heads,
        np.asarray(trial.logits[chosen_windows(n)], dtype=np.float64),
        signal[n_context:],
        tuple(end - n_context for end in ends),
        trial.flicker_s[chosen_windows(n)],
        mirrored,
    )


def window_moments(signal: FloatArray, ends: tuple[int, ...] | list[int], window: int) -> FloatArray:
    """Second moments of windows, shape (n_windows, n_channels, n_channels)."""
    windows = np.stack([signal[end - window : end] for end in ends])
    return np.asarray(windows.transpose(0, 2, 1) @ windows / window)


def _mirrored_heads(
    profile: Profile, sessions: Mapping[str, Session], signal: FloatArray, ends: list[int]
) -> dict[str, FloatArray]:
    scales = learned_scales(profile) if profile.mirror else {}
    moved = [entry for entry in profile.branches if entry.name in scales]
    if not moved:
        return {}
    other = np.ascontiguousarray(signal[:, mirror_columns(profile.channels)])
    return {
        entry.name: _head_features(profile, entry, sessions.get(entry.name), other, ends) for entry in moved
    }


def _head_features(
    profile: Profile, entry: BranchEntry, session: Session | None, signal: FloatArray, ends: list[int]
) -> FloatArray:
    tensors = profile.tensors(entry.name, needed=entry.kind != "window")
    if entry.kind == "window" and session is not None:
        return np.stack([whole_window_features(session, signal[:end]) for end in ends])
    if entry.kind == "tangent":
        return _tangent(TangentProbe.from_tensors(tensors), profile, entry, signal, ends)
    if entry.kind == "cca":
        return np.stack([packed(_products(profile, entry, signal[:end])) for end in ends])
    if entry.kind == "power":
        return np.stack([window_features(profile, entry, signal[:end]) for end in ends])
    assert session is not None  # checked by check_heads
    return _encoder(ConvProbe.from_tensors(tensors), profile, entry, session, signal, ends)


def _products(profile: Profile, entry: BranchEntry, signal: FloatArray) -> WindowProducts:
    """Products of the last windows of a signal, for a branch that reads flicker."""
    branch = cca_branch_of(profile, entry, CcaProbe.from_tensors(profile.tensors(entry.name)))
    branch.push_signal(signal)
    return branch.windows()


def _tangent(
    probe: TangentProbe, profile: Profile, entry: BranchEntry, signal: FloatArray, ends: list[int]
) -> FloatArray:
    bands = [
        SosFilter.bandpass(low, high, profile.rate_hz, probe.n_channels, entry.order).push(signal)
        for low, high in entry.bands_hz
    ]
    moments = [window_moments(band, ends, profile.window_samples) for band in bands]
    return tangent_features(probe, np.stack(moments, axis=1))


def _encoder(
    probe: ConvProbe,
    profile: Profile,
    entry: BranchEntry,
    session: Session,
    signal: FloatArray,
    ends: list[int],
) -> FloatArray:
    tensors = profile.tensors(entry.name)
    adapter = encoder_adapter(
        tensors.get("adapter"), tensors.get("adapter_fir"), session.input_shape[1], entry.name
    )
    adapted = adapted_signal(adapter, signal, profile.hop_samples).astype(np.float32)
    patch = session.input_shape[2]
    encoded: dict[int, FloatArray] = {}  # by the patch's end: windows share most of theirs
    rows = []
    for end in ends:
        stops = range(end - (probe.n_patches - 1) * patch, end + 1, patch)
        for stop in stops:
            if stop not in encoded:
                x = np.ascontiguousarray(adapted[stop - patch : stop].T)
                encoded[stop] = encode_patch(session, x).astype(np.float64)
        rows.append(np.stack([encoded[stop] for stop in stops]))
    return conv_features(probe, np.stack(rows))
