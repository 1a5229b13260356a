"""LslSource against real outlets on loopback."""

import io
import re
import time
from collections.abc import Sequence

import numpy as np
import pylsl
import pytest
from rich.console import Console

from rtbci.commands.run import lsl_factory
from rtbci.config import RunConfig
from rtbci.errors import ChannelError, StreamError, StreamLostError, StreamNotFoundError
from rtbci.stream.acquire import Acquisition
from rtbci.stream.health import GapDetector
from rtbci.stream.layout import match_channels
from rtbci.stream.lsl import LslSource
from rtbci.stream.lsl_list import list_streams
from rtbci.stream.marker_choice import DECISIONS_ID, SeenMarkers
from rtbci.stream.source import Channel, Chunk, Marker, Source, StreamInfo
from rtbci.stream.streams_table import streams_table
from tests.integration.lsl_outlets import IndexOutlet, marker_outlet, unique

pytestmark = pytest.mark.net


class Kept:
    """Keeps what an acquisition receives; the first chunk can be made to take long."""

    def __init__(self, first_takes_s: float = 0.0) -> None:
        self._first_takes_s = first_takes_s
        self._chunks: list[Chunk] = []

    def __call__(self, chunk: Chunk, _markers: Sequence[Marker]) -> None:
        if not self._chunks:
            time.sleep(self._first_takes_s)
        self._chunks.append(chunk)

    def until(self, n_samples: int, acquisition: Acquisition, timeout_s: float = 10.0) -> Chunk:
        """All so far, once there are so many."""
        t_end = time.perf_counter() + timeout_s
        while sum(len(chunk.t_lsl) for chunk in self._chunks) < n_samples:
            assert time.perf_counter() < t_end
            acquisition.wait(0.05)
        data, t_lsl = zip(*self._chunks, strict=True)
        return Chunk(np.concatenate(data), np.concatenate(t_lsl))


def test_no_sample_is_lost_while_a_decision_takes_long() -> None:
    name, kept = unique("pause"), Kept(first_takes_s=1.0)  # longer than any scheduling hiccup
    with (
        IndexOutlet(name, name, rate_hz=1000.0, chunk=1) as sender,
        Acquisition(LslSource(name), kept) as acquisition,
    ):
        got = kept.until(2000, acquisition)
        index = got.data[:, 0]
        assert np.array_equal(index, index[0] + np.arange(len(index)))
        # The stamps are the sender's; on one computer the correction is far below a millisecond.
        assert got.t_lsl == pytest.approx(sender.t0 + index / 1000.0, abs=1e-3)
        assert GapDetector(1000.0).push(got.t_lsl) == []


def test_description_is_read_in_full() -> None:
    name = unique("described")
    outlet = IndexOutlet(name, f"id-{name}", labels=("Fc5.", "Cz.."), units=("uV", "mV"), rate_hz=160.0)
    with LslSource(name) as source:
        info = source.info
    assert outlet.outlet is not None
    assert (info.name, info.source_id, info.rate_hz, info.type) == (name, f"id-{name}", 160.0, "EEG")
    assert info.labels == ("Fc5.", "Cz..")
    assert [channel.unit for channel in info.channels] == ["uV", "mV"]
    assert [channel.type for channel in info.channels] == ["EEG", "EEG"]
    assert (info.manufacturer, info.reference) == ("Testers", "A1")
    assert info.hostname
    assert match_channels(info, ["CZ", "FC5"]).picks == (1, 0)


def test_stream_without_labels_opens_and_the_layout_refuses_it() -> None:
    name = unique("bare")
    outlet = IndexOutlet(name, name, labels=("", "", ""))
    with LslSource(name) as source:
        assert source.info.labels == ("", "", "")
        with pytest.raises(ChannelError, match="3 channels without labels"):
            match_channels(source.info, ["C3"])
    assert outlet.outlet is not None


def test_labels_of_ones_own_name_the_channels() -> None:
    name = unique("cyton")
    outlet = IndexOutlet(name, name, labels=("", "", ""))
    with LslSource(name, labels=("C3", "CZ", "C4")) as source:
        assert source.info.labels == ("C3", "CZ", "C4")
        assert [channel.type for channel in source.info.channels] == ["EEG", "EEG", "EEG"]
        assert match_channels(source.info, ["CZ", "C4"]).picks == (1, 2)
        assert source.xml == ""  # what a recording says of the stream has these names
    wrong = (
        r"got 2 \(C3, CZ\), stream '.*' has 3 channels \(no label, no label, no label\), need a name for each"
    )
    with pytest.raises(ChannelError, match=wrong):
        LslSource(name, labels=("C3", "CZ")).open()
    assert outlet.outlet is not None


