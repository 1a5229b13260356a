"""What goes wrong and when: a scenario is a TOML file with a seed and a list of faults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rtbci.errors import ConfigError
from rtbci.recipes import recipes_root
from rtbci.settings import Positive, Settings, check_settings, read_toml

__all__ = [
    "ArrivalJitter",
    "Burst",
    "ClockJump",
    "ClockReset",
    "Consumer",
    "Drift",
    "Dropout",
    "Duplicate",
    "Fault",
    "Flat",
    "LineNoise",
    "Noise",
    "NotFinite",
    "Saturation",
    "Scenario",
    "Times",
    "Twin",
    "Vanish",
    "list_scenarios",
    "read_scenario",
]

MAX_PPM = 5000.0
RAIL_UV = 187_500.0
"""Full scale of an ADS1299 at its usual gain of 24 (4.5 V / 24), in microvolts."""


class Times(Settings):
    """When a fault happens: once at `start_s`, or `per_minute` times a minute on average, at random.

    Seconds count from the first sample of the stream. A fault lasts `length_s`, or, with `max_length_s`, any time
    between the two.
    """

    start_s: Annotated[float, Field(ge=0)] | None = None
    per_minute: Positive | None = None
    length_s: Positive | None = None
    max_length_s: Positive | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Times":
        if (self.start_s is None) == (self.per_minute is None):
            raise ValueError("needs start_s or per_minute, one of the two")
        if self.length_s is None and (self.max_length_s is not None or self._must_end()):
            raise ValueError("needs length_s, in seconds")
        if self.length_s is not None and (self.max_length_s or self.length_s) < self.length_s:
            raise ValueError(f"max_length_s is {self.max_length_s}, must not be below length_s")
        return self

    def _must_end(self) -> bool:
        return True


class _OnChannels(Times):
    """`channels` by label, or `n_channels` drawn by the seed; neither: all EEG channels."""

    channels: tuple[str, ...] = ()
    n_channels: int | None = Field(default=None, ge=1)


class Dropout(Times):
    """Samples are missing; stamps and what follows are as if they had been sent."""

    kind: Literal["dropout"]


class Burst(Times):
    """Data is held back for `length_s`, then sent at once."""

    kind: Literal["burst"]


class ArrivalJitter(Times):
    """Packets of `packet` samples come up to `jitter_s` late; with `stamps` that is what their stamps say too."""

    kind: Literal["jitter"]
    jitter_s: Positive = 0.03
    packet: int = Field(default=1, ge=1)
    stamps: bool = False


class Drift(Times):
    """The stream's clock runs fast by `ppm` millionths; what it gained stays."""

    kind: Literal["drift"]
    ppm: float = Field(ge=-MAX_PPM, le=MAX_PPM)


class ClockJump(Times):
    """Stamps jump by `offset_s`; back after `length_s`, without one they stay there."""

    kind: Literal["clock_jump"]
    offset_s: float

    def _must_end(self) -> bool:
        return False


class ClockReset(Times):
    """The stream's clock starts anew at `to_s`: its stamps are of a foreign clock from then on."""

    kind: Literal["clock_reset"]
    to_s: float = 0.0

    def _must_end(self) -> bool:
        return False


class Duplicate(Times):
    """Every sample comes `times` times, with the same stamp."""

    kind: Literal["duplicate"]
    times: int = Field(default=2, ge=2, le=100)


class NotFinite(_OnChannels):
    """Samples are NaN, or infinite with a sign drawn for each channel."""

    kind: Literal["nan", "inf"]


class Saturation(_OnChannels):
    """Channels stay at a rail of the amplifier; which of the two is drawn for each."""

    kind: Literal["saturation"]
    level: Positive = RAIL_UV


class Flat(_OnChannels):
    """Channels say the same number all the time: the one they had."""

    kind: Literal["flat"]


class LineNoise(_OnChannels):
    """A sine is added."""

    kind: Literal["line_noise"]
    freq_hz: Positive = 50.0
    amplitude: Positive = 200.0


class Noise(_OnChannels):
    """White noise is added, of this standard deviation: an electrode that has come loose."""

    kind: Literal["noise"]
    amplitude: Positive = 200.0


class Vanish(Times):
    """The stream is destroyed, and made anew after `length_s`.

    It comes back with the same or another `source_id`; with the same labels, with the channels in another order
    (``permuted``: what belongs to a label stays with it), or with labels that say nothing (``renamed``); with the rate
    of the source or another `rate_hz`, to which the samples are interpolated.
    """

    kind: Literal["vanish"]
    source_id: Literal["same", "other"] = "same"
    labels: Literal["same", "permuted", "renamed"] = "same"
    rate_hz: Positive | None = None


class Twin(Times):
    """A second stream of the same name appears; its channels are those of the first, moved on by one."""

    kind: Literal["twin"]
    source_id: Literal["same", "other"] = "other"


Fault = Annotated[
    Dropout
    | Burst
    | ArrivalJitter
    | Drift
    | ClockJump
    | ClockReset
    | Duplicate
    | NotFinite
    | Saturation
    | Flat
    | LineNoise
    | Noise
    | Vanish
    | Twin,
    Field(discriminator="kind"),
]


class Consumer(Settings):
    """Subscribers of a run's predictions that read one message every `read_every_s`, or, without it, none."""

    count: int = Field(default=1, ge=1, le=100)
    read_every_s: Positive | None = None


class Scenario(Settings):
    """Everything that goes wrong with one stream."""

    schema_version: Literal[1] = Field(alias="schema")
    title: str
    promise: str = Field(default="", description="what a runtime has to make of it, for people")
    seed: int = Field(default=0, ge=0)
    duration_s: Positive = 30.0
    faults: tuple[Fault, ...] = ()
    consumers: tuple[Consumer, ...] = ()


def list_scenarios() -> list[str]:
    """Names of the scenarios that come with rtbci."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def read_scenario(name: str) -> Scenario:
    """Read a scenario by name or path.

    Raises
    ------
    ConfigError
        When there is none, or it has bad keys; all of them at once.
    """
    shipped, path = _shipped() / f"{name}.toml", Path(name)
    looks_like_path = path.suffix == ".toml" or len(path.parts) > 1
    if not looks_like_path and not shipped.is_file():
        raise ConfigError(
            f"chaos: no scenario '{name}', have {', '.join(list_scenarios()) or 'none'}; give one of these, or the "
            "path of a TOML file"
        )
    chosen = path if looks_like_path else shipped
    return check_settings(Scenario, read_toml(chosen), str(chosen))


def _shipped() -> Path:
    return recipes_root() / "configs" / "chaos"
