from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.errors import (
    ChannelError,
    ConfigError,
    ProfileError,
    RateError,
    RtbciError,
    SignalError,
    UnitError,
)
from rtbci.probe.profile import BranchEntry, Profile, join_tensors, read_profile
from rtbci.probe.profile_record import DecisionEntry
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import DecisionSettings, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stream.source import Channel, Marker, StreamInfo
from tests.tiny import LABELS, check_same, eeg, stream_info, write_paradigm, write_tiny_profile


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


def recording(seconds: float = 4.0, **changes: object) -> Recording:
    n = round(seconds * 250)
    return Recording(stream_info(), eeg(n), **changes)  # type: ignore[arg-type]


def test_a_recording_and_a_stream_give_the_same(paradigm: Path) -> None:
    whole = recording()
    t_s = whole.sample_times()
    with Decoder(str(paradigm)) as decoder:
        at_once = decoder.decode(whole)
        decoder.open(whole.info)
        streamed = [
            one for i in range(0, 1000, 7) for one in decoder.push(whole.data[i : i + 7], t_s[i : i + 7])
        ]
    assert len(at_once) == len(streamed) == 64
    for one, other in zip(at_once, streamed, strict=True):
        assert one.estimate.t_window == other.estimate.t_window
        assert (one.label, one.decision, one.why) == (other.label, other.decision, other.why)
        check_same(one.estimate.probs, other.estimate.probs, 1e-9)


def test_decoding_twice_gives_the_same(paradigm: Path) -> None:
    with Decoder(str(paradigm)) as decoder:
        first, second = decoder.decode(recording()), decoder.decode(recording())
    assert [one.label for one in first] == [one.label for one in second]
    assert first[0].label is None
    assert first[0].why == "warming_up"


def test_label_and_decision(paradigm: Path) -> None:
    with Decoder(
        str(paradigm), decision=DecisionSettings(threshold=0.9, dwell_s=0, smoothing_s=0)
    ) as decoder:
        verdicts = [one for one in decoder.decode(recording()) if one.estimate.probs is not None]
    decided = [one for one in verdicts if one.decision is not None]
    assert decided
    for one in verdicts:
        assert one.estimate.probs is not None
        assert one.label == decoder.classes[int(one.estimate.probs.argmax())]
        if one.decision is not None:
            assert one.decision == one.label
            assert one.estimate.probs.max() >= 0.9
            assert one.why is None
        else:
            assert one.why == "below_threshold"


def test_an_idle_class_is_never_decided_for(paradigm: Path) -> None:
    recipe = read_paradigm(str(paradigm)).model_copy(update={"classes": ("left_hand", "rest"), "markers": {}})
    with Decoder(recipe, decision=DecisionSettings(threshold=0.9, dwell_s=0, smoothing_s=0)) as decoder:
        verdicts = [one for one in decoder.decode(recording()) if one.label is not None]
    assert {one.decision for one in verdicts} == {"left_hand", None}
    for one in verdicts:
        assert (one.label == "rest") == (one.why == "idle")
    assert {one.why for one in verdicts} == {"below_threshold", "idle", None}


def test_no_window_spans_a_gap_of_a_recording(paradigm: Path) -> None:
    t_s = np.arange(1000) / 250
    t_s[500:] += 0.2
    with Decoder(str(paradigm)) as decoder:
        verdicts = decoder.decode(recording(t_s=t_s))
    spans = [one.estimate.t_window for one in verdicts]
    assert all(stop < t_s[500] or start >= t_s[500] for start, stop in spans)
    assert len([span for span in spans if span[0] >= t_s[500]]) == 32


def test_units_do_not_matter(paradigm: Path) -> None:
    whole = recording()
    volts = StreamInfo("v", "v", 250.0, tuple(Channel(label, "V") for label in LABELS))
    with Decoder(str(paradigm)) as decoder:
        wanted = decoder.decode(whole)
        got = decoder.decode(Recording(volts, whole.data * 1e-6))
        np.testing.assert_array_equal(decoder.gains_uv, 1e6)
        unnamed = StreamInfo("u", "u", 250.0, tuple(Channel(label) for label in LABELS))
        decoder.open(unnamed, unit="mV")
        np.testing.assert_array_equal(decoder.gains_uv, 1e3)
    for one, other in zip(wanted, got, strict=True):
        check_same(one.estimate.probs, other.estimate.probs, 1e-6)


