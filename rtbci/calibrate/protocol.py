"""What a user does during calibration: times, numbers of trials, breaks, words and symbols.

It is data: `protocol.toml` beside a paradigm's `recipe.toml`. No clock and no drawing in here.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rtbci.errors import ConfigError
from rtbci.evaluate.frontal import side_classes
from rtbci.recipes import ParadigmRecipe, find_recipe
from rtbci.recipes.extends import joined, resolved
from rtbci.settings import Positive, Settings, check_settings

__all__ = [
    "BreakSettings",
    "CueSettings",
    "ProtocolSettings",
    "StoppingSettings",
    "TimingSettings",
    "TrialSettings",
    "read_protocol",
]

FILE_NAME = "protocol.toml"

Percent = Annotated[float, Field(gt=0, le=100)]
SymbolName = Literal["left", "right", "up", "down", "circle", "square"]
SIDES: tuple[SymbolName, SymbolName] = ("left", "right")
PLAIN_SYMBOLS: tuple[SymbolName, ...] = ("up", "circle", "down", "square", "left", "right")
LEAST_BEHIND_S = 1.0
"""Imagery lasts so much longer than a window, so that a trial has more than one."""


class TimingSettings(Settings):
    """Times of one trial, in seconds, as in the Graz protocol.

    Cross and tone, `arrow_s` later the arrow, which stands for `shown_s`; imagery lasts until `imagery_s` after
    the arrow, then comes a pause of random length (Pfurtscheller, Neuper 2001, doi:10.1109/5.939829).
    """

    arrow_s: Positive = 2.0
    shown_s: Positive = 1.25
    imagery_s: Positive = 4.0
    pause_s: tuple[Positive, Positive] = (1.5, 2.5)
    tone: bool = True

    @model_validator(mode="after")
    def _in_order(self) -> "TimingSettings":
        if self.shown_s >= self.imagery_s:
            raise ValueError(f"shown_s is {self.shown_s:g}, must be below imagery_s = {self.imagery_s:g}")
        if self.pause_s[0] > self.pause_s[1]:
            raise ValueError(
                f"pause_s is {self.pause_s[0]:g} to {self.pause_s[1]:g}, need the shorter one first"
            )
        return self

    @property
    def trial_s(self) -> float:
        """Mean length of a trial with its pause, in seconds."""
        return self.arrow_s + self.imagery_s + sum(self.pause_s) / 2


class TrialSettings(Settings):
    """How many trials, and in which order.

    `per_class` accepted trials of each class are wanted, in blocks of `per_class_in_block` of each; no class comes
    more than `max_in_a_row` times in a row. Up to `extra_per_class` rejected trials of each class are replaced.
    """

    per_class: int = Field(default=20, ge=1, le=1000)
    per_class_in_block: int = Field(default=5, ge=1)
    max_in_a_row: int = Field(default=3, ge=1)
    extra_per_class: int = Field(default=10, ge=0)


class BreakSettings(Settings):
    """Between two blocks: at least `rest_s` seconds, then until the user goes on."""

    rest_s: Annotated[float, Field(ge=0)] = 20.0


class StoppingSettings(Settings):
    """When fewer trials are enough.

    Not before `min_per_class` accepted trials of each class; then as soon as the accuracy's interval (95 %) is at most
    `interval_width` percent wide and the accuracy at least `target_accuracy` percent.
    """

    min_per_class: int = Field(default=10, ge=2)
    target_accuracy: Percent = 85.0
    interval_width: Percent = 25.0


class CueSettings(Settings):
    """What stands for a class: a symbol in the middle of the screen, and words for the instruction."""

    symbol: SymbolName
    text: str = Field(min_length=1, max_length=80)


class ProtocolSettings(Settings):
    """A whole protocol; `reject` is handed on as it is to whoever judges trials.

    `at_chance` is what a user may do otherwise whose decoder cannot be told from chance, `rhythms` what the report's maps of
    rhythms show when the user does as asked; sentences, empty: nothing is said of what is peculiar to the paradigm.
    """

    schema_version: Literal[1] = Field(alias="schema")
    instruction: str = Field(default="", max_length=400)
    at_chance: str = Field(default="", max_length=400)
    rhythms: str = Field(default="", max_length=400)
    timing: TimingSettings = TimingSettings()
    trials: TrialSettings = TrialSettings()
    breaks: BreakSettings = BreakSettings()
    stopping: StoppingSettings = StoppingSettings()
    reject: dict[str, Any] = Field(default_factory=dict)
    cues: dict[str, CueSettings] = Field(min_length=2)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> "ProtocolSettings":
        symbols = [cue.symbol for cue in self.cues.values()]
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"cues have the symbols {symbols}, need another one for each class")
        if self.stopping.min_per_class > self.trials.per_class:
            raise ValueError(
                f"stopping.min_per_class is {self.stopping.min_per_class}, must not exceed "
                f"trials.per_class = {self.trials.per_class}"
            )
        return self

    def cues_of(self, classes: Sequence[str]) -> tuple[CueSettings, ...]:
        """Cues in the order of `classes`.

        Raises
        ------
        ConfigError
            When a class has no cue.
        """
        if missing := [name for name in classes if name not in self.cues]:
            raise ConfigError(
                f"protocol: cues has {sorted(self.cues)}, need one for {missing} too; add [cues.{missing[0]}]"
            )
        return tuple(self.cues[name] for name in classes)


def _plain_symbols(classes: Sequence[str]) -> list[SymbolName]:
    """A symbol for each class: an arrow to its side for that of the left and that of the right, where there is one of each."""
    sides: dict[int, SymbolName] = dict(zip(side_classes(classes) or (), SIDES, strict=False))
    others: list[SymbolName] = [one for one in PLAIN_SYMBOLS if one not in sides.values()]
    rest = iter(others)
    return [sides[i] if i in sides else next(rest) for i in range(min(len(classes), len(PLAIN_SYMBOLS)))]


def _plain_protocol(recipe: ParadigmRecipe) -> ProtocolSettings:
    """For a paradigm that brings none and cannot be used without calibration: a symbol and its own name for each class."""
    pairs = zip(recipe.classes, _plain_symbols(recipe.classes), strict=False)
    cues = {name: CueSettings(symbol=symbol, text=name.replace("_", " ")) for name, symbol in pairs}
    longest_s = max(TimingSettings().imagery_s, recipe.window.length_s + LEAST_BEHIND_S)
    return ProtocolSettings(schema=1, cues=cues, timing=TimingSettings(imagery_s=longest_s))


def read_protocol(recipe: ParadigmRecipe, path: Path | None = None) -> ProtocolSettings:
    """Read the protocol of a paradigm.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Its classes must be those of the cues.
    path : Path, optional
        Another file than the recipe's own `protocol.toml`.

    Raises
    ------
    ConfigError
        When the file is missing and needed, or one line for everything in it that is wrong.

    Notes
    -----
    A paradigm without a population decoder needs no file: it gets plain cues.
    """
    if path is None and not (recipe.folder / FILE_NAME).is_file():
        if recipe.population is None and len(recipe.classes) <= len(PLAIN_SYMBOLS):
            return _plain_protocol(recipe)
        rest = recipe.value is not None and recipe.value.baseline is not None
        without = (
            f"; what it needs is the user at rest: rtbci feedback baseline --paradigm {recipe.option}"
            if rest
            else ""
        )
        raise ConfigError(
            f"paradigm '{recipe.name}': has no {FILE_NAME} in {recipe.folder}, need one with a cue for each class; give "
            f"--protocol FILE, or use the paradigm without calibration{without}"
        )
    path = path or recipe.folder / FILE_NAME
    content, files = resolved(path, partial(find_recipe, "paradigms"), ("schema",), FILE_NAME)
    protocol = check_settings(ProtocolSettings, content, joined(files))
    if sorted(protocol.cues) != sorted(recipe.classes):
        raise ConfigError(
            f"{path}: cues has {sorted(protocol.cues)}, need one for each class of the paradigm "
            f"'{recipe.name}': {sorted(recipe.classes)}"
        )
    return protocol
