"""A stream that a paradigm is to decode: which of its channels, in which unit, through which stages."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.errors import ChannelError
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.build import build_chain, stream_gains_uv
from rtbci.runtime.fitting import check_montage, not_calibrated
from rtbci.runtime.unit_check import UnitCheck
from rtbci.stages.mask import MaskedChain
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import ChannelMap, match_channels
from rtbci.stream.source import StreamInfo
from rtbci.stream.stand_ins import as_in_layout, as_in_stream

__all__ = ["Opened", "find_channels", "open_stream"]


class Opened(NamedTuple):
    """What is known of a stream before its first sample.

    Parameters
    ----------
    channel_map : ChannelMap
        Its channels to the paradigm's layout.
    gains_uv : ndarray of float64, shape (n_channels,)
        Unit of every channel in microvolts.
    read : ndarray of bool, shape (n_channels,)
        Which channels are read.
    chain : MaskedChain
        From its channels to the decoder's input.
    unit_check : UnitCheck or None
        Looks at its first second; None where the recipe asks for no such check.
    """

    channel_map: ChannelMap
    gains_uv: FloatArray
    read: npt.NDArray[np.bool_]
    chain: MaskedChain
    unit_check: UnitCheck | None


def open_stream(
    recipe: ParadigmRecipe,
    info: StreamInfo,
    profile: Profile | None,
    unit: str,
    *,
    ignore: Sequence[str],
    mask: bool,
) -> Opened:
    """Find channels, unit and stages of a stream.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Says what is needed, and what may stand for an electrode.
    info : StreamInfo
        The stream's rate, labels and units.
    profile : Profile or None
        Electrodes that its calibration had not are treated as missing; see also `rtbci.runtime.build.build_stages`.
    unit : str
        Overrides the stated unit; empty: as stated.
    ignore : sequence of str
        Electrodes of the stream that are treated as missing.
    mask : bool
        Whether electrodes that turn out to be bad are replaced.

    Raises
    ------
    ChannelError, RateError, UnitError, ProfileError
        When the stream does not give what the paradigm needs, or the profile was calibrated on other electrodes.
    """
    channel_map = find_channels(recipe, info, profile, ignore)
    gains_uv = stream_gains_uv(info, unit)
    read = np.asarray(channel_map.matrix.any(axis=0))
    chain = build_chain(recipe, info, channel_map, gains_uv, profile, mask=mask)
    stated = unit or info.channels[int(read.argmax())].unit
    check = UnitCheck(info, read, gains_uv, stated) if recipe.input.unit_check else None
    return Opened(channel_map, gains_uv, read, chain, check)


def find_channels(
    recipe: ParadigmRecipe, info: StreamInfo, profile: Profile | None, ignore: Sequence[str]
) -> ChannelMap:
    """Find the channels of a stream that a paradigm reads; parameters and errors as of `open_stream`."""
    layout = recipe.input
    ignore = (*ignore, *not_calibrated(profile, layout.channels, info.labels))
    renamed, ignore = as_in_layout(info, layout.takes, ignore)
    try:
        channel_map = match_channels(
            renamed,
            layout.channels,
            layout.max_interpolated,
            missing=layout.missing,
            required=recipe.required_channels,
            min_found=layout.min_found,
            ignore=ignore,
        )
    except ChannelError as error:
        if not layout.takes or not any(info.labels):
            raise
        others = "; ".join(f"{label}: {', '.join(them)}" for label, them in layout.takes.items())
        raise ChannelError(
            f"{error}\nwhat may stand for them, the best first: {others}", error.lack
        ) from error
    channel_map = as_in_stream(channel_map, renamed, info) if layout.takes else channel_map
    check_montage(profile, channel_map)
    return channel_map
