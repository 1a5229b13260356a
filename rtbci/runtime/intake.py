"""What comes from a stream, cut where no window may reach across, and how fast it really comes."""

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.errors import RateError
from rtbci.runtime.dead import DeadChannels
from rtbci.runtime.stamp_clock import StampClock
from rtbci.runtime.stamp_order import StampOrder
from rtbci.stream.health import GapDetector, RateMeter
from rtbci.stream.source import Chunk, FloatArray, StreamInfo

__all__ = ["RATE_SETTLED_S", "Break", "Intake"]

RATE_SETTLED_S = 10.0
MAX_RATE_ERROR = 0.02
"""Beyond this the filters are not what they say; amplifiers are within 0.0005 (500 ppm)."""

LONG_S, LEAST_LONG_S = 300.0, 20.0
"""Stamps with 1 ms of jitter show the rate to 100 millionths in 10 s, and to a few in five minutes."""


class Break(NamedTuple):
    """A place that no window may span.

    Parameters
    ----------
    kind : {'gap', 'not_finite'}
    t_lsl : float
        Stamp of the first sample behind a gap, or of the first that is not finite, in seconds.
    gap_s : float
        Time that is missing; negative when the stream's clock was set back.
    n_samples : int
        Samples left out because they are not finite.
    """

    kind: Literal["gap", "not_finite"]
    t_lsl: float
    gap_s: float = 0.0
    n_samples: int = 0


