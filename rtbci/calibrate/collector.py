"""Takes finished trials: judges them, keeps them on disk, fits, and says how it goes."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rtbci.calibrate.candidates import Candidate, standard_candidates
from rtbci.calibrate.cutter import CalibrationDecoder, TrialCutter
from rtbci.calibrate.enough import Judgement
from rtbci.calibrate.features import TrialFeatures, read_trial
from rtbci.calibrate.fit import UserFit, fit_user
from rtbci.calibrate.quality import RejectSettings, judge_trial
from rtbci.calibrate.record import CurvePoint
from rtbci.calibrate.store import TrialStore
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import ConfigError
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
    """A thread that takes trials from a cutter.

    Parameters
    ----------
    decoder : CalibrationDecoder
        Open by the time the first trial comes; gives sessions, classes and the policy to start from.
    population : Profile
        Where fits start.
    cutter : TrialCutter
    store : TrialStore
    user : str
    reject : RejectSettings
    imagery_s : float
    told : callable
        Called in the collector's thread.
    fits : bool
        Whether to fit after every trial; else only when `finish` is called.

    Notes
    -----
    What goes wrong in the thread ends it and is raised by `finish`; trials that are cut afterwards stay in the
    queue. Fits use numpy in this thread: the stream goes on being decoded by its own.
    """

    def __init__(
        self,
        decoder: CalibrationDecoder,
        population: Profile,
        cutter: TrialCutter,
        store: TrialStore,
        user: str,
        reject: RejectSettings,
        imagery_s: float,
        told: Told = lambda _trial, _collected: None,
        *,
        fits: bool = True,
    ) -> None:
        self._decoder, self._population, self._cutter, self._store = decoder, population, cutter, store
        self._user, self._reject, self._imagery_s, self._told = user, reject, imagery_s, told
        self._fits = fits
        self._candidates: Sequence[Candidate] = standard_candidates(population)
        self._error: BaseException | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtbci-collect", daemon=True)
        self.collected = Collected()

    def resume(self, trials: Sequence[CalibrationTrial]) -> None:
        """Take trials of an earlier run; before `start`, with the decoder's engines open."""
        for trial in trials:
            self._add(trial)
        if self.collected.features:
            self._refit()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def error(self) -> BaseException | None:
        """What ended the thread, if anything did."""
        return self._error

    def finish(self) -> Collected:
        """Take what is in the queue, fit, and end.

        Raises
        ------
        BaseException
            What went wrong in the thread.
        """
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        while self._take(0.0):
            pass
        if self.collected.fit is None or not self._fits:
            self._refit()
        return self.collected

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._take(POLL_S)
        except BaseException as error:  # raised again by whoever calls `finish`
            self._error = error

    def _take(self, timeout_s: float) -> bool:
        try:
            trial = (
                self._cutter.trials.get(timeout=timeout_s) if timeout_s else self._cutter.trials.get_nowait()
            )
        except queue.Empty:
            return False
        info = self._decoder.info
        if info is None:
            raise ConfigError(
                "Collector: the decoder has no stream, need one that its trials come from; open it"
            )
        judged = judge_trial(trial, self._reject, info.labels, self._read, info.rate_hz, self._imagery_s)
        self._store.write(judged)
        self._add(judged)
        if judged.accepted and self._fits:
            self._refit()
        self._told(judged, self.collected)
        return True

    @property
    def _read(self) -> npt.NDArray[np.bool_]:
        return self._decoder.read

    def _add(self, trial: CalibrationTrial) -> None:
        self.collected.trials.append(trial)
        if trial.accepted:
            self.collected.features.append(read_trial(self._population, self._decoder.sessions, trial))

    def _refit(self) -> None:
        found = self.collected
        if self._decoder.channel_map is None and not found.features:
            return
        found.fit = fit_user(
            self._population,
            found.features,
            self._user,
            self._decoder.recipe.decision,
            montage=self._montage(),
            candidates=self._candidates,
        )
        if found.fit.judgement is not None:
            found.curve.append(found.fit.judgement.point())

    def _montage(self) -> list[str]:
        known = self._decoder.channel_map
        return [] if known is None else [wanted for wanted, _ in known.found]
