from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import ChannelError, ConfigError, ShapeError
from rtbci.replay.recording import Recording, join_recordings, source_id_of
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo


def recording(
    n_samples: int = 100,
    rate_hz: float = 10.0,
    t_s: FloatArray | None = None,
    markers: Iterable[Marker] = (),
    t0_s: float = 0.0,
) -> Recording:
    info = StreamInfo("rec", "id", rate_hz, (Channel("C3", "microvolts"), Channel("C4", "microvolts")))
    data = np.arange(2.0 * n_samples).reshape(n_samples, 2)
    return Recording(info, data, tuple(markers), t_s, t0_s)


def gappy() -> Recording:
    t_s = np.concatenate([np.arange(50) / 10, 105 + np.arange(50) / 10])
    return recording(t_s=t_s, markers=[Marker(4.0, "a"), Marker(50.0, "in the gap"), Marker(106.0, "b")])


def test_duration_counts_the_last_interval() -> None:
    assert recording().duration_s == pytest.approx(10.0)
    assert gappy().duration_s == pytest.approx(110.0)


def test_it_is_shown_in_one_line() -> None:
    assert repr(gappy()) == "Recording('rec', 2 channels at 10 Hz, 110.0 s, 3 markers)"


def test_shapes_must_fit() -> None:
    with pytest.raises(ShapeError, match=r"data has shape \(3, 3\), need \(n_samples, 2\)"):
        Recording(recording().info, np.zeros((3, 3)))
    with pytest.raises(ShapeError, match="2,\\) stamps for 100 samples"):
        recording(t_s=np.zeros(2))


@given(st.integers(0, 98), st.integers(1, 99))
def test_crop_keeps_exactly_the_samples_between(first: int, n: int) -> None:
    markers = [Marker(i / 10, str(i)) for i in range(100)]
    part = recording(markers=markers).crop(first / 10, (first + n) / 10)
    n_kept = min(n, 100 - first)
    np.testing.assert_array_equal(part.data[:, 0] / 2, np.arange(first, first + n_kept))
    assert [int(m.value) for m in part.markers] == list(range(first, first + n_kept))
    assert part.t0_s == pytest.approx(first / 10)
    assert [m.t_lsl for m in part.markers] == pytest.approx(np.arange(n_kept) / 10)


def test_crop_outside_says_how_long_it_is() -> None:
    with pytest.raises(
        ConfigError, match=r"asked for the part from 11 s to the end, the recording lasts 10\.000 s"
    ):
        recording().crop(11.0)


def test_gaps_are_found() -> None:
    np.testing.assert_allclose(gappy().gaps(), [[4.9, 100.0]])


def test_joined_recordings_have_a_gap_between() -> None:
    joined = join_recordings([recording(markers=[Marker(1.0, "a")])] * 2, pause_s=3.0)
    assert joined.data.shape == (200, 2)
    np.testing.assert_allclose(joined.gaps(), [[9.9, 3.0]])
    assert [m.t_lsl for m in joined.markers] == pytest.approx([1.0, 14.0])


def test_only_recordings_that_fit_are_joined() -> None:
    with pytest.raises(ConfigError, match="need at least one"):
        join_recordings([])
    with pytest.raises(ConfigError, match="rec has 2 channels at 20 Hz, rec has 2 at 10 Hz"):
        join_recordings([recording(), recording(rate_hz=20.0)])


def test_source_id_is_stable_and_tells_streams_apart(tmp_path: Path) -> None:
    file = tmp_path / "run.edf"
    file.write_bytes(b"x" * 100)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "run.edf").write_bytes(b"y" * 100)
    assert source_id_of(file).startswith("rtbci-replay-run-")
    assert source_id_of(file) == source_id_of(moved / "run.edf")
    assert source_id_of(file, "A") != source_id_of(file, "B")


def test_pick_keeps_the_electrodes_named() -> None:
    whole = Recording(
        StreamInfo("rec", "id", 10.0, tuple(map(Channel, ("EEG T3-REF", "Fc5.", "Cz", "Status")))),
        np.arange(40.0).reshape(10, 4),
        (Marker(0.3, "a"),),
        np.arange(10) / 10 + np.linspace(0.0, 0.01, 10),
    )
    before = whole.data.copy()
    part = whole.pick(["cz", "T7"])
    assert part.info.labels == ("EEG T3-REF", "Cz")  # in the recording's order
    np.testing.assert_array_equal(part.data, before[:, [0, 2]])
    assert part.data.flags.c_contiguous
    part.data[:] = 0.0
    np.testing.assert_array_equal(whole.data, before)
    assert part.markers == whole.markers
    assert part.t_s is whole.t_s
    assert whole.pick(["CZ", "T7"]).pick(["CZ"]).info.labels == ("Cz",)


def test_pick_says_what_is_there() -> None:
    with pytest.raises(ChannelError, match="rec: lacks FC3, CZ, it has C3, C4; pick among these"):
        recording().pick(["FC3", "C3", "Cz"])
    eog = Recording(
        StreamInfo("rec", "id", 10.0, (Channel("C3"), Channel("C4", type="EOG"))), np.zeros((3, 2))
    )
    with pytest.raises(ChannelError, match="lacks C4, it has C3"):
        eog.pick(["C4"])
