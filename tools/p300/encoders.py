"""The foundation encoder with a probe on its features of an epoch, beside the decoder of evoked responses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.backends.registry import open_session
from rtbci.backends.session import Session
from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.fit import block_folds, crossed_scores, fit_probe
from rtbci.flashes.judge import area_under_curve
from rtbci.flashes.user_fit import MAX_FOLDS
from rtbci.recipes import EngineRecipe, ParadigmRecipe, list_recipes, read_engine
from rtbci.replay.recording import Recording
from rtbci.stages.infer import whitener
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import match_channels
from rtbci.stream.source import Channel, StreamInfo

__all__ = ["EncoderScorer", "at_rate", "compare_encoders", "electrode_matrix", "encoder_table"]

SHRINKAGE = 0.05
PENALTIES = np.logspace(-5, 0, 6)

Labels = npt.NDArray[np.bool_]


def electrode_matrix(recipe: ParadigmRecipe, engine: EngineRecipe) -> FloatArray:
    """Spherical splines from the paradigm's electrodes to the engine's, shape (n_electrodes, n_channels)."""
    channels = tuple(Channel(label, "microvolts", "EEG") for label in recipe.input.channels)
    info = StreamInfo(recipe.name, recipe.name, engine.input.rate_hz, channels)
    return match_channels(info, engine.input.channels, 1.0).matrix


class EncoderScorer:
    """Scores epochs by a logistic regression on the features of their patches.

    Parameters
    ----------
    engine : EngineRecipe
    matrix : ndarray of float64, shape (n_electrodes, n_channels)
    denoised : bool
        Whether only what spatial filters (xDAWN) let through is encoded.
    """

    def __init__(self, engine: EngineRecipe, matrix: FloatArray, *, denoised: bool) -> None:
        self._session: Session = open_session(engine.onnx_path)
        self._matrix, self._denoised, self._n = matrix, denoised, engine.input.n_samples

    def __call__(self, epochs: FloatArray, is_target: Labels, others: FloatArray) -> FloatArray:
        """See `rtbci.flashes.fit.Scorer`."""
        from sklearn.linear_model import LogisticRegressionCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        adapter = self._adapter(epochs, is_target)
        # As keywords from a mapping: scikit-learn's annotations say what its defaults are, not what it takes.
        chosen: dict[str, Any] = {"Cs": PENALTIES, "l1_ratios": (0.0,), "use_legacy_attributes": False}
        model = make_pipeline(
            StandardScaler(), LogisticRegressionCV(cv=4, scoring="roc_auc", max_iter=2000, **chosen)
        ).fit(self.features(epochs, adapter), is_target)
        return np.asarray(model.decision_function(self.features(others, adapter)))

    def _adapter(self, epochs: FloatArray, is_target: Labels) -> FloatArray:
        """Filters to the engine's electrodes, whitened by these epochs as its own input was."""
        matrix = self._matrix
        signal = epochs.reshape(-1, epochs.shape[2])
        if self._denoised:
            filters = fit_probe(epochs, is_target).filters
            covariance = signal.T @ signal / len(signal)
            patterns = covariance @ filters.T @ np.linalg.pinv(filters @ covariance @ filters.T)
            matrix = matrix @ patterns @ filters
        moved = signal @ matrix.T
        return np.asarray(whitener(moved.T @ moved / len(moved), SHRINKAGE) @ matrix)

    def features(self, epochs: FloatArray, adapter: FloatArray) -> FloatArray:
        """Of all patches of each epoch, shape (n_epochs, n_patches * n_features)."""
        return np.stack([self._encoded(epoch @ adapter.T) for epoch in epochs])

    def _encoded(self, signal: FloatArray) -> FloatArray:
        starts = range(0, len(signal) - self._n + 1, self._n)
        patches = [np.ascontiguousarray(signal[i : i + self._n].T, np.float32)[np.newaxis] for i in starts]
        return np.concatenate([self._session.run(patch).astype(np.float64).ravel() for patch in patches])


def compare_encoders(runs: Sequence[Recording], recipe: ParadigmRecipe) -> list[dict[str, Any]]:
    """AUC of each encoder, of evoked responses, and of both, on the same flashes and folds.

    Returns
    -------
    list of dict
        ``name``, ``area`` (value, low, high) and ``with_erp``: the area of both together, None for evoked responses.
    """
    found = cut_epochs(runs, at_rate(recipe, 256.0))
    folds, is_target = block_folds(found.i_selection, MAX_FOLDS), found.is_target
    erp = crossed_scores(found.epochs, is_target, folds)
    rows: list[dict[str, Any]] = [
        {"name": "evoked responses, 256 Hz", "area": _area(erp, is_target), "with_erp": None}
    ]
    for name in list_recipes("engines"):
        engine = read_engine(name)
        matrix = electrode_matrix(recipe, engine)
        for denoised in (False, True):
            scorer = EncoderScorer(engine, matrix, denoised=denoised)
            scores = crossed_scores(found.epochs, is_target, folds, scorer)
            both = _both(np.column_stack([erp, scores]), is_target, folds)
            label = f"{name} and probe" + (" behind xDAWN" if denoised else "")
            rows.append({"name": label, "area": _area(scores, is_target), "with_erp": _area(both, is_target)})
            print(rows[-1])
    return rows


def encoder_table(rows: Sequence[dict[str, Any]]) -> str:
    """What `compare_encoders` found, as Markdown."""
    lines = ["| decoder | AUC (95 %) | together with evoked responses |", "|---|---|---|"]
    lines += [f"| {one['name']} | {_shown(one['area'])} | {_shown(one['with_erp'])} |" for one in rows]
    return "\n".join(lines)


def at_rate(recipe: ParadigmRecipe, rate_hz: float) -> ParadigmRecipe:
    """The recipe with epochs of another rate."""
    stages = tuple(
        stage.model_copy(update={"rate_hz": rate_hz}) if stage.kind == "resample" else stage
        for stage in recipe.stages
    )
    return recipe.model_copy(update={"stages": stages})


def _both(scores: FloatArray, is_target: Labels, folds: npt.NDArray[np.intp]) -> FloatArray:
    """Logistic regression of two scores, fitted on the scores of the other folds."""
    from sklearn.linear_model import LogisticRegression

    found = np.empty(len(scores))
    for fold in np.unique(folds):
        model = LogisticRegression().fit(scores[folds != fold], is_target[folds != fold])
        found[folds == fold] = model.decision_function(scores[folds == fold])
    return found


def _area(scores: FloatArray, is_target: Labels) -> tuple[float, float, float]:
    found = area_under_curve(scores, is_target)
    return found.value, found.low, found.high


def _shown(area: Sequence[float] | None) -> str:
    return "-" if area is None else f"{area[0]:.3f} [{area[1]:.3f}, {area[2]:.3f}]"
