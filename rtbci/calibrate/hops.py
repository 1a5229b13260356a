"""A calibration's whole decoded signal on disk, so that a decoder that comes out of it can be tried on all of it."""

import errno
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.calibrate.store import PATTERN
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import FileFormatError
from rtbci.evaluate.online import Span
from rtbci.evaluate.scoring import span_probs
from rtbci.evaluate.trials import Trial
from rtbci.probe.branches import follow_flicker
from rtbci.probe.flicker_clock import FLICKER_AT, HOLD_S, FlickerClock, steady_time
from rtbci.probe.profile import Profile
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Marker

__all__ = ["HopLog", "read_hops", "spans_of"]

FILE_NAME = "hops.bin"
BEFORE_S, AFTER_S = 3.0, 2.5
"""Of the stream around a cue that counts when activations do: cross and pause, but not the breaks."""


class HopLog:
    """Appends hops to `hops.bin` of a folder; what a kill cuts short is dropped when it is gone on with.

    Parameters
    ----------
    folder : Path
    hop_samples, n_channels : int
        Of the decoder.

    Notes
    -----
    31 channels at 256 Hz are 2 MB a minute. One thread pushes; nothing is kept back in a buffer.

    Raises
    ------
    FileFormatError
        Also from `push` and `close`, when the file cannot be written.
    """

    def __init__(self, folder: Path, hop_samples: int, n_channels: int) -> None:
        self._type = _type(hop_samples, n_channels)
        self._row = np.zeros(1, self._type)
        self._path = folder / FILE_NAME
        try:
            self._file = self._path.open("ab", buffering=0)
            # A run that was killed may have left part of a row.
            self._file.truncate(self._file.tell() // self._type.itemsize * self._type.itemsize)
        except OSError as error:
            raise self._refused(error) from error

    def push(self, hop: npt.NDArray[np.float32], t_newest: float, begins: bool) -> None:
        """Append a hop, shape (hop_samples, n_channels), its stamp, and whether the stream began anew with it."""
        self._row["t"], self._row["begins"], self._row["x"] = t_newest, begins, hop
        self._row["crc"] = _crc(self._row[0])
        row = self._row.tobytes()
        try:
            if self._file.write(row) != len(row):  # the disk is full, and says so only at the next write
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._refused(error) from error

    def close(self) -> None:
        """Have the disk keep it; may be called more than once."""
        if self._file.closed:
            return
        with self._file:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise self._refused(error) from error

    def _refused(self, error: OSError) -> FileFormatError:
        # Without a trial there is nothing to go on with.
        again = "go on with --resume" if any(self._path.parent.glob(PATTERN)) else "begin again"
        return FileFormatError(
            f"calibration {self._path}: cannot be written ({error.strerror or error}), need room and the right to write; make "
            f"some, then {again}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read_hops(folder: Path, hop_samples: int, n_channels: int) -> "list[npt.NDArray[np.void]]":
    """Hops of a folder, in pieces without a break: arrays with the fields ``t``, ``begins`` and ``x``.

    A hop whose checksum is not right is left out, and a piece ends in front of it.

    Raises
    ------
    FileFormatError
        When the file cannot be read, or no hop in it is sound.
    """
    path, kind = folder / FILE_NAME, _type(hop_samples, n_channels)
    try:
        n = path.stat().st_size // kind.itemsize
        rows = np.fromfile(path, kind, n)
    except OSError as error:
        raise FileFormatError(
            f"calibration {path}: cannot be read ({error.strerror}), need what `rtbci calibrate` writes; calibrate again"
        ) from error
    sound = np.array([row["crc"] == _crc(row) for row in rows], bool)
    if len(rows) and not sound.any():
        raise FileFormatError(
            f"calibration {path}: none of its {len(rows)} hops is as it was written; it is damaged, or of an earlier "
            "rtbci: calibrate again"
        )
    begins = rows["begins"].astype(bool)
    begins[1:] |= ~sound[:-1]
    parts = np.split(np.arange(len(rows)), np.flatnonzero(begins))
    return [rows[part[sound[part]]] for part in parts if sound[part].any()]


def spans_of(
    pieces: "Sequence[npt.NDArray[np.void]]",
    decoder: Decoder,
    profile: Profile,
    trials: Sequence[CalibrationTrial],
    imagery_s: float,
) -> list[Span]:
    """Decode hops with a profile; one span for each piece that holds a trial.

    Parameters
    ----------
    pieces : sequence of ndarray
        See `read_hops`.
    decoder : Decoder
        Its stream open; gives engines and recipe, and is not changed.
    profile : Profile
        What to decode with.
    trials : sequence of CalibrationTrial
        Rejected ones too: they do not count, but their imagery is no idle time.
    imagery_s : float
        From a cue to the end of its imagery.

    Notes
    -----
    Only cross, imagery and pause of the trials count, because in breaks the user may do anything.
    """
    spans = []
    for piece in pieces:
        t_newest = np.asarray(piece["t"], dtype=np.float64)
        # By a stamp, not by a range: the clock of a calibration that goes on after a restart may show the same times again.
        stamps = set(t_newest.tolist())
        mine = [
            Trial(0, one.t_cue, one.t_cue + imagery_s, one.i_class)
            for one in trials
            if one.accepted and float(one.t_newest[-1]) in stamps
        ]
        if not mine:
            continue
        clock = _clock_of(profile, trials, t_newest)
        logits = np.array(list(_decoded(piece["x"], t_newest, decoder, profile, clock)))
        near = np.zeros(len(t_newest), dtype=bool)
        for one in mine:
            near |= (t_newest >= one.t_cue - BEFORE_S) & (t_newest <= one.t_end + AFTER_S)
        for other in trials:
            if not other.accepted:
                near &= ~((t_newest >= other.t_cue) & (t_newest <= other.t_cue + imagery_s))
        logits[~near] = np.nan
        spans.append(
            Span(t_newest, span_probs(logits, profile.temperature), tuple(mine), decoder.recipe.idle)
        )
    return spans


def _clock_of(profile: Profile, trials: Sequence[CalibrationTrial], t_newest: FloatArray) -> FlickerClock:
    """What knows the flicker's phase in the trials of a piece, as the running decoder did: where one began with a trial, from there on."""
    n_hops, hop_s = profile.window_samples // profile.hop_samples, profile.hop_samples / profile.rate_hz
    clock = FlickerClock(n_hops, hop_s)
    for one in trials:
        if not len(one.t_newest) or not np.isfinite(one.flicker_s[-1]):
            continue
        i = int(np.searchsorted(t_newest, one.t_newest[-1]))
        if i < len(t_newest) and t_newest[i] == one.t_newest[-1]:
            t_end = steady_time(t_newest[max(0, i + 1 - n_hops) : i + 1], hop_s)
            before_s = min(float(one.flicker_s[-1]), HOLD_S)
            clock.mark(Marker(t_end - before_s, f"{FLICKER_AT}{float(one.flicker_s[-1]) - before_s!r}"))
    return clock


def _decoded(
    hops: npt.NDArray[np.float32],
    t_newest: FloatArray,
    decoder: Decoder,
    profile: Profile,
    clock: FlickerClock,
) -> Iterator[FloatArray]:
    """Fused logits at each hop, as the running decoder gives them; NaN until a window is full."""
    successor, centring = decoder.prepare(profile), decoder.new_centring()
    nothing = np.full(len(decoder.classes), np.nan)
    follow_flicker(successor.branches, clock)
    for hop, t_hop in zip(hops, t_newest.tolist(), strict=True):
        clock.hop(t_hop)
        for branch in successor.branches:
            branch.push(hop.astype(np.float64))
        said = [branch.logits() for branch in successor.branches]
        ready = [one for one in said if one is not None]
        fused = successor.fusion.centred(ready, centring) if len(ready) == len(said) else None
        yield nothing if fused is None else fused


def _type(hop_samples: int, n_channels: int) -> np.dtype[np.void]:
    x = ("x", "<f4", (hop_samples, n_channels))
    return np.dtype([("crc", "<u4"), ("t", "<f8"), ("begins", "<u1"), x])


def _crc(row: np.void) -> int:
    """CRC-32 of all of a row behind the checksum itself."""
    return zlib.crc32(row.tobytes()[4:])
