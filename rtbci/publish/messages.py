"""The messages of schema version 1, as they travel: one class per topic, every field with its unit.

Fields are documented in `Meta` descriptions rather than in the docstrings, because the JSON Schema and the
tables of docs/messages.md are made from them. A message cannot be made with a number that is not finite.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta, Struct

from rtbci.errors import MessageError

__all__ = [
    "MESSAGE_TYPES",
    "VERSION",
    "BaselineRef",
    "DecisionSettings",
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

Scalar = str | int | float | bool | None
State = Literal["waiting", "warming_up", "running", "stale", "lost", "recovering", "stopped"]
Why = Literal["below_threshold", "idle", "decided", "warming_up", "gap", "poor_signal", "stream_lost"]

Version = Annotated[Literal[1], Meta(description="Version of the schema.")]
SessionId = Annotated[str, Meta(description="Id of the run that sent this; another id means a new run.")]
Seq = Annotated[
    int,
    Meta(
        ge=0,
        description="Number of this message in its topic and session: from 0, without gaps but where a session is taken up again (event `resumed`).",
    ),
]
SentTime = Annotated[
    float, Meta(description="When it was handed to the sockets [s, local LSL clock of the sender].")
]
Count = Annotated[int, Meta(ge=0)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Classes = Annotated[
    tuple[str, ...], Meta(description="Names of the classes, in the order of all probabilities.")
]


def _refuse_non_finite(where: str, names: Iterable[str], values: Iterable[object]) -> None:
    for name, value in zip(names, values, strict=True):
        # Only inf and nan differ from 0 here; 40 ns a value, math.isfinite with a type check is no faster.
        if isinstance(value, float) and value - value != 0.0:
            raise MessageError(f"{where}: {name} is {value}, need a finite number")


def _is_finite(total: float) -> bool:
    """Whether a sum shows that all its terms are finite; of a false alarm (an overflow) the terms tell."""
    return total - total == 0.0


class _Checked(Struct, frozen=True, kw_only=True):
    """A part of a message; refuses numbers that are not finite when it is made, sent or received."""

    def __post_init__(self) -> None:
        names = self.__struct_fields__
        _refuse_non_finite(type(self).__name__, names, [getattr(self, name) for name in names])


class Trace(_Checked, frozen=True, kw_only=True):
    """Where the age of a prediction was spent; the five add up to `age_ms`."""

    wait: Annotated[
        float,
        Meta(description="From the stamp of the window's newest sample until the decoder took it up [ms]."),
    ]
    filter: Annotated[float, Meta(description="Filter, resampler, reference, alignment [ms].")]
    encode: Annotated[float, Meta(description="Encoder engine, and features of the other branches [ms].")]
    probe: Annotated[float, Meta(description="Probe, fusion, confidence, decision [ms].")]
    send: Annotated[float, Meta(description="From the decision until `t_sent` [ms].")]

    def __post_init__(self) -> None:
        if not _is_finite(self.wait + self.filter + self.encode + self.probe + self.send):
            super().__post_init__()


class Quality(_Checked, frozen=True, kw_only=True):
    """How good the signal of the window was."""

    score: Annotated[float, Meta(ge=0.0, le=1.0, description="0 (unusable) to 1 (good).")]
    bad_channels: Annotated[
        tuple[str, ...],
        Meta(
            description="Electrodes that give no EEG now, as the stream calls them; replaced where they can be."
        ),
    ] = ()


class ProfileRef(_Checked, frozen=True, kw_only=True):
    """Which profile decodes."""

    user: Annotated[str, Meta(description="User, or empty with the population decoder.")]
    id: Annotated[str, Meta(description="sha256 of the profile, hexadecimal; may be shortened.")]
    generation: Annotated[int, Meta(ge=0, description="How often this profile has been refitted.")]


class EngineRef(_Checked, frozen=True, kw_only=True):
    """Which compiled encoder computes."""

    name: Annotated[str, Meta(description="Name of the engine's recipe.")]
    id: Annotated[
        str, Meta(description="sha256 of what runs (a compiled file, or the ONNX file); may be shortened.")
    ]
    network_id: Annotated[
        str,
        Meta(description="sha256 of the ONNX file that it was made from, and profiles on; empty: not told."),
    ] = ""
    backend: Annotated[str, Meta(description="What runs it, as `onnxruntime`; empty: not told.")] = ""
    precision: Annotated[str, Meta(description="What it computes in, as `fp32`; empty: not told.")] = ""
    device: Annotated[str, Meta(description="What it runs on, as `cpu`; empty: not told.")] = ""


class StreamRef(_Checked, frozen=True, kw_only=True):
    """Which stream is decoded."""

    name: Annotated[str, Meta(description="Name of the LSL stream, or of the file.")]
    source_id: Annotated[str, Meta(description="What a lost stream is found again by.")]


class Rate(_Checked, frozen=True, kw_only=True):
    """Sampling rate of the stream."""

    nominal: Annotated[float, Meta(description="As the stream declares it [Hz].")]
    measured: Annotated[
        float | None, Meta(description="As its stamps show it [Hz]; null until it is known.")
    ] = None
    ppm: Annotated[
        float | None,
        Meta(description="How far off it is over up to five minutes [millionths]; null: not known yet."),
    ] = None


class Rates(_Checked, frozen=True, kw_only=True):
    """Rates along the decoder."""

    stream: Annotated[float | None, Meta(description="Nominal rate of the stream [Hz]; null: none yet.")]
    decoder: Annotated[float, Meta(description="Sampling rate that the encoder sees [Hz].")]
    prediction: Annotated[float, Meta(description="Predictions per second, 1 / `hop_s` [Hz].")]


class Latency(_Checked, frozen=True, kw_only=True):
    """Percentiles of `age_ms` over the newest predictions."""

    p50: Annotated[float, Meta(description="Median [ms].")]
    p95: Annotated[float, Meta(description="95th percentile [ms].")]
    p99: Annotated[float, Meta(description="99th percentile [ms].")]


class DriftRef(_Checked, frozen=True, kw_only=True):
    """How far the signal is from what the decoder was calibrated on; see `rtbci.probe.drift`."""

    signal: Annotated[float, Meta(ge=0.0, description="Distance of the covariance, in units of its spread.")]
    limit: Annotated[float, Meta(description="Above this for half a minute, calibrating again is advised.")]
    logits: Annotated[
        float | None,
        Meta(description="Distance of the mean logits, in standard deviations; null: nothing to compare."),
    ] = None
    reference: Annotated[
        str, Meta(description="Compared with the `calibration`, or with the first minute of the `stream`.")
    ]


class BaselineRef(_Checked, frozen=True, kw_only=True):
    """How much of the user's baseline is known; see `rtbci.probe.baseline`."""

    learnt_s: Annotated[float, Meta(ge=0.0, description="Signal that it was learnt from so far [s].")]
    length_s: Annotated[float, Meta(description="Signal that it takes; it is known when they are equal [s].")]
    source: Annotated[str, Meta(description="Where it is from: the `stream` or the `profile`.")]


