"""The rhythm over the foot area, which goes while the user imagines moving the feet."""

from collections.abc import Sequence

import numpy as np

from rtbci.amp.cues import Cue
from rtbci.amp.head import dipole_at, scalp_gains
from rtbci.stream.noise import BandNoise
from rtbci.stream.source import FloatArray

__all__ = ["FEET", "Feet"]

FEET = "feet"
PLACE = "CZ"
DELAY_S, RISE_S = 0.35, 0.25


class Feet:
    """Mu and beta over the vertex (Pfurtscheller et al. 2006, NeuroImage 31:153, doi 10.1016/j.neuroimage.2005.12.003).

    Parameters
    ----------
    channels : sequence of str
    rate_hz : float
    rng : Generator
        Of its own, so that the rest of the signal is what it is without feet.
    mu_uv, beta_uv : float
        Standard deviation at the vertex, at rest.
    erd : float
        Share of the amplitude that goes, 0 to 1.
    """

    def __init__(
        self,
        channels: Sequence[str],
        rate_hz: float,
        rng: np.random.Generator,
        mu_uv: float,
        beta_uv: float,
        erd: float,
    ) -> None:
        self._mu_uv, self._beta_uv, self._erd, self._rate_hz = mu_uv, beta_uv, erd, rate_hz
        self._mu = BandNoise(1, 9.0, 12.0, rate_hz, rng)
        self._beta = BandNoise(1, 20.0, 26.0, rate_hz, rng)
        self._gains = scalp_gains(channels, [dipole_at(PLACE)])[:, 0]
        self._fall = float(np.exp(-1.0 / (RISE_S * rate_hz)))
        self._level = 1.0
        self._switches: list[tuple[int, float]] = []

    def push(self, first: int, n: int, cues: Sequence[Cue]) -> FloatArray:
        """What it adds to samples `first` on, shape (n, n_channels)."""
        delay = round(DELAY_S * self._rate_hz)
        self._switches += [
            (cue.i_sample + delay, 1.0 - self._erd if cue.state == FEET else 1.0) for cue in cues
        ]
        rhythm = self._mu_uv * self._mu.generate(n) + self._beta_uv * self._beta.generate(n)
        return np.asarray((self._levels(first, n)[:, np.newaxis] * rhythm) * self._gains)

    def _levels(self, first: int, n: int) -> FloatArray:
        out = np.empty(n)
        for i in range(n):
            while len(self._switches) > 1 and self._switches[1][0] <= first + i:
                self._switches.pop(0)
            aim = self._switches[0][1] if self._switches and self._switches[0][0] <= first + i else 1.0
            self._level = aim + self._fall * (self._level - aim)
            out[i] = self._level
        return out
