"""CARD.md of the engine and of the population decoder, from the measured results."""

from collections.abc import Mapping
from typing import Any

from rtbci.encoder.sizes import SIZES, n_parameters
from tools.training.networks import POWER_PATH
from tools.training.results import folds_text

__all__ = ["engine_card", "paradigm_card"]

SOURCE = """## Data, licence, attribution

PhysioNet EEG Motor Movement/Imagery Database (EEGMMIDB) 1.0.0, DOI 10.13026/C28G6P: {trained[n_subjects]} subjects, runs 4, 8
and 12 (imagined left or right fist), {trained[n_trials]} trials, 160 Hz. Open Data Commons Attribution License 1.0 (ODC-BY).

- Schalk G, McFarland DJ, Hinterberger T, Birbaumer N, Wolpaw JR (2004). BCI2000: a general-purpose brain-computer
  interface (BCI) system. IEEE Trans Biomed Eng 51(6):1034-1043.
- Goldberger AL et al. (2000). PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220.

The weights contain no recordings. They are released under the licence of this repository; keep the attribution above.
"""

TRAINING = """## Training

    {command}

Seed {plan[seed]}; {plan[epochs]} epochs of the encoder; {time}
{start} Signals come
from the streaming stages of the live decoder, each run from a fresh start, causally; windows end at random
3.0 to 4.1 s after the cue. Every window is seen with left and right exchanged, too (docs/adr/0037-both-sides.md).
"""


def engine_card(results: Mapping[str, Any], command: str) -> str:
    """Card of the encoder's engine."""
    size = SIZES[results["plan"]["size"]]
    return "\n".join(
        [
            f"# DARE {size.name}, motor imagery\n",
            f"Patch encoder of {n_parameters(size, POWER_PATH):,} parameters for 31 virtual electrodes: 250 ms of average-referenced,",
            "8-30 Hz, running-whitened signal at 256 Hz behind the profile's adapter in, one vector of "
            f"{size.n_summary * size.n_features} numbers out. The architecture is",
            "that of DARE-EEG (arXiv 2605.18298), written from its description; these are not its weights, and its numbers are not claimed.",
            "It has a power path, which is ours: the log power of each electrode's patch is added to its token and read out around the",
            "transformer (docs/adr/0012-readout-around-the-transformer.md, with what each part is worth: nearly all is the readout's).",
            "The profile's adapter gives these electrodes twice, the second time of the head with left and right exchanged, and the probe reads",
            "the difference of both vectors (docs/adr/0037-both-sides.md).",
            "At the start of training the channel embedding has standard deviation 0.5, and linear maps start at 1/sqrt(inputs).\n",
            SOURCE.format(**results),
            _training(results, command),
            "## Results\n",
            f"With its probe alone, subjects not seen in training ({folds_text(results)}), zero calibration, track B: "
            f"{_row(results, 'B', 'encoder')};",
            f"sliding windows: {_row(results, 'B sliding', 'encoder')}.{_gain(results)} All numbers: docs/results.md.\n",
            "## Limits\n",
            _encoder_limit(results),
            *_precision_limit(size.name),
            "- Only these 31 electrodes, in this order, after exactly these stages.",
            "- Judged on healthy adults of one data set, cued imagery; nothing is known for patients or for idle.\n",
        ]
    )


