"""Who sits under the synthetic amplifier for each of the shipped paradigms."""

import numpy as np
import pytest

from rtbci.amp.cues import STATES
from rtbci.calibrate.eyes import check_eyes
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.commands.amp_users import user_of
from rtbci.probe.calibration_record import EyeNote
from rtbci.recipes import list_recipes


@pytest.mark.parametrize("paradigm", list_recipes("paradigms"))
def test_every_paradigm_has_a_user(paradigm: str) -> None:
    amp = user_of(paradigm, (), 250.0, 0, line_hz=50.0, name="amp", cues=True)
    assert amp.info.n_channels > 0
    assert len(amp.states) > 1


def test_who_reads_nothing_of_its_own_sees_hands() -> None:
    amp = user_of("motor_imagery", (), 250.0, 0, line_hz=50.0, name="amp", cues=True)
    assert amp.states == STATES


def rehearsed(seed: int, gaze: bool | None, n_trials: int = 20) -> EyeNote:
    """What the eye check says of a user who follows cues, and of a decoder that is right each time."""
    amp = user_of("", (), 256.0, seed, line_hz=50.0, name="amp", cues=False, gaze=gaze)
    assert amp.states == STATES
    t_raw = np.arange(-256, 1024) / 256
    trials: list[CalibrationTrial] = []
    for i_trial, i_class in enumerate(np.random.default_rng(seed).permutation(np.arange(n_trials) % 2)):
        amp.set_state("rest")
        before = amp.generate(768)[0][-256:]
        amp.set_state(STATES[1 + i_class])
        raw = np.concatenate([before, amp.generate(1024)[0]]).astype(np.float32)
        none = np.empty((0, 2))
        trials.append(
            CalibrationTrial(
                i_trial,
                int(i_class),
                0.0,
                none.astype(np.float32),
                none[:, 0],
                none[:, None],
                none,
                raw,
                t_raw,
            )
        )
    margins = np.array([2.0 * trial.i_class - 1.0 for trial in trials])
    return check_eyes(trials, amp.info.labels, STATES[1:], margins)


def test_who_follows_cues_keeps_the_eyes_in_the_middle() -> None:
    """The cues of rtbci's pages are there: a rehearsed calibration is not told that it may be gaze."""
    found = rehearsed(0, gaze=None, n_trials=80)
    assert found.note == ""
    assert found.r == pytest.approx(0.0, abs=0.3)


def test_eyes_that_go_to_the_cue_are_told_all_the_same() -> None:
    found = rehearsed(0, gaze=True)
    assert "output follows the eyes" in found.note
    assert found.low is not None
    assert found.low > 60


def test_who_asks_for_hands_itself_does_as_in_recordings_with_cues_at_the_side() -> None:
    moving, still = (
        user_of("", (), 256.0, 0, line_hz=50.0, name="amp", cues=True, gaze=gaze).generate(2048)[0]
        for gaze in (None, False)
    )
    assert np.abs(moving - still).max() > 10
    again = user_of("", (), 256.0, 0, line_hz=50.0, name="amp", cues=True, gaze=True).generate(2048)[0]
    np.testing.assert_array_equal(moving, again)
