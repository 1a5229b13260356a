"""Branches that are numpy alone: Riemannian tangent space, and power of spatially filtered bands."""

from collections.abc import Sequence

import numpy as np

from rtbci.errors import ShapeError
from rtbci.probe.power import HopPowers, PowerProbe
from rtbci.probe.tangent import BlockCovariances, TangentProbe
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

__all__ = ["PowerBranch", "TangentBranch"]


class TangentBranch:
    """Causal bands, covariance per hop, tangent space, linear classifier.

    Parameters
    ----------
    probe : TangentProbe
        One reference per band.
    bands_hz : sequence of (float, float)
        Band-passes inside the branch, in the probe's order.
    rate_hz : float
        Rate of the hops.
    window_samples, hop_samples : int
        The window must be a whole number of hops.
    order : int
        Of the Butterworth band-passes, as in `SosFilter.bandpass`.
    name : str
        Name in the profile.

    Raises
    ------
    ShapeError
        When probe, bands and window do not fit each other.
    """

    def __init__(
        self,
        probe: TangentProbe,
        bands_hz: Sequence[tuple[float, float]],
        rate_hz: float,
        window_samples: int,
        hop_samples: int,
        *,
        order: int = 2,
        name: str = "tangent",
    ) -> None:
        if len(bands_hz) != probe.n_bands:
            raise ShapeError(
                f"branch '{name}': has {len(bands_hz)} bands, the probe has {probe.n_bands}; need as many"
            )
        _check_hops(name, window_samples, hop_samples)
        self.name, self.window_samples, self._hop_samples = name, window_samples, hop_samples
        self._probe = probe
        self._settings = (tuple(bands_hz), rate_hz, order)
        n = probe.n_channels
        self._filters = [SosFilter.bandpass(low, high, rate_hz, n, order) for low, high in bands_hz]
        self._blocks = BlockCovariances(len(bands_hz), n, hop_samples, window_samples // hop_samples)

    def push(self, hop: FloatArray) -> None:
        """Filter the hop and add its second moment; see `Branch.push`."""
        self._blocks.push(np.stack([band.push(hop) for band in self._filters]))

    def logits(self) -> FloatArray | None:
        """Log-map and classifier; see `Branch.logits`."""
        return self._probe.logits(self._blocks.window()) if self._blocks.filled else None

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Push the signal through a new branch; see `Branch.logits_of`."""
        bands_hz, rate_hz, order = self._settings
        twin = TangentBranch(
            self._probe,
            bands_hz,
            rate_hz,
            self.window_samples,
            self._hop_samples,
            order=order,
            name=self.name,
        )
        return _logits_after(twin, window, self._hop_samples)

    def rehearse(self) -> None:
        """Log-map and classifier once more; see `Branch.rehearse`."""
        self.logits()

    def reset(self) -> None:
        """Forget all hops."""
        for band in self._filters:
            band.reset()
        self._blocks.reset()


class PowerBranch:
    """Spatial filters, band power per patch, linear classifier.

    Parameters
    ----------
    probe : PowerProbe
        Filters and weights.
    window_samples, hop_samples : int
        The window must be a whole number of hops, and a patch too.
    name : str
        Name in the profile.

    Raises
    ------
    ShapeError
        When probe and window do not fit each other.
    """

    def __init__(
        self, probe: PowerProbe, window_samples: int, hop_samples: int, *, name: str = "power"
    ) -> None:
        _check_hops(name, window_samples, hop_samples)
        if (window_samples // hop_samples) % probe.n_patches:
            raise ShapeError(
                f"branch '{name}': window has {window_samples // hop_samples} hops, need a multiple of the probe's "
                f"{probe.n_patches} patches"
            )
        self.name, self.window_samples, self._hop_samples = name, window_samples, hop_samples
        self._probe = probe
        self._powers = HopPowers(probe, hop_samples, window_samples // hop_samples)

    def push(self, hop: FloatArray) -> None:
        """Filter the hop and add its powers; see `Branch.push`."""
        self._powers.push(hop)

    def logits(self) -> FloatArray | None:
        """Logarithm and classifier; see `Branch.logits`."""
        return self._probe.logits(self._powers.window()) if self._powers.filled else None

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Push the signal through a new branch; see `Branch.logits_of`."""
        twin = PowerBranch(self._probe, self.window_samples, self._hop_samples, name=self.name)
        return _logits_after(twin, window, self._hop_samples)

    def rehearse(self) -> None:
        """Logarithm and classifier once more; see `Branch.rehearse`."""
        self.logits()

    def reset(self) -> None:
        """Forget all hops."""
        self._powers.reset()


def _check_hops(name: str, window_samples: int, hop_samples: int) -> None:
    if hop_samples < 1 or window_samples < hop_samples or window_samples % hop_samples:
        raise ShapeError(
            f"branch '{name}': window has {window_samples} samples and a hop {hop_samples}, need a whole number of hops"
        )


def _logits_after(branch: TangentBranch | PowerBranch, signal: FloatArray, hop_samples: int) -> FloatArray:
    """Push a signal, less what does not fill a hop at its start, and return the newest window's logits."""
    for i in range(len(signal) % hop_samples, len(signal), hop_samples):
        branch.push(signal[i : i + hop_samples])
    logits = branch.logits()
    if logits is None:
        raise ShapeError(
            f"branch '{branch.name}': signal has shape {signal.shape}, need ({branch.window_samples} or more, n_channels)"
        )
    return logits
