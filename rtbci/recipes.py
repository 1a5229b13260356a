"""Where recipes are, and what they say.

A recipe is a folder with a `recipe.toml`: an engine (what can be compiled) or a paradigm (what can be
decoded). Nothing in this package names a recipe; recipes name things of this package.
"""

import difflib
import shlex
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rtbci.align_settings import AlignSettings
from rtbci.branch_settings import BranchSettings, StimulusSettings
from rtbci.engine_recipe import EngineInput, EngineOutput, EngineRecipe, Tolerance
from rtbci.errors import ConfigError
from rtbci.flash_settings import FLASH_CLASSES, FlashSettings
from rtbci.guard_settings import GuardSettings
from rtbci.recipe_extends import joined, resolved
from rtbci.recipe_packages import packaged_recipe, packaged_recipes
from rtbci.settings import LATER, Settings, check_settings, read_toml
from rtbci.stage_settings import (
    BandpassSettings,
    DecimateSettings,
    NotchSettings,
    ReferenceSettings,
    ResampleSettings,
    StageSettings,
)
from rtbci.stream.labels import canonical_label
from rtbci.stream.marker_texts import class_of_marker
from rtbci.value_settings import RhythmSettings, ValueSettings

__all__ = [
    "AdaptSettings",
    "AlignSettings",
    "BandpassSettings",
    "BranchSettings",
    "DecimateSettings",
    "DecisionSettings",
    "EngineInput",
    "EngineOutput",
    "EngineRecipe",
    "FlashSettings",
    "NotchSettings",
    "ParadigmRecipe",
    "RecentreSettings",
    "ReferenceSettings",
    "ResampleSettings",
    "StageSettings",
    "StimulusSettings",
    "Tolerance",
    "WindowSettings",
    "find_recipe",
    "idle_class",
    "list_recipes",
    "read_engine",
    "read_paradigm",
    "recipes_root",
]

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Kind = Literal["engines", "paradigms", "configs"]

IDLE_NAMES = ("idle", "rest")
OWN_KEYS = ("schema", "name", "title", "population")
"""What a paradigm does not take over from the one that it extends."""


class InputSettings(Settings):
    """The layout that the decoder works in, and what becomes of electrodes that a stream lacks.

    With ``missing = "interpolate"`` up to the share `max_interpolated` is made up from all other electrodes; with
    ``"infer"`` only electrodes of the layout are read, and the rest of the aligned signal is inferred from the
    profile's covariance (see `rtbci.stages.infer`). Either way the electrodes in `required`, and `min_found`
    in all, must be there. `takes` says what may stand for an electrode, the best first; see `rtbci.stream.stand_ins`.
    """

    channels: tuple[str, ...] = Field(min_length=1)
    missing: Literal["interpolate", "infer"] = "interpolate"
    max_interpolated: Share = 0.25
    required: tuple[str, ...] = ()
    min_found: int = Field(default=1, ge=1)
    unit_check: bool = True
    takes: Annotated[dict[str, tuple[str, ...]], LATER] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_met(self) -> "InputSettings":
        known = {canonical_label(label) for label in self.channels}
        for key, labels in (("required", self.required), ("takes", tuple(self.takes))):
            if unknown := [label for label in labels if canonical_label(label) not in known]:
                raise ValueError(f"{key} names {unknown}, need labels that are in channels")
        if self.min_found > len(self.channels):
            raise ValueError(
                f"min_found is {self.min_found}, must not exceed the {len(self.channels)} of channels"
            )
        return self


class WindowSettings(Settings):
    """When windows are cut: every `hop_s`, or from `t_min_s` to `t_max_s` around a marker."""

    policy: Literal["sliding", "marker"] = "sliding"
    length_s: Positive
    hop_s: Positive = 0.0625
    t_min_s: float = 0.0

    @model_validator(mode="after")
    def _hop_fits(self) -> "WindowSettings":
        if self.hop_s > self.length_s:
            raise ValueError(f"hop_s is {self.hop_s:g}, must not exceed length_s = {self.length_s:g}")
        return self


class RecentreSettings(Settings):
    """Running recentring of the fused logits; see `rtbci.probe.recentre`."""

    prior_s: Positive
    time_constant_s: Positive | None = None


