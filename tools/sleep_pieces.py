"""What decoders of sleep stages say of the few pieces of real sleep and wakefulness in ``../shared/data``.

Usage, from the checkout's root::

    python -m tools.sleep_pieces [--yasa FOLDER_SLEEP FOLDER_SLEEP_EOG]
    python -m tools.sleep_pieces --nights 4 [--yasa ...] [--figure docs/images/sleep-night.png]

Prints a table for docs/results_sleep.md. The pieces last seconds to minutes and hold no night: this is a check of the
plausible, not a measurement of accuracy. ``--yasa`` names profiles that ``rtbci night yasa --out`` wrote; where YASA
itself is installed and a piece lasts five minutes, it scores that too.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtbci.errors import MissingPackageError, RtbciError
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.night.drawn import write_png
from rtbci.night.hypnogram import STAGES, Hypnogram
from rtbci.night.judge import NightScore, agreement, pooled
from rtbci.night.windows import decode_night
from rtbci.night.yasa import score_night
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording, join_recordings
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Channel, StreamInfo
from tools.train_sleep import simulated_night

LOOPS_S = 65.0
"""Pieces that are shorter than a window and the filters' time are played again and again."""
SUBJECTS = ("S001", "S002", "S003")


class Piece(NamedTuple):
    """A piece of signal and what it is known to be."""

    what: str
    stage: str
    paradigm: str
    recording: Recording


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Decoders of sleep stages on pieces of real signal.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--yasa", type=Path, nargs=2, help="profiles of YASA's trees: sleep, sleep_eog")
    parser.add_argument(
        "--nights", type=int, default=0, help="so many simulated nights instead of the pieces"
    )
    parser.add_argument("--figure", type=Path, help="draw the last of these here")
    options = parser.parse_args()
    yasa: dict[str, Path] = dict(zip(("sleep", "sleep_eog"), options.yasa or (), strict=False))
    if options.nights:
        simulated(options.nights, yasa, options.figure)
        return
    print(f"| piece | known to be | decoder | {' | '.join(STAGES)} | most windows |")
    print("|---|---|---|" + "---|" * (len(STAGES) + 1))
    for piece in pieces(options.data):
        rows = [("shipped", shares(piece, None))]
        if piece.paradigm in yasa:
            rows.append(("YASA's trees, causal", shares(piece, yasa[piece.paradigm])))
            rows.append(("YASA, whole piece", yasa_shares(piece)))
        for name, found in rows:
            cells = ["-"] * (len(STAGES) + 1) if found is None else said(*found)
            print(f"| {piece.what} | {piece.stage} | {piece.paradigm}, {name} | {' | '.join(cells)} |")


def simulated(n_nights: int, yasa: dict[str, Path], figure: Path | None) -> None:
    """Print how several decoders agree with what was simulated, over all epochs of nights of seeds 0, 1, ..."""
    print(f"| decoder | nights | accuracy % | kappa | {' | '.join(f'F1 {one}' for one in STAGES)} |")
    print("|---|---|---|---|" + "---|" * len(STAGES))
    for name in ("sleep", "sleep_eog"):
        recipe = read_paradigm(name)
        nights = [simulated_night(seed, recipe.input.channels) for seed in range(n_nights)]
        decoders: dict[str, Callable[[Recording], Hypnogram]] = {"shipped": decoded_by(recipe, None)}
        if name in yasa:
            decoders["YASA's trees, causal"] = decoded_by(recipe, yasa[name])
            decoders["YASA, whole night"] = scored_by_yasa(recipe)
        for what, decode in decoders.items():
            scores = [
                NightScore(one.name, one.hypnogram, found, agreement(one.hypnogram.stages, found.stages))
                for one in nights
                for found in [decode(one.recording)]
            ]
            every = pooled(scores)
            f1 = " | ".join("-" if value is None else f"{value:.2f}" for value in every.f1.values())
            print(
                f"| {name}, {what} | {n_nights} | {100 * every.accuracy:.1f} | {every.kappa:.2f} | {f1} |",
                flush=True,
            )
            if figure is not None and (name, what) == ("sleep", "shipped"):
                one = scores[-1]
                write_png(
                    figure,
                    one.decoded,
                    f"a simulated night ({one.name}): no recording of anybody",
                    one.scored,
                )


