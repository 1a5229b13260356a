"""A decoder of flashes as it runs: chunks, gaps, late markers, messages, sessions that are decoded again."""

import itertools
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rtbci.chaos.simulate import Outcome
from rtbci.errors import ConfigError, ProfileError
from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.judge import Selection, play
from rtbci.publish.messages import Event, Hello, Prediction
from rtbci.recipes import AdaptSettings, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.deciding import ByItem, deciding_for, evidence_of, item_policy
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.score import Score
from rtbci.runtime.verdict import Verdict
from rtbci.stream.recording import RecordingSource
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Marker
from rtbci.verify.verify import verify
from tests.chaos_samples import scenario
from tests.flash_samples import GROUPS, attended, fitted, write_flash_paradigm
from tests.tiny import write_tiny_profile
from tools.simulated_session import record_session


@pytest.fixture(scope="module")
def paradigm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the population's profile in it."""
    from rtbci.probe.profile import write_profile

    folder = write_flash_paradigm(tmp_path_factory.mktemp("flashes") / "tiny_flash", population=True)
    write_profile(folder / "population", fitted(folder))
    return folder


@pytest.fixture(scope="module")
def recording() -> Recording:
    return attended("dab", seed=4)


def check_same(found: list[Verdict], expected: list[Verdict]) -> None:
    """The same windows and decisions; probabilities as near as filters in chunks are to filters at once."""
    said = [[(one.estimate.marker, one.decision, one.why) for one in some] for some in (found, expected)]
    assert said[0] == said[1]
    items = [[one.items for one in some] for some in (found, expected)]
    np.testing.assert_allclose(np.array(items[0]), np.array(items[1]), atol=1e-7)


def test_it_spells_what_was_attended_to(paradigm: Path, recording: Recording) -> None:
    with Decoder(str(paradigm)) as decoder:
        verdicts = decoder.decode(recording)
    assert [one.decision for one in verdicts if one.decision] == ["d", "a", "b"]
    assert len(verdicts) == 3 * 6 * 4
    assert all(one.items is not None and abs(sum(one.items) - 1.0) < 1e-9 for one in verdicts)
    decided = [i for i, one in enumerate(verdicts) if one.decision]
    assert all(one.why == "decided" for one in verdicts[decided[0] + 1 : 24])
    assert decided[0] < 23  # sooner than when all flashes were over


@pytest.mark.parametrize("sizes", [(3,), (1, 50, 7), (16, 400)])
def test_how_the_stream_is_cut_changes_nothing(
    paradigm: Path, recording: Recording, sizes: tuple[int, ...]
) -> None:
    """Markers come with the chunk that they lie in, as live; or all before everything."""
    t_s = recording.sample_times()
    with Decoder(str(paradigm)) as decoder:
        at_once = decoder.decode(recording)
        decoder.open(recording.info)
        streamed: list[Verdict] = []
        i, k = 0, 0
        markers = list(recording.markers)
        while i < len(t_s):
            j = min(i + sizes[k % len(sizes)], len(t_s))
            while markers and markers[0].t_lsl <= t_s[j - 1]:
                decoder.mark(markers.pop(0))
            streamed += decoder.push(recording.data[i:j], t_s[i:j])
            i, k = j, k + 1
    check_same(streamed, at_once)


def test_markers_that_come_late_change_nothing(paradigm: Path, recording: Recording) -> None:
    """By up to 0.5 s: less than what a window takes to be complete."""
    t_s, rng = recording.sample_times(), np.random.default_rng(2)
    arrivals = sorted((one.t_lsl + rng.uniform(0.0, 0.5), one) for one in recording.markers)
    with Decoder(str(paradigm)) as decoder:
        expected = decoder.decode(recording)
        decoder.open(recording.info)
        found: list[Verdict] = []
        for i in range(0, len(t_s), 16):
            while arrivals and arrivals[0][0] <= t_s[min(i + 15, len(t_s) - 1)]:
                decoder.mark(arrivals.pop(0)[1])
            found += decoder.push(recording.data[i : i + 16], t_s[i : i + 16])
    check_same(found, expected)


def test_the_same_policy_decides_offline(paradigm: Path, recording: Recording) -> None:
    with Decoder(str(paradigm)) as decoder:
        verdicts = decoder.decode(recording)
        policy = item_policy(decoder.recipe, decoder.decision)
    first = [one for one in verdicts if one.estimate.marker is not None][:24]
    groups = tuple(one.estimate.marker.value.removeprefix("flash/") for one in first if one.estimate.marker)
    evidence = tuple(e for one in first if (e := evidence_of(one.estimate)) is not None)
    outcome = play(Selection("d", groups, evidence), policy)
    assert outcome.decision == "d"
    assert first[outcome.n_flashes - 1].decision == "d"


