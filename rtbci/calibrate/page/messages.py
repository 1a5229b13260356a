"""What the cue page is told; what it says is of `rtbci.web.page_messages`."""

from rtbci.calibrate.presenter import Feedback
from rtbci.calibrate.schedule import Schedule
from rtbci.calibrate.symbols import outline
from rtbci.web.page_messages import encode

__all__ = ["tell", "welcome"]


def welcome(title: str, schedule: Schedule) -> str:
    """Return the first message: everything that the page needs to draw."""
    protocol, progress = schedule.protocol, schedule.progress
    cues = [{"symbol": cue.symbol, "text": cue.text} for cue in schedule.cues]
    return encode(
        "welcome",
        title=title,
        instruction=protocol.instruction,
        cues=cues,
        shapes={name: outline(name) for name in ("cross", *(cue.symbol for cue in schedule.cues))},
        tone=protocol.timing.tone,
        rest_s=protocol.breaks.rest_s,
        n_trials=progress.n_left,
        minutes=progress.minutes_left,
    )


def tell(feedback: Feedback) -> str:
    """Return how it goes, for the page."""
    progress = feedback.progress
    return encode(
        "tell",
        accepted=feedback.accepted,
        reason=feedback.reason,
        n_accepted=progress.n_accepted,
        n_rejected=progress.n_rejected,
        n_left=progress.n_left,
        minutes_left=progress.minutes_left,
        curve=[(point.n_trials, point.accuracy, point.low, point.high) for point in feedback.curve],
        advice=feedback.advice,
    )
