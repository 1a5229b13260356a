"""What is said of an event in the terminal, whichever command tells it."""

from collections.abc import Mapping

from rtbci.listing import counted
from rtbci.publish.messages import Scalar

__all__ = ["OF_STREAM", "SAID", "said_of"]

OF_STREAM = ("stream_lost", "stream_recovered")
"""Told by commands that tell nothing else of their run, too."""
SAID = {
    "stream_found": "stream found",
    "stream_lost": "stream lost, looking for it",
    "stream_recovered": "stream is back",
    "stream_other": "another stream has its name",
    "gap": "gap in the stream, starting anew",
    "overflow": "decoder was late, samples not decoded, starting anew",
    "not_finite": "samples that are not finite (NaN or Inf), left out",
    "duplicates": "samples come twice, left out",
    "channel_masked": "electrode masked",
    "channel_unmasked": "electrode is good again",
    "foreign_clock": "warning: stamps of a foreign clock",
    "local_clock": "the stamps are of this computer's clock again",
    "decoder_busy": "warning: the decoder does not return from a window",
    "profile_swapped": "profile swapped",
    "adaptation_on": "adaptation is on",
    "adaptation_rolled_back": "adaptation taken back",
    "phase_known": "the flicker's phase is known, own templates decide",
    "phase_unknown": "warning: the flicker's phase is not known, own templates rest",
    "recalibration_advised": "calibrate again",
    "profile_refused": "new profile refused, the old one stays",
    "engine_progress": "engine",
    "engine_changed": "engine changed",
    "engine_refused": "engine refused",
    "engine_failed": "engine failed, the one before computes again",
    "plugin_failed": "plug-in failed, no predictions from it",
    "recording_failed": "NOT RECORDING, tried again every second",
    "recording_resumed": "recording again",
    "recording_slow": "warning: the disk is slow, recording is behind",
    "recording_room": "warning: the disk is nearly full, make room",
    "recording_lost": "warning: recording had to leave out samples",
    "refused": "refused",
    "page_failed": "live page",
    "page_restarted": "the live page is there again",
    "markers_found": "markers are read from",
    "markers_left": "markers are not read from",
    "markers_lost": "markers have ended",
}


def said_of(kind: str, value: str, data: Mapping[str, Scalar]) -> str:
    """A line of its own for an event: ``what: of what (about it)``.

    Parameters
    ----------
    kind : str
        One of `SAID`.
    value, data
        As the event has them; brackets in names, which come from the network, are no markup.
    """
    name = f": {value}" if value else ""
    name += _engine(data) if kind == "engine_changed" else ""
    about = _about(kind, data)
    return f"{SAID[kind]}{name}{f' ({about})' if about else ''}"


def _engine(data: Mapping[str, Scalar]) -> str:
    """What an engine that was changed runs on now."""
    return (
        f" {str(data.get('id'))[:12]} on {data.get('backend')}, {data.get('precision')}, {data.get('device')}"
    )


def _about(kind: str, data: Mapping[str, Scalar]) -> str:
    """What stands behind what is said of an event, in brackets; empty: nothing."""

    def number(name: str) -> float:
        value = data.get(name)
        return float(value) if isinstance(value, int | float) else 0.0

    match kind:
        case "decoder_busy":
            return f"{number('busy_s'):.0f} s by now; the recording goes on"
        case "recording_slow":
            return f"{number('behind_s'):.0f} s, {number('waiting_mb'):.1f} MB; nothing is lost yet"
        case "recording_room":
            left_s = number("left_s")
            left = f"{left_s / 60:.0f} min" if left_s >= 120 else f"{left_s:.0f} s"
            return f"recorded for {left} more, {number('free_mb'):.0f} MB"
        case "recording_lost":
            return f"{counted(int(number('n_samples')), 'sample')}, {counted(int(number('n_messages')), 'message')}"
        case _:
            if reason := data.get("reason"):
                return str(reason)
            return f"{1e3 * number('gap_s'):.0f} ms" if number("gap_s") > 0 else ""
