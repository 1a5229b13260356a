"""From subjects to statements: means with intervals, paired tests."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["NOT_NEGATIVE", "SHARE", "Difference", "Summary", "paired", "summarize", "wilson"]

CONFIDENCE = 0.95
SHARE = (0.0, 1.0)
"""What a share can be."""
NOT_NEGATIVE = (0.0, math.inf)


class Summary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number over subjects.

    Parameters
    ----------
    mean, se : float or None
        Mean and standard error over subjects; None when there are too few.
    low, high : float or None
        95 % interval of the mean, Student's t, cut where the number cannot be.
    n : int
        Subjects that have the number.
    """

    mean: float | None
    se: float | None
    low: float | None
    high: float | None
    n: int


class Difference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two decoders on the same subjects.

    Parameters
    ----------
    metric : str
    first, second : str
        Names of what is compared.
    mean, se : float or None
        Of the second less the first, over subjects.
    low, high : float or None
        95 % interval of the mean difference.
    n : int
        Subjects that have both.
    p_t, p_wilcoxon : float or None
        Two-sided paired tests; None with fewer than two subjects, 1 when nothing differs.
    """

    metric: str
    first: str
    second: str
    mean: float | None
    se: float | None
    low: float | None
    high: float | None
    n: int
    p_t: float | None
    p_wilcoxon: float | None


def summarize(
    values: Sequence[float] | npt.NDArray[np.float64], within: tuple[float, float] = (-math.inf, math.inf)
) -> Summary:
    """Mean over subjects with its 95 % interval; values that are NaN are left out.

    Parameters
    ----------
    values : sequence of float
        One for each subject.
    within : tuple of float
        Least and greatest value that the number can have. Student's interval knows of neither: of a few subjects near the
        end of the scale it goes beyond it, and is cut there.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x[np.isfinite(x)]
    if not x.size:
        return Summary(mean=None, se=None, low=None, high=None, n=0)
    mean = float(x.mean())
    if x.size == 1:
        return Summary(mean=mean, se=None, low=None, high=None, n=1)
    se = float(x.std(ddof=1) / math.sqrt(x.size))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, x.size - 1)) * se
    return Summary(
        mean=mean, se=se, low=max(mean - half, within[0]), high=min(mean + half, within[1]), n=int(x.size)
    )


def paired(
    metric: str, first: str, second: str, before: Sequence[float], after: Sequence[float]
) -> Difference:
    """Compare two numbers of the same subjects, in the same order: `after` less `before`.

    Student's paired t test and Wilcoxon's signed-rank test (zeros left out, as Wilcoxon does).
    """
    difference = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    difference = difference[np.isfinite(difference)]
    over = summarize(difference)
    p_t = p_wilcoxon = None
    if over.n > 1 and over.se is not None and over.mean is not None:
        p_t = p_wilcoxon = 1.0
        if difference.any():
            p_t = 2.0 * float(stats.t.sf(abs(over.mean) / over.se, over.n - 1)) if over.se > 0 else 0.0
            p_wilcoxon = float(stats.wilcoxon(difference).pvalue)
    return Difference(
        metric=metric,
        first=first,
        second=second,
        mean=over.mean,
        se=over.se,
        low=over.low,
        high=over.high,
        n=over.n,
        p_t=p_t,
        p_wilcoxon=p_wilcoxon,
    )


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953); 0 to 1 where `n` is 0.

    Examples
    --------
    >>> [round(x, 3) for x in wilson(81, 263)]
    [0.255, 0.366]
    """
    if not n:
        return 0.0, 1.0
    found = stats.binomtest(n_right, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
