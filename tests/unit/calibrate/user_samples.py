"""A made-up user: trials whose rhythm is weaker over one side, and a population decoder for them."""

from collections.abc import Sequence

import msgspec
import numpy as np

from rtbci.calibrate.features import TrialFeatures, read_trial
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.probe.fusion import Fusion
from rtbci.probe.profile import Profile
from rtbci.stages.stage import FloatArray
from tests.probe_samples import HOP, N_CHANNELS, RATE_HZ, WINDOW, make_profile, sessions

__all__ = ["N_WINDOWS", "features", "population", "population_with_prior", "trial", "trials"]

N_WINDOWS = 3
N_CONTEXT = int(RATE_HZ)
BRANCHES = ("encoder", "tangent")


def population(trust: float = 1.0) -> Profile:
    """A profile of an encoder and a tangent branch whose random heads are as sure as `trust` says."""
    whole = make_profile("population")
    branches = [
        msgspec.structs.replace(entry, weight=trust) for entry in whole.branches if entry.name in BRANCHES
    ]
    kept = tuple(f"{name}." for name in BRANCHES)
    weights = {name: x for name, x in whole.weights.items() if name.startswith(kept)}
    return msgspec.structs.replace(
        whole, branches=branches, weights=weights, temperature=1.5, bias=[0.1, -0.1]
    )


def population_with_prior(trust: float = 1.0) -> Profile:
    """The same, whose tangent branch knows how far people differ, and whose classes are each other's mirror image."""
    plain = population(trust)
    coef = plain.weights["tangent.coef"]
    spread = np.full(coef.shape[1], 0.5)
    spread[[1, 4]] = 1e-6  # C3 with Cz, Cz with C4: nobody differs there
    weights = {
        **plain.weights,
        "tangent.reference": np.stack([np.eye(N_CHANNELS)] * 2),
        "tangent.user_spread": spread,
    }
    return msgspec.structs.replace(plain, mirror=[1, 0], weights=weights)


def trial(i_trial: int, i_class: int, profile: Profile, separation: float = 2.0) -> CalibrationTrial:
    """A trial whose first or last channel is stronger by `separation`; logits are those of the profile."""
    from rtbci.probe.open_branches import open_branches

    rng = np.random.default_rng(1000 + i_trial)
    n = N_CONTEXT + WINDOW + (N_WINDOWS - 1) * HOP
    signal = rng.standard_normal((n, N_CHANNELS))
    signal[:, 0 if i_class else -1] *= separation
    signal = signal.astype(np.float32).astype(np.float64)
    needed = {one.name: sessions()[one.name] for one in profile.branches if one.engine}
    branches = open_branches(profile, needed)
    fusion = Fusion([one.weight for one in profile.branches], profile.bias, profile.temperature)
    ends = [n - (N_WINDOWS - 1 - i) * HOP for i in range(N_WINDOWS)]
    said = np.array([[branch.logits_of(signal[:end]) for branch in branches] for end in ends])
    return CalibrationTrial(
        i_trial,
        i_class,
        10.0 * i_trial,
        signal=signal.astype(np.float32),
        t_newest=10.0 * i_trial + 3.0 + np.arange(N_WINDOWS) * HOP / RATE_HZ,
        branch_logits=said,
        logits=np.stack([fusion.logits(list(one)) for one in said]),
        raw_uv=np.zeros((4, 2), np.float32),
        t_raw=np.arange(4.0),
    )


def trials(n: int, profile: Profile, separation: float = 2.0) -> list[CalibrationTrial]:
    """Trials of both classes in turn."""
    return [trial(i, i % 2, profile, separation) for i in range(n)]


def features(
    n: int, profile: Profile, separation: float = 2.0, labels: Sequence[int] | None = None
) -> list[TrialFeatures]:
    """What decoders read of `trials`; other labels may be given."""
    opened = sessions()
    found = [read_trial(profile, opened, one) for one in trials(n, profile, separation)]
    if labels is None:
        return found
    from dataclasses import replace

    return [replace(one, i_class=label) for one, label in zip(found, labels, strict=True)]


def stacked(found: Sequence[TrialFeatures]) -> FloatArray:
    """Logits of the last windows, shape (n_trials, n_classes)."""
    return np.stack([one.logits[-1] for one in found])
