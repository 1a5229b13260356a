"""`rtbci verify`: a session is decoded again, and every prediction compared."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec

from rtbci.backends.gate import DEFAULT_TOLERANCE, tolerance_of
from rtbci.config import RunConfig
from rtbci.errors import (
    ChannelError,
    ConfigError,
    FileFormatError,
    MessageError,
    RateError,
    ShapeError,
    SignalError,
    StreamError,
    UnitError,
)
from rtbci.probe.profile import Profile
from rtbci.publish.messages import Event, ProfileRef
from rtbci.recipes import ParadigmRecipe, Precision
from rtbci.record.kept_profiles import read_kept_profile
from rtbci.record.session_json import JSON_NAME, SessionRecord, recipe_sha256, versions_here
from rtbci.runtime.configured import decoder_of, recipe_of
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_gate import MAX_PROB
from rtbci.runtime.engine_opener import FIRST_BACKEND
from rtbci.runtime.plugin_watch import tolerate_plugins
from rtbci.settings import check_settings
from rtbci.verify.compare import Comparison, Divergence, Tolerance
from rtbci.verify.engines import (
    OneEngine,
    RecordedEngines,
    changed_plugins,
    check_networks,
    missing_engines,
)
from rtbci.verify.replay import Replayed, replay
from rtbci.verify.script import Run, Script, read_script

__all__ = ["Verified", "verify"]

EXACT_ON = ("cpu", "cpu_make", "libc", "python", "numpy", "scipy", "onnxruntime")
"""Where these are as they were, every bit has to be; elsewhere the last bits of libraries may differ."""

TOLD_TAKES = 100
"""So often it is told how far the decoding is: some seconds of the session."""
REFUSALS = (ChannelError, MessageError, RateError, ShapeError, SignalError, StreamError, UnitError)
"""What a run says of a stream that it cannot decode."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Parameters
    ----------
    session : str
        Its folder.
    verdict : {'identical', 'same', 'differs'}
        Every bit; within the tolerance and with the same decisions; neither.
    exact : bool
        Whether every bit was asked for.
    why_not_exact : tuple of str
        What is not as it was.
    max_features, max_prob : float or None
        What was allowed, of an engine's outputs (as its recipe says) and of a probability; None where every bit counts.
    n_predictions, n_compared, n_identical, n_unsure : int
        In the file; compared; of those the same to the last bit; and that cannot be compared.
    n_windows, n_windows_identical : int
        Windows, by the checksums of everything that was computed for them.
    n_decisions, n_decisions_differ : int
    largest_prob : float
        Largest difference of a probability.
    n_runs : int
        Processes that recorded: above 1 where the session was taken up again.
    n_said_lost : int
        Predictions that only say that the stream is lost; nothing was decoded for them.
    n_untold, n_untold_samples : int
        Predictions and samples at the end of a process of which nothing says how they came about.
    n_swaps, n_engine_changes : int
        Profiles and engines that were put in use while it ran.
    first : Divergence or None
    notes : tuple of str
        What could not be verified, and why.
    """

    session: str
    verdict: str
    exact: bool
    why_not_exact: tuple[str, ...]
    max_features: float | None
    max_prob: float | None
    n_predictions: int
    n_compared: int
    n_identical: int
    n_unsure: int
    n_windows: int
    n_windows_identical: int
    n_decisions: int
    n_decisions_differ: int
    largest_prob: float
    n_runs: int
    n_said_lost: int
    n_untold: int
    n_untold_samples: int
    n_swaps: int
    n_engine_changes: int
    first: Divergence | None
    notes: tuple[str, ...]


def verify(
    folder: Path,
    *,
    paradigm: str = "",
    backend: str = "",
    exact: bool = False,
    tell: Callable[[str, float], None] = lambda _what, _share: None,
) -> Verified:
    """Decode a session again, chunk by chunk as it was received, and compare.

    Parameters
    ----------
    folder : Path
        The session's.
    paradigm : str
        Recipe by name or folder, where it is not where it was; must say the same.
    backend : str
        Decode all of it on this back end instead of those that it was decoded on.
    exact : bool
        Ask for every bit, also where that cannot be promised.
    tell : callable, optional
        Is told what is being done, and which share of it is.

    Raises
    ------
    FileFormatError
        When the session cannot be read, or holds nothing to compare.
    ConfigError, ProfileError, EngineError
        When configuration, recipe, a profile or a network is not what decoded it.
    """
    script = read_script(folder, lambda share: tell("reading what was recorded", share))
    record = script.record
    config = check_settings(RunConfig, record.config, str(folder / JSON_NAME))
    config = config.model_copy(update={"paradigm": paradigm or config.paradigm})
    again = _Again(script, config, _same_recipe(config, record), backend)
    with again.decoder(again.first_profile) as decoder:
        check_networks(decoder, record.engines)
        why = [
            *_elsewhere(record),
            *again.look_for_engines(decoder),
            *changed_plugins(decoder, record.engines),
        ]
        tolerance = _tolerance(decoder, again.changes) if why and not exact else None
    comparison = Comparison(tolerance)
    again.run(comparison, lambda share: tell("decoding it again", share))
    if not comparison.n_compared and comparison.is_same:
        reasons = "; ".join([*comparison.why_unsure, *script.notes]) or "it has no predictions"
        raise FileFormatError(
            f"{folder}: nothing can be compared ({reasons}), need predictions with their samples"
        )
    return _result(again, comparison, tuple(why), exact or not why)


class _Again:
    """A session that is decoded again.

    Attributes
    ----------
    script, config, recipe
        Of the session.
    first_profile : ProfileRef
        What decoded first.
    changes : list of Event
        Engines that were put in use.
    """

    def __init__(self, script: Script, config: RunConfig, recipe: ParadigmRecipe, backend: str) -> None:
        self.script, self.config, self.recipe, self._backend = script, config, recipe, backend
        used = script.record.profile
        self.first_profile = ProfileRef(
            user=used.user if used else "",
            id=used.id if used else "",
            generation=used.generation if used else 0,
        )
        self._ops = [op for run in script.runs for take in run.takes for op in take.ops]
        self._ops += [op for run in script.runs for op in run.last_ops]
        self.changes = [op for op in self._ops if op.kind == "engine_changed"]
        n_threads = config.engine.threads
        self._engines = OneEngine() if backend else RecordedEngines(n_threads)

    @property
    def n_swaps(self) -> int:
        """Profiles that were put in use while it ran."""
        return sum(op.kind == "profile_swapped" for op in self._ops)

    def decoder(self, used: ProfileRef) -> Decoder:
        """A decoder as at the start of a process.

        Raises
        ------
        ProfileError, EngineError
            When the profile, or an engine, is not what it was.
        """
        decoder = decoder_of(self.config, self.recipe, self.profile(used), self._backend or FIRST_BACKEND)
        tolerate_plugins(decoder)  # as the run did
        return decoder

    def profile(self, used: ProfileRef) -> Profile | None:
        """The copy of a profile that decoded; None where an engine itself gives probabilities."""
        script = self.script
        return read_kept_profile(script.folder, script.record.profiles, used) if used.id else None

    def look_for_engines(self, decoder: Decoder) -> list[str]:
        """Why engines cannot be those of the session; empty: they are."""
        if self._backend:
            return (
                [] if self._backend == FIRST_BACKEND and not self.changes else [f"back end {self._backend}"]
            )
        return missing_engines(decoder, self.changes, self.config.engine.threads)

    def run(self, comparison: Comparison, tell: Callable[[float], None]) -> None:
        """Decode and compare all of it; `tell` hears which share has been."""
        used = self.first_profile
        n_takes = sum(len(run.takes) for run in self.script.runs)
        count = itertools.count()

        def judge(replayed: Replayed) -> None:
            if (n := next(count)) % TOLD_TAKES == 0:
                tell(n / n_takes)
            comparison.push(replayed)

        for run in self.script.runs:
            with self.decoder(used) as decoder:
                try:
                    replay(run, self.config, decoder, self._named, self._engines, judge)
                except REFUSALS as error:
                    comparison.refuse(str(error))
            used = _last_profile(run, used)

    def _named(self, event: Event) -> Profile | None:
        return self.profile(_ref(event))


def _same_recipe(config: RunConfig, record: SessionRecord) -> ParadigmRecipe:
    recipe = recipe_of(config)
    found = recipe_sha256(recipe)
    if found != record.recipe_sha256:
        raise ConfigError(
            f"verify: paradigm '{config.paradigm}' has sha256 {found[:12]}..., the session was decoded with "
            f"{record.recipe_sha256[:12]}...; give the recipe as it was with --paradigm FOLDER"
        )
    return recipe


def _elsewhere(record: SessionRecord) -> list[str]:
    """What the last bits may hang on and is not as it was, in any process that recorded."""
    here = versions_here()
    found: dict[str, None] = {}
    for versions in (record.versions, *(one.versions for one in record.resumed)):
        for name in EXACT_ON:
            if versions.get(name) != here.get(name):
                found[f"{name} was {versions.get(name, 'not told')}, is {here.get(name, 'not there')}"] = None
    return list(found)


def _tolerance(decoder: Decoder, changes: Sequence[Event]) -> Tolerance:
    """What is allowed: of outputs by the engines' recipes, the most of the precisions in use; of probabilities by the gate."""
    engines = decoder.engines
    allowed = [tolerance_of(engines[name], one.precision).max_abs for name, one in decoder.sessions.items()]
    for event in changes:
        branch, precision = str(event.data.get("branch")), event.data.get("precision")
        if branch in engines and precision in DEFAULT_TOLERANCE:
            allowed.append(tolerance_of(engines[branch], cast(Precision, precision)).max_abs)
    return Tolerance(max(allowed, default=0.0), MAX_PROB)


