"""Who sits under the synthetic amplifier: a user who does what a paradigm reads."""

from collections.abc import Callable, Sequence

import numpy as np

from rtbci.amp.cues import STATES
from rtbci.amp.feet import FEET
from rtbci.amp.flashes import Attention
from rtbci.amp.flicker import Flicker
from rtbci.amp.night import STAGES, draw_night
from rtbci.amp.rhythms import Rhythms
from rtbci.amp.sleeper import SleepingAmp
from rtbci.amp.source import Amp
from rtbci.amp.synthetic import DEFAULT_CHANNELS, Signal, SyntheticAmp
from rtbci.errors import ConfigError
from rtbci.stream.marker_texts import GDF_CUES, class_of_marker

__all__ = [
    "Follower",
    "attention_of",
    "flicker_of",
    "imagines_feet",
    "keys_of",
    "rhythms_of",
    "user_of",
    "which_keys",
]

LONG_S = 20.0
"""A user whose rhythms follow does one thing at least so long."""
EITHER = {"hand": "right_hand", "hands": "right_hand", "both_hands": "right_hand"}
"""Who is asked for a hand, whichever, or for both, takes this one."""
HANDS = {*STATES[1:], *EITHER}
N_STRANGE = 3
"""So many different markers that ask for nothing, before any that does, are told."""
FEET_KEYS = {"f": FEET, "B": FEET}
KEYS = {"l": "left_hand", "D": "left_hand", "r": "right_hand", "C": "right_hand", " ": "rest", "0": "rest"}
"""Letters, space, and the last byte of the arrow keys (ESC [ D, ESC [ C; of feet, down, ESC [ B)."""


def user_of(
    paradigm: str,
    channels: Sequence[str],
    rate_hz: float,
    seed: int,
    *,
    line_hz: float,
    name: str,
    cues: bool,
    gaze: bool | None = None,
) -> Amp:
    """An amplifier whose user does what a paradigm reads: looks, attends, works, sleeps, or else imagines hands.

    Parameters
    ----------
    paradigm : str
        Name or folder of a recipe; empty: hands.
    channels : sequence of str
        Electrodes; empty: those of the paradigm, or the usual ones.
    rate_hz, seed, line_hz, name, cues
        See `SyntheticAmp`.
    gaze : bool, optional
        Whether the eyes go to the side of the hand that is asked for, as to a cue at that side. By default only where it asks for
        hands itself, as recordings with such cues do: who is asked by a page of rtbci sees cues in the middle.

    Raises
    ------
    ConfigError
        When no user of ours does what the paradigm reads.
    """
    sleeper = sleeper_of(paradigm, channels, rate_hz, seed, line_hz, name)
    if sleeper is not None:
        return sleeper
    rhythms, feet = rhythms_of(paradigm), imagines_feet(paradigm)
    attention, electrodes = attention_of(paradigm)
    flicker: Flicker | None = None
    if not (rhythms or feet or attention or imagines_hands(paradigm)):
        flicker, electrodes = flicker_of(paradigm)
    still = not (cues if gaze is None else gaze) and not (rhythms or attention or flicker)
    return SyntheticAmp(
        channels or electrodes or DEFAULT_CHANNELS,
        rate_hz,
        seed,
        cues=cues,
        line_hz=line_hz,
        signal=Signal(saccade_uv=0.0) if still else None,
        name=name,
        flicker=flicker,
        feet=feet and not rhythms,
        rhythms=rhythms,
        attention=attention,
    )


def imagines_hands(paradigm: str) -> bool:
    """Whether a paradigm's user is asked to imagine one of the hands; no name asks for nothing else."""
    from rtbci.recipes import read_paradigm

    return not paradigm or any(state_named(name, tuple(HANDS)) for name in read_paradigm(paradigm).classes)


def imagines_feet(paradigm: str) -> bool:
    """Whether a paradigm's user is asked to imagine the feet; no name asks for nothing."""
    from rtbci.recipes import read_paradigm

    return bool(paradigm) and any(state_named(name, (FEET,)) for name in read_paradigm(paradigm).classes)


