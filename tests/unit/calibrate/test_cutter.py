import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import RAW_AFTER_S, RAW_BEFORE_S, TrialCutter, timing_of
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.config import RunConfig
from rtbci.errors import ConfigError, RtbciError
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.stream.source import Chunk, FloatArray, StreamInfo
from tests.tiny import (
    HOP_S,
    Kept,
    MemorySource,
    chunks_of,
    eeg,
    stream_info,
    write_paradigm,
    write_tiny_profile,
)

RATE_HZ = 250.0
IMAGERY_S = 1.5
T0_S = 1000.0
BYTES = ("signal", "t_newest", "branch_logits", "logits", "raw_uv", "t_raw")


@pytest.fixture
def paradigm(tmp_path: Path) -> str:
    return str(write_paradigm(tmp_path))


@pytest.fixture
def decoder(paradigm: str) -> Iterator[CalibrationDecoder]:
    with CalibrationDecoder(paradigm) as one:
        yield one


def attached(decoder: CalibrationDecoder, info: StreamInfo | None = None) -> TrialCutter:
    cutter = TrialCutter(timing_of(decoder.recipe, IMAGERY_S))
    decoder.attach(cutter)
    if info is not None:
        decoder.open(info)
    return cutter


def taken(cutter: TrialCutter) -> list[CalibrationTrial]:
    return [cutter.trials.get_nowait() for _ in range(cutter.trials.qsize())]


def stamps(n_samples: int) -> FloatArray:
    return np.asarray(T0_S + np.arange(n_samples) / RATE_HZ)


def pushed(decoder: CalibrationDecoder, data: FloatArray, t_lsl: FloatArray, n_chunks: Sequence[int]) -> None:
    i, k = 0, 0
    while i < len(data):
        n = n_chunks[k % len(n_chunks)]
        decoder.push(data[i : i + n], t_lsl[i : i + n])
        i, k = i + n, k + 1


def same_bytes(one: CalibrationTrial, other: CalibrationTrial) -> bool:
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in BYTES)


def test_chunks_and_late_cues_change_no_byte(decoder: CalibrationDecoder) -> None:
    data, t_lsl = eeg(1500), stamps(1500)
    found: list[list[CalibrationTrial]] = []
    for n_chunks in ([1500], [1], [7, 64, 3], [40, 0]):
        cutter = attached(decoder, stream_info())
        cutter.cue(0, 0, T0_S + 1.7)
        cutter.cue(1, 1, T0_S + 3.1)
        pushed(decoder, data, t_lsl, n_chunks)
        found.append(taken(cutter))
    cutter = attached(decoder, stream_info())
    pushed(decoder, data, t_lsl, [33])
    assert not taken(cutter)
    cutter.cue(1, 1, T0_S + 3.1)
    cutter.cue(0, 0, T0_S + 1.7)
    cutter.cut()
    found.append(taken(cutter))
    for trials in found:
        assert [(one.i_trial, one.i_class, one.accepted) for one in trials] == [(0, 0, True), (1, 1, True)]
        assert all(same_bytes(one, first) for one, first in zip(trials, found[0], strict=True))


def test_a_trial_holds_what_its_timing_says(decoder: CalibrationDecoder) -> None:
    cutter = attached(decoder, stream_info(unit="millivolts"))
    cutter.cue(5, 1, T0_S + 2.0)
    data = eeg(1200)
    pushed(decoder, data / 1000.0, stamps(1200), [8])
    (trial,) = taken(cutter)
    timing = cutter.timing
    ends_s = trial.t_newest - trial.t_cue
    assert len(ends_s) == timing.n_windows
    assert IMAGERY_S - HOP_S < ends_s[-1] <= IMAGERY_S + 1e-6
    np.testing.assert_allclose(np.diff(ends_s), HOP_S, atol=1 / RATE_HZ)
    assert trial.signal.shape == (timing.n_hops * decoder.memory.shape.hop_samples, 3)
    assert trial.t_raw[0] == pytest.approx(-RAW_BEFORE_S, abs=1e-6)
    assert trial.t_raw[-1] == pytest.approx(IMAGERY_S + RAW_AFTER_S, abs=1e-6)
    np.testing.assert_allclose(trial.raw_uv, data[250:1001], rtol=1e-5)


