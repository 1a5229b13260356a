import math

from rtbci.monitor.hub import _advice
from rtbci.monitor.spectrum import ADVICE, Electrode, State


def electrode(state: State) -> Electrode:
    return Electrode(state, 12.0, math.nan, (1.0, 1.0, 1.0, 1.0))


def test_the_decoders_own_reason_is_told_where_the_spectrum_shows_nothing() -> None:
    assert _advice(electrode("bad"), "too strong") == "too strong; check contact and cable"
    assert _advice(electrode("bad"), "") == ADVICE["bad"]
    assert _advice(electrode("flat"), "flat") == ADVICE["flat"]
    assert not _advice(electrode("good"), "")
