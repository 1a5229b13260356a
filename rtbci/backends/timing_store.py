"""What a compiler measured of its kernels, kept for the next engine: TensorRT's timing cache."""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from rtbci.backends.kept import keep

__all__ = ["TimingStore"]

DIGEST_BYTES = 32


class TimingStore:
    """Blobs by name, each behind its sha256.

    Parameters
    ----------
    folder : Path
        Made when something is written.
    told : callable
        Gets a sentence when a blob was damaged or cannot be kept.
    """

    def __init__(self, folder: Path, told: Callable[[str], None]) -> None:
        self._folder, self._told = folder, told

    def read(self, name: str) -> bytes | None:
        """What was kept under a name (any text); None when there is nothing, or nothing sound."""
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, data = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if sha256(data).digest() == digest:
            return data
        self._told(f"engine cache: {path} was damaged and is removed; kernels are timed again")
        with suppress(OSError):
            path.unlink()
        return None

    def write(self, name: str, data: bytes) -> None:
        """Keep a blob; one of that name is replaced."""
        path = self._path(name)
        if why := keep(path, sha256(data).digest() + data):
            self._told(f"engine cache: timings cannot be kept in {path} ({why})")

    def _path(self, name: str) -> Path:
        return self._folder / sha256(name.encode()).hexdigest()[:32]
