"""What two profiles differ in."""

import math

import msgspec
import numpy as np

from rtbci.probe.profile import Accuracy, Profile

__all__ = ["Difference", "compare_profiles", "head_distances"]

DISTANCE_FLOOR = 1e-12


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a comparison.

    Parameters
    ----------
    what : str
    first, second : str
        Of the two profiles, as shown.
    note : str
        What to make of it; empty where there is nothing to say.
    """

    what: str
    first: str
    second: str
    note: str = ""


def compare_profiles(a: Profile, b: Profile) -> list[Difference]:
    """Everything that differs, most telling first; empty when both decode the same."""
    rows = [
        Difference(
            what="accuracy", first=_accuracy(a.accuracy), second=_accuracy(b.accuracy), note=_overlap(a, b)
        ),
        Difference(what="trials", first=str(a.n_trials), second=str(b.n_trials)),
        Difference(what="temperature", first=f"{a.temperature:.3g}", second=f"{b.temperature:.3g}"),
        *_weights(a, b),
        Difference(what="bias", first=_numbers(a.bias), second=_numbers(b.bias)),
        Difference(what="decision", first=_decision(a), second=_decision(b)),
        *(_other(what, getattr(a, what), getattr(b, what)) for what in ("paradigm", "classes", "channels")),
        _montage(a, b),
        Difference(what="chain", first=a.chain_hash[:12], second=b.chain_hash[:12]),
    ]
    return [row for row in rows if row.first != row.second] + _distances(a, b)


def head_distances(a: Profile, b: Profile) -> dict[str, float]:
    """How far the weights of each branch are apart.

    Returns
    -------
    dict of str to float
        By the tensors' prefix: Frobenius norm of the difference over that of the second's; infinite where shapes
        or tensors differ.
    """
    prefixes = sorted({name.split(".")[0] for name in (*a.weights, *b.weights)})
    return {prefix: _distance(a, b, f"{prefix}.") for prefix in prefixes}


def _distance(a: Profile, b: Profile, prefix: str) -> float:
    first, second = (
        {name: x for name, x in one.weights.items() if name.startswith(prefix)} for one in (a, b)
    )
    if first.keys() != second.keys() or any(first[name].shape != second[name].shape for name in first):
        return math.inf
    square = sum(float(np.sum((first[name].astype(float) - second[name]) ** 2)) for name in first)
    norm = sum(float(np.sum(second[name].astype(float) ** 2)) for name in first)
    return math.sqrt(square / max(norm, DISTANCE_FLOOR))


def _distances(a: Profile, b: Profile) -> list[Difference]:
    found = []
    for prefix, distance in head_distances(a, b).items():
        if distance > 0:
            far = "not comparable" if math.isinf(distance) else f"{100 * distance:.1f} % apart"
            found.append(
                Difference(what=f"weights of {prefix}", first="", second=far, note="relative to the second's")
            )
    return found


def _weights(a: Profile, b: Profile) -> list[Difference]:
    first, second = ({entry.name: f"{entry.weight:.3g}" for entry in one.branches} for one in (a, b))
    return [
        Difference(
            what=f"fusion weight of {name}",
            first=first.get(name, "no branch"),
            second=second.get(name, "no branch"),
        )
        for name in dict.fromkeys((*first, *second))
    ]


def _montage(a: Profile, b: Profile) -> Difference:
    first, second = set(a.montage), set(b.montage)
    only = [f"only the first: {' '.join(sorted(first - second))}"] if first - second else []
    only += [f"only the second: {' '.join(sorted(second - first))}"] if second - first else []
    texts = [f"{len(one.montage)} electrodes" if one.montage else "any" for one in (a, b)]
    if only and texts[0] == texts[1]:
        texts[1] += ", others"
    return Difference(what="montage", first=texts[0], second=texts[1], note="; ".join(only))


def _other(what: str, first: object, second: object) -> Difference:
    return Difference(what=what, first=_plain(first), second=_plain(second))


def _plain(x: object) -> str:
    return " ".join(map(str, x)) if isinstance(x, list) else str(x)


def _numbers(values: list[float]) -> str:
    return " ".join(f"{x:+.3g}" for x in values)


def _decision(profile: Profile) -> str:
    entry = profile.decision
    if entry is None:
        return "the paradigm's"
    return (
        f"threshold {entry.threshold:g}, dwell {entry.dwell_s:g} s, refractory {entry.refractory_s:g} s, "
        f"smoothing {entry.smoothing_s:g} s"
    )


def _accuracy(accuracy: Accuracy | None) -> str:
    return "not measured" if accuracy is None else accuracy.interval


def _overlap(a: Profile, b: Profile) -> str:
    if a.accuracy is None or b.accuracy is None:
        return ""
    if a.accuracy.what != b.accuracy.what:
        return f"not the same measurement: '{a.accuracy.what}' and '{b.accuracy.what}'"
    if max(a.accuracy.low, b.accuracy.low) <= min(a.accuracy.high, b.accuracy.high):
        return "the intervals overlap: no clear difference"
    return "the intervals do not overlap"
