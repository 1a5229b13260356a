"""Make a valid XDF file of everything that is sound in a damaged one."""

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.files import free_name, sync_folder, unfinished, write_synced
from rtbci.listing import first_of
from rtbci.record.disk import is_being_written
from rtbci.record.xdf_format import MAGIC, Tag, XdfStream, chunk_bytes
from rtbci.record.xdf_headers import DECLARATION, Footer
from rtbci.record.xdf_read import mapped
from rtbci.record.xdf_scan import CHECKSUM_NAME, Buffer, Damage, Piece, Survey, numbers_of, survey, texts_of
from rtbci.record.xdf_write import BOUNDARY_CHUNK, footer_chunk, text_chunk
from rtbci.system.names import give_name

__all__ = ["Repaired", "repair_xdf", "said_damages", "sound_parts"]

FILE_HEADER = chunk_bytes(Tag.FILE_HEADER, f"{DECLARATION}<info><version>1.0</version></info>".encode())


class Repaired(NamedTuple):
    """What a repair did.

    Parameters
    ----------
    path : Path
        The valid file.
    original : Path
        Where the file is that it was made from; the same path when it needed no repair.
    damages : tuple of Damage
        What was left out.
    """

    path: Path
    original: Path
    damages: tuple[Damage, ...]


def repair_xdf(path: Path) -> Repaired:
    """Replace a damaged file by a valid one; the damaged one is kept beside it under another name.

    A file without footers, as a killed program leaves it, gets them.

    Raises
    ------
    FileFormatError
        When it cannot be read or is no XDF file, when it is being written at this moment, or when the new one
        cannot be written: nothing is changed then.
    """
    try:
        if is_being_written(path):
            raise FileFormatError(f"{path}: is being recorded, need a session that has ended; stop it first")
        with mapped(path) as data:
            found = survey(data, str(path), any_magic=True)
            if not found.damages and _has_footers(found):
                return Repaired(path, path, ())
            _write(unfinished(path), sound_parts(data, found))
        original = free_name(path, "damaged")
        _exchange(path, original)
        sync_folder(path.parent)
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be repaired here ({error.strerror}), need space and permission to write beside it"
        ) from error
    return Repaired(path, original, tuple(found.damages))


def _write(path: Path, parts: Iterable[bytes]) -> None:
    try:
        write_synced(path, parts)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _exchange(path: Path, original: Path) -> None:
    """Keep the file as `original` and put the new one in its place; killed at any moment, there is a file at `path`.

    Raises
    ------
    OSError
        When that cannot be; `path` is as it was.
    """
    try:
        os.link(path, original)
    except OSError:  # a disk without hard links: for a moment there is nothing at `path`
        give_name(path, original)
        try:
            give_name(unfinished(path), path)
        except OSError:
            give_name(original, path)
            unfinished(path).unlink()
            raise
        return
    try:
        give_name(unfinished(path), path, replace=True)
    except OSError:
        original.unlink()
        unfinished(path).unlink()
        raise


def said_damages(damages: Sequence[Damage], n_most: int = 3) -> str:
    """One sentence for people."""
    n_bytes = sum(one.stop - one.start for one in damages)
    which = first_of([f"bytes {one.start} to {one.stop}: {one.reason}" for one in damages], n_most, "; ")
    return f"{n_bytes} bytes are damaged and were left out ({which})"


def sound_parts(data: Buffer, found: Survey) -> Iterator[bytes]:
    """The bytes of a valid file with everything sound of `data`, with footers and checksums of its own."""
    yield MAGIC
    at, crc, n_vouched = len(MAGIC), zlib.crc32(MAGIC), 0
    checksum = next((i for i, one in found.streams.items() if one.name == CHECKSUM_NAME), None)
    if not any(piece.tag == Tag.FILE_HEADER for piece in found.pieces):
        yield FILE_HEADER
        at, crc = at + len(FILE_HEADER), zlib.crc32(FILE_HEADER, crc)
    footers = {stream_id: Footer(None, None, 0) for stream_id in found.streams}
    t_last_s = 0.0
    for part, piece in _parts(data, found, footers, checksum):
        yield part
        at, crc = at + len(part), zlib.crc32(part, crc)
        if piece is not None and piece.tag == Tag.SAMPLES:
            t_last_s = footers[piece.stream_id].t_last or t_last_s
        if checksum is not None and part == BOUNDARY_CHUNK:
            seal = text_chunk(checksum, [(t_last_s, f"{n_vouched} {at} {crc}")])
            yield seal
            n_vouched, at, crc = at, at + len(seal), zlib.crc32(seal)


def _parts(
    data: Buffer, found: Survey, footers: dict[int, Footer], checksum: int | None
) -> Iterator[tuple[bytes, Piece | None]]:
    """Sound chunks as they are, but for footers, which are made anew, and checksums, which are left out."""
    for piece in found.pieces:
        if piece.tag == Tag.STREAM_FOOTER or (piece.tag == Tag.SAMPLES and piece.stream_id == checksum):
            continue
        if piece.tag == Tag.BOUNDARY:
            yield BOUNDARY_CHUNK, piece
            continue
        if piece.tag == Tag.SAMPLES:
            stream = found.streams[piece.stream_id]
            footers[piece.stream_id] = _counted(footers[piece.stream_id], data, piece, stream)
        yield found.mended.get(piece.start) or bytes(data[piece.start : piece.stop]), piece
    for stream_id, footer in footers.items():
        yield footer_chunk(stream_id, footer), None
    yield BOUNDARY_CHUNK, None


def _counted(before: Footer, data: Buffer, piece: Piece, stream: XdfStream) -> Footer:
    if stream.format == "string":
        t_s = np.array([t for t, _ in texts_of(data, piece, stream)])
    else:
        _, t_s = numbers_of(data, piece, stream, before.t_last or 0.0)
    if not len(t_s):
        return before
    first = float(t_s[0]) if before.t_first is None else before.t_first
    return Footer(first, float(t_s[-1]), before.n_samples + len(t_s))


def _has_footers(found: Survey) -> bool:
    ended = {piece.stream_id for piece in found.pieces if piece.tag == Tag.STREAM_FOOTER}
    return ended == set(found.streams)
