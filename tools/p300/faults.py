"""Electrodes that give noise while a decoder of flashes runs: replaced as a run does, and not.

Usage, from the checkout's root::

    python -m tools.p300.faults

Decoders are fitted on all blocks of ``../shared/data/p300-bi2012`` (or ``--data``) but one, on the recording as it is, and judged on
that one with noise (white, 150 uV, and a random walk of 15 uV a sample) in some electrodes from 20 s on: by the stages that run
without masks, with masks as of a profile that does not know the electrodes that it was fitted with, and as of one that does.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.evaluate.data import open_data
from rtbci.evaluate.tables import Grid, markdown
from rtbci.flashes.epochs import FlashEpochs, cut_epochs
from rtbci.flashes.fit import block_folds, fit_probe
from rtbci.flashes.judge import area_under_curve
from rtbci.flashes.profile import electrode_covariance, erp_branch_name, flash_profile
from rtbci.flashes.user_fit import MAX_FOLDS
from rtbci.probe.erp import ErpProbe
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.opening import open_stream
from rtbci.stages.stage import FloatArray

CASES: tuple[tuple[str, ...], ...] = ((), ("Pz",), ("O1",), ("T7",), ("P7",), ("Cz",), ("C4",), ("P3", "O2"))
NOISE_UV, WALK_UV, FROM_S = 150.0, 15.0, 20.0


@dataclass(frozen=True)
class _Judged:
    """Flashes of the recording as it is, and for each block a decoder fitted on the others."""

    recipe: ParadigmRecipe
    found: FlashEpochs
    folds: npt.NDArray[np.intp]
    probes: list[ErpProbe]
    profiles: list[Profile]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description="Judge what replacing bad electrodes is worth to a decoder of flashes."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/p300-bi2012"))
    options = parser.parse_args()
    recipe, reader = read_paradigm("p300"), open_data([str(options.data)])
    (recording,) = (run for name in reader.subjects() for run in reader.read(name))
    judged = _fitted(recording, recipe)
    rows = []
    for electrodes in CASES:
        spoiled = noisy(recording, electrodes)
        stranger = msgspec.structs.replace(judged.profiles[0], weights={})
        bare = windows(spoiled, judged, stranger, mask=False)
        if not electrodes and not np.allclose(bare, judged.found.epochs, atol=1e-9):
            raise SystemExit("windows are not those that decoders are fitted on; mend this tool")
        filled = windows(spoiled, judged, stranger, mask=True)
        known = [windows(spoiled, judged, one, mask=True) for one in judged.profiles]
        areas = (area([some] * len(known), judged) for some in (bare, filled))
        rows.append(
            (" and ".join(electrodes) or "none", *(f"{one:.3f}" for one in (*areas, area(known, judged))))
        )
        print(*rows[-1], flush=True)
    heads = ("noise in", "nothing replaced", "replaced, electrodes not known", "replaced, electrodes known")
    print(markdown(Grid("Mean AUC of blocks", heads, rows)))


def noisy(recording: Recording, electrodes: Sequence[str]) -> Recording:
    """The recording with noise in some electrodes."""
    data, rng = recording.data.copy(), np.random.default_rng(0)
    first = round(FROM_S * recording.info.rate_hz)
    for label in electrodes:
        white, steps = rng.standard_normal((2, len(data) - first))
        data[first:, recording.info.labels.index(label)] += NOISE_UV * white + WALK_UV * np.cumsum(steps)
    return replace(recording, data=data)


def windows(recording: Recording, judged: _Judged, profile: Profile, *, mask: bool) -> FloatArray:
    """Windows of all flashes, shape (n_flashes, n_samples, n_channels), by the stages of a run with this profile."""
    chain = open_stream(judged.recipe, recording.info, profile, "", ignore=(), mask=mask).chain
    signal, t_s = chain.push(recording.data), recording.sample_times()
    n = judged.found.epochs.shape[1]
    first = np.searchsorted(t_s, [one.t_s - 1e-9 for one in judged.found.flashes])
    return np.stack([signal[i : i + n] for i in first])


def area(epochs: Sequence[FloatArray], judged: _Judged) -> float:
    """Mean AUC of the blocks, each by the decoder that did not see it, on its windows."""
    is_target = judged.found.is_target
    areas = []
    for fold, (probe, some) in enumerate(zip(judged.probes, epochs, strict=True)):
        rows = np.flatnonzero(judged.folds == fold)
        scores = np.array([probe.score(some[i]) for i in rows])
        areas.append(area_under_curve(scores, is_target[rows]).value)
    return fmean(areas)


def _fitted(recording: Recording, recipe: ParadigmRecipe) -> _Judged:
    found = cut_epochs([recording], recipe)
    folds = block_folds(found.i_selection, MAX_FOLDS)
    probes, profiles = list[ErpProbe](), list[Profile]()
    for fold in np.unique(folds):
        used = folds != fold
        probe = fit_probe(found.epochs[used], found.is_target[used])
        probes.append(probe)
        profiles.append(
            flash_profile(
                recipe,
                [(erp_branch_name(recipe), probe, 1.0)],
                0.0,
                found.rate_hz,
                "fold",
                covariance=electrode_covariance(found.epochs[used], recipe),
            )
        )
    return _Judged(recipe, found, folds, probes, profiles)


if __name__ == "__main__":
    main()
