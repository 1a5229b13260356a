"""A decoder's weights and what they were made for: a few to a hundred kilobytes on disk, never a pickle.

A profile is a folder with `profile.json` (everything but numbers) and `weights.safetensors`. The population
decoder of a paradigm is one; a user's profiles are kept as ``<root>/<user>/<generation>/``.
"""

import hashlib
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.errors import ChannelError, ProfileError
from rtbci.probe.user_names import USER_NAME
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns

__all__ = [
    "POPULATION",
    "SCHEMA",
    "SPREAD_NAME",
    "Accuracy",
    "BaselineEntry",
    "BranchEntry",
    "DecisionEntry",
    "Probe",
    "Profile",
    "Weights",
    "chain_hash",
    "check_profile",
    "join_tensors",
]

POPULATION = "population"
"""User of the decoders that are shipped."""
SCHEMA = 1
"""Version of `profile.json`; a profile of a newer schema is refused."""

SPREAD_NAME = "user_spread"
"""Name of a branch's tensor in a profile, shape (n_features,): how far people's heads lie from the population's.

Standard deviation over people of the change of each weight, of the difference between two classes' logits after the
temperature: the prior that a calibration moves the head with.
"""
SPREADS = (1e-12, 1e6)
"""Least and greatest number that a `SPREAD_NAME` may hold: far from what people differ by, and what is computed with it is finite."""

Weights = dict[str, npt.NDArray[Any]]


class BranchEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One branch of the decoder.

    Parameters
    ----------
    name : str
        Prefix of the branch's tensors: ``"<name>.<tensor>"``.
    kind : {'encoder', 'tangent', 'mdm', 'power', 'window', 'cca', 'trca', 'erp', 'epochs'}
        Which class of `rtbci.probe.branches` runs it.
    weight : float
        Weight of its logits in the fusion.
    engine, engine_id : str
        Name of its engine's recipe, and sha256 of the file that the weights were fitted on.
    bands_hz : list of (float, float)
        Bands of a tangent or MDM branch.
    order : int
        Order of the filters of these bands.
    delays_samples : list of int
        Delayed copies of the signal beside it, of such a branch; see `rtbci.probe.band_branches.Delays`.
    frequencies_hz : list of float
        Flicker of each class, of a CCA or TRCA branch; 0 for the class that looks at nothing.
    n_harmonics : int
        Of these frequencies, the fundamental counted.
    lengths_samples : list of int
        Windows of such a branch, ascending.
    """

    name: str
    kind: Literal["encoder", "tangent", "mdm", "power", "window", "cca", "trca", "erp", "epochs"]
    weight: float = 1.0
    engine: str = ""
    engine_id: str = ""
    bands_hz: list[tuple[float, float]] = []
    order: int = 2
    delays_samples: list[int] = []
    frequencies_hz: list[float] = []
    n_harmonics: int = 3
    lengths_samples: list[int] = []


class Accuracy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cross-validated balanced accuracy.

    Parameters
    ----------
    mean, low, high : float
        Percent; bounds of the 95 % interval.
    n : int
        Subjects, or trials, that the interval is over.
    what : str
        What was measured, in words: windows, track, split.
    """

    mean: float
    low: float
    high: float
    n: int
    what: str

    @property
    def interval(self) -> str:
        """Mean and interval, in words."""
        return f"{self.mean:.1f} % [{self.low:.1f}, {self.high:.1f}]"

    @property
    def in_words(self) -> str:
        """Mean and interval, what was measured, and of how many."""
        return f"{self.interval}, {self.what}, n = {self.n}"


class DecisionEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision policy that was fitted with the weights; see `rtbci.decide.policy`.

    Parameters
    ----------
    threshold : float
        Least smoothed probability, above 0 and at most 1.
    dwell_s, refractory_s, smoothing_s : float
        At least 0.
    """

    threshold: float
    dwell_s: float
    refractory_s: float
    smoothing_s: float


class BaselineEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is usual for the user, measured; see `rtbci.probe.baseline`.

    Parameters
    ----------
    centre : list of float
        Of the logits less their mean, one for each class.
    spread : float
        Of the log odds of the class that the continuous output is of, above 0.
    length_s : float
        Signal that it was measured on, in seconds.
    """

    centre: list[float]
    spread: float
    length_s: float


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that turns features into probabilities, and what it fits to.

    Parameters
    ----------
    user : str
        Whose decoder it is; ``"population"`` for the one that is shipped.
    paradigm : str
        Name of the paradigm.
    classes : list of str
        Order of all logits and probabilities.
    channels : list of str
        Layout that the weights are for, in order.
    rate_hz : float
        Rate of the decoder's input.
    window_samples, hop_samples : int
        At that rate.
    chain : list of dict
        Settings of the stages before the branches, as in the paradigm's recipe.
    chain_hash : str
        `chain_hash` of `chain`: cheap to compare.
    branches : list of BranchEntry
        In the order of the fusion.
    bias : list of float
        Fusion's bias, one per class.
    temperature : float
        Fusion's temperature.
    n_trials : int
        Trials that the weights were fitted on.
    trained_on : list of str
        Whose recordings the weights were fitted on, as ``"eegmmidb/S001"``; empty: not stated. An evaluation
        refuses to judge a decoder on these.
    accuracy : Accuracy, optional
        What cross-validation measured.
    montage : list of str
        Electrodes of the layout that the calibration's stream had, in the layout's order; empty: any.
    decision : DecisionEntry, optional
        Used where the run's configuration names no other; None: the recipe's.
    mirror : list of int
        Class of a window whose left and right electrodes are exchanged, by class: left and right hand are each other's. A
        calibration learns from each trial's mirror image too, where a branch has the tensor `SPREAD_NAME`; empty: it does not.
    baseline : BaselineEntry, optional
        Of this user with these weights; None: measured at the start of a session, where the recipe asks for one.
    created : str
        ISO 8601, UTC.
    generation : int
        Counts a user's profiles from 1; 0 for the population decoder.
    weights_sha256 : str
        Of `weights.safetensors`; set by `write_profile`.
    schema_version : int
        `SCHEMA`.
    weights : dict of ndarray
        Tensors by name, ``"<branch>.<tensor>"``; also ``"align.covariance"`` (layout space, square
        microvolt, before the alignment), ``"electrodes.covariance"`` (likewise, before the reference: what the decoder
        was fitted with) and ``"adapter.matrix"``. Not part of `profile.json`.
    """

    user: str
    paradigm: str
    classes: list[str]
    channels: list[str]
    rate_hz: float
    window_samples: int
    hop_samples: int
    branches: list[BranchEntry]
    bias: list[float]
    temperature: float = 1.0
    chain: list[dict[str, Any]] = []
    chain_hash: str = ""
    n_trials: int = 0
    trained_on: list[str] = []
    accuracy: Accuracy | None = None
    montage: list[str] = []
    decision: DecisionEntry | None = None
    mirror: list[int] = []
    baseline: BaselineEntry | None = None
    created: str = ""
    generation: int = 0
    weights_sha256: str = ""
    schema_version: int = msgspec.field(default=SCHEMA, name="schema")
    weights: Weights = msgspec.field(default_factory=dict)

    @property
    def is_of_one_person(self) -> bool:
        """Whether it is the population's in name only: one person's recordings fitted it, so it says nothing of others."""
        return self.user == POPULATION and len(self.trained_on) == 1

    @property
    def accuracy_in_words(self) -> str:
        """What was measured, and of whom where that is nobody else."""
        if self.accuracy is None:
            return "not measured"
        one = "not known for others; of the person that it was fitted on: " if self.is_of_one_person else ""
        return one + self.accuracy.in_words

    def tensors(self, branch: str, *, needed: bool = True) -> Weights:
        """Tensors of one branch, without its prefix (views).

        Parameters
        ----------
        branch : str
        needed : bool
            False for a branch whose head may be in its engine's graph.

        Raises
        ------
        ProfileError
            When there is none.
        """
        prefix = f"{branch}."
        found = {
            name[len(prefix) :]: value for name, value in self.weights.items() if name.startswith(prefix)
        }
        if needed and not found:
            raise ProfileError(
                f"profile '{self.user}': has no tensors of branch '{branch}', have {sorted(self.weights)}; "
                "train or calibrate again"
            )
        return found


class Probe(Protocol):
    """A branch's head, as far as a profile is concerned."""

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name."""
        ...


def join_tensors(probes: Mapping[str, Probe]) -> Weights:
    """Tensors of several branches under the names that a profile gives them: ``"<branch>.<tensor>"``."""
    return {f"{branch}.{name}": x for branch, probe in probes.items() for name, x in probe.tensors().items()}


def chain_hash(stages: Sequence[Mapping[str, Any]]) -> str:
    """sha256 of the stages' settings, in hexadecimal; the order of a stage's keys does not matter.

    Parameters
    ----------
    stages : sequence of mapping
        Plain settings, for instance ``[stage.model_dump() for stage in recipe.stages]``.
    """
    return hashlib.sha256(msgspec.json.encode(list(stages), order="sorted")).hexdigest()


def check_profile(profile: Profile, where: str) -> None:
    """Refuse a profile that contradicts itself.

    Raises
    ------
    ProfileError
        Lists everything that is wrong.
    """
    n_classes, wrong = len(profile.classes), []
    if profile.schema_version != SCHEMA:
        wrong.append(f"schema is {profile.schema_version}, need {SCHEMA}")
    if not USER_NAME.fullmatch(profile.user):
        wrong.append(f"user is {profile.user!r}, need letters, digits, '_', '.', '-'")
    if n_classes < 2 or len(profile.bias) != n_classes:
        wrong.append(
            f"{n_classes} classes and {len(profile.bias)} biases, need two or more, and as many of each"
        )
    if not profile.branches or len({entry.name for entry in profile.branches}) < len(profile.branches):
        wrong.append("branches must be one or more, each with a name of its own")
    if profile.window_samples < 1 or profile.hop_samples < 1 or not profile.rate_hz > 0:
        wrong.append("window_samples, hop_samples and rate_hz must be above 0")
    elif profile.window_samples % profile.hop_samples:
        wrong.append(
            f"window of {profile.window_samples} samples is no multiple of hop {profile.hop_samples}"
        )
    if not (np.isfinite(profile.temperature) and profile.temperature > 0):
        wrong.append(f"temperature is {profile.temperature:g}, need above 0")
    wrong += [
        f"tensor '{name}' is not finite" for name, x in profile.weights.items() if not np.isfinite(x).all()
    ]
    wrong += _matrix_faults(profile) + _prior_faults(profile) + _use_faults(profile)
    if wrong:
        raise ProfileError(f"{where}: {'; '.join(wrong)}; train or calibrate again")


def _matrix_faults(profile: Profile) -> list[str]:
    n = len(profile.channels)
    return [
        f"tensor '{name}' has shape {profile.weights[name].shape}, need ({n}, {n})"
        for name in ("align.covariance", "adapter.matrix", "electrodes.covariance")
        if name in profile.weights and profile.weights[name].shape != (n, n)
    ]


def _prior_faults(profile: Profile) -> list[str]:
    """What is wrong with what the profile says of how its users differ."""
    wrong = []
    for entry in profile.branches:
        spread = profile.weights.get(f"{entry.name}.{SPREAD_NAME}")
        if spread is None or not np.isfinite(spread).all():
            continue
        least, most = SPREADS
        if spread.ndim != 1 or not ((spread >= least) & (spread <= most)).all():
            span = f", numbers from {spread.min():g} to {spread.max():g}" if spread.size else ""
            wrong.append(
                f"tensor '{entry.name}.{SPREAD_NAME}' has shape {spread.shape}{span}, need a vector of numbers from {least:g} to "
                f"{most:g}"
            )
    if profile.mirror:
        n = len(profile.classes)
        if sorted(profile.mirror) != list(range(n)) or [profile.mirror[i] for i in profile.mirror] != list(
            range(n)
        ):
            wrong.append(
                f"mirror is {reprlib.repr(profile.mirror)}, need each of {n} classes once, and the image of its image is itself"
            )
        try:
            mirror_columns(profile.channels)
        except ChannelError as error:
            wrong.append(f"mirror is given, but {error}")
    return wrong


def _use_faults(profile: Profile) -> list[str]:
    """What is wrong with the montage and the policy that the profile asks for."""
    wrong = []
    if (usual := profile.baseline) is not None:
        numbers = [*usual.centre, usual.spread, usual.length_s]
        if (
            len(usual.centre) != len(profile.classes)
            or not np.isfinite(numbers).all()
            or not usual.spread > 0
        ):
            wrong.append(
                f"baseline is {usual.centre}, spread {usual.spread:g}, need a finite number for each class and a spread above 0"
            )
    if others := [label for label in profile.montage if label not in profile.channels]:
        wrong.append(f"montage names {others}, need labels that are in channels")
    if (decision := profile.decision) is not None:
        times = (decision.dwell_s, decision.refractory_s, decision.smoothing_s)
        if not 0 < decision.threshold <= 1:
            wrong.append(f"decision.threshold is {decision.threshold:g}, need above 0 and at most 1")
        if not all(0 <= seconds < np.inf for seconds in times):
            wrong.append(f"decision has times {times}, need numbers of at least 0 s")
    return wrong
