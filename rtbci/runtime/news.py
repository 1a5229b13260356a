"""What a recorder has to tell: it becomes an event, a line in the terminal, and a mark in its status line."""

from collections.abc import Mapping
from typing import NamedTuple

from rtbci.publish.messages import Scalar

__all__ = ["FAILED", "LOST", "RESUMED", "ROOM", "SLOW", "STARTED", "TAKEN_UP", "News"]

STARTED = "recording_started"
FAILED = "recording_failed"
"""Nothing is written at the moment: no space, no permission, a disk that has gone."""
RESUMED = "recording_resumed"
TAKEN_UP = "resumed"
"""A session that was cut short goes on."""
SLOW = "recording_slow"
"""The disk has not kept up for seconds; nothing is lost yet."""
ROOM = "recording_room"
"""The disk will soon be full."""
LOST = "recording_lost"
"""Samples or messages that there was no memory for while the disk was slow or full."""


class News(NamedTuple):
    """An event to publish: its kind, its value (the session's folder), further values."""

    kind: str
    value: str
    data: Mapping[str, Scalar]
