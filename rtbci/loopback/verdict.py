"""The verdict on a computer: what was measured against stated limits, and what to do where one is not kept."""

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np

from rtbci.loopback.certify import Observed, Wanted, labels_for
from rtbci.loopback.computer import Load
from rtbci.loopback.hops import count_due
from rtbci.publish.message_parts import TRACE_PARTS
from rtbci.publish.messages import EngineRef
from rtbci.recipes import read_paradigm
from rtbci.stream.source import FloatArray

__all__ = ["Ages", "Check", "Timing", "Verdict", "timing_of"]

Verdict = Literal["pass", "marginal", "fail"]
ORDER: tuple[Verdict, ...] = ("pass", "marginal", "fail")
LATE_PERCENT = (0.1, 1.0)
GONE_PERCENT = (0.0, 0.1)
CPU_PERCENT = (50.0, 80.0)
"""Of each: up to the first it passes, up to the second it is marginal."""
BUSY_PERCENT = 70.0
"""Of the whole computer; above it the advice names who else is busy."""


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One limit.

    Parameters
    ----------
    what : str
    value : float
    passes_up_to, marginal_up_to : float
    unit : str
    verdict : {'pass', 'marginal', 'fail'}
    advice : str
        What to do; empty when it passes.
    """

    what: str
    value: float
    passes_up_to: float
    marginal_up_to: float
    unit: str
    verdict: Verdict
    advice: str = ""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """What `rtbci doctor --timing` found; its JSON.

    Parameters
    ----------
    verdict : {'pass', 'marginal', 'fail'}
        The worst of the checks.
    checks : tuple of Check
    paradigm : str
    engine : EngineRef
    n_channels, chunk : int
        Of the stream: channels, and samples sent together.
    rate_hz, seconds : float
        Of the stream, and how long was counted.
    window_s, hop_s : float
    n_due, n_missed, n_late, n_skipped, n_lost : int
        Predictions that were due; that never came; older than one hop when they were sent; skipped by the run because
        they were late (missed, too); sent and not received.
    n_not_recorded : int or None
        Samples and messages that the disk did not take; None: the configuration does not record.
    age_ms : Ages
        Age of a prediction when it is sent: from the stamp of its newest sample.
    parts_ms : mapping of str to Ages
        Where the age comes from, as `trace_ms` of a prediction.
    cpu_percent, rss_mb : float
        Of the run: mean, of one core; most, in MB of 2^20 bytes.
    load : Load
        Of the whole computer meanwhile.
    """

    verdict: Verdict
    checks: tuple[Check, ...]
    paradigm: str
    engine: EngineRef
    n_channels: int
    rate_hz: float
    chunk: int
    seconds: float
    window_s: float
    hop_s: float
    n_due: int
    n_missed: int
    n_late: int
    n_skipped: int
    n_lost: int
    n_not_recorded: int | None
    age_ms: Ages
    parts_ms: Mapping[str, Ages]
    cpu_percent: float
    rss_mb: float
    load: Load


def timing_of(wanted: Wanted, seen: Observed, load: Load) -> Timing:
    """Judge what was seen."""
    recipe = read_paradigm(wanted.config.paradigm)
    hop_s = recipe.window.hop_s
    came, missed, late = count_due(seen.log, [seen.span], hop_s)
    inside = (seen.log.t_sent >= seen.span.t_from) & (seen.log.t_sent <= seen.span.t_to)
    ages, parts = seen.log.age_ms[inside], seen.log.parts_ms[inside]
    n_due = came + missed
    cpu_percent = float(np.mean(seen.cpu_percent)) if seen.cpu_percent else 0.0
    checks = _checks(seen, load, came, missed, late, cpu_percent)
    return Timing(
        verdict=ORDER[max(ORDER.index(one.verdict) for one in checks)],
        checks=tuple(checks),
        paradigm=recipe.name,
        engine=seen.engine,
        n_channels=len(labels_for(recipe, wanted.n_channels)),
        rate_hz=wanted.rate_hz,
        chunk=wanted.chunk,
        seconds=wanted.seconds,
        window_s=recipe.window.length_s,
        hop_s=hop_s,
        n_due=n_due,
        n_missed=missed,
        n_late=late,
        n_skipped=seen.n_skipped,
        n_lost=seen.n_lost,
        n_not_recorded=seen.n_not_recorded,
        age_ms=_ages(ages),
        parts_ms={name: _ages(parts[:, i]) for i, name in enumerate(TRACE_PARTS)},
        cpu_percent=cpu_percent,
        rss_mb=max(seen.rss_mb, default=0.0),
        load=load,
    )


def _checks(seen: Observed, load: Load, came: int, missed: int, late: int, cpu_percent: float) -> list[Check]:
    """What each number that matters says, and what to do where it says no."""
    busy = _busy(load)
    checks = [
        _check(
            "hops missed",
            100.0 * (missed + seen.n_lost) / max(came + missed, 1),
            GONE_PERCENT,
            "%",
            f"{busy}; a longer hop or a smaller engine asks for less",
        ),
        _check(
            "hops late",
            100.0 * late / max(came, 1),
            LATE_PERCENT,
            "%",
            f"{busy}; let the amplifier send smaller chunks",
        ),
        _check(
            "CPU of the run",
            cpu_percent,
            CPU_PERCENT,
            "% of a core",
            "a smaller engine, fewer predictions a second (hop_s) or --engine openvino take less",
        ),
    ]
    if seen.n_not_recorded is not None:
        checks.append(
            _check(
                "not recorded",
                seen.n_not_recorded,
                (0.0, 0.0),
                "samples, messages",
                "record to a faster disk",
            )
        )
    return checks


def _ages(values: FloatArray) -> Ages:
    if not len(values):
        return Ages(p50=0.0, p95=0.0, p99=0.0, max=0.0)
    p50, p95, p99, highest = np.percentile(values, [50, 95, 99, 100])
    return Ages(p50=float(p50), p95=float(p95), p99=float(p99), max=float(highest))


def _check(what: str, value: float, limits: tuple[float, float], unit: str, advice: str) -> Check:
    verdict = ORDER[sum(value > limit for limit in limits)]
    return Check(
        what=what,
        value=value,
        passes_up_to=limits[0],
        marginal_up_to=limits[1],
        unit=unit,
        verdict=verdict,
        advice="" if verdict == "pass" else advice,
    )


def _busy(load: Load) -> str:
    """Whom to close, where others are to blame."""
    if load.cpu_percent < BUSY_PERCENT or not load.others:
        return "look for what wakes up now and then (indexing, updates, power saving), and try again"
    names = ", ".join(f"{one.name} ({one.cpu_percent:.0f} %)" for one in load.others)
    return f"the computer is busy: close {names}"