def test_a_trial_is_given_when_the_next_hop_and_the_tail_are_there(decoder: CalibrationDecoder) -> None:
    cutter = attached(decoder, stream_info())
    cutter.cue(0, 0, T0_S + 1.0)
    n_tail = round((1.0 + IMAGERY_S + RAW_AFTER_S) * RATE_HZ)
    data, t_lsl = eeg(1500), stamps(1500)
    decoder.push(data[: n_tail + 1], t_lsl[: n_tail + 1])
    assert not taken(cutter)
    decoder.push(data[n_tail + 1 : n_tail + 2], t_lsl[n_tail + 1 : n_tail + 2])
    assert len(taken(cutter)) == 1


def test_what_it_says_is_what_a_plain_decoder_says(paradigm: str, decoder: CalibrationDecoder) -> None:
    data, t_lsl = eeg(1200), stamps(1200)
    attached(decoder, stream_info())
    with Decoder(paradigm) as plain:
        plain.open(stream_info())
        wanted = [one for chunk in chunks_of(data, t_lsl, 8) for one in plain.push(*chunk)]
        got = [one for chunk in chunks_of(data, t_lsl, 8) for one in decoder.push(*chunk)]
        needed = plain.n_needed
    assert decoder.n_needed == needed
    assert [one.estimate.t_window for one in got] == [one.estimate.t_window for one in wanted]
    for one, other in zip(got, wanted, strict=True):
        if other.estimate.logits is not None and one.estimate.logits is not None:
            np.testing.assert_allclose(one.estimate.logits, other.estimate.logits, atol=1e-6)


def test_a_break_rejects_the_trials_that_it_falls_into(decoder: CalibrationDecoder) -> None:
    cutter = attached(decoder, stream_info())
    for i, t_s in enumerate((1.2, 3.5, 4.7, 6.0)):
        cutter.cue(i, 0, T0_S + t_s)
    data, t_lsl = eeg(2500), stamps(2500)
    decoder.push(data[:1000], t_lsl[:1000])
    assert [(one.i_trial, one.reason) for one in taken(cutter)] == [(0, "")]
    decoder.restart()
    assert [(one.i_trial, one.reason) for one in taken(cutter)] == [(1, "gap")]
    decoder.push(data[1050:], t_lsl[1050:])  # cue 2 is behind the gap, but its first window's past is not
    assert [(one.i_trial, one.reason, one.accepted) for one in taken(cutter)] == [
        (2, "gap", False),
        (3, "", True),
    ]
    cutter.cue(9, 0, T0_S + 3.6)  # announced after the gap
    cutter.cut()
    (late,) = taken(cutter)
    assert (late.reason, late.signal.shape, late.raw_uv.shape) == ("gap", (0, 3), (0, 3))


def test_other_reasons_to_reject(decoder: CalibrationDecoder) -> None:
    cutter = attached(decoder, stream_info())
    cutter.cue(0, 0, T0_S + 0.2)
    data, t_lsl = eeg(8000), stamps(8000)
    decoder.push(data[:6500], t_lsl[:6500])
    cutter.cue(1, 1, T0_S + 2.0)
    cutter.cut()
    cutter.cue(2, 1, T0_S + 26.5)
    decoder.open(stream_info())
    cutter.cue(3, 0, T0_S + 30.0)
    decoder.swap_profile(None)
    cutter.cue(4, 0, T0_S + 31.0)
    cutter.abandon("stopped")
    assert [(one.i_trial, one.reason) for one in taken(cutter)] == [
        (0, "stream began after the cue"),
        (1, "cue came too late"),
        (2, "stream lost"),
        (3, "profile swapped"),
        (4, "stopped"),
    ]
    assert cutter.n_pending == 0


