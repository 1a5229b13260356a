"""What a paradigm's recipe says of the guard against artefacts."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rtbci.settings import Positive, Settings
from rtbci.stream.labels import canonical_label

__all__ = ["GuardSettings", "PotatoSettings"]


class PotatoSettings(Settings):
    """One group of electrodes; all that the decoder reads where none is named. A band of its own on wish."""

    channels: tuple[str, ...] = ()
    band_hz: tuple[Positive, Positive] | None = None


class GuardSettings(Settings):
    """No decision while the signal is unlike this person's clean signal; see `rtbci.stages.guard`.

    Parameters
    ----------
    limit : float
        Probability below which a block is no clean one.
    window_s : float
        Signal that a covariance is of; a new one comes every `block_s`.
    learn_s : float
        How long the start of a stream is learnt from. Until then nothing is refused.
    hold_s : float
        For so long after a bad block there is no decision.
    follow_s : float, optional
        Clean blocks move what is learnt with this time constant; None: it stays.
    """

    method: Literal["fisher", "liptak"] = "fisher"
    limit: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    window_s: Positive = 1.0
    block_s: Positive = 0.25
    learn_s: Positive = 30.0
    hold_s: Annotated[float, Field(ge=0)] = 1.0
    follow_s: Positive | None = 120.0
    shrinkage: Annotated[float, Field(gt=0, le=1)] = 0.01
    potatoes: tuple[PotatoSettings, ...] = Field(default=(PotatoSettings(),), min_length=1)

    @model_validator(mode="after")
    def _times_fit(self) -> "GuardSettings":
        if self.window_s < self.block_s or self.learn_s < 10 * self.window_s:
            raise ValueError(
                f"guard has window_s = {self.window_s:g}, block_s = {self.block_s:g} and learn_s = {self.learn_s:g}, need a "
                "window of a block or more, and ten windows to learn from"
            )
        return self

    def check_place(self, channels: tuple[str, ...], kinds: Sequence[str], *, has_value: bool) -> None:
        """Refuse potatoes that name other electrodes than the decoder reads, and stages without a place for the guard.

        In front of the alignment; a paradigm with a value, which has none, has it behind its last stage.

        Raises
        ------
        ValueError
            Says what is wrong.
        """
        if "align" not in kinds and not has_value:
            raise ValueError(f"guard needs an align stage to stand in front of, stages are {list(kinds)}")
        known = {canonical_label(label) for label in channels}
        named = [label for potato in self.potatoes for label in potato.channels]
        if unknown := [label for label in named if canonical_label(label) not in known]:
            raise ValueError(f"guard names {unknown}, need labels that are in input.channels")
