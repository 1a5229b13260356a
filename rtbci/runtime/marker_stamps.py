"""Whether the stamps of markers can be of the stream's clock, before anything waits for the samples at their time."""

import math
from collections.abc import Sequence

from rtbci.stream.source import Marker

__all__ = ["AHEAD_S", "MarkerStamps"]

AHEAD_S = 60.0
"""liblsl keeps no more of a stream for us, so no sample that is still on its way is this much newer than the newest."""


class MarkerStamps:
    """Tells markers that a sample can be found for from those that none will ever come to.

    Notes
    -----
    Markers that come before the stream's first sample are held until it is there, and so are those far ahead of a stream that
    sends nothing just then: behind a pause of a minute a marker of now is that far ahead, and the next sample tells. One owner.
    """

    def __init__(self) -> None:
        self._held: list[Marker] = []
        self.reset()

    def reset(self) -> None:
        """Another connection: nothing is known of its clock."""
        self._t_newest = -math.inf

    def push(
        self, markers: Sequence[Marker], t_newest: float | None
    ) -> tuple[list[Marker], list[tuple[Marker, str]]]:
        """Take the markers that came with a chunk.

        Parameters
        ----------
        markers : sequence of Marker
        t_newest : float or None
            Stamp of the chunk's newest sample [s]; None where there is none.

        Returns
        -------
        markers : list of Marker
            That may be decoded, in the order in which they came.
        lost : list of tuple of Marker and str
            The others: ``"no_time"``, the stamp is not a number; ``"in_future"``, more than `AHEAD_S` ahead of samples that
            have just come.
        """
        if t_newest is not None:
            self._t_newest = t_newest
        here = [*self._held, *markers]
        lost = [(one, "no_time") for one in here if not math.isfinite(one.t_lsl)]
        here = [one for one in here if math.isfinite(one.t_lsl)]
        t_last = self._t_newest + AHEAD_S  # minus infinity before the first sample
        far = [one for one in here if one.t_lsl > t_last]
        self._held = far if t_newest is None else []
        if t_newest is not None:
            lost += [(one, "in_future") for one in far]
        return [one for one in here if one.t_lsl <= t_last], lost

    def flush(self) -> list[Marker]:
        """Take the markers that are still held, at the end of the run."""
        held, self._held = self._held, []
        return held