def test_windows_are_those_that_it_was_fitted_on(paradigm: Path, recording: Recording) -> None:
    """Cut from a recording and cut by the running decoder: the same evidence."""
    found = cut_epochs([recording], read_paradigm(str(paradigm)))
    with Decoder(str(paradigm)) as decoder:
        decoded = [one.estimate for one in decoder.decode(recording)]
        (branch,) = decoder.pipeline.branches
        scores = [branch.logits_of(epoch)[1] for epoch in found.epochs]
        fusion = fitted(paradigm)
    weight, bias = fusion.branches[0].weight, fusion.bias[1]
    expected = [(weight * one + bias) / fusion.temperature for one in scores]
    found_evidence = [e for one in decoded if (e := evidence_of(one)) is not None]
    np.testing.assert_allclose(found_evidence, expected, atol=1e-9)


def test_a_gap_keeps_complete_windows_and_tells_which_are_lost(paradigm: Path, recording: Recording) -> None:
    t_s = recording.sample_times()
    kept = (t_s < 4.0) | (t_s > 4.5)
    cut = Recording(recording.info, recording.data[kept], recording.markers, t_s[kept] - t_s[kept][0])
    with Decoder(str(paradigm)) as decoder:
        whole = decoder.decode(recording)
        assert decoder.lost_windows() == []
        found = decoder.decode(cut)
        lost = decoder.lost_windows()
    assert {one.reason for one in lost} <= {"gap", "before_start"}
    t_lost = [one.marker.t_lsl for one in lost]
    assert all(3.2 < t <= 4.5 for t in t_lost)
    assert len(found) == len(whole) - len(lost)
    t_before = 4.0 - 0.75
    before = [
        one.items for one in whole if one.estimate.marker and one.estimate.marker.t_lsl < t_before - 0.05
    ]
    assert [one.items for one in found][: len(before)] == before
    behind = next(one for one in found if one.estimate.marker and one.estimate.marker.t_lsl > 4.5)
    assert behind.items is not None
    assert max(behind.items) > 0.3  # not from the start again
    assert [one.decision for one in found if one.decision] == ["d", "a", "b"]


def test_without_trials_it_goes_from_item_to_item(paradigm: Path) -> None:
    with Decoder(str(paradigm)) as decoder:
        verdicts = decoder.decode(attended("cbd", seed=6, with_trials=False, with_cues=False))
    decisions = [one.decision for one in verdicts if one.decision]
    assert [item for item, _ in itertools.groupby(decisions)] == [
        "c",
        "b",
        "d",
    ]  # again while it is attended to


def test_flashes_of_unknown_groups_leave_the_items_alone(paradigm: Path, recording: Recording) -> None:
    markers = (Marker(2.0, "target"), Marker(2.4, "nontarget"), Marker(2.8, "other"), Marker(3.0, "cue/a"))
    with Decoder(str(paradigm)) as decoder:
        verdicts = decoder.decode(Recording(recording.info, recording.data, markers))
    assert [one.items for one in verdicts] == [(0.25,) * 4] * 2


def test_a_flash_in_bad_signal_counts_as_one_that_is_lost(paradigm: Path, recording: Recording) -> None:
    """What the guard refuses says nothing of the items, and the last flash decides nothing then."""
    with Decoder(str(paradigm)) as decoder:
        verdicts = decoder.decode(recording)[:24]
        refused, lost = (deciding_for(decoder.recipe, decoder.decision) for _ in range(2))
    assert isinstance(refused, ByItem)
    assert isinstance(lost, ByItem)
    refused.policy.min_flashes = lost.policy.min_flashes = 100  # to the end
    for marker in recording.markers:
        refused.mark(marker)
        lost.mark(marker)
    found = verdicts[0]
    for i, one in enumerate(verdicts):
        at = one.estimate.marker
        assert at is not None
        if i in (3, 9, 23):
            found = refused.verdict(one.estimate._replace(clean=0.5))
            lost.drop(at)
            assert (found.decision, found.why) == (None, "poor_signal")
        else:
            found = refused.verdict(one.estimate)
            assert found == lost.verdict(one.estimate)
            assert found.decision is None
    assert refused.policy.n_flashes == 21
    assert found.items == tuple(refused.policy.posterior.tolist())


def test_a_profile_of_items_does_not_fit(tmp_path: Path, paradigm: Path) -> None:
    from tests.tiny import write_paradigm

    other = write_tiny_profile(tmp_path / "p", write_paradigm(tmp_path / "tiny"))
    with pytest.raises(ProfileError, match="is for paradigm 'tiny'"):
        Decoder(str(paradigm), profile=other)


