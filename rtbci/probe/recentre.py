"""A user's own lean to one class, learnt without labels and taken off."""

import math

import numpy as np

from rtbci.errors import ConfigError
from rtbci.stages.stage import FloatArray

__all__ = ["Recentre"]


class Recentre:
    """Take the mean of all earlier windows off a window's logits, held back by a prior at zero.

    With ``z`` the logits less their mean over the classes, a window's output is
    ``logits - total / (weight + prior_s)``. Then ``total`` grows by ``hop_s * z`` and ``weight`` by ``hop_s``; before
    that both shrink by ``exp(-hop_s / time_constant_s)``, where there is one.

    Parameters
    ----------
    n_classes : int
        Length of the logits.
    hop_s : float
        Signal that one window adds, in seconds.
    prior_s : float
        The prior counts as this many seconds of logits that lean to no class.
    time_constant_s : float, optional
        Windows lose weight by ``exp(-age / time_constant_s)``, their age counted in decoded windows. Default: all
        windows count the same.
    idle : int, optional
        Index of the class that means "does nothing": it neither shifts nor is shifted, the others are centred
        among themselves.

    Raises
    ------
    ConfigError
        When fewer than two classes are left to centre, `idle` is not one of them, or a time is not above 0.

    Notes
    -----
    Causal: a window never sees itself. Linear in the logits: scaled logits come out scaled. After T seconds that all
    lean by z, the shift is ``z T / (T + prior_s)``. Costs about half of the fusion of three branches.

    Examples
    --------
    >>> import numpy as np
    >>> recentre = Recentre(2, hop_s=1.0, prior_s=1.0)
    >>> [recentre.push(np.array([3.0, 1.0])).tolist() for _ in range(3)]
    [[3.0, 1.0], [2.5, 1.5], [2.3333333333333335, 1.6666666666666665]]
    """

    def __init__(
        self,
        n_classes: int,
        hop_s: float,
        prior_s: float,
        time_constant_s: float | None = None,
        idle: int | None = None,
    ) -> None:
        if idle is not None and not 0 <= idle < n_classes:
            raise ConfigError(f"Recentre: idle is {idle}, need one of the {n_classes} classes, or None")
        self._active = [i for i in range(n_classes) if i != idle]
        if len(self._active) < 2:
            raise ConfigError(
                f"Recentre: got {len(self._active)} classes that are not idle, need at least 2 to centre"
            )
        times = {"hop_s": hop_s, "prior_s": prior_s, "time_constant_s": time_constant_s}
        if wrong := [f"{name} is {x:g}" for name, x in times.items() if x is not None and not x > 0]:
            raise ConfigError(f"Recentre: {', '.join(wrong)}, need a number above 0")
        self._hop_s, self._prior_s = hop_s, prior_s
        self._keep = 1.0 if time_constant_s is None else math.exp(-hop_s / time_constant_s)
        self._total: list[float]  # of hop_s * z, one for each class that is centred
        self._weight: float  # seconds
        self.reset()

    def push(self, logits: FloatArray) -> FloatArray:
        """Take off the mean of the windows so far, then count this one in.

        Parameters
        ----------
        logits : ndarray of float64, shape (n_classes,)
            Of the next window, finite.

        Returns
        -------
        ndarray of float64, shape (n_classes,)
            A new array.
        """
        values: list[float] = logits.tolist()  # plain floats, as in `Fusion`
        mean = sum(values[i] for i in self._active) / len(self._active)
        total, span_s = self._total, self._weight + self._prior_s
        for k, i in enumerate(self._active):
            z = values[i] - mean
            values[i] -= total[k] / span_s
            total[k] = self._keep * total[k] + self._hop_s * z
        self._weight = self._keep * self._weight + self._hop_s
        return np.array(values)

    def reset(self) -> None:
        """Forget all windows."""
        self._total = [0.0] * len(self._active)
        self._weight = 0.0
