"""What a paradigm's recipe says of the stages between a stream's channels and the decoder's input."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from rtbci.settings import Positive, Settings, Share

__all__ = [
    "AlignSettings",
    "BandpassSettings",
    "DecimateSettings",
    "Mean",
    "NotchSettings",
    "ReferenceSettings",
    "ResampleSettings",
    "StageSettings",
]

Mean = Literal["euclid", "riemann"]


class BandpassSettings(Settings):
    """Causal Butterworth band-pass; `order` as in `scipy.signal.butter`."""

    kind: Literal["bandpass"]
    low_hz: Positive
    high_hz: Positive
    order: int = Field(default=4, ge=1, le=12)


class NotchSettings(Settings):
    """Second-order notch at the line frequency and, on wish, its harmonics."""

    kind: Literal["notch"]
    freq_hz: Positive
    quality: Positive = 30.0


class ResampleSettings(Settings):
    """Streaming polyphase resampler to `rate_hz`."""

    kind: Literal["resample"]
    rate_hz: Positive
    passband_hz: Positive | None = None


class DecimateSettings(Settings):
    """Keep every `factor`-th sample of an already band-limited signal."""

    kind: Literal["decimate"]
    factor: int = Field(ge=1)


class ReferenceSettings(Settings):
    """Common average, or the mean of named channels."""

    kind: Literal["reference"]
    channels: tuple[str, ...] = ()


def _is_usual(mean: Mean) -> bool:
    """The usual mean is left out of what is hashed: hashes of chains from before there was another one stay."""
    return mean == "euclid"


class AlignSettings(Settings):
    """Running alignment; warm-started from the profile where it has a covariance.

    `mean`: of the covariances so far, arithmetic (`rtbci.stages.align`) or geometric (`rtbci.stages.align_riemann`).
    """

    kind: Literal["align"]
    block_s: Positive = 0.25
    shrinkage: Share = 0.05
    time_constant_s: Positive | None = None
    warm_start_s: Annotated[float, Field(ge=0)] = 0.0
    mean: Annotated[Mean, Field(exclude_if=_is_usual)] = "euclid"


StageSettings = Annotated[
    Annotated[BandpassSettings, Tag("bandpass")]
    | Annotated[NotchSettings, Tag("notch")]
    | Annotated[ResampleSettings, Tag("resample")]
    | Annotated[DecimateSettings, Tag("decimate")]
    | Annotated[ReferenceSettings, Tag("reference")]
    | Annotated[AlignSettings, Tag("align")],
    Field(discriminator="kind"),
]
