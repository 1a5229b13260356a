"""A branch that tells which flicker a user looks at, without training or by a user's own templates."""

import math
from collections.abc import Sequence

import numpy as np

from rtbci.errors import ShapeError
from rtbci.probe.cca import CcaProbe
from rtbci.probe.flicker_clock import FlickerClock
from rtbci.probe.reference_products import ReferenceProducts, WindowProducts
from rtbci.probe.trca import TrcaProbe
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

__all__ = ["CcaBranch"]


class CcaBranch:
    """Causal filter bank, products with sines per hop, canonical correlations in windows of several lengths.

    Parameters
    ----------
    probe : CcaProbe or TrcaProbe
        The second reads the flicker's phase, once the branch follows a clock.
    frequencies_hz : sequence of float
        One for each class; 0 for the class that looks at nothing.
    bands_hz : sequence of (float, float)
        Band-passes, in the probe's order.
    lengths_samples : sequence of int
        Windows, ascending, in the probe's order; the last is the branch's.
    rate_hz : float
    n_channels, hop_samples : int
    n_harmonics : int
        The fundamental counted.
    order : int
        Of the Butterworth band-passes, as in `SosFilter.bandpass`.
    name : str
        Name in the profile.

    Raises
    ------
    ShapeError
        When probe, bands, lengths and frequencies do not fit each other.
    """

    def __init__(
        self,
        probe: CcaProbe | TrcaProbe,
        frequencies_hz: Sequence[float],
        bands_hz: Sequence[tuple[float, float]],
        lengths_samples: Sequence[int],
        rate_hz: float,
        n_channels: int,
        hop_samples: int,
        *,
        n_harmonics: int = 3,
        order: int = 4,
        name: str = "cca",
    ) -> None:
        if (probe.n_lengths, probe.n_bands) != (len(lengths_samples), len(bands_hz)):
            raise ShapeError(
                f"branch '{name}': has {len(lengths_samples)} windows and {len(bands_hz)} bands, the probe has "
                f"{probe.n_lengths} and {probe.n_bands}; need as many"
            )
        if any(length % hop_samples for length in lengths_samples):
            raise ShapeError(
                f"branch '{name}': windows have {list(lengths_samples)} samples and a hop {hop_samples}, need whole "
                "numbers of hops"
            )
        self.name, self.window_samples, self._hop_samples = name, lengths_samples[-1], hop_samples
        self._settings = (tuple(frequencies_hz), tuple(bands_hz), tuple(lengths_samples), rate_hz, n_channels)
        self._n_harmonics, self._order, self._probe = n_harmonics, order, probe
        self._targets = np.flatnonzero(np.asarray(frequencies_hz))
        self._n_classes = len(frequencies_hz)
        self._filters = [SosFilter.bandpass(low, high, rate_hz, n_channels, order) for low, high in bands_hz]
        self._products = ReferenceProducts(
            [one for one in frequencies_hz if one],
            n_harmonics,
            rate_hz,
            len(bands_hz),
            n_channels,
            hop_samples,
            [length // hop_samples for length in lengths_samples],
        )
        self.newest: FloatArray | None = None  # the newest hop in its bands
        self._clock: FlickerClock | None = None

    @property
    def reads_phase(self) -> bool:
        """Whether it does more where the flicker's phase is known."""
        return isinstance(self._probe, TrcaProbe) and self._probe.reads_phase

    def follow(self, clock: FlickerClock) -> None:
        """Read the flicker's phase from a clock that is told of every hop; its owner's."""
        self._clock = clock

    def push(self, hop: FloatArray) -> None:
        """Filter the hop and add its products; see `rtbci.probe.branches.Branch.push`."""
        self.newest = np.stack([band.push(hop) for band in self._filters])
        self._products.push(self.newest)

    def logits(self) -> FloatArray | None:
        """Correlations and their weighted sum; see `rtbci.probe.branches.Branch.logits`."""
        if not self._products.filled:
            return None
        logits = np.zeros(self._n_classes)
        logits[self._targets] = self._scores(self._products.windows())
        return logits

    def agreement(self, shifts_s: FloatArray) -> FloatArray | None:
        """See `rtbci.probe.branches.Following.agreement`."""
        elapsed_s = math.nan if self._clock is None else self._clock.elapsed_s
        if not isinstance(self._probe, TrcaProbe) or math.isnan(elapsed_s) or not self._products.filled:
            return None
        return self._probe.agreement(self._products.windows(), elapsed_s, shifts_s)

    def _scores(self, products: WindowProducts) -> FloatArray:
        if not isinstance(self._probe, TrcaProbe):
            return self._probe.scores(products)
        elapsed_s = math.nan if self._clock is None else self._clock.elapsed_s
        return self._probe.scores(products, elapsed_s)

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Push the signal through a new branch; see `rtbci.probe.branches.Branch.logits_of`.

        A signal by itself has no time, so the flicker's phase is not known.
        """
        twin = CcaBranch(
            self._probe,
            *self._settings,
            self._hop_samples,
            n_harmonics=self._n_harmonics,
            order=self._order,
            name=self.name,
        )
        twin.push_signal(window)
        logits = twin.logits()
        if logits is None:
            raise ShapeError(
                f"branch '{self.name}': signal has shape {window.shape}, need ({self.window_samples} or more, n_channels)"
            )
        return logits

    def push_signal(self, signal: FloatArray) -> None:
        """Push a signal hop by hop; where it begins with part of one, that is left out."""
        for i in range(len(signal) % self._hop_samples, len(signal), self._hop_samples):
            self.push(signal[i : i + self._hop_samples])

    @property
    def roots(self) -> FloatArray:
        """Of the references' own products; see `WindowProducts.roots`."""
        return self._products.roots

    def windows(self) -> WindowProducts:
        """Products of the newest windows, which the probe reads; fresh arrays. Once a window is full."""
        return self._products.windows()

    def rehearse(self) -> None:
        """Correlations once more; see `rtbci.probe.branches.Branch.rehearse`."""
        self.logits()

    def reset(self) -> None:
        """Forget all hops."""
        for band in self._filters:
            band.reset()
        self._products.reset()
        self.newest = None
