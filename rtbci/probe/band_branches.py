"""Branches that are numpy alone: covariances in Riemannian terms, and power of spatially filtered bands."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rtbci.errors import ShapeError
from rtbci.probe.power import HopPowers, PowerProbe
from rtbci.probe.tangent import BlockCovariances
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

__all__ = ["CovarianceProbe", "Delays", "PowerBranch", "TangentBranch"]


class CovarianceProbe(Protocol):
    """What reads a window's covariances: a `TangentProbe` or a `MdmProbe`."""

    n_bands: int
    n_channels: int

    def logits(self, covariances: FloatArray) -> FloatArray:
        """Logits, shape (n_classes,), of covariances (n_bands, n_channels, n_channels), not shrunk yet."""
        ...


class Delays:
    """The signal beside copies of its past: delay embedding, for augmented covariances.

    Carrara and Papadopoulo 2024, Classification of BCI-EEG based on the augmented covariance matrix (doi
    10.1109/TBME.2024.3386219). Zeros stand before the first sample.

    Parameters
    ----------
    n_channels : int
    delays_samples : sequence of int
        One copy of all channels for each, behind the signal itself.
    """

    def __init__(self, n_channels: int, delays_samples: Sequence[int]) -> None:
        self._delays = tuple(delays_samples)
        self._past = np.zeros((max(self._delays, default=0), n_channels))

    def push(self, chunk: FloatArray) -> FloatArray:
        """Embed the next samples: (n_samples, n_channels) to (n_samples, n_channels * (1 + n_delays)), fresh."""
        n_past = len(self._past)
        signal = np.concatenate([self._past, chunk])
        self._past = signal[len(signal) - n_past :].copy()
        starts = [n_past, *(n_past - delay for delay in self._delays)]
        return np.hstack([signal[start : start + len(chunk)] for start in starts])

    def reset(self) -> None:
        """Forget the past."""
        self._past[:] = 0.0


class TangentBranch:
    """Causal bands, covariance per hop, a classifier that reads them: tangent space, or distances to means.

    Parameters
    ----------
    probe : CovarianceProbe
        Reads one covariance per band.
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
    delays_samples : sequence of int
        Copies of the signal that stand beside it, each so many samples late (augmented covariance); the probe then
        has ``1 + len(delays_samples)`` times the channels.

    Raises
    ------
    ShapeError
        When probe, bands, delays and window do not fit each other.
    """

    def __init__(
        self,
        probe: CovarianceProbe,
        bands_hz: Sequence[tuple[float, float]],
        rate_hz: float,
        window_samples: int,
        hop_samples: int,
        *,
        order: int = 2,
        name: str = "tangent",
        delays_samples: Sequence[int] = (),
    ) -> None:
        if len(bands_hz) != probe.n_bands:
            raise ShapeError(
                f"branch '{name}': has {len(bands_hz)} bands, the probe has {probe.n_bands}; need as many"
            )
        _check_hops(name, window_samples, hop_samples)
        self.name, self.window_samples, self._hop_samples = name, window_samples, hop_samples
        self._probe = probe
        self._settings = (tuple(bands_hz), rate_hz, order, tuple(delays_samples))
        n = probe.n_channels
        n_copies = 1 + len(delays_samples)
        if n % n_copies or min(delays_samples, default=1) < 1:
            raise ShapeError(
                f"branch '{name}': delays {list(delays_samples)} and a probe of {n} channels, need delays of 1 or more and "
                f"a multiple of {n_copies} channels"
            )
        self._delays = Delays(n // n_copies, delays_samples) if delays_samples else None
        self._filters = [SosFilter.bandpass(low, high, rate_hz, n, order) for low, high in bands_hz]
        self._blocks = BlockCovariances(len(bands_hz), n, hop_samples, window_samples // hop_samples)
        self.newest: FloatArray | None = None  # the newest hop in its bands

    def push(self, hop: FloatArray) -> None:
        """Filter the hop and add its second moment; see `Branch.push`."""
        hop = hop if self._delays is None else self._delays.push(hop)
        self.newest = np.stack([band.push(hop) for band in self._filters])
        self._blocks.push(self.newest)

    def logits(self) -> FloatArray | None:
        """Log-map and classifier; see `Branch.logits`."""
        return self._probe.logits(self._blocks.window()) if self._blocks.filled else None

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Push the signal through a new branch; see `Branch.logits_of`."""
        bands_hz, rate_hz, order, delays = self._settings
        twin = TangentBranch(
            self._probe,
            bands_hz,
            rate_hz,
            self.window_samples,
            self._hop_samples,
            order=order,
            name=self.name,
            delays_samples=delays,
        )
        return _logits_after(twin, window, self._hop_samples)

    def rehearse(self) -> None:
        """Log-map and classifier once more; see `Branch.rehearse`."""
        self.logits()

    def reset(self) -> None:
        """Forget all hops."""
        if self._delays is not None:
            self._delays.reset()
        for band in self._filters:
            band.reset()
        self._blocks.reset()
        self.newest = None


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
        self.newest: FloatArray | None = None  # powers of the newest hop

    def push(self, hop: FloatArray) -> None:
        """Filter the hop and add its powers; see `Branch.push`."""
        self.newest = self._powers.push(hop)

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
        self.newest = None


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
