"""A row and column speller out of a recording of which only is known which flashes were meant.

Brain Invaders flashes 36 items in groups of six, twelve groups in a repetition, two of which hold the item that the user
attends to. So does a speller of six rows and six columns. Who attends to one item among those two groups does the same
in both; so the two target flashes of each repetition are taken for the row and the column of an item that is drawn at
random, and the ten others for the other rows and columns in an order drawn at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rtbci.errors import FileFormatError
from rtbci.flashes.epochs import flashes_of
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.stream.source import Marker

__all__ = ["Repetition", "assign_groups", "emulated", "find_repetitions"]

BEFORE_S = 0.3
"""Cue and begin of a selection come this much before its first flash."""


@dataclass(frozen=True)
class Repetition:
    """Flashes that hold every row and every column once.

    Parameters
    ----------
    flashes : tuple of int
        Which flashes, in the order of time.
    is_target : tuple of bool
        Two of them.
    """

    flashes: tuple[int, ...]
    is_target: tuple[bool, ...]


def find_repetitions(
    is_target: Sequence[bool] | npt.NDArray[np.bool_], recipe: ParadigmRecipe
) -> list[Repetition]:
    """Cut a row of flashes into repetitions.

    Raises
    ------
    FileFormatError
        When the recipe has no grid, or the flashes do not come in repetitions of its rows and columns with two targets.
    """
    grid = flashes_of(recipe).grid
    n = len(grid) + len(grid[0]) if grid else 0
    if not n:
        raise FileFormatError(
            f"paradigm '{recipe.name}': has no grid, need rows and columns to give flashes to; name another paradigm"
        )
    flags = [bool(one) for one in is_target]
    found = [
        Repetition(tuple(range(i, i + n)), tuple(flags[i : i + n])) for i in range(0, len(flags) - n + 1, n)
    ]
    if len(flags) % n or any(sum(one.is_target) != 2 for one in found):
        raise FileFormatError(
            f"{len(flags)} flashes with {sum(flags)} targets: are no repetitions of {n} flashes with two targets each, need "
            "these to give them to rows and columns; give a recording of such a paradigm"
        )
    return found


def assign_groups(
    repetitions: Sequence[Repetition], item: str, recipe: ParadigmRecipe, rng: np.random.Generator
) -> list[str]:
    """Name of the row or column that each flash of these repetitions is taken for.

    Parameters
    ----------
    repetitions : sequence of Repetition
        Of one selection.
    item : str
        What the user is taken to attend to.
    recipe : ParadigmRecipe
    rng : numpy.random.Generator
    """
    groups = flashes_of(recipe).named_groups(recipe.classes)
    own = [name for name, items in groups.items() if item in items]
    others = [name for name in groups if name not in own]
    names: list[str] = []
    for one in repetitions:
        meant, rest = iter(rng.permutation(own)), iter(rng.permutation(others))
        names += [str(next(meant if is_target else rest)) for is_target in one.is_target]
    return names


def emulated(
    recording: Recording, recipe: ParadigmRecipe, n_repetitions: int = 8, seed: int = 0
) -> Recording:
    """The recording with the markers of a speller: ``cue/ITEM``, ``trial/begin``, ``flash/GROUP``, ``trial/end``.

    Parameters
    ----------
    recording : Recording
        With target and nontarget markers; see `rtbci.recipes.flashes.FlashSettings`.
    recipe : ParadigmRecipe
    n_repetitions : int
        Of a selection; a rest of fewer at the end is left out.
    seed : int
        Draws items and orders.

    Raises
    ------
    FileFormatError
        See `find_repetitions`.
    """
    settings, rng = flashes_of(recipe), np.random.default_rng(seed)
    flashes = [
        (marker.t_lsl, meant.kind == "target")
        for marker in sorted(recording.markers, key=lambda one: one.t_lsl)
        if (meant := settings.read(marker.value, recipe.classes)) is not None
        and meant.kind in ("target", "nontarget")
    ]
    repetitions = find_repetitions([is_target for _, is_target in flashes], recipe)
    markers: list[Marker] = []
    for i in range(0, len(repetitions) - n_repetitions + 1, n_repetitions):
        some = repetitions[i : i + n_repetitions]
        item = str(rng.choice(recipe.classes))
        times = [flashes[k][0] for one in some for k in one.flashes]
        names = assign_groups(some, item, recipe, rng)
        t_begin = times[0] - BEFORE_S
        markers += [Marker(t_begin - BEFORE_S, f"cue/{item}"), Marker(t_begin, "trial/begin")]
        markers += [Marker(t, f"flash/{name}") for t, name in zip(times, names, strict=True)]
        markers.append(Marker(times[-1] + settings.flash_s, "trial/end"))
    return replace(recording, markers=tuple(sorted(markers, key=lambda one: one.t_lsl)))