def decoded_by(recipe: ParadigmRecipe, profile: Path | None) -> Callable[[Recording], Hypnogram]:
    """The live decoder with a profile."""
    return lambda recording: decode_night(recipe, profile, recording)


def scored_by_yasa(recipe: ParadigmRecipe) -> Callable[[Recording], Hypnogram]:
    """YASA itself, for a recipe's channels."""
    return lambda recording: score_night(recipe, recording)


def said(mean: FloatArray, most: str) -> list[str]:
    return [*(f"{one:.2f}" for one in mean.tolist()), most]


def shares(piece: Piece, profile: Path | None) -> tuple[FloatArray, str] | None:
    """Mean probability of each stage over all full windows, and the stage that most of them are taken for."""
    with Decoder(piece.paradigm, profile=profile) as decoder:
        estimates = [one.estimate.probs for one in decoder.decode(piece.recording)]
    probs = np.array([one for one in estimates if one is not None])
    if not len(probs):
        return None
    votes = np.bincount(probs.argmax(axis=1), minlength=len(STAGES))
    return probs.mean(axis=0), f"{STAGES[int(votes.argmax())]} ({votes.max()} of {len(probs)})"


def yasa_shares(piece: Piece) -> tuple[FloatArray, str] | None:
    """The same by YASA itself, epochs of 30 s; None where it is not installed or the piece too short for it."""
    try:
        found = score_night(read_paradigm(piece.paradigm), piece.recording)
    except (MissingPackageError, RtbciError):
        return None
    assert found.probs is not None
    votes = [found.stages.count(one) for one in STAGES]
    return found.probs.mean(axis=0), f"{STAGES[int(np.argmax(votes))]} ({max(votes)} of {len(found.stages)})"


def pieces(data: Path) -> list[Piece]:
    """All pieces, with the channels that the paradigms read."""
    sleep = data / "sleep"
    n2 = np.loadtxt(sleep / "data_N2_spindles_15sec_200Hz.txt")
    n3 = np.loadtxt(sleep / "data_N3_no-spindles_30sec_100Hz.txt")
    with np.load(sleep / "data_EOGs_REM_256Hz.npz", allow_pickle=False) as rem:
        eyes, rate_hz = rem["data"], float(rem["sf"])
    (rest,) = read_recordings(sleep / "data_resting_EO_200Hz_raw.fif")
    # Both eyes together: what they move in opposite directions is gone, what the brain does is left.
    frontal = eyes.mean(axis=0)
    found = [
        Piece("N2 with spindles, 15 s, looped", "N2", "sleep", _made({"C4": _loop(n2, 200.0)}, 200.0)),
        Piece("N3, 30 s, looped", "N3", "sleep", _made({"C4": _loop(n3, 100.0)}, 100.0)),
        Piece("REM, EOG only, 14 min: mean of both as EEG", "REM", "sleep", _made({"C4": frontal}, rate_hz)),
        Piece("the same with one EOG", "REM", "sleep_eog", _made({"C4": frontal, "E1": eyes[0]}, rate_hz)),
        Piece("rest, eyes open, 6 min (F4-A1)", "W", "sleep", rest),
    ]
    reads: list[tuple[str, Callable[[], Recording]]] = [
        *(
            (f"eegmmidb {one}, imagery at a screen, 6 min", lambda one=one: _subject(data, one))
            for one in SUBJECTS
        ),
        *(
            (f"eegmat {path.stem}, rest, 3 min", lambda path=path: read_recordings(path)[0])
            for path in sorted((data / "eegmat").glob("*_1.edf"))
        ),
        *(
            (f"Muse {path.stem}, 4 channels", lambda path=path: read_recordings(path)[0])
            for path in sorted((data / "muse").glob("*.csv"))[:3]
        ),
    ]
    return found + [Piece(what, "W", "sleep", read()) for what, read in reads]


def _subject(data: Path, name: str) -> Recording:
    return join_recordings(read_npz_runs(data / "eegmmidb" / f"{name}.npz"), 1.0)


def _loop(signal: FloatArray, rate_hz: float) -> FloatArray:
    return np.resize(signal, round(LOOPS_S * rate_hz))


def _made(channels: dict[str, FloatArray], rate_hz: float) -> Recording:
    described = tuple(Channel(name, "microvolts", "EEG") for name in channels)
    return Recording(
        StreamInfo("piece", "piece", rate_hz, described), np.column_stack(list(channels.values()))
    )


if __name__ == "__main__":
    main()
