from pathlib import Path

from rtbci.probe.profile import write_generation
from rtbci.runtime.profile_watch import ProfileWatch
from tests.probe_samples import make_profile


def test_each_new_generation_is_told_once(tmp_path: Path) -> None:
    t_now = 0.0
    write_generation(tmp_path, make_profile("ada"))
    watch = ProfileWatch(tmp_path, "ada", lambda: t_now)
    t_now = 5.0
    assert watch.poll() is None  # was there before
    second = write_generation(tmp_path, make_profile("ada"))
    write_generation(tmp_path, make_profile("bob"))
    t_now = 5.9
    assert watch.poll() is None  # not a second since the last look
    t_now = 6.0
    assert watch.poll() == second
    t_now = 7.0
    assert watch.poll() is None
    write_generation(tmp_path, make_profile("ada"))
    newest = write_generation(tmp_path, make_profile("ada"))
    t_now = 8.0
    assert watch.poll() == newest


def test_a_user_without_a_folder_may_get_one(tmp_path: Path) -> None:
    t_now = 0.0
    watch = ProfileWatch(tmp_path / "not-there", "ada", lambda: t_now)
    t_now = 1.0
    assert watch.poll() is None
    first = write_generation(tmp_path / "not-there", make_profile("ada"))
    t_now = 2.0
    assert watch.poll() == first
