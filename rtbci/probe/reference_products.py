"""Second moments of a signal with itself and with sines, kept hop by hop: what CCA needs of a window of any length."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.stages.stage import FloatArray

__all__ = ["ReferenceProducts", "WindowProducts"]

ComplexArray = npt.NDArray[np.complex128]


class WindowProducts(NamedTuple):
    """Centred second moments of the newest windows, one for each length.

    Parameters
    ----------
    signal : ndarray of float64, shape (n_lengths, n_bands, n_channels, n_channels)
        Signal with itself.
    cross : ndarray of float64, shape (n_lengths, n_bands, n_channels, n_frequencies, 2 * n_harmonics)
        Signal with whitened references: an orthonormal basis of the sines and cosines of each frequency and its
        harmonics, centred within the window.
    roots : ndarray of float64, shape (n_lengths, n_frequencies, 2 * n_harmonics, 2 * n_harmonics)
        Of the references' own products G, so that ``root @ root.T`` is G; ``cross @ root.T`` is the product with the
        references as they are: sines and cosines whose phase is zero at the first sample of the newest hop, cosines first. The same
        for every window; not a copy.
    """

    signal: FloatArray
    cross: FloatArray
    roots: FloatArray


class ReferenceProducts:
    """Products of each hop with itself and with sines, and their sums over the newest windows.

    Parameters
    ----------
    frequencies_hz : sequence of float
        Fundamental frequencies.
    n_harmonics : int
        Sines and cosines of each fundamental, the fundamental counted.
    rate_hz : float
    n_bands, n_channels : int
        Bands that come in with every hop, and channels of each.
    hop_samples : int
    lengths : sequence of int
        Windows, in hops, ascending.

    Raises
    ------
    ShapeError
        When a length is not above the one before, or a harmonic is not below half the rate.

    Notes
    -----
    A sine at the time of a hop is that hop's own sine turned by a phase, so a hop is multiplied once, when it comes,
    and a window of any length is a sum over its hops. Sums are made anew for every window, from the newest hop
    backwards, and phases count from the newest hop: nothing drifts, and the same window gives the same bits wherever
    in the stream it lies. Each row is stored twice, so that the newest hops are always contiguous. Not thread-safe.
    """

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        n_harmonics: int,
        rate_hz: float,
        n_bands: int,
        n_channels: int,
        hop_samples: int,
        lengths: Sequence[int],
    ) -> None:
        _check(frequencies_hz, n_harmonics, rate_hz, lengths)
        self.lengths, self.n_hops = tuple(lengths), lengths[-1]
        self._shape = (n_bands, hop_samples, n_channels)
        harmonics = np.arange(1, n_harmonics + 1)
        omega = 2 * np.pi * np.outer(frequencies_hz, harmonics).ravel() / rate_hz  # radians per sample
        self._sines: ComplexArray = np.exp(1j * np.outer(np.arange(hop_samples), omega))  # within a hop
        # of the newest hop, the one before it, ...
        self._turns: ComplexArray = np.exp(-1j * hop_samples * np.outer(np.arange(self.n_hops), omega))
        self._reference_sums: list[FloatArray] = []
        self._whiteners: list[FloatArray] = []
        roots: list[FloatArray] = []
        for n in self.lengths:
            sums, whitener, root = self._references(n, len(frequencies_hz), n_harmonics)
            self._reference_sums.append(sums)
            self._whiteners.append(whitener)
            roots.append(root)
        self.roots: FloatArray = np.stack(roots)
        n_kept = 2 * self.n_hops
        self._moments = np.zeros((n_kept, n_bands, n_channels, n_channels))
        self._sums = np.zeros((n_kept, n_bands, n_channels))
        self._crosses: ComplexArray = np.zeros((n_kept, n_bands, n_channels, omega.size), np.complex128)
        self._n_pushed = 0

    @property
    def filled(self) -> bool:
        """Whether the longest window has been pushed."""
        return self._n_pushed >= self.n_hops

    def push(self, hop: FloatArray) -> None:
        """Add the next hop.

        Parameters
        ----------
        hop : ndarray of float64, shape (n_bands, hop_samples, n_channels)

        Raises
        ------
        ShapeError
            When the hop has another shape.
        """
        if hop.shape != self._shape:
            raise ShapeError(f"ReferenceProducts: hop has shape {hop.shape}, need {self._shape}")
        turned, i = hop.transpose(0, 2, 1), self._n_pushed % self.n_hops
        np.matmul(turned, hop, out=self._moments[i])
        np.sum(hop, axis=1, out=self._sums[i])
        np.matmul(turned, self._sines, out=self._crosses[i])
        for kept in (self._moments, self._sums, self._crosses):
            kept[i + self.n_hops] = kept[i]
        self._n_pushed += 1

    def windows(self) -> WindowProducts:
        """Products of the newest window of each length; fresh arrays."""
        i_end = self._n_pushed % self.n_hops + self.n_hops
        n_bands, hop_samples, n_channels = self._shape
        moment = np.zeros((n_bands, n_channels, n_channels))
        total = np.zeros((n_bands, n_channels))
        cross: ComplexArray = np.zeros(self._crosses.shape[1:], np.complex128)
        signal, crosses, done = [], [], 0
        for n, reference_sums, whitener in zip(
            self.lengths, self._reference_sums, self._whiteners, strict=True
        ):
            part = slice(i_end - n, i_end - done)
            turns = self._turns[done:n][::-1]
            moment = moment + self._moments[part].sum(axis=0)
            total = total + self._sums[part].sum(axis=0)
            cross = cross + np.einsum("kbcf,kf->bcf", self._crosses[part], turns)
            n_samples = n * hop_samples
            signal.append(moment - total[..., :, np.newaxis] * total[..., np.newaxis, :] / n_samples)
            real = _real_columns(cross, whitener.shape[0])
            real = real - total[..., np.newaxis, np.newaxis] * reference_sums / n_samples
            crosses.append(np.einsum("bcfi,fij->bcfj", real, whitener))
            done = n
        return WindowProducts(np.stack(signal), np.stack(crosses), self.roots)

    def reset(self) -> None:
        """Forget all hops."""
        self._n_pushed = 0
        for kept in (self._moments, self._sums, self._crosses):
            kept[:] = 0.0

    def _references(
        self, n: int, n_frequencies: int, n_harmonics: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Sums (n_frequencies, 2 n_harmonics) of the references of a window, what makes them orthonormal, and its inverse."""
        sines = (self._turns[:n][::-1, np.newaxis] * self._sines).reshape(-1, n_frequencies, n_harmonics)
        references = np.concatenate([sines.real, sines.imag], axis=2).transpose(1, 0, 2)
        sums = references.sum(axis=1)
        centred = references - references.mean(axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(centred.transpose(0, 2, 1) @ centred)
        spread = np.sqrt(values)[:, np.newaxis, :]
        return sums, np.asarray(vectors / spread), np.asarray(vectors * spread)


def _real_columns(cross: ComplexArray, n_frequencies: int) -> FloatArray:
    """Products with sines and cosines, (n_bands, n_channels, n_frequencies, 2 * n_harmonics)."""
    by_frequency = cross.reshape(*cross.shape[:2], n_frequencies, -1)
    return np.concatenate([by_frequency.real, by_frequency.imag], axis=3)


def _check(frequencies_hz: Sequence[float], n_harmonics: int, rate_hz: float, lengths: Sequence[int]) -> None:
    steps = np.diff([0, *lengths])
    if not len(lengths) or steps.min() < 1:
        raise ShapeError(
            f"ReferenceProducts: lengths are {list(lengths)} hops, need ascending ones from 1 on"
        )
    if not len(frequencies_hz) or n_harmonics < 1 or min(frequencies_hz) <= 0:
        raise ShapeError(
            f"ReferenceProducts: got {len(frequencies_hz)} frequencies and {n_harmonics} harmonics, need at least one "
            "each, above 0 Hz"
        )
    highest_hz = max(frequencies_hz) * n_harmonics
    if highest_hz >= rate_hz / 2:
        raise ShapeError(
            f"ReferenceProducts: harmonic {n_harmonics} of {max(frequencies_hz):g} Hz is {highest_hz:g} Hz, need below "
            f"{rate_hz / 2:g} Hz; use fewer harmonics"
        )
