"""The streaming stages that a recording is pushed through before it is stored: what a live decoder would see."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rtbci.encoder.checkpoint import Unit
from rtbci.encoder.sizes import RATE_HZ
from rtbci.errors import ConfigError, RateError
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.build import build_stages, stream_gains_uv
from rtbci.stages.filter import SosFilter
from rtbci.stages.reference import AverageReference
from rtbci.stages.resample import Resample
from rtbci.stages.stage import Chain
from rtbci.stream.layout import match_channels
from rtbci.stream.source import Channel, StreamInfo

__all__ = ["ChainPlan", "broadband_plan", "paradigm_plan"]

BROADBAND_HZ = (0.5, 45.0)
BROADBAND_ORDER = 4
MIN_RATE_HZ = 2.1 * BROADBAND_HZ[1]
MV_PER_UV = 1e-3


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """How recordings are prepared.

    Parameters
    ----------
    name : str
        For people and the index.
    stages : list of dict
        Settings of all stages, for the index.
    unit : {'uV', 'mV', 'whitened'}
        Of what is stored.
    gain : float
        From what the stages give to `unit`.
    build : callable
        Makes the stages from electrode labels and a sampling rate; raises RtbciError where it cannot.
    rate_hz : float
        Of what is stored.
    """

    name: str
    stages: list[dict[str, Any]]
    unit: Unit
    gain: float
    build: Callable[[Sequence[str], float], Chain]
    rate_hz: float = RATE_HZ


def broadband_plan(rate_hz: float = RATE_HZ) -> ChainPlan:
    """The published encoder's input: 0.5 to 45 Hz, 256 Hz (or another rate), average reference, millivolts."""
    low_hz, high_hz = BROADBAND_HZ
    stages: list[dict[str, Any]] = [
        {"kind": "bandpass", "low_hz": low_hz, "high_hz": high_hz, "order": BROADBAND_ORDER},
        {"kind": "resample", "rate_hz": rate_hz},
        {"kind": "reference", "channels": ()},
    ]
    return ChainPlan("broadband", stages, "mV", MV_PER_UV, partial(_broadband, rate_out_hz=rate_hz), rate_hz)


def paradigm_plan(name: str, leave_out: Sequence[str] = (), rate_hz: float = RATE_HZ) -> ChainPlan:
    """Stages of a paradigm's recipe, on all electrodes that a recording has.

    Parameters
    ----------
    name : str
        Name or folder of a paradigm.
    leave_out : sequence of str
        Kinds of stages not to use (``"align"``).
    rate_hz : float
        Of the encoder that is to be trained: the stages must end at it.

    Raises
    ------
    ConfigError
        When there is no such paradigm or stage, or the stages do not end at `rate_hz`.
    """
    recipe = read_paradigm(name)
    kinds = [stage.kind for stage in recipe.stages]
    if unknown := sorted(set(leave_out) - set(kinds)):
        raise ConfigError(
            f"paradigm_plan: {recipe.name} has no stage {unknown}, has {kinds}; correct --leave-out"
        )
    kept = tuple(stage for stage in recipe.stages if stage.kind not in leave_out)
    rates = [stage.rate_hz for stage in kept if stage.kind == "resample"]
    if rates[-1:] != [rate_hz]:
        raise ConfigError(
            f"paradigm_plan: {recipe.name} is resampled to {rates or 'nothing'}, need {rate_hz:g} Hz for the "
            "encoder; name another paradigm, or another --encoder"
        )
    recipe = recipe.model_copy(update={"stages": kept})
    is_whitened = any(stage.kind == "align" for stage in kept)
    return ChainPlan(
        name=recipe.name,
        stages=[stage.model_dump() for stage in kept],
        unit="whitened" if is_whitened else "mV",
        gain=1.0 if is_whitened else MV_PER_UV,
        build=lambda labels, rate_hz: _paradigm(recipe, labels, rate_hz),
        rate_hz=rate_hz,
    )


def _broadband(labels: Sequence[str], rate_hz: float, rate_out_hz: float) -> Chain:
    if rate_hz < MIN_RATE_HZ:
        raise RateError(
            f"broadband_plan: recording has {rate_hz:g} Hz, need at least {MIN_RATE_HZ:g} Hz; "
            "use a paradigm whose band it covers"
        )
    n = len(labels)
    bandpass = SosFilter.bandpass(*BROADBAND_HZ, rate_hz, n, order=BROADBAND_ORDER)
    return Chain([bandpass, Resample(rate_hz, rate_out_hz, n), AverageReference(n, rate_out_hz)])


def _paradigm(recipe: ParadigmRecipe, labels: Sequence[str], rate_hz: float) -> Chain:
    info = StreamInfo("recording", "", rate_hz, tuple(Channel(label, "uV") for label in labels))
    layout = recipe.input.model_copy(update={"channels": tuple(labels)})
    channel_map = match_channels(info, labels)
    stages = build_stages(
        recipe.model_copy(update={"input": layout}), info, channel_map, stream_gains_uv(info), None
    )
    return Chain(stages)
