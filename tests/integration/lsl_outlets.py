"""Outlets on loopback for tests: unique names, and sample i carries the number i in its first channel."""

import threading
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import pylsl

__all__ = ["IndexOutlet", "marker_outlet", "unique"]


def unique(what: str) -> str:
    """A name that no other test uses."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


def marker_outlet(source_id: str, name: str = "") -> Any:
    """A stream of text markers."""
    info = pylsl.StreamInfo(name or source_id, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, source_id)
    return pylsl.StreamOutlet(info)


class IndexOutlet:
    """A stream of EEG that sends itself from a thread; sample i is stamped t0 + i / rate."""

    def __init__(
        self,
        name: str,
        source_id: str = "",
        *,
        rate_hz: float = 250.0,
        labels: Sequence[str] = ("C3", "CZ", "C4"),
        units: Sequence[str] = (),
        chunk: int = 5,
        type: str = "EEG",
        dtype: int = pylsl.cf_double64,
    ) -> None:
        info = pylsl.StreamInfo(name, type, max(len(labels), 1), rate_hz, dtype, source_id)
        if any(labels):
            channels = info.desc().append_child("channels")
            for i, label in enumerate(labels):
                channel = channels.append_child("channel").append_child_value("label", label)
                channel.append_child_value("type", "EEG")
                channel.append_child_value("unit", units[i] if units else "microvolts")
        info.desc().append_child_value("manufacturer", "Testers")
        info.desc().append_child("reference").append_child_value("label", "A1")
        self.n_channels = info.channel_count()
        self.rate_hz = rate_hz
        self.chunk = chunk
        self.outlet: Any = pylsl.StreamOutlet(info, chunk)
        self.n_sent = 0
        self.t0 = pylsl.local_clock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="index-outlet")

    def send(self, n_samples: int) -> None:
        """Send the next samples now."""
        i = np.arange(self.n_sent, self.n_sent + n_samples, dtype=float)
        samples = np.column_stack([i + 0.25 * c for c in range(self.n_channels)])
        self.outlet.push_chunk(samples, self.t0 + i / self.rate_hz)
        self.n_sent += n_samples

    def _run(self) -> None:
        while not self._stopping.is_set():
            t_due = self.t0 + (self.n_sent + self.chunk) / self.rate_hz
            self._stopping.wait(max(0.0, t_due - pylsl.local_clock()))
            self.send(self.chunk)

    def end(self) -> None:
        """Stop sending and take the stream off the network; may be called more than once."""
        self._stopping.set()
        self._thread.join()
        self.outlet = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
