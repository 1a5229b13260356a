"""Takes finished trials: judges them, keeps them on disk, fits, and says how it goes."""

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.candidates import standard_candidates
from rtbci.calibrate.competing import Candidate
from rtbci.calibrate.cutter import TrialCutter
from rtbci.calibrate.enough import Judgement
from rtbci.calibrate.features import TrialFeatures, read_trial
from rtbci.calibrate.fit import UserFit, fit_user
from rtbci.calibrate.quality import RejectSettings, judge_trial
from rtbci.calibrate.store import TrialStore
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import ConfigError
from rtbci.probe.calibration_record import CurvePoint
from rtbci.probe.profile import Profile

__all__ = ["Collected", "Collector"]

POLL_S = 0.1


@dataclass
class Collected:
    """What there is so far.

    Parameters
    ----------
    trials : list of CalibrationTrial
        All, in the order in which they were done, without their raw signals' owner changing.
    features : list of TrialFeatures
        Of the accepted ones.
    curve : list of CurvePoint
    fit : UserFit or None
        The newest; None before the first.
    """

    trials: list[CalibrationTrial] = field(default_factory=list)
    features: list[TrialFeatures] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)
    fit: UserFit | None = None

    @property
    def judgement(self) -> Judgement | None:
        """How good the newest fit is."""
        return None if self.fit is None else self.fit.judgement

    def n_accepted(self, n_classes: int) -> list[int]:
        """Accepted trials of each class."""
        return [sum(one.i_class == i for one in self.features) for i in range(n_classes)]


Told = Callable[[CalibrationTrial, Collected], None]
"""Called with each trial when it has been judged and, where there are enough, the fit is new."""


class Collector:
    """Takes trials: from whoever calls `take`, or from a cutter in threads of its own.

    A context manager: however it is left, the threads end and every trial that was cut is on the disk.

    Parameters
    ----------
    decoder : CalibrationDecoder
        Open by the time the first trial comes; gives sessions, classes and the policy to start from.
    population : Profile
        Where fits start.
    store : TrialStore
    user : str
    reject : RejectSettings
    imagery_s : float
    told : callable
        Called where the trial was taken; with `start` in the thread that fits.
    fits : bool
        Whether to fit after every accepted trial; else only when `finish` is called.

    Notes
    -----
    One thread keeps trials on the disk, another one fits, because a fit may take longer than a trial: what comes meanwhile is
    kept, and all of it is in the next fit. What goes wrong in a thread ends both, sets the event that `start` was given, and is
    raised by `finish`. The stream goes on being decoded by its own thread.
    """

    def __init__(
        self,
        decoder: CalibrationDecoder,
        population: Profile,
        store: TrialStore,
        user: str,
        reject: RejectSettings,
        imagery_s: float,
        told: Told = lambda _trial, _collected: None,
        *,
        fits: bool = True,
    ) -> None:
        self._decoder, self._population, self._store = decoder, population, store
        self._user, self._reject, self._imagery_s, self._told = user, reject, imagery_s, told
        self._fits = fits
        self._candidates: Sequence[Candidate] = standard_candidates(population)
        self._error: BaseException | None = None
        self._ending, self._failed = threading.Event(), threading.Event()
        self._cutter: TrialCutter | None = None
        self._kept: queue.SimpleQueue[CalibrationTrial] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, args=(step,), name=name, daemon=True)
            for name, step in (("rtbci-keep", self._keep_next), ("rtbci-collect", self._fit_kept))
        ]
        self._n_fitted = 0
        self.collected = Collected()

    def resume(self, trials: Sequence[CalibrationTrial]) -> None:
        """Take trials of an earlier run; before `start`, with the decoder's engines open."""
        for trial in trials:
            self._add(trial)
        if self._fits and self.collected.features:
            self._refit()

    def start(self, cutter: TrialCutter, failed: threading.Event | None = None) -> None:
        """Start the threads, which take trials from `cutter`; `failed` is set when something goes wrong in them."""
        self._cutter, self._failed = cutter, failed or self._failed
        for thread in self._threads:
            thread.start()

    @property
    def error(self) -> BaseException | None:
        """What ended the threads, if anything did."""
        return self._error

    def take(self, trial: CalibrationTrial) -> None:
        """Judge a trial, keep it, fit where that is wanted, tell.

        Raises
        ------
        ConfigError
            When the decoder has no stream.
        FileFormatError
            When the trial cannot be written.
        """
        judged = self._keep(trial)
        if judged.accepted and self._fits:
            self._refit()
        self._told(judged, self.collected)

    def finish(self) -> Collected:
        """End the threads, take what is left in the queue, and fit all trials.

        Raises
        ------
        BaseException
            What went wrong in a thread.
        """
        self.close()
        if self._error is not None:
            raise self._error
        if self.collected.fit is None or self._n_fitted < len(self.collected.features):
            self._refit()
        return self.collected

    def close(self) -> None:
        """End the threads and keep what is left in the queue, without a fit; may be called more than once."""
        self._ending.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        try:
            while (trial := self._next(0.0)) is not None:
                self._keep(trial)
        except BaseException as error:
            self._error = self._error or error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self, step: Callable[[], None]) -> None:
        try:
            while not self._ending.is_set():
                step()
        except BaseException as error:  # raised again by whoever calls `finish`
            self._error = self._error or error
            self._ending.set()
            self._failed.set()

    def _keep_next(self) -> None:
        if (trial := self._next(POLL_S)) is not None:
            self._kept.put(self._keep(trial))

    def _fit_kept(self) -> None:
        """One fit with all trials that were kept since the last one began, then tell of each."""
        with suppress(queue.Empty):
            trials = [self._kept.get(timeout=POLL_S)]
            while not self._kept.empty():  # nobody else takes from it
                trials.append(self._kept.get())
            if self._fits and any(one.accepted for one in trials):
                self._refit()
            for one in trials:
                self._told(one, self.collected)

    def _next(self, timeout_s: float) -> CalibrationTrial | None:
        with suppress(queue.Empty):
            if self._cutter is not None:
                return self._cutter.trials.get(block=timeout_s > 0, timeout=timeout_s)
        return None

    def _keep(self, trial: CalibrationTrial) -> CalibrationTrial:
        info = self._decoder.info
        if info is None:
            raise ConfigError(
                "Collector: the decoder has no stream, need one that its trials come from; open it"
            )
        read = self._decoder.read
        judged = judge_trial(
            trial,
            self._reject,
            info.labels,
            read,
            info.rate_hz,
            self._imagery_s,
            has_unit=self._decoder.recipe.input.unit_check,
        )
        self._store.write(judged)
        self._add(judged)
        return judged

    def _add(self, trial: CalibrationTrial) -> None:
        self.collected.trials.append(trial)
        if trial.accepted:
            self.collected.features.append(read_trial(self._population, self._decoder.sessions, trial))

    def _refit(self) -> None:
        found, known = self.collected, self._decoder.channel_map
        features = list(found.features)  # more may come while these are fitted
        if known is None and not features:
            return
        self._n_fitted = len(features)
        found.fit = fit_user(
            self._population,
            features,
            self._user,
            self._decoder.recipe.decision,
            montage=() if known is None else known.found_labels,
            candidates=self._candidates,
        )
        if found.fit.judgement is not None:
            found.curve.append(found.fit.judgement.point())
