"""What the look at the electrodes does on recordings: the numbers of docs/signal_quality.md.

    python tools/signal_quality.py alarms --data ../shared/data
    python tools/signal_quality.py faults --data ../shared/data/eegmmidb --subjects S001,S004
    python tools/signal_quality.py rate --data ../shared/data/eegmmidb --subjects S001,S004
    python tools/signal_quality.py cost

`alarms` counts what is masked in recordings as they are. `faults` makes electrodes of runs 4, 8 and 12 of EEGMMIDB bad
(`rtbci.chaos`), and compares decoding without and with masks, and without the fault. The population profile was trained on
some of these people: the numbers compare ways of decoding, they do not say how good it is.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from rtbci.chaos.flow import Samples
from rtbci.chaos.injector import Injector
from rtbci.chaos.scenario import Scenario
from rtbci.clock import cpu_s
from rtbci.errors import RtbciError
from rtbci.evaluate.decode import Windows, decode_run
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.build import stream_gains_uv
from rtbci.runtime.decoder import Decoder
from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.fill import Fill
from rtbci.stages.filter import SosFilter
from rtbci.stages.mask import MaskedChain
from rtbci.stages.reference import AverageReference
from rtbci.stages.stage import Chain, FloatArray, Stage
from rtbci.stream.labels import EAR_REFERENCES, canonical_label, is_eeg
from rtbci.stream.source import Channel, Chunk, StreamInfo

BAND_HZ = (8.0, 30.0)
LEAST_S = 10.0
UNCALIBRATED = ("ssvep-exo",)
"""Not in microvolts, by its own notes."""


# -- alarms -------------------------------------------------------------------------------------------


def all_recordings(root: Path) -> Iterator[tuple[str, str, Recording]]:
    """Folder, name and recording of everything that has EEG for ten seconds or more, at 64 Hz or more."""
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        folder = path.relative_to(root).parts[0]
        if folder in UNCALIBRATED:
            continue
        try:
            found = [_p300(path)] if folder == "p300-bi2012" else read_recordings(path)
        except (RtbciError, OSError, ValueError, KeyError):
            continue  # notes, markers, other formats
        for i, one in enumerate(found):
            if one.info.rate_hz >= 64.0 and one.duration_s >= LEAST_S:
                yield folder, f"{path.stem}/{i}", one


def _p300(path: Path) -> Recording:
    """A recording of p300-bi2012, which has no labels: 16 electrodes, 128 Hz, microvolts."""
    data = np.load(path)["data"][:, :16].astype(float)
    channels = tuple(Channel(f"E{i + 1}", "uV", "EEG") for i in range(16))
    return Recording(StreamInfo(path.stem, path.stem, 128.0, channels), data)


def masked_of(recording: Recording) -> tuple[float, float, dict[str, float]] | None:
    """Seconds of all electrodes together, seconds of them masked, and these by reason."""
    info = recording.info
    labels = [canonical_label(one.label) for one in info.channels]
    picks = [i for i, one in enumerate(info.channels) if is_eeg(one) and labels[i] not in EAR_REFERENCES]
    if len(picks) < 2:
        return None
    matrix = np.zeros((len(picks), info.n_channels))
    matrix[np.arange(len(picks)), picks] = stream_gains_uv(info)[picks]
    n = len(picks)
    chain = MaskedChain(
        [
            SpectroSpatialAdapter(matrix, info.rate_hz),
            SosFilter.bandpass(*BAND_HZ, info.rate_hz, n),
            Fill(n, info.rate_hz),
            AverageReference(n, info.rate_hz),
            RunningAlign(n, info.rate_hz, time_constant_s=120.0),
        ]
    )
    data = recording.data[: _n_real(recording.data[:, picks])]
    bad_s = 0.0
    by_reason: dict[str, float] = {}
    step = round(0.25 * info.rate_hz)
    for i in range(0, len(data), step):
        part = data[i : i + step]
        chain.push(part)
        length_s = len(part) / info.rate_hz
        reasons = chain.reasons
        for why in () if all(reasons) else reasons:  # all flat: zeros between runs and at the end of files
            if why:
                bad_s += length_s
                by_reason[why] = by_reason.get(why, 0.0) + length_s
    return n * len(data) / info.rate_hz, bad_s, by_reason


def _n_real(data: FloatArray) -> int:
    """Samples before the zeros that some writers fill the last second with."""
    moves = np.flatnonzero((data[1:] != data[:-1]).any(axis=1))
    return int(moves[-1]) + 2 if len(moves) else 0


def show_alarms(root: Path, verbose: bool) -> None:
    """A table of what is masked, by folder, for the half that limits were chosen on and the other one."""
    totals: dict[tuple[str, int], list[float]] = {}
    reasons: dict[str, dict[str, float]] = {}
    n_of: dict[str, int] = {}
    for folder, name, recording in all_recordings(root):
        found = masked_of(recording)
        if found is None:
            continue
        half = n_of.get(folder, 0) % 2
        n_of[folder] = n_of.get(folder, 0) + 1
        total = totals.setdefault((folder, half), [0.0, 0.0, 0.0])
        total[0] += found[0]
        total[1] += found[1]
        total[2] += 1
        for why, seconds in found[2].items():
            reasons.setdefault(folder, {})[why] = reasons.get(folder, {}).get(why, 0.0) + seconds
        if verbose and found[1]:
            print(f"{folder} {name} half {half}: {100 * found[1] / found[0]:.3f} % {found[2]}", flush=True)
    print("| recordings | half | number | electrode hours | masked | most for |\n|---|---|---|---|---|---|")
    for (folder, half), (all_s, bad_s, n) in sorted(totals.items()):
        why = max(reasons.get(folder, {"-": 0.0}).items(), key=lambda item: item[1])[0]
        print(
            f"| {folder} | {'chosen on' if half == 0 else 'other'} | {n:.0f} | {all_s / 3600:.1f} | "
            f"{100 * bad_s / all_s:.3f} % | {why} |"
        )


# -- faults -------------------------------------------------------------------------------------------

START_S = 10.0
JUDGED_S = (3.9, 4.1)
"""Windows of 3 s that end so long after the cue: they hold 1 to 4 s of the trial."""
KINDS: dict[str, dict[str, object]] = {
    "noise": {"amplitude": 200.0},
    "line_noise": {"amplitude": 500.0, "freq_hz": 60.0},
    "flat": {},
    "saturation": {},
}
COUNTS = {"noise": (1, 2, 4), "flat": (1, 2, 4), "line_noise": (4,), "saturation": (4,)}
MOST_S = 250.0
"""Of a recording: two of the three runs, 30 trials."""


def spoiled(recording: Recording, kind: str, labels: list[str], seed: int) -> Recording:
    """The recording with some electrodes loose from `START_S` on to the end."""
    scenario = Scenario.model_validate(
        {
            "schema": 1,
            "title": kind,
            "seed": seed,
            "duration_s": recording.duration_s + 1.0,
            "faults": [
                {
                    "kind": kind,
                    "start_s": START_S,
                    "length_s": 10.0 * recording.duration_s,
                    "channels": labels,
                    **KINDS[kind],
                }
            ],
        }
    )
    whole = Chunk(recording.data.copy(), recording.sample_times())
    actions = Injector(scenario, recording.info).push(whole).actions
    return replace(
        recording, data=np.concatenate([one.chunk.data for one in actions if isinstance(one, Samples)])
    )


def accuracy(decoder: Decoder, recording: Recording) -> float:
    """Decode, and see what is right."""
    return accuracy_of(decoder, recording, decode_run(decoder, recording))


def accuracy_of(decoder: Decoder, recording: Recording, windows: Windows) -> float:
    """Share of trials behind the fault's begin of which the mean probability tells the class."""
    t_newest, right = windows.t_newest, []
    for marker in recording.markers:
        name = decoder.recipe.class_of(marker.value)
        inside = (
            windows.full & (t_newest >= marker.t_lsl + JUDGED_S[0]) & (t_newest <= marker.t_lsl + JUDGED_S[1])
        )
        if name is None or marker.t_lsl < START_S + 5.0 or not inside.any():
            continue  # before the fault, or behind the end
        right.append(int(windows.probs[inside].mean(axis=0).argmax()) == decoder.classes.index(name))
    return float(np.mean(right))