def test_other_channels_are_not_read(paradigm: Path) -> None:
    whole = recording()
    info = stream_info(("EOG", "C4", "AUX", "Cz.", "EEG C3"))
    data = np.column_stack(
        [np.full(1000, np.nan), whole.data[:, 2], np.full(1000, np.inf), whole.data[:, 1], whole.data[:, 0]]
    )
    with Decoder(str(paradigm)) as decoder:
        wanted = decoder.decode(whole)
        got = decoder.decode(Recording(info, data))
        assert decoder.read.tolist() == [False, True, False, True, True]
    for one, other in zip(wanted, got, strict=True):
        assert one.label == other.label
        check_same(one.estimate.probs, other.estimate.probs, 1e-9)


def test_what_it_says_of_itself(paradigm: Path) -> None:
    with Decoder(str(paradigm)) as decoder:
        assert decoder.profile is None
        assert decoder.engine_ref.name == "tiny"
        assert len(decoder.engine_ref.id) == 64
        channel_map = decoder.open(stream_info())
        assert channel_map.interpolated == ()
        assert decoder.rate_hz == 128.0
        assert 0.02 < decoder.delay_s < 0.3
        assert decoder.n_needed == 14  # hop 8 at 128 Hz: output 7 needs input floor(7 * 125 / 64)


@pytest.mark.parametrize(
    "use",
    [
        lambda decoder: decoder.rate_hz,
        lambda decoder: decoder.n_needed,
        lambda decoder: decoder.delay_s,
        lambda decoder: decoder.push(np.zeros((1, 3)), np.zeros(1)),
        lambda decoder: decoder.mark(Marker(0.0, "T1")),
        lambda decoder: decoder.reset(),
        lambda decoder: decoder.restart(),
    ],
)
def test_before_a_stream_is_open(paradigm: Path, use: Callable[[Decoder], object]) -> None:
    wanted = r"Decoder: no stream is open, need its metadata first; call open\(info\)"
    with Decoder(str(paradigm)) as decoder, pytest.raises(RtbciError, match=wanted):
        use(decoder)


# -- refused -----------------------------------------------------------------------------------------


def test_streams_that_do_not_give_what_is_needed(paradigm: Path) -> None:
    with Decoder(str(paradigm)) as decoder:
        with pytest.raises(ChannelError, match="lacks 2 of the 3 channels needed"):
            decoder.open(stream_info(("C3", "X1", "X2")))
        with pytest.raises(
            RateError, match="has 50 Hz where the paradigm filters up to 30 Hz, need at least 63"
        ):
            decoder.open(stream_info(rate_hz=50.0))
        with pytest.raises(UnitError, match="unit 'furlong' is unknown, need V, mV, uV or nV"):
            decoder.open(stream_info(), unit="furlong")


def test_signals_of_a_wrong_unit_are_refused_within_a_second(paradigm: Path) -> None:
    data, t_s = eeg(500) * 1e-6, np.arange(500) / 250
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        decoder.push(data[:249], t_s[:249])
        with pytest.raises(UnitError, match="in V it would be plausible"):
            decoder.push(data[249:250], t_s[249:250])


def test_a_flat_signal_is_refused(paradigm: Path) -> None:
    with Decoder(str(paradigm)) as decoder, pytest.raises(SignalError, match="every channel is flat"):
        decoder.decode(Recording(stream_info(), np.zeros((500, 3))))


def test_the_unit_check_can_be_left_out(tmp_path: Path) -> None:
    with Decoder(str(write_paradigm(tmp_path, unit_check=False))) as decoder:
        assert len(decoder.decode(Recording(stream_info(), eeg(500) * 1e-9))) == 32


# -- profiles ----------------------------------------------------------------------------------------


def test_swapping_keeps_the_windows(paradigm: Path, tmp_path: Path) -> None:
    profile = write_tiny_profile(tmp_path / "profile", paradigm, weight=-1.0)
    whole = recording()
    t_s = whole.sample_times()
    with Decoder(str(paradigm)) as decoder:
        wanted = decoder.decode(whole)
        decoder.open(whole.info)
        decoder.push(whole.data[:500], t_s[:500])
        decoder.swap_profile(profile)
        assert decoder.profile is not None
        assert decoder.profile.user == "ada"
        swapped = decoder.push(whole.data[500:], t_s[500:])
        decoder.swap_profile(None)
        assert decoder.profile is None
    for one, other in zip(swapped, wanted[-len(swapped) :], strict=True):
        assert one.estimate.probs is not None
        assert other.estimate.probs is not None
        np.testing.assert_allclose(one.estimate.probs, other.estimate.probs[::-1], atol=1e-5)


