import numpy as np

from rtbci.stages.stage import FloatArray
from tools.calibrated_controls import Cut, calibrated, first_trials
from tools.training.user_prior import LEAST, PRECISION, user_spread

N_SUBJECTS, N_TRIALS, N_FEATURES = 12, 40, 10
CLASSES = np.tile(np.arange(2), N_SUBJECTS * N_TRIALS // 2)
SUBJECTS = np.repeat(np.arange(N_SUBJECTS), N_TRIALS)


def people(seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Trials and their images: feature 0 tells everybody's classes, feature 1 those of people each in an own direction, 2 has no side."""
    rng = np.random.default_rng(seed)
    sign = np.where(CLASSES == 1, 1.0, -1.0)
    x = rng.standard_normal((3, len(CLASSES), N_FEATURES))
    x[..., 0] += sign
    x[..., 1] += 2.0 * sign * rng.choice([-1.0, 1.0], N_SUBJECTS)[SUBJECTS]
    image = -x
    x[..., 2] += 5.0
    image[..., 2] = x[..., 2]
    return x, image


def test_it_finds_what_people_differ_in() -> None:
    x, image = people()
    spread = user_spread((x - image) / 2.0, CLASSES, SUBJECTS)
    assert spread.argmax() == 1
    assert spread[1] > 3.0 * np.median(spread)
    assert spread[2] == LEAST  # the same on both sides
    assert abs(np.mean(spread**2) * PRECISION - 1.0) < 1e-4


def test_the_first_trials_of_each_class() -> None:
    classes = np.array([0, 0, 1, 0, 1, 1, 0])
    assert first_trials(np.arange(7), classes, 2).tolist() == [0, 1, 2, 4]
    assert first_trials(np.array([3, 4, 5]), classes, 1).tolist() == [3, 4]
    assert not len(first_trials(np.arange(7), classes, 0))


def test_people_who_are_unlike_others_gain_by_their_own_trials() -> None:
    """Left and right electrode: the stronger side tells the class, in half of the people the other way round."""
    rng = np.random.default_rng(1)
    turned = np.arange(N_SUBJECTS) % 3 == 0
    side = np.where(CLASSES == 1, 1.0, -1.0) * np.where(turned, -1.0, 1.0)[SUBJECTS]
    covariances = []
    for _ in range(3):
        log_power = rng.standard_normal((len(CLASSES), 1, 2)) * 0.3
        log_power[:, 0] += np.stack([side, -side], axis=1) * 0.5
        covariances.append(np.exp(log_power)[..., np.newaxis] * np.eye(2))
    runs = np.tile(np.arange(N_TRIALS) // 20, N_SUBJECTS)
    cut = Cut(covariances, CLASSES, SUBJECTS, runs)
    found = calibrated(cut, np.arange(N_SUBJECTS)[-4:], [1, 0])
    assert set(found) == {0, 5, 10}
    mine = turned[-4:]
    assert found[0][mine].max() < 20.0
    assert found[10][mine].min() > 80.0
    assert found[10][~mine].min() > 80.0
