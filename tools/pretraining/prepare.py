"""From recordings to shards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import numpy as np

from rtbci.encoder.sizes import PATCH_SAMPLES
from rtbci.errors import FileFormatError, RtbciError, SignalError
from rtbci.stages.stage import FloatArray
from tools.pretraining.chains import ChainPlan
from tools.pretraining.readers import Reader, Signal
from tools.pretraining.shards import INDEX, ShardIndex, ShardWriter, write_index

__all__ = ["PrepareSettings", "prepare_shards", "prepare_signal"]

PUSH_S = 60.0


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """What goes into the shards.

    Parameters
    ----------
    settle_s : float
        Left out at the start of each piece: filters and alignment have not settled.
    min_s : float
        Shorter pieces are skipped.
    max_bytes : int
        Of a shard.
    exclude : tuple of str
        Patterns (`fnmatch`) of recordings not to read.
    """

    settle_s: float = 5.0
    min_s: float = 8.0
    max_bytes: int = 256 * 2**20
    exclude: tuple[str, ...] = ()


def prepare_signal(signal: Signal, plan: ChainPlan, settle_s: float) -> FloatArray:
    """Push a recording through its stages, minute by minute, as a stream would come.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_channels)
        At the plan's rate, in its unit, without the first `settle_s` seconds.

    Raises
    ------
    RtbciError
        When the stages refuse it.
    SignalError
        When what comes out is not finite.
    """
    chain = plan.build(signal.labels, signal.rate_hz)
    step = max(1, round(PUSH_S * signal.rate_hz))
    chunks = [chain.push(signal.data_uv[i : i + step]) for i in range(0, len(signal.data_uv), step)]
    data: FloatArray = np.concatenate(chunks)[round(settle_s * plan.rate_hz) :] * plan.gain
    if not np.isfinite(data).all():
        raise SignalError(
            f"{signal.name}: is not finite after the stages, need numbers; look at the recording"
        )
    return data


def prepare_shards(
    reader: Reader,
    plan: ChainPlan,
    out: Path,
    settings: PrepareSettings,
    provenance: dict[str, str],
    advance: Callable[[str, int, int], None],
) -> ShardIndex:
    """Read, prepare and store every recording; what cannot be used is skipped and listed with its reason.

    Parameters
    ----------
    reader : Reader
    plan : ChainPlan
    out : Path
        Folder, made where it is missing; must hold no index.
    settings : PrepareSettings
    provenance : dict of str to str
        Goes into the index.
    advance : callable
        Told each recording's name, how many are done and how many there are.

    Raises
    ------
    FileFormatError
        When `out` holds shards already, or nothing could be used.
    """
    out.mkdir(parents=True, exist_ok=True)
    if (out / INDEX).exists():
        raise FileFormatError(f"{out}: holds shards already, need an empty folder; choose another --out")
    names = [name for name in reader.names() if not _matches(name, settings.exclude)]
    writer, skipped = ShardWriter(out, settings.max_bytes), dict[str, str]()
    for i, name in enumerate(names):
        advance(name, i, len(names))
        try:
            for signal in reader.read(name):
                _store(signal, plan, settings, writer, skipped)
        except RtbciError as error:
            skipped[name] = str(error)
    writer.close()
    advance("", len(names), len(names))
    if not writer.shards:
        reasons = "; ".join(list(skipped.values())[:3])
        raise FileFormatError(
            f"prepare: none of {len(names)} recordings could be used ({reasons or 'none found'}); check --data"
        )
    provenance = {**provenance, "rtbci": version("rtbci"), "n_recordings": str(len(names))}
    shards = tuple(writer.shards)
    index = ShardIndex(plan.name, plan.stages, plan.rate_hz, plan.unit, provenance, shards, skipped)
    write_index(out, index)
    return index


def _store(
    signal: Signal, plan: ChainPlan, settings: PrepareSettings, writer: ShardWriter, skipped: dict[str, str]
) -> None:
    """One piece that cannot be used does not cost the others of its recording."""
    try:
        data = prepare_signal(signal, plan, settings.settle_s)
    except RtbciError as error:
        skipped[signal.name] = str(error)
        return
    if len(data) < max(PATCH_SAMPLES, settings.min_s * plan.rate_hz):
        skipped[signal.name] = f"{len(data) / plan.rate_hz:.1f} s after settling, need {settings.min_s:g} s"
        return
    writer.add(signal.name, signal.labels, data)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