def test_a_profile_that_does_not_fit_leaves_the_old_one(paradigm: Path, tmp_path: Path) -> None:
    unfit = write_tiny_profile(tmp_path / "unfit", write_paradigm(tmp_path / "other", hop_s=0.125))
    fits = write_tiny_profile(tmp_path / "fits", paradigm)
    with Decoder(str(paradigm), profile=fits) as decoder:
        with pytest.raises(ProfileError, match=r"hop_s 0\.125, need 0\.0625; calibrate again"):
            decoder.swap_profile(unfit)
        assert decoder.profile is not None
        assert decoder.profile.user == "ada"
        decoder.open(stream_info())


def test_a_profile_may_be_swapped_before_a_stream_is_open(paradigm: Path, tmp_path: Path) -> None:
    with Decoder(str(paradigm)) as decoder:
        decoder.swap_profile(write_tiny_profile(tmp_path / "profile", paradigm))
        turned = decoder.decode(recording())
    with Decoder(str(paradigm)) as decoder:
        plain = decoder.decode(recording())
    assert turned[-1].label != plain[-1].label


def with_policy(folder: Path, paradigm: Path, **changes: object) -> Profile:
    policy = DecisionEntry(threshold=0.6, dwell_s=0.0, refractory_s=1.0, smoothing_s=0.0)
    profile = read_profile(write_tiny_profile(folder, paradigm))
    return msgspec.structs.replace(profile, decision=msgspec.structs.replace(policy, **changes))


def test_the_policy_is_the_configurations_then_the_profiles_then_the_recipes(
    paradigm: Path, tmp_path: Path
) -> None:
    profile = with_policy(tmp_path / "ada", paradigm)
    with Decoder(str(paradigm)) as decoder:
        assert (decoder.decision, decoder.decision_from) == (decoder.recipe.decision, "recipe")
        decoder.swap_profile(profile)
        assert decoder.decision_from == "profile"
        assert decoder.decision == DecisionSettings(threshold=0.6, dwell_s=0, refractory_s=1, smoothing_s=0)
        decoder.swap_profile(None)
        assert (decoder.decision, decoder.decision_from) == (decoder.recipe.decision, "recipe")
    given = DecisionSettings(threshold=0.99)
    with Decoder(str(paradigm), profile=profile, decision=given) as decoder:
        assert (decoder.decision, decoder.decision_from) == (given, "configuration")
        decoder.swap_profile(None)
        assert (decoder.decision, decoder.decision_from) == (given, "configuration")


def test_the_profiles_policy_decides(paradigm: Path, tmp_path: Path) -> None:
    profile = with_policy(tmp_path / "ada", paradigm, threshold=0.9)
    with Decoder(str(paradigm), profile=profile) as decoder:
        verdicts = decoder.decode(recording())
    with Decoder(str(paradigm), profile=write_tiny_profile(tmp_path / "plain", paradigm)) as decoder:
        decided = [one.decision for one in decoder.decode(recording())]
    times = [one.estimate.t_window[1] for one in verdicts if one.decision]
    assert times
    assert min(np.diff(times), default=1.0) >= 1.0 - 1e-3
    assert all(
        max(one.estimate.probs) >= 0.9 for one in verdicts if one.decision and one.estimate.probs is not None
    )
    assert sum(one is not None for one in decided) > len(times)


def test_a_pause_after_a_decision_goes_on_through_a_swap(paradigm: Path, tmp_path: Path) -> None:
    """With the new policy's length: a swap neither lets a second decision through nor lengthens the pause."""
    whole = recording(6.0)
    t_s = whole.sample_times()
    one = with_policy(tmp_path / "ada", paradigm, threshold=0.5)
    longer = with_policy(tmp_path / "bob", paradigm, threshold=0.5, refractory_s=2.0)
    i = 500  # in the middle of a pause
    for new, pause_s in ((one, 1.0), (longer, 2.0)):
        with Decoder(str(paradigm), profile=one) as decoder:
            decoder.open(whole.info)
            before = decoder.push(whole.data[:i], t_s[:i])
            decoder.swap_profile(new)
            after = decoder.push(whole.data[i:], t_s[i:])
        last = max(verdict.estimate.t_window[1] for verdict in before if verdict.decision)
        first = min(verdict.estimate.t_window[1] for verdict in after if verdict.decision)
        assert last < t_s[i] < last + pause_s
        assert pause_s - 1e-3 <= first - last < pause_s + 2 * 0.0625


