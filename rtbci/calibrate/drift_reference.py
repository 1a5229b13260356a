"""What a calibration leaves behind for the monitor of drift: how the signal was, and what the new decoder said of it."""

from collections.abc import Sequence

import msgspec
import numpy as np

from rtbci.evaluate.online import Span
from rtbci.probe.drift import drift_tensors
from rtbci.probe.profile import Profile
from rtbci.stages.stage import FloatArray

__all__ = ["LEAST_S", "DriftReference", "with_drift"]

STEP_S = 4.0
"""As long as the stretch that `Decoder.recent_covariance` is of, so that none counts twice."""
N_OF_A_PART = 7
"""Looks that make a part; its distance to the others is compared with that of half a minute in use."""
LEAST_S = 60.0
"""From less signal than the monitor takes from a stream's beginning there is no reference."""
PREFIX = "drift."


class DriftReference:
    """Covariances of a calibration's stream in front of the alignment, one for every four seconds of stamps.

    Notes
    -----
    Which stretches are taken depends on stamps alone. Costs a comparison for a hop and the copy of a matrix every four
    seconds; an hour of 31 channels is 7 MB. Signal from before a calibration was gone on with (``--resume``) is not in it.
    """

    def __init__(self) -> None:
        self._covariances: list[FloatArray] = []
        self._t_looked = -np.inf

    def push(self, t_newest: float, covariance: FloatArray | None, begins: bool) -> None:
        """Take a hop: its newest stamp, the recent covariance (None: there is none), whether the stream began anew."""
        if begins:  # what is recent is in part from before the break
            self._t_looked = t_newest
            return
        if t_newest - self._t_looked < STEP_S:
            return
        self._t_looked = t_newest
        if covariance is None:
            return
        if self._covariances and covariance.shape != self._covariances[0].shape:
            self._covariances.clear()  # another cap came: only the one that is there now will be compared with
        self._covariances.append(covariance)

    def is_due(self, t_newest: float) -> bool:
        """Whether `push` would look at the covariance, which costs a little to make."""
        return t_newest - self._t_looked >= STEP_S

    def parts(self) -> list[FloatArray]:
        """Mean covariances of successive half minutes; empty when there is too little signal for a reference."""
        looks = self._covariances
        if len(looks) * STEP_S < LEAST_S:
            return []
        starts = range(0, len(looks) - N_OF_A_PART + 1, N_OF_A_PART)
        return [np.mean(looks[i : i + N_OF_A_PART], axis=0) for i in starts]


def with_drift(profile: Profile, reference: DriftReference, spans: Sequence[Span]) -> Profile:
    """The same profile with this calibration's reference, and without any that it had from another.

    Parameters
    ----------
    profile : Profile
    reference : DriftReference
    spans : sequence of Span
        The calibration's stream as the profile decodes it.
    """
    weights = {name: x for name, x in profile.weights.items() if not name.startswith(PREFIX)}
    if parts := reference.parts():
        weights |= drift_tensors(parts, _logits(profile, spans))
    return msgspec.structs.replace(profile, weights=weights)


def _logits(profile: Profile, spans: Sequence[Span]) -> FloatArray | None:
    """Fused logits up to what is the same for all classes, which probabilities keep; None when there are none."""
    probs = [span.probs[span.full] for span in spans]
    if not sum(len(one) for one in probs):
        return None
    return profile.temperature * np.log(np.maximum(np.concatenate(probs), np.finfo(float).tiny))
