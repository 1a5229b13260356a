"""What a paradigm's recipe says of the alignment."""

from typing import Annotated, Literal

from pydantic import Field

from rtbci.settings import Settings

__all__ = ["AlignSettings", "Mean"]

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Mean = Literal["euclid", "riemann"]


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
