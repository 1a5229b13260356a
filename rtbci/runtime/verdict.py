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
    why : {'below_threshold', 'idle', 'warming_up', 'poor_signal'} or None
        Why there is no decision; `rtbci.decide.policy` says what the first two mean. ``poor_signal``: the guard refuses.
    refractory : bool
        Whether the window is within the pause after a decision.
    value : float or None
        Of the paradigm's continuous output, 0 to 1; see `rtbci.runtime.valuing`.
    """

    estimate: Estimate
    label: str | None
    decision: str | None
    why: Literal["below_threshold", "idle", "warming_up", "poor_signal"] | None
    refractory: bool = False
    value: float | None = None
