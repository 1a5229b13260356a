"""YASA's classifier (Vallat, Walker 2021, doi 10.7554/eLife.70092): its trees for the live decoder, and its own scoring.

YASA is an optional package (BSD-3-Clause), trained on more than 3000 nights. It reads its classifier itself, from its
own package; what is written here are arrays.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from rtbci.errors import ConfigError, MissingPackageError
from rtbci.installing import pip_extra
from rtbci.night.hypnogram import EPOCH_S, STAGES, Hypnogram
from rtbci.night.windows import check_stager
from rtbci.probe.epoch_branch import context_names
from rtbci.probe.epoch_heads import TreesHead
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.runtime.build import stream_gains_uv
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import match_channels
from rtbci.stream.stand_ins import as_in_layout

__all__ = ["score_night", "trees_from_model", "yasa_trees"]

THEIR_NAMES = {"W": "W", "WAKE": "W", "N1": "N1", "N2": "N2", "N3": "N3", "R": "REM", "REM": "REM"}
TYPES = ("eeg", "eog")
LEAST_MIN = 5.0
"""YASA warns below: it scales features by the recording that it sees."""


def yasa_trees(recipe: ParadigmRecipe) -> tuple[dict[str, Any], str]:
    """Tensors of a branch of kind epochs from YASA's classifier, and the version of YASA.

    Raises
    ------
    MissingPackageError
        When YASA is not installed.
    ConfigError
        When the recipe has other channels than one EEG, or one EEG and one EOG.
    """
    check_stager(recipe)
    n_channels = len(recipe.input.channels)
    if n_channels > len(TYPES):
        raise ConfigError(
            f"paradigm '{recipe.name}': has {n_channels} channels, YASA's classifiers have one EEG, or one EEG and one EOG; name such a paradigm"
        )
    noise = np.random.default_rng(0).standard_normal((n_channels, 6000))
    with _yasa() as yasa:
        staging = yasa.SleepStaging(_raw(noise), "eeg", eog_name="eog" if n_channels > 1 else None)
        staging.fit()
        classifier = staging._load_model("auto")
        model = classifier.booster_.dump_model()
        names = [THEIR_NAMES[str(one)] for one in classifier.classes_]
        version = str(yasa.__version__)
    order = [recipe.classes.index(name) for name in names]
    return trees_from_model(model, context_names(n_channels), order), version


def trees_from_model(model: Any, features: Sequence[str], class_order: Sequence[int]) -> dict[str, Any]:
    """Take a LightGBM model apart.

    Parameters
    ----------
    model : mapping
        As ``Booster.dump_model()`` gives it, of the objective ``multiclass``.
    features : sequence of str
        Names of what `TreesHead` will read, in order.
    class_order : sequence of int
        Which of our classes each of the model's is.

    Raises
    ------
    ConfigError
        When it is of another kind.
    """
    index = {name: i for i, name in enumerate(features)}
    theirs = list(model["feature_names"])
    if unknown := [name for name in theirs if name not in index]:
        raise ConfigError(
            f"YASA: its classifier reads {', '.join(unknown[:5])}, which are not computed here; install another version of YASA"
        )
    kind, n_classes = str(model["objective"]), int(model["num_tree_per_iteration"])
    if not kind.startswith("multiclass ") or n_classes != len(class_order) or model.get("average_output"):
        raise ConfigError(
            f"YASA: its classifier is of the kind '{kind}' with {n_classes} classes, need multiclass with {len(class_order)}; "
            "install another version of YASA"
        )
    taken = _Trees([index[name] for name in theirs])
    roots = [taken.add(one["tree_structure"]) for one in model["tree_info"]]
    classes = [class_order[i % n_classes] for i in range(len(roots))]
    return TreesHead(
        taken.feature, taken.threshold, taken.left, taken.right, taken.leaf, roots, classes
    ).tensors()


class _Trees:
    """Nodes and leaves of trees, one behind the other."""

    def __init__(self, columns: Sequence[int]) -> None:
        self._columns = columns
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.leaf: list[float] = []

    def add(self, node: Any) -> int:
        """Take a node with all below it; where it went: a node, or ``-1 - i`` for leaf i."""
        if "split_feature" not in node:
            self.leaf.append(float(node["leaf_value"]))
            return -len(self.leaf)
        if node["decision_type"] != "<=" or node["missing_type"] != "None":
            raise ConfigError(
                f"YASA: its classifier decides by '{node['decision_type']}' with missing values '{node['missing_type']}', need '<=' "
                "without; install another version of YASA"
            )
        i = len(self.feature)
        self.feature.append(self._columns[int(node["split_feature"])])
        self.threshold.append(float(node["threshold"]))
        self.left.append(0)
        self.right.append(0)
        self.left[i] = self.add(node["left_child"])
        self.right[i] = self.add(node["right_child"])
        return i


def score_night(recipe: ParadigmRecipe, recording: Recording) -> Hypnogram:
    """Let YASA score a whole recording, as it is meant to be used: features are smoothed and scaled over all of it.

    Raises
    ------
    MissingPackageError
        When YASA is not installed.
    ConfigError
        When the recording is shorter than five minutes.
    ChannelError
        When it lacks the recipe's channels.
    """
    check_stager(recipe)
    if recording.duration_s < 60.0 * LEAST_MIN:
        raise ConfigError(
            f"YASA: {recording.name} lasts {recording.duration_s / 60:.1f} min, need {LEAST_MIN:g} min or more, and a whole night for "
            "what it was made for; take a longer one"
        )
    layout = recipe.input
    renamed, _ = as_in_layout(recording.info, layout.takes)
    found = match_channels(renamed, layout.channels, 0.0, required=layout.channels)
    signal = recording.data @ (found.matrix * stream_gains_uv(recording.info)).T
    with _yasa() as yasa:
        raw = _raw(signal.T, recording.info.rate_hz)
        scored = yasa.SleepStaging(raw, "eeg", eog_name="eog" if len(signal.T) > 1 else None).predict()
        stages = [THEIR_NAMES[str(one).upper()] for one in scored.hypno]
        names = [THEIR_NAMES[str(one).upper()] for one in scored.proba.columns]
        probs = np.asarray(scored.proba, dtype=np.float64)
    columns = [names.index(name) for name in STAGES]
    n = min(len(stages), int(recording.duration_s / EPOCH_S + 1e-6))
    return Hypnogram(tuple(stages[:n]), 0.0, probs[:n, columns])


def _raw(signal_uv: FloatArray, rate_hz: float = 100.0) -> Any:
    import mne

    types: Any = list(TYPES[: len(signal_uv)])  # MNE states its types too narrowly
    return mne.io.RawArray(
        signal_uv * 1e-6, mne.create_info(types, rate_hz, types, verbose="ERROR"), verbose="ERROR"
    )


@contextmanager
def _yasa() -> Iterator[Any]:
    """YASA, with its warnings of pandas and of short recordings kept off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import yasa
        except ImportError as error:
            raise MissingPackageError(
                f"YASA: {error.name} is not installed, need it for its classifier; {pip_extra('sleep')}"
            ) from error
        logger = logging.getLogger("yasa")
        before = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield yasa
        finally:
            logger.setLevel(before)
