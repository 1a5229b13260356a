"""`rtbci amp`: a synthetic amplifier or a BrainFlow board as an LSL stream."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console

from rtbci.amp.outlet import AmpOutlet
from rtbci.amp.source import Amp
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.commands.amp_users import Follower, keys_of, user_of, which_keys
from rtbci.commands.checking import Checks
from rtbci.commands.options import teller_of
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError
from rtbci.listing import counted
from rtbci.probe.flicker_clock import flicker_seconds
from rtbci.stream.source import Marker, StreamInfo

__all__ = ["brainflow_amp", "synthetic_amp"]

STILL_ON = "imagery"
"""Marker of a calibration behind its arrow: the user goes on."""


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
    maps: Sequence[str] = (),
    paradigm: str = "",
    source_id: str = "",
    duration_s: float | None = None,
    gaze: bool | None = None,
) -> None:
    """Stream the synthetic amplifier until Ctrl-C.

    With `paradigm` the user does what that reads, on its electrodes, instead of imagining hands. With `keys` the keyboard
    says what the user does; with `follow` the markers of a stream of that name do, as the cues of a
    calibration: the name of a hand or a target, what the paradigm's `[markers]` call it, or `maps` (``"TEXT=CLASS"``); anything else but "imagery" is rest. Those of a speller
    say what flashes, too, those of a flicker when it began. Markers that are followed are not sent again. `gaze`: see `user_of`.
    """
    from rtbci.amp.source import AmpSource

    checks, driven = Checks(), keys or bool(follow)
    checks.need(
        not (keys and follow),
        "amp: got --keys and --follow, need one that says what the user does; leave one out",
    )
    checks.need(
        bool(follow) or not maps,
        "--map: got no --follow, need the markers that it is about; name their stream",
    )
    checks.need(chunk >= 1, f"--chunk: got {chunk}, need 1 or more; 8 is usual")
    amp = checks.take(
        lambda: user_of(
            paradigm, channels, rate_hz, seed, line_hz=line_hz, name=name, cues=not driven, gaze=gaze
        )
    )
    if amp is None:
        checks.end()
        return
    attends = isinstance(amp, SyntheticAmp) and amp.answer is not None
    checks.need(
        not (keys and attends),
        "--keys: flashes come from a speller's markers, need those; use --follow rtbci-speller",
    )
    follower = checks.take(lambda: Follower(amp.states, paradigm, teller_of(console), maps))
    checks.end()
    assert follower is not None  # else it has been told
    source, states = AmpSource(amp, chunk), keys_of(amp.states)
    with _key_presses(keys) as pressed, _cues_of(follow, amp, console) as cues:

        def drive(_n_sent: int) -> None:
            for key in pressed():
                if key in states:
                    amp.set_state(states[key])
                    console.print(f"{states[key]}      ", end="\r", highlight=False)
            for marker in cues():
                if isinstance(amp, SyntheticAmp) and (attends or flicker_seconds(marker.value) is not None):
                    amp.tell(marker.value, source.sample_at(marker.t_lsl))
                elif marker.value != STILL_ON:
                    amp.set_state(follower.state(marker.value))

        hint = _who_drives(amp, keys, follow, attends)
        outlet = AmpOutlet(source, source_id=source_id, duration_s=duration_s, marks=not follow)
        _stream(outlet, amp.info, console, f"synthetic, seed {seed}; {hint}", drive)


def _who_drives(amp: Amp, keys: bool, follow: str, attends: bool) -> str:
    if follow:
        return f"does what '{follow}' says"
    if keys:
        return f"keys: {which_keys(amp.states)}"
    drives = "--follow NAME for the flashes of a speller" if attends else "--keys to drive it"
    return f"does it by itself; {drives}"


@contextlib.contextmanager
def _cues_of(follow: str, amp: Amp, console: Console) -> Iterator[Callable[[], list[Marker]]]:
    """Yield a function that returns the markers that came since its last call, without waiting."""
    if not follow:
        yield list
        return
    from rtbci.commands.marker_news import line_of
    from rtbci.stream.lsl_markers import MarkerInlet

    inlet = MarkerInlet(amp.info, follow, tell=lambda seen: teller_of(console)(line_of(seen)))
    inlet.open()
    try:
        yield lambda: inlet.pull(0.0)
    finally:
        inlet.close()


def brainflow_amp(
    console: Console,
    board: str,
    params: Mapping[str, str],
    name: str = "",
    source_id: str = "",
    duration_s: float | None = None,
    *,
    not_its: Sequence[str] = (),
) -> None:
    """Stream a BrainFlow board until Ctrl-C; `not_its` are options that were given and that no board has."""
    if not_its:
        raise ConfigError(
            f"amp: got {', '.join(not_its)} with --brainflow, need options of a board; leave out what is the synthetic "
            "amplifier's (where your electrodes are the decoder is told: rtbci run --labels)"
        )
    from rtbci.amp.brainflow import BrainFlowAmp

    amp = BrainFlowAmp(board, params, name=name)
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
        f"stream '{info.name}': {counted(info.n_channels, 'channel')}, {info.rate_hz:g} Hz ({what}); Ctrl-C stops",
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
    import sys

    from rtbci.system.keyboard import single_keys

    if not sys.stdin.isatty():
        raise ConfigError("--keys: standard input is no terminal, need one to read keys from; leave it out")
    with single_keys(sys.stdin) as read:
        yield lambda: read(0.0) or ""
