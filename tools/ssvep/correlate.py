"""Correlations at every hop of a recording, exactly as the live decoder computes them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.evaluate.trials import Trial, find_trials
from rtbci.flicker.profile import cca_branch
from rtbci.probe.cca import CcaProbe, correlations
from rtbci.probe.cca_branch import CcaBranch
from rtbci.probe.fusion import Fusion
from rtbci.probe.reference_products import WindowProducts
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.runtime.build import build_stages, stream_gains_uv
from rtbci.runtime.estimate import WindowGrid
from rtbci.runtime.pipeline import Pipeline
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import match_channels

__all__ = ["Correlated", "correlate"]

REST_S = 5.0


@dataclass(frozen=True)
class Correlated:
    """A run.

    Parameters
    ----------
    t_newest : ndarray of float64, shape (n_hops,)
        Of every full window, in seconds.
    rho2 : ndarray of float64, shape (n_hops, n_lengths, n_bands, n_frequencies)
    trials : list of Trial
    rests : list of (float, float)
        Spans in which the user was asked to look at nothing.
    """

    t_newest: FloatArray
    rho2: FloatArray
    trials: list[Trial]
    rests: list[tuple[float, float]]

    def labels(self, from_s: float, idle: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Class and trial at each hop, -1 where unknown: in a trial from `from_s` after its cue, and at rest."""
        labels = np.full(len(self.t_newest), -1, dtype=np.intp)
        numbers = labels.copy()
        spans = [(one.t_cue + from_s, one.t_end, one.i_class) for one in self.trials]
        spans += [(start, stop, idle) for start, stop in self.rests]
        for i, (start, stop, i_class) in enumerate(spans):
            inside = (self.t_newest >= start) & (self.t_newest <= stop)
            labels[inside], numbers[inside] = i_class, i
        return labels, numbers


class _Listening(CcaProbe):
    """Keeps the correlations instead of weighing them."""

    def __init__(self, n_lengths: int, n_bands: int) -> None:
        super().__init__(np.zeros((n_lengths, n_bands)))
        self.heard: list[FloatArray] = []

    def scores(self, products: WindowProducts) -> FloatArray:
        found = correlations(products)
        self.heard.append(found)
        return np.zeros(found.shape[2])


def correlate(run: Recording, recipe: ParadigmRecipe, rest_marker: str, where: str) -> Correlated:
    """Run a recording through stages and branch."""
    layout, settings = recipe.input, cca_branch(recipe)
    channel_map = match_channels(run.info, layout.channels, layout.max_interpolated, required=layout.required)
    stages = build_stages(recipe, run.info, channel_map, stream_gains_uv(run.info), None)
    rate_hz = stages[-1].rate_out_hz
    hop = round(recipe.window.hop_s * rate_hz)
    lengths = [round(length * rate_hz) for length in settings.lengths_s]
    probe = _Listening(len(lengths), len(settings.bands_hz))
    branch = CcaBranch(
        probe,
        settings.frequencies_hz,
        settings.bands_hz,
        lengths,
        rate_hz,
        len(layout.channels),
        hop,
        n_harmonics=settings.n_harmonics,
        order=settings.order,
    )
    n_classes = len(recipe.classes)
    pipeline = Pipeline(stages, [branch], Fusion([1.0], np.zeros(n_classes)), WindowGrid(lengths[-1], hop))
    estimates = pipeline.push(run.data, run.sample_times())
    t_newest = [one.t_window[1] for one in estimates if one.probs is not None]
    rests = [(m.t_lsl, m.t_lsl + REST_S) for m in run.markers if m.value == rest_marker]
    return Correlated(np.array(t_newest), np.stack(probe.heard), find_trials([run], recipe, where), rests)
