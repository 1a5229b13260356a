import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt, welch

from rtbci.amp.synthetic import Signal, SyntheticAmp
from rtbci.errors import ChannelError, ConfigError
from rtbci.stream.source import FloatArray, Marker

RATE_HZ = 160.0
CHANNELS = ["FP1", "FPZ", "FP2", "F7", "F8", "FZ", "C3", "CZ", "C4", "T7", "T8", "PZ", "O1", "O2"]
SILENT = Signal(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def minutes() -> tuple[FloatArray, list[Marker]]:
    """Four minutes without blinks."""
    amp = SyntheticAmp(CHANNELS, RATE_HZ, seed=5, signal=Signal(blink_every_s=0.0))
    return amp.generate(round(240 * RATE_HZ))


def column(data: FloatArray, label: str) -> FloatArray:
    picked: FloatArray = data[:, CHANNELS.index(label)]
    return picked


def power(x: FloatArray, low_hz: float, high_hz: float) -> float:
    hz, density = welch(x, RATE_HZ, nperseg=512)
    return float(density[(hz >= low_hz) & (hz < high_hz)].mean())


def trials(
    data: FloatArray, markers: list[Marker], from_s: float, to_s: float
) -> list[tuple[str, FloatArray]]:
    cut = [
        (m.value, data[round((m.t_lsl + from_s) * RATE_HZ) : round((m.t_lsl + to_s) * RATE_HZ)])
        for m in markers
        if m.value != "rest"
    ]
    return [(label, x) for label, x in cut if len(x) == round((to_s - from_s) * RATE_HZ)]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=8))
def test_any_chunking_gives_the_same_samples_and_markers(cuts: list[int]) -> None:
    n = 1000
    whole, markers = SyntheticAmp(CHANNELS, RATE_HZ, seed=3).generate(n)
    amp = SyntheticAmp(CHANNELS, RATE_HZ, seed=3)
    edges = [0, *sorted({cut for cut in itertools.accumulate(cuts) if cut < n}), n]
    parts = [amp.generate(stop - start) for start, stop in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate([data for data, _ in parts]), whole)
    assert [m for _, some in parts for m in some] == markers
    for (start, stop), (_, some) in zip(itertools.pairwise(edges), parts, strict=True):
        assert all(start <= round(m.t_lsl * RATE_HZ) < stop for m in some)


