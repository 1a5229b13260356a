"""A profile as one portable file: a zip of its folder, the same bytes for the same profile, never a pickle."""

import io
import tempfile
import zipfile
import zlib
from pathlib import Path

from rtbci.errors import FileFormatError, ProfileError
from rtbci.files import write_whole
from rtbci.probe.calibration_record import RECORD_NAME, CalibrationRecord
from rtbci.probe.profile import JSON_NAME, WEIGHTS_NAME, Profile, read_profile
from rtbci.runtime.profile_list import read_record_beside

__all__ = ["MAX_BYTES", "export_profile", "read_exported"]

MAX_BYTES = {JSON_NAME: 4 << 20, WEIGHTS_NAME: 128 << 20, RECORD_NAME: 32 << 20}
"""What an exported file may hold, and the most that each part may unpack to; shipped profiles are below 1 MB."""
MAX_FILE_BYTES = sum(MAX_BYTES.values()) + 4096
NEEDED = (JSON_NAME, WEIGHTS_NAME)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can say: its bytes do not depend on when it was made."""


def export_profile(folder: Path, file: Path, *, replace: bool = False) -> Path:
    """Write a profile's folder as one file.

    Parts are stored, not deflated: the bytes do not depend on a version of zlib, and weights hardly shrink.

    Parameters
    ----------
    folder : Path
        Read with every check first: nothing broken is handed on.
    file : Path
    replace : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    ProfileError, FileFormatError
        When the profile or its calibration.json is broken.
    FileFormatError
        When the file is there, or cannot be written.
    """
    read_profile(folder)
    read_record_beside(folder)
    if file.exists() and not replace:
        raise FileFormatError(f"export {file}: is already there, need a new name; choose another, or --force")
    blob = io.BytesIO()
    with zipfile.ZipFile(blob, "w", zipfile.ZIP_STORED) as archive:
        for name in MAX_BYTES:
            if (folder / name).is_file():
                part = zipfile.ZipInfo(name, DATE)
                part.create_system, part.external_attr = 3, 0o100644 << 16  # as on Unix, wherever it is made
                archive.writestr(part, (folder / name).read_bytes())
    try:
        write_whole(file, blob.getvalue())
    except OSError as error:
        raise FileFormatError(
            f"export {file}: cannot be written ({error.strerror}), need a folder that is there; choose another place"
        ) from error
    return file


def read_exported(file: Path) -> tuple[Profile, CalibrationRecord | None]:
    """Read what `export_profile` wrote, trusting nothing of it.

    Only the names of `MAX_BYTES` are unpacked, each once and up to its limit, whatever the archive says of their
    sizes; then a profile is read as from any folder, with its checksum.

    Raises
    ------
    FileFormatError
        When it is no such file.
    ProfileError
        When the profile in it is broken.
    """
    where = f"import {file}"
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise FileFormatError(
                f"{where}: is larger than {MAX_FILE_BYTES} bytes; this is no profile of rtbci"
            )
        with zipfile.ZipFile(file) as archive:
            parts = _unpack(archive, where)
    except FileFormatError:
        raise
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError) as error:
        raise FileFormatError(
            f"{where}: cannot be read ({error}), need a file of `rtbci profile export`; export it again"
        ) from error
    with tempfile.TemporaryDirectory(prefix="rtbci-import-") as name:
        folder = Path(name)
        for part, content in parts.items():
            (folder / part).write_bytes(content)
        try:
            return read_profile(folder), read_record_beside(folder)
        except (ProfileError, FileFormatError) as error:
            # The message names a folder that nobody knows: the file's name instead.
            raise type(error)(str(error).replace(str(folder), str(file))) from error


def _unpack(archive: zipfile.ZipFile, where: str) -> dict[str, bytes]:
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(set(names)) < len(names) or set(names) - set(MAX_BYTES) or not set(names).issuperset(NEEDED):
        raise FileFormatError(
            f"{where}: holds {sorted(names)[:8]}, need {' and '.join(NEEDED)}, with or without {RECORD_NAME}, and "
            "nothing else; export it again"
        )
    if any(info.compress_type not in METHODS or info.flag_bits & 1 for info in infos):
        raise FileFormatError(
            f"{where}: is encrypted or packed in another way than stored or deflated; export it again"
        )
    return {info.filename: _read_part(archive, info, where) for info in infos}


def _read_part(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    limit = MAX_BYTES[info.filename]
    content = b""
    if info.file_size <= limit:
        with archive.open(info) as part:
            content = part.read(
                limit + 1
            )  # no more than that is ever unpacked; the checksum is compared at the end
    if info.file_size > limit or len(content) > limit:
        raise FileFormatError(
            f"{where}: {info.filename} unpacks to {info.file_size} bytes or more, need {limit} at most; this is no "
            "profile of rtbci"
        )
    return content
