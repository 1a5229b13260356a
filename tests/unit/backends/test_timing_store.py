from pathlib import Path

from rtbci.backends.timing_store import TimingStore


def test_kept_by_name_and_replaced(tmp_path: Path) -> None:
    said: list[str] = []
    store = TimingStore(tmp_path / "timing", said.append)
    assert store.read("a") is None
    store.write("a", b"one")
    store.write("b/../c", b"two")
    store.write("a", b"three")
    assert (store.read("a"), store.read("b/../c"), store.read("c")) == (b"three", b"two", None)
    assert said == []


def test_damage_is_told_and_forgotten(tmp_path: Path) -> None:
    said: list[str] = []
    store = TimingStore(tmp_path, said.append)
    store.write("a", b"measured")
    (path,) = (one for one in tmp_path.iterdir() if not one.suffix)
    for damaged in (path.read_bytes()[:-1], b"", path.read_bytes() + b"x"):
        path.write_bytes(damaged)
        assert store.read("a") is None
        assert store.read("a") is None
        store.write("a", b"measured")
    assert len(said) == 3
    assert "was damaged and is removed" in said[0]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    store = TimingStore(tmp_path / "file", said.append)
    store.write("a", b"1")
    assert store.read("a") is None
    assert "cannot be kept" in said[0]
