"""What a decoder says of one window."""

from typing import Literal, NamedTuple

from rtbci.runtime.estimate import Estimate

__all__ = ["Verdict"]


class Verdict(NamedTuple):
    """A decoded window and what was decided on it.

    Parameters
    ----------
    estimate : Estimate
        Stamps, probabilities, times.
    label : str or None
        Most probable class, which may be the idle one; None while the window is not full, and of one that is refused.
    decision : str or None
        The class decided for, never the idle one, or None.
    why : {'below_threshold', 'idle', 'warming_up', 'poor_signal', 'decided'} or None
        Why there is no decision; `rtbci.decide.policy` and `rtbci.decide.items` say what they mean. ``poor_signal``: the guard
        or a branch refuses.
    refractory : bool
        Whether the window is within the pause after a decision.
    value : float or None
        Of the paradigm's continuous output, 0 to 1; see `rtbci.runtime.valuing`.
    items : tuple of float or None
        Where windows are of flashes: posterior of each item, given that one is attended to, which is what is published.
    """

    estimate: Estimate
    label: str | None
    decision: str | None
    why: Literal["below_threshold", "idle", "warming_up", "poor_signal", "decided"] | None
    refractory: bool = False
    value: float | None = None
    items: tuple[float, ...] | None = None
