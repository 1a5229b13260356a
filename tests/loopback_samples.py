"""Predictions as a subscriber gets them, for tests of what counts them."""

from collections.abc import Iterable

from rtbci.publish.messages import EngineRef, Prediction, ProfileRef, Quality, Trace

__all__ = ["hop", "hops"]


def hop(seq: int, t_end: float, *, age_ms: float = 5.0, is_full: bool = True) -> Prediction:
    """One prediction, of the window that ends at `t_end`."""
    return Prediction(
        v=1,
        session="s-1",
        seq=seq,
        t_sent=t_end + 1e-3 * age_ms,
        classes=("left_hand", "right_hand"),
        probs=(0.75, 0.25) if is_full else None,
        label="left_hand" if is_full else None,
        decision=None,
        why="below_threshold" if is_full else "gap",
        t_window=(t_end - 0.5, t_end),
        age_ms=age_ms,
        trace_ms=Trace(wait=age_ms - 2.0, filter=0.5, encode=0.5, probe=0.5, send=0.5),
        quality=Quality(score=1.0),
        profile=ProfileRef(user="", id="", generation=0),
        engine=EngineRef(name="tiny", id="e"),
    )


def hops(numbers: Iterable[int], hop_s: float = 0.0625, *, is_full: bool = True) -> list[Prediction]:
    """One prediction for each number, numbered from 0."""
    return [hop(seq, 10.0 + hop_s * i, is_full=is_full) for seq, i in enumerate(numbers)]