def test_the_end_of_a_recording_gives_what_has_its_windows(decoder: CalibrationDecoder) -> None:
    cutter = attached(decoder, stream_info())
    cutter.cue(0, 0, T0_S + 2.4)
    cutter.cue(1, 0, T0_S + 2.6)
    decoder.push(eeg(1000), stamps(1000))
    cutter.finish()
    first, second = taken(cutter)
    assert (first.accepted, first.t_newest[-1]) == (True, pytest.approx(T0_S + 3.9, abs=HOP_S))
    assert (second.accepted, second.reason) == (False, "recording ended")


def test_memory_does_not_grow(decoder: CalibrationDecoder) -> None:
    attached(decoder, stream_info())
    data, t_lsl = eeg(20_000), stamps(20_000)
    sizes = []
    for i in range(4):
        decoder.push(data[5000 * i : 5000 * (i + 1)], t_lsl[5000 * i : 5000 * (i + 1)])
        sizes.append(held_bytes(decoder))
    assert len(set(sizes)) == 1
    assert sizes[0] < 1_000_000
    assert not decoder._hops
    assert decoder.memory.raw(-np.inf, np.inf)[0].shape[0] <= 20.1 * RATE_HZ


def held_bytes(decoder: CalibrationDecoder) -> int:
    return sum(ring._rows.nbytes for ring in decoder.memory._rings)


def test_swapped_profiles_are_listened_to(decoder: CalibrationDecoder, paradigm: str, tmp_path: Path) -> None:
    cutter = attached(decoder, stream_info())
    data, t_lsl = eeg(1500), stamps(1500)
    decoder.push(data[:250], t_lsl[:250])
    decoder.swap_profile(write_tiny_profile(tmp_path / "p", Path(paradigm)))
    cutter.cue(0, 0, T0_S + 2.0)
    decoder.push(data[250:], t_lsl[250:])
    (trial,) = taken(cutter)
    np.testing.assert_allclose(trial.logits, -trial.branch_logits[:, 0])  # the profile's weight is -1


def test_settings_that_do_not_fit(paradigm: str, tmp_path: Path) -> None:
    recipe = read_paradigm(paradigm)
    with pytest.raises(ConfigError, match=r"imagery lasts 0\.25 s, need at least a window of 0\.5 s"):
        timing_of(recipe, 0.25)
    with pytest.raises(ConfigError, match="need at least a window"):
        timing_of(recipe, math.nan)
    marked = read_paradigm(str(write_paradigm(tmp_path / "marked", policy="marker")))
    with pytest.raises(ConfigError, match="locked to markers, need sliding windows"):
        timing_of(marked, 2.0)
    with CalibrationDecoder(marked) as decoder, pytest.raises(ConfigError, match="need sliding windows"):
        decoder.open(stream_info())
    other = read_paradigm(str(write_paradigm(tmp_path / "other", window_s=1.0)))
    with CalibrationDecoder(recipe) as decoder:
        with pytest.raises(
            ConfigError, match=r"windows of 1 s every 0\.0625 s, paradigm 'tiny' needs 0\.5 s"
        ):
            decoder.attach(TrialCutter(timing_of(other, 2.0)))
        with pytest.raises(RtbciError, match="no stream is open"):
            decoder.push(eeg(10), stamps(10))
    with pytest.raises(ConfigError, match="cue 0 is at nan s, need a finite time"):
        TrialCutter(timing_of(recipe, 2.0)).cue(0, 0, math.nan)


def run_live(decoder: CalibrationDecoder, sources: Iterable[MemorySource]) -> Kept:
    left = iter(sources)
    kept = Kept()
    config = RunConfig.model_validate({"watch": {"max_backlog_s": 1e3}, "stream": {"wait": True}})
    LiveRun(config, decoder, lambda _lost: next(left), [kept]).run(threading.Event())
    return kept


