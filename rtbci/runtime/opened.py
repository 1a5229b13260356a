"""The stream that a decoder has open: which channels of it are read, what computes on it, which profiles fit it."""

from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.build import known_covariance
from rtbci.runtime.estimate import Estimate
from rtbci.runtime.fitting import check_montage, check_same_signal, check_same_windows
from rtbci.runtime.opening import Opened
from rtbci.runtime.pipeline import Pipeline
from rtbci.runtime.successor import Successor
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import StreamInfo

__all__ = ["OpenedStream"]


class OpenedStream:
    """All of a decoder that is made for one stream, and goes when another one is opened.

    Parameters
    ----------
    recipe : ParadigmRecipe
    info : StreamInfo
        The stream's rate, labels and units.
    opened : Opened
        What was found of it before its first sample.
    profile : Profile or None
        With which it was opened: its stages are of this one.
    pipeline : Pipeline
        Computes on `opened.chain`.

    Notes
    -----
    One owner, who decodes.
    """

    def __init__(
        self,
        recipe: ParadigmRecipe,
        info: StreamInfo,
        opened: Opened,
        profile: Profile | None,
        pipeline: Pipeline,
    ) -> None:
        self.info, self.pipeline = info, pipeline
        self.channel_map, self.gains_uv, self.read = opened.channel_map, opened.gains_uv, opened.read
        self._recipe, self._profile, self._unit_check = recipe, profile, opened.unit_check

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Estimate]:
        """Compute on the next samples; see `rtbci.runtime.decoder.Decoder.push`."""
        if self._unit_check is not None:
            self._unit_check.push(data)
        return self.pipeline.push(data, t_lsl)

    def check_fit(self, successor: Successor) -> None:
        """Refuse a profile that cannot go on with this stream.

        Raises
        ------
        ProfileError
            When it was calibrated on other electrodes, or on a signal or windows that these stages do not give.
        """
        profile, pipeline = successor.profile, self.pipeline
        check_montage(profile, self.channel_map)
        check_same_signal(profile, self._profile)
        lengths = [branch.window_samples for branch in successor.branches]
        check_same_windows(profile, lengths, pipeline.grid.length, pipeline.rate_out_hz)

    def exchange(self, successor: Successor) -> None:
        """Compute with another profile from the next window on; its electrodes are judged by what it was fitted with."""
        self.pipeline.exchange(successor)
        if self.pipeline.electrodes is not None:
            known = known_covariance(self._recipe, successor.profile, self.channel_map)
            self.pipeline.electrodes.expect(known)
