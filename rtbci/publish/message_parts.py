"""What the messages of `rtbci.publish.messages` are made of: types of fields, and parts that several or one of them have.

Fields are documented in `Meta` descriptions rather than in the docstrings, as there.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from rtbci.errors import MessageError

__all__ = [
    "TRACE_PARTS",
    "BaselineRef",
    "Checked",
    "Classes",
    "Count",
    "DecisionSettings",
    "DriftRef",
    "EngineRef",
    "Latency",
    "Probability",
    "ProfileRef",
    "Quality",
    "Rate",
    "Rates",
    "Scalar",
    "SentTime",
    "Seq",
    "SessionId",
    "State",
    "StreamRef",
    "Trace",
    "ValueRef",
    "Version",
    "Why",
    "is_finite",
    "refuse_non_finite",
]

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


def refuse_non_finite(where: str, names: Iterable[str], values: Iterable[object]) -> None:
    """Refuse floats that are not finite.

    Parameters
    ----------
    where : str
        Of what they are a part, for the message.
    names, values : iterable of str, of object
        One of each for each field; what is not a float is not looked at.

    Raises
    ------
    MessageError
        Names the first one.
    """
    for name, value in zip(names, values, strict=True):
        # Only inf and nan differ from 0 here; 40 ns a value, math.isfinite with a type check is no faster.
        if isinstance(value, float) and value - value != 0.0:
            raise MessageError(f"{where}: {name} is {value}, need a finite number")


def is_finite(total: float) -> bool:
    """Whether a sum shows that all its terms are finite; of a false alarm (an overflow) the terms tell."""
    return total - total == 0.0


class Checked(Struct, frozen=True, kw_only=True):
    """A part of a message; refuses numbers that are not finite when it is made, sent or received."""

    def __post_init__(self) -> None:
        names = self.__struct_fields__
        refuse_non_finite(type(self).__name__, names, [getattr(self, name) for name in names])


class Trace(Checked, frozen=True, kw_only=True):
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
        if not is_finite(self.wait + self.filter + self.encode + self.probe + self.send):
            super().__post_init__()


TRACE_PARTS = Trace.__struct_fields__
"""Parts of the age, in the order in which the time passes."""


class Quality(Checked, frozen=True, kw_only=True):
    """How good the signal of the window was."""

    score: Annotated[float, Meta(ge=0.0, le=1.0, description="0 (unusable) to 1 (good).")]
    bad_channels: Annotated[
        tuple[str, ...],
        Meta(
            description="Electrodes that give no EEG now, as the stream calls them; replaced where they can be."
        ),
    ] = ()


class ProfileRef(Checked, frozen=True, kw_only=True):
    """Which profile decodes."""

    user: Annotated[str, Meta(description="User, or empty with the population decoder.")]
    id: Annotated[str, Meta(description="sha256 of the profile, hexadecimal; may be shortened.")]
    generation: Annotated[int, Meta(ge=0, description="How often this profile has been refitted.")]


class EngineRef(Checked, frozen=True, kw_only=True):
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


class StreamRef(Checked, frozen=True, kw_only=True):
    """Which stream is decoded."""

    name: Annotated[str, Meta(description="Name of the LSL stream, or of the file.")]
    source_id: Annotated[str, Meta(description="What a lost stream is found again by.")]


class Rate(Checked, frozen=True, kw_only=True):
    """Sampling rate of the stream."""

    nominal: Annotated[float, Meta(description="As the stream declares it [Hz].")]
    measured: Annotated[
        float | None, Meta(description="As its stamps show it [Hz]; null until it is known.")
    ] = None
    ppm: Annotated[
        float | None,
        Meta(description="How far off it is over up to five minutes [millionths]; null: not known yet."),
    ] = None


class Rates(Checked, frozen=True, kw_only=True):
    """Rates along the decoder."""

    stream: Annotated[float | None, Meta(description="Nominal rate of the stream [Hz]; null: none yet.")]
    decoder: Annotated[float, Meta(description="Sampling rate that the encoder sees [Hz].")]
    prediction: Annotated[float, Meta(description="Predictions per second, 1 / `hop_s` [Hz].")]


class Latency(Checked, frozen=True, kw_only=True):
    """Percentiles of `age_ms` over the newest predictions."""

    p50: Annotated[float, Meta(description="Median [ms].")]
    p95: Annotated[float, Meta(description="95th percentile [ms].")]
    p99: Annotated[float, Meta(description="99th percentile [ms].")]


class DriftRef(Checked, frozen=True, kw_only=True):
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


class BaselineRef(Checked, frozen=True, kw_only=True):
    """How much of the user's baseline is known; see `rtbci.probe.baseline`."""

    learnt_s: Annotated[float, Meta(ge=0.0, description="Signal that it was learnt from so far [s].")]
    length_s: Annotated[float, Meta(description="Signal that it takes; it is known when they are equal [s].")]
    source: Annotated[str, Meta(description="Where it is from: the `stream` or the `profile`.")]


class ValueRef(Checked, frozen=True, kw_only=True):
    """What the continuous output is of."""

    of: Annotated[str, Meta(description="Class that it grows with.")]
    smoothing_s: Annotated[float, Meta(ge=0.0, description="Time constant of the smoothing [s].")]
    baseline_s: Annotated[
        float | None, Meta(description="Signal that 0.5 was learnt from [s]; null: it is a probability.")
    ] = None


class DecisionSettings(Checked, frozen=True, kw_only=True):
    """When a prediction becomes a decision; see `rtbci.decide.policy`."""

    threshold: Annotated[float, Meta(description="Least smoothed probability.")]
    dwell_s: Annotated[float, Meta(ge=0.0, description="How long it must have been held [s].")]
    refractory_s: Annotated[float, Meta(ge=0.0, description="Pause after a decision [s].")]
    smoothing_s: Annotated[float, Meta(ge=0.0, description="Time constant of the smoothing [s].")]
    source: Annotated[
        str, Meta(description="Where it is from: `configuration`, `profile` or `recipe`; empty: not told.")
    ] = ""