def _ref(event: Event) -> ProfileRef:
    generation = event.data.get("generation")
    return ProfileRef(
        user=event.value,
        id=str(event.data.get("id", "")),
        generation=generation if isinstance(generation, int) else 0,
    )


def _last_profile(run: Run, before: ProfileRef) -> ProfileRef:
    ops = [*(op for take in run.takes for op in take.ops), *run.last_ops]
    swaps = [op for op in ops if op.kind == "profile_swapped"]
    return _ref(swaps[-1]) if swaps else before


def _result(again: _Again, comparison: Comparison, why: tuple[str, ...], exact: bool) -> Verified:
    script, tolerance = again.script, comparison.tolerance
    n_told = script.n_predictions - script.n_said_lost
    verdict = "differs" if not comparison.is_same else "identical" if exact else "same"
    if verdict == "same" and comparison.n_identical == comparison.n_compared:
        verdict = "identical"
    return Verified(
        session=str(script.folder),
        verdict=verdict,
        exact=exact,
        why_not_exact=why,
        max_features=tolerance.features if tolerance else None,
        max_prob=tolerance.prob if tolerance else None,
        n_predictions=script.n_predictions,
        n_compared=comparison.n_compared,
        n_identical=comparison.n_identical,
        n_unsure=comparison.n_unsure,
        n_windows=comparison.n_windows,
        n_windows_identical=comparison.n_windows_identical,
        n_decisions=comparison.n_decisions,
        n_decisions_differ=comparison.n_decisions_differ,
        largest_prob=comparison.max_prob,
        n_runs=len(script.runs),
        n_said_lost=script.n_said_lost,
        n_untold=n_told - comparison.n_compared - comparison.n_unsure,
        n_untold_samples=sum(run.n_untold for run in script.runs),
        n_swaps=again.n_swaps,
        n_engine_changes=len(again.changes),
        first=comparison.first,
        notes=(*script.notes, *comparison.why_unsure),
    )
