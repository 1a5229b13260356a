"""The continuous output in a decoder and in a run."""

import io
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rtbci.commands.status_line import StatusLine
from rtbci.config import RunConfig
from rtbci.errors import ConfigError, StreamLostError
from rtbci.probe.band_power import profile_of_recipe
from rtbci.probe.profile import Profile, read_profile, write_profile
from rtbci.probe.profile_record import BaselineEntry
from rtbci.publish.sink import Sink
from rtbci.recipes import AdaptSettings, ParadigmRecipe, read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.verdict import Verdict
from rtbci.stream.source import FloatArray, StreamInfo
from tests.tiny import Kept, MemorySource, chunks_of, stream_info
from tests.value_samples import RATE_HZ, alpha, write_value_paradigm


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> ParadigmRecipe:
    return read_paradigm(str(write_value_paradigm(tmp_path_factory.mktemp("value") / "calm")))


def profile_with(recipe: ParadigmRecipe, baseline: BaselineEntry | None) -> Profile:
    bare = profile_of_recipe(recipe)
    assert bare is not None
    return msgspec.structs.replace(bare, baseline=baseline)


def info() -> StreamInfo:
    return stream_info(rate_hz=RATE_HZ)


def decoded(decoder: Decoder, data: FloatArray, cuts: list[int] | None = None) -> list[Verdict]:
    decoder.open(info())
    t_s = np.arange(len(data)) / RATE_HZ
    edges = [0, *sorted(cuts or []), len(data)]
    return [one for a, b in pairwise(edges) for one in decoder.push(data[a:b], t_s[a:b])]


def test_it_warms_up_until_the_baseline_is_there_then_grows_with_the_class(recipe: ParadigmRecipe) -> None:
    with Decoder(recipe) as decoder:
        verdicts = decoded(decoder, alpha(12.0, 6.0))
    ends = [one.estimate.t_window[1] for one in verdicts]
    quiet = [one for one, t in zip(verdicts, ends, strict=True) if t < 2.9]
    assert {(one.why, one.value, one.label) for one in quiet} == {("warming_up", None, None)}
    assert all(one.estimate.probs is None for one in quiet)
    usual = [one.value for one, t in zip(verdicts, ends, strict=True) if 3.5 < t < 5.9]
    strong = [one.value for one, t in zip(verdicts, ends, strict=True) if t > 9.0]
    assert all(value is not None and 0.2 < value < 0.8 for value in usual)
    assert all(value is not None and value > 0.95 for value in strong)
    assert verdicts[-1].decision == "calm"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6 * 128), max_size=12))
def test_however_the_stream_is_cut_the_value_is_the_same(recipe: ParadigmRecipe, cuts: list[int]) -> None:
    data = alpha(6.0, 4.0)
    with Decoder(recipe) as decoder:
        whole, streamed = decoded(decoder, data), decoded(decoder, data, cuts)
    assert [one.value for one in streamed] == pytest.approx([one.value for one in whole], abs=1e-9)


def test_a_gain_of_the_amplifier_does_not_matter(recipe: ParadigmRecipe) -> None:
    with Decoder(recipe) as decoder:
        values = [[one.value for one in decoded(decoder, gain * alpha(6.0, 4.0))] for gain in (1.0, 7.0)]
    assert values[0] == pytest.approx(values[1], abs=0.01)


def test_a_gap_keeps_the_baseline_and_another_start_forgets_it(recipe: ParadigmRecipe) -> None:
    with Decoder(recipe) as decoder:
        decoded(decoder, alpha(4.0, 99.0))
        decoder.restart()
        n = round(1.5 * RATE_HZ)
        after = decoder.push(alpha(1.5, 99.0), 10.0 + np.arange(n) / RATE_HZ)
        assert after[-1].value is not None
        decoder.reset()
        again = decoder.push(alpha(1.5, 99.0), 20.0 + np.arange(n) / RATE_HZ)
        assert again[-1].value is None


def test_a_profile_brings_it_and_survives_the_disk(recipe: ParadigmRecipe, tmp_path: Path) -> None:
    with Decoder(recipe) as decoder:
        without = decoded(decoder, alpha(6.0, 4.0))
        baseline = decoder.pipeline.baseline
        assert baseline is not None
        learnt = baseline.entry
    write_profile(tmp_path / "mine", profile_with(recipe, learnt))
    kept = read_profile(tmp_path / "mine")
    assert kept.baseline == learnt
    with Decoder(recipe, profile=kept) as decoder:
        verdicts = decoded(decoder, alpha(6.0, 4.0))
        assert next(i for i, one in enumerate(verdicts) if one.value is not None) == 3  # one window
        assert verdicts[-1].value == pytest.approx(without[-1].value, abs=1e-4)  # smoothed for longer
        decoder.swap_profile(profile_with(recipe, None))
        n = round(1.5 * RATE_HZ)
        swapped = decoder.push(alpha(1.5, 0.0), 6.0 + np.arange(n) / RATE_HZ)
        assert {one.value for one in swapped} == {None}  # learnt anew
        decoder.swap_profile(kept)
        n = round(0.5 * RATE_HZ)
        assert decoder.push(alpha(0.5, 0.0), 7.5 + np.arange(n) / RATE_HZ)[-1].value is not None


