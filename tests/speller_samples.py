"""What a run says while somebody spells."""

from rtbci.publish.messages import EngineRef, Event, Prediction, ProfileRef, Quality, Trace

__all__ = ["marker", "prediction"]


def marker(text: str, t_lsl: float) -> Event:
    """That a marker came."""
    return Event(v=1, session="s", seq=0, t_sent=t_lsl, kind="marker", t_lsl=t_lsl, value=text)


def prediction(decision: str | None, t_end: float) -> Prediction:
    """Between two items, A being the more probable."""
    return Prediction(
        v=1,
        session="s",
        seq=0,
        t_sent=t_end,
        classes=("A", "B"),
        probs=(0.9, 0.1),
        label="A",
        decision=decision,
        why=None if decision else "below_threshold",
        t_window=(t_end - 1.0, t_end),
        age_ms=1.0,
        trace_ms=Trace(wait=1.0, filter=0.0, encode=0.0, probe=0.0, send=0.0),
        quality=Quality(score=1.0),
        profile=ProfileRef(user="", id="", generation=0),
        engine=EngineRef(name="", id=""),
    )
