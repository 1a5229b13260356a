from pathlib import Path

import pytest

from rtbci.chaos.scenario import Dropout, Times, list_scenarios, read_scenario
from rtbci.errors import ConfigError
from tests.chaos_samples import scenario


def test_a_dozen_come_with_it_and_can_be_read() -> None:
    names = list_scenarios()
    assert len(names) >= 12
    for name in names:
        one = read_scenario(name)
        assert one.title
        assert one.promise
        assert one.faults or one.consumers
    kinds = {fault.kind for name in names for fault in read_scenario(name).faults}
    assert kinds == {
        "dropout", "burst", "jitter", "drift", "clock_jump", "clock_reset", "duplicate", "nan", "inf", "saturation",
        "flat", "line_noise", "noise", "vanish", "twin",
    }  # fmt: skip


def test_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('schema = 1\ntitle = "t"\n[[faults]]\nkind = "dropout"\nstart_s = 1\nlength_s = 0.1\n')
    assert read_scenario(str(path)).faults == (Dropout(kind="dropout", start_s=1.0, length_s=0.1),)


def test_all_bad_keys_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        'schema = 1\ntitle = "t"\n[[faults]]\nkind = "dropout"\nstart = 1\nlength_s = 0.1\n'
        '[[faults]]\nkind = "drift"\nstart_s = 1\nlength_s = 1\nppm = 1e9\n'
    )
    with pytest.raises(ConfigError) as error:
        read_scenario(str(path))
    assert "faults.0.start: unknown key; did you mean 'start_s'?" in str(error.value)
    assert "faults.1.ppm: got 1000000000.0" in str(error.value)


def test_a_name_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"no scenario 'nothing', have bad_day, "):
        read_scenario("nothing")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"length_s": 1.0}, "needs start_s or per_minute"),
        ({"start_s": 1.0, "per_minute": 1.0, "length_s": 1.0}, "needs start_s or per_minute"),
        ({"start_s": 1.0}, "needs length_s"),
        ({"start_s": 1.0, "length_s": 2.0, "max_length_s": 1.0}, "must not be below length_s"),
    ],
)
def test_times_that_make_no_sense(times: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Times.model_validate(times)


def test_a_jump_may_be_for_good() -> None:
    assert scenario({"kind": "clock_jump", "start_s": 1.0, "offset_s": 1.0}).faults[0].length_s is None
