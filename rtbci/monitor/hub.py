"""From the run to browsers: every message made into frames once, whoever looks gets them."""

import asyncio
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.clock import Clock, now
from rtbci.monitor.desk import View
from rtbci.monitor.feed import NO_KEYS, ClientKeys, Feed
from rtbci.monitor.frames import row_of, said, signal_frame, spectrum_frame, text_of
from rtbci.monitor.mailbox import Mailbox
from rtbci.monitor.spectrum import ADVICE, BANDS_HZ, Electrode, SpectrumMeter
from rtbci.publish.messages import Event, Hello, Message, Prediction, Status
from rtbci.publish.signal_message import Signal, bins_of
from rtbci.stages.filter import SosFilter

__all__ = ["Hub", "Listener", "Viewer"]

SHOWN_HZ = (1.0, 40.0)
"""Band of the signal that is shown filtered; for the eye, not what the decoder reads."""
FILTER_ORDER = 2
LINK_S = 1.0


class Listener:
    """A socket that is sent the messages of some topics."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = frozenset(topics)
        self.mailbox = Mailbox()


class Viewer:
    """A page; what it looks at may change."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.view = View(signal=False, filtered=False)


class Hub:
    """Knows the feed and everybody who looks.

    Parameters
    ----------
    address : str
        Where the run publishes.
    keys : ClientKeys
        Of a run that is encrypted.
    clock : callable
        Time in seconds of the local LSL clock.

    Notes
    -----
    One event loop. A frame is made once for all who look, so that another viewer costs only the sending of it.
    """

    def __init__(self, address: str, keys: ClientKeys = NO_KEYS, clock: Clock = now) -> None:
        self.feed = Feed(address, self._on_message, self._on_signal, keys, clock)
        self._clock = clock
        self._listeners: set[Listener] = set()
        self._viewers: set[Viewer] = set()
        self._wanted = False
        self._layout: tuple[Any, ...] = ()
        self._meter: SpectrumMeter | None = None
        self._filter: SosFilter | None = None

    async def run(self) -> None:
        """Pass on messages until it is cancelled."""
        link = asyncio.create_task(self._tell_link())
        try:
            await self.feed.run()
        finally:
            link.cancel()
            self.feed.close()

    # -- who looks -------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Send a socket messages from now on; the first is the newest hello."""
        self._listeners.add(listener)
        if self.feed.hello is not None:
            listener.mailbox.put(text_of(self.feed.hello), keep=True)

    def look(self, viewer: Viewer) -> None:
        """Send a page everything it needs to draw the newest minute, and what comes from now on."""
        feed, put = self.feed, viewer.mailbox.put
        if feed.hello is not None:
            put(text_of(feed.hello), keep=True)
        if feed.status is not None:
            put(text_of(feed.status), keep=True)
        put(said("rows", {"rows": list(feed.rows)}), keep=True)
        put(said("events", {"events": list(feed.events)}), keep=True)
        if self._layout and self._meter is not None:
            put(self._channels(), keep=True)
        put(self._link(), keep=True)
        self._viewers.add(viewer)

    def leave(self, one: Listener | Viewer) -> None:
        """Send nothing more; the signal ends when nobody looks at it."""
        self._listeners.discard(one)
        self._viewers.discard(one)
        self._want()

    def turn(self, viewer: Viewer, view: View) -> None:
        """A page looks at something else."""
        viewer.view = view
        self._want()

    def _want(self) -> None:
        wanted = any(viewer.view.signal for viewer in self._viewers)
        if wanted != self._wanted:
            self._wanted = wanted
            self.feed.want_signal(wanted)
            if not wanted:
                self._layout, self._meter, self._filter = (), None, None

    # -- what comes ------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        if self.feed.hello is None:
            return  # what comes means nothing without it; it is sent to every new subscriber, so it is on its way
        text = text_of(message) if self._needs_text(message) else ""
        is_hello = isinstance(message, Hello)
        for listener in self._listeners:
            if message.topic in listener.topics or is_hello:
                listener.mailbox.put(text, keep=is_hello)
        if not self._viewers:
            return
        shown = said("rows", {"rows": [row_of(message)]}) if isinstance(message, Prediction) else text
        for viewer in self._viewers:
            viewer.mailbox.put(shown, keep=isinstance(message, Hello | Event))

    def _needs_text(self, message: Message) -> bool:
        if isinstance(message, Status | Event | Hello):
            return bool(self._viewers or self._listeners)
        return any(message.topic in listener.topics for listener in self._listeners)

    def _on_signal(self, signal: Signal) -> None:
        if not self._wanted:
            return  # the last one has left, and the run does not know yet
        layout = (
            signal.session,
            signal.stream,
            signal.labels,
            signal.is_read,
            signal.rate_hz,
            signal.n_per_bin,
        )
        if layout != self._layout:
            self._layout = layout
            self._meter = SpectrumMeter(signal.labels, signal.rate_hz / signal.n_per_bin)
            self._filter = _filter_of(self._meter)
            self._send_all(self._channels(), keep=True)
        mean, _, _ = bins_of(signal)
        if not signal.follows and self._filter is not None and self._meter is not None:
            self._filter.reset()
            self._meter.reset()
        self._show(signal, mean)
        if self._meter is not None and self._meter.push(mean, frozenset(signal.bad)):
            self._tell_quality(signal)

    def _show(self, signal: Signal, mean: npt.NDArray[np.float32]) -> None:
        """Frames of this signal, each kind made once, where anybody looks at it."""
        viewers = [viewer for viewer in self._viewers if viewer.view.signal]
        filtered = self._filtered(mean)
        for is_filtered in {viewer.view.filtered for viewer in viewers}:
            frame = signal_frame(signal, filtered if is_filtered else None)
            for viewer in viewers:
                if viewer.view.filtered == is_filtered:
                    viewer.mailbox.put(frame)

    def _filtered(self, mean: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Filtered bins; the filter runs on while nobody looks at them, so that it has settled when somebody does."""
        if self._filter is None:
            return mean
        if not np.isfinite(mean).all():
            self._filter.reset()  # a recursive filter would never forget it
            return np.full_like(mean, np.nan)
        return self._filter.push(mean.astype(np.float64)).astype(np.float32)

    # -- what is told ----------------------------------------------------------------------------------

    def _send_all(self, frame: str | bytes, *, keep: bool = False) -> None:
        for viewer in self._viewers:
            viewer.mailbox.put(frame, keep=keep)

    def _channels(self) -> str:
        _, stream, labels, is_read, rate_hz, n_per_bin = self._layout
        return said(
            "channels",
            {
                "stream": stream,
                "labels": labels,
                "is_read": is_read,
                "rate_hz": rate_hz,
                "n_per_bin": n_per_bin,
                "shown_hz": SHOWN_HZ,
                "bands": list(BANDS_HZ),
                "bands_hz": list(BANDS_HZ.values()),
            },
        )

    def _tell_quality(self, signal: Signal) -> None:
        meter = self._meter
        if meter is None:
            return
        electrodes = [
            (one.state, _advice(one, signal.bad.get(label, "")), one.spread_uv, one.mains_uv, one.bands_uv)
            for one, label in zip(meter.electrodes, meter.labels, strict=True)
        ]
        self._send_all(said("quality", {"electrodes": electrodes}))
        step_hz = float(meter.frequencies_hz[1])
        self._send_all(spectrum_frame(meter.density, step_hz, signal.t_last))

    def _link(self) -> str:
        feed = self.feed
        silent_s = None if feed.t_heard is None else round(self._clock() - feed.t_heard, 2)
        return said(
            "link",
            {
                "silent_s": silent_s,
                "n_lost": feed.n_lost,
                "n_malformed": feed.n_malformed,
                "n_viewers": len(self._viewers),
            },
        )

    async def _tell_link(self) -> None:
        """Once a second: whether the run is heard, and what was dropped on the way to each page."""
        while True:
            await asyncio.sleep(LINK_S)
            if self._viewers:
                self._send_all(self._link())


def _advice(electrode: Electrode, why: str) -> str:
    """What to do; with the decoder's own reason where it has one and the spectrum shows nothing."""
    if electrode.state == "bad" and why:
        return f"{why}; check contact and cable"
    return ADVICE[electrode.state]


def _filter_of(meter: SpectrumMeter) -> SosFilter:
    low_hz, high_hz = SHOWN_HZ
    high_hz = min(high_hz, 0.4 * meter.rate_hz)
    return SosFilter.bandpass(low_hz, high_hz, meter.rate_hz, len(meter.labels), FILTER_ORDER)
