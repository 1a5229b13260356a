"""Judging one subject: the job that is given to a process, or to a machine of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rtbci.clock import now
from rtbci.errors import ConfigError
from rtbci.evaluate.assign import Assignment, read_assigned
from rtbci.evaluate.calibrators import CalibrationTrials, Calibrator, find_calibrator, rescored
from rtbci.evaluate.data import SubjectReader
from rtbci.evaluate.decode import HopDecoder, Windows, decode_run
from rtbci.evaluate.frontal import FrontalRun, frontal_columns
from rtbci.evaluate.online import Span
from rtbci.evaluate.record import SubjectRecord, SubjectScore, TrialRecord
from rtbci.evaluate.scoring import Rules, active_log_probs, score_condition, span_probs
from rtbci.evaluate.split import Remaining, Split, first_trials
from rtbci.evaluate.trials import Trial, find_track, find_trials, nearest_window
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from rtbci.stream.caps import Cap

__all__ = ["Judged", "Task", "judge_subject"]

N_DIGITS = 6


@dataclass(frozen=True)
class Task:
    """What a process needs to judge a subject.

    Parameters
    ----------
    reader : SubjectReader
    subject : str
    paradigm : str
        Name or folder of the recipe.
    assignment : Assignment
        The weights.
    track : str
    ks : tuple of int
        Trials a class to calibrate on.
    calibrator : str
        See `find_calibrator`.
    remaining : {'later', 'all'}
        Which trials are judged after calibration.
    backend : str
    cap : Cap or None
        The only electrodes that the decoder is given; None: all. The eye check has all.
    """

    reader: SubjectReader
    subject: str
    paradigm: str
    assignment: Assignment
    track: str
    ks: tuple[int, ...]
    calibrator: str
    remaining: Remaining
    backend: str
    cap: Cap | None = None


@dataclass(frozen=True)
class Judged:
    """What comes back.

    Parameters
    ----------
    record : SubjectRecord
    frontal : tuple of str
        Frontal electrodes of the recording.
    features : ndarray of float64, shape (n_judged, n_frontal, n_features)
        Of the trials that have a window, in the record's order.
    labels, rates_hz : tuple
        Electrodes and rates of the recordings.
    engine : (str, str)
        Name and hash of the engine.
    given : tuple of str
        Electrodes that the decoder was given, canonical, where they were chosen; else empty.
    """

    record: SubjectRecord
    frontal: tuple[str, ...]
    features: FloatArray
    labels: tuple[str, ...]
    rates_hz: tuple[float, ...]
    engine: tuple[str, str]
    given: tuple[str, ...] = ()


def judge_subject(task: Task) -> Judged:
    """Decode a subject's runs and score every condition.

    Raises
    ------
    RtbciError
        What reader, decoder and calibrator say, with the subject's name where it is not plain.
    """
    t_start = now()
    recipe = read_paradigm(task.paradigm)
    runs = task.reader.read(task.subject)
    trials = find_trials(runs, recipe, f"{task.reader.name}/{task.subject}")
    given = () if task.cap is None else task.cap.given([run.info for run in runs])
    worn = [run.pick(given) for run in runs] if given else runs  # what the decoder sees of the runs
    profile, calibrator = read_assigned(task.assignment), find_calibrator(task.calibrator)
    listens = calibrator.needs_signals and any(task.ks)
    with _decoder(task, recipe, profile, listens) as decoder:
        t_decoding = now()
        decoded, listened = _decode(decoder, worn, trials, recipe, task)
        decoding_s = now() - t_decoding
        channel_map = decoder.channel_map
        engine = (decoder.engine_ref.name, decoder.engine_ref.id)
    subject = _Subject(task, recipe, worn, trials, decoded, profile, calibrator, listened)
    subject.judge()
    frontal = tuple(
        label for label in frontal_columns(runs[0]) if all(label in frontal_columns(r) for r in runs)
    )
    features, lateral = _frontal(runs, frontal, subject.usable, subject.spans_s)
    record = SubjectRecord(
        name=task.subject,
        fold=task.assignment.fold,
        seen=task.assignment.seen,
        n_runs=len(runs),
        recorded_s=sum(run.duration_s for run in runs),
        decoding_s=decoding_s,
        wall_s=now() - t_start,
        interpolated=[] if channel_map is None else list(channel_map.interpolated),
        inferred=[] if channel_map is None else list(channel_map.inferred),
        scores=subject.scores,
        trials=subject.trial_records(lateral),
    )
    rates = tuple(sorted({run.info.rate_hz for run in runs}))
    return Judged(record, frontal, features, runs[0].info.labels, rates, engine, given)


def _decoder(task: Task, recipe: ParadigmRecipe, profile: Profile | None, listens: bool) -> Decoder:
    kind = HopDecoder if listens else Decoder
    return kind(recipe, profile=profile, backend=task.backend, engine=task.assignment.engine)


@dataclass(frozen=True)
class _Listened:
    """What a calibrator that refits branches needs of a trial's window."""

    signal: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    branch_logits: FloatArray