def state_named(name: str, states: Sequence[str]) -> str | None:
    """What a user does who is asked for a class, by its own name or another that it has (``left``: ``left_hand``)."""
    name = EITHER.get(name, name) if name not in states else name
    if name in states:
        return name
    groups = [group for group in GDF_CUES.values() if name.lower() in group]
    return next((state for state in states if any(state in group for group in groups)), None)


class Follower:
    """Says what the user does when markers come, those of a paradigm's `[markers]` among them.

    Parameters
    ----------
    states : sequence of str
        What the user can do; the first is rest.
    paradigm : str
        Name or folder of the recipe whose markers are known; empty: the states' own names and what public formats agree on.
    say : callable
        Told once, when markers come that ask for nothing the user can do.
    maps : sequence of str
        More markers, each ``"TEXT=CLASS"``: of the recipe's classes, or without one of `states`.

    Raises
    ------
    ConfigError
        When one of `maps` means nothing.
    """

    def __init__(
        self,
        states: Sequence[str],
        paradigm: str,
        say: Callable[[str], object],
        maps: Sequence[str] = (),
    ) -> None:
        from rtbci.recipes import read_paradigm
        from rtbci.recipes.markers import named_markers, with_markers

        self._states, self._say = tuple(states), say
        self._recipe = with_markers(read_paradigm(paradigm), maps) if paradigm else None
        self._named = {} if paradigm else named_markers(maps, self._states, "this user can do")
        self._strange: dict[str, None] = {}
        self._listens = True

    def state(self, marker: str) -> str:
        """What to do from this marker on; rest, where it asks for nothing that the user can do."""
        state = state_named(marker, self._states)
        if state is None:
            known = self._recipe
            name = known.class_of(marker) if known else class_of_marker(marker, self._named, self._states)
            state = None if name is None else state_named(name, self._states)
        if state is None:
            self._wonder(marker)
            return self._states[0]
        self._listens = self._listens and state == self._states[0]
        return state

    def _wonder(self, marker: str) -> None:
        self._strange[marker] = None
        if self._listens and len(self._strange) >= N_STRANGE:
            self._listens = False
            told = ", ".join(f"'{one[:40]}'" for one in self._strange)
            self._say(
                f"no marker so far ({told}) asks for anything that this user does ({', '.join(self._states)}), so nothing is done; "
                "--map TEXT=CLASS says what they mean, or --paradigm the recipe whose [markers] has them"
            )


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


def sleeper_of(
    paradigm: str, channels: Sequence[str], rate_hz: float, seed: int, line_hz: float, name: str
) -> SleepingAmp | None:
    """A user who sleeps, where the paradigm stages sleep; None otherwise."""
    if not paradigm:
        return None
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
    if not recipe.flickers:
        raise ConfigError(
            f"amp: paradigm '{recipe.name}' has the classes {', '.join(recipe.classes)}, which no synthetic user can do, need "
            "left_hand, right_hand, hand, hands or feet among them, [[rhythms]], [flashes], or a branch of kind cca; leave --paradigm "
            "out for a user who imagines hands"
        )
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
    """Which key says what: arrows and letters for hands, numbers for targets, stages and what rhythms follow."""
    if tuple(states[:3]) == STATES:
        return KEYS | FEET_KEYS if FEET in states else KEYS
    if tuple(states) == STAGES:
        return {str(i): state for i, state in enumerate(states)}
    if states[0] != "rest":
        return {" ": states[0]} | {str(i): state for i, state in enumerate(states[:9], start=1)}
    return {" ": "rest", "0": "rest"} | {str(i): state for i, state in enumerate(states[1:10], start=1)}


def which_keys(states: Sequence[str]) -> str:
    """What people are told of the keys."""
    keys = keys_of(states)
    if tuple(states[:3]) == STATES:
        return (
            "left, right, down for feet, space for rest" if FEET in states else "left, right, space for rest"
        )
    if states[0] == "rest":
        return f"1 to {len(states) - 1} for a target, space for rest"
    told = ", ".join(f"{key} for {state}" for key, state in keys.items() if key != " ")
    return f"{told}, space for {keys[' ']}" if " " in keys else told