def measure_faults(data: Path, subjects: list[str], kinds: list[str], out: Path) -> None:
    """Append one line of JSON for each subject, fault and number of electrodes."""
    for subject in subjects:
        recording = read_recordings(data / f"{subject}.npz")[0]
        n = round(MOST_S * recording.info.rate_hz)
        t_s = None if recording.t_s is None else recording.t_s[:n]
        recording = replace(recording, data=recording.data[:n], t_s=t_s)
        with Decoder("motor_imagery") as masking, Decoder("motor_imagery", mask=False) as plain:
            clean = accuracy(plain, recording), accuracy(masking, recording)
            layout = list(plain.recipe.input.channels)
            for kind in kinds:
                for count in COUNTS[kind]:
                    seed = 1000 * int(subject[1:]) + count
                    labels = [
                        str(x) for x in np.random.default_rng(seed).choice(layout, count, replace=False)
                    ]
                    bad = spoiled(recording, kind, labels, seed)
                    row = {
                        "subject": subject,
                        "kind": kind,
                        "count": count,
                        "labels": labels,
                        "clean": clean[0],
                        "clean_masked": clean[1],
                        "unmasked": accuracy(plain, bad),
                        "masked": accuracy(masking, bad),
                    }
                    with out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")


def show_faults(out: Path) -> None:
    """The table of what was measured."""
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    print(
        "| fault | electrodes | people | clean | unmasked | masked | gain (SE) |\n|---|---|---|---|---|---|---|"
    )
    groups = [(kind, (count,)) for kind in KINDS for count in COUNTS[kind]] + [("all", (1, 2, 4))]
    for kind, counts in groups:
        some = [one for one in rows if kind in (one["kind"], "all") and one["count"] in counts]
        if not some:
            continue
        people = sorted({one["subject"] for one in some})
        means = {
            key: np.array([np.mean([one[key] for one in some if one["subject"] == who]) for who in people])
            for key in ("clean", "unmasked", "masked")
        }
        gain = 100 * (means["masked"] - means["unmasked"])
        error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
        print(
            f"| {kind} | {' / '.join(map(str, counts))} | {len(people)} | "
            + " | ".join(f"{100 * means[key].mean():.1f}" for key in ("clean", "unmasked", "masked"))
            + f" | {gain.mean():+.1f} ({error:.1f}) |"
        )