class ValueRef(_Checked, frozen=True, kw_only=True):
    """What the continuous output is of."""

    of: Annotated[str, Meta(description="Class that it grows with.")]
    smoothing_s: Annotated[float, Meta(ge=0.0, description="Time constant of the smoothing [s].")]
    baseline_s: Annotated[
        float | None, Meta(description="Signal that 0.5 was learnt from [s]; null: it is a probability.")
    ] = None


class DecisionSettings(_Checked, frozen=True, kw_only=True):
    """When a prediction becomes a decision; see `rtbci.decide.policy`."""

    threshold: Annotated[float, Meta(description="Least smoothed probability.")]
    dwell_s: Annotated[float, Meta(ge=0.0, description="How long it must have been held [s].")]
    refractory_s: Annotated[float, Meta(ge=0.0, description="Pause after a decision [s].")]
    smoothing_s: Annotated[float, Meta(ge=0.0, description="Time constant of the smoothing [s].")]
    source: Annotated[
        str, Meta(description="Where it is from: `configuration`, `profile` or `recipe`; empty: not told.")
    ] = ""


class Prediction(_Checked, frozen=True, kw_only=True, omit_defaults=True):
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
        bool, Meta(description="Within the pause after a decision: nothing could have been decided.")
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
        if not _is_finite(self.t_sent + self.age_ms + t_first + t_last):
            super().__post_init__()
            _refuse_non_finite("Prediction", ("t_window[0]", "t_window[1]"), self.t_window)
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


class StatusContent(_Checked, frozen=True, kw_only=True):
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
    n_skipped: Annotated[Count, Meta(description="Windows skipped (late, or spanning a gap).")]
    n_overflow: Annotated[Count, Meta(description="Samples lost because the decoder fell behind.")]
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


class Status(StatusContent, frozen=True, kw_only=True):
    """Topic `status`: once a second and at every change of state."""

    topic: ClassVar[str] = "status"

    v: Version
    session: SessionId
    seq: Seq
    t_sent: SentTime


class Event(_Checked, frozen=True, kw_only=True):
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
        _refuse_non_finite("Event", (f"data.{key}" for key in self.data), self.data.values())


class HelloContent(_Checked, frozen=True, kw_only=True):
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
