"""`rtbci amp`: a synthetic amplifier or a BrainFlow board as an LSL stream."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console

from rtbci.amp.cues import STATES
from rtbci.amp.flicker import Flicker
from rtbci.amp.night import STAGES, draw_night
from rtbci.amp.outlet import AmpOutlet
from rtbci.amp.sleeper import SleepingAmp
from rtbci.amp.source import Amp
from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError
from rtbci.stream.source import Source

__all__ = ["brainflow_amp", "synthetic_amp"]

STILL_ON = "imagery"
"""Marker of a calibration behind its arrow: the user goes on."""
KEYS = {"l": "left_hand", "D": "left_hand", "r": "right_hand", "C": "right_hand", " ": "rest", "0": "rest"}
"""Letters, space, and the last byte of the arrow keys (ESC [ D, ESC [ C)."""


def synthetic_amp(
    console: Console,
    *,
    channels: Sequence[str],
    rate_hz: float,
    seed: int,
    line_hz: float,
    keys: bool,
    chunk: int,
    name: str,
    follow: str = "",
    paradigm: str = "",
) -> None:
    """Stream the synthetic amplifier until Ctrl-C.

    With `paradigm` the user looks at its targets, or sleeps, on its electrodes, instead of imagining hands. With `keys` the
    keyboard says what the user does; with `follow` the markers of a stream of that name do, as the cues of a
    calibration: the name of a hand or a target, anything else but "imagery" is rest.
    """
    from rtbci.amp.source import AmpSource

    if keys and follow:
        raise ConfigError(
            "amp: got --keys and --follow, need one that says what the user does; leave one out"
        )
    driven = keys or bool(follow)
    amp = _amp_of(paradigm, channels, rate_hz, seed, line_hz, name, cues=not driven)
    states = keys_of(amp.states)
    with _key_presses(keys) as pressed, _cues_of(follow, amp) as cues:

        def drive(_n_sent: int) -> None:
            for key in pressed():
                if key in states:
                    amp.set_state(states[key])
                    console.print(f"{states[key]}      ", end="\r", highlight=False)
            for text in cues():
                if text != STILL_ON:
                    amp.set_state(text if text in amp.states else amp.states[0])

        hint = f"keys: {_which(amp.states)}" if keys else "does it by itself; --keys to drive it"
        hint = f"does what '{follow}' says" if follow else hint
        _stream(AmpSource(amp, chunk), console, f"synthetic, seed {seed}; {hint}", drive)


def _amp_of(
    paradigm: str,
    channels: Sequence[str],
    rate_hz: float,
    seed: int,
    line_hz: float,
    name: str,
    *,
    cues: bool,
) -> Amp:
    sleeper = sleeper_of(paradigm, channels, rate_hz, seed, line_hz, name)
    if sleeper is not None:
        return sleeper
    flicker, electrodes = flicker_of(paradigm)
    channels = channels or electrodes or DEFAULT_CHANNELS
    return SyntheticAmp(channels, rate_hz, seed, cues=cues, line_hz=line_hz, name=name, flicker=flicker)


def sleeper_of(
    paradigm: str, channels: Sequence[str], rate_hz: float, seed: int, line_hz: float, name: str
) -> SleepingAmp | None:
    """A user who sleeps, where the paradigm stages sleep; None otherwise."""
    if not paradigm:
        return None
    import numpy as np

    from rtbci.night.windows import is_stager
    from rtbci.recipes import read_paradigm

    recipe = read_paradigm(paradigm)
    if not is_stager(recipe):
        return None
    night = draw_night(np.random.default_rng(seed))
    return SleepingAmp(night, channels or recipe.input.channels, rate_hz, seed, line_hz=line_hz, name=name)


def flicker_of(paradigm: str) -> tuple[Flicker | None, tuple[str, ...]]:
    """What a paradigm gives its user to look at, and the electrodes that it reads; nothing where there is no name.

    Raises
    ------
    ConfigError
        When the paradigm has no flicker.
    """
    if not paradigm:
        return None, ()
    from rtbci.flicker.profile import targets_of
    from rtbci.recipes import read_paradigm

    recipe = read_paradigm(paradigm)
    return Flicker(targets_of(recipe)), recipe.input.channels


def keys_of(states: Sequence[str]) -> dict[str, str]:
    """Which key says what: arrows and letters for hands, numbers for targets."""
    if tuple(states) == STATES:
        return KEYS
    if tuple(states) == STAGES:
        return {str(i): state for i, state in enumerate(states)}
    return {" ": "rest", "0": "rest"} | {str(i): state for i, state in enumerate(states[1:10], start=1)}


def _which(states: Sequence[str]) -> str:
    """What people are told of the keys."""
    if tuple(states) == STAGES:
        return ", ".join(f"{i} for {state}" for i, state in enumerate(states))
    which = "left, right" if tuple(states) == STATES else f"1 to {len(states) - 1} for a target"
    return f"{which}, space for rest"


@contextlib.contextmanager
def _cues_of(follow: str, amp: Amp) -> Iterator[Callable[[], list[str]]]:
    """Yield a function that returns the markers that came since its last call, without waiting."""
    if not follow:
        yield list
        return
    from rtbci.stream.lsl_markers import MarkerInlet

    inlet = MarkerInlet(amp.info, follow)
    inlet.open()
    try:
        yield lambda: [marker.value for marker in inlet.pull(0.0)]
    finally:
        inlet.close()


def brainflow_amp(console: Console, board: str, params: Mapping[str, str]) -> None:
    """Stream a BrainFlow board until Ctrl-C."""
    from rtbci.amp.brainflow import BrainFlowAmp

    _stream(BrainFlowAmp(board, params), console, f"BrainFlow {board}", None)


def _stream(source: Source, console: Console, what: str, progress: Callable[[int], None] | None) -> None:
    info = source.info
    console.print(
        f"stream '{info.name}': {info.n_channels} channels, {info.rate_hz:g} Hz ({what}); Ctrl-C stops",
        markup=False,
        highlight=False,
    )
    with stop_on_signals() as stop:
        AmpOutlet(source).run(stop, progress)
    console.print("stopped     ", highlight=False)  # over the state that the keys wrote


@contextlib.contextmanager
def _key_presses(wanted: bool) -> Iterator[Callable[[], str]]:
    """Yield a function that returns the keys pressed since its last call, without waiting."""
    if not wanted:
        yield lambda: ""
        return
    import os
    import select
    import sys

    if not sys.stdin.isatty():
        raise ConfigError("--keys: standard input is no terminal, need one to read keys from; leave it out")
    try:
        import termios
        import tty
    except ImportError:
        raise ConfigError("--keys: needs a POSIX terminal (Linux, macOS); leave it out") from None
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield lambda: os.read(fd, 64).decode("ascii", "ignore") if select.select([fd], [], [], 0)[0] else ""
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