def test_adaptation_is_refused(paradigm: Path) -> None:
    with pytest.raises(ConfigError, match="decodes flashes, of which most are nontarget"):
        Decoder(str(paradigm), adapt=AdaptSettings())


def run(folder: Path, paradigm: Path, recording: Recording, *faults: dict[str, Any]) -> Outcome:
    """A live run on a recording in simulated time, recorded."""

    def source(clock: SimulatedClock) -> RecordingSource:
        return RecordingSource(
            recording.info,
            recording.data,
            recording.markers,
            chunk=8,
            realtime=True,
            clock=clock,
            sleep_until=clock.sleep_until,
        )

    what = scenario(*faults, duration_s=recording.duration_s - 0.5)
    return record_session(folder, what, source, {"paradigm": str(paradigm)})


def test_a_run_says_it_with_messages(tmp_path: Path, paradigm: Path, recording: Recording) -> None:
    outcome = run(tmp_path / "s", paradigm, recording)
    predictions = [one for one in outcome.messages if isinstance(one, Prediction)]
    assert outcome.error is None
    assert [one.decision for one in predictions if one.decision] == ["d", "a", "b"]
    assert all(one.classes == ("a", "b", "c", "d") for one in predictions)
    assert {one.why for one in predictions} == {None, "below_threshold", "decided"}
    events = [one for one in outcome.messages if isinstance(one, Event)]
    assert [one.value for one in events if one.kind == "decision"] == ["d", "a", "b"]
    markers = [one for one in events if one.kind == "marker"]
    assert [one.data["class"] for one in markers if one.data["part"] == "cue"] == ["d", "a", "b"]
    assert sum(one.data["part"] == "flash" for one in markers) == 72
    hello = next(one for one in outcome.messages if isinstance(one, Hello))
    assert (hello.classes, hello.window_s) == (("a", "b", "c", "d"), 0.75)
    score = Score()
    for message in outcome.messages:
        score.send(message)
    assert score.decided() == (3, 0, 0)
    assert score.confusion() == {("d", "d"): 1, ("a", "a"): 1, ("b", "b"): 1}


@pytest.mark.parametrize("with_faults", [False, True])
def test_a_session_is_decoded_again_bit_by_bit(
    tmp_path: Path, paradigm: Path, recording: Recording, with_faults: bool
) -> None:
    faults: list[dict[str, Any]] = [
        {"kind": "dropout", "per_minute": 15.0, "length_s": 0.01, "max_length_s": 0.1},
        {"kind": "vanish", "start_s": 9.0, "length_s": 0.5},
    ]
    outcome = run(tmp_path / "s", paradigm, recording, *(faults if with_faults else []))
    lost = [one for one in outcome.messages if isinstance(one, Event) and one.kind == "window_lost"]
    assert bool(lost) == with_faults
    assert all(one.value.removeprefix("flash/") in GROUPS and one.data["reason"] for one in lost)
    found = verify(tmp_path / "s")
    assert (found.verdict, found.exact, found.first) == ("identical", True, None)
    assert found.n_windows == found.n_windows_identical > 20


def test_a_selection_that_nobody_attends_to_ends_idle_and_the_next_one_is_decided(
    paradigm: Path, tmp_path: Path
) -> None:
    aware = write_flash_paradigm(tmp_path / "tiny_flash", "max_repetitions = 6\np_nobody = 0.1")
    recording = attended("a-b", seed=1)  # "-" is in no group, and its cue names no item
    for folder, none in ((paradigm, False), (aware, True)):
        with Decoder(str(folder), profile=fitted(paradigm)) as decoder:
            verdicts = decoder.decode(recording)
        decisions = [one.decision for one in verdicts if one.decision]
        assert decisions == (["a", "b"] if none else ["a", decisions[1], "b"])
    between = verdicts[24:48]
    assert between[-1].why == "idle"
    assert all(one.items is not None and abs(sum(one.items) - 1.0) < 1e-9 for one in between)


def test_the_electrodes_that_a_profile_in_use_knows_are_those_of_the_newest(paradigm: Path) -> None:
    profile = fitted(paradigm)
    known = profile.weights["electrodes.covariance"]
    other = msgspec.structs.replace(
        profile, weights=profile.weights | {"electrodes.covariance": known * [[9.0], [1.0], [1.0]]}
    )
    with Decoder(str(paradigm)) as decoder:
        decoder.open(attended("a").info)
        assert decoder.electrodes is not None
        judge = decoder.electrodes._judge
        before = judge._usual.copy()
        assert np.isfinite(before).all()
        decoder.use(decoder.prepare(other))
        assert judge._usual[0] - judge._usual[2] == pytest.approx(before[0] - before[2] + np.log(3.0))
        del other.weights["electrodes.covariance"]
        decoder.use(decoder.prepare(other))
        assert np.isnan(judge._usual).all()