@pytest.mark.parametrize(
    "entry",
    [
        BaselineEntry(centre=[0.0], spread=1.0, length_s=60.0),
        BaselineEntry(centre=[0.0, 0.0], spread=0.0, length_s=60.0),
    ],
)
def test_a_broken_baseline_is_no_profile(
    recipe: ParadigmRecipe, tmp_path: Path, entry: BaselineEntry
) -> None:
    with pytest.raises(ValueError, match="need a finite number for each class and a spread above 0"):
        write_profile(tmp_path / "broken", profile_with(recipe, entry))


def test_it_does_not_adapt_beside_a_baseline(recipe: ParadigmRecipe) -> None:
    with (
        Decoder(recipe, adapt=AdaptSettings()) as decoder,
        pytest.raises(ConfigError, match="leave out --adapt"),
    ):
        decoder.open(info())


# -- in a run ----------------------------------------------------------------------------------------


def play(
    recipe: ParadigmRecipe,
    *parts: FloatArray,
    t_starts: tuple[float, ...] = (0.0,),
    sinks: Sequence[Sink] = (),
    **changes: Any,
) -> Kept:
    """Run until the last source ends; each part is a stream of its own, lost before the next."""
    kept, left = Kept(), iter(zip(parts, t_starts, strict=True))

    def make(_lost: StreamInfo | None) -> MemorySource:
        data, t0 = next(left, (None, 0.0))
        if data is None:
            raise EOFError
        chunks = chunks_of(data, t0 + np.arange(len(data)) / RATE_HZ, 16)
        is_last = t0 == t_starts[-1]
        return MemorySource(info(), chunks if is_last else [*chunks, StreamLostError("gone")])

    watch = {"max_backlog_s": 1e9, "stale_s": 50.0, "lost_s": 60.0}
    config = RunConfig.model_validate({"paradigm": str(recipe.folder), "watch": watch, **changes})
    with Decoder(recipe) as decoder:
        LiveRun(config, decoder, make, [kept, *sinks]).run(threading.Event())
    return kept


def test_messages_say_what_the_value_is_and_how_far_the_baseline(recipe: ParadigmRecipe) -> None:
    kept = play(recipe, alpha(6.0, 99.0))
    hello = next(one for one in kept.messages if one.topic == "hello")
    assert msgspec.to_builtins(hello)["value"] == {"of": "calm", "smoothing_s": 0.5, "baseline_s": 3.0}
    last = kept.statuses[-1].baseline
    assert last is not None
    assert (last.learnt_s, last.length_s, last.source) == (3.0, 3.0, "stream")
    first = next(one for one in kept.predictions if one.value is not None)
    assert 2.8 < first.t_window[1] < 3.3
    before = [one for one in kept.predictions if one.seq < first.seq]
    assert {(one.why, one.probs) for one in before} == {("warming_up", None)}


def test_without_a_signal_there_is_no_baseline_and_the_electrodes_are_named(recipe: ParadigmRecipe) -> None:
    data = alpha(17.0, 99.0)
    data[: round(8.0 * RATE_HZ)] = 0.0
    console = Console(file=io.StringIO(), width=1000)
    kept = play(recipe, data, sinks=[StatusLine(console)])
    said = {one.t_window[1]: one for one in kept.predictions}
    assert {one.why for t, one in said.items() if t < 0.9} == {"warming_up"}
    during = [one for t, one in said.items() if 1.5 < t < 8.0]
    assert {(one.why, one.probs, one.value) for one in during} == {("poor_signal", None, None)}
    assert {(one.quality.bad_channels, one.quality.score) for one in during} == {(("C3", "CZ", "C4"), 0.0)}
    assert any(one.why == "warming_up" for t, one in said.items() if t > 8.0)  # it is learnt then
    assert kept.predictions[-1].value is not None
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    told = [one for one in lines if "electrodes" in one]
    assert told == [
        "warning: nothing is decided, these electrodes give no EEG: C3, CZ, C4; check their contact and the reference",
        "electrodes give a signal again",
    ]
    assert "state: running" in lines


def test_bad_signal_is_not_learnt_and_has_no_value(recipe: ParadigmRecipe) -> None:
    data = alpha(17.0, 99.0)
    flat = slice(round(1.5 * RATE_HZ), round(4.0 * RATE_HZ))
    data[flat] = 0.0
    later = slice(round(9.0 * RATE_HZ), round(11.0 * RATE_HZ))
    data[later] = 0.0
    kept = play(recipe, data)
    values = {round(one.t_window[1], 2): one.value for one in kept.predictions}
    first = min(t for t, value in values.items() if value is not None)
    assert first > 6.0  # a second and a half counted, then the rest behind the bad part
    assert all(value is None for t, value in values.items() if 10.0 < t < 11.9)
    assert "poor_signal" in {one.why for one in kept.predictions}
    usual = [value for t, value in values.items() if value is not None]
    assert all(0.05 < value < 0.95 for value in usual)
    assert max(t for t, value in values.items() if value is not None) > 16.5


def test_a_stream_that_comes_back_has_its_baseline_still(recipe: ParadigmRecipe) -> None:
    kept = play(recipe, alpha(4.0, 99.0), alpha(2.0, 99.0), t_starts=(0.0, 30.0))
    assert len(kept.events("stream_recovered")) == 1
    values = {round(one.t_window[1], 2): one.value for one in kept.predictions}
    assert min(t for t, value in values.items() if t > 29 and value is not None) < 31.3  # one window
