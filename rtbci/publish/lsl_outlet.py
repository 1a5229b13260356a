"""Predictions as an LSL stream, so that a recorder stores them in sync with the EEG."""

import math

import pylsl

from rtbci.publish.messages import Event, HelloContent, Message, Prediction
from rtbci.publish.sink import Sink

__all__ = ["LslOutlet"]

NO_DECISION = -1.0
"""Value of the decision channel when there is none."""
UNITS = {"decision": "index", "value": "0 to 1"}


class LslOutlet(Sink):
    """Predictions as an LSL outlet of irregular rate, and decisions as one of markers; a `Sink`. LSL describes the streams to newcomers by itself.

    The channels are the probability of each class and then ``decision``: the index of the class decided for,
    or -1; where the paradigm has a continuous output, then ``value``, NaN while there is none. Samples are stamped with the end of their window, so that they line up with the EEG that they are
    about; the age is not in the stream. A window that could not be decoded gives no sample.

    Parameters
    ----------
    hello : HelloContent
        Its classes name the channels.
    name : str
        Name of the stream; that of decisions is ``name + "-decisions"``.
    source_id : str
        What a recorder finds the stream again by after a restart; that of decisions gets ``-decisions`` too.
    decisions : bool
        Also offer every `Event` of kind ``decision`` as a string marker (its value, stamped ``t_lsl``).

    Notes
    -----
    Threads: one at a time. LSL queues for each recorder on its own and drops the oldest, so nothing waits.
    """

    def __init__(
        self,
        hello: HelloContent,
        *,
        name: str = "rtbci-predictions",
        source_id: str = "rtbci-predictions",
        decisions: bool = False,
    ) -> None:
        self._index = {label: float(i) for i, label in enumerate(hello.classes)} | {None: NO_DECISION}
        self._has_value = hello.value is not None
        self._predictions: pylsl.StreamOutlet | None = pylsl.StreamOutlet(
            _prediction_info(hello, name, source_id)
        )
        self._decisions: pylsl.StreamOutlet | None = None
        if decisions:
            self._decisions = pylsl.StreamOutlet(
                _decision_info(f"{name}-decisions", f"{source_id}-decisions")
            )

    def send(self, message: Message) -> None:
        """Pass on a prediction, or an event of kind ``decision``; see `Sink.send`."""
        if isinstance(message, Prediction) and message.probs and self._predictions is not None:
            sample = [*message.probs, self._index[message.decision]]
            if self._has_value:
                sample.append(math.nan if message.value is None else message.value)
            self._predictions.push_sample(sample, message.t_window[1])
        elif isinstance(message, Event) and message.kind == "decision" and self._decisions is not None:
            self._decisions.push_sample([message.value], message.t_lsl)

    def close(self) -> None:
        """Take the streams off the network; may be called more than once."""
        self._predictions = self._decisions = None


def _prediction_info(hello: HelloContent, name: str, source_id: str) -> pylsl.StreamInfo:
    labels = (*hello.classes, "decision", *(["value"] if hello.value is not None else []))
    info = pylsl.StreamInfo(
        name, "Predictions", len(labels), pylsl.IRREGULAR_RATE, pylsl.cf_float32, source_id
    )
    description = info.desc()
    for key in ("paradigm", "window_s", "hop_s", "delay_s", "rtbci"):
        description.append_child_value(key, str(getattr(hello, key)))
    channels = description.append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", UNITS.get(label, "probability"))
    return info


def _decision_info(name: str, source_id: str) -> pylsl.StreamInfo:
    return pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, source_id)