@pytest.mark.parametrize("dtype", [pylsl.cf_float32, pylsl.cf_int16, pylsl.cf_double64])
def test_every_number_format_comes_as_float64(dtype: int) -> None:
    name = unique(f"format{dtype}")
    info = pylsl.StreamInfo(name, "EEG", 2, 250.0, dtype, name)
    outlet = pylsl.StreamOutlet(info)
    with LslSource(name) as source:
        outlet.push_chunk([[1, -2], [3, -4]])
        data = source.pull(5.0).data
        while len(data) < 2:
            data = np.concatenate((data, source.pull(5.0).data))
    assert data.dtype == np.float64
    assert data.tolist() == [[1.0, -2.0], [3.0, -4.0]]


def test_samples_without_a_time_are_missing() -> None:
    """One stamp that is not a number would blind the search for gaps from then on."""
    name = unique("no-time")
    outlet = IndexOutlet(name, name).outlet
    with LslSource(name) as source:
        assert outlet.wait_for_consumers(10.0)
        stamps = pylsl.local_clock() + np.arange(30) / 250.0
        stamps[[7, 8, 29]] = np.nan
        outlet.push_chunk(np.tile(np.arange(30.0)[:, None], 3), stamps)
        chunks: list[Chunk] = []
        t_end = time.monotonic() + 10.0
        while sum(len(one.t_lsl) for one in chunks) < 27:
            assert time.monotonic() < t_end
            chunks.append(source.pull(1.0))  # empty where those without a time came by themselves
    t_lsl = np.concatenate([one.t_lsl for one in chunks])
    index = np.concatenate([one.data[:, 0] for one in chunks])
    assert np.isfinite(t_lsl).all()
    assert index.tolist() == [i for i in range(30) if i not in (7, 8, 29)]
    assert [i for i, _ in GapDetector(250.0).push(t_lsl)] == [7]


def test_no_stream_says_what_to_do() -> None:
    name = unique("absent")
    pattern = rf"no stream of name '{name}' within 0.2 s; (?s:.*)rtbci streams.*rtbci replay FILE.*rtbci amp.*firewall"
    with pytest.raises(StreamNotFoundError, match=pattern):
        LslSource(name, timeout_s=0.2).open()


def test_two_streams_say_how_to_choose() -> None:
    name = unique("twin")
    twins = [IndexOutlet(name, f"{name}-{i}") for i in "ab"]
    with pytest.raises(StreamNotFoundError) as caught:
        LslSource(name).open()
    message = str(caught.value)
    assert f"2 streams of name '{name}', need one; choose by the option in its row" in message
    assert all(f"--stream name={name},source_id={name}-{i}" in message for i in "ab")
    with LslSource(source_id=f"{name}-b") as source:
        assert source.info.source_id == f"{name}-b"
    assert len(twins) == 2


def _pull_for(source: Source, seconds: float) -> None:
    t_end = time.perf_counter() + seconds
    while time.perf_counter() < t_end:
        source.pull(0.2)


def test_twins_of_one_name_and_source_id_are_chosen_between_and_never_taken_for_each_other() -> None:
    name = unique("twin")
    with IndexOutlet(name, name) as one, IndexOutlet(name, name) as other:
        with pytest.raises(StreamNotFoundError, match="2 streams of") as caught:
            LslSource(name).open()
        options = re.findall(r"--stream (uid=\S+)", str(caught.value))
        uids = [f"uid={each.outlet.get_info().uid()}" for each in (one, other)]
        assert sorted(options) == sorted(uids)
        listed = [each.option for each in list_streams() if each.info.name == name]
        assert sorted(listed) == sorted(f"--stream {uid}" for uid in uids)
        config = RunConfig.model_validate({"stream": {"name": uids[1], "markers": "none"}})
        make = lsl_factory(config)
        with make(None) as source:
            other.t0 += 1000.0  # what only this one's stamps say
            t_end = time.perf_counter() + 10.0
            while (
                not len(source.pull(0.2).t_lsl)
                or abs(source.pull(0.2).t_lsl[-1:].sum() - pylsl.local_clock()) < 500
            ):
                assert time.perf_counter() < t_end
            other.end()
            with pytest.raises(StreamLostError, match="has gone and is looked for again by predicate"):
                _pull_for(source, 30.0)
        with pytest.raises(
            StreamNotFoundError, match="no stream of"
        ):  # and not its twin, which is still there
            make(source.info).open()


def test_eeg_is_preferred_and_markers_are_never_taken() -> None:
    name = unique("mixed")
    outlets = [
        IndexOutlet(name, f"{name}-acc", type="ACC"),
        IndexOutlet(name, f"{name}-eeg"),
        marker_outlet(f"{name}-marker", name),
    ]
    with LslSource(name) as source:
        assert source.info.source_id == f"{name}-eeg"
    with LslSource(predicate=f"name='{name}' and type='ACC'") as source:
        assert source.info.source_id == f"{name}-acc"
    assert len(outlets) == 3