class AdaptSettings(Settings):
    """Adaptation while in use, instead of recentring; see `rtbci.probe.adapt`."""

    enabled: bool = True
    prior_s: Positive = 50.0
    width: Positive = 0.3
    time_constant_s: Positive = 600.0
    learn_s: Positive = 30.0
    memory_s: Positive = 120.0
    max_drop: Annotated[float, Field(gt=0, le=1)] = 0.2
    min_quality: Share = 0.75


class DecisionSettings(Settings):
    """From probabilities to decisions; see `rtbci.decide.policy`."""

    threshold: Share = 0.7
    dwell_s: Annotated[float, Field(ge=0)] = 0.25
    refractory_s: Annotated[float, Field(ge=0)] = 1.0
    smoothing_s: Annotated[float, Field(ge=0)] = 0.5


class ParadigmRecipe(Settings):
    """What is decoded, from which signal, by which branches."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    title: str = ""
    classes: tuple[str, ...] = Field(min_length=2)
    input: InputSettings
    stages: tuple[StageSettings, ...] = ()
    window: WindowSettings
    branches: tuple[BranchSettings, ...] = Field(min_length=1)
    recentre: RecentreSettings | None = None
    adapt: AdaptSettings | None = None
    decision: DecisionSettings = DecisionSettings()
    markers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    trial_s: Positive | None = None  # how long a cue holds that no marker ends; see `rtbci.evaluate.trials`
    stimulus: StimulusSettings | None = None
    guard: Annotated[GuardSettings | None, LATER] = None
    value: Annotated[ValueSettings | None, LATER] = None
    rhythms: Annotated[tuple[RhythmSettings, ...], LATER] = ()  # of the synthetic user
    flashes: Annotated[FlashSettings | None, LATER] = None
    population: str | None = None
    folder: Path = Field(default=Path(), exclude=True)
    files: tuple[Path, ...] = Field(default=(), exclude=True)

    @model_validator(mode="after")
    def _consistent(self) -> "ParadigmRecipe":
        if unknown := sorted(set(self.markers) - set(self.classes)):
            raise ValueError(f"markers name {unknown}, classes are {list(self.classes)}")
        names = [branch.name for branch in self.branches]
        if len(set(names)) < len(names):
            raise ValueError(f"branches are named {names}, need a name of its own for each")
        for branch in self.branches:
            branch.check_classes(self.classes, self.idle)
        if self.guard is not None:
            self.guard.check_place(self.input.channels, [stage.kind for stage in self.stages])
        if self.value is not None:
            centres = self.recentre is not None or (self.adapt is not None and self.adapt.enabled)
            self.value.check(self.classes, self.window.length_s, self.window.policy, recentres=centres)
        if self.flashes is not None:
            is_centred = self.recentre is not None or self.adapt is not None
            self.flashes.check_use(self.classes, self.window.policy, is_centred, self.decision.model_dump())
        if self.recentre is not None and self.idle is not None and len(self.classes) == 2:
            raise ValueError(
                f"classes are {list(self.classes)}, recentre needs two that are not idle; leave [recentre] out"
            )
        return self

    @property
    def window_classes(self) -> tuple[str, ...]:
        """Classes of one window: of a flash, where items flash; else those of the paradigm."""
        return self.classes if self.flashes is None else FLASH_CLASSES

    @property
    def required_channels(self) -> tuple[str, ...]:
        """Electrodes that a stream must have: those that the input requires, and a reference that is not inferred."""
        named = [one.channels for one in self.stages if isinstance(one, ReferenceSettings)]
        references = sum(named, ()) if self.input.missing == "infer" else ()
        return tuple(dict.fromkeys((*self.input.required, *references)))

    @property
    def population_folder(self) -> Path | None:
        """Folder of the population's profile; None where the recipe names none."""
        return self.folder / self.population if self.population else None

    @property
    def option(self) -> str:
        """What ``--paradigm`` takes for it, quoted for a shell: its name where that is enough, else its folder."""
        places = packaged_recipes("paradigms") | {self.name: recipes_root() / "paradigms" / self.name}
        known = [name for name, folder in places.items() if folder.resolve() == self.folder]
        place = self.name if self.folder == Path() else str(self.folder)  # one that was not read from a file
        return shlex.quote(next(iter(known), place))

    @property
    def idle(self) -> int | None:
        """Index of the class that means "does nothing"; see `idle_class`."""
        return idle_class(self.classes)

    def class_of(self, marker: str) -> str | None:
        """Class that a marker stands for, or None.

        The recipe's `markers` come first, then a class's own name, which is what a calibration's cues are sent as, then what
        public file formats agree on; see `rtbci.stream.marker_texts` for the ways in which a marker may be written. Where
        items flash, an item by itself is none: ``cue/ITEM`` asks for it.
        """
        if self.flashes is not None:
            return self.flashes.asked_item(marker, self.classes) or class_of_marker(marker, self.markers)
        return class_of_marker(marker, self.markers, self.classes)