# -- the true rate ------------------------------------------------------------------------------------

FINER = 8
RATES_PPM = (-500.0, 500.0, 5000.0, 19_000.0)


def show_rate(data: Path, subjects: list[str]) -> None:
    """What becomes of logits when the amplifier samples faster than it says, and nothing follows it.

    The signal is sampled anew on straight lines between its samples, eight times finer first, at the true times.
    """
    print(
        "| off by (ppm) | people | correlation of logits | same label | accuracy, as stated | accuracy, off |"
    )
    print("|---|---|---|---|---|---|")
    decoder = Decoder("motor_imagery")
    kept: dict[float, list[tuple[float, float, float, float]]] = {ppm: [] for ppm in RATES_PPM}
    for subject in subjects:
        recording = read_recordings(data / f"{subject}.npz")[0]
        n = round(0.5 * MOST_S * recording.info.rate_hz)
        first = replace(recording, data=recording.data[:n], t_s=None)
        as_stated = decode_run(decoder, first)
        for ppm, found in kept.items():
            off = decode_run(decoder, sampled_at(first, ppm))
            one, t_s = lean(as_stated)
            other = np.interp(t_s, lean(off)[1], lean(off)[0])  # at the same times
            alike = float(np.corrcoef(one, other)[0, 1])
            same = float(np.mean((one > 0) == (other > 0)))
            before, after = (accuracy_of(decoder, first, windows) for windows in (as_stated, off))
            found.append((alike, same, before, after))
    for ppm, found in kept.items():
        alike, same, before, after = np.mean(found, axis=0)
        print(
            f"| {ppm:+g} | {len(found)} | {alike:.4f} | {100 * same:.1f} % | {100 * before:.1f} % | {100 * after:.1f} % |"
        )
    decoder.close()


