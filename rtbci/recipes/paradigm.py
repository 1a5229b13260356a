"""What a paradigm's recipe says: what is decoded, from which signal, by which branches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rtbci.recipes.branches import BranchSettings, StimulusSettings
from rtbci.recipes.find import option_of
from rtbci.recipes.flashes import FLASH_CLASSES, FlashSettings
from rtbci.recipes.guard import GuardSettings
from rtbci.recipes.stages import ReferenceSettings, StageSettings
from rtbci.recipes.value import RhythmSettings, ValueSettings
from rtbci.settings import LATER, Positive, Settings, Share
from rtbci.stream.labels import canonical_label
from rtbci.stream.marker_texts import class_of_marker

__all__ = [
    "AdaptSettings",
    "DecisionSettings",
    "InputSettings",
    "ParadigmRecipe",
    "RecentreSettings",
    "WindowSettings",
    "idle_class",
]


IDLE_NAMES = ("idle", "rest")


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
            kinds = [stage.kind for stage in self.stages]
            self.guard.check_place(self.input.channels, kinds, has_value=self.value is not None)
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
        return option_of("paradigms", self.name, self.folder)

    @property
    def flickers(self) -> bool:
        """Whether the user looks at what flickers."""
        return any(branch.kind == "cca" for branch in self.branches)

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
