"""Archives of whole runs, each run a recording of its own: a decoder starts fresh on every one."""

from pathlib import Path

from rtbci.errors import FileFormatError
from rtbci.replay.read_npz import read_npz
from rtbci.replay.recording import Recording

__all__ = ["is_run_archive", "read_npz_runs"]

JOIN_PAUSE_S = 5.0


def is_run_archive(path: Path) -> bool:
    """Whether a file is read by `read_npz_runs`."""
    return path.suffix.lower() == ".npz"


def read_npz_runs(path: Path | str) -> list[Recording]:
    """Runs of an archive as `rtbci.replay.read_npz` reads it, cut apart where it joins them.

    Raises
    ------
    FileFormatError
        When it is missing, another archive, or damaged.
    """
    (joined,) = read_npz(path)
    starts_s = [0.0, *(before + extra + 1.0 / joined.info.rate_hz for before, extra in joined.gaps())]
    ends_s: list[float | None] = [start - JOIN_PAUSE_S / 2 for start in starts_s[1:]]
    runs = [joined.crop(start, end) for start, end in zip(starts_s, [*ends_s, None], strict=True)]
    if not any(run.n_samples for run in runs):
        raise FileFormatError(f"{path}: its runs are empty, need samples; copy it again")
    return runs