def paradigm_card(results: Mapping[str, Any], command: str) -> str:
    """Card of the population decoder."""
    fusion = results["fusion"]
    shares = ", ".join(
        f"{name} {w:.2f}" for name, w in zip(fusion["branches"], fusion["weights"], strict=True)
    )
    every = "encoder + tangent"
    return "\n".join(
        [
            "# Population decoder: left against right hand imagery\n",
            "For users without calibration. Two branches on one signal: DARE "
            + results["plan"]["size"]
            + " with adapter and probe, and the tangent space of",
            "covariances in four bands from 8 to 30 Hz; fused, with a calibrated temperature. The encoder sees every patch with left and right",
            "exchanged, too, and says of a mirrored signal the other side, equally sure (docs/adr/0037-both-sides.md). Missing electrodes are inferred",
            "(docs/adr/0010-missing-electrodes.md).\n",
            SOURCE.format(**results),
            _training(results, command),
            f"Fusion, from out-of-fold logits only: {shares}; temperature {fusion['temperature']:.2f}.\n",
            "Beside the weights stands how far these people's own heads lie from them, weight by weight: where a calibration starts from",
            "(docs/adr/0043-how-people-differ.md).\n",
            "## Results\n",
            f"Balanced accuracy, subjects not seen in training ({folds_text(results)}), zero calibration, mean over subjects, of windows cut",
            "at the cues (docs/results.md has what was measured of decoders as they run, hop by hop and recentred):\n",
            f"- Track B (1 to 4 s after the cue): {_row(results, 'B', every)}.",
            f"- Every sliding window inside 0.5 to 4.1 s: {_row(results, 'B sliding', every)}.",
            f"- Calibration error of its probabilities: {results['calibration_error']['sliding']:.3f} (sliding windows).\n",
            "All numbers, with the tests: docs/results.md.\n",
            "## Gaze control\n",
            "The cue of this data set is on the left or right of the screen, and eyes follow it. No frontal electrode is",
            "read, and the band starts at 8 Hz. What remains: on seven frontal electrodes alone",
            f"{_row(results, 'B', 'frontal_tangent')} (tangent space) and {_row(results, 'B', 'frontal_power')} (power of learned filters).",
            "On eight posterior electrodes, which the decoder does read and where attention to one side may show, they reach",
            f"{_row(results, 'B', 'posterior_tangent')} and {_row(results, 'B', 'posterior_power')}.",
            f"The untrained eye rule: {_row(results, 'B', 'eye rule, 1-4 s')}; on the raw signal right after the cue,",
            f"{_row(results, 'A', 'eye rule, 0.25-0.5 s')}.\n",
            "## Limits\n",
            "- Subjects differ: the interval is over subjects' mean; many single users stay near chance without calibration.",
            _encoder_limit(results),
            "- There is no idle class: at rest it still says left or right; only the decision's threshold holds it back. The paradigm",
            "  motor_imagery_idle has one.",
            "- Tuned on these subjects' cross-validation, so slightly optimistic; docs/results.md says what was chosen there.",
            "- Healthy adults, one data set, cued imagery, one kind of amplifier.\n",
        ]
    )


def _gain(results: Mapping[str, Any]) -> str:
    if "gain" not in results:
        return ""
    track_b, sliding = (results["gain"][track] for track in ("B", "sliding"))
    return (
        f"\nOn the same people, against the encoder of `motor_imagery`: {track_b['difference']:+.1f} points (standard error "
        f"{track_b['se']:.1f}, p = {track_b['p_t']:.2f}) on track B,\n{sliding['difference']:+.1f} ({sliding['se']:.1f}, "
        f"p = {sliding['p_t']:.2f}) over sliding windows."
    )


def _training(results: Mapping[str, Any], command: str) -> str:
    start = results["plan"]["start"]
    text = (
        "Nothing was pretrained: the encoder is trained from scratch, supervised, with its probe."
        if start is None
        else f"The encoder starts from {start}, pretrained (docs/pretraining.md), and is trained on with its probe."
    )
    minutes = f"{results['fold_minutes']:.0f} minutes"
    time = (
        f"the encoder of a fold took {minutes} on a core shared with others."  # see --branches-from
        if "gain" in results
        else f"one CPU core: about {minutes} a fold and as much for the\nshipped weights."
    )
    return TRAINING.format(command=command, start=text, time=time, **results)


def _precision_limit(size: str) -> list[str]:
    return [] if size == "nano" else ["- Weights are rounded to float16; what runs computes in float32."]


def _encoder_limit(results: Mapping[str, Any]) -> str:
    fusion = results["fusion"]
    weight = fusion["weights"][fusion["branches"].index("encoder")]
    return f"- The encoder's weight in the shipped fusion is {weight:.2f}."


def _row(results: Mapping[str, Any], track: str, name: str) -> str:
    found = next(one for one in results["scores"][track] if one["name"] == name)
    return (
        f"{found['mean']:.1f} % (95 % interval {found['low']:.1f} to {found['high']:.1f}, n = {found['n']})"
    )
