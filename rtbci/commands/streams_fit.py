"""What `rtbci streams` says of each stream of EEG: which paradigms it can be decoded with, and what it lacks for the others."""

from collections.abc import Sequence
from dataclasses import replace

from rtbci.encoder.vocabulary import CHANNELS
from rtbci.runtime.what_fits import Fit, lacks_in_words, what_fits
from rtbci.stream.labels import with_labels
from rtbci.stream.layout import electrodes_of
from rtbci.stream.lsl_list import StreamSummary
from rtbci.stream.source import Channel, StreamInfo

__all__ = ["fit_rows", "labelled"]

MONTAGE = "(no stream: these electrodes)"
MONTAGE_HZ = 250.0
NO_NAMES = (
    "nothing before its channels have names of electrodes: give them in its order, --labels O1,O2,... (to rtbci run; here to "
    "try what a montage is good for)"
)


def fit_rows(stream: StreamSummary) -> dict[str, str]:
    """Rows for the table of streams; none where it is no stream of EEG, or did not say what it has.

    Parameters
    ----------
    stream : StreamSummary
        As listed.
    """
    if not (stream.answers and _may_be_eeg(stream.info)):
        return {}
    fits = what_fits(stream.info)
    if all(one.lack for one in fits) and not set(electrodes_of(stream.info)) & set(CHANNELS):
        return {"decodes": NO_NAMES}
    rows = {"decodes": ", ".join(_said(one) for one in fits if not one.lack) or "nothing that is shipped"}
    return rows | ({"for more": "\n".join(lacks_in_words(fits))} if any(one.lack for one in fits) else {})


def labelled(streams: Sequence[StreamSummary], labels: Sequence[str]) -> list[StreamSummary]:
    """Streams as if their channels had these names, where they have as many; all as they are without names.

    Where no stream of EEG has as many, one comes behind them that is not there: whoever has not glued the electrodes yet asks, too.
    """
    if not labels:
        return list(streams)
    fitting = [one for one in streams if _may_be_eeg(one.info) and one.info.n_channels == len(labels)]
    if not fitting:
        channels = tuple(Channel(label, "microvolts", "EEG") for label in labels)
        return [
            *streams,
            StreamSummary(StreamInfo(MONTAGE, "", MONTAGE_HZ, channels, "EEG"), None, None, answers=True),
        ]
    return [replace(one, info=with_labels(one.info, labels)) if one in fitting else one for one in streams]


def _may_be_eeg(info: StreamInfo) -> bool:
    return info.rate_hz > 0 and info.type.upper() == "EEG"


def _said(fit: Fit) -> str:
    more = [f"{name} for {wanted}" for wanted, name in fit.stand_ins.items()]
    more += [f"{fit.n_found} of {fit.n_read} electrodes"] * (fit.n_found < fit.n_read)
    more += [f"{fit.unbroken_s:g} s without a gap for each answer"] * (fit.unbroken_s > 0)
    more += ["calibrate first"] * fit.is_calibrated_first
    return f"{fit.paradigm} ({', '.join(more)})" if more else fit.paradigm
