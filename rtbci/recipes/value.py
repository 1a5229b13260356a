"""What a paradigm's recipe says of its continuous output, and of rhythms that follow what the user does."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from rtbci.settings import Positive, Settings

__all__ = ["BaselineSettings", "RhythmSettings", "ValueSettings"]

MIN_WINDOWS = 2
"""A baseline of fewer window lengths says nothing of how much windows differ."""


class BaselineSettings(Settings):
    """What is usual for this user, from the first seconds of a session; see `rtbci.probe.baseline`."""

    length_s: Positive = 60.0
    spread: Positive = 1.0
    prior_s: Annotated[float, Field(ge=0)] = 30.0
    follow_s: Positive | None = None
    max_drift: Annotated[float, Field(ge=0)] = 1.0


class ValueSettings(Settings):
    """A number from 0 to 1 that grows with one of the classes; see `rtbci.decide.level`."""

    of: str
    smoothing_s: Annotated[float, Field(ge=0)] = 4.0
    baseline: BaselineSettings | None = None

    def check(self, classes: Sequence[str], window_s: float, policy: str, *, recentres: bool) -> None:
        """Refuse what does not fit the rest of the recipe.

        Raises
        ------
        ValueError
            When there is no such class, windows are not a row, the baseline is too short, or something else centres.
        """
        if self.of not in classes:
            raise ValueError(f"value.of is {self.of!r}, need one of the classes {list(classes)}")
        if policy != "sliding":
            raise ValueError(
                f"value needs windows one after the other, they are of policy '{policy}'; leave [value] out"
            )
        if self.baseline is None:
            return
        if recentres:
            raise ValueError(
                "value.baseline takes off what is usual for the user, and so do [recentre] and [adapt]; leave these out"
            )
        if self.baseline.length_s < MIN_WINDOWS * window_s:
            raise ValueError(
                f"value.baseline.length_s is {self.baseline.length_s:g}, need at least {MIN_WINDOWS} windows of {window_s:g} s"
            )


class RhythmSettings(Settings):
    """A rhythm of the synthetic user: where, how fast, how strong, and how much of it is there in each class.

    `factors` multiply the amplitude `uv` (root mean square at the electrode where it is largest); 1 for classes that are
    not named.
    """

    band_hz: tuple[Positive, Positive]
    electrodes: tuple[str, ...] = Field(min_length=1)
    uv: Positive
    factors: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ascending(self) -> "RhythmSettings":
        if self.band_hz[0] >= self.band_hz[1]:
            raise ValueError(f"band_hz is {list(self.band_hz)}, need the lower edge first")
        return self
