import numpy as np
import pytest

from rtbci.amp.cues import Cue
from rtbci.amp.flashes import N200_S, P300_S, Attention, FlashAnswer, FlashCues
from rtbci.amp.synthetic import Signal, SyntheticAmp
from rtbci.errors import ConfigError
from rtbci.recipes.flashes import BEGIN, END
from rtbci.speller.markers import cue_of, flash_of
from rtbci.stream.source import FloatArray

RATE_HZ = 256.0
GROUPS = {"r1": ("A", "B"), "r2": ("C", "D"), "c1": ("A", "C"), "c2": ("B", "D")}
CHANNELS = ("FZ", "CZ", "PZ", "OZ", "PO7", "PO8", "P7", "T7")
N200, P300 = 2, 4
"""Columns of an answer."""


def answer(seed: int = 0, p300_uv: float = 9.0) -> FlashAnswer:
    return FlashAnswer(Attention(GROUPS, p300_uv=p300_uv), RATE_HZ, np.random.default_rng(seed))


def evoked(tested: FlashAnswer, item: str | None, group: str, n: int = 40) -> FloatArray:
    """Mean answer over flashes of one group, 2 s apart."""
    i_apart = round(2 * RATE_HZ)
    cues = [Cue(0, f"cue/{item}")] if item else []
    flashes = [Cue(k * i_apart, f"flash/{group}") for k in range(n)]
    made = tested.push(0, n * i_apart, [*cues, *flashes])
    return np.asarray(made.reshape(n, i_apart, -1).mean(axis=0))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_attended_to_evokes_an_n200_and_a_p300_at_the_users_latency(seed: int) -> None:
    tested = answer(seed)
    mean = evoked(tested, "B", "c2")
    assert P300_S[0] <= tested.p300_s <= P300_S[1]
    assert N200_S[0] <= tested.n200_s <= N200_S[1]
    assert mean[:, P300].argmax() / RATE_HZ == pytest.approx(tested.p300_s, abs=0.02)
    assert mean[:, N200].argmin() / RATE_HZ == pytest.approx(tested.n200_s, abs=0.005)
    assert 4.0 < mean[:, P300].max() < 16.0


@pytest.mark.parametrize(("item", "group"), [("B", "c1"), ("B", "r2"), (None, "c1"), ("X", "c1")])
def test_what_is_not_attended_to_evokes_only_the_visual_answer(item: str | None, group: str) -> None:
    mean = evoked(answer(), item, group)
    assert not mean[:, 2:].any()
    assert mean[:, 0].max() > 0.5
    assert mean[:, 0].argmax() / RATE_HZ == pytest.approx(0.11, abs=0.01)


def test_a_user_who_rests_or_has_no_p300_shows_none() -> None:
    tested = answer()
    tested.push(0, 1, [Cue(0, "cue/A")])
    assert tested.attended == "A"
    made = tested.push(1, 400, [Cue(1, "unseen"), Cue(2, "flash/r1")])
    assert tested.attended is None
    assert not made[:, 2:].any()
    assert not evoked(answer(p300_uv=0.0), "B", "c2")[:, 2:].any()


def test_the_second_of_two_flashes_in_close_succession_evokes_less() -> None:
    one, both = answer(3), answer(3)
    cue, n = Cue(0, "cue/A"), round(RATE_HZ)
    alone = one.push(0, n, [cue, Cue(0, "flash/r1")])[:, P300]
    second = both.push(0, n, [cue, Cue(0, "flash/r1"), Cue(round(0.175 * RATE_HZ), "flash/c1")])[:, P300]
    assert 0.1 * alone.sum() < (second - alone).sum() < 0.7 * alone.sum()


def test_a_flash_that_is_told_late_has_the_rest_of_its_answer() -> None:
    early, late = answer(5), answer(5)
    cue, flash = Cue(0, "cue/A"), Cue(10, "flash/r1")
    first, second = early.push(0, 40, [cue, flash]), early.push(40, 300, [])
    late.push(0, 40, [cue])
    np.testing.assert_array_equal(late.push(40, 300, [flash]), second)
    assert first[:, 0].any()


def test_flashes_of_its_own_ask_for_an_item_and_end() -> None:
    attention = Attention(GROUPS, soa_s=0.2, repetitions=3, wanted=("A", "D"))
    cues = FlashCues(attention, RATE_HZ, np.random.default_rng(0))
    due = [cue for i in range(0, round(30 * RATE_HZ), 16) for cue in cues.until(i)]
    texts = [cue.state for cue in due]
    assert [one for text in texts if (one := cue_of(text))][:4] == ["A", "D", "A", "D"]
    first = texts[: texts.index(END) + 1]
    assert first[:2] == ["cue/A", BEGIN]
    assert len(first) == 3 + 12
    assert sorted(filter(None, map(flash_of, first))) == sorted([*GROUPS] * 3)
    t_s = np.array([cue.i_sample for cue in due[2:14]]) / RATE_HZ
    np.testing.assert_allclose(np.diff(t_s), 0.2, atol=1 / RATE_HZ)
    assert [cue.i_sample for cue in due] == sorted(cue.i_sample for cue in due)


