"""Windows of flashes from recordings, by the stages that run live, and which flashes were attended to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError, FileFormatError
from rtbci.probe.fusion import Fusion
from rtbci.recipes import ParadigmRecipe
from rtbci.recipes.flashes import FlashSettings
from rtbci.replay.recording import Recording
from rtbci.runtime.estimate import WindowGrid
from rtbci.runtime.opening import open_stream
from rtbci.runtime.pipeline import Pipeline
from rtbci.stages.stage import FloatArray
from rtbci.stream.health import unbroken
from rtbci.stream.source import UNSEEN, Marker

__all__ = ["Flash", "FlashEpochs", "cut_epochs", "find_flashes", "flashes_of"]


@dataclass(frozen=True)
class Flash:
    """A flash of which is known whether it was attended to.

    Parameters
    ----------
    t_s : float
        Seconds from the recording's first sample.
    is_target : bool
    i_selection : int
        Which selection it belongs to, from 0 through all recordings.
    group : str
        What flashed; empty where only is known whether it was meant.
    cue : str
        Item asked for; empty likewise.
    """

    t_s: float
    is_target: bool
    i_selection: int
    group: str = ""
    cue: str = ""


@dataclass(frozen=True)
class FlashEpochs:
    """Labelled windows in the order of time.

    Parameters
    ----------
    epochs : ndarray of float64, shape (n_flashes, n_samples, n_channels)
    flashes : tuple of Flash
    n_lost : int
        Flashes without a window: a gap, or the recording's end.
    rate_hz : float
    found : tuple of str
        Electrodes of the layout that the recordings have.
    """

    epochs: FloatArray
    flashes: tuple[Flash, ...]
    n_lost: int
    rate_hz: float
    found: tuple[str, ...] = ()

    @property
    def is_target(self) -> npt.NDArray[np.bool_]:
        """Shape (n_flashes,)."""
        return np.array([one.is_target for one in self.flashes], dtype=bool)

    @property
    def i_selection(self) -> npt.NDArray[np.intp]:
        """Shape (n_flashes,)."""
        return np.array([one.i_selection for one in self.flashes], dtype=np.intp)


def flashes_of(recipe: ParadigmRecipe) -> FlashSettings:
    """The recipe's flashes.

    Raises
    ------
    ConfigError
        When it has none.
    """
    if recipe.flashes is None:
        raise ConfigError(
            f"paradigm '{recipe.name}': has no [flashes], need a paradigm whose items flash; name another"
        )
    return recipe.flashes


def find_flashes(markers: Sequence[Marker], recipe: ParadigmRecipe, i_first: int = 0) -> list[Flash]:
    """Labelled flashes of a recording.

    A flash of a group was attended to when the item of the last cue is in it; a selection goes from cue to cue, or from
    ``trial/begin`` to ``trial/begin``. Of target and nontarget flashes without cues, one ends where there is none for
    longer than the recipe's `refractory_s`. What goes before ``unseen`` in a selection is left out.

    Parameters
    ----------
    markers : sequence of Marker
        In the order of time.
    recipe : ParadigmRecipe
    i_first : int
        Number of the first selection.
    """
    settings, found = flashes_of(recipe), list[Flash]()
    groups = settings.named_groups(recipe.classes)
    i_selection, cue, is_new, t_last = i_first - 1, "", True, -np.inf
    for marker in sorted(markers, key=lambda one: one.t_lsl):
        if marker.value == UNSEEN and not is_new:
            found = [one for one in found if one.i_selection != i_selection]
        meant = settings.read(marker.value, recipe.classes)
        if meant is None:
            continue
        if meant.kind in ("cue", "begin"):
            cue, is_new = (meant.name if meant.kind == "cue" else cue), True
        elif meant.kind == "end":
            cue = ""
        else:
            is_named = meant.kind == "flash"
            if is_named and not cue:
                continue
            if is_new or (not cue and marker.t_lsl - t_last > recipe.decision.refractory_s):
                i_selection += 1
            is_target = cue in groups[meant.name] if is_named else meant.kind == "target"
            found.append(Flash(marker.t_lsl, is_target, i_selection, meant.name, cue if is_named else ""))
            is_new, t_last = False, marker.t_lsl
    return found


def cut_epochs(recordings: Sequence[Recording], recipe: ParadigmRecipe, unit: str = "") -> FlashEpochs:
    """Labelled windows of all recordings, each from a fresh start of the stream.

    Bad electrodes are left as they are: what is fitted on windows in which some are replaced now and then tells flashes
    less well, whether they are replaced in use or not (docs/results_p300.md).

    Parameters
    ----------
    recordings : sequence of Recording
        Of one cap, in the order of time.
    recipe : ParadigmRecipe
    unit : str
        Of the recordings, where they state it wrongly.

    Raises
    ------
    FileFormatError
        When no flash has both a label and a window.
    RtbciError
        What a recording lacks.
    """
    flashes: list[Flash] = []
    windows: list[FloatArray] = []
    n_lost, i_selection, rate_hz, electrodes = 0, 0, 0.0, tuple[str, ...]()
    for recording in recordings:
        labelled = find_flashes(recording.markers, recipe, i_selection)
        found, rate_hz, electrodes = _windows(recording, recipe, labelled, unit)
        kept = [one for one in labelled if one.t_s in found]
        n_lost += len(labelled) - len(kept)
        flashes += kept
        windows += [found[one.t_s] for one in kept]
        i_selection = max((one.i_selection + 1 for one in labelled), default=i_selection)
    if not flashes:
        texts = sorted({marker.value for one in recordings for marker in one.markers})
        raise FileFormatError(
            f"flashes of '{recipe.name}': the recordings' markers are {', '.join(texts[:12]) or 'none'}, need cue/ITEM and "
            "flash/GROUP, or those that [flashes] of the recipe calls target and nontarget; give recordings with them"
        )
    return FlashEpochs(np.stack(windows), tuple(flashes), n_lost, rate_hz, electrodes)


class _Keeping:
    """A branch that keeps the windows; they come in the order in which they were asked for."""

    def __init__(self, window_samples: int) -> None:
        self.name, self.window_samples = "keeping", window_samples
        self.windows: list[FloatArray] = []

    def push(self, hop: FloatArray) -> None:
        """Windows do not slide."""

    def logits(self) -> FloatArray | None:
        return None

    def logits_of(self, window: FloatArray) -> FloatArray:
        self.windows.append(window)
        return np.zeros(2)

    def rehearse(self) -> None:
        """Nothing is computed."""

    def reset(self) -> None:
        """What was kept is kept."""


def _windows(
    recording: Recording, recipe: ParadigmRecipe, flashes: Sequence[Flash], unit: str
) -> tuple[dict[float, FloatArray], float, tuple[str, ...]]:
    """Windows by the times of their flashes, the rate, and the electrodes found."""
    window, info = recipe.window, recording.info
    opened = open_stream(recipe, info, None, unit, ignore=(), mask=False)
    chain = opened.chain
    n = round(window.length_s * chain.rate_out_hz)
    grid = WindowGrid(n, round(window.hop_s * chain.rate_out_hz), marker_policy=True, t_min_s=window.t_min_s)
    branch = _Keeping(n)
    pipeline = Pipeline(chain, [branch], Fusion([1.0], np.zeros(2)), grid)
    for one in flashes:
        pipeline.mark(Marker(one.t_s, ""))
    t_s = recording.sample_times()
    marked: list[float] = []
    for stretch in unbroken(t_s, info.rate_hz):
        if stretch.start:
            pipeline.restart()
        estimates = pipeline.push(recording.data[stretch], t_s[stretch])
        marked += [one.marker.t_lsl for one in estimates if one.marker is not None]
    found = dict(zip(marked, branch.windows, strict=True))
    return found, chain.rate_out_hz, opened.channel_map.found_labels
