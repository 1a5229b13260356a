from collections.abc import Iterator

import numpy as np
import pytest

from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.publish.messages import Event
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.quality import ChannelQuality, SignalQuality
from rtbci.runtime.telemetry import hello_of
from rtbci.stages.stage import FloatArray
from tests.tiny import Kept

RATE_HZ = 250.0


@pytest.fixture(scope="module")
def signal() -> FloatArray:
    return np.asarray(SyntheticAmp(DEFAULT_CHANNELS, seed=3).generate(2000)[0])


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder("motor_imagery") as one:
        one.open(SyntheticAmp(DEFAULT_CHANNELS).info)
        yield one


def push(decoder: Decoder, data: FloatArray, first: int = 0) -> None:
    decoder.push(data, 50.0 + (first + np.arange(len(data))) / RATE_HZ)


def test_good_until_shown_otherwise(decoder: Decoder, signal: FloatArray) -> None:
    one = SignalQuality(decoder)
    assert (one.quality.score, one.quality.bad_channels, one.bad) == (1.0, (), {})
    push(decoder, signal)
    one.note()
    assert (one.quality.score, one.quality.bad_channels) == (1.0, ())
    assert len(one.channels) == 31
    assert all(
        not found.reason and not found.masked and 1.0 < found.spread_uv < 100.0 for found in one.channels
    )


def test_a_bad_electrode_is_named_told_and_listed_with_its_reason(
    decoder: Decoder, signal: FloatArray
) -> None:
    data = signal.copy()
    column = decoder.info.labels.index("C5")  # type: ignore[union-attr]
    data[500:, column] = 17.0
    data[:, decoder.info.labels.index("FP1")] = np.nan  # type: ignore[union-attr] # not read
    kept = Kept()
    outbox = Outbox(hello_of(decoder), [kept])
    one = SignalQuality(decoder)
    push(decoder, data[:1000])
    one.note()
    one.tell(outbox)
    assert one.quality.bad_channels == ("C5",)
    assert one.quality.score == pytest.approx(30 / 31)
    assert one.bad == {"C5": "flat"}
    (found,) = [each for each in one.channels if each.reason]
    assert found == ChannelQuality("C5", "flat", True, found.spread_uv, found.line_share)
    (event,) = [message for message in kept.messages if isinstance(message, Event)]
    assert (event.kind, event.value, dict(event.data)) == ("channel_masked", "C5", {"reason": "flat"})
    assert 52.0 < event.t_lsl < 53.0
    before = one.quality
    one.note()
    assert one.quality is before


def test_it_is_good_again_when_it_recovers(decoder: Decoder, signal: FloatArray) -> None:
    data = signal.copy()
    data[250:500, decoder.info.labels.index("C5")] = 17.0  # type: ignore[union-attr]
    kept = Kept()
    outbox = Outbox(hello_of(decoder), [kept])
    one = SignalQuality(decoder)
    push(decoder, data)
    one.note()
    one.tell(outbox)
    assert (one.quality.score, one.quality.bad_channels) == (1.0, ())
    kinds = [message.kind for message in kept.messages if isinstance(message, Event)]
    assert kinds == ["channel_masked", "channel_unmasked"]
