from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtbci.calibrate.one_cap import of_one_cap
from rtbci.errors import ChannelError
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from tests.tiny import eeg, stream_info, write_paradigm


def recording(*labels: str, rate_hz: float = 250.0) -> Recording:
    """The tiny paradigm reads C3, CZ and C4; the samples of an electrode are those of its name."""
    signals = {"C3": 1.0, "CZ": 2.0, "C4": 3.0}
    data = eeg(500, len(labels)) * 0.0 + [signals.get(label.upper(), 9.0) for label in labels]
    return Recording(replace(stream_info(labels, name="-".join(labels)), rate_hz=rate_hz), data)


def test_what_only_some_have_is_left_out(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    first, second = recording("C3", "Oz", "CZ", "C4", "Pz"), recording("C4", "Cz", "C3", "Pz", "EMG")
    found, left = of_one_cap([first, second], recipe)
    assert left == ("Oz", "EMG")
    for one in found:
        assert one.info.labels == ("C3", "CZ", "C4", "Pz")
        np.testing.assert_array_equal(one.data[0], [1.0, 2.0, 3.0, 9.0])


def test_those_that_are_alike_are_given_back(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    given = [recording("C3", "CZ", "C4", "EMG"), recording("C3", "CZ", "C4", "EMG")]
    found, left = of_one_cap(given, recipe)
    assert left == ()
    assert all(one is other for one, other in zip(found, given, strict=True))


def test_one_that_lacks_what_the_decoder_reads_is_refused(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    with pytest.raises(
        ChannelError, match="'C3-CZ-C4-Pz' has C4, which the decoder reads and 'C3-CZ-Pz' lacks"
    ):
        of_one_cap([recording("C3", "CZ", "C4", "Pz"), recording("C3", "CZ", "Pz")], recipe)


def test_one_of_another_rate_is_refused(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    slow = recording("C3", "CZ", "C4", rate_hz=200.0)
    with pytest.raises(ChannelError, match="'C3-CZ-C4' has 200 Hz, 'C3-CZ-C4' 250 Hz, need the same rate"):
        of_one_cap([recording("C3", "CZ", "C4"), slow], recipe)
