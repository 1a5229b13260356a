import zipfile
from pathlib import Path

import msgspec
import pytest

from rtbci.errors import FileFormatError, ProfileError
from rtbci.probe.calibration_record import write_record
from rtbci.probe.profile import read_profile, write_profile
from rtbci.runtime import profile_file
from rtbci.runtime.profile_file import MAX_BYTES, export_profile, read_exported
from tests.calibration_samples import make_record
from tests.probe_samples import make_profile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_profile(tmp_path / "p", make_profile())
    write_record(tmp_path / "p", make_record())
    return tmp_path / "p"


def plain(profile: object) -> object:
    return msgspec.structs.replace(profile, weights={})  # type: ignore[type-var]


def test_what_is_exported_is_read(folder: Path, tmp_path: Path) -> None:
    profile, record = read_exported(export_profile(folder, tmp_path / "a.zip"))
    assert plain(profile) == plain(read_profile(folder))
    assert record == make_record()
    (folder / "calibration.json").unlink()
    assert read_exported(export_profile(folder, tmp_path / "b.zip"))[1] is None


def test_the_same_profile_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    a, b = (export_profile(folder, tmp_path / name).read_bytes() for name in ("a.zip", "b.zip"))
    assert a == b
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["profile.json", "weights.safetensors", "calibration.json"]


def test_a_file_is_replaced_only_on_demand(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_text("mine")
    with pytest.raises(FileFormatError, match="is already there"):
        export_profile(folder, file)
    assert file.read_text() == "mine"
    export_profile(folder, file, replace=True)
    with pytest.raises(FileFormatError, match="cannot be written"):
        export_profile(folder, tmp_path / "nowhere" / "a.zip")


def test_nothing_broken_is_exported(folder: Path, tmp_path: Path) -> None:
    (folder / "calibration.json").write_text("{")
    with pytest.raises(FileFormatError, match="calibration"):
        export_profile(folder, tmp_path / "a.zip")
    (folder / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(ProfileError, match="changed or cut short"):
        export_profile(folder, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def archive_of(path: Path, parts: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "extra", ["../evil", "/etc/evil", "weights.pkl", "sub/profile.json", "PROFILE.JSON", "a\\..\\b"]
)
def test_other_names_are_refused_and_nothing_is_unpacked(folder: Path, tmp_path: Path, extra: str) -> None:
    parts = [(name, (folder / name).read_bytes()) for name in ("profile.json", "weights.safetensors")]
    file = archive_of(tmp_path / "a.zip", [*parts, (extra, b"x")])
    with pytest.raises(FileFormatError, match="and nothing else"):
        read_exported(file)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zip", "p"]


def test_a_name_that_comes_twice_or_is_missing(folder: Path, tmp_path: Path) -> None:
    text, weights = ((folder / name).read_bytes() for name in ("profile.json", "weights.safetensors"))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive_of(
            tmp_path / "a.zip",
            [("profile.json", text), ("profile.json", text), ("weights.safetensors", weights)],
        )
    for file in (twice, archive_of(tmp_path / "b.zip", [("profile.json", text)])):
        with pytest.raises(FileFormatError, match=r"need profile\.json and weights\.safetensors"):
            read_exported(file)


def test_a_bomb_is_refused(folder: Path, tmp_path: Path) -> None:
    zeros = b"\0" * (MAX_BYTES["profile.json"] + 1)
    weights = (folder / "weights.safetensors").read_bytes()
    file = archive_of(
        tmp_path / "a.zip", [("profile.json", zeros), ("weights.safetensors", weights)], zipfile.ZIP_DEFLATED
    )
    assert file.stat().st_size < 50_000
    with pytest.raises(FileFormatError, match="unpacks to 4194305 bytes or more, need 4194304 at most"):
        read_exported(file)
    # The same with a header that lies about the size.
    blob = file.read_bytes().replace((len(zeros)).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    file.write_bytes(blob)
    with pytest.raises(FileFormatError, match=r"cannot be read|unpacks to"):
        read_exported(file)


def test_a_file_too_large_is_not_even_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = export_profile(folder, tmp_path / "a.zip")
    monkeypatch.setattr(profile_file, "MAX_FILE_BYTES", file.stat().st_size - 1)
    with pytest.raises(FileFormatError, match="is larger than"):
        read_exported(file)


def test_another_packing_is_refused(folder: Path, tmp_path: Path) -> None:
    parts = [(name, (folder / name).read_bytes()) for name in ("profile.json", "weights.safetensors")]
    with pytest.raises(FileFormatError, match="packed in another way"):
        read_exported(archive_of(tmp_path / "a.zip", parts, zipfile.ZIP_LZMA))
    profile, _ = read_exported(archive_of(tmp_path / "b.zip", parts, zipfile.ZIP_DEFLATED))
    assert profile.user == "ada"


@pytest.mark.parametrize("where", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_is_found(folder: Path, tmp_path: Path, where: float) -> None:
    blob = bytearray(export_profile(folder, tmp_path / "a.zip").read_bytes())
    blob[int(where * len(blob))] ^= 4
    (tmp_path / "b.zip").write_bytes(blob)
    with pytest.raises((FileFormatError, ProfileError), match=r"b\.zip"):
        read_exported(tmp_path / "b.zip")


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04K\x01."])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"import .*a\.zip: cannot be read"):
        read_exported(tmp_path / "a.zip")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_exported(tmp_path / "none.zip")


def test_weights_that_are_not_those_of_the_json(folder: Path, tmp_path: Path) -> None:
    write_profile(tmp_path / "q", msgspec.structs.replace(make_profile(), weights={}))
    file = archive_of(
        tmp_path / "a.zip",
        [
            ("profile.json", (folder / "profile.json").read_bytes()),
            ("weights.safetensors", (tmp_path / "q" / "weights.safetensors").read_bytes()),
        ],
    )
    with pytest.raises(ProfileError, match=r"a\.zip: weights.safetensors has sha256"):
        read_exported(file)