def test_text_and_irregular_streams_are_refused() -> None:
    name = unique("text")
    outlets = [
        marker_outlet(f"{name}-1"),
        IndexOutlet(f"{name}-2", f"{name}-2", rate_hz=pylsl.IRREGULAR_RATE),
    ]
    for i in (1, 2):
        with pytest.raises(StreamError, match="holds text or has no steady rate, need numbers"):
            LslSource(f"{name}-{i}").open()
    assert len(outlets) == 2


def test_quotes_in_names_are_legal() -> None:
    name = unique('it\'s "quoted"')
    outlet = IndexOutlet(name, unique("quoted"))
    with LslSource(name) as source:
        assert source.info.name == name
    assert outlet.outlet is not None


def test_stream_without_source_id_is_lost_for_good() -> None:
    name = unique("lost")
    sender, kept = IndexOutlet(name), Kept()
    with sender, Acquisition(LslSource(name), kept) as acquisition:
        kept.until(50, acquisition)
        sender.__exit__(None, None, None)
        del sender.outlet
        with pytest.raises(StreamLostError, match=f"'{name}' has gone and has no source id"):
            acquisition.wait(60)


@pytest.mark.slow
def test_stream_with_source_id_comes_back() -> None:
    name, kept = unique("back"), Kept()
    first = IndexOutlet(name, name)
    with first, Acquisition(LslSource(name), kept) as acquisition:
        n = len(kept.until(50, acquisition).t_lsl)
        first.__exit__(None, None, None)
        del first.outlet
        with IndexOutlet(name, name) as second:
            assert kept.until(n + 500, acquisition, 60.0).t_lsl[-1] > second.t0


def test_clock_offset_is_measured_and_small_on_one_computer() -> None:
    name = unique("clock")
    with IndexOutlet(name, name), LslSource(name) as source:
        assert 0 < abs(source.clock_offset_s) < 1e-3
        source.pull(5.0)


# -- markers -------------------------------------------------------------------------------------------


def pull_until(source: LslSource, n_markers: int, timeout_s: float = 10.0) -> list[Marker]:
    markers: list[Marker] = []
    t_end = time.perf_counter() + timeout_s
    while len(markers) < n_markers and time.perf_counter() < t_end:
        source.pull(0.05)
        markers += source.pull_markers()
    return markers


def until_connected(source: LslSource, outlet: pylsl.StreamOutlet) -> None:
    t_end = time.perf_counter() + 10.0
    while not outlet.have_consumers() and time.perf_counter() < t_end:
        source.pull(0.05)
        source.pull_markers()
    # A run of somebody else on this computer may be that consumer: give our own connection its time.
    t_end = time.perf_counter() + 1.0
    while time.perf_counter() < t_end:
        source.pull(0.05)
        source.pull_markers()


def test_markers_come_in_the_clock_of_the_samples() -> None:
    name = unique("marked")
    markers = marker_outlet(f"{name}-markers")
    with IndexOutlet(name, name), LslSource(name) as source:
        until_connected(source, markers)
        t_sent = pylsl.local_clock()
        markers.push_sample(["left"], t_sent)
        markers.push_sample(["right"], t_sent + 1.0)
        left, right = pull_until(source, 2)
    assert (left.value, right.value) == ("left", "right")
    assert left.t_lsl == pytest.approx(t_sent, abs=1e-3)
    assert right.t_lsl == pytest.approx(t_sent + 1.0, abs=1e-3)


def test_marker_stream_may_appear_late_and_twice() -> None:
    name = unique("late")
    with IndexOutlet(name, name), LslSource(name) as source:
        assert pull_until(source, 1, timeout_s=0.3) == []
        for value in ("first", "second"):
            markers = marker_outlet(f"{name}-markers")
            until_connected(source, markers)
            markers.push_sample([value])
            assert [marker.value for marker in pull_until(source, 1)] == [value]
            del markers


def test_markers_of_another_stream_are_left_alone() -> None:
    name, other = unique("mine"), unique("other")
    mine, others = marker_outlet(f"{name}-markers"), marker_outlet(f"{other}-markers")
    with IndexOutlet(name, name), LslSource(name) as source:
        until_connected(source, mine)
        others.push_sample(["theirs"])
        mine.push_sample(["ours"])
        assert [marker.value for marker in pull_until(source, 1)] == ["ours"]
        assert not others.have_consumers()


def test_marker_stream_by_name_and_none_at_all() -> None:
    name, cues = unique("named"), unique("cues")
    outlet = marker_outlet(unique("foreign"), cues)
    with IndexOutlet(name, name):
        with LslSource(name, markers=cues) as source:
            until_connected(source, outlet)
            outlet.push_sample(["cue"])
            assert [marker.value for marker in pull_until(source, 1)] == ["cue"]
        with LslSource(name, markers=None) as source:
            assert pull_until(source, 1, timeout_s=0.7) == []


