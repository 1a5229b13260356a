"""A hello and a status, as a decoder that has just begun sends them."""

from rtbci.publish.messages import (
    DecisionSettings,
    EngineRef,
    HelloContent,
    ProfileRef,
    Rates,
    StatusContent,
)

__all__ = ["HELLO", "STATUS"]

HELLO = HelloContent(
    rtbci="0.1.0",
    paradigm="motor_imagery",
    classes=("left", "right"),
    rates_hz=Rates(stream=160.0, decoder=256.0, prediction=16.0),
    window_s=3.0,
    hop_s=0.0625,
    delay_s=0.06,
    engine=EngineRef(name="nano", id="e"),
    profile=ProfileRef(user="", id="p", generation=0),
    decision=DecisionSettings(threshold=0.7, dwell_s=0.25, refractory_s=1.0, smoothing_s=0.5),
)
STATUS = StatusContent(
    state="waiting",
    paused=False,
    stream=None,
    rate_hz=None,
    latency_ms=None,
    cpu_percent=0.0,
    uptime_s=0.0,
    n_predictions=0,
    n_gaps=0,
    n_skipped=0,
    n_overflow=0,
)
