"""Flashes of a running stream, kept with their windows until there are enough to fit on."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rtbci.errors import CalibrationError
from rtbci.flashes.epochs import FlashEpochs, find_flashes, flashes_of
from rtbci.probe.branches import Branch
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.verdict import Verdict
from rtbci.stages.marker_windows import DroppedMarker
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import UNSEEN, Marker, StreamInfo

__all__ = ["FlashCollector"]


class _Heard:
    """A branch that remembers the newest window that it was asked about."""

    def __init__(self, branch: Branch, keep: Callable[[FloatArray], None]) -> None:
        self._branch, self._keep = branch, keep
        self.name, self.window_samples = branch.name, branch.window_samples

    def push(self, hop: FloatArray) -> None:
        self._branch.push(hop)

    def logits(self) -> FloatArray | None:
        return self._branch.logits()

    def logits_of(self, window: FloatArray) -> FloatArray:
        self._keep(window)
        return self._branch.logits_of(window)

    def rehearse(self) -> None:
        self._branch.rehearse()

    def reset(self) -> None:
        self._branch.reset()


class FlashCollector(Decoder):
    """A decoder that keeps the windows of flashes whose selection has a cue, as `rtbci.flashes.epochs.cut_epochs` does.

    Parameters
    ----------
    recipe : ParadigmRecipe
        With `flashes`.
    n_wanted : int
        Cued selections until `enough` is set.
    say : callable, optional
        Takes a line after each cued selection.
    profile : Path or None
        What decodes meanwhile; None: the population's.

    Attributes
    ----------
    enough : threading.Event
        Set when they are there, their last windows too.
    """

    def __init__(
        self,
        recipe: ParadigmRecipe,
        n_wanted: int,
        say: Callable[[str], None] = lambda _line: None,
        profile: Path | None = None,
    ) -> None:
        super().__init__(recipe, profile=profile, mask=False)
        self.enough = threading.Event()
        self._n_wanted, self._say, self._n_told = n_wanted, say, 0
        self._markers: list[Marker] = []
        self._windows: dict[float, FloatArray] = {}
        self._gone: set[float] = set()
        self._new: list[FloatArray] = []
        self._may_end = False

    def open(self, info: StreamInfo, unit: str = "") -> ChannelMap:
        """Get ready for a stream; what was kept is kept."""
        channel_map = super().open(info, unit)
        self._new.clear()
        first, *others = self.pipeline.branches
        self.pipeline.branches = (_Heard(first, lambda window: self._new.append(window.copy())), *others)
        return channel_map

    def mark(self, marker: Marker) -> None:
        """Take a marker."""
        self._markers.append(marker)
        meant = flashes_of(self.recipe).read(marker.value, self.recipe.classes)
        self._may_end |= meant is not None and meant.kind in ("end", "cue")
        super().mark(marker)

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Verdict]:
        """Decode the next samples, and keep their windows; see `Decoder.push`."""
        verdicts = super().push(data, t_lsl)
        for verdict, window in zip(verdicts, self._new, strict=True):
            if verdict.estimate.marker is not None:
                self._windows[verdict.estimate.marker.t_lsl] = window
        self._new.clear()
        if verdicts and self._may_end:
            self._look()
        return verdicts

    def lost_windows(self) -> list[DroppedMarker]:
        """Take the markers that get no window; see `Decoder.lost_windows`."""
        lost = super().lost_windows()
        self._gone |= {one.marker.t_lsl for one in lost}
        return lost

    def collected(self) -> FlashEpochs:
        """Everything that has a label and a window.

        Raises
        ------
        CalibrationError
            When there is nothing.
        """
        labelled = find_flashes(self._markers, self.recipe)
        kept = [one for one in labelled if one.t_s in self._windows]
        if not kept or self.channel_map is None:
            texts = sorted({marker.value for marker in self._markers})
            raise CalibrationError(
                f"calibrate: no flash with a cue has come, markers were {', '.join(texts[:8]) or 'none'}, need cue/ITEM and "
                "flash/GROUP; `rtbci streams` lists marker streams, --markers names one"
            )
        windows = np.stack([self._windows[one.t_s] for one in kept])
        n_lost = len(labelled) - len(kept)
        return FlashEpochs(windows, tuple(kept), n_lost, self.rate_hz, self.channel_map.found_labels)

    def _look(self) -> None:
        """Whether a cued selection is complete: it has ended, and none of its windows is waited for."""
        done = self._complete()
        for item, n_flashes in done[self._n_told :]:
            self._n_told += 1
            self._say(f"item {self._n_told} of {self._n_wanted}: {item}, {n_flashes} flashes")
        self._may_end = len(done) < self._n_ended()
        if len(done) >= self._n_wanted:
            self.enough.set()

    def _complete(self) -> list[tuple[str, int]]:
        """Item and number of flashes of each complete selection."""
        flags: dict[int, list[bool]] = {}
        items: dict[int, str] = {}
        for one in find_flashes(self._markers, self.recipe):
            flags.setdefault(one.i_selection, []).append(one.t_s in self._windows or one.t_s in self._gone)
            items[one.i_selection] = one.cue
        return [(items[i], len(found)) for i, found in sorted(flags.items())[: self._n_ended()] if all(found)]

    def _n_ended(self) -> int:
        """Cued selections that have ended: by ``trial/end``, or by the next cue."""
        flashes, n_ended, is_open, has_flash = flashes_of(self.recipe), 0, False, False
        for marker in sorted(self._markers, key=lambda one: one.t_lsl):
            meant = flashes.read(marker.value, self.recipe.classes)
            if marker.value == UNSEEN:
                is_open = False
            if meant is None:
                continue
            if meant.kind in ("end", "cue"):
                n_ended += is_open and has_flash
                is_open, has_flash = meant.kind == "cue", False
            elif meant.kind == "flash":
                has_flash = True
        return n_ended