def lean(windows: Windows) -> tuple[FloatArray, FloatArray]:
    """The difference of the two logits of each full window, and the stamp of its newest sample."""
    return np.diff(windows.logits[windows.full], axis=1)[:, 0], windows.t_newest[windows.full]


def sampled_at(recording: Recording, ppm: float) -> Recording:
    """The recording as an amplifier with a fast crystal would have made it; stamps are right, samples are closer."""
    fine = resample_poly(recording.data, FINER, 1, axis=0)
    t_fine = np.arange(len(fine)) / (FINER * recording.info.rate_hz)
    true_hz = recording.info.rate_hz * (1.0 + 1e-6 * ppm)
    t_s = np.arange(int(recording.duration_s * true_hz)) / true_hz
    data = np.column_stack([np.interp(t_s, t_fine, column) for column in fine.T])
    return replace(recording, data=data, t_s=t_s)


# -- what it costs ------------------------------------------------------------------------------------


def show_cost() -> None:
    """Microseconds for one push by channels and samples in it, with and without the look, and with one bad electrode."""
    print(
        "| electrodes, rate | samples a push | plain chain | looked at | one masked | share of a core, looked at |"
    )
    print("|---|---|---|---|---|---|")
    for n, rate_hz in ((31, 250.0), (64, 1000.0)):
        for n_push in (1, 8, 32):
            signal = np.random.default_rng(0).standard_normal((round(20 * rate_hz), n)) * 10.0
            signal += 8.0 * np.random.default_rng(1).standard_normal((len(signal), 1))
            loose = signal.copy()
            loose[:, 1] *= 100.0
            plain = [np.inf] * 3
            for _ in range(3):
                for i, (make, data) in enumerate(((_plain, signal), (_masked, signal), (_masked, loose))):
                    plain[i] = min(plain[i], _mean_us(make(n, rate_hz), data, n_push))
            extra = 1e-6 * (plain[1] - plain[0]) * rate_hz / n_push
            print(
                f"| {n}, {rate_hz:g} Hz | {n_push} | {plain[0]:.1f} | {plain[1]:.1f} | {plain[2]:.1f} | {100 * extra:.2f} % |"
            )


def _stages(n: int, rate_hz: float) -> list[Stage]:
    return [
        SpectroSpatialAdapter(np.eye(n), rate_hz),
        SosFilter.bandpass(*BAND_HZ, rate_hz, n),
        AverageReference(n, rate_hz),
        RunningAlign(n, rate_hz, time_constant_s=120.0),
    ]


def _plain(n: int, rate_hz: float) -> Chain:
    return Chain(_stages(n, rate_hz))


def _masked(n: int, rate_hz: float) -> Chain:
    stages = _stages(n, rate_hz)
    return MaskedChain([*stages[:2], Fill(n, rate_hz), *stages[2:]])


def _mean_us(chain: Chain, data: FloatArray, n_push: int) -> float:
    """Mean over a recording, blocks' ends among them."""
    chain.push(data[: len(data) // 2])
    pieces = [data[i : i + n_push] for i in range(len(data) // 2, len(data) - n_push + 1, n_push)]
    t_start = cpu_s()  # not the time that others take
    for piece in pieces:
        chain.push(piece)
    return 1e6 * (cpu_s() - t_start) / len(pieces)


def main() -> None:
    parser = argparse.ArgumentParser(description="The look at the electrodes, on recordings.")
    parser.add_argument("what", choices=("alarms", "faults", "rate", "cost"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--subjects", default="")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of faults")
    parser.add_argument("--out", type=Path, default=Path("faults.jsonl"), help="measurements, appended to")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.what == "alarms":
        show_alarms(options.data, options.verbose)
    elif options.what == "faults":
        if options.subjects:
            measure_faults(options.data, options.subjects.split(","), options.kinds.split(","), options.out)
        show_faults(options.out)
    elif options.what == "rate":
        show_rate(options.data, options.subjects.split(","))
    else:
        show_cost()


if __name__ == "__main__":
    main()
