"""The alpha value of a headband whose electrode comes off: it is told, and the value does not jump."""

from collections.abc import Callable

import numpy as np
import pytest

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.use_watch import MIN_QUALITY
from rtbci.stages.filter import SosFilter
from rtbci.stream.source import Channel, FloatArray, StreamInfo

LABELS, RATE_HZ = ("TP9", "AF7", "AF8", "TP10"), 256.0
OFF_S, BACK_S, END_S = 70.0, 80.0, 88.0
OFF = slice(round(OFF_S * RATE_HZ), round(BACK_S * RATE_HZ))
T_S = np.arange(OFF.stop - OFF.start) / RATE_HZ


def noise(x: FloatArray) -> None:
    x[OFF, 0] += 400.0 * np.random.default_rng(0).standard_normal(len(T_S))


def flat(x: FloatArray) -> None:
    x[OFF, 0] = x[OFF.start, 0]


def at_a_rail(x: FloatArray) -> None:
    x[OFF, 0] = 1000.0


def mains(x: FloatArray) -> None:
    x[OFF, 0] += 300.0 * np.sin(2 * np.pi * 50.0 * T_S)


def blinks(x: FloatArray) -> None:
    x[OFF, 1:3] += 150.0 * (np.sin(2 * np.pi * 0.5 * T_S) > 0.9)[:, None]


def clenched_jaw(x: FloatArray) -> None:
    own = np.random.default_rng(0).standard_normal((len(T_S) + 256, 2))
    x[OFF, ::3] += 60.0 * SosFilter.bandpass(20.0, 60.0, RATE_HZ, 2, 4).push(own)[256:]


def valued(spoil: Callable[[FloatArray], None] | None) -> tuple[FloatArray, FloatArray]:
    """When each window ended, and its value as a run publishes it; NaN where it publishes none."""
    x = SyntheticAmp(LABELS, RATE_HZ, seed=1).generate(round(END_S * RATE_HZ))[0]
    if spoil is not None:
        spoil(x)
    told = []
    with Decoder("alpha") as decoder:
        decoder.open(StreamInfo("Muse", "m", RATE_HZ, tuple(Channel(one, "microvolts") for one in LABELS)))
        for i in range(0, len(x), 12):
            found = decoder.push(x[i : i + 12], np.arange(i, i + len(x[i : i + 12])) / RATE_HZ)
            assert decoder.electrodes is not None
            is_good = decoder.electrodes.score >= MIN_QUALITY
            decoder.valuing.guard(is_good, decoder.pipeline)
            told += [
                (one.estimate.t_window[1], one.value if is_good and one.value is not None else np.nan)
                for one in found
            ]
    t_s, value = np.array(told, dtype=np.float64).T
    return t_s, value


@pytest.mark.parametrize("spoil", [noise, flat, at_a_rail, mains, clenched_jaw])
def test_an_electrode_that_comes_off_leaves_no_value(spoil: Callable[[FloatArray], None]) -> None:
    t_s, value = valued(spoil)
    assert np.isnan(value[(t_s > OFF_S + 1.5) & (t_s < BACK_S)]).all()
    assert np.isfinite(value[t_s > BACK_S + 5.0]).all()
    steps = np.abs(np.diff(value[t_s > 61.0]))
    assert np.nanmax(steps) < 0.06


def test_blinks_where_it_does_not_read_change_nothing() -> None:
    np.testing.assert_array_equal(valued(blinks)[1], valued(None)[1])