def test_live_run_needs_no_change(decoder: CalibrationDecoder) -> None:
    cutter = attached(decoder)
    data, t_lsl = eeg(3000), stamps(3000)
    t_lsl[1500:] += 0.3
    data[2300, 1] = np.nan
    chunks = list(chunks_of(data, t_lsl, 10))
    cues = [
        (40, 1.2),
        (110, 5.0),
        (190, 6.9),
        (215, 9.0),
        (250, 10.4),
    ]  # chunk at which it is told, time of the cue
    items: list[object] = []
    for i, chunk in enumerate(chunks):
        items += [
            lambda i_trial=k, t=t: cutter.cue(i_trial, 0, T0_S + t)
            for k, (at, t) in enumerate(cues)
            if at == i
        ]
        items.append(chunk)
    kept = run_live(decoder, [MemorySource(stream_info(), items)])  # type: ignore[arg-type]
    assert (len(kept.events("gap")), len(kept.events("not_finite"))) == (1, 1)
    assert [(one.i_trial, one.reason) for one in taken(cutter)] == [(0, ""), (1, "gap"), (2, ""), (3, "gap")]
    assert cutter.n_pending == 1


def test_a_stream_that_comes_back_has_lost_its_trial(decoder: CalibrationDecoder) -> None:
    from rtbci.errors import StreamLostError

    cutter = attached(decoder)
    data, t_lsl = eeg(1500), stamps(1500)
    lost: list[Chunk | Exception] = [Chunk(data[:500], t_lsl[:500]), StreamLostError("gone")]
    back: list[Chunk | Exception] = [Chunk(data[750:], t_lsl[750:])]
    cutter.cue(0, 0, T0_S + 1.5)
    kept = run_live(decoder, [MemorySource(stream_info(), one) for one in (lost, back)])
    assert len(kept.events("stream_recovered")) == 1
    assert [(one.i_trial, one.reason) for one in taken(cutter)] == [(0, "stream lost")]


def test_cues_come_from_any_thread(decoder: CalibrationDecoder) -> None:
    cutter = attached(decoder, stream_info())
    times = T0_S + 1.0 + 0.05 * np.arange(100)

    def tell(first: int) -> None:
        for i in range(first, 100, 4):
            cutter.cue(i, 0, float(times[i]))

    threads = [threading.Thread(target=tell, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    pushed(decoder, eeg(2500), stamps(2500), [50])
    for thread in threads:
        thread.join()
    cutter.cut()
    found = taken(cutter)
    assert sorted(one.i_trial for one in found) == list(range(100))
    assert all(one.accepted for one in found)


@pytest.mark.slow
def test_the_signal_of_a_trial_gives_what_the_branches_said() -> None:
    amp = SyntheticAmp(seed=3)
    data, markers = amp.generate(round(14 * amp.info.rate_hz))
    with CalibrationDecoder("motor_imagery") as decoder:
        cutter = TrialCutter(timing_of(decoder.recipe, 4.0))
        decoder.attach(cutter)
        decoder.open(amp.info)
        cue = next(one for one in markers if one.value != "rest")
        cutter.cue(0, decoder.classes.index(cue.value), cue.t_lsl)
        pushed(decoder, data, np.arange(len(data)) / amp.info.rate_hz, [8])
        (trial,) = taken(cutter)
        hop = decoder.memory.shape.hop_samples
        branches = decoder._parts.branches
        assert [branch.name for branch in branches] == ["encoder", "tangent"]
        assert np.ptp(trial.branch_logits, axis=0).max() > 0.05
        for i in range(len(trial.t_newest)):
            for i_branch, (branch, atol) in enumerate(zip(branches, (1e-5, 5e-3), strict=True)):
                logits = branch.logits_of(trial.window(i, hop).astype(np.float64))
                np.testing.assert_allclose(logits, trial.branch_logits[i, i_branch], atol=atol)
