"""Sessions recorded on real recordings, in simulated time, and decoded again."""

from pathlib import Path

import pytest

from rtbci.chaos.scenario import read_scenario
from rtbci.replay.read import read_recordings
from rtbci.stream.recording import RecordingSource
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.verify.verify import verify
from tests.data_paths import data_dir, needs_data
from tools.simulated_session import record_session

pytestmark = [pytest.mark.data, needs_data]


@pytest.mark.parametrize(
    ("file", "scenario"), [("S001R04.edf", "radio_dropouts"), ("S007R12.edf", "cable_pulled")]
)
def test_a_real_recording_is_decoded_again(file: str, scenario: str, tmp_path: Path) -> None:
    paths = sorted(data_dir().rglob(file))
    if not paths:
        pytest.skip(f"no {file} below {data_dir()}")
    recording = read_recordings(paths[0])[0]

    def source(clock: SimulatedClock) -> RecordingSource:
        return RecordingSource(
            recording.info,
            recording.data,
            recording.markers,
            t_lsl=recording.sample_times(),
            chunk=8,
            realtime=True,
            clock=clock,
            sleep_until=clock.sleep_until,
        )

    what = read_scenario(scenario).model_copy(update={"duration_s": 20.0})
    outcome = record_session(tmp_path / "s", what, source, {"paradigm": "motor_imagery"})
    assert outcome.error is None
    found = verify(tmp_path / "s")
    assert (found.verdict, found.exact, found.first) == ("identical", True, None)
    assert found.n_compared > 100
