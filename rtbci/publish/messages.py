"""The messages of schema version 1, as they travel: one class per topic, every field with its unit.

Fields are documented in `Meta` descriptions rather than in the docstrings, because the JSON Schema and the
tables of docs/messages.md are made from them. A message cannot be made with a number that is not finite.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from msgspec import Meta

from rtbci.errors import MessageError
from rtbci.publish.message_parts import (
    BaselineRef,
    Checked,
    Classes,
    Count,
    DecisionSettings,
    DriftRef,
    EngineRef,
    Latency,
    Probability,
    ProfileRef,
    Quality,
    Rate,
    Rates,
    Scalar,
    SentTime,
    Seq,
    SessionId,
    State,
    StreamRef,
    Trace,
    ValueRef,
    Version,
    Why,
    is_finite,
    refuse_non_finite,
)

__all__ = [
    "MESSAGE_TYPES",
    "SOON_TOPIC",
    "VERSION",
    "BaselineRef",
    "DecisionSettings",
    "DriftRef",
    "EngineRef",
    "Event",
    "Hello",
    "HelloContent",
    "Latency",
    "Message",
    "Prediction",
    "ProfileRef",
    "Quality",
    "Rate",
    "Rates",
    "Scalar",
    "State",
    "Status",
    "StatusContent",
    "StreamRef",
    "Trace",
    "ValueRef",
    "Why",
]

VERSION: Final = 1
"""Version of the schema; what raises it is said in docs/messages.md."""

PROB_SUM_TOLERANCE = 1e-3
"""How far the probabilities of a prediction may be from summing to 1 (float32 engines, many classes)."""


class Prediction(Checked, frozen=True, kw_only=True, omit_defaults=True):
    """Topic `prediction`: what one window says, once per hop. A field with a default is left out where it has that."""

    topic: ClassVar[str] = "prediction"

    v: Version
    session: SessionId
    seq: Seq
    t_sent: SentTime
    classes: Classes
    probs: Annotated[
        tuple[Probability, ...] | None,
        Meta(description="Calibrated probabilities, sum to 1; null when the window could not be decoded."),
    ]
    label: Annotated[str | None, Meta(description="Most probable class; null when `probs` is.")]
    decision: Annotated[str | None, Meta(description="Class decided for, never an idle one; or null.")]
    why: Annotated[Why | None, Meta(description="Why there is no decision; null when there is one.")]
    t_window: Annotated[
        tuple[float, float],
        Meta(description="Stamps of the window's first and newest sample [s, local LSL clock]."),
    ]
    age_ms: Annotated[float, Meta(description="`t_sent` minus the end of the window [ms].")]
    trace_ms: Annotated[Trace, Meta(description="Parts of `age_ms` [ms].")]
    quality: Annotated[Quality, Meta(description="Quality of the window's signal.")]
    profile: Annotated[ProfileRef, Meta(description="Profile that decoded.")]
    engine: Annotated[EngineRef, Meta(description="Engine that computed.")]
    refractory: Annotated[
        bool,
        Meta(
            description="Within the pause after a decision: nothing could have been decided; left out while false."
        ),
    ] = False

    @property
    def reason(self) -> str:
        """`why` for people: `refractory` where the decoder only waits out its pause; empty with a decision."""
        return "refractory" if self.refractory and self.why == "below_threshold" else self.why or ""

    value: Annotated[
        Probability | None,
        Meta(
            description="Continuous output, 0 to 1, smoothed; 0.5 is usual for this user. Left out where the paradigm has "
            "none, and while there is nothing to say."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.value is not None and not (self.probs is not None and 0.0 <= self.value <= 1.0):
            raise MessageError(
                f"Prediction: value is {self.value} and probs are {self.probs}, need 0 to 1, and none without probs"
            )
        t_first, t_last = self.t_window
        if not is_finite(self.t_sent + self.age_ms + t_first + t_last):
            super().__post_init__()
            refuse_non_finite("Prediction", ("t_window[0]", "t_window[1]"), self.t_window)
        for name, value in (("label", self.label), ("decision", self.decision)):
            if value is not None and value not in self.classes:
                raise MessageError(f"Prediction: {name} is {value!r}, need null or one of {self.classes}")
        if (self.decision is None) == (self.why is None):
            raise MessageError(
                f"Prediction: decision is {self.decision!r} and why is {self.why!r}, need exactly one null"
            )
        if self.probs is not None and self.label is not None:
            _check_probs(self.classes, self.probs)
        elif (
            self.probs is not None
            or self.label is not None
            or self.why in (None, "below_threshold", "idle", "decided")
        ):
            raise MessageError(
                f"Prediction: probs are {self.probs}, label {self.label!r}, why {self.why!r}, need both or "
                f"neither of the first two, and neither only when the window could not be decoded"
            )


def _check_probs(classes: tuple[str, ...], probs: tuple[float, ...]) -> None:
    if not probs or len(probs) != len(classes):
        raise MessageError(f"Prediction: {len(probs)} probs for {len(classes)} classes, need one for each")
    # Written so that nan fails every comparison.
    if not (min(probs) >= 0.0 and max(probs) <= 1.0 and abs(sum(probs) - 1.0) <= PROB_SUM_TOLERANCE):
        raise MessageError(f"Prediction: probs are {list(probs)}, need numbers of 0 to 1 that sum to 1")


class StatusContent(Checked, frozen=True, kw_only=True):
    """What the decoder says of itself in a `Status`."""

    state: Annotated[State, Meta(description="Where the decoder is.")]
    paused: Annotated[bool, Meta(description="Paused by a control request: no predictions are sent.")]
    stream: Annotated[StreamRef | None, Meta(description="Stream decoded; null while none is found.")]
    rate_hz: Annotated[Rate | None, Meta(description="Its sampling rate [Hz]; null while none is found.")]
    latency_ms: Annotated[
        Latency | None, Meta(description="Age of predictions when sent [ms]; null before the first.")
    ]
    cpu_percent: Annotated[float, Meta(ge=0.0, description="CPU time of the process [% of one core].")]
    uptime_s: Annotated[float, Meta(description="Since the start of the session [s].")]
    n_predictions: Annotated[Count, Meta(description="Predictions sent.")]
    n_gaps: Annotated[Count, Meta(description="Gaps in the stream.")]
    n_skipped: Annotated[
        Count, Meta(description="Windows skipped because they were late: neither decoded nor sent.")
    ]
    n_overflow: Annotated[Count, Meta(description="Samples not decoded because the decoder fell behind.")]
    profile: Annotated[ProfileRef | None, Meta(description="Profile that decodes; null: not told.")] = None
    drift: Annotated[
        DriftRef | None, Meta(description="Change of the signal; null: not known, or not yet.")
    ] = None
    bad_channels: Annotated[
        Mapping[str, str], Meta(description="Electrodes that give no EEG now, and why.")
    ] = {}
    clock_offset_s: Annotated[
        float | None,
        Meta(
            description="By how much the stream's stamps are ahead of the local clock, where they are of another "
            "[s]; null: they are of the local clock."
        ),
    ] = None
    baseline: Annotated[
        BaselineRef | None,
        Meta(description="Of the user; null: the paradigm compares with none, or no stream yet."),
    ] = None
    recording: Annotated[
        str | None,
        Meta(
            description="Folder of the session that is written, on the run's computer; empty: nothing is; null: not told."
        ),
    ] = None


class Status(StatusContent, frozen=True, kw_only=True):
    """Topic `status`: once a second and at every change of state."""

    topic: ClassVar[str] = "status"

    v: Version
    session: SessionId
    seq: Seq
    t_sent: SentTime


class Event(Checked, frozen=True, kw_only=True):
    """Topic `event`: something happened once."""

    topic: ClassVar[str] = "event"

    v: Version
    session: SessionId
    seq: Seq
    t_sent: SentTime
    kind: Annotated[
        str,
        Meta(description="What happened; kinds may be added without a new version, so ignore unknown ones."),
    ]
    t_lsl: Annotated[float, Meta(description="When it happened [s, local LSL clock].")]
    value: Annotated[str, Meta(description="Text of a marker, class of a decision; may be empty.")] = ""
    data: Annotated[Mapping[str, Scalar], Meta(description="Further values, by kind.")] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_non_finite("Event", (f"data.{key}" for key in self.data), self.data.values())


class HelloContent(Checked, frozen=True, kw_only=True):
    """What a listener needs to know of a decoder, in a `Hello`."""

    rtbci: Annotated[str, Meta(description="Version of rtbci that sends.")]
    paradigm: Annotated[str, Meta(description="Name of the paradigm's recipe.")]
    classes: Classes
    rates_hz: Annotated[Rates, Meta(description="Rates along the decoder [Hz].")]
    window_s: Annotated[float, Meta(description="Length of a window [s].")]
    hop_s: Annotated[float, Meta(description="From one prediction to the next [s].")]
    delay_s: Annotated[
        float, Meta(description="Group delay of the filters [s]; not subtracted from any time.")
    ]
    engine: Annotated[EngineRef, Meta(description="Engine that computes.")]
    profile: Annotated[ProfileRef, Meta(description="Profile that decodes.")]
    decision: Annotated[DecisionSettings, Meta(description="When a prediction becomes a decision.")]
    value: Annotated[
        ValueRef | None, Meta(description="What `value` of predictions is; null: they have none.")
    ] = None


class Hello(HelloContent, frozen=True, kw_only=True):
    """Topic `hello`: sent at the start, at every change of what it says, and for each new subscriber."""

    topic: ClassVar[str] = "hello"

    v: Version
    session: SessionId
    seq: Seq
    t_sent: SentTime


Message = Prediction | Status | Event | Hello

MESSAGE_TYPES: Mapping[str, type[Message]] = {
    message.topic: message for message in (Prediction, Status, Event, Hello)
}
"""Class of the messages of each topic."""

SOON_TOPIC = "soon"
"""Says nothing but that a prediction is about to come; sent only to those who subscribe to it by its name (docs/adr/0035)."""
