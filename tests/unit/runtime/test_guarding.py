"""A recipe with a guard: decisions are withheld while the signal is unlike what it was, however the stream is cut."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rtbci.decide.policy import DecisionPolicy
from rtbci.errors import ConfigError
from rtbci.recipes import DecisionSettings, read_paradigm
from rtbci.record.session_json import recipe_sha256
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.teller import Teller
from rtbci.runtime.use_watch import MIN_QUALITY
from rtbci.runtime.verdict import Verdict
from rtbci.stages.filter import SosFilter
from rtbci.stages.guard import Guard
from rtbci.stages.stage import FloatArray
from tests.tiny import LABELS, RATE_HZ, check_same, stream_info, write_paradigm
from tests.value_samples import RATE_HZ as VALUE_RATE_HZ
from tests.value_samples import alpha, write_value_paradigm

STAGES = """
[[stages]]
kind = "bandpass"
low_hz = 8.0
high_hz = 30.0
[[stages]]
kind = "resample"
rate_hz = {rate_hz}
[[stages]]
kind = "align"
"""
GUARD = """
[guard]
learn_s = 12.0
limit = 1e-4
"""
EAGER = DecisionSettings(threshold=0.3, dwell_s=0.0, smoothing_s=0.0, refractory_s=0.0)
SECONDS, BURST_S = 26.0, (20.0, 20.5)


def write(folder: Path, guard: str = GUARD, stages: str = STAGES) -> Path:
    paradigm = write_paradigm(folder, stages=stages.format(rate_hz=RATE_HZ))
    path = paradigm / "recipe.toml"
    path.write_text(path.read_text() + guard)
    return paradigm


def signal() -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    t_s = np.arange(round(SECONDS * 250)) / 250.0
    data = 10.0 * rng.standard_normal((len(t_s), len(LABELS)))
    burst = (t_s >= BURST_S[0]) & (t_s < BURST_S[1])
    data[burst, 0] += 400.0 * rng.standard_normal(int(burst.sum()))
    return data, t_s


def test_nothing_is_decided_while_an_artefact_lasts(tmp_path: Path) -> None:
    data, t_s = signal()
    with Decoder(str(write(tmp_path / "tiny")), decision=EAGER, mask=False) as decoder:
        decoder.open(stream_info())
        at_once = decoder.push(data, t_s)
        decoder.open(stream_info())
        streamed = [
            one for i in range(0, len(data), 97) for one in decoder.push(data[i : i + 97], t_s[i : i + 97])
        ]
    full = [one for one in at_once if one.estimate.probs is not None]
    during = [one for one in full if BURST_S[0] + 0.4 < one.estimate.t_window[1] < BURST_S[1] + 1.0]
    assert during
    for one in during:
        assert (one.decision, one.why) == (None, "poor_signal")
        assert one.label is not None
        assert one.estimate.clean < 1.0
    before = [one for one in full if one.estimate.t_window[1] < BURST_S[0]]
    assert sum(one.why == "poor_signal" for one in before) < 0.05 * len(before)
    assert any(one.decision for one in before)
    assert full[-1].decision is not None
    for one, other in zip(streamed, at_once, strict=True):
        assert (one.decision, one.why, one.estimate.clean) == (
            other.decision,
            other.why,
            other.estimate.clean,
        )
        check_same(one.estimate.probs, other.estimate.probs, 1e-9)


def test_probabilities_are_those_without_a_guard(tmp_path: Path) -> None:
    data, t_s = signal()
    said = []
    for name, guard in (("with", GUARD), ("without", "")):
        with Decoder(str(write(tmp_path / name, guard)), mask=False) as decoder:
            decoder.open(stream_info())
            said.append([one.estimate.probs for one in decoder.push(data, t_s)])
    for one, other in zip(*said, strict=True):
        check_same(one, other, 0.0)


def test_what_was_learnt_outlives_a_gap(tmp_path: Path) -> None:
    data, t_s = signal()
    with Decoder(str(write(tmp_path / "tiny")), mask=False) as decoder:
        decoder.open(stream_info())
        decoder.push(data[:4500], t_s[:4500])
        decoder.restart()
        loud = decoder.push(40.0 * data[:1000], 100.0 + t_s[:1000])
    assert loud[-1].why == "poor_signal"


def test_potatoes_name_electrodes_that_are_read(tmp_path: Path) -> None:
    some = '[guard]\nlearn_s = 12.0\npotatoes = [{ channels = ["C3", "CZ"], band_hz = [8.0, 13.0] }, {}]\n'
    with Decoder(str(write(tmp_path / "tiny", some))) as decoder:
        decoder.open(stream_info())
        guards = [one for one in decoder.pipeline._chain.stages if isinstance(one, Guard)]
    assert [len(group.columns) for group in guards[0]._groups] == [2, len(LABELS)]


@pytest.mark.parametrize(
    ("guard", "stages", "match"),
    [
        ('[guard]\npotatoes = [{ channels = ["FZ"] }]\n', STAGES, r"guard names \['FZ'\], need labels"),
        (GUARD, "", r"guard needs an align stage to stand in front of"),
        ("[guard]\nlearn_s = 2.0\n", STAGES, "ten windows to learn from"),
        ("[guard]\nlimit = 2.0\n", STAGES, r"guard.limit: got 2.0"),
        ("[guard]\npotatoes = []\n", STAGES, r"guard.potatoes"),
    ],
)
def test_what_cannot_guard_is_refused(tmp_path: Path, guard: str, stages: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        read_paradigm(str(write(tmp_path / "tiny", guard, stages)))


def test_recipes_without_a_guard_have_the_hash_they_had() -> None:
    recipe = read_paradigm("motor_imagery")
    assert "guard" not in recipe.model_dump()
    usual = read_paradigm("motor_imagery_rest").stages[-1]
    assert "mean" not in usual.model_dump()
    assert recipe_sha256(recipe) != recipe_sha256(recipe.model_copy(update={"guard": read_guard()}))


def read_guard() -> Any:
    from rtbci.recipes.guard import GuardSettings

    return GuardSettings()


def test_an_interrupted_policy_forgets_the_dwell_and_keeps_the_pause() -> None:
    policy = DecisionPolicy(("a", "b"), threshold=0.6, dwell_s=0.5, refractory_s=2.0)
    assert [policy.push((0.9, 0.1), t).decision for t in (0.0, 0.5)] == [None, "a"]
    policy.interrupt()
    assert [policy.push((0.9, 0.1), t).decision for t in (1.0, 1.5)] == [None, None]
    assert [policy.push((0.9, 0.1), t).decision for t in (2.5, 2.75)] == [None, None]
    policy.interrupt()
    assert [policy.push((0.9, 0.1), t).decision for t in (2.9, 3.2, 3.4)] == [None, None, "a"]


def test_the_published_quality_is_below_what_decides(tmp_path: Path) -> None:
    data, t_s = signal()
    sent: list[Any] = []

    def keep(one: Any) -> SimpleNamespace:
        sent.append(one)
        return SimpleNamespace(age_ms=0.0)

    outbox = SimpleNamespace(prediction=keep, event=lambda *_: None)
    with Decoder(str(write(tmp_path / "tiny")), decision=EAGER, mask=False) as decoder:
        decoder.open(stream_info())
        telemetry = SimpleNamespace(n_predictions=0, age_ms=SimpleNamespace(push=lambda _: None))
        watch = SimpleNamespace(full=lambda: None, why="warming_up")
        use = SimpleNamespace(note=lambda _: None)
        teller = Teller(decoder, outbox, telemetry, watch, use, lambda: False, lambda: 0.0)  # type: ignore[arg-type]
        for verdict in decoder.push(data, t_s):
            teller.predict(verdict, 0.0)
    refused = [one for one in sent if one.why == "poor_signal"]
    assert refused
    assert all(one.quality.score < MIN_QUALITY and one.decision is None for one in refused)
    assert all(one.quality.score == 1.0 for one in sent if one.why != "poor_signal")


VALUE_GUARD = """
[guard]
learn_s = 8.0
window_s = 0.5
hold_s = 1.0
limit = 1e-6
potatoes = [{ band_hz = [28.0, 38.0] }]
"""
CLENCHED_S = (13.0, 15.0)


def clenched(at_s: tuple[float, float]) -> FloatArray:
    """Quiet alpha, and noise of all bands for a time, as of a jaw and the head that moves with it."""
    data = alpha(20.0, 99.0)
    rng = np.random.default_rng(3)
    start, stop = (round(t * VALUE_RATE_HZ) for t in at_s)
    noise = rng.standard_normal((stop - start + 64, data.shape[1]))
    data[start:stop] += (
        300.0 * SosFilter.bandpass(5.0, 55.0, VALUE_RATE_HZ, data.shape[1], 4).push(noise)[64:]
    )
    return data


def valued(folder: Path, data: FloatArray, guard: str) -> list[Verdict]:
    paradigm = write_value_paradigm(folder)
    path = paradigm / "recipe.toml"
    slow = path.read_text().replace("smoothing_s = 0.5", "smoothing_s = 4.0")
    path.write_text(slow + guard)
    with Decoder(str(paradigm), mask=False) as decoder:
        decoder.open(stream_info(rate_hz=VALUE_RATE_HZ))
        return decoder.push(data, np.arange(len(data)) / VALUE_RATE_HZ)


def test_a_value_has_a_guard_without_an_alignment_and_is_pulled_by_nothing_that_it_refuses(
    tmp_path: Path,
) -> None:
    data = clenched(CLENCHED_S)
    guarded, bare = valued(tmp_path / "a", data, VALUE_GUARD), valued(tmp_path / "b", data, "")
    quiet = valued(tmp_path / "c", clenched((0.0, 0.0)), VALUE_GUARD)

    def between(verdicts: list[Verdict], a: float, b: float) -> list[Verdict]:
        return [one for one in verdicts if a < one.estimate.t_window[1] <= b]

    during = between(guarded, CLENCHED_S[0] + 0.5, CLENCHED_S[1] + 0.9)
    assert during
    assert {(one.value, one.why, one.decision) for one in during} == {(None, "poor_signal", None)}
    after = [between(one, CLENCHED_S[1] + 1.8, CLENCHED_S[1] + 3.0) for one in (guarded, bare, quiet)]
    with_guard, without, usual = ([one.value or 0.0 for one in some] for some in after)
    assert with_guard == pytest.approx(usual, abs=0.08)
    assert max(np.abs(np.array(without[:2]) - usual[:2])) > 0.15
    assert sum(one.value is None for one in between(quiet, 5.0, 20.0)) < 3


def test_no_baseline_is_learnt_from_what_the_guard_refuses(tmp_path: Path) -> None:
    paradigm = write_value_paradigm(tmp_path / "calm")
    path = paradigm / "recipe.toml"
    path.write_text(path.read_text().replace("length_s = 3.0", "length_s = 12.0") + VALUE_GUARD)
    data = clenched((9.5, 11.0))
    with Decoder(str(paradigm), mask=False) as decoder:
        decoder.open(stream_info(rate_hz=VALUE_RATE_HZ))
        verdicts = decoder.push(data, np.arange(len(data)) / VALUE_RATE_HZ)
    first = next(one.estimate.t_window[1] for one in verdicts if one.value is not None)
    assert 13.5 < first < 16.5  # 12 s, and what was refused
    assert {one.why for one in verdicts if 10.2 < one.estimate.t_window[1] < 11.5} == {"poor_signal"}
