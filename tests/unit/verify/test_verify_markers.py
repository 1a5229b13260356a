"""Sessions in which what was decoded hangs on markers: those that say when a flicker began, and those that no clock stamped."""

import math
from pathlib import Path

import pytest

from rtbci.calibrate.offline import calibrate_recordings
from rtbci.probe.profile import Profile, write_profile
from rtbci.publish.messages import Event
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from rtbci.stream.recording import RecordingSource
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Marker
from rtbci.verify.verify import verify
from tests.chaos_samples import scenario
from tools.simulated_session import record_session
from tools.ssvep.looking import TRIAL_S, look_at_flickers

UNPLACED = {20: Marker(math.nan, "13hz"), 60: Marker(1.8e9, "flicker_on")}
"""By the pull that they come with."""


class Unplaced(RecordingSource):
    """With markers whose stamps are of no clock of ours."""

    n_pulled = 0

    def pull_markers(self) -> list[Marker]:
        """As the recording has them, and those."""
        self.n_pulled += 1
        return [*super().pull_markers(), *([UNPLACED[self.n_pulled]] if self.n_pulled in UNPLACED else [])]


@pytest.fixture(scope="module")
def looked() -> tuple[Profile, Recording]:
    """A user's templates, and what they look at later."""
    pytest.importorskip("pyriemann", reason="pyRiemann is not installed: pip install '.[calibrate]'")
    recipe = read_paradigm("ssvep")
    before, later = look_at_flickers(recipe, (4, 1), answer_uv=0.6)
    return calibrate_recordings([before], "ada", recipe, imagery_s=TRIAL_S).profile, later


@pytest.mark.parametrize("kind", [RecordingSource, Unplaced])
def test_templates_at_the_flickers_phase(
    tmp_path: Path, kind: type[RecordingSource], looked: tuple[Profile, Recording]
) -> None:
    profile, later = looked
    assert [one.kind for one in profile.branches] == ["trca"]
    write_profile(tmp_path / "ada", profile)

    def source(clock: SimulatedClock) -> RecordingSource:
        return kind(
            later.info,
            later.data,
            later.markers,
            chunk=25,
            realtime=True,
            clock=clock,
            sleep_until=clock.sleep_until,
        )

    settings = {"paradigm": "ssvep", "profile": str(tmp_path / "ada")}
    what = scenario(duration_s=later.duration_s - 1.0)
    outcome = record_session(tmp_path / "s", what, source, settings, profile=tmp_path / "ada")
    events = [one for one in outcome.messages if isinstance(one, Event)]
    assert "phase_known" in {one.kind for one in events}
    lost = [(one.value, one.data["reason"]) for one in events if one.kind == "window_lost"]
    assert lost == ([("13hz", "no_time"), ("flicker_on", "in_future")] if kind is Unplaced else [])
    found = verify(tmp_path / "s")
    assert found.notes == ()
    assert (found.verdict, found.first) == ("identical", None)
    assert found.n_compared == found.n_identical == found.n_predictions > 100
    assert found.n_windows == found.n_windows_identical > 100
