import numpy as np
import pytest

from rtbci.replay.recording import Recording
from rtbci.stream.source import Channel, StreamInfo
from tools.riemann.artefacts import FIRST_S, KINDS, spoil

LABELS = ("FP1", "FP2", "T7", "FC5", "C5", "CP5", "P7", "T8", "FC6", "C6", "CP6", "P8", "C3", "O1")
RATE_HZ = 160.0


def recording(seconds: float = 90.0) -> Recording:
    rng = np.random.default_rng(0)
    info = StreamInfo("made", "made", RATE_HZ, tuple(Channel(label, "microvolts", "EEG") for label in LABELS))
    data = 10.0 * rng.standard_normal((round(seconds * RATE_HZ), len(LABELS)))
    t = np.arange(len(data)) / RATE_HZ
    blinks = 120.0 * np.exp(-0.5 * (((t[:, None] - np.arange(3.0, seconds, 7.0)) / 0.08) ** 2)).sum(axis=1)
    data += blinks[:, None] * np.where([label.startswith("FP") for label in LABELS], 1.0, 0.2)
    return Recording(info, data)


def test_artefacts_are_where_they_are_said_to_be_and_nowhere_else() -> None:
    before = recording()
    spoiled = spoil(before, 3)
    changed = (spoiled.recording.data != before.data).any(axis=1)
    t = np.arange(len(changed)) / RATE_HZ
    said = np.zeros(len(changed), bool)
    for event in spoiled.events:
        said |= (t >= event.start_s - 1.0 / RATE_HZ) & (t <= event.stop_s + 1.0 / RATE_HZ)
    assert not changed[~said].any()
    assert changed[said].mean() > 0.9
    assert min(event.start_s for event in spoiled.events) == FIRST_S
    assert {event.kind for event in spoiled.events} == set(KINDS)


def test_the_same_seed_gives_the_same() -> None:
    first, second, other = spoil(recording(), 3), spoil(recording(), 3), spoil(recording(), 4)
    np.testing.assert_array_equal(first.recording.data, second.recording.data)
    assert not np.array_equal(first.recording.data, other.recording.data)


@pytest.mark.parametrize(
    ("kind", "where", "least_uv"), [("muscle, 30 uV", ("T7", "T8"), 40.0), ("blink", ("FP1", "FP2"), 40.0)]
)
def test_they_are_strongest_where_they_come_from(kind: str, where: tuple[str, ...], least_uv: float) -> None:
    made = KINDS[kind](recording().data, LABELS, RATE_HZ, np.random.default_rng(1))
    peaks = np.abs(made).max(axis=0)
    assert LABELS[int(peaks.argmax())] in where
    assert peaks.max() > least_uv
