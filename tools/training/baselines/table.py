"""The comparison as a page of tables."""

from collections.abc import Callable, Sequence
from typing import Any

from tools.training.baselines.fold import FRONTAL_PREFIX, GUARDED
from tools.training.judge import markdown_table

__all__ = ["decoder_name", "p_value", "page"]

NAMES = {
    "csp_lda": "CSP + LDA",
    "fbcsp_lda": "filter-bank CSP + LDA",
    "tangent": "tangent space + LR, 8-30 Hz",
    "tangent_two_bands": "tangent space + LR, 8-13 and 13-30 Hz",
    "augmented": "augmented covariance, tangent space + LR",
    "eegnet": "EEGNet",
    "eegnet_all": "EEGNet, all channels",
    "eegnet_all_4_40": "EEGNet, all channels, 4-40 Hz",
    "ours_encoder": "ours, encoder",
    "ours_tangent": "ours, tangent space",
    "ours_power": "ours, power",
    "ours_fused": "ours, encoder + tangent space",
    "ours_fused_idle": "ours, with rest as a class",
    "eye rule": "control, untrained eye rule (sign of F8 - F7)",
}


def page(results: dict[str, Any]) -> str:
    """Tables in Markdown of what `compare_folds` returns."""
    parts: list[str] = []
    for track, found in results["tracks"].items():
        few, ks = "with the user's first k trials a class, judged on later trials", results["ks"]
        parts += [f"### Track {track}: without calibration", _pool_table(found)]
        if any(found["n_judged"][1:]):
            parts += [
                f"### Track {track}: {few}",
                _by_k_table(found["scores"], ks, _percent, found["n_judged"]),
                f"### Track {track}: gain {few}",
                "Against the same decoder without them, on the same trials; p of the paired t test.",
                _by_k_table(found["gains"], ks[1:], _gain),
            ]
        parts += [
            f"### Track {track}: paired tests over subjects, without calibration",
            _tests_table(found["tests"]),
            *_added_part(track, found["added"]),
            f"{found['n_trials']} trials of {found['n_subjects']} subjects; folds {found['folds']} of "
            f"{results['n_folds']}; {found['minutes']:.1f} minutes a fold.",
        ]
    return "\n\n".join(parts) + "\n"


def decoder_name(name: str) -> str:
    """Name of a decoder in tables."""
    if name.startswith(FRONTAL_PREFIX):
        return f"control, frontal electrodes: {decoder_name(name.removeprefix(FRONTAL_PREFIX))}"
    if name.startswith("own_"):
        return f"own trials only: {decoder_name(name.removeprefix('own_'))}"
    if name.endswith(GUARDED):
        return f"{decoder_name(name.removesuffix(GUARDED))}, guarded"
    if name not in NAMES and name.startswith("ours_"):
        return f"ours, {name.removeprefix('ours_').replace('_', ' ')}"
    return NAMES.get(name, name)


def _percent(one: dict[str, Any]) -> str:
    return f"{one['mean']:.1f} ({one['se']:.1f})"


def _gain(one: dict[str, Any]) -> str:
    return f"{one['difference']:+.1f} ({one['se']:.1f}), p {p_value(one['p_t'])}"


def _pool_table(found: dict[str, Any]) -> str:
    plain = [one for one in found["scores"] if one["k"] == 0 and not one["name"].endswith(GUARDED)]
    rows = [
        [decoder_name(one["name"]), _percent(one), f"{one['low']:.1f} to {one['high']:.1f}"]
        for one in [*plain, found["eye_rule"]]
    ]
    return markdown_table(["decoder", "accuracy % (SE)", "95 % interval"], rows)


def _by_k_table(
    found: Sequence[dict[str, Any]],
    ks: Sequence[int],
    text: Callable[[dict[str, Any]], str],
    n_judged: Sequence[int] = (),
) -> str:
    """One row a decoder that was ever calibrated, one column for each k."""
    cells: dict[str, dict[int, str]] = {}
    for one in found:
        cells.setdefault(one["name"], {})[one["k"]] = text(one)
    rows = [
        [decoder_name(name), *(by_k.get(k, "-") for k in ks)] for name, by_k in cells.items() if any(by_k)
    ]
    if n_judged:
        rows.append(["trials judged", *(str(n) for n in n_judged)])
    return markdown_table(["decoder", *(f"k = {k}" for k in ks)], rows)


def _added_part(track: str, added: Sequence[dict[str, Any]]) -> list[str]:
    if not added:
        return []
    said = "Weights with and without it are fitted on the other folds."
    return [f"### Track {track}: as one more part of ours, without calibration", said, _tests_table(added)]


def _tests_table(tests: Sequence[dict[str, Any]]) -> str:
    rows = [
        [
            _pair(one["name"]),
            f"{one['difference']:+.1f} ({one['se']:.1f})",
            p_value(one["p_t"]),
            p_value(one["p_wilcoxon"]),
        ]
        for one in tests
    ]
    return markdown_table(["comparison", "difference (SE)", "p, t", "p, Wilcoxon"], rows)


def _pair(name: str) -> str:
    return " - ".join(decoder_name(one) for one in name.split(" - "))


def p_value(value: float) -> str:
    """A p value in tables."""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
