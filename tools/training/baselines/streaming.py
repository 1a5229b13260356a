"""Decoders over whole recordings, rest included: each window's margin, on the signal of the live decoder.

The live decoder of our own fold runs over every recording of the fold's subjects as `rtbci eval` runs it. Its
signal and the stamps of its windows are what the baselines of the same fold read, so nothing but the decoder
differs. Heads are computed on a grid of every so many hops: all hops would take four times as long.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from rtbci.errors import ConfigError
from rtbci.evaluate.assign import Assignment, assign_folds
from rtbci.evaluate.data import SubjectReader
from rtbci.evaluate.decode import HopDecoder, decode_run
from rtbci.evaluate.trials import find_trials
from rtbci.probe.branches import Branch
from rtbci.probe.profile import Profile, read_profile
from rtbci.probe.tangent import shrink
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import StreamInfo
from tools.training.baselines.eegnet import eegnet_margins, net_from_tensors
from tools.training.baselines.few_trials import linear_margins
from tools.training.baselines.fold import read_decoders, read_fold
from tools.training.baselines.linear import LINEAR, linear_from_tensors
from tools.training.baselines.prepare import (
    FILTER_BANK_HZ,
    SHRINKAGE,
    STEP,
    TWO_BANDS_HZ,
    Covariances,
    delay_embedding,
    second_moments,
)
from tools.training.baselines.streamed import (
    FUSED,
    FUSED_IDLE,
    IDLE_PARADIGM,
    OURS,
    PARADIGM,
    StreamedRun,
    write_streamed,
)
from tools.training.pool import DATA_SET
from tools.training.signals import LAYOUT, RATE_HZ
from tools.training.trials import BAND_ORDER, HOP, WINDOW

__all__ = ["IDLE_FOLDER", "GridDecoder", "baseline_margins", "stream_fold"]

IDLE_FOLDER = "idle"
N_HOPS = WINDOW // HOP
N_AT_ONCE = 64
"""Windows whose delayed copies are held at a time, 30 MB."""

Tensors = dict[str, dict[str, npt.NDArray[Any]]]
Report = Callable[[str], None]


class GridDecoder(HopDecoder):
    """A live decoder whose heads speak at every so many hops only; at the others its windows count as not full.

    Parameters
    ----------
    every : int
        Divides the window's hops, so that the first full window is one that it speaks at.
    """

    def __init__(self, recipe: ParadigmRecipe, profile: Profile, engine: str, every: int) -> None:
        if every < 1 or N_HOPS % every:
            raise ConfigError(f"--every: got {every}, need a divisor of the {N_HOPS} hops of a window")
        super().__init__(recipe, profile=profile, engine=engine)
        self.every = every

    def open(self, info: StreamInfo, unit: str = "") -> ChannelMap:
        """Get ready for a stream; see `Decoder.open`."""
        channel_map = super().open(info, unit)
        pipeline = self.pipeline
        pipeline.branches = tuple(_OnGrid(branch, self.every) for branch in pipeline.branches)
        return channel_map


class _OnGrid:
    """A branch that is asked for logits only at every so many hops."""

    def __init__(self, branch: Branch, every: int) -> None:
        self.name, self.window_samples = branch.name, branch.window_samples
        self._branch, self._every, self._n_hops = branch, every, 0

    def push(self, hop: FloatArray) -> None:
        """See `Branch.push`."""
        self._n_hops += 1
        self._branch.push(hop)

    def logits(self) -> FloatArray | None:
        """See `Branch.logits`; None off the grid."""
        return None if self._n_hops % self._every else self._branch.logits()

    def logits_of(self, window: FloatArray) -> FloatArray:
        """See `Branch.logits_of`."""
        return self._branch.logits_of(window)

    def rehearse(self) -> None:
        """See `Branch.rehearse`."""
        self._branch.rehearse()

    def reset(self) -> None:
        """See `Branch.reset`."""
        self._n_hops = 0
        self._branch.reset()


def stream_fold(
    reader: SubjectReader, baselines: Path, ours: Path, out: Path, every: int, report: Report
) -> None:
    """Run the baselines and our decoders of one fold over all recordings of its test subjects.

    Parameters
    ----------
    reader : SubjectReader
    baselines : Path
        ``fold0_B.npz`` of `run_fold`.
    ours : Path
        Folder of ``fold0/`` ... as ``rtbci eval --folds`` takes it; where it holds ``idle/``, that is judged too.
    out : Path
        ``*.npz``, written last as a whole.
    every : int
        Hops from one judged window to the next.
    report : callable

    Raises
    ------
    ConfigError
        When a subject that the fold tests is not tested by the same fold of ours.
    """
    record, tensors = read_fold(baselines)[1], read_decoders(baselines)
    subjects = [f"S{subject:03d}" for subject in record["test_subjects"]]
    has_idle = (ours / IDLE_FOLDER).is_dir()
    assigned = _assigned(ours / IDLE_FOLDER if has_idle else ours, subjects, baselines)
    recipe, profile = read_paradigm(IDLE_PARADIGM if has_idle else PARADIGM), read_profile(assigned.profile)
    runs: list[StreamedRun] = []
    with GridDecoder(recipe, profile, assigned.engine, every) as decoder:
        for i, subject in enumerate(subjects, start=1):
            runs += _stream_subject(decoder, profile, reader, subject, tensors)
            report(f"streamed {subject}, {i}/{len(subjects)}")
    write_streamed(out, runs, every)


def baseline_margins(tensors: Tensors, signal: FloatArray, every: int) -> dict[str, FloatArray]:
    """Margins of a fold's decoders for the full windows of one run.

    Parameters
    ----------
    tensors : dict
        From `read_decoders`.
    signal : ndarray of float64, shape (n_samples, n_channels)
        Aligned, 256 Hz, from the run's start; a window or more.
    every : int
        Hops from one window to the next.

    Returns
    -------
    dict of ndarray of float64, shape (n_windows,)
        By decoder.
    """
    starts = np.arange(0, len(signal) - WINDOW + 1, every * HOP)
    windows = sliding_window_view(signal[::STEP].astype(np.float32), WINDOW // STEP, axis=0)
    x = np.ascontiguousarray(windows[starts // STEP])
    parts = np.array_split(x, -(-len(x) // N_AT_ONCE))
    covariances: Covariances = {
        "broad": _in_bands(signal, (None,), every),
        "two_bands": _in_bands(signal, TWO_BANDS_HZ, every),
        "filter_bank": _in_bands(signal, FILTER_BANK_HZ, every),
        "delays": np.concatenate([second_moments(delay_embedding(some)) for some in parts])[:, np.newaxis],
    }
    found: dict[str, FloatArray] = {}
    for name in LINEAR:
        decoder = linear_from_tensors(name, tensors[name])
        found[name] = linear_margins(decoder.features(covariances), decoder.coef, decoder.intercept)
    net, mirror = net_from_tensors(tensors["eegnet"]), mirror_columns(LAYOUT)
    return found | {"eegnet": eegnet_margins(net, x, mirror)}


def _in_bands(signal: FloatArray, bands_hz: Sequence[tuple[float, float] | None], every: int) -> FloatArray:
    """What `prepare` gives for trials, for all windows of a run; (n_windows, n_bands, n_channels, n_channels).

    Windows share the sums of the steps that they are made of.
    """
    found, step = [], every * HOP
    for band_hz in bands_hz:
        data = signal
        if band_hz is not None:
            data = SosFilter.bandpass(*band_hz, RATE_HZ, signal.shape[1], BAND_ORDER).push(signal)
        steps = data[: len(data) // step * step].reshape(-1, step, data.shape[1])
        products = steps.transpose(0, 2, 1) @ steps
        total = np.concatenate([np.zeros((1, *products.shape[1:])), np.cumsum(products, axis=0)])
        n = WINDOW // step
        found.append(shrink((total[n:] - total[:-n]) / WINDOW, SHRINKAGE))
    return np.stack(found, axis=1)


def _assigned(ours: Path, subjects: Sequence[str], baselines: Path) -> Assignment:
    """The one fold of ours that tests all these subjects, and was trained on none of them."""
    found = set(assign_folds(ours, DATA_SET, subjects, is_named=True).values())
    if len(found) != 1:
        raise ConfigError(
            f"compare: the subjects of {baselines} are tested in {len(found)} folds of {ours}, need one; train both with "
            "the same folds and seed"
        )
    return found.pop()


def _stream_subject(
    decoder: GridDecoder, profile: Profile, reader: SubjectReader, subject: str, tensors: Tensors
) -> Iterator[StreamedRun]:
    runs, every = reader.read(subject), decoder.every
    trials = find_trials(runs, decoder.recipe, f"{DATA_SET}/{subject}")
    for i_run, run in enumerate(runs):
        windows = decode_run(decoder, run)
        t_first, t_newest = windows.t_first[every - 1 :: every], windows.t_newest[every - 1 :: every]
        logits = _our_logits(decoder, profile)
        signal = np.concatenate(decoder.hops).astype(np.float64)
        for name, margins in baseline_margins(tensors, signal, every).items():
            missing = np.full(len(t_newest) - len(margins), np.nan)
            logits[name] = _pair(np.concatenate([missing, margins]))
        mine = tuple(trial for trial in trials if trial.i_run == i_run)
        yield StreamedRun(subject, i_run, t_first, t_newest, logits, mine)


def _our_logits(decoder: GridDecoder, profile: Profile) -> dict[str, FloatArray]:
    """What our branches say on the grid, and what they say together, by the profile's weights.

    The branches of the decoder with rest as a class say the same of left and right as those of the decoder
    without: see `with_idle_row`.
    """
    n_classes, found = len(profile.classes), {}
    total: FloatArray = np.array(profile.bias)
    for entry, said in zip(profile.branches, decoder.branch_logits, strict=True):
        logits = np.array([np.full(n_classes, np.nan) if one is None else one for one in said])
        found[f"{OURS}{entry.name}"] = _pair(logits[:, 1] - logits[:, 0])
        total = total + entry.weight * logits
    found[FUSED] = _pair(total[:, 1] - total[:, 0])
    return found | ({FUSED_IDLE: total / profile.temperature} if n_classes > 2 else {})


def _pair(margins: FloatArray) -> FloatArray:
    """Logits of left and right, (n, 2), whose difference this is."""
    return np.stack([-margins / 2.0, margins / 2.0], axis=1)
