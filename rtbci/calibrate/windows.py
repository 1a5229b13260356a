"""Labelled windows of recordings for decoders that are trained elsewhere: what an engine gets while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.features import chosen_windows
from rtbci.calibrate.recordings import cues_of, trials_of_recordings
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import ConfigError, FileFormatError
from rtbci.evaluate.trials import find_trials
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.estimate import WindowGrid
from rtbci.runtime.signal_parts import SignalParts
from rtbci.system.one_thread import one_thread

__all__ = ["LabelledWindows", "windows"]


@dataclass(frozen=True)
class LabelledWindows:
    """Windows of cued trials, in the order of their recordings, cues and times.

    Parameters
    ----------
    x : ndarray of float32, shape (n_windows, n_channels, n_samples)
        What an engine of kind ``window`` gets: the signal behind all stages of the recipe, in microvolts, or whitened where it
        has an ``align`` stage.
    y : ndarray of intp, shape (n_windows,)
        What was asked for, an index into `classes`.
    i_recording, i_trial : ndarray of intp, shape (n_windows,)
        Recording (index into `recordings`) and trial, numbered through all of them: groups that a fair cross-validation
        keeps together, because windows of one trial overlap.
    is_last : ndarray of bool, shape (n_windows,)
        The window that ends last in its trial; `rtbci calibrate` and `rtbci eval` judge the trial by it.
    t_cue, t_newest : ndarray of float64, shape (n_windows,)
        Cue, and newest sample of the window, in seconds from the recording's first sample.
    classes, channels : tuple of str
        Of the paradigm, in its order.
    rate_hz : float
        Behind the stages.
    recordings : tuple of str
        Names, as given.
    left_out : tuple of str
        A line for each trial or recording without windows, with the reason.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.intp]
    i_recording: npt.NDArray[np.intp]
    i_trial: npt.NDArray[np.intp]
    is_last: npt.NDArray[np.bool_]
    t_cue: npt.NDArray[np.float64]
    t_newest: npt.NDArray[np.float64]
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    rate_hz: float
    recordings: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.y)

    def __repr__(self) -> str:
        """In one line, however many there are."""
        counts = ", ".join(f"{(self.y == i).sum()} {name}" for i, name in enumerate(self.classes))
        return (
            f"LabelledWindows({len(self)} of shape {self.x.shape[1:]} at {self.rate_hz:g} Hz: {counts}; "
            f"{len(np.unique(self.i_trial))} trials, {len(self.left_out)} left out)"
        )

    def pick(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "LabelledWindows":
        """Some of the windows; `x` and all that goes with it are copies.

        Parameters
        ----------
        which : ndarray of bool, shape (n_windows,), or of int
            A mask, as ``windows.is_last``, or indices, as scikit-learn's splitters give them.
        """
        columns = ("x", "y", "i_recording", "i_trial", "is_last", "t_cue", "t_newest")
        return replace(self, **{name: getattr(self, name)[which] for name in columns})


class _SignalDecoder(CalibrationDecoder):
    """Remembers the signal and decodes nothing, so that neither engine nor heads need to be there."""

    _made_of = SignalParts


@one_thread()
def windows(
    paradigm: str | ParadigmRecipe,
    recordings: Sequence[Recording],
    *,
    profile: Profile | str | None = None,
    imagery_s: float = 4.0,
    n_per_trial: int | None = None,
) -> LabelledWindows:
    """Cut the windows of cued trials out of recordings, by the stages that run live: causal, on the grid of hops.

    Parameters
    ----------
    paradigm : str or ParadigmRecipe
        Says signal, windows, classes and which markers stand for them. The engines that it names need not be there yet.
    recordings : sequence of Recording
        Each is a stream of its own, from a fresh start; they may differ in cap and rate as far as the paradigm can read them.
    profile : Profile, str or None
        Where its stages take something from a profile (the start of the alignment, electrodes that are inferred): the one
        that will run. Default: the population's, if the paradigm has one.
    imagery_s : float
        From a cue to the end of what is asked for, in seconds. The first window of a trial begins half a second behind its cue at the
        earliest, or ends at `imagery_s` where that is sooner; the last ends at `imagery_s`, or up to a hop before.
    n_per_trial : int or None
        At most so many windows of a trial, spread over it, the last one always; 1: only that. None: all.

    Raises
    ------
    ConfigError
        When the paradigm's windows are locked to markers, are longer than `imagery_s`, or no window of a trial is asked for.
    FileFormatError
        When no marker names a class, or no trial has its windows in a recording.
    RtbciError
        What a recording lacks; see `Decoder.open`.

    Examples
    --------
    >>> from rtbci import read_recordings, windows                                          # doctest: +SKIP
    >>> found = windows("./my_hands", read_recordings("S007R04.edf"), n_per_trial=1)        # doctest: +SKIP
    >>> found.x.shape, found.classes                                                        # doctest: +SKIP
    ((15, 17, 256), ('left_hand', 'right_hand'))

    Notes
    -----
    Bad electrodes are replaced as in a run. No trial is left out for its amplitude; what a break of the stream or the end of a
    recording cuts is, and `LabelledWindows.left_out` says so.
    """
    recipe = read_paradigm(paradigm) if isinstance(paradigm, str) else paradigm
    where = f"windows of '{recipe.name}'"
    if n_per_trial is not None and n_per_trial < 1:
        raise ConfigError(f"{where}: n_per_trial is {n_per_trial}, need 1 or more, or None for all")
    timing = timing_of(recipe, imagery_s)
    find_trials(recordings, recipe, where)  # refuses recordings without any cue
    found: list[_Window] = []
    left_out: list[str] = []
    n_before = 0
    with _SignalDecoder(recipe, profile=profile) as decoder:
        for i_recording, recording in enumerate(recordings):
            cues = cues_of(recording, recipe.class_of)
            if not cues:
                left_out.append(f"{recording.name}: no cues")
                continue
            for trial in trials_of_recordings(decoder, [recording], timing):
                if trial.accepted:
                    group = _Group(i_recording, n_before + trial.i_trial)
                    found += _cut(trial, group, decoder.pipeline.grid, n_per_trial)
                else:
                    asked = recipe.classes[trial.i_class]
                    left_out.append(f"{recording.name}: {asked} at {trial.t_cue:.1f} s: {trial.reason}")
            n_before += len(cues)
        if not found:
            raise FileFormatError(
                f"{where}: none of {n_before} trials has its windows (the first: {left_out[0]}), need {imagery_s:g} s of signal "
                "behind a cue; set imagery_s to how long yours last"
            )
        return _joined(found, recipe, decoder.rate_hz, recordings, left_out)


class _Group(NamedTuple):
    i_recording: int
    i_trial: int


class _Window(NamedTuple):
    x: npt.NDArray[np.float32]
    i_class: int
    group: _Group
    is_last: bool
    t_cue: float
    t_newest: float


def _cut(trial: CalibrationTrial, group: _Group, grid: WindowGrid, n_most: int | None) -> list[_Window]:
    n = len(trial.t_newest)
    return [
        _Window(
            trial.window(i, grid.hop)[-grid.length :].T,
            trial.i_class,
            group,
            i == n - 1,
            trial.t_cue,
            float(trial.t_newest[i]),
        )
        for i in chosen_windows(n, n_most or n)
    ]


def _joined(
    found: Sequence[_Window],
    recipe: ParadigmRecipe,
    rate_hz: float,
    recordings: Sequence[Recording],
    left_out: Sequence[str],
) -> LabelledWindows:
    return LabelledWindows(
        x=np.ascontiguousarray([one.x for one in found]),
        y=np.array([one.i_class for one in found], np.intp),
        i_recording=np.array([one.group.i_recording for one in found], np.intp),
        i_trial=np.array([one.group.i_trial for one in found], np.intp),
        is_last=np.array([one.is_last for one in found], bool),
        t_cue=np.array([one.t_cue for one in found]),
        t_newest=np.array([one.t_newest for one in found]),
        classes=recipe.classes,
        channels=recipe.input.channels,
        rate_hz=rate_hz,
        recordings=tuple(one.name for one in recordings),
        left_out=tuple(left_out),
    )