def test_a_profile_of_another_cap_is_refused(paradigm: Path, tmp_path: Path) -> None:
    folder = write_tiny_profile(tmp_path / "ada", paradigm)
    profile = msgspec.structs.replace(read_profile(folder), montage=["C3", "C4"])
    recipe = read_paradigm(str(paradigm))
    loose = recipe.model_copy(update={"input": recipe.input.model_copy(update={"max_interpolated": 0.5})})
    whole = msgspec.structs.replace(profile, montage=list(LABELS))
    with (
        Decoder(loose, profile=whole) as decoder,
        pytest.raises(ProfileError, match=r"was calibrated with 3 electrodes .* has 2: it lacks CZ"),
    ):
        decoder.open(stream_info(("C3", "C4", "FCz")))
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        with pytest.raises(ProfileError, match="it adds CZ"):
            decoder.swap_profile(profile)
        assert decoder.profile is None
        prepared = decoder.prepare(folder)
        decoder.use(prepared)
        assert decoder.profile is not None


def test_what_was_prepared_for_another_stream_is_checked_again(paradigm: Path, tmp_path: Path) -> None:
    recipe = read_paradigm(str(paradigm))
    loose = recipe.model_copy(update={"input": recipe.input.model_copy(update={"max_interpolated": 0.5})})
    folder = write_tiny_profile(tmp_path / "ada", paradigm)
    profile = msgspec.structs.replace(read_profile(folder), montage=list(LABELS))
    with Decoder(loose) as decoder:
        decoder.open(stream_info())
        prepared = decoder.prepare(profile)
        decoder.open(stream_info(("C3", "C4", "FCz")))
        with pytest.raises(ProfileError, match="it lacks CZ"):
            decoder.use(prepared)
        assert decoder.profile is None


def test_a_swap_in_steps_is_the_same_as_at_once(paradigm: Path, tmp_path: Path) -> None:
    whole = recording()
    t_s = whole.sample_times()
    found = []
    for in_steps in (False, True):
        with Decoder(str(paradigm)) as decoder:
            decoder.open(whole.info)
            prepared = decoder.prepare(write_tiny_profile(tmp_path / f"{in_steps}", paradigm))
            decoder.push(whole.data[:400], t_s[:400])
            while in_steps and not decoder.warm(prepared, 3):
                pass
            decoder.push(whole.data[400:500], t_s[400:500])
            decoder.use(prepared)
            found.append(decoder.push(whole.data[500:], t_s[500:]))
    for one, other in zip(*found, strict=True):
        check_same(one.estimate.probs, other.estimate.probs, 1e-12)
        assert one.estimate.probs is not None


def test_branches_of_a_user_may_be_others(paradigm: Path, tmp_path: Path) -> None:
    """A tangent branch beside the engine: swapped in warm, gone again with the next swap."""
    base = read_profile(write_tiny_profile(tmp_path / "ada", paradigm))
    rng = np.random.default_rng(0)
    probe = TangentProbe(np.eye(3)[None], rng.standard_normal((2, 6)), np.zeros(2), 0.1)
    own = BranchEntry(name="mine", kind="tangent", bands_hz=[(8.0, 30.0)])
    profile = msgspec.structs.replace(
        base, branches=[*base.branches, own], weights=base.weights | join_tensors({"mine": probe})
    )
    whole = recording()
    t_s = whole.sample_times()
    with Decoder(str(paradigm)) as decoder:
        plain = decoder.decode(whole)
        decoder.open(whole.info)
        decoder.push(whole.data[:500], t_s[:500])
        decoder.swap_profile(profile)
        with_own = decoder.push(whole.data[500:700], t_s[500:700])
        decoder.swap_profile(None)
        after = decoder.push(whole.data[700:], t_s[700:])
    assert all(one.estimate.probs is not None for one in with_own + after)
    for one, other in zip(after, plain[-len(after) :], strict=True):
        check_same(one.estimate.probs, other.estimate.probs, 1e-6)


# -- markers -----------------------------------------------------------------------------------------


def test_windows_locked_to_markers(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path, policy="marker", t_min_s=0.25)))
    markers = (Marker(1.0, "T1"), Marker(2.0, "T2"), Marker(3.9, "too near the end"))
    with Decoder(recipe) as decoder:
        verdicts = decoder.decode(recording(markers=markers))
    assert [one.estimate.marker for one in verdicts] == list(markers[:2])
    for one, marker in zip(verdicts, markers, strict=False):
        assert one.estimate.t_window[0] == pytest.approx(marker.t_lsl + 0.25, abs=1 / 128)
        assert one.estimate.probs is not None


def test_unknown_recipe() -> None:
    with pytest.raises(ConfigError, match="paradigms: no recipe 'nothing'"):
        Decoder("nothing")


def test_close_twice(paradigm: Path) -> None:
    decoder = Decoder(str(paradigm))
    decoder.close()
    decoder.close()
