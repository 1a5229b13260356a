"""What a recipe and a profile name, opened: engines, branches, fusion."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rtbci.backends.changeable import ChangeableSession
from rtbci.backends.onnx_file import check_network
from rtbci.clock import Clock
from rtbci.errors import ConfigError, ProfileError, RateError
from rtbci.probe.adapt import Adaptation
from rtbci.probe.band_power import profile_of_recipe
from rtbci.probe.baseline import Baseline
from rtbci.probe.blank import BLANK, blank_profile
from rtbci.probe.branches import Branch, WindowBranch
from rtbci.probe.fusion import Fusion
from rtbci.probe.open_branches import open_branches
from rtbci.probe.profile import Profile, read_profile
from rtbci.probe.profile_record import POPULATION
from rtbci.probe.recentre import Recentre
from rtbci.publish.messages import EngineRef
from rtbci.recipes import (
    AdaptSettings,
    BranchSettings,
    EngineRecipe,
    ParadigmRecipe,
    WindowSettings,
    read_engine,
)
from rtbci.recipes.value import ValueSettings
from rtbci.runtime.engine_opener import Opener, open_checked
from rtbci.runtime.estimate import WindowGrid
from rtbci.runtime.fitting import check_paradigm
from rtbci.runtime.pipeline import Pipeline
from rtbci.runtime.successor import Successor
from rtbci.stages.stage import Chain, Stage
from rtbci.stream.source import StreamInfo

__all__ = ["POPULATION", "Parts"]


class Parts:
    """Engines, profile, branches and fusion of a decoder; does not depend on the stream.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Names engines and, for the population decoder, a profile.
    profile : Profile, str, Path or None
        None or ``"population"``: the profile that the recipe names, if any. ``"blank"``: heads of zeros, see
        `rtbci.probe.blank`.
    backend, engine, n_threads, adapt, opener
        See `rtbci.runtime.decoder.Decoder`.

    Raises
    ------
    ConfigError, ProfileError, EngineError
        When they cannot be read, or do not fit each other.
    """

    def __init__(
        self,
        recipe: ParadigmRecipe,
        profile: Profile | str | Path | None,
        backend: str,
        engine: str,
        n_threads: int,
        adapt: AdaptSettings | None = None,
        opener: Opener = open_checked,
    ) -> None:
        if recipe.flashes is not None and adapt is not None and adapt.enabled:
            raise ConfigError(
                f"adapt.enabled: paradigm '{recipe.name}' decodes flashes, of which most are nontarget, need a paradigm "
                "whose classes are about as frequent; leave it out"
            )
        self._recipe, self._adapt, self._opener = recipe, adapt, opener
        self.profile = None if profile == BLANK else self._read(profile)
        self._engines: dict[str, EngineRecipe] = {}
        self._sessions: dict[str, ChangeableSession] = {}
        try:
            for branch in recipe.branches:
                if branch.engine:
                    self._open(branch, backend, engine, n_threads)
            if profile == BLANK:
                self.profile = blank_profile(recipe, self._engines, self._sessions)
            self.branches: Sequence[Branch]
            self.branches, self.fusion = self._make(self.profile)
        except BaseException:
            self.close()
            raise

    @property
    def engine_ref(self) -> EngineRef:
        """The first engine; empty strings when there is none."""
        return next((self.engine_of(name) for name in self._sessions), EngineRef(name="", id=""))

    @property
    def engines(self) -> Mapping[str, EngineRecipe]:
        """Recipes of the engines, by the branch of the recipe that names them."""
        return self._engines

    @property
    def sessions(self) -> Mapping[str, ChangeableSession]:
        """Open sessions, by branch."""
        return self._sessions

    def engine_of(self, branch: str) -> EngineRef:
        """The engine of a branch."""
        session = self._sessions[branch]
        return EngineRef(
            name=self._engines[branch].name,
            id=session.engine_id,
            network_id=session.network_id,
            backend=session.backend,
            precision=session.precision,
            device=session.device,
        )

    def pipeline(self, stages: Sequence[Stage] | Chain, info: StreamInfo, clock: Clock) -> Pipeline:
        """Make the pipeline for a stream.

        Raises
        ------
        RateError
            When the stages do not end at the rate that profile and engines need.
        """
        rate_hz = stages.rate_out_hz if isinstance(stages, Chain) else stages[-1].rate_out_hz
        self._check_rate(rate_hz, info)
        window = self._recipe.window
        grid = WindowGrid(
            length=round(window.length_s * rate_hz),
            hop=round(window.hop_s * rate_hz),
            marker_policy=window.policy == "marker",
            t_min_s=window.t_min_s,
        )
        return Pipeline(stages, self.branches, self.fusion, grid, clock, self.new_centring())

    def prepare(self, profile: Profile | str | Path | None) -> Successor:
        """Read another profile and make its branches; changes nothing, any thread may call it.

        Raises
        ------
        ProfileError
            When it cannot be read or does not fit.
        """
        found = self._read(profile)
        return Successor(*self._make(found), found)

    def use(self, successor: Successor) -> None:
        """Decode with it from now on."""
        self.profile, self.branches, self.fusion = successor.profile, successor.branches, successor.fusion

    def close(self) -> None:
        """Close the sessions; may be called more than once."""
        for session in self._sessions.values():
            session.close()

    def _read(self, profile: Profile | str | Path | None) -> Profile | None:
        recipe = self._recipe
        if profile is None or profile == POPULATION:
            profile = recipe.population_folder
        if profile is None:
            return profile_of_recipe(recipe)
        found = profile if isinstance(profile, Profile) else read_profile(profile)
        check_paradigm(found, recipe)
        return found

    def new_centring(self) -> Recentre | Adaptation | Baseline | None:
        """What a newly opened stream's logits are centred by, fresh; None where the recipe asks for nothing."""
        recipe, settings, adapt = self._recipe, self._recipe.recentre, self._adapt
        window = recipe.window
        # A window that is locked to a marker adds all of its signal, one of a row only its newest hop.
        added_s = window.length_s if window.policy == "marker" else window.hop_s
        if recipe.value is not None and recipe.value.baseline is not None:
            return self._new_baseline(recipe.value, window)
        if adapt is not None and adapt.enabled:
            numbers = adapt.model_dump(exclude={"enabled", "min_quality"})
            n_classes, temperature = len(recipe.classes), self.fusion.temperature
            return Adaptation(n_classes, added_s, temperature, idle=recipe.idle, **numbers)
        if settings is None:
            return None
        return Recentre(len(recipe.classes), added_s, settings.prior_s, settings.time_constant_s, recipe.idle)

    def _new_baseline(self, value: ValueSettings, window: WindowSettings) -> Baseline:
        if self._adapt is not None and self._adapt.enabled:
            raise ConfigError(
                f"paradigm '{self._recipe.name}': compares with the user's baseline and does not adapt while in use; leave "
                "out --adapt, or [adapt] in the configuration"
            )
        numbers = {} if value.baseline is None else value.baseline.model_dump()
        i_class = self._recipe.classes.index(value.of)
        start = None if self.profile is None else self.profile.baseline
        times = {"window_s": window.length_s, "hop_s": window.hop_s}
        return Baseline(len(self._recipe.classes), i_class, **times, **numbers, start=start)

    def _open(self, branch: BranchSettings, backend: str, engine: str, n_threads: int) -> None:
        recipe = read_engine(engine or branch.engine or "", None if engine else self._recipe.folder)
        layout = self._recipe.input.channels
        if recipe.input.channels and recipe.input.channels != layout:
            raise ConfigError(
                f"engine '{recipe.name}': is compiled for {list(recipe.input.channels)}, paradigm "
                f"'{self._recipe.name}' gives {list(layout)}; need the same channels in the same order"
            )
        self._engines[branch.name] = recipe
        session = self._opener(recipe, backend, n_threads)
        self._sessions[branch.name] = ChangeableSession(session)
        check_network(recipe, session.network_id)
        classes, n_given = self._recipe.window_classes, math.prod(session.output_shape[1:])
        if branch.kind == "window" and recipe.output.meaning != "features" and n_given != len(classes):
            raise ConfigError(
                f"engine '{recipe.name}': gives {n_given} numbers, paradigm '{self._recipe.name}' has {len(classes)} classes "
                f"({', '.join(classes)}); need one for each, in this order"
            )

    def _make(self, profile: Profile | None) -> tuple[list[Branch], Fusion]:
        meanings = {name: engine.output.meaning for name, engine in self._engines.items()}
        if profile is not None:
            weights = [entry.weight for entry in profile.branches]
            starts = {branch.name: branch.start for branch in self._recipe.branches}
            return open_branches(profile, self._sessions, meanings, starts), Fusion(
                weights, profile.bias, profile.temperature
            )
        if any(branch.kind != "window" for branch in self._recipe.branches):
            raise ProfileError(
                f"paradigm '{self._recipe.name}': names no population profile and none was given, need one for "
                f"its heads; calibrate first (rtbci calibrate --paradigm {self._recipe.option}; rtbci amp --paradigm "
                f"{self._recipe.option} --follow rtbci-cues is a synthetic user), or give --profile PATH"
            )
        branches: list[Branch] = [
            WindowBranch(self._sessions[branch.name], meanings[branch.name], branch.name)
            for branch in self._recipe.branches
        ]
        n = len(branches)
        return branches, Fusion(np.full(n, 1.0 / n), np.zeros(len(self._recipe.window_classes)))

    def _check_rate(self, rate_hz: float, info: StreamInfo) -> None:
        needs = {f"engine '{engine.name}'": engine.input.rate_hz for engine in self._engines.values()}
        if self.profile is not None:
            needs["the profile"] = self.profile.rate_hz
        for what, needed_hz in needs.items():
            if abs(rate_hz - needed_hz) > 1e-6 * needed_hz:
                raise RateError(
                    f"stream '{info.name}': {info.rate_hz:g} Hz becomes {rate_hz:g} Hz by the paradigm's stages, "
                    f"{what} needs {needed_hz:g} Hz; add a resample stage with rate_hz = {needed_hz:g}"
                )
