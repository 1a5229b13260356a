import numpy as np
import pytest

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.calibrate import fit
from rtbci.calibrate.candidates import standard_candidates
from rtbci.calibrate.markers import with_markers
from rtbci.calibrate.offline import calibrate_recordings
from rtbci.errors import ProfileError
from rtbci.probe.blank import BLANK
from rtbci.recipes import InputSettings, ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stream.source import Marker

CHANNELS = ("FC3", "FCZ", "FC4", "C3", "CZ", "C4", "CP3", "CPZ", "CP4")
CLASSES = ("left_hand", "right_hand", "feet", "rest")
IMAGERY_S, PAUSE_S = 4.2, 1.3


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the candidates that take long; what all have in common is what is tested here."""
    slow = ("CSP + LDA", "augmented covariance")
    every = standard_candidates
    monkeypatch.setattr(fit, "standard_candidates", lambda one: [x for x in every(one) if x.name not in slow])


def recipe() -> ParadigmRecipe:
    """Hands, feet and rest from a few electrodes, without population."""
    whole = read_paradigm("motor_imagery_4")
    assert whole.population is None
    few = whole.model_copy(update={"input": InputSettings(channels=CHANNELS)})
    return with_markers(few, ["rest=rest"])


def recorded(n_per_class: int, seed: int) -> Recording:
    """A synthetic user who was asked for everything in turn."""
    amp = SyntheticAmp(CHANNELS, 160.0, seed=3, cues=False, feet=True)
    amp.generate(round(160.0 * 20.0 * seed))  # another part of the same user's signal
    order = np.random.default_rng(seed).permutation(list(CLASSES) * n_per_class).tolist()
    parts, markers, n = [amp.generate(1600)[0]], [], 1600
    for name in order:
        for state, text, seconds in ((name, name, IMAGERY_S), ("rest", "pause", PAUSE_S)):
            amp.set_state(state)
            markers.append(Marker(n / 160.0, text))
            parts.append(amp.generate(round(seconds * 160.0))[0])
            n += len(parts[-1])
    return Recording(amp.info, np.vstack(parts), tuple(markers))


def test_before_the_first_trial_every_class_is_as_probable() -> None:
    with Decoder(recipe(), profile=BLANK) as decoder:
        said = [verdict.estimate.probs for verdict in decoder.decode(recorded(1, 0))]
    full = [probs for probs in said if probs is not None]
    assert full
    np.testing.assert_allclose(full, 0.25)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_hands_feet_and_rest_are_learnt_from_calibration_alone() -> None:
    mine = recipe()
    found = calibrate_recordings([recorded(8, 0)], "ada", mine)
    assert found.judgement is not None
    assert found.judgement.low > 60.0  # of four classes
    assert found.judgement.chance == pytest.approx(25.0)
    assert found.candidates[0].accuracy == pytest.approx(25.0)
    new = recorded(4, 1)
    with Decoder(mine, profile=found.profile) as decoder:
        verdicts = decoder.decode(new)
    t_newest = np.array([one.estimate.t_window[1] for one in verdicts])
    right = dict.fromkeys(CLASSES, 0)
    for t_cue, text in new.markers:
        if text in right:
            right[text] += verdicts[int(np.searchsorted(t_newest, t_cue + 4.0)) - 1].label == text
    assert sum(right.values()) >= 12
    assert right["feet"] >= 2
    assert all(one.decision != "rest" for one in verdicts)


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_user_who_does_nothing_is_told_from_chance_by_no_candidate() -> None:
    one = recorded(8, 0)
    shuffled = (
        np.random.default_rng(5).permutation([text for _, text in one.markers if text != "pause"]).tolist()
    )
    markers = [Marker(t, text if text == "pause" else shuffled.pop()) for t, text in one.markers]
    found = calibrate_recordings([Recording(one.info, one.data, tuple(markers))], "ada", recipe())
    assert found.judgement is not None
    assert found.judgement.low < 25.0


def test_without_a_calibration_it_says_what_to_do() -> None:
    with pytest.raises(
        ProfileError, match=r"calibrate first \(rtbci calibrate --paradigm motor_imagery_4; rtbci amp "
    ):
        Decoder("motor_imagery_4")
