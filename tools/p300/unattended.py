"""Synthetic users who attend to an item and to none, at the recipe's pace, through the running decoder: how often an item is written.

Usage, from the checkout's root::

    python -m tools.p300.unattended

Each user (a seed) is calibrated on ten items, then sees selections of all repetitions in turns: one in which it attends to the item that
is asked for, one in which it attends to none. Time is simulated. What the running decoder decided is the recipe's row: the tool
stops where playing the same evidence gives anything else. The other priors are played on that evidence.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from rtbci.amp.flashes import Attention, FlashCues
from rtbci.amp.synthetic import BLOCK_S, SyntheticAmp
from rtbci.commands.demo_speller import calibrated
from rtbci.evaluate.statistics import wilson
from rtbci.evaluate.tables import Grid, markdown
from rtbci.flashes.epochs import flashes_of
from rtbci.flashes.judge import Selection, play
from rtbci.flashes.nobody import NobodyRow, try_nobody
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.recipes.flashes import BEGIN, END
from rtbci.replay.recording import Recording
from rtbci.runtime.deciding import evidence_of, item_policy
from rtbci.runtime.decoder import Decoder
from rtbci.speller.grid import letters_for
from rtbci.speller.markers import cue_of, flash_of
from rtbci.stream.source import Marker

N_LETTERS = 10
"""Of the calibration."""
REST = "rest"
"""What the user is told instead of a cue: nothing is attended to."""


@dataclass(frozen=True)
class User:
    """What became of one user's selections.

    Parameters
    ----------
    area : float
        Under the ROC curve, of flashes, cross-validated in the calibration.
    attended, empty : list of Selection
    """

    seed: int
    area: float
    attended: list[Selection]
    empty: list[Selection]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description="Judge what is written while a synthetic user attends to no item."
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 13)))
    parser.add_argument("--selections", type=int, default=20, help="of each kind, for each user")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    recipe = read_paradigm("p300")
    with ProcessPoolExecutor(options.processes) as pool:
        users = list(pool.map(partial(judge, recipe, options.selections), options.seeds))
    print(markdown(_by_user(users, recipe)))
    rows = try_nobody(
        [one for user in users for one in user.attended],
        [one for user in users for one in user.empty],
        recipe,
    )
    print(markdown(_by_prior(rows)))


def judge(recipe: ParadigmRecipe, n: int, seed: int) -> User:
    """Calibrate a user, and have it attend to `n` items and as often to none."""
    settings = flashes_of(recipe)
    letters = letters_for(recipe.classes, N_LETTERS + 2 * n, seed)
    attention = Attention(
        settings.named_groups(recipe.classes), settings.soa_s, settings.max_repetitions, wanted=letters
    )
    amp = SyntheticAmp(recipe.input.channels, seed=seed, cues=False, attention=attention)
    cues = FlashCues(attention, amp.info.rate_hz, np.random.default_rng(seed))
    contest = calibrated(recipe, _recorded(amp, cues, [True] * N_LETTERS))
    attends = [i % 2 == 0 for i in range(2 * n)]
    selections = _decoded(recipe, contest.profile, _recorded(amp, cues, attends))
    attended = [one for one, does in zip(selections, attends, strict=True) if does]
    empty = [one for one, does in zip(selections, attends, strict=True) if not does]
    print(f"user {seed}: calibrated and judged", flush=True)
    return User(seed, contest.chosen.area.value, attended, empty)


def _recorded(amp: SyntheticAmp, cues: FlashCues, attends: Sequence[bool]) -> Recording:
    """Selections of whole length, and which of them the user attends to; ends in the rest behind the last."""
    n_block, i_first = round(BLOCK_S * amp.info.rate_hz), amp.n_given
    parts, markers, asked = [], list[Marker](), iter(attends)
    while sum(one.value == END for one in markers) < len(attends):
        for one in cues.until(amp.n_given + n_block):
            does = cue_of(one.state) is None or next(asked)
            amp.tell(one.state if does else REST, one.i_sample)
            markers.append(Marker((one.i_sample - i_first) / amp.info.rate_hz, one.state))
        parts.append(amp.generate(n_block)[0])
    parts.append(amp.generate(round(1.0 / BLOCK_S) * n_block)[0])  # the last flash's window
    return Recording(amp.info, np.concatenate(parts), tuple(markers))


def _decoded(recipe: ParadigmRecipe, profile: Profile, recording: Recording) -> list[Selection]:
    """Evidence of each selection's flashes by the running decoder, each with what was decided on them."""
    begins = [one.t_lsl for one in recording.markers if one.value == BEGIN]
    asked = [str(cue_of(one.value)) for one in recording.markers if cue_of(one.value) is not None]
    groups: list[list[str]] = [[] for _ in begins]
    evidence: list[list[float]] = [[] for _ in begins]
    decided: list[str | None] = [None] * len(begins)
    with Decoder(recipe, profile=profile) as decoder:
        for verdict in decoder.decode(recording):
            marker, said = verdict.estimate.marker, evidence_of(verdict.estimate)
            if marker is None or said is None:
                continue
            i = int(np.searchsorted(begins, marker.t_lsl, side="right")) - 1
            groups[i].append(str(flash_of(marker.value)))
            evidence[i].append(said)
            decided[i] = decided[i] or verdict.decision
    found = [
        Selection(item, tuple(names), tuple(said))
        for item, names, said in zip(asked, groups, evidence, strict=True)
    ]
    policy = item_policy(recipe, recipe.decision)
    if [play(one, policy).decision for one in found] != decided:
        raise SystemExit(
            "the running decoder decided otherwise than its evidence played again; mend this tool"
        )
    return found


def _by_user(users: Sequence[User], recipe: ParadigmRecipe) -> Grid:
    policy = item_policy(recipe, recipe.decision)
    groups, rows = flashes_of(recipe).named_groups(recipe.classes), []
    for user in users:
        right = sum(play(one, policy).decision == one.item for one in user.attended)
        written = sum(play(one, policy).decision is not None for one in user.empty)
        said = [
            (name in groups and one.item in groups[name], value)
            for one in user.attended
            for name, value in zip(one.groups, one.evidence, strict=True)
        ]
        means = [
            float(np.mean([value for is_target, value in said if is_target is kind]))
            for kind in (True, False)
        ]
        nobody = float(np.mean([value for one in user.empty for value in one.evidence]))
        rows.append(
            (
                str(user.seed),
                f"{user.area:.2f}",
                f"{right} of {len(user.attended)}",
                f"{written} of {len(user.empty)}",
                *(f"{one:+.2f}" for one in (*means, nobody)),
            )
        )
    n_written = sum(int(row[3].split(" of ")[0]) for row in rows)
    low, high = wilson(n_written, sum(len(user.empty) for user in users))
    heads = ("user", "AUC", "right", "written by nobody", "target", "nontarget", "nobody attends")
    return Grid(
        f"Evidence and items; written by nobody: {100 * low:.0f} to {100 * high:.0f} % (95 %)", heads, rows
    )


def _by_prior(rows: Sequence[NobodyRow]) -> Grid:
    heads = (
        "p_nobody",
        "nobody attends: an item is written %",
        "somebody: right %",
        "wrong %",
        "no item %",
        "flashes",
    )
    return Grid(
        "Priors",
        heads,
        [
            (
                f"{one.p_nobody:g}",
                *(f"{100 * share:.1f}" for share in (one.written, one.right, one.wrong, one.none)),
                f"{one.flashes:.1f}",
            )
            for one in rows
        ],
    )


if __name__ == "__main__":
    main()
