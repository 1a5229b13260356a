"""What flashes do to the synthetic user who attends to one item of a grid, and flashes of the amplifier's own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rtbci.amp.cues import Cue
from rtbci.amp.head import Dipole, dipole_at
from rtbci.errors import ConfigError
from rtbci.recipes.flashes import BEGIN, CUE, END, FLASH
from rtbci.speller.markers import cue_of, flash_of
from rtbci.speller.order import FlashOrder
from rtbci.stream.source import FloatArray

__all__ = ["LEAD_S", "REST_S", "Attention", "FlashAnswer", "FlashCues", "flash_dipoles"]

SOURCES = (("O1", 0.75), ("O2", 0.75), ("PO7", 0.75), ("PO8", 0.75), ("PZ", 0.6))
"""Electrode over each source, and its depth; that of the P300 is deep, as the P300 is broad."""
VISUAL = ((0.110, 0.018, 1.2), (0.165, 0.022, -1.5))
"""Peak and width in seconds, and size in microvolts, of what every flash evokes at the back of the head."""
N200_S, N200_WIDTH_S, N200_UV = (0.20, 0.25), 0.03, -5.0
P300_S, P300_WIDTH_S = (0.30, 0.45), 0.06
"""Where the peak of a user's P300 may be; latencies of a user differ by seed, those of his flashes by `JITTER_S`."""
JITTER_S, SPREAD = 0.02, 0.3
"""Standard deviations of a P300's latency, and of the logarithm of its size, from flash to flash."""
USER_SPREAD = 0.15
"""The same of the size, from user to user."""
RECOVERY_S = 0.35
"""Two attended flashes that follow each other closely: the second evokes less (Martens et al. 2009, doi
10.1088/1741-2560/6/2/026003)."""
LASTS_S = 1.0
FIRST_S, LEAD_S, REST_S = 3.0, 1.0, 2.0
"""Time of the first cue, from a cue to its first flash, and from the end of a trial to the next cue."""


@dataclass(frozen=True)
class Attention:
    """What there is to attend to.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        Items of each group that flashes.
    soa_s : float
        From flash to flash, where the amplifier flashes by itself.
    repetitions : int
        In a trial, where the amplifier flashes by itself.
    p300_uv : float
        Mean size of a user's P300 at the electrode where it is largest; 0: no answer to what is attended to.
    wanted : sequence of str
        Items that are asked for one after the other, again and again; empty: at random.
    """

    groups: Mapping[str, Sequence[str]]
    soa_s: float = 0.175
    repetitions: int = 10
    p300_uv: float = 12.0
    wanted: Sequence[str] = ()

    @property
    def items(self) -> tuple[str, ...]:
        """All items, in the order of the groups."""
        return tuple(dict.fromkeys(item for items in self.groups.values() for item in items))


def flash_dipoles() -> list[Dipole]:
    """Where the answers come from, in the order of `FlashAnswer.push`."""
    return [dipole_at(label, depth) for label, depth in SOURCES]


class _Flash(NamedTuple):
    i_sample: int
    n200: float
    p300: float
    jitter_s: float