def test_a_trial_that_is_decided_ends_with_the_next_flash() -> None:
    cues = FlashCues(Attention(GROUPS, soa_s=0.2, repetitions=5), RATE_HZ, np.random.default_rng(0))
    cues.end_trial()  # nothing flashes yet: too early
    due = cues.until(round(5.5 * RATE_HZ))
    n = sum(flash_of(cue.state) is not None for cue in due)
    assert 4 < n < 10
    cues.end_trial()
    after = cues.until(round(6.0 * RATE_HZ))
    assert [cue.state for cue in after] == [END]
    assert cue_of(cues.until(round(12 * RATE_HZ))[0].state) is not None


def test_what_is_no_item_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match="FlashCues: X asked for, need items of A B C D"):
        FlashCues(Attention(GROUPS, wanted=("A", "X")), RATE_HZ, np.random.default_rng(0))


def still(seed: int, p300_uv: float, *, cues: bool = True) -> SyntheticAmp:
    """An amplifier without background, so that averages of few flashes show what is evoked."""
    names = (
        "background_uv",
        "alpha_uv",
        "mu_uv",
        "beta_uv",
        "blink_every_s",
        "line_uv",
        "drift_uv",
        "noise_uv",
    )
    attention = Attention(GROUPS, soa_s=0.4, repetitions=4, p300_uv=p300_uv)
    signal = Signal(**dict.fromkeys(names, 0.0))
    return SyntheticAmp(CHANNELS, RATE_HZ, seed, signal=signal, attention=attention, line_hz=0.0, cues=cues)


def test_the_amplifier_shows_it_over_the_parietal_cortex_whatever_is_asked_for_at_once() -> None:
    amp, again = still(1, 9.0), still(1, 9.0)
    data, markers = amp.generate(round(40 * RATE_HZ))
    pieces = [again.generate(n)[0] for n in (1, 700, 33, len(data) - 734)]
    np.testing.assert_array_equal(np.concatenate(pieces), data)
    assert amp.answer is not None
    wanted, target, other = None, list[FloatArray](), list[FloatArray]()
    for marker in markers:
        wanted = cue_of(marker.value) or wanted
        group, i = flash_of(marker.value), round(marker.t_lsl * RATE_HZ)
        if group is not None and i + 200 < len(data):
            (target if wanted in GROUPS[group] else other).append(data[i : i + 200])
    difference = np.mean(target, axis=0) - np.mean(other, axis=0)
    at = dict(zip(CHANNELS, difference[round(amp.answer.p300_s * RATE_HZ)], strict=True))
    assert max(at, key=lambda label: at[label]) == "PZ"
    assert at["PZ"] > 1.3 * at["CZ"] > 1.3 * at["FZ"]
    at = dict(zip(CHANNELS, difference[round(amp.answer.n200_s * RATE_HZ)], strict=True))
    assert min(at, key=lambda label: at[label]) in ("PO7", "PO8")


def test_flashes_that_it_is_told_are_answered_and_have_no_marker() -> None:
    amp, silent = still(1, 9.0, cues=False), still(1, 9.0, cues=False)
    amp.tell("cue/A", 0)
    for one in (amp, silent):
        one.tell("flash/r1", 64)
    data, markers = amp.generate(400)
    assert not markers
    assert amp.state == "A"
    evoked_uv = (data - silent.generate(400)[0])[:, CHANNELS.index("PZ")]
    assert amp.answer is not None
    assert (evoked_uv.argmax() - 64) / RATE_HZ == pytest.approx(amp.answer.p300_s, abs=0.06)
    amp.set_state("B")
    assert [marker.value for marker in amp.generate(64)[1]] == ["cue/B"]


def test_other_users_are_as_before() -> None:
    """What was added draws from a generator of its own."""
    plain = SyntheticAmp(CHANNELS, RATE_HZ, seed=2)
    with_flashes = SyntheticAmp(CHANNELS, RATE_HZ, seed=2, cues=False, attention=Attention(GROUPS))
    assert plain.states == ("rest", "left_hand", "right_hand")
    assert with_flashes.states == ("rest", "A", "B", "C", "D")
    before, after = plain.generate(256)[0], with_flashes.generate(256)[0]  # neither is asked for anything yet
    np.testing.assert_allclose(before, after)
