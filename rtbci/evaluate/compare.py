"""Two evaluations against each other, subject by subject."""

from collections.abc import Sequence

from rtbci.errors import ConfigError
from rtbci.evaluate.record import Evaluation
from rtbci.evaluate.statistics import Difference, paired
from rtbci.evaluate.summary import TESTED

__all__ = ["compare"]


def compare(
    first: Evaluation, second: Evaluation, names: tuple[str, str], metrics: Sequence[str] = TESTED
) -> list[Difference]:
    """Paired differences, second less first, in every condition that both have.

    Parameters
    ----------
    first, second : Evaluation
    names : (str, str)
        What to call them.
    metrics : sequence of str

    Returns
    -------
    list of Difference
        `metric` is ``condition: metric``; over subjects that both judged on the same trials.

    Raises
    ------
    ConfigError
        When they are of different tracks or data sets, or have no subject or condition in common.
    """
    _check_comparable(first, second, names)
    of_first = {one.name: one for one in first.subjects}
    pairs = [(of_first[one.name], one) for one in second.subjects if one.name in of_first]
    if not pairs:
        raise ConfigError(
            f"--compare: {names[0]} and {names[1]} have no subject in common, need the same people; evaluate both on "
            "the same data"
        )
    conditions = [one.name for one in first.conditions if one.name in {two.name for two in second.conditions}]
    found = []
    for condition in conditions:
        scores = [
            (a.scores[condition], b.scores[condition])
            for a, b in pairs
            if condition in a.scores and condition in b.scores
        ]
        if any(a.n_trials != b.n_trials for a, b in scores):
            raise ConfigError(
                f"--compare: in condition {condition} {names[0]} and {names[1]} judge different trials, need the same; "
                "evaluate both with the same --k, --remaining and window"
            )
        for metric in metrics:
            before, after = (
                [_number(one.metrics.get(metric)) for one in side] for side in zip(*scores, strict=True)
            )
            found.append(paired(f"{condition}: {metric}", names[0], names[1], before, after))
    return found


def _check_comparable(first: Evaluation, second: Evaluation, names: tuple[str, str]) -> None:
    for what, a, b in (
        ("track", first.settings["track"], second.settings["track"]),
        ("data set", first.data["name"], second.data["name"]),
        ("classes", first.paradigm["classes"], second.paradigm["classes"]),
    ):
        if what == "classes":
            idle = (first.paradigm["idle"], second.paradigm["idle"])
            a, b = ([name for name in names_of if name not in idle] for names_of in (a, b))
        if a != b:
            raise ConfigError(
                f"--compare: {names[0]} is of {what} {a}, {names[1]} of {b}, need the same; evaluate both alike"
            )


def _number(x: float | None) -> float:
    return float("nan") if x is None else x
