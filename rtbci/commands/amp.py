"""`rtbci amp`: a synthetic amplifier or a BrainFlow board as an LSL stream."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console

from rtbci.amp.cues import STATES
from rtbci.amp.feet import FEET
from rtbci.amp.flashes import Attention
from rtbci.amp.flicker import Flicker
from rtbci.amp.outlet import AmpOutlet
from rtbci.amp.rhythms import Rhythms
from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError
from rtbci.stream.source import Marker, StreamInfo

__all__ = ["attention_of", "brainflow_amp", "flicker_of", "keys_of", "rhythms_of", "synthetic_amp"]

LONG_S = 20.0
"""A user whose rhythms follow does one thing at least so long."""
STILL_ON = "imagery"
"""Marker of a calibration behind its arrow: the user goes on."""
EITHER = {"hand": "right_hand"}
"""Who is asked for one hand, whichever, takes this one."""
FEET_KEYS = {"f": FEET, "B": FEET}
KEYS = {"l": "left_hand", "D": "left_hand", "r": "right_hand", "C": "right_hand", " ": "rest", "0": "rest"}
"""Letters, space, and the last byte of the arrow keys (ESC [ D, ESC [ C; of feet, down, ESC [ B)."""


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
    source_id: str = "",
    duration_s: float | None = None,
) -> None:
    """Stream the synthetic amplifier until Ctrl-C.

    With `paradigm` the user looks at its targets, on its electrodes, attends to one of its items, lets its rhythms follow, or
    imagines the feet too, instead of imagining hands. With `keys` the
    keyboard says what the user does; with `follow` the markers of a stream of that name do, as the cues of a
    calibration: the name of a hand or a target, anything else but "imagery" is rest. Those of a speller
    say what flashes, too.
    """
    from rtbci.amp.source import AmpSource

    if keys and follow:
        raise ConfigError(
            "amp: got --keys and --follow, need one that says what the user does; leave one out"
        )
    driven = keys or bool(follow)
    rhythms = rhythms_of(paradigm)
    feet = not rhythms and imagines_feet(paradigm)
    attention, electrodes = attention_of(paradigm)
    flicker: Flicker | None = None
    if not (rhythms or feet or attention):
        flicker, electrodes = flicker_of(paradigm)
    if keys and attention is not None:
        raise ConfigError(
            "--keys: flashes come from a speller's markers, need those; use --follow rtbci-speller"
        )
    channels = channels or electrodes or DEFAULT_CHANNELS
    amp = SyntheticAmp(
        channels,
        rate_hz,
        seed,
        cues=not driven,
        line_hz=line_hz,
        name=name,
        flicker=flicker,
        feet=feet,
        rhythms=rhythms,
        attention=attention,
    )
    source, states = AmpSource(amp, chunk), keys_of(amp.states)
    with _key_presses(keys) as pressed, _cues_of(follow, amp) as cues:

        def drive(_n_sent: int) -> None:
            for key in pressed():
                if key in states:
                    amp.set_state(states[key])
                    console.print(f"{states[key]}      ", end="\r", highlight=False)
            for marker in cues():
                if attention is not None:
                    amp.tell(marker.value, source.sample_at(marker.t_lsl))
                elif marker.value != STILL_ON:
                    state = EITHER.get(marker.value, marker.value)
                    amp.set_state(state if state in amp.states else amp.states[0])

        which = "left, right" if flicker is None else f"1 to {len(amp.states) - 1} for a target"
        if rhythms:
            which = ", ".join(f"{key} for {state}" for key, state in states.items() if key != " ")
        drives = "--follow NAME for those of a speller" if attention else "--keys to drive it"
        hint = f"keys: {which}, space for {states[' ']}" if keys else f"cues by itself; {drives}"
        hint = f"does what '{follow}' says" if follow else hint
        outlet = AmpOutlet(source, source_id=source_id, duration_s=duration_s)
        _stream(outlet, amp.info, console, f"synthetic, seed {seed}; {hint}", drive)


def imagines_feet(paradigm: str) -> bool:
    """Whether a paradigm's user is asked to imagine the feet; no name asks for nothing."""
    from rtbci.recipes import read_paradigm

    return bool(paradigm) and FEET in read_paradigm(paradigm).classes


def attention_of(paradigm: str, wanted: Sequence[str] = ()) -> tuple[Attention | None, tuple[str, ...]]:
    """What a paradigm's user attends to, and the electrodes that it reads; nothing where its items do not flash.

    Parameters
    ----------
    paradigm : str
        Name or folder of a recipe; empty: none.
    wanted : sequence of str
        Items that are asked for; empty: at random.
    """
    from rtbci.recipes import read_paradigm

    recipe = read_paradigm(paradigm) if paradigm else None
    if recipe is None or recipe.flashes is None:
        return None, ()
    flashes = recipe.flashes
    groups = flashes.named_groups(recipe.classes)
    return Attention(groups, flashes.soa_s, flashes.max_repetitions, wanted=wanted), recipe.input.channels


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


def rhythms_of(paradigm: str) -> Rhythms | None:
    """What rhythms of a paradigm's user do; None where it has none, or there is no name.

    The first state lasts until the decoder knows what is usual, and a little longer.
    """
    if not paradigm:
        return None
    from rtbci.recipes import read_paradigm

    recipe = read_paradigm(paradigm)
    if not recipe.rhythms:
        return None
    learnt_s = (
        0.0 if recipe.value is None or recipe.value.baseline is None else recipe.value.baseline.length_s
    )
    block_s = max(LONG_S, 5 * recipe.window.length_s)
    return Rhythms(recipe.classes, recipe.rhythms, learnt_s + LONG_S, block_s)


def keys_of(states: Sequence[str]) -> dict[str, str]:
    """Which key says what: arrows and letters for hands, numbers for targets and for what rhythms follow."""
    if tuple(states[:3]) == STATES:
        return KEYS | FEET_KEYS if FEET in states else KEYS
    if states[0] != "rest":
        return {" ": states[0]} | {str(i): state for i, state in enumerate(states[:9], start=1)}
    return {" ": "rest", "0": "rest"} | {str(i): state for i, state in enumerate(states[1:10], start=1)}


@contextlib.contextmanager
def _cues_of(follow: str, amp: SyntheticAmp) -> Iterator[Callable[[], list[Marker]]]:
    """Yield a function that returns the markers that came since its last call, without waiting."""
    if not follow:
        yield list
        return
    from rtbci.stream.lsl_markers import MarkerInlet

    inlet = MarkerInlet(amp.info, follow)
    inlet.open()
    try:
        yield lambda: inlet.pull(0.0)
    finally:
        inlet.close()


def brainflow_amp(
    console: Console,
    board: str,
    params: Mapping[str, str],
    source_id: str = "",
    duration_s: float | None = None,
) -> None:
    """Stream a BrainFlow board until Ctrl-C."""
    from rtbci.amp.brainflow import BrainFlowAmp

    amp = BrainFlowAmp(board, params)
    outlet = AmpOutlet(amp, source_id=source_id, duration_s=duration_s)
    _stream(outlet, amp.info, console, f"BrainFlow {board}", None)


def _stream(
    outlet: AmpOutlet,
    info: StreamInfo,
    console: Console,
    what: str,
    progress: Callable[[int], None] | None,
) -> None:
    console.print(
        f"stream '{info.name}': {info.n_channels} channels, {info.rate_hz:g} Hz ({what}); Ctrl-C stops",
        markup=False,
        highlight=False,
    )
    with stop_on_signals() as stop:
        outlet.run(stop, progress)
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
