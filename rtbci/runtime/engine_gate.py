"""Whether an engine leads to the same decisions as the reference: both through the probe, on a random stream."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from rtbci.backends.gate import DecisionRow
from rtbci.backends.gate_windows import SPREAD
from rtbci.backends.session import Session
from rtbci.decide.policy import DecisionPolicy
from rtbci.errors import ConfigError
from rtbci.probe.branches import Branch, WindowBranch
from rtbci.probe.fusion import Fusion
from rtbci.probe.open_branches import open_branches
from rtbci.probe.profile import read_profile
from rtbci.recipes import EngineRecipe, ParadigmRecipe, list_recipes, read_engine, read_paradigm
from rtbci.stream.noise import BandNoise, PinkNoise, SlowNoise
from rtbci.stream.source import FloatArray

__all__ = ["MAX_PROB", "check_decisions", "paradigm_files", "paradigms_of"]

MAX_PROB = 0.02
"""Probabilities may differ by so much; two classes that are closer are a tie."""
REACHED = 0.75
"""Share of windows whose most probable class may stay below the threshold."""
STREAM_S = 30.0
SEED = 20262


def paradigms_of(recipe: EngineRecipe, others: Sequence[ParadigmRecipe] = ()) -> list[ParadigmRecipe]:
    """Paradigms with a branch of this engine that can decide without a user's profile: those of rtbci, and `others`."""
    known = [read_paradigm(name) for name in list_recipes("paradigms")]
    known += [one for one in others if all(one.folder != other.folder for other in known)]
    return [one for one in known if _branches_of(recipe, one) and _can_decide(one)]


def paradigm_files(paradigm: ParadigmRecipe) -> Iterator[Path]:
    """Files that a paradigm's decisions come from."""
    yield from paradigm.files or (paradigm.folder / "recipe.toml",)
    if paradigm.population_folder is not None:
        yield from sorted(path for path in paradigm.population_folder.iterdir() if path.is_file())


def check_decisions(
    session: Session, reference: Session, recipe: EngineRecipe, paradigms: Sequence[ParadigmRecipe]
) -> list[DecisionRow]:
    """Decode one random stream with either session.

    Parameters
    ----------
    session, reference : Session
        Under test, and what it is compared with.
    recipe : EngineRecipe
        Of both.
    paradigms : sequence of ParadigmRecipe
        As `paradigms_of` gives them.

    Raises
    ------
    ProfileError, EngineError
        When a paradigm's profile does not fit the engine.
    """
    return [
        _compare(_Decoder(session, recipe, one), _Decoder(reference, recipe, one), one, recipe)
        for one in paradigms
    ]


class _Decoder:
    """The branches of one paradigm that have the engine, and no other: nothing else could differ, or hide that it does.

    Their logits are fused with the profile's weights, scaled so that they sum to what all branches' weights sum to.
    """

    def __init__(self, session: Session, recipe: EngineRecipe, paradigm: ParadigmRecipe) -> None:
        names, meaning = _branches_of(recipe, paradigm), recipe.output.meaning
        n_classes = len(paradigm.classes)
        if paradigm.population_folder is None:
            self._branches: list[Branch] = [WindowBranch(session, meaning, name) for name in names]
            self._fusion = Fusion(np.full(len(names), 1.0 / len(names)), np.zeros(n_classes))
            return
        profile = read_profile(paradigm.population_folder)
        own = [entry for entry in profile.branches if entry.name in names]
        weights = np.array([entry.weight for entry in own])
        weights *= sum(entry.weight for entry in profile.branches) / weights.sum()
        alone = msgspec.structs.replace(profile, branches=own)
        self._branches = open_branches(alone, dict.fromkeys(names, session), dict.fromkeys(names, meaning))
        self._fusion = Fusion(weights, profile.bias, profile.temperature)

    def push(self, hop: FloatArray) -> FloatArray | None:
        """Probabilities of the newest window, shape (n_classes,); None until one is full."""
        for branch in self._branches:
            branch.push(hop)
        logits = [one for branch in self._branches if (one := branch.logits()) is not None]
        full = len(logits) == len(self._branches)
        return self._fusion.probs(self._fusion.logits(logits)) if full else None


