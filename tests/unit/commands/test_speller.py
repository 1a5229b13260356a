import io
import threading

import pytest
from rich.console import Console

from rtbci.commands import speller_verbs as verbs
from rtbci.errors import ConfigError
from rtbci.recipes import read_paradigm


def said(refresh_hz: float | None = None) -> str:
    console = Console(file=io.StringIO(), width=160)
    verbs.check("p300", refresh_hz, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_displays_show_is_told_in_frames() -> None:
    text = said()
    assert "183.3 ms, 11 frames" in text
    assert "175.0 ms, 21 frames" in text
    assert all(f"{hz} Hz" in text for hz in (60, 75, 120, 144))
    assert "85 Hz" in said(85.0)


@pytest.mark.parametrize("width", [60, 80])
def test_numbers_stay_whole_in_a_narrow_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, soft_wrap=True)
    verbs.check("p300", None, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().partition("asked for")[0].splitlines()
    assert max(map(len, shown)) <= width
    assert any("183.3 ms, 11 frames" in line for line in shown)
    assert any("144 Hz" in line for line in shown)


def test_a_display_that_is_too_slow_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"paradigm 'p300': flashes of 0.1 s every 0.175 s are 1 of 2 frames"
    ):
        said(10.0)


def test_a_paradigm_without_flashes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"paradigm 'motor_imagery': has no \[flashes\]"):
        verbs.check("motor_imagery", None, Console(file=io.StringIO()))


def test_a_text_and_letters_exclude_each_other() -> None:
    asked = verbs.Asked("HI", 3, None, 2.0, 0)
    with pytest.raises(ConfigError, match="got --text and --letters"):
        verbs.page("p300", asked, verbs.Heard(None, None, None), 0, False, "x", Console(file=io.StringIO()))


def test_characters_that_are_not_on_the_grid_are_refused() -> None:
    asked = verbs.Asked("H!", 0, None, 2.0, 0)
    with pytest.raises(ConfigError, match="text 'H!': has '!', need characters of the grid"):
        verbs.page("p300", asked, verbs.Heard(None, None, None), 0, False, "x", Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("is_encrypted", "hint"),
    [(False, "; one that is encrypted needs --server-key (--run"), (True, " and trusts this key (--run")],
)
def test_a_run_that_is_not_heard_may_be_encrypted(
    monkeypatch: pytest.MonkeyPatch, is_encrypted: bool, hint: str
) -> None:
    class Nobody:
        is_there, address = False, "tcp://127.0.0.1:5571"

    monkeypatch.setattr(verbs, "HELLO_S", 0.0)
    told: list[str] = []
    verbs._look_for(Nobody(), read_paradigm("p300"), told.append, threading.Event(), is_encrypted)  # type: ignore[arg-type]
    (line,) = told
    assert "no run is heard at tcp://127.0.0.1:5571 yet" in line
    assert hint in line
