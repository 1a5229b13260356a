"""What another delay of display or amplifier does to a user's templates, and when a run notices; in synthetic users.

Usage, from the checkout's root::

    python -m tools.ssvep.shifting

Users (seeds 0 on) are calibrated on four trials of each class; of a later recording the flicker's markers are moved, so that the answer comes
so many milliseconds later than in the calibration. Accuracy is of its trials of targets; what a run says is what `rtbci.runtime.use_watch`
says, looked at once a second. In the last row the flicker goes on for five minutes and nobody looks at a target.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rtbci.amp.flicker import Flicker
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.calibrate.candidates import standard_candidates
from rtbci.evaluate.tables import Grid, markdown
from rtbci.flicker.profile import targets_of
from rtbci.probe.flicker_clock import FLICKER_AT, FLICKER_ON
from rtbci.probe.profile import Profile
from rtbci.publish.messages import Event, Message
from rtbci.publish.outbox import Outbox
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.recipes.markers import with_markers
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.telemetry import hello_of
from rtbci.runtime.use_watch import UseWatch
from rtbci.stream.source import Marker
from tools.ssvep.calibrating import LOCKED, Cued, accuracy, read_person
from tools.ssvep.looking import RATE_HZ, look_at_flickers

SHIFTS_MS = (0, 5, 10, 20, 50)
K, N_LATER = 4, 12
"""Trials of each class to calibrate on, and later."""
IDLE_S = 300.0


class Heard:
    """A `Sink` that remembers the advice to calibrate again."""

    def __init__(self) -> None:
        self.advice: list[Event] = []

    def send(self, message: Message) -> None:
        """Take a message."""
        if isinstance(message, Event) and message.kind == "recalibration_advised":
            self.advice.append(message)

    def poll(self) -> bool:
        """Nobody needs a hello."""
        return False

    def close(self) -> None:
        """Nothing is open."""


def main() -> None:
    """Judge, and print the table."""
    parser = argparse.ArgumentParser(description="Judge what another delay does to templates of flicker.")
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--answer-uv", type=float, default=0.6, help="strength of their answer")
    options = parser.parse_args()
    recipe = with_markers(read_paradigm("ssvep"), ["idle=idle"])
    shares: dict[tuple[str, str], list[float]] = {}
    advice: dict[str, list[tuple[float, float] | None]] = {}
    for seed in range(options.users):
        print(f"user {seed} ...", flush=True)
        first, later = look_at_flickers(recipe, (K, N_LATER), options.answer_uv, seed)
        profiles = _profiles(recipe, first)
        for ms in SHIFTS_MS:
            moved = delayed(later, ms)
            for name, profile in profiles.items():
                cued = [
                    Cued(one.t_lsl, recipe.classes.index(one.value))
                    for one in later.markers
                    if one.value in recipe.classes
                ]
                shares.setdefault((f"{ms} ms", name), []).append(accuracy(recipe, moved, profile, cued))
            advice.setdefault(f"{ms} ms", []).append(advised(recipe, moved, profiles[LOCKED[-1]]))
        at_rest = rested(recipe, options.answer_uv, seed)
        advice.setdefault("nobody looks", []).append(advised(recipe, at_rest, profiles[LOCKED[-1]]))
        print(seed, {name: told[-1] for name, told in advice.items()}, flush=True)
    rows = []
    for name, told in advice.items():
        means = [f"{np.mean(shares[name, one]):.0f}" if (name, one) in shares else "-" for one in LOCKED]
        heard = [one for one in told if one is not None]
        after = f"{np.median([one[0] for one in heard]):.0f}" if heard else "-"
        said = ", ".join(f"{one[1]:+.0f}" for one in heard) or "-"
        rows.append((name, *means, f"{len(heard)} of {len(told)}", after, said))
    heads = ("answers later by", *LOCKED, "advised to calibrate again", "after s (median)", "ms that it says")
    print(markdown(Grid("Accuracy in %, and advice", heads, rows)))


def delayed(recording: Recording, ms: float) -> Recording:
    """The recording with all that the flicker evokes later than its markers say, by so much more."""
    markers = [
        one._replace(t_lsl=one.t_lsl - ms / 1e3) if one.value == FLICKER_ON else one
        for one in recording.markers
    ]
    return replace(recording, markers=tuple(sorted(markers, key=lambda one: one.t_lsl)))


def rested(recipe: ParadigmRecipe, answer_uv: float, seed: int) -> Recording:
    """The same user, who sees a flicker begin and looks at no target."""
    amp = SyntheticAmp(
        recipe.input.channels, RATE_HZ, seed, cues=False, flicker=Flicker(targets_of(recipe), answer_uv)
    )
    markers = [Marker(t_s, f"{FLICKER_AT}{t_s:g}") for t_s in np.arange(0.0, IDLE_S, 2.0).tolist()]
    return Recording(amp.info, amp.generate(round(IDLE_S * RATE_HZ))[0], tuple(markers))


def advised(recipe: ParadigmRecipe, recording: Recording, profile: Profile) -> tuple[float, float] | None:
    """Seconds from the recording's first sample until a run advises to calibrate again, and the milliseconds that it says; None: never."""
    heard, n = Heard(), round(recording.info.rate_hz)
    t_s, left = recording.sample_times(), sorted(recording.markers, key=lambda one: one.t_lsl)
    with Decoder(recipe, profile=profile) as decoder:
        watch = UseWatch(decoder, Outbox(hello_of(decoder), [heard], clock=lambda: 0.0))
        decoder.open(recording.info)
        for i in range(0, len(t_s), n):
            t_end = float(t_s[i : i + n][-1])
            while left and left[0].t_lsl <= t_end:
                decoder.mark(left.pop(0))
            for verdict in decoder.push(recording.data[i : i + n], t_s[i : i + n]):
                watch.note(verdict.estimate.logits)
            watch.look(t_end)
            if heard.advice:
                return t_end - float(t_s[0]), float(str(heard.advice[0].data["shift_ms"]))
    return None


def _profiles(recipe: ParadigmRecipe, first: Recording) -> Mapping[str, Profile]:
    assert recipe.population_folder is not None
    population, _, features = read_person(recipe, first, recipe.population_folder)
    return {
        one.name: one.fit(features).profile() for one in standard_candidates(population) if one.name in LOCKED
    }


if __name__ == "__main__":
    main()
