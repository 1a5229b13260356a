"""From a recipe, a stream's metadata and a profile to the stages of a pipeline."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.errors import ChannelError, RateError, UnitError
from rtbci.probe.profile import Profile
from rtbci.recipes import (
    AlignSettings,
    BandpassSettings,
    DecimateSettings,
    NotchSettings,
    ParadigmRecipe,
    ReferenceSettings,
    ResampleSettings,
    StageSettings,
)
from rtbci.runtime.guarding import guard_place, guard_stage
from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.align_riemann import RiemannAlign
from rtbci.stages.fill import Fill
from rtbci.stages.filter import SosFilter
from rtbci.stages.infer import infer_matrix, measured_covariance
from rtbci.stages.mask import MaskedChain
from rtbci.stages.reference import AverageReference, NamedReference
from rtbci.stages.resample import Decimate, Resample
from rtbci.stages.stage import FloatArray, Stage
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import StreamInfo
from rtbci.stream.units import gain_to_uv

__all__ = ["build_chain", "build_stages", "known_covariance", "stream_gains_uv"]

MIN_READ = 0.1
"""An electrode that is made up from others is bad with each that has this weight or more in it."""

MIN_NYQUIST_RATIO = 1.05  # a Butterworth edge this close to the Nyquist frequency is still well-behaved


def stream_gains_uv(info: StreamInfo, unit: str = "") -> FloatArray:
    """Factor to microvolts for every channel of a stream.

    Parameters
    ----------
    info : StreamInfo
        States each channel's unit.
    unit : str
        Overrides what the stream states; empty: as stated, and microvolts where nothing is stated.

    Returns
    -------
    ndarray of float64, shape (n_channels,)

    Raises
    ------
    UnitError
        When `unit` is not a unit of voltage.
    """
    if unit:
        gain = gain_to_uv(unit)
        if gain is None:
            raise UnitError(f"stream '{info.name}': unit '{unit}' is unknown, need V, mV, uV or nV")
        return np.full(info.n_channels, gain)
    stated = (gain_to_uv(channel.unit) for channel in info.channels)
    return np.array([1.0 if gain is None else gain for gain in stated])


def build_stages(
    recipe: ParadigmRecipe,
    info: StreamInfo,
    channel_map: ChannelMap,
    gains_uv: FloatArray,
    profile: Profile | None,
) -> list[Stage]:
    """Make the stages from a stream's channels to the decoder's input.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Names the stages.
    info : StreamInfo
        The stream; its rate is where the chain starts.
    channel_map : ChannelMap
        Stream channels to the recipe's layout.
    gains_uv : ndarray of float64, shape (n_channels,)
        Unit of each stream channel in microvolts.
    profile : Profile or None
        May hold a covariance to start the alignment from, and an adapter matrix.

    Raises
    ------
    RateError
        When the stream is too slow for a filter of the recipe.
    ChannelError
        When electrodes are to be inferred and there is nothing to infer them by.

    Notes
    -----
    Where electrodes are inferred, everything up to the alignment has only those that were found; the matrix
    behind it takes them to the layout (see `rtbci.stages.infer`).
    """
    matrix = channel_map.matrix * gains_uv
    stages: list[Stage] = [SpectroSpatialAdapter(matrix, info.rate_hz)]
    covariance = None if profile is None else profile.weights.get("align.covariance")
    whole = _Space(recipe.input.channels, None if covariance is None else np.asarray(covariance, float), None)
    space = _measured(recipe, info, channel_map, whole) if channel_map.inferred else whole
    guarded = guard_place(recipe)
    for i, settings in enumerate(recipe.stages):
        rate_hz = stages[-1].rate_out_hz
        _check_rate(settings, rate_hz, info)
        if i == guarded:
            stages.append(guard_stage(recipe, space.labels, rate_hz))
        stages.append(_stage(settings, rate_hz, space))
        if space.to_layout is not None and isinstance(settings, AlignSettings):
            stages.append(SpectroSpatialAdapter(space.to_layout, rate_hz))
            space = whole
    if guarded == len(recipe.stages):
        stages.append(guard_stage(recipe, space.labels, stages[-1].rate_out_hz))
    if profile is not None and (adapter := profile.weights.get("adapter.matrix")) is not None:
        stages.append(SpectroSpatialAdapter(np.asarray(adapter, float), stages[-1].rate_out_hz))
    return stages


def build_chain(
    recipe: ParadigmRecipe,
    info: StreamInfo,
    channel_map: ChannelMap,
    gains_uv: FloatArray,
    profile: Profile | None,
    *,
    mask: bool,
) -> MaskedChain:
    """`build_stages`, with a look at the electrodes: behind the filters bad ones are replaced, where `mask` says so.

    Raises
    ------
    RateError, ChannelError
        See `build_stages`.
    """
    stages = build_stages(recipe, info, channel_map, gains_uv, profile)
    last = (ReferenceSettings, AlignSettings)
    n_own = next((i for i, one in enumerate(recipe.stages) if isinstance(one, last)), len(recipe.stages))
    before = stages[n_own]  # the first stage is the map
    stages.insert(n_own + 1, Fill(before.n_channels_out, before.rate_out_hz))
    rows = [label for label in channel_map.wanted if label not in channel_map.inferred]
    required = [rows.index(label) for label in recipe.required_channels if label in rows]
    readers = _readers(channel_map, rows)
    chain = MaskedChain(stages, required, readers, replaces=mask, has_unit=recipe.input.unit_check)
    chain.expect(known_covariance(recipe, profile, channel_map))
    return chain


def known_covariance(
    recipe: ParadigmRecipe, profile: Profile | None, channel_map: ChannelMap
) -> FloatArray | None:
    """What the electrodes that were found were like when a profile was fitted; None where it does not say.

    Shape (n_found, n_found), of the signal in front of reference and alignment, square microvolts.
    """
    whole = None if profile is None else profile.weights.get("electrodes.covariance")
    if whole is None:
        return None
    rows = [i for i, label in enumerate(recipe.input.channels) if label not in channel_map.inferred]
    return np.asarray(whole, float)[np.ix_(rows, rows)]


def _readers(channel_map: ChannelMap, rows: Sequence[str]) -> npt.NDArray[np.bool_] | None:
    """Which rows are made up from the electrode of which other one; None where none is."""
    if not channel_map.interpolated:
        return None
    found = set(channel_map.found_labels)
    own = [
        int(row.argmax()) if label in found else -1
        for label, row in zip(rows, channel_map.matrix, strict=True)
    ]
    readers = np.zeros((len(rows), len(rows)), bool)
    for i, label in enumerate(rows):
        if label not in found:
            readers[i] = [column >= 0 and abs(channel_map.matrix[i, column]) >= MIN_READ for column in own]
    return readers


def _check_rate(settings: StageSettings, rate_hz: float, info: StreamInfo) -> None:
    top_hz = settings.high_hz if isinstance(settings, BandpassSettings) else 0.0
    top_hz = settings.freq_hz if isinstance(settings, NotchSettings) else top_hz
    if top_hz and rate_hz < 2 * MIN_NYQUIST_RATIO * top_hz:
        raise RateError(
            f"stream '{info.name}': has {rate_hz:g} Hz where the paradigm filters up to {top_hz:g} Hz, need at "
            f"least {2 * MIN_NYQUIST_RATIO * top_hz:g} Hz; set the amplifier to a higher rate"
        )


class _Space(NamedTuple):
    """What a stage works in.

    Parameters
    ----------
    labels : sequence of str
        Its channels.
    covariance : ndarray of float64, shape (n_channels, n_channels), or None
        What the profile knows of them in front of the alignment, in microvolts squared.
    to_layout : ndarray of float64, shape (n_layout, n_channels), or None
        Takes them to the layout behind the alignment, where they are not all of it.
    """

    labels: Sequence[str]
    covariance: FloatArray | None
    to_layout: FloatArray | None


def _measured(recipe: ParadigmRecipe, info: StreamInfo, channel_map: ChannelMap, whole: _Space) -> _Space:
    """The electrodes that were found, and how the others are inferred from them."""
    align = next((one for one in recipe.stages if isinstance(one, AlignSettings)), None)
    if align is None or whole.covariance is None:
        lack = "the profile in use has no covariance" if align else "the paradigm has no align stage"
        raise ChannelError(
            f"stream '{info.name}': lacks {len(channel_map.inferred)} of the {len(channel_map.wanted)} channels needed "
            f"({', '.join(channel_map.inferred)}) and {lack}, need both to infer them; use a profile with "
            'align.covariance, or missing = "interpolate" in the recipe\'s [input]'
        )
    found = [i for i, label in enumerate(channel_map.wanted) if label not in channel_map.inferred]
    labels = [whole.labels[i] for i in found]
    rows = np.eye(len(whole.labels))[found]
    for settings in recipe.stages[: recipe.stages.index(align)]:
        if isinstance(settings, ReferenceSettings):
            reference = [labels.index(label) for label in settings.channels or labels]
            rows = rows - rows[reference].mean(axis=0)
    to_layout = infer_matrix(whole.covariance, rows, align.shrinkage)
    return _Space(labels, measured_covariance(whole.covariance, rows), to_layout)


def _stage(settings: StageSettings, rate_hz: float, space: _Space) -> Stage:
    n = len(space.labels)
    match settings:
        case BandpassSettings():
            return SosFilter.bandpass(settings.low_hz, settings.high_hz, rate_hz, n, settings.order)
        case NotchSettings():
            return SosFilter.notch(settings.freq_hz, rate_hz, n, settings.quality)
        case ResampleSettings():
            return Resample(rate_hz, settings.rate_hz, n, passband_hz=settings.passband_hz)
        case DecimateSettings():
            return Decimate(settings.factor, rate_hz, n)
        case ReferenceSettings(channels=()):
            return AverageReference(n, rate_hz)
        case ReferenceSettings():
            return NamedReference(space.labels, settings.channels, rate_hz)
        case AlignSettings():
            return _align(settings, rate_hz, space)


def _align(settings: AlignSettings, rate_hz: float, space: _Space) -> RunningAlign:
    warm = None if space.covariance is None else (space.covariance, settings.warm_start_s)
    stage = RiemannAlign if settings.mean == "riemann" else RunningAlign
    return stage(
        len(space.labels),
        rate_hz,
        block_s=settings.block_s,
        shrinkage=settings.shrinkage,
        time_constant_s=settings.time_constant_s,
        warm_start=warm if settings.warm_start_s > 0 else None,
    )
