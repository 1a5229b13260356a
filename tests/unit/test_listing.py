"""Numbers of things in what people are told: one channel, not 1 channels."""

import numpy as np
import pytest

from rtbci.listing import counted
from rtbci.replay.recording import Recording
from rtbci.stream.source import Channel, StreamInfo


@pytest.mark.parametrize(("n", "said"), [(0, "0 channels"), (1, "1 channel"), (2, "2 channels")])
def test_the_plural_where_it_is_due(n: int, said: str) -> None:
    assert counted(n, "channel") == said


def test_a_recording_of_one_channel() -> None:
    info = StreamInfo("one", "one", 250.0, (Channel("O1", "uV"),))
    recording = Recording(info, np.zeros((5, 1)), t_s=np.arange(5) / 250.0)
    assert "1 channel at" in repr(recording)