class Intake:
    """Cuts the chunks of one stream at its breaks, and measures its rate.

    Parameters
    ----------
    info : StreamInfo
    read : ndarray of bool, shape (n_channels,)
        Channels whose samples must be finite.
    t_now : float
        Time of the connection, in seconds; the rate is believed `RATE_SETTLED_S` later.
    tolerates : bool
        Whether samples are decoded in which only dead channels are not finite; see `rtbci.runtime.dead`.

    Attributes
    ----------
    info : StreamInfo
        Of the stream.
    n_duplicates : int
        Samples left out because they came twice.
    stamp_clock : StampClock
        Whether the stamps are of this computer's clock.

    Notes
    -----
    One owner. `push` stands between a sample and its decision, `note` comes after it.
    """

    def __init__(
        self, info: StreamInfo, read: npt.NDArray[np.bool_], t_now: float, *, tolerates: bool = False
    ) -> None:
        self.info, self._read, self._t_metered = info, read, t_now
        self._gaps, self._meter = GapDetector(info.rate_hz), RateMeter(info.rate_hz)
        self._long_meter = RateMeter(info.rate_hz, LONG_S)
        self._dead = DeadChannels(read, info.rate_hz) if tolerates else None
        self.stamp_clock = StampClock()
        self._has_gap = False
        # The newest chunk with samples; before the first, one that nothing is equal to.
        self._newest = Chunk(np.full((1, info.n_channels), np.nan), np.full(1, np.nan))
        self._t_fresh: FloatArray = np.empty(0)  # stamps of the newest chunk without duplicates
        self._stamps_packets = False
        self.n_duplicates = 0
        self._i_unbroken = 0  # in the newest chunk, the first sample behind its last gap
        self._order = StampOrder(info, t_now)

    @property
    def measured_hz(self) -> float | None:
        """Rate by the stamps since the last gap, in Hz; None when there are too few."""
        return self._meter.rate_hz

    @property
    def ppm(self) -> float | None:
        """How far that is from the stated rate, in millionths, over up to five minutes; None in the first 20 s."""
        return self._long_meter.deviation_ppm if self._long_meter.span_s >= LEAST_LONG_S else None

    def push(self, chunk: Chunk) -> list[Chunk | Break]:
        """Return the pieces of a chunk and the breaks between them, in order; duplicates are left out."""
        chunk = self._fresh(chunk)
        gaps = self._gaps.push(chunk.t_lsl)
        self._has_gap, self._i_unbroken = bool(gaps), 0
        self._order.push(chunk.t_lsl, gaps)
        # One sum of squares (no infinity minus infinity) tells of any that is not finite; only then is it looked for.
        if not gaps and math.isfinite(np.vdot(chunk.data, chunk.data)):
            if self._dead is not None:
                self._dead.passed(len(chunk.t_lsl))
            return [chunk]
        pieces: list[Chunk | Break] = []
        for i, gap_s in gaps:
            pieces += self._finite(chunk, self._i_unbroken, i)
            pieces.append(Break("gap", float(chunk.t_lsl[i]), gap_s=gap_s))
            self._i_unbroken = i
        return pieces + self._finite(chunk, self._i_unbroken, len(chunk.t_lsl))

    def note(self, t_taken: float) -> None:
        """Measure the rate on the chunk that was pushed last."""
        if self._has_gap:
            self._meter.reset()  # samples that are missing are no slow clock
            self._long_meter.reset()
            self._t_metered = t_taken
            if self.stamp_clock.is_settled:  # else gaps one behind the other would put it off for ever
                self.stamp_clock.reset()
        unbroken = self._t_fresh[self._i_unbroken :]
        self._meter.push(unbroken)
        self._long_meter.push(unbroken)
        if len(unbroken):
            self.stamp_clock.push(float(unbroken[-1]), t_taken)

    def check_rate(self, t_now: float) -> None:
        """Refuse a stream whose stamps show another rate than it states, or that do not go on as its samples do.

        Raises
        ------
        RateError
            Beyond `MAX_RATE_ERROR`; see `rtbci.runtime.stamp_order`.
        """
        self._order.check(t_now)
        if t_now - self._t_metered < RATE_SETTLED_S:
            return
        measured_hz, nominal_hz = self._meter.rate_hz, self.info.rate_hz
        if measured_hz is not None and abs(measured_hz / nominal_hz - 1.0) > MAX_RATE_ERROR:
            raise RateError(
                f"stream '{self.info.name}': states {nominal_hz:g} Hz but its stamps show {measured_hz:.2f} Hz, need "
                f"agreement within {100 * MAX_RATE_ERROR:g} %; correct the rate in the program that sends it"
            )

    def _fresh(self, chunk: Chunk) -> Chunk:
        """Leave out samples that have stamp and values of the one before: some radios and programs send twice."""
        data, t_lsl = chunk
        self._t_fresh, before = t_lsl, self._newest
        if not len(t_lsl):
            return chunk
        self._newest = chunk
        # 1 µs: no stamp comes twice, nor that of the sample before.
        if len({float(before.t_lsl[-1]), *t_lsl.tolist()}) > len(t_lsl):
            return chunk
        earlier = np.concatenate((before.data[-1:], data[:-1]))
        alike = np.concatenate((before.t_lsl[-1:], t_lsl[:-1])) == t_lsl
        same = alike & ((earlier == data) | (np.isnan(earlier) & np.isnan(data))).all(axis=1)
        # A sender that gives a whole packet one stamp says nothing by it: what is alike there may be an unplugged cap.
        self._stamps_packets |= bool((alike & ~same).any())
        if self._stamps_packets:
            return chunk
        self.n_duplicates += int(same.sum())
        self._t_fresh = t_lsl[~same]
        return Chunk(data[~same], self._t_fresh)

    def _finite(self, chunk: Chunk, first: int, last: int) -> list[Chunk | Break]:
        """Cut the samples from `first` up to, not including, `last` at those that are not finite."""
        data, t_lsl = chunk.data[first:last], chunk.t_lsl[first:last]
        good = self._good(data)
        edges = (np.flatnonzero(np.diff(good)) + 1).tolist()
        return [
            Chunk(data[i:j], t_lsl[i:j]) if good[i] else Break("not_finite", float(t_lsl[i]), n_samples=j - i)
            for i, j in zip([0, *edges], [*edges, last - first], strict=True)
            if j > i
        ]

    def _good(self, data: FloatArray) -> npt.NDArray[np.bool_]:
        """Which samples can be decoded, shape (n_samples,)."""
        holes = ~np.isfinite(data)
        if self._dead is None:
            return np.asarray(~holes[:, self._read].any(axis=1))
        if holes[:, self._read].any():
            return self._dead.tolerated(holes)
        self._dead.passed(len(data))
        return np.ones(len(data), bool)
