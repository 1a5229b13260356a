"""A user's own answer to each flicker: spatial filters and templates, compared with a window at the flicker's phase."""

import math
from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.probe.cca import FLAT_UV2, CcaProbe
from rtbci.probe.reference_products import WindowProducts
from rtbci.stages.stage import FloatArray

__all__ = [
    "CCA",
    "N_KINDS",
    "OWN",
    "TEMPLATE",
    "TrcaProbe",
    "answers",
    "own_evidence",
    "template_evidence",
    "turned",
]

N_KINDS = 3
CCA, OWN, TEMPLATE = range(N_KINDS)
"""Kinds of evidence, in the order of the scales: correlations, own filters, templates, which need the flicker's phase."""


class TrcaProbe:
    """One logit for each flicker, from canonical correlation, own filters, and templates where the phase is known.

    Parameters
    ----------
    weight : array_like, shape (n_lengths, n_bands)
        Of squared correlations, as in `rtbci.probe.cca.CcaProbe`.
    filters : array_like, shape (n_bands, n_filters, n_channels)
        Spatial filters, all used for all targets (ensemble).
    template : array_like, shape (n_bands, n_frequencies, n_channels, 2 * n_harmonics)
        Amplitudes of cosines and sines, in the flicker's own time; all zero: there is none.
    omega : array_like, shape (n_frequencies, n_harmonics)
        Radians a second of each.
    locked, free : array_like, shape (3,)
        Scale of each kind of evidence where the phase is known, and where it is not (the last is not read then).
    locked_lean, free_lean : array_like, shape (n_frequencies,)
        Added to the logits, likewise.

    Raises
    ------
    ShapeError
        When shapes do not fit each other, or a number is not finite.

    Notes
    -----
    Filters are those of task-related component analysis (Nakanishi et al. 2018, IEEE TBME 65:104, doi
    10.1109/TBME.2017.2694818). Templates lie in the span of the sines, as in the variant TRCA-R (Wong et al. 2020, IEEE TBME
    67:3057, doi 10.1109/TBME.2020.2975552), so that a window may begin anywhere: its template is turned to its phase, and all that a window
    is compared by are products that are summed per hop already.
    """

    def __init__(
        self,
        weight: npt.ArrayLike,
        filters: npt.ArrayLike,
        template: npt.ArrayLike,
        omega: npt.ArrayLike,
        locked: npt.ArrayLike,
        free: npt.ArrayLike,
        locked_lean: npt.ArrayLike,
        free_lean: npt.ArrayLike,
    ) -> None:
        self._cca = CcaProbe(weight)
        self.weight = self._cca.weight
        self.n_lengths, self.n_bands = self.weight.shape
        given = (filters, template, omega, locked, free, locked_lean, free_lean)
        arrays = [np.array(one, dtype=np.float64) for one in given]
        self.filters, self.template, self.omega, self.locked, self.free = arrays[:5]
        self.locked_lean, self.free_lean = arrays[5:]
        self._check()

    def _check(self) -> None:
        n_frequencies, n_harmonics = self.omega.shape if self.omega.ndim == 2 else (0, 0)
        n_channels = self.filters.shape[-1] if self.filters.ndim == 3 else 0
        wanted = {
            "template": (self.n_bands, n_frequencies, n_channels, 2 * n_harmonics),
            "locked": (N_KINDS,),
            "free": (N_KINDS,),
            "locked_lean": (n_frequencies,),
            "free_lean": (n_frequencies,),
        }
        shapes = {name: getattr(self, name).shape for name in wanted}
        numbers = (self.filters, self.omega, *(getattr(self, name) for name in wanted))
        if (
            shapes != wanted
            or len(self.filters) != self.n_bands
            or not self.filters.size
            or not all(np.isfinite(x).all() for x in numbers)
        ):
            raise ShapeError(
                f"TrcaProbe: filters have shape {self.filters.shape}, omega {self.omega.shape}, the rest {shapes}, need "
                f"({self.n_bands}, n_filters, n_channels), (n_frequencies, n_harmonics) and {wanted}, all finite"
            )

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Build from the tensors that `tensors` gives."""
        return cls(**{name: tensors[name] for name in _TENSORS})

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name, for a profile."""
        return {name: getattr(self, name) for name in _TENSORS}

    @property
    def reads_phase(self) -> bool:
        """Whether it has templates that count."""
        return bool(self.locked[TEMPLATE] and self.template.any())

    def scores(self, products: WindowProducts, elapsed_s: float = math.nan) -> FloatArray:
        """Weighted sum of the evidence for each frequency, shape (n_frequencies,).

        Parameters
        ----------
        products : WindowProducts
        elapsed_s : float
            Flicker's own time at the newest hop; NaN: not known, templates are left out.
        """
        is_locked = self.reads_phase and math.isfinite(elapsed_s)
        scales, lean = (self.locked, self.locked_lean) if is_locked else (self.free, self.free_lean)
        total = lean.copy()
        if scales[CCA]:
            total += scales[CCA] * self._cca.scores(products)
        if scales[OWN]:
            total += scales[OWN] * np.einsum("lb,lbf->f", self.weight, own_evidence(products, self.filters))
        if is_locked:
            template = turned(self.template, self.omega, elapsed_s)
            found = template_evidence(products, self.filters, template)
            total += scales[TEMPLATE] * np.einsum("lb,lbf->f", self.weight, found)
        return total

    def agreement(self, products: WindowProducts, elapsed_s: float, shifts_s: FloatArray) -> FloatArray:
        """Evidence by templates of the target that has most, were the flicker's own time so much later, shape (n_shifts,)."""
        turns = [turned(self.template, self.omega, elapsed_s + shift) for shift in shifts_s.tolist()]
        found = [template_evidence(products, self.filters, template) for template in turns]
        return np.asarray(np.einsum("lb,slbf->sf", self.weight, np.stack(found)).max(axis=1))


