import numpy as np
import pytest

from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.calibrate.bad_channels import find_bad_channels, mask_channels
from rtbci.errors import ChannelError, ShapeError
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.stream.source import FloatArray


@pytest.fixture(scope="module")
def ten_seconds() -> FloatArray:
    return SyntheticAmp(seed=1).generate(2560)[0]


def test_good_channels_are_not_bad(ten_seconds: FloatArray) -> None:
    assert find_bad_channels(ten_seconds, 256.0, DEFAULT_CHANNELS) == {}
    assert find_bad_channels(ten_seconds[:, 15:18], 256.0, DEFAULT_CHANNELS[15:18]) == {}


def test_each_fault_is_named(ten_seconds: FloatArray) -> None:
    data = ten_seconds.copy()
    rng = np.random.default_rng(0)
    t_s = np.arange(len(data)) / 256.0
    data[:, 10] = 187_500.0
    data[:, 12] = np.clip(3.0 * data[:, 12], -20.0, 15.0)
    data[:, 14] += 3000.0 * np.sin(2 * np.pi * 50 * t_s)
    data[:, 16] += 400.0 * rng.standard_normal(len(data))
    data[:, 18] *= 0.02
    data[:, 20] = 12.0 * rng.standard_normal(len(data))
    data[7, 22] = np.nan
    found = find_bad_channels(data, 256.0, DEFAULT_CHANNELS)
    assert found == {
        DEFAULT_CHANNELS[10]: "flat",
        DEFAULT_CHANNELS[12]: "saturated",
        DEFAULT_CHANNELS[14]: "line noise",
        DEFAULT_CHANNELS[16]: "too strong",
        DEFAULT_CHANNELS[18]: "too weak",
        DEFAULT_CHANNELS[20]: "unlike all others",
        DEFAULT_CHANNELS[22]: "not finite",
    }


def test_signal_must_fit(ten_seconds: FloatArray) -> None:
    with pytest.raises(ShapeError, match=r"shape \(2560, 38\) at 256 Hz with 1 labels, need 2 s or more"):
        find_bad_channels(ten_seconds, 256.0, ["C3"])
    with pytest.raises(ShapeError, match="look at more signal"):
        find_bad_channels(ten_seconds[:100], 256.0, DEFAULT_CHANNELS)


def test_masked_channels_are_inferred() -> None:
    info = SyntheticAmp().info
    recipe = read_paradigm("motor_imagery")
    ignore = mask_channels(info, {"C5": "flat", "T7": "too strong", "FP1": "flat", "EMG": "flat"}, recipe)
    assert ignore == ("C5", "T7", "FP1")
    with Decoder(recipe, ignore=ignore) as decoder:
        channel_map = decoder.open(info)
        assert channel_map.ignored == ("C5", "T7", "FP1")
        assert channel_map.inferred == ("T7", "C5")
        assert not decoder.read[[info.labels.index(label) for label in ignore]].any()
    with pytest.raises(ChannelError, match=r"bad electrodes are C3 \(flat\).*cannot do without all of them"):
        mask_channels(info, {"C3": "flat"}, recipe)


def test_an_ignored_electrode_does_not_change_what_is_decoded() -> None:
    amp = SyntheticAmp(seed=2)
    data = amp.generate(1400)[0]
    t_s = np.arange(len(data)) / 256.0
    spoiled = data.copy()
    spoiled[:, amp.info.labels.index("C5")] *= 300.0
    said = []
    for signal in (data, spoiled):
        with Decoder("motor_imagery", ignore=("C5",)) as decoder:
            decoder.open(amp.info)
            said.append([one.estimate.logits for one in decoder.push(signal, t_s)])
    full = [one for one in zip(*said, strict=True) if one[0] is not None]
    assert full
    for one, other in full:
        np.testing.assert_array_equal(one, other)