def _compare(
    tested: _Decoder, reference: _Decoder, paradigm: ParadigmRecipe, recipe: EngineRecipe
) -> DecisionRow:
    signal = _stream(recipe, len(paradigm.input.channels))
    got, wanted = (_probs(decoder, signal, paradigm, recipe) for decoder in (tested, reference))
    if not 0 < len(wanted) == len(got):  # a window without a number has no probabilities
        return _refused(paradigm, wanted)
    best = np.sort(wanted, axis=1)
    n_labels = int(((got.argmax(1) != wanted.argmax(1)) & (best[:, -1] - best[:, -2] > MAX_PROB)).sum())
    max_prob = float(np.abs(got - wanted).max())
    threshold = _threshold(paradigm, wanted)
    decided = [_decisions(paradigm, probs, threshold) for probs in (got, wanted)]
    n_differ = _n_unmatched(decided[0], decided[1]) + _n_unmatched(decided[1], decided[0])
    return DecisionRow(
        paradigm=paradigm.name,
        n_windows=len(wanted),
        max_prob=max_prob,
        n_labels_differ=n_labels,
        n_decisions=len(decided[1]),
        n_decisions_differ=n_differ,
        passed=bool(max_prob <= MAX_PROB and not n_labels and not n_differ),
    )


def _refused(paradigm: ParadigmRecipe, wanted: FloatArray) -> DecisionRow:
    """Of an engine that gives what is not a number: nothing of it counts."""
    n_decisions = len(_decisions(paradigm, wanted, _threshold(paradigm, wanted))) if len(wanted) else 0
    return DecisionRow(
        paradigm=paradigm.name,
        n_windows=len(wanted),
        max_prob=1.0,
        n_labels_differ=len(wanted),
        n_decisions=n_decisions,
        n_decisions_differ=n_decisions,
        passed=False,
    )


def _probs(
    decoder: _Decoder, signal: FloatArray, paradigm: ParadigmRecipe, recipe: EngineRecipe
) -> FloatArray:
    """Probabilities of all windows of a signal, shape (n_windows, n_classes)."""
    n = round(paradigm.window.hop_s * recipe.input.rate_hz)
    hops = (signal[i : i + n] for i in range(0, len(signal) - n + 1, n))
    made = [probs for hop in hops if (probs := decoder.push(hop)) is not None]
    return np.array(made).reshape(-1, len(paradigm.classes))


def _threshold(paradigm: ParadigmRecipe, probs: FloatArray) -> float:
    """The paradigm's threshold, or a lower one that a random stream reaches: decisions are there to be compared."""
    active = np.delete(probs, [] if paradigm.idle is None else [paradigm.idle], axis=1)
    return float(min(paradigm.decision.threshold, np.quantile(active.max(axis=1), REACHED)))


def _decisions(paradigm: ParadigmRecipe, probs: FloatArray, threshold: float) -> list[tuple[int, str]]:
    """Hops with a decision, and what it is, by the paradigm's own policy but for the threshold."""
    settings = paradigm.decision.model_dump() | {"threshold": threshold}
    policy = DecisionPolicy(paradigm.classes, idle=paradigm.idle, **settings)
    said = [policy.push(one, i * paradigm.window.hop_s).decision for i, one in enumerate(probs.tolist())]
    return [(i, what) for i, what in enumerate(said) if what is not None]


def _n_unmatched(some: list[tuple[int, str]], others: list[tuple[int, str]]) -> int:
    """Decisions of `some` that none of `others` is the same as, within a hop."""
    near = {(i + shift, what) for i, what in others for shift in (-1, 0, 1)}
    return sum(one not in near for one in some)


def _stream(recipe: EngineRecipe, n_channels: int) -> FloatArray:
    """Seeded noise with rhythms whose strength wanders by a spatial pattern, shape (n_samples, n_channels)."""
    rng = np.random.default_rng(SEED)
    rate_hz = recipe.input.rate_hz
    n = round(STREAM_S * rate_hz)
    signal = 0.5 * PinkNoise(n_channels, rate_hz, rng).generate(n)
    rhythm = BandNoise(n_channels, 8.0, min(25.0, 0.45 * rate_hz), rate_hz, rng).generate(n)
    strength = SlowNoise(3, 0.1, rate_hz, rng).generate(n) @ rng.standard_normal((3, n_channels))
    return np.asarray(SPREAD[recipe.input.unit] * (signal + rhythm * np.exp(0.5 * strength)))


def _branches_of(recipe: EngineRecipe, paradigm: ParadigmRecipe) -> list[str]:
    """Names of the branches whose engine this is; none when another engine has a part in the decoder too."""
    named = [branch for branch in paradigm.branches if branch.engine]
    try:
        folders = {read_engine(branch.engine or "", paradigm.folder).folder for branch in named}
    except ConfigError:
        return []
    return [branch.name for branch in named] if folders == {recipe.folder.resolve()} else []


def _can_decide(paradigm: ParadigmRecipe) -> bool:
    return paradigm.population_folder is not None or all(one.kind == "window" for one in paradigm.branches)
