"""Archives of a recording and its stimulus channel, with a YAML file beside them."""

from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import FileFormatError
from rtbci.replay.read import read_recordings

YAML = """
acquisition:
  samplingrate: 128
  sensors: [Cz, Pz]
"""


def write(folder: Path, text: str | None = YAML, n_columns: int = 3) -> Path:
    path = folder / "s.npz"
    stim = np.zeros(256, np.int16)
    stim[[64, 128]] = 1, 2
    np.savez(path, data=np.arange(256.0 * n_columns).reshape(256, n_columns).astype(np.float32), stim=stim)
    if text is not None:
        path.with_suffix(".yml").write_text(text)
    return path


def test_codes_become_markers_and_unused_columns_are_left_out(tmp_path: Path) -> None:
    (found,) = read_recordings(write(tmp_path))
    assert (found.info.labels, found.info.rate_hz, found.n_samples) == (("Cz", "Pz"), 128.0, 256)
    assert [(one.t_lsl, one.value) for one in found.markers] == [(0.5, "1"), (1.0, "2")]
    assert found.data[1].tolist() == [3.0, 4.0]
    assert found.info.channels[0].unit == "microvolts"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, r"need s\.yml with labels and rate beside it"),
        ("a: [", "is no description of a recording"),
        ("other: 1", "is no description of a recording"),
        ("acquisition: 5", "acquisition is int, need a mapping"),
        ("acquisition: {sensors: [Cz]}", "has no usable acquisition.sensors and acquisition.samplingrate"),
        ("acquisition: {sensors: [a, b, c, d], samplingrate: 128}", "for 4 sensors at 128 Hz"),
        ("acquisition: {sensors: [a], samplingrate: 0}", "for 1 sensors at 0 Hz"),
        ("!!python/object/apply:os.system ['true']", "is no description of a recording"),
    ],
)
def test_what_is_missing_or_wrong_is_told(tmp_path: Path, text: str | None, match: str) -> None:
    with pytest.raises(FileFormatError, match=match):
        read_recordings(write(tmp_path, text))
