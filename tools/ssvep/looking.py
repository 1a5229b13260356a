"""A synthetic user who looks at flickers that begin anew with every cue, recorded."""

from collections.abc import Sequence

import numpy as np

from rtbci.amp.flicker import Flicker
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.flicker.profile import targets_of
from rtbci.probe.flicker_clock import FLICKER_ON
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.stream.source import Marker

__all__ = ["RATE_HZ", "TRIAL_S", "look_at_flickers"]

RATE_HZ, TRIAL_S = 250.0, 5.0
LEAD_S, PAUSE_S = 8.0, 1.5


def look_at_flickers(
    recipe: ParadigmRecipe, per_class: Sequence[int], answer_uv: float, seed: int = 0
) -> list[Recording]:
    """One recording for each number of trials of each class, of one user, one after the other; idle is asked for too."""
    flicker = Flicker(targets_of(recipe), answer_uv)
    amp = SyntheticAmp(recipe.input.channels, RATE_HZ, seed, cues=False, flicker=flicker)
    rng = np.random.default_rng(seed)
    return [_recorded(amp, recipe, k, rng) for k in per_class]


def _recorded(amp: SyntheticAmp, recipe: ParadigmRecipe, k: int, rng: np.random.Generator) -> Recording:
    order = [str(name) for _ in range(k) for name in rng.permutation(recipe.classes)]
    i_first, pieces, markers = amp.n_given, [amp.generate(round(LEAD_S * RATE_HZ))[0]], list[Marker]()
    for name in order:
        # a block is made as a whole: what is said now is done from the next one on
        n_left = amp.n_ahead
        i_cue = amp.n_given + n_left
        amp.tell(FLICKER_ON, i_cue)
        amp.set_state(name if name in amp.states else "rest")
        t_cue = (i_cue - i_first) / RATE_HZ
        markers += [Marker(t_cue, FLICKER_ON), Marker(t_cue, name)]
        pieces.append(amp.generate(n_left + round(TRIAL_S * RATE_HZ))[0])
        amp.set_state("rest")
        pieces.append(amp.generate(round((PAUSE_S + float(rng.uniform())) * RATE_HZ))[0])
    return Recording(amp.info, np.concatenate(pieces), tuple(markers))
