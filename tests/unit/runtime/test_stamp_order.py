"""Stamps that tell no time."""

import numpy as np
import pytest

from rtbci.errors import RateError
from rtbci.runtime.intake import Intake
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Chunk
from tests.tiny import stream_info

RATE_HZ, N_CHUNK = 250.0, 10


def look(t_lsl: FloatArray) -> Intake:
    """Take stamps as they come, and look at the rate once a second."""
    intake = Intake(stream_info(rate_hz=RATE_HZ), np.ones(3, bool), 0.0)
    rng = np.random.default_rng(0)
    for i in range(0, len(t_lsl), N_CHUNK):
        t_now = (i + N_CHUNK) / RATE_HZ
        intake.push(Chunk(rng.standard_normal((N_CHUNK, 3)), t_lsl[i : i + N_CHUNK]))
        intake.note(t_now)
        if i % 250 == 0:
            intake.check_rate(t_now)
    return intake


REGULAR = np.arange(5000) / RATE_HZ


def test_stamps_that_go_back_are_refused_in_words() -> None:
    with pytest.raises(
        RateError,
        match=r"'tiny': \d+ of \d+ samples are stamped before the one in front .*pylsl.local_clock",
    ):
        look(100.0 - REGULAR)


def test_stamps_that_stand_still_are_refused_in_words() -> None:
    with pytest.raises(
        RateError, match=r"the stamps of \d+ samples, 10\.\d s of signal, span 0\.0 s, need stamps that rise"
    ):
        look(np.full(5000, 7.0))


@pytest.mark.parametrize(
    "t_lsl",
    [
        REGULAR,
        np.repeat(REGULAR[N_CHUNK - 1 :: N_CHUNK], N_CHUNK),  # a packet, one stamp
        np.repeat(REGULAR[::2], 2),
        REGULAR - 3600.0 * (REGULAR > 8.0),  # set back once
        REGULAR - 0.1 * (np.arange(5000) % 100 < 10),  # every tenth packet is late
        REGULAR * 0.99,
    ],
    ids=["regular", "packets", "pairs", "set back", "overtaken", "slow"],
)
def test_what_tells_time_somehow_is_not(t_lsl: FloatArray) -> None:
    look(t_lsl)


def test_too_few_samples_say_nothing() -> None:
    intake = Intake(stream_info(rate_hz=RATE_HZ), np.ones(3, bool), 0.0)
    intake.push(Chunk(np.ones((50, 3)), 10.0 - np.arange(50) / RATE_HZ))
    intake.check_rate(30.0)
