"""What a pipeline is to use next."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtbci.probe.branches import Branch
from rtbci.probe.fusion import Fusion
from rtbci.probe.profile_record import BaselineEntry

__all__ = ["Successor"]


@dataclass(slots=True, eq=False)
class Successor:
    """Branches and fusion that a pipeline is to use next, and how much of its signal they have seen.

    Parameters
    ----------
    branches : sequence of Branch
        New ones, that have seen nothing.
    fusion : Fusion
        Of their logits.
    baseline : BaselineEntry, optional
        What their profile knows of the user.
    """

    branches: Sequence[Branch]
    fusion: Fusion
    baseline: BaselineEntry | None = None
    i_next: int = 0  # the first recent sample that they have not seen
    stretch: object = None  # of signal without a break, in which `i_next` counts
    n_begun: int = 0  # how often they began with the oldest of the recent samples