_TENSORS = ("weight", "filters", "template", "omega", "locked", "free", "locked_lean", "free_lean")


def answers(products: WindowProducts) -> FloatArray:
    """Amplitudes of cosines and sines that fit the longest window best, (n_bands, n_frequencies, n_channels, 2 * n_harmonics).

    Least squares for each channel; phases count from the first sample of the newest hop.
    """
    cross = products.cross[-1].transpose(0, 2, 1, 3)
    return np.asarray(cross @ np.linalg.inv(products.roots[-1]))


def turned(template: FloatArray, omega: FloatArray, seconds: float) -> FloatArray:
    """The same waves seen `seconds` later: amplitudes (..., n_frequencies, n_channels, 2 * n_harmonics) of cosines and sines."""
    cosines, sines = np.split(template, 2, axis=-1)
    spun = (cosines - 1j * sines) * np.exp(1j * omega * seconds)[:, np.newaxis, :]
    return np.concatenate([spun.real, -spun.imag], axis=-1)


def own_evidence(products: WindowProducts, filters: FloatArray) -> FloatArray:
    """Share of the filtered signal that a flicker's sines explain, whatever their phase, (n_lengths, n_bands, n_frequencies)."""
    explained = np.einsum("bkc,lbcfi->lbkfi", filters, products.cross)
    return np.asarray((explained**2).sum(axis=(2, 4)) / _power(products, filters)[..., np.newaxis])


def template_evidence(products: WindowProducts, filters: FloatArray, template: FloatArray) -> FloatArray:
    """Squared correlation of the filtered window with the filtered template, with its sign, (n_lengths, n_bands, n_frequencies).

    `template`, (n_bands, n_frequencies, n_channels, 2 * n_harmonics), has the window's phase.
    """
    waves = np.einsum("bkc,bfci->bfki", filters, template)  # what the filters make of them
    whitened = waves @ products.roots[:, np.newaxis]
    seen = np.einsum("bkc,lbcfi->lbfki", filters, products.cross)
    together = (seen * whitened).sum(axis=(3, 4))
    powers = _power(products, filters)[..., np.newaxis] * np.maximum((whitened**2).sum(axis=(3, 4)), FLAT_UV2)
    return np.asarray(together * np.abs(together) / powers)


def _power(products: WindowProducts, filters: FloatArray) -> FloatArray:
    """Of the filtered signal, all filters together, (n_lengths, n_bands); never 0."""
    power = np.einsum("bkc,lbcd,bkd->lb", filters, products.signal, filters)
    return np.asarray(np.maximum(power, FLAT_UV2))
