"""How good the signal is: which of the electrodes that are read give no EEG just now, and why."""

from collections.abc import Sequence
from typing import NamedTuple

from rtbci.publish.messages import Quality
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder

__all__ = ["ChannelQuality", "SignalQuality"]

GOOD = Quality(score=1.0)


class ChannelQuality(NamedTuple):
    """One electrode that the decoder reads.

    Parameters
    ----------
    label : str
        As the stream calls it; that of the layout where it is made up from others.
    reason : str
        Why it gives no EEG, one of `rtbci.stages.judge.REASONS`; empty when it does.
    masked : bool
        Whether it is replaced by what the others say of it.
    spread_uv : float
        Standard deviation in the newest quarter of a second, less its drift, in microvolts.
    line_share : float
        Share of the mains in its power over about a second, 0 to 1.
    """

    label: str
    reason: str
    masked: bool
    spread_uv: float
    line_share: float


class SignalQuality:
    """What a decoder's look at its electrodes means to people.

    Parameters
    ----------
    decoder : Decoder
        With the stream open.

    Attributes
    ----------
    quality : Quality
        As of the newest look; all good before the first.

    Notes
    -----
    `note` and `tell` for whoever holds the decoder; `quality` may be read by any thread, it is exchanged as a whole.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._labels = _labels(decoder)
        self.quality = GOOD

    def note(self) -> None:
        """See whether another set of electrodes is bad; costs next to nothing when none is and none was."""
        electrodes = self._decoder.electrodes
        if electrodes is None or (self.quality is GOOD and not electrodes.any_bad):
            return
        bad = tuple(label for label, is_bad in zip(self._labels, electrodes.bad, strict=True) if is_bad)
        score = electrodes.score
        if bad != self.quality.bad_channels or score != self.quality.score:
            self.quality = Quality(score=score, bad_channels=bad) if bad else GOOD

    def tell(self, outbox: Outbox) -> None:
        """Publish what was masked and unmasked since the last call."""
        for t_lsl, change in self._decoder.pipeline.mask_changes():
            kind = "channel_masked" if change.reason else "channel_unmasked"
            data = {"reason": change.reason} if change.reason else {}
            outbox.event(kind, t_lsl, self._labels[change.channel], data)

    @property
    def bad(self) -> dict[str, str]:
        """By label, why each bad electrode is bad."""
        electrodes = self._decoder.electrodes
        reasons = () if electrodes is None or not electrodes.any_bad else electrodes.reasons
        return {label: why for label, why in zip(self._labels, reasons, strict=False) if why}

    @property
    def channels(self) -> tuple[ChannelQuality, ...]:
        """All electrodes that are read, in the order of the layout; for whoever holds the decoder."""
        electrodes = self._decoder.electrodes
        if electrodes is None:
            return ()
        return tuple(
            ChannelQuality(label, why, bool(masked), float(spread_uv), float(line_share))
            for label, why, masked, spread_uv, line_share in zip(
                self._labels,
                electrodes.reasons,
                electrodes.masked,
                electrodes.spread_uv,
                electrodes.line_shares,
                strict=True,
            )
        )


def _labels(decoder: Decoder) -> Sequence[str]:
    """What the rows of the decoder's channel map are called."""
    channel_map = decoder.channel_map
    if channel_map is None:
        return ()
    own = dict(channel_map.found)
    return [own.get(label, label) for label in channel_map.wanted if label not in channel_map.inferred]
