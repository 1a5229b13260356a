import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from rtbci.amp.brainflow import BrainFlowAmp
from rtbci.clock import now
from rtbci.errors import ConfigError, MissingPackageError, StreamError, StreamLostError

installed = pytest.mark.skipif(
    importlib.util.find_spec("brainflow") is None,
    reason="brainflow is not installed; pip install '.[brainflow]'",
)


@installed
def test_the_synthetic_board_gives_eeg_on_the_lsl_clock() -> None:
    opened = now()
    with BrainFlowAmp("synthetic", name="mine") as amp:
        assert (amp.info.name, BrainFlowAmp("synthetic").info.name) == ("mine", "rtbci-Synthetic")
        assert amp.info.rate_hz == 250.0
        assert amp.info.labels[:4] == ("Fz", "C3", "Cz", "C4")
        assert {channel.unit for channel in amp.info.channels} == {"microvolts"}
        chunks = [amp.pull(1.0) for _ in range(10)]
        while sum(len(chunk.t_lsl) for chunk in chunks) < 100:
            chunks.append(amp.pull(1.0))
        closing = now()
    data = np.concatenate([chunk.data for chunk in chunks])
    t_lsl = np.concatenate([chunk.t_lsl for chunk in chunks])
    assert data.shape[1] == 16
    assert data.dtype == np.float64
    assert 1 < data.std() < 1000
    assert opened - 0.05 < t_lsl[0] < t_lsl[-1] < closing + 0.05
    with pytest.raises(StreamLostError, match="is closed"):
        amp.pull(0.0)


@installed
@pytest.mark.parametrize("set_by_s", [3600.0, -3600.0, -1.7e9])
def test_a_calendar_that_is_set_moves_no_sample(set_by_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """BrainFlow stamps by the calendar: an hour forth or back, or to 1970, while the board is open."""
    with BrainFlowAmp("synthetic") as amp:
        row = amp._description["timestamp_channel"]
        n_rows = max(amp._description["eeg_channels"]) + row + 2
        calendar = datetime.now(UTC).timestamp() - now()

        def give(t_lsl: list[float], calendar_s: list[float]) -> list[float]:
            table = np.zeros((n_rows, len(t_lsl)))
            table[row] = np.array(t_lsl) + calendar + calendar_s
            monkeypatch.setattr(amp, "_board", SimpleNamespace(get_board_data=lambda: table))
            return list(amp.pull(0.0).t_lsl - t_lsl)

        board, t = amp._board, now()
        assert give([t - 0.02, t - 0.01], [0.0, 0.0]) == pytest.approx([0.0, 0.0], abs=0.05)
        monkeypatch.setattr(
            "rtbci.amp.brainflow.utc_now", lambda: datetime.now(UTC) + timedelta(seconds=set_by_s)
        )
        t = now()  # it is set between these two samples
        assert give([t - 0.02, t - 0.01], [0.0, set_by_s]) == pytest.approx([0.0, 0.0], abs=0.05)
        t = now()
        assert give([t], [set_by_s]) == pytest.approx([0.0], abs=0.05)
        monkeypatch.setattr(amp, "_board", board)


@installed
def test_boards_are_found_by_any_name() -> None:
    for board in ("synthetic", "SYNTHETIC_BOARD", "Synthetic", -1, "-1"):
        assert BrainFlowAmp(board).info.name == "rtbci-Synthetic"


@installed
@pytest.mark.parametrize(
    ("board", "message"),
    [
        ("cytn", "there is no such board; did you mean cyton"),
        ("muse", "did you mean .*muse-2"),
        (99999, "there is no such board"),
        ("callibri-ecg", "has no EEG channels"),
    ],
)
def test_unknown_boards_are_refused_with_the_nearest(board: str | int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BrainFlowAmp(board)


@installed
def test_parameters_are_checked() -> None:
    with pytest.raises(
        ConfigError, match="'serialport': there is no such parameter; did you mean serial_port"
    ):
        BrainFlowAmp("cyton", {"serialport": "/dev/ttyUSB0"})
    with pytest.raises(ConfigError, match="'ip_port': is 'x', need a whole number"):
        BrainFlowAmp("cyton", {"ip_port": "x"})


@installed
def test_a_board_that_does_not_answer() -> None:
    with pytest.raises(StreamError, match=r"does not start .*; check that it is on"):
        BrainFlowAmp("cyton").open()


def test_without_brainflow_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brainflow", None)
    monkeypatch.setitem(sys.modules, "brainflow.board_shim", None)
    with pytest.raises(MissingPackageError, match=r"install .*\[brainflow\]"):
        BrainFlowAmp("synthetic")
