import numpy as np
import pytest

from rtbci.errors import SignalError
from rtbci.runtime.unit_check import UnitCheck
from rtbci.stages.stage import FloatArray
from tests.tiny import stream_info

RATE_HZ = 250.0


def check() -> UnitCheck:
    info = stream_info(("C3", "C4"), RATE_HZ)
    return UnitCheck(info, np.ones(2, bool), np.ones(2), "uV")


def signal() -> FloatArray:
    return 10.0 * np.random.default_rng(0).standard_normal((2500, 2))


@pytest.mark.parametrize("chunk", [25, 2500])
def test_what_is_lost_later_is_no_reason_to_refuse(chunk: int) -> None:
    data, one = signal(), check()
    data[1000:1500] = np.nan
    for i in range(0, len(data), chunk):
        one.push(data[i : i + chunk])


@pytest.mark.parametrize("n_samples", [250, 2500])
def test_a_first_second_that_is_not_a_number_is_refused(n_samples: int) -> None:
    data = signal()[:n_samples]
    data[100:110] = np.nan
    with pytest.raises(SignalError, match=r"NaN or infinite samples in C3, C4"):
        check().push(data)