def test_seeds_and_only_seeds_make_a_difference() -> None:
    first, again, other = (SyntheticAmp(CHANNELS, RATE_HZ, seed).generate(320)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1.0


def test_amplitudes_are_those_of_eeg(minutes: tuple[FloatArray, list[Marker]]) -> None:
    data, _ = minutes
    assert np.isfinite(data).all()
    assert data.std(0).min() > 9
    assert data.std(0).max() < 30


def test_background_falls_with_frequency() -> None:
    quiet = Signal(
        alpha_uv=0, mu_uv=0, beta_uv=0, blink_every_s=0, saccade_uv=0, line_uv=0, drift_uv=0, noise_uv=0
    )
    data, _ = SyntheticAmp(CHANNELS, RATE_HZ, 2, signal=quiet).generate(round(120 * RATE_HZ))
    hz, density = welch(data, RATE_HZ, nperseg=1024, axis=0)
    inside = (hz > 1) & (hz < 40)
    slope = np.polyfit(np.log(hz[inside]), np.log(density[inside].mean(axis=1)), 1)[0]
    assert -1.5 < slope < -0.9
    # dipoles, not channels: neighbours share their signal
    assert np.corrcoef(column(data, "FP1"), column(data, "FP2"))[0, 1] > 0.5


def test_alpha_is_posterior(minutes: tuple[FloatArray, list[Marker]]) -> None:
    data, _ = minutes
    for label in ("O1", "O2"):
        assert power(column(data, label), 9, 12) > 4 * power(column(data, label), 5, 7)
        assert power(column(data, label), 9, 12) > 8 * power(column(data, "FZ"), 9, 12)


@pytest.mark.parametrize("band_hz", [(10.0, 12.5), (18.0, 25.0)])
def test_rhythms_fall_over_the_other_hand_area(
    minutes: tuple[FloatArray, list[Marker]], band_hz: tuple[float, float]
) -> None:
    data, markers = minutes
    y = np.asarray(sosfilt(butter(4, band_hz, "bandpass", fs=RATE_HZ, output="sos"), data, axis=0))
    mean: dict[tuple[str, str], float] = {}
    for side in ("left_hand", "right_hand"):
        for label in ("C3", "C4"):
            mean[side, label] = float(
                np.mean([column(x, label).var() for what, x in trials(y, markers, 1.0, 4.0) if what == side])
            )
    assert mean["left_hand", "C4"] < 0.6 * mean["right_hand", "C4"]
    assert mean["right_hand", "C3"] < 0.6 * mean["left_hand", "C3"]


def test_single_trials_can_be_told_apart_by_lateral_power_and_not_without_erd() -> None:
    correct = {}
    for erd in (0.5, 0.0):
        signal = Signal(erd=erd, erd_same_side=0.0)
        data, markers = SyntheticAmp(CHANNELS, RATE_HZ, 9, signal=signal).generate(round(400 * RATE_HZ))
        y = np.asarray(sosfilt(butter(4, (8, 30), "bandpass", fs=RATE_HZ, output="sos"), data, axis=0))
        hits = [
            (column(x, "C4").var() < column(x, "C3").var()) == (label == "left_hand")
            for label, x in trials(y, markers, 1.0, 4.0)
        ]
        assert len(hits) > 45
        correct[erd] = float(np.mean(hits))
    assert correct[0.5] > 0.8
    assert correct[0.0] < 0.7


def test_desynchronisation_takes_half_a_second() -> None:
    amp = SyntheticAmp(["C3", "C4"], 256.0, signal=Signal(erd=0.5))
    hands = []
    for i in range(48):
        state = "left_hand" if i == 16 else None
        if state:
            amp.set_state(state)
        amp.generate(16)
        hands.append(float(amp._user._level[1]))
    level = np.array(hands)[16:]  # after each sixteenth of a second from the cue
    assert level[3] > 0.98
    assert 0.6 < level[9] < 0.9
    assert level[28] == pytest.approx(0.5, abs=0.02)


def test_a_blink_is_largest_at_the_front_and_positive() -> None:
    blinks = Signal(**{**vars_of(SILENT), "blink_uv": 90.0, "blink_every_s": 3.0})
    data, _ = SyntheticAmp(CHANNELS, RATE_HZ, 4, cues=False, line_hz=0.0, signal=blinks).generate(3200)
    peak = data[np.abs(data).sum(1).argmax()]
    order = [CHANNELS[i] for i in np.argsort(-peak)]
    assert set(order[:3]) == {"FP1", "FPZ", "FP2"}
    assert 40 < peak.max() < 140
    assert peak[CHANNELS.index("O1")] < 0.2 * peak.max()
    share = float((column(data, "FPZ") > 5).mean())
    assert 0.02 < share < 0.15  # 0.3 s every 3 s or so


def vars_of(signal: Signal) -> dict[str, float]:
    return {name: getattr(signal, name) for name in signal.__dataclass_fields__}


def test_the_eyes_go_to_the_side_of_the_cue() -> None:
    eyes = Signal(**{**vars_of(SILENT), "saccade_uv": 20.0})
    data, markers = SyntheticAmp(CHANNELS, RATE_HZ, 4, line_hz=0.0, signal=eyes).generate(9600)
    between: dict[str, list[float]] = {"left_hand": [], "right_hand": []}
    for side, x in trials(column(data, "F8") - column(data, "F7"), markers, 0.3, 0.5):
        between[side].append(float(x.mean()))
    assert all(value > 8 for value in between["right_hand"])
    assert all(value < -8 for value in between["left_hand"])
    none, _ = SyntheticAmp(CHANNELS, RATE_HZ, 4, line_hz=0.0, signal=SILENT).generate(1600)
    np.testing.assert_array_equal(none, 0.0)


@pytest.mark.parametrize("line_hz", [50.0, 60.0])
def test_the_mains_hum(line_hz: float) -> None:
    data, _ = SyntheticAmp(CHANNELS, RATE_HZ, line_hz=line_hz).generate(4800)
    without, _ = SyntheticAmp(CHANNELS, RATE_HZ, line_hz=0.0).generate(4800)
    hum = data - without
    hz = np.fft.rfftfreq(len(hum), 1 / RATE_HZ)
    spectrum = np.abs(np.fft.rfft(hum, axis=0)) * 2 / len(hum)
    at_line = np.isclose(hz, line_hz)
    assert (spectrum[at_line] > 0.5).all()  # microvolts
    assert (spectrum[at_line] < 2.1).all()
    assert spectrum[~at_line].max() < 1e-9


def test_cues_are_balanced_and_rest_follows_each(minutes: tuple[FloatArray, list[Marker]]) -> None:
    _, markers = minutes
    cues = [m.value for m in markers]
    assert cues[1::2] == ["rest"] * len(cues[1::2])
    assert sorted(cues[0:20:2]) == ["left_hand"] * 5 + ["right_hand"] * 5
    lengths_s = [b.t_lsl - a.t_lsl for a, b in itertools.pairwise(markers) if b.value == "rest"]
    assert lengths_s == pytest.approx([4.0] * len(lengths_s), abs=2 / RATE_HZ)


def test_states_are_set_by_hand_with_a_marker() -> None:
    amp = SyntheticAmp(CHANNELS, RATE_HZ, cues=False)
    assert amp.generate(160)[1] == []
    amp.set_state("right_hand")
    _, markers = amp.generate(20)
    assert markers == [Marker(1.0, "right_hand")]
    assert amp.state == "right_hand"
    with pytest.raises(ConfigError, match="state is 'feet', need one of rest, left_hand, right_hand"):
        amp.set_state("feet")


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 300.0, 512.0, 2048.0])
def test_any_rate_has_the_same_spectrum(rate_hz: float) -> None:
    data, _ = SyntheticAmp(["C3", "O1"], rate_hz, 8, signal=Signal(blink_every_s=0)).generate(
        round(30 * rate_hz)
    )
    hz, density = welch(data[:, 1], rate_hz, nperseg=round(2 * rate_hz))
    # over half a minute a 3.5 Hz wide rhythm's power is known to about a fifth
    assert 8 < density[(hz >= 8.5) & (hz < 12)].mean() < 40


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="rate is 20 Hz, need 64 to 100000 Hz"):
        SyntheticAmp(CHANNELS, 20.0)
    with pytest.raises(ChannelError, match="C33, XY not in the 10-05 system"):
        SyntheticAmp(["C3", "C33", "XY"])
    with pytest.raises(ChannelError, match="T7 given twice"):
        SyntheticAmp(["T3", "T7"])


def test_what_is_made_ahead_is_told() -> None:
    amp = SyntheticAmp(seed=0, cues=False)
    assert (amp.n_given, amp.n_ahead) == (0, 0)
    amp.generate(10)
    n_ahead = amp.n_ahead
    assert amp.n_given == 10
    assert n_ahead > 0
    amp.generate(n_ahead)
    assert amp.n_ahead == 0