class FlashAnswer:
    """Event-related potentials of a user who attends to one item.

    Every flash evokes a small visual answer. One of a group with the attended item evokes a negativity over both sides of
    the occipital cortex (N200) and the P300 over the parietal one, too. Nothing more is evoked while nobody attends.

    Parameters
    ----------
    attention : Attention
    rate_hz : float
    rng : Generator
        Of its own; draws the user's latencies and sizes first.

    Attributes
    ----------
    p300_s, n200_s : float
        Mean latencies of this user's peaks, in seconds.
    attended : str or None
        The item.
    """

    def __init__(self, attention: Attention, rate_hz: float, rng: np.random.Generator) -> None:
        self._groups = {name: frozenset(items) for name, items in attention.groups.items()}
        self._items, self._rate_hz, self._rng = frozenset(attention.items), rate_hz, rng
        self.p300_s, self.n200_s = float(rng.uniform(*P300_S)), float(rng.uniform(*N200_S))
        size = math.exp(USER_SPREAD * rng.standard_normal())
        self._p300_uv, self._n200_uv = attention.p300_uv * size, N200_UV * size * (attention.p300_uv > 0)
        self.attended: str | None = None
        self._i_last = -math.inf  # sample of the newest attended flash
        self._active: list[_Flash] = []

    def push(self, first: int, n: int, markers: Sequence[Cue]) -> FloatArray:
        """Answers in microvolts for samples `first` on.

        Parameters
        ----------
        first, n : int
        markers : sequence of Cue
            Texts of `rtbci.speller.markers`, at most this block's end old; of a flash that is told later than its onset the
            rest of the answer is there. Anything that is none of them is rest: nobody attends.

        Returns
        -------
        ndarray of float64, shape (n, 5)
            Of the sources in `flash_dipoles`; a new array.
        """
        for marker in markers:
            self._take(marker)
        out = np.zeros((n, len(SOURCES)))
        samples = first + np.arange(n)
        for flash in self._active:
            t_s = (samples - flash.i_sample) / self._rate_hz
            visual = sum((uv * _bump(t_s, peak, width) for peak, width, uv in VISUAL), np.zeros(n))
            out[:, 0:2] += visual[:, np.newaxis]
            if flash.p300:
                out[:, 2:4] += flash.n200 * _bump(t_s, self.n200_s, N200_WIDTH_S)[:, np.newaxis]
                out[:, 4] += flash.p300 * _bump(t_s, self.p300_s + flash.jitter_s, P300_WIDTH_S)
        self._active = [one for one in self._active if first + n - one.i_sample < LASTS_S * self._rate_hz]
        return out

    def _take(self, marker: Cue) -> None:
        if (group := flash_of(marker.state)) is not None:
            self._flash(marker.i_sample, group)
        elif (item := cue_of(marker.state)) is not None:
            self.attended = item if item in self._items else None
        elif marker.state not in (BEGIN, END):
            self.attended = None

    def _flash(self, i_sample: int, group: str) -> None:
        jitter, spread = self._rng.standard_normal(
            2
        )  # drawn for every flash: what is attended to changes no other
        strength = 0.0
        if self.attended is not None and self.attended in self._groups.get(group, ()):
            since_s = (i_sample - self._i_last) / self._rate_hz
            strength = 1.0 - math.exp(-max(since_s, 0.0) / RECOVERY_S)
            self._i_last = i_sample
        p300 = strength * self._p300_uv * math.exp(SPREAD * spread)
        self._active.append(_Flash(i_sample, strength * self._n200_uv, p300, JITTER_S * jitter))


class FlashCues:
    """Trials of a speller without a page: a cue, repetitions of flashes, an end; a source of markers as `GrazCues` is.

    Parameters
    ----------
    attention : Attention
    rate_hz : float
    rng : Generator
        Of its own.

    Raises
    ------
    ConfigError
        When a wanted item is none of the groups'.
    """

    def __init__(
        self,
        attention: Attention,
        rate_hz: float,
        rng: np.random.Generator,
    ) -> None:
        if unknown := sorted(set(attention.wanted) - set(attention.items)):
            raise ConfigError(
                f"FlashCues: {', '.join(unknown)} asked for, need items of {' '.join(attention.items)}"
            )
        self._attention, self._rate_hz, self._rng = attention, rate_hz, rng
        self._order = FlashOrder(attention.groups, rng)
        self._n_asked = 0
        self._ends = False
        self._planned = self._trial(FIRST_S)

    def until(self, i_stop: int) -> list[Cue]:
        """Take the markers before sample `i_stop` that were not taken yet."""
        due: list[Cue] = []
        ends, self._ends = self._ends, False
        if ends and self._planned[-1].state == END and self._planned[0].state.startswith((FLASH, END)):
            self._planned = [Cue(self._planned[0].i_sample, END)]
        while self._planned[0].i_sample < i_stop:
            due.append(self._planned.pop(0))
            if not self._planned:
                self._planned = self._trial(due[-1].i_sample / self._rate_hz + REST_S)
        return due

    def end_trial(self) -> None:
        """End the trial whose flashes have begun with the next flash's time; it has been decided. From any thread."""
        self._ends = True

    def _trial(self, t_s: float) -> list[Cue]:
        attention = self._attention
        items = attention.wanted or attention.items
        i = self._n_asked % len(items) if attention.wanted else int(self._rng.integers(len(items)))
        self._n_asked += 1
        begin_s = t_s + LEAD_S
        flashes = self._order.repetitions(attention.repetitions)
        last_s = begin_s + attention.soa_s * len(flashes)
        return [
            self._at(t_s, CUE + items[i]),
            self._at(begin_s - attention.soa_s / 2, BEGIN),
            *(self._at(begin_s + k * attention.soa_s, FLASH + name) for k, name in enumerate(flashes)),
            self._at(last_s, END),
        ]

    def _at(self, t_s: float, text: str) -> Cue:
        return Cue(round(t_s * self._rate_hz), text)


def _bump(t_s: FloatArray, peak_s: float, width_s: float) -> FloatArray:
    """A Gaussian of height 1; nothing before the flash."""
    return np.where(t_s >= 0, np.exp(-0.5 * ((t_s - peak_s) / width_s) ** 2), 0.0)
