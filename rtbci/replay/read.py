"""Read any recording: one function, by what the file is."""

from pathlib import Path

from rtbci.errors import FileFormatError
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.replay.recording import Recording
from rtbci.replay.sniff import Kind, file_kind, find_file

__all__ = ["check_recording", "read_recordings"]

TEXT_KINDS = ("Muse CSV", "Muse Monitor CSV", "OpenBCI text")


def read_recordings(
    path: Path | str, *, start_s: float = 0.0, stop_s: float | None = None
) -> list[Recording]:
    """Read all streams of a file.

    Parameters
    ----------
    path : Path or str
        EDF, EDF+, BDF, GDF, BrainVision, EEGLAB .set, FIF, EGI raw, Nicolet, XDF, CSV of Muse or Muse
        Monitor, text of the OpenBCI GUI, or this project's .npz. A companion file (``.eeg``, ``.vmrk``,
        ``.fdt``, ``.head``) stands for its header, a recorded session's folder for its XDF file.
    start_s, stop_s : float
        Part to read, in seconds from the start of the file (for XDF: of its earliest stream).

    Returns
    -------
    list of Recording
        At least one. EEG is in microvolts; markers are annotations, or the changes of a trigger channel
        where there are none. `Recording.notes` holds what people should know.

    Raises
    ------
    FileFormatError
        Missing, a folder, empty, damaged, not EEG, named as something else, or larger than what fits.
    """
    given, file, kind = _found(Path(path))
    if kind.name == "XDF":
        from rtbci.replay.read_xdf import read_xdf

        recordings = read_xdf(file)
    elif kind.name in TEXT_KINDS:
        from rtbci.replay.read_text import read_text

        recordings = read_text(file, kind)
    elif kind.name == "npz":
        from rtbci.replay.read_npz import read_npz

        recordings = read_npz(file)
    else:
        from rtbci.replay.read_mne import read_mne

        return read_mne(file, kind, start_s, stop_s)
    return recordings if start_s <= 0 and stop_s is None else _crop(given, recordings, start_s, stop_s)


def check_recording(path: Path) -> None:
    """Look at a recording's beginning, without reading it.

    Raises
    ------
    FileFormatError
        Missing, a folder, empty, or of no kind that is known.
    """
    _found(path)


def _found(given: Path) -> tuple[Path, Path, Kind]:
    """What was named, or stands for it; the file to read; its kind."""
    try:
        if (given / SESSION_XDF).is_file():  # a recorded session's folder stands for its file
            given = given / SESSION_XDF
        file = find_file(given)
        return given, file, file_kind(file)
    except OSError as error:
        raise FileFormatError(
            f"{given}: cannot be opened ({error.strerror}); check its name and permissions"
        ) from error


def _crop(path: Path, recordings: list[Recording], start_s: float, stop_s: float | None) -> list[Recording]:
    """Cut all streams at the same times of the file's clock; streams with nothing there are left out."""
    zero_s = min(recording.t0_s for recording in recordings)
    parts = []
    for recording in recordings:
        offset_s = recording.t0_s - zero_s
        last_s = offset_s + recording.duration_s
        if last_s > start_s and (stop_s is None or offset_s < stop_s):
            parts.append(recording.crop(start_s - offset_s, None if stop_s is None else stop_s - offset_s))
    if not parts:
        longest_s = max(r.t0_s - zero_s + r.duration_s for r in recordings)
        raise FileFormatError(
            f"{path}: nothing after {start_s:g} s, it lasts {longest_s:.1f} s; choose an earlier start"
        )
    return parts