def idle_class(classes: Sequence[str]) -> int | None:
    """Index of the class that means "does nothing" (named idle or rest), or None."""
    return next((i for i, name in enumerate(classes) if name.lower() in IDLE_NAMES), None)


def recipes_root() -> Path:
    """Folder that holds `engines/`, `paradigms/` and `configs/`.

    Raises
    ------
    ConfigError
        When neither the installed package nor a checkout has them.
    """
    installed = Path(str(files("rtbci"))) / "_recipes"
    if installed.is_dir():
        return installed
    checkout = Path(str(files("rtbci"))).parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "paradigms").is_dir():
        return checkout
    raise ConfigError(
        f"recipes: found neither {installed} nor a checkout at {checkout}; install rtbci again, "
        "or give the path of a recipe's folder"
    )


def list_recipes(kind: Kind) -> list[str]:
    """Names of the recipes that come with rtbci."""
    folder = recipes_root() / kind
    if kind == "configs":
        return sorted(path.stem for path in folder.glob("*.toml"))
    return sorted(path.parent.name for path in folder.glob("*/recipe.toml"))


def find_recipe(kind: Kind, name: str, base: Path | None = None) -> Path:
    """Folder of a recipe, by name or by path.

    Parameters
    ----------
    kind : {'engines', 'paradigms', 'configs'}
        What is looked for.
    name : str
        A recipe's name, also one that an installed package brings, or the path of a folder with a `recipe.toml`
        (relative to `base` first).
    base : Path, optional
        Folder of the recipe that names this one.

    Raises
    ------
    ConfigError
        When there is none; names those that there are.
    """
    tried = [Path(name)] if base is None else [base / name, Path(name)]
    looks_like_path = "/" in name or "\\" in name or name in (".", "..")
    shipped = recipes_root() / kind / name
    for folder in [*tried, shipped] if looks_like_path else [shipped, *tried]:
        if (folder / "recipe.toml").is_file():
            return folder
    if not looks_like_path and (packaged := packaged_recipe(kind, name)) is not None:
        return packaged
    raise ConfigError(_not_found(kind, name))


def _not_found(kind: Kind, name: str) -> str:
    shipped = list_recipes(kind)
    packaged = sorted(set(packaged_recipes(kind)) - set(shipped))
    more = f", and of other packages {', '.join(packaged)}" if packaged else ""
    near = difflib.get_close_matches(name, [*shipped, *packaged], n=1)
    hint = f" ({near[0]}?)" if near else ""
    return (
        f"{kind}: no recipe '{name}', have {', '.join(shipped) or 'none'}{more}; "
        f"give one of these{hint}, or the path of a folder with a recipe.toml"
    )


def read_paradigm(name: str) -> ParadigmRecipe:
    """Read a paradigm by name or folder, with what it takes over from the one that it extends; see `find_recipe`.

    Raises
    ------
    ConfigError
        Also when what it extends is not there; see `rtbci.recipe_extends`.
    """
    folder = find_recipe("paradigms", name)
    find = partial(find_recipe, "paradigms")
    content, files = resolved(folder / "recipe.toml", find, OWN_KEYS, "recipe.toml")
    recipe = check_settings(ParadigmRecipe, content, joined(files))
    return recipe.model_copy(
        update={"folder": folder.resolve(), "files": tuple(path.resolve() for path in files)}
    )


def read_engine(name: str, base: Path | None = None) -> EngineRecipe:
    """Read an engine by name or folder; see `find_recipe`."""
    folder = find_recipe("engines", name, base)
    path = folder / "recipe.toml"
    recipe = check_settings(EngineRecipe, read_toml(path), str(path))
    return recipe.model_copy(update={"folder": folder.resolve()})
