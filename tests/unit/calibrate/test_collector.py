"""The collector on trials that are made up: what is kept, fitted, told, and what becomes of errors."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from rtbci.calibrate import collector as module
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.collector import Collected, Collector
from rtbci.calibrate.cutter import TrialCutter
from rtbci.calibrate.fit import fit_user
from rtbci.calibrate.quality import RejectSettings
from rtbci.calibrate.store import TrialStore, read_trials
from rtbci.calibrate.trial import CalibrationTrial, TrialTiming
from rtbci.errors import ConfigError, FileFormatError
from rtbci.recipes import DecisionSettings
from rtbci.stages.stage import FloatArray
from tests.probe_samples import sessions
from tests.tiny import stream_info
from tests.unit.calibrate.samples import RATE_HZ, pink, store_settings
from tests.unit.calibrate.user_samples import population, trial

IMAGERY_S = 3.0
PROFILE = population()


def decoder(info: Any = "stream") -> CalibrationDecoder:
    """What the collector asks of a decoder."""
    recipe = SimpleNamespace(
        decision=DecisionSettings(),
        classes=("left_hand", "right_hand"),
        input=SimpleNamespace(unit_check=True),
    )
    known = SimpleNamespace(found_labels=("C3", "C4"))
    info = stream_info(("C3", "C4")) if info == "stream" else info
    read = np.array([True, True])
    fake = SimpleNamespace(info=info, read=read, sessions=sessions(), recipe=recipe, channel_map=known)
    return cast("CalibrationDecoder", fake)


def raw() -> FloatArray:
    return pink(round((IMAGERY_S + 1.5) * RATE_HZ), 2)


def made(i_trial: int, *, good: bool = True) -> CalibrationTrial:
    uv = raw() if good else np.zeros_like(raw())
    t_raw = np.arange(len(uv)) / RATE_HZ - 1.0
    return replace(trial(i_trial, i_trial % 2, PROFILE), raw_uv=uv.astype(np.float32), t_raw=t_raw)


Told = list[tuple[int, bool, int]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def make(tmp_path: Path, told: Told) -> Callable[..., Collector]:
    def build(of: CalibrationDecoder | None = None, **settings: Any) -> Collector:
        def tell(one: CalibrationTrial, collected: Collected) -> None:
            told.append(
                (one.i_trial, one.accepted, 0 if collected.fit is None else collected.fit.profile.n_trials)
            )

        store = TrialStore(tmp_path / "store", store_settings(labels=["C3", "C4"]))
        return Collector(
            of or decoder(), PROFILE, store, "ada", RejectSettings(), IMAGERY_S, tell, **settings
        )

    return build


def cutter() -> TrialCutter:
    return TrialCutter(TrialTiming(1.0, 0.25, IMAGERY_S))


def test_trials_are_judged_kept_fitted_and_told(
    make: Callable[..., Collector], told: Told, tmp_path: Path
) -> None:
    collector = make()
    for i in range(3):
        collector.take(made(i, good=i != 1))
    found = collector.finish()
    assert told == [(0, True, 1), (1, False, 1), (2, True, 2)]
    assert [one.accepted for one in found.trials] == [True, False, True]
    assert "flat" in found.trials[1].reason
    assert found.n_accepted(2) == [2, 0]
    assert found.fit is not None
    assert (found.fit.profile.user, found.fit.profile.montage) == ("ada", ["C3", "C4"])
    assert [one.accepted for one in read_trials(tmp_path / "store").trials] == [True, False, True]


def test_without_fits_there_is_one_at_the_end(make: Callable[..., Collector], told: Told) -> None:
    collector = make(fits=False)
    for i in range(4):
        collector.take(made(i))
    assert collector.collected.fit is None
    assert collector.collected.judgement is None
    found = collector.finish()
    assert [n for *_, n in told] == [0, 0, 0, 0]
    assert found.judgement is not None
    assert [point.n_trials for point in found.curve] == [4]


def test_what_comes_during_a_fit_is_kept_at_once_and_fitted_together(
    make: Callable[..., Collector], told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, begun, go, whole = cutter(), threading.Semaphore(0), threading.Event(), fit_user
    n_fitted: list[int] = []

    def slow_fit(profile: Any, features: Any, *args: Any, **settings: Any) -> Any:
        n_fitted.append(len(features))
        begun.release()
        assert go.wait(30.0)
        return whole(profile, features, *args, **settings)

    monkeypatch.setattr(module, "fit_user", slow_fit)
    with make() as collector:
        collector.start(source)
        source.trials.put(made(0))
        assert begun.acquire(timeout=30.0)
        source.trials.put(made(1))
        source.trials.put(made(2))
        for _ in range(3000):  # the first fit goes on
            if collector._kept.qsize() == 2:
                break
            go.wait(0.01)
        assert [one.i_trial for one in read_trials(tmp_path / "store").trials] == [0, 1, 2]
        go.set()
        assert begun.acquire(timeout=30.0)
    assert n_fitted == [1, 3]
    assert told == [(0, True, 1), (1, True, 3), (2, True, 3)]


def test_a_thread_takes_what_is_cut_and_leaving_keeps_the_rest(
    make: Callable[..., Collector], told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, taken, go = cutter(), threading.Event(), threading.Event()
    whole = fit_user

    def slow_fit(*args: Any, **settings: Any) -> Any:
        taken.set()
        assert go.wait(30.0)
        return whole(*args, **settings)

    monkeypatch.setattr(module, "fit_user", slow_fit)
    with make() as collector:
        collector.start(source)
        source.trials.put(made(0))
        assert taken.wait(30.0)  # the thread is busy with its fit
        source.trials.put(made(1))
        source.trials.put(made(2))
        collector._ending.set()
        go.set()
    assert [i for i, *_ in told] == [0]
    assert [one.i_trial for one in read_trials(tmp_path / "store").trials] == [0, 1, 2]
    found = collector.finish()
    assert found.fit is not None
    assert found.fit.profile.n_trials == 3


def test_an_error_stops_who_leads_and_is_raised_at_the_end(
    make: Callable[..., Collector], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_args: Any, **_settings: Any) -> Any:
        raise FileFormatError("no fit")

    monkeypatch.setattr(module, "fit_user", fit)
    source, failed = cutter(), threading.Event()
    collector = make()
    collector.start(source, failed)
    source.trials.put(made(0))
    assert failed.wait(30.0)
    assert isinstance(collector.error, FileFormatError)
    source.trials.put(made(1))
    with pytest.raises(FileFormatError, match="no fit"):
        collector.finish()
    assert [one.i_trial for one in read_trials(tmp_path / "store").trials] == [0, 1]


def test_trials_of_an_earlier_run_count(make: Callable[..., Collector], told: Told) -> None:
    collector = make()
    collector.resume([made(0), made(1), made(2).rejected("not seen")])
    assert told == []
    assert collector.collected.n_accepted(2) == [1, 1]
    assert collector.finish().fit is not None


def test_no_trial_at_all_gives_the_population(make: Callable[..., Collector]) -> None:
    found = make().finish()
    assert found.fit is not None
    assert (found.fit.judgement, found.fit.profile.n_trials) == (None, 0)


def test_a_decoder_without_a_stream_is_refused(make: Callable[..., Collector]) -> None:
    with pytest.raises(ConfigError, match="the decoder has no stream, need one"):
        make(decoder(None)).take(made(0))