def _decode(
    decoder: Decoder, runs: Sequence[Recording], trials: Sequence[Trial], recipe: ParadigmRecipe, task: Task
) -> tuple[list[Windows], dict[Trial, _Listened]]:
    decoded: list[Windows] = []
    listened: dict[Trial, _Listened] = {}
    for i_run, run in enumerate(runs):
        windows = decode_run(decoder, run)
        decoded.append(windows)
        if not isinstance(decoder, HopDecoder):
            continue
        for trial in trials:
            i = _window_of(windows, trial, recipe, task.track) if trial.i_run == i_run else None
            said = [] if i is None else [branch[i] for branch in decoder.branch_logits]
            if i is not None and all(one is not None for one in said):
                listened[trial] = _Listened(decoder.signals([i])[0], np.array(said))
    return decoded, listened


def _window_of(windows: Windows, trial: Trial, recipe: ParadigmRecipe, track: str) -> int | None:
    i = nearest_window(windows.t_first, windows.t_newest, trial.t_cue, find_track(track), recipe.window.hop_s)
    return i if i is not None and windows.full[i] else None


class _Subject:
    """A decoded subject, and its scores as they come."""

    def __init__(
        self,
        task: Task,
        recipe: ParadigmRecipe,
        runs: Sequence[Recording],
        trials: Sequence[Trial],
        decoded: list[Windows],
        profile: Profile | None,
        calibrator: Calibrator,
        listened: dict[Trial, _Listened],
    ) -> None:
        self._task, self._recipe, self._runs = task, recipe, runs
        self._trials, self._decoded, self._profile = trials, decoded, profile
        self._calibrator, self._listened = calibrator, listened
        self._rules = Rules.of(recipe, find_track(task.track))
        found = [(trial, _window_of(decoded[trial.i_run], trial, recipe, task.track)) for trial in trials]
        cued = [(trial, i) for trial, i in found if trial.i_class in self._rules.active]
        self._cued = [trial for trial, _ in cued]
        self._i_window = {trial: i for trial, i in cued if i is not None}
        self.usable = [trial for trial in self._cued if trial in self._i_window]
        self.scores: dict[str, SubjectScore] = {}
        self._log_probs: dict[str, dict[Trial, FloatArray]] = {}

    @property
    def spans_s(self) -> list[tuple[float, float]]:
        """First and newest sample of the window of every usable trial, in seconds."""
        windows = [(self._decoded[trial.i_run], self._i_window[trial]) for trial in self.usable]
        return [(float(found.t_first[i]), float(found.t_newest[i])) for found, i in windows]

    def judge(self) -> None:
        """Score every condition that there are enough trials for."""
        for k in self._task.ks:
            split = first_trials(self.usable, k, self._rules.active, self._task.remaining)
            if split is None:
                continue
            name = f"k{k}"
            if k == 0:
                self._score(name, self._decoded, self._profile, split, sweep=True)
                continue
            new = self._calibrate(split)
            self._score(f"{name}_base", self._decoded, self._profile, split, sweep=False)
            self._score(name, self._decoded_with(new, split), new, split, sweep=True)

    def trial_records(self, lateral_uv: FloatArray) -> list[TrialRecord]:
        """Every cued trial, also those without a window."""
        lateral = dict(zip(self.usable, lateral_uv.tolist(), strict=True))
        spans = dict(zip(self.usable, self.spans_s, strict=True))
        return [self._trial_record(trial, spans.get(trial), lateral.get(trial)) for trial in self._cued]

    def _trial_record(
        self, trial: Trial, span: tuple[float, float] | None, lateral: float | None
    ) -> TrialRecord:
        said = {name: found[trial] for name, found in self._log_probs.items() if trial in found}
        is_pair = len(self._rules.active) == 2
        return TrialRecord(
            run=trial.i_run,
            t_cue_s=round(trial.t_cue, N_DIGITS),
            cue=self._rules.classes[trial.i_class],
            t_window_s=None if span is None else (round(span[0], N_DIGITS), round(span[1], N_DIGITS)),
            log_probs={name: [round(x, N_DIGITS) for x in one.tolist()] for name, one in said.items()},
            margin={name: round(float(one[1] - one[0]), N_DIGITS) for name, one in said.items()}
            if is_pair
            else {},
            lateral_uv=None if lateral is None or np.isnan(lateral) else round(lateral, 3),
        )

    def _calibrate(self, split: Split) -> Profile:
        if self._profile is None:
            raise ConfigError(
                f"--k: paradigm '{self._recipe.name}' has no profile to calibrate, need one; judge with --k 0"
            )
        trials = [self.usable[i] for i in split.calibration]
        heard = [self._listened[trial] for trial in trials] if self._listened else None
        given = CalibrationTrials(
            classes=self._rules.classes,
            labels=np.array([trial.i_class for trial in trials], dtype=np.intp),
            logits=np.stack([self._decoded[t.i_run].logits[self._i_window[t]] for t in trials]),
            branch_logits=np.stack([one.branch_logits for one in heard]) if heard else None,
            signals=np.stack([one.signal for one in heard]) if heard else None,
            window_samples=self._profile.window_samples,
            hop_samples=self._profile.hop_samples,
        )
        return self._calibrator.fit(self._profile, given)

    def _decoded_with(self, new: Profile, split: Split) -> list[Windows]:
        """Windows as the new profile gives them: rescored where that is the same, else decoded again."""
        if self._profile is None:
            return self._decoded
        logits = [rescored(windows.logits, self._profile, new) for windows in self._decoded]
        if all(one is not None for one in logits):
            return [
                replace(windows, logits=one)
                for windows, one in zip(self._decoded, logits, strict=True)
                if one is not None
            ]
        first_run = min(self.usable[i].i_run for i in split.judged)
        with _decoder(self._task, self._recipe, new, listens=False) as decoder:
            return [
                decode_run(decoder, run) if i >= first_run else windows
                for i, (run, windows) in enumerate(zip(self._runs, self._decoded, strict=True))
            ]

    def _score(
        self, name: str, decoded: Sequence[Windows], profile: Profile | None, split: Split, sweep: bool
    ) -> None:
        temperature = 1.0 if profile is None else profile.temperature
        trials = [self.usable[i] for i in split.judged]
        logits = np.stack([decoded[trial.i_run].logits[self._i_window[trial]] for trial in trials])
        log_probs = active_log_probs(logits, temperature, self._rules)
        spans = []
        for i_run, windows in enumerate(decoded):
            if i_run < split.i_run:
                continue
            from_s = split.t_s if i_run == split.i_run else -1.0
            mine = [trial for trial in self._trials if trial.i_run == i_run]
            probs = span_probs(windows.logits, temperature)
            spans.append(Span.of(windows, probs, mine, self._rules.idle, from_s))
        i_classes = np.array([trial.i_class for trial in trials], dtype=np.intp)
        self.scores[name] = score_condition(log_probs, i_classes, spans, self._rules, sweep)
        self._log_probs[name] = dict(zip(trials, log_probs, strict=True))


def _frontal(
    runs: Sequence[Recording],
    frontal: Sequence[str],
    trials: Sequence[Trial],
    spans_s: Sequence[tuple[float, float]],
) -> tuple[FloatArray, FloatArray]:
    """Features of the eye check, (n_trials, n_frontal, n_features), and lateral amplitudes, (n_trials,)."""
    if not frontal or not trials:
        return np.empty((len(trials), len(frontal), 0)), np.full(len(trials), np.nan)
    read = [FrontalRun(run, frontal) for run in runs]
    features = [read[t.i_run].features(t.t_cue, span) for t, span in zip(trials, spans_s, strict=True)]
    lateral = [read[trial.i_run].lateral_uv(trial.t_cue) for trial in trials]
    by_channel = np.stack(features).reshape(len(trials), -1, len(frontal)).transpose(0, 2, 1)
    return by_channel, np.array(lateral)
