from functools import partial

import numpy as np
import pytest

from rtbci.stages.stage import FloatArray
from tools.cued_recentring import Earlier, carried, drawn, own, shifted, summed, tossed

N_SUBJECTS, N_RUNS, N_TRIALS = 80, 3, 14
RNG = np.random.default_rng(0)
CLASSES = np.concatenate([RNG.permutation(N_TRIALS) % 2 for _ in range(N_SUBJECTS * N_RUNS)])
SUBJECTS = np.repeat(np.arange(N_SUBJECTS), N_RUNS * N_TRIALS)
RUNS = np.tile(np.repeat(np.arange(N_RUNS), N_TRIALS), N_SUBJECTS)
MARGINS: FloatArray = (2.0 * CLASSES - 1.0 + 0.5 * RNG.standard_normal(CLASSES.shape))[:, np.newaxis]


def test_what_earlier_trials_say() -> None:
    z = np.arange(1.0, 9.0)
    rows, before, others = np.arange(4, 8), np.arange(4), np.arange(4)
    sums, counts = own(z, CLASSES, rows, before, others)
    assert (sums.tolist(), counts.tolist()) == ([0.0, 5.0, 11.0, 18.0], [0.0, 1.0, 2.0, 3.0])
    sums, counts = carried(z, CLASSES, rows, before, others)
    assert (sums.tolist(), counts.tolist()) == ([10.0, 15.0, 21.0, 28.0], [4.0, 5.0, 6.0, 7.0])
    sums, counts = drawn(np.ones(8), CLASSES, rows, before, others, seed=0)
    assert (sums.tolist(), counts.tolist()) == ([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0])


def test_a_trial_is_never_among_those_that_are_drawn_for_it() -> None:
    classes, rows = np.array([0, 0, 1, 1]), np.arange(4)
    for seed in range(20):
        sums, _ = tossed(np.array([0.0, 0.0, 0.0, 100.0]), classes, rows, rows, rows, seed=seed)
        assert sums[3] == 0.0


@pytest.mark.parametrize(
    ("earlier", "tells_the_class"),
    [(own, True), (partial(drawn, seed=0), False), (partial(tossed, seed=0), False)],
)
def test_only_trials_of_a_balanced_run_tell_the_class_of_those_to_come(
    earlier: Earlier, tells_the_class: bool
) -> None:
    """A decoder that leans nowhere: nothing can be gained but by what the run's balance tells."""
    found = shifted(MARGINS, *summed(MARGINS, CLASSES, SUBJECTS, RUNS, earlier), 4.0)
    gain = ((found - MARGINS)[:, 0] * (2 * CLASSES - 1)).reshape(N_SUBJECTS, -1).mean(axis=1)
    t = gain.mean() / (gain.std(ddof=1) / np.sqrt(N_SUBJECTS))
    assert (t > 5.0) if tells_the_class else (abs(t) < 2.5)


@pytest.mark.parametrize("earlier", [own, carried, partial(drawn, seed=0), partial(tossed, seed=0)])
def test_all_of_them_take_a_lean_off(earlier: Earlier) -> None:
    margins = MARGINS + 3.0
    leaning = shifted(margins, *summed(margins, CLASSES, SUBJECTS, RUNS, earlier), 4.0)
    last = np.arange(len(CLASSES)) % N_TRIALS == N_TRIALS - 1
    assert leaning[last].mean() < 1.0
