import subprocess
import sys

import pytest

from rtbci.errors import MissingPackageError
from rtbci.web.needed import PACKAGES, need_page


def test_all_there() -> None:
    need_page("cue page", "calibrate", "use the terminal")


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_missing_is_named_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=rf"{name} is not installed.*install .*\[calibrate\]"):
        need_page("cue page", "calibrate", "use the terminal")


def test_the_commands_that_would_say_so_can_be_loaded_without_them() -> None:
    without = "".join(f"sys.modules[{name!r}] = None; " for name in PACKAGES)
    commands = "rtbci.commands.monitor, rtbci.commands.page_process, rtbci.commands.demo_page"
    program = f"import sys; {without}import {commands}"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