def test_a_marker_stream_may_be_named_by_its_source_id() -> None:
    name, cues = unique("named"), unique("cues")
    mine, twin = marker_outlet(unique("id"), cues), marker_outlet(unique("id"), cues)
    with IndexOutlet(name, name), LslSource(name, markers=mine.get_info().source_id()) as source:
        until_connected(source, mine)
        mine.push_sample(["cue"])
        assert [marker.value for marker in pull_until(source, 1)] == ["cue"]
        assert not twin.have_consumers()


def test_what_is_read_what_is_not_and_what_has_ended_is_told() -> None:
    name, other = unique("mine"), unique("other")
    first, second = marker_outlet(f"{name}-markers"), marker_outlet(f"{name}-stim")
    theirs, decisions = marker_outlet(f"{other}-markers"), marker_outlet(DECISIONS_ID)
    told: list[SeenMarkers] = []
    with IndexOutlet(name, name), LslSource(name, tell_markers=told.append) as source:
        until_connected(source, first)
        until_connected(source, second)
        del second
        t_end = time.perf_counter() + 10.0
        while not any(one.kind == "markers_lost" for one in told) and time.perf_counter() < t_end:
            source.pull(0.02)
            source.pull_markers()
    mine = [one for one in told if one.stream.name.startswith((name, other))]
    kinds = {(one.kind, one.stream.name) for one in mine}
    assert kinds == {
        ("markers_found", f"{name}-markers"),
        ("markers_found", f"{name}-stim"),
        ("markers_lost", f"{name}-stim"),
        ("markers_left", f"{other}-markers"),
    }
    later = [one for one in mine if one.kind == "markers_found"][-1]
    assert f"{later.n_streams} marker streams are read now: " in later.reason
    assert f"--markers {later.stream.name} reads this one alone" in later.reason
    (left,) = (one for one in mine if one.kind == "markers_left")
    assert left.reason == f"they belong to the stream '{other}'; --markers {other}-markers reads it"
    assert not theirs.have_consumers()
    assert (
        not decisions.have_consumers()
    )  # else a run with --lsl-outlet would take its own decisions for cues


def test_numbers_as_markers_become_text() -> None:
    name = unique("numbers")
    outlet = pylsl.StreamOutlet(
        pylsl.StreamInfo(f"{name}-stim", "Markers", 1, 0, pylsl.cf_int32, f"{name}-stim")
    )
    with IndexOutlet(name, name), LslSource(name) as source:
        until_connected(source, outlet)
        outlet.push_sample([33])
        assert [marker.value for marker in pull_until(source, 1)] == ["33"]


# -- what is on the network ----------------------------------------------------------------------------


def test_list_of_streams_measures_rate_and_age() -> None:
    name = unique("listed")
    markers = marker_outlet(f"{name}-markers")
    with IndexOutlet(name, name, units=("uV", "uV", "mV")):
        streams = {stream.info.source_id: stream for stream in list_streams(0.5, 1.0)}
    eeg, events = streams[name], streams[f"{name}-markers"]
    assert eeg.answers
    assert eeg.info.labels == ("C3", "CZ", "C4")
    assert eeg.units == ("uV", "mV")
    assert eeg.measured_hz == pytest.approx(250.0, rel=0.01)
    assert eeg.age_s is not None
    assert 0 <= eeg.age_s < 0.3
    assert events.info.rate_hz == 0
    assert (events.measured_hz, events.age_s) == (None, None)
    console = Console(width=250, file=io.StringIO())
    console.print(streams_table([eeg, events]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert name in shown
    assert "250 Hz" in shown
    assert "3: C3 CZ C4" in shown
    assert "irregular" in shown
    assert "no samples" in shown
    assert markers is not None


def test_empty_table_says_so() -> None:
    console = Console(width=250, file=io.StringIO())
    console.print(streams_table([]))
    assert "no LSL stream on the network" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_lost_stream_is_looked_for_by_its_name_too() -> None:
    # The OpenBCI GUI gives all that it sends the source id `openbcigui`, and calls all of it EEG.
    shared, one, other = unique("openbcigui"), unique("eeg"), unique("motion")
    make = lsl_factory(RunConfig())
    with IndexOutlet(other, shared, labels=("",)) as motion:
        host = motion.outlet.get_info().hostname()
        lost = StreamInfo(one, shared, 250.0, (Channel("C3"),), hostname=host)
        with pytest.raises(StreamNotFoundError, match=f"name '{one}' and source id '{shared}'"):
            make(lost).open()
        with IndexOutlet(one, shared), make(lost) as source:
            assert source.info.name == one
