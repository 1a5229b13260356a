"""Every fault, and the promise of all of them: the same whatever the chunking."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtbci.chaos.clock_faults import ClockFault
from rtbci.chaos.flow import Action, Appear, Disappear, Samples
from rtbci.chaos.injector import Injector
from rtbci.chaos.scenario import list_scenarios, read_scenario
from rtbci.errors import ChannelError
from rtbci.stream.source import Chunk
from tests.chaos_samples import INFO, RATE_HZ, T0_LSL, all_samples, infos, inject, scenario, signal

ALL: list[dict[str, Any]] = [
    {"kind": "dropout", "per_minute": 30.0, "length_s": 0.004, "max_length_s": 0.2},
    {"kind": "burst", "per_minute": 20.0, "length_s": 0.1, "max_length_s": 0.7},
    {"kind": "jitter", "start_s": 1.0, "length_s": 3.0, "packet": 3, "stamps": True},
    {"kind": "drift", "start_s": 0.5, "length_s": 2.0, "ppm": 500.0},
    {"kind": "clock_jump", "per_minute": 30.0, "length_s": 0.5, "offset_s": -2.0},
    {"kind": "clock_reset", "per_minute": 20.0, "to_s": 5.0},
    {"kind": "duplicate", "per_minute": 30.0, "length_s": 0.05, "times": 3},
    {"kind": "nan", "per_minute": 20.0, "length_s": 0.1, "n_channels": 1},
    {"kind": "inf", "start_s": 2.0, "length_s": 0.1},
    {"kind": "saturation", "per_minute": 20.0, "length_s": 0.3, "n_channels": 2},
    {"kind": "flat", "start_s": 1.5, "length_s": 0.4},
    {"kind": "line_noise", "start_s": 0.2, "length_s": 1.0, "channels": ["C4"]},
    {"kind": "noise", "start_s": 0.4, "length_s": 1.0, "n_channels": 2},
    {"kind": "vanish", "per_minute": 20.0, "length_s": 0.1, "max_length_s": 0.6, "rate_hz": 400.0},
    {"kind": "vanish", "start_s": 3.5, "length_s": 0.3, "labels": "permuted", "source_id": "other"},
    {"kind": "twin", "start_s": 1.0, "length_s": 2.0},
]


def same(actions: list[Action], wanted: list[Action]) -> None:
    def events(all_: list[Action]) -> list[Action]:
        # The same actions; between streams only their times give an order.
        return sorted((one for one in all_ if not isinstance(one, Samples)), key=lambda one: one.t_due)

    assert events(actions) == events(wanted)
    lives = {one.life for one in wanted if isinstance(one, Samples)}
    assert {one.life for one in actions if isinstance(one, Samples)} == lives
    for life in lives:
        for array, other in zip(all_samples(actions, life), all_samples(wanted, life), strict=True):
            np.testing.assert_array_equal(array, other)


@given(
    cuts=st.lists(st.integers(0, 1250), max_size=30),
    seed=st.integers(0, 1000),
    which=st.sets(st.integers(0, 15)),
)
@example(
    cuts=[946], seed=334, which=set(range(16)) - {12, 15}
)  # away for two reasons, and the second is left when the cut comes
@settings(max_examples=60, deadline=None)
def test_any_chunking_gives_the_same(cuts: list[int], seed: int, which: set[int]) -> None:
    what, chunk = scenario(*(ALL[i] for i in sorted(which)), seed=seed), signal(5.0)
    before = chunk.data.copy()
    actions, records = inject(what, chunk, cuts)
    wanted, wanted_records = inject(what, chunk)
    same(actions, wanted)
    assert records == wanted_records
    np.testing.assert_array_equal(chunk.data, before)


@pytest.mark.parametrize("name", list_scenarios())
def test_shipped_scenarios_sample_by_sample(name: str) -> None:
    what, chunk = read_scenario(name), signal(30.0, 50.0)
    actions, records = inject(what, chunk, range(1, 1500))
    wanted, wanted_records = inject(what, chunk)
    same(actions, wanted)
    assert records == wanted_records


def test_another_seed_gives_other_faults() -> None:
    chunk = signal(60.0)
    starts = [[one.t_s for one in inject(scenario(ALL[0], seed=seed), chunk)[1]] for seed in (1, 2)]
    assert starts[0] != starts[1]
    assert 10 <= len(starts[0]) <= 60  # 30 a minute, at random
    assert inject(scenario(ALL[0], seed=1), chunk)[1] == inject(scenario(ALL[0], seed=1), chunk)[1]


def test_nothing_goes_wrong_without_faults() -> None:
    chunk = signal(1.0)
    actions, records = inject(scenario(), chunk, [100, 100])
    data, t_lsl, t_due = all_samples(actions)
    np.testing.assert_array_equal(data, chunk.data)
    np.testing.assert_array_equal(t_lsl, chunk.t_lsl)
    np.testing.assert_array_equal(t_due, chunk.t_lsl)
    assert not records
    assert actions[0] == Appear(-np.inf, 0, INFO)


def test_records_say_when_and_what() -> None:
    fault = {"kind": "nan", "start_s": 2.1, "length_s": 0.1, "channels": ["c4"]}
    _, (record,) = inject(scenario(fault), signal(3.0), [7, 524, 526])
    assert (record.kind, record.fault, record.number, record.t_s) == ("nan", 0, 0, 2.1)
    assert record.t_lsl == T0_LSL + 525 / RATE_HZ
    assert record.length_s == pytest.approx(0.1)
    assert record.data == {"channels": "C4"}


def test_dropout() -> None:
    fault = {"kind": "dropout", "start_s": 2.1, "length_s": 0.1}
    data, t_lsl, _ = all_samples(inject(scenario(fault), signal(3.0))[0])
    kept = [*range(525), *range(550, 750)]
    assert data[:, 3].tolist() == kept
    np.testing.assert_array_equal(t_lsl, T0_LSL + np.array(kept) / RATE_HZ)


def test_duplicate() -> None:
    fault = {"kind": "duplicate", "start_s": 1.0, "length_s": 0.008, "times": 3}
    data, t_lsl, _ = all_samples(inject(scenario(fault), signal(2.0))[0])
    assert data[248:258, 3].tolist() == [248, 249, 250, 250, 250, 251, 251, 251, 252, 253]
    assert t_lsl[250] == t_lsl[252] == T0_LSL + 1.0


@pytest.mark.parametrize(("kind", "wanted"), [("nan", np.isnan), ("inf", np.isinf)])
def test_not_finite(kind: str, wanted: Any) -> None:
    fault = {"kind": kind, "start_s": 1.0, "length_s": 0.2, "n_channels": 2}
    actions, (record,) = inject(scenario(fault), signal(2.0))
    data = all_samples(actions)[0]
    names = str(record.data["channels"]).split(",")
    columns = [INFO.labels.index(name) for name in names]
    assert len(columns) == 2
    assert wanted(data[250:300, columns]).all()
    data[250:300, columns] = 0.0
    assert np.isfinite(data).all()
    np.testing.assert_array_equal(data[:, 3], np.arange(500))  # only EEG is touched


def test_saturation_flat_line_noise_and_noise() -> None:
    chunk = signal(2.0)
    times = {"start_s": 1.0, "length_s": 0.2}
    saturated = all_samples(inject(scenario({"kind": "saturation", "level": 500.0, **times}), chunk)[0])[0]
    assert (np.abs(saturated[250:300, :3]) == 500.0).all()
    assert (saturated[250:300, :3] == saturated[250, :3]).all()
    flat = all_samples(inject(scenario({"kind": "flat", **times}), chunk, [270])[0])[0]
    assert (flat[250:300, :3] == chunk.data[250, :3]).all()
    hum = {"kind": "line_noise", "freq_hz": 50.0, "amplitude": 7.0, **times}
    noisy = all_samples(inject(scenario(hum), chunk, [260])[0])[0]
    added = (noisy - chunk.data)[250:300, 0]
    np.testing.assert_allclose(added, 7.0 * np.sin(2 * np.pi * 50.0 * np.arange(50) / RATE_HZ), atol=1e-9)
    loose = all_samples(inject(scenario({"kind": "noise", "amplitude": 50.0, **times}), chunk, [270])[0])[0]
    assert 40.0 < (loose - chunk.data)[250:300, :3].std() < 60.0
    for data in (saturated, flat, noisy, loose):
        np.testing.assert_array_equal(data[300:], chunk.data[300:])
        np.testing.assert_array_equal(data[:250], chunk.data[:250])


def test_burst_and_jitter_change_only_when_samples_come() -> None:
    chunk = signal(3.0)
    data, t_lsl, t_due = all_samples(
        inject(scenario({"kind": "burst", "start_s": 1.0, "length_s": 0.5}), chunk)[0]
    )
    np.testing.assert_array_equal(data, chunk.data)
    np.testing.assert_array_equal(t_lsl, chunk.t_lsl)
    np.testing.assert_allclose(t_due[250:375], T0_LSL + 1.5)
    np.testing.assert_array_equal(t_due[375:], chunk.t_lsl[375:])
    fault = {"kind": "jitter", "start_s": 1.0, "length_s": 1.0, "jitter_s": 0.05, "packet": 5}
    data, t_lsl, t_due = all_samples(inject(scenario(fault), chunk)[0])
    late_s = t_due - chunk.t_lsl
    assert (np.diff(t_due) >= 0).all()
    assert late_s[250:500].max() > 0.03
    assert late_s[250:500].max() <= 0.05 + 1e-9
    assert (late_s[:250] == 0.0).all()
    np.testing.assert_array_equal(t_lsl, chunk.t_lsl)
    _, stamped, t_due = all_samples(inject(scenario({**fault, "stamps": True}), chunk)[0])
    np.testing.assert_allclose(stamped[250:500], t_due[250:500])


def test_clocks() -> None:
    chunk = signal(4.0)
    drift = {"kind": "drift", "start_s": 1.0, "length_s": 2.0, "ppm": 500.0}
    off_s = all_samples(inject(scenario(drift), chunk)[0])[1] - chunk.t_lsl
    np.testing.assert_allclose(off_s[[0, 250, 500, 750, 999]], [0, 0, 0.0005, 0.001, 0.001], atol=1e-9)
    jump = {"kind": "clock_jump", "start_s": 1.0, "length_s": 2.0, "offset_s": -3.0}
    off_s = all_samples(inject(scenario(jump), chunk)[0])[1] - chunk.t_lsl
    np.testing.assert_allclose(off_s[[249, 250, 749, 750]], [0, -3, -3, 0], atol=1e-9)
    del jump["length_s"]
    assert all_samples(inject(scenario(jump), chunk)[0])[1][-1] == pytest.approx(chunk.t_lsl[-1] - 3.0)
    reset = {"kind": "clock_reset", "start_s": 1.0, "to_s": 2.0}
    t_lsl = all_samples(inject(scenario(reset), chunk, [250])[0])[1]
    np.testing.assert_allclose(t_lsl[250:], 2.0 + np.arange(750) / RATE_HZ)
    np.testing.assert_array_equal(t_lsl[:250], chunk.t_lsl[:250])


def test_a_stream_that_vanishes_and_returns() -> None:
    fault = {"kind": "vanish", "start_s": 1.0, "length_s": 0.5}
    actions, _ = inject(scenario(fault), signal(2.0))
    assert [type(one) for one in actions] == [Appear, Samples, Disappear, Appear, Samples]
    assert actions[2] == Disappear(T0_LSL + 1.0, 0)
    assert actions[3] == Appear(T0_LSL + 1.5, 1, INFO)
    assert all_samples(actions, 0)[0][:, 3].tolist() == list(range(250))
    assert all_samples(actions, 1)[0][:, 3].tolist() == list(range(375, 500))


def test_what_changes_while_a_stream_is_away() -> None:
    times, chunk = {"kind": "vanish", "start_s": 1.0, "length_s": 0.5}, signal(2.0)
    actions, _ = inject(scenario({**times, "labels": "permuted"}), chunk)
    info = infos(actions)[1]
    assert sorted(info.labels) == sorted(INFO.labels)
    assert info.labels != INFO.labels
    data = all_samples(actions, 1)[0]
    for column, label in enumerate(info.labels):  # what belongs to a label stays with it
        np.testing.assert_array_equal(data[:, column], chunk.data[375:, INFO.labels.index(label)])
    renamed = infos(inject(scenario({**times, "labels": "renamed"}), chunk)[0])[1]
    assert renamed.labels == ("X1", "X2", "X3", "X4")
    other = infos(inject(scenario({**times, "source_id": "other"}), chunk)[0])[1]
    assert other.source_id != INFO.source_id
    assert other.name == INFO.name


def test_another_rate_interpolates_and_leaves_gaps_as_they_are() -> None:
    faults = [
        {"kind": "vanish", "start_s": 1.0, "length_s": 0.5, "rate_hz": 500.0},
        {"kind": "dropout", "start_s": 1.8, "length_s": 0.1},
    ]
    actions, _ = inject(scenario(*faults), signal(3.0), [380, 381, 500])
    assert infos(actions)[1].rate_hz == 500.0
    data, t_lsl, _ = all_samples(actions, 1)
    steps = np.diff(data[:, 3])
    assert data[0, 3] == 375
    assert np.isclose(steps, 0.5).sum() == len(steps) - 1
    assert steps.max() == pytest.approx(26.0)  # 0.1 s missing, and what lies beside it
    np.testing.assert_allclose(t_lsl, T0_LSL + data[:, 3] / RATE_HZ)


def test_a_twin_has_the_name_and_other_samples() -> None:
    fault = {"kind": "twin", "start_s": 1.0, "length_s": 0.5}
    actions, (record,) = inject(scenario(fault), signal(2.0))
    first, twin = infos(actions)
    assert (twin.name, twin.source_id) == (first.name, "s-id-twin")
    assert record.data == {"source_id": "s-id-twin"}
    life = next(one.life for one in actions if isinstance(one, Appear) and one.info is twin)
    data = all_samples(actions, life)[0]
    np.testing.assert_array_equal(data[:, 0], np.arange(250, 375))
    np.testing.assert_array_equal(all_samples(actions, 0)[0][:, 3], np.arange(500))
    assert sum(isinstance(one, Disappear) for one in actions) == 1
    same_id = infos(inject(scenario({**fault, "source_id": "same"}), signal(2.0))[0])[1]
    assert same_id == INFO


def test_channels_that_are_not_there_are_refused() -> None:
    fault = {"kind": "flat", "start_s": 1.0, "length_s": 0.5, "channels": ["C3", "FP9"]}
    with pytest.raises(ChannelError, match=r"scenario names channels FP9, stream 's' has C3, CZ, C4, INDEX"):
        Injector(scenario(fault), INFO)


def test_empty_chunks_are_legal() -> None:
    injector = Injector(scenario(*ALL), INFO)
    assert injector.push(Chunk(np.empty((0, 4)), np.empty(0))) == ([], [])


def test_a_clock_that_is_wrong_again_and_again_takes_no_longer_every_time() -> None:
    for fault in ({"kind": "drift", "ppm": 100.0}, {"kind": "clock_jump", "offset_s": 1.0}):
        what = scenario({"per_minute": 60.0, "length_s": 0.1, **fault})
        injector, chunk = Injector(what, INFO), signal(1.0)
        (clock,) = [one for one, _ in injector._in_flow if isinstance(one, ClockFault)]
        n_begun, n_held = 0, []
        for i in range(100):
            n_begun += len(injector.push(Chunk(chunk.data, chunk.t_lsl + i)).records)
            n_held.append(len(clock._begun))
        assert n_begun > 50
        assert max(n_held) < 10
