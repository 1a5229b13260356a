"""What a decoder says of one window."""

from typing import Literal, NamedTuple

from rtbci.runtime.pipeline import Estimate

__all__ = ["Verdict"]


class Verdict(NamedTuple):
    """A decoded window and what was decided on it.

    Parameters
    ----------
    estimate : Estimate
        Stamps, probabilities, times.
    label : str or None
        Most probable class, which may be the idle one; None while the window is not full.
    decision : str or None
        The class decided for, never the idle one, or None.
    why : {'below_threshold', 'idle', 'warming_up', 'decided'} or None
        Why there is no decision; `rtbci.decide.policy` and `rtbci.decide.items` say what they mean.
    items : tuple of float or None
        Where windows are of flashes: posterior of each item, which is what is published.
    """

    estimate: Estimate
    label: str | None
    decision: str | None
    why: Literal["below_threshold", "idle", "warming_up", "decided"] | None
    items: tuple[float, ...] | None = None
