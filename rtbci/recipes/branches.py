"""What a paradigm's recipe says of a branch, and of the flicker that its user looks at."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rtbci.settings import LATER, Positive, Settings

__all__ = ["BranchSettings", "StimulusSettings"]


class BranchSettings(Settings):
    """One branch of the decoder; its weights are in the profile under its name.

    A branch of kind ``power`` may have its weights here: one for each band, of the log power of its electrodes; see
    `rtbci.probe.band_power`. A branch of kind ``cca`` has a frequency for each class, 0 for the one that looks at nothing, and windows of
    several lengths. A branch of kind ``epochs`` may say how probable each class is at the start; without, all are the same.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Literal["encoder", "tangent", "mdm", "power", "window", "cca", "erp", "epochs"]
    engine: str | None = None
    bands_hz: tuple[tuple[Positive, Positive], ...] = ()
    order: int = Field(default=4, ge=1, le=12)
    frequencies_hz: tuple[Annotated[float, Field(ge=0)], ...] = ()
    n_harmonics: int = Field(default=3, ge=1, le=10)
    lengths_s: tuple[Positive, ...] = ()
    electrodes: Annotated[tuple[str, ...], LATER] = ()
    weights: Annotated[tuple[float, ...], LATER] = ()
    start: Annotated[dict[str, Annotated[float, Field(gt=0, le=1)]], LATER] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> "BranchSettings":
        if self.kind in ("encoder", "window") and not self.engine:
            raise ValueError(f"branch '{self.name}' of kind {self.kind} has no engine; name one")
        if self.weights or self.electrodes:
            self._check_weights()
        if self.start and (self.kind != "epochs" or abs(sum(self.start.values()) - 1.0) > 1e-6):
            raise ValueError(
                f"branch '{self.name}' of kind {self.kind} has a start with the sum {sum(self.start.values()):g}, need kind epochs "
                "and the sum 1; or leave it out"
            )
        if self.kind == "cca":
            self._check_cca()
        elif self.frequencies_hz or self.lengths_s:
            raise ValueError(
                f"branch '{self.name}' of kind {self.kind} has frequencies or lengths; leave them out"
            )
        return self

    def _check_weights(self) -> None:
        if self.kind != "power" or not self.electrodes or not len(self.weights) == len(self.bands_hz) > 0:
            raise ValueError(
                f"branch '{self.name}' of kind {self.kind} has {len(self.electrodes)} electrodes, {len(self.bands_hz)} bands and "
                f"{len(self.weights)} weights, need kind power, electrodes, and a weight for each band; or leave all out"
            )
        if wrong := [f"{low:g}-{high:g}" for low, high in self.bands_hz if low >= high]:
            raise ValueError(
                f"branch '{self.name}' has the bands {', '.join(wrong)}, need the lower edge first"
            )

    def _check_cca(self) -> None:
        missing = [key for key in ("bands_hz", "frequencies_hz", "lengths_s") if not getattr(self, key)]
        if missing:
            raise ValueError(f"branch '{self.name}' of kind cca has no {', '.join(missing)}; add them")
        targets = [one for one in self.frequencies_hz if one]
        if len(set(targets)) < max(len(targets), 2) or len(self.frequencies_hz) - len(targets) > 1:
            raise ValueError(
                f"branch '{self.name}' has the frequencies {list(self.frequencies_hz)}, need two or more different ones, "
                "and at most one 0"
            )
        if list(self.lengths_s) != sorted(set(self.lengths_s)):
            raise ValueError(
                f"branch '{self.name}' has the lengths {list(self.lengths_s)}, need ascending ones"
            )

    def check_classes(self, classes: Sequence[str], idle: int | None) -> None:
        """Refuse frequencies and a start that are not those of the classes, of which `idle` is the one that looks at nothing.

        Raises
        ------
        ValueError
            When there is not one for each, or another frequency than that of `idle` is 0.
        """
        if self.start and set(self.start) != set(classes):
            raise ValueError(
                f"branch '{self.name}' has a start for {sorted(self.start)}, classes are {list(classes)}; need one for each"
            )
        zeros = [i for i, one in enumerate(self.frequencies_hz) if not one]
        wanted = [] if idle is None else [idle]
        if self.kind == "cca" and (len(self.frequencies_hz) != len(classes) or zeros != wanted):
            raise ValueError(
                f"branch '{self.name}' has the frequencies {list(self.frequencies_hz)} for the classes {list(classes)}, "
                "need one for each, in that order, and 0 for idle or rest alone"
            )


class StimulusSettings(Settings):
    """How targets flicker on a display; see `rtbci.flicker.frames`."""

    refresh_hz: Positive = 60.0
    waveform: Literal["sine", "square"] = "sine"
