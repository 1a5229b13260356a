"""What a session's report says in words and tables."""

from collections import Counter
from datetime import datetime
from typing import Any

import numpy as np

from rtbci.listing import counted
from rtbci.publish.control_messages import MARK_SOURCE
from rtbci.publish.messages import Prediction, Scalar
from rtbci.record.repair import said_damages
from rtbci.report.latencies import BY_STAMPS, latency_of, said_offset
from rtbci.report.session_facts import SessionFacts, SpreadMap
from rtbci.stages.electrode_faults import FLAT_UV, NOISY_UV

__all__ = ["words_of_session"]

WHYS = {
    "below_threshold": "not sure enough",
    "refractory": "within the pause after a decision",
    "decided": "the item of this selection was decided",
    "idle": "the idle class was the most probable, or that nobody attended to what flashed",
    "warming_up": "the window was not full yet",
    "gap": "samples were missing",
    "poor_signal": "too few channels were usable, or an artefact was found",
    "stream_lost": "no samples came",
}
N_EVENTS = 200


def words_of_session(facts: SessionFacts, aged: list[Prediction]) -> dict[str, Any]:
    """Everything the template names but the drawings.

    Parameters
    ----------
    facts : SessionFacts
    aged : list of Prediction
        Those whose age says something of the decoder.
    """
    record = facts.record
    timed = [one for one in aged if one.seq not in facts.foreign]
    have_ages = bool(timed) or not facts.clock_offset_s
    return {
        "title": _title(facts),
        "headline": _headline(facts),
        "state": _state(facts),
        "careful": facts.record is None or facts.record.ended is None or bool(facts.damages),
        "ran": _ran(facts),
        "counts": _counts(facts),
        "confusion": _confusion(facts),
        "decided": facts.score.decided(),
        "n_trials": sum(facts.score.confusion().values()),
        "n_markers": len(facts.markers),
        "whys": _whys(facts),
        "latency": _latency(timed or aged, have_ages=have_ages),
        "have_ages": have_ages,
        "other_clock": _other_clock(facts, len(aged) - len(timed) if timed else 0),
        "gaps": [(f"{t - facts.t_span[0]:.2f} s", f"{gap_s:+.3f} s") for t, gap_s in facts.gaps[:50]],
        "n_gaps": len(facts.gaps),
        "channels": [] if facts.spread is None else _channels(facts.spread),
        "events": _events(facts),
        "n_events": len(facts.events),
        "hashes": _hashes(facts),
        "versions": sorted(record.versions.items()) if record else [],
    }


def _title(facts: SessionFacts) -> str:
    record = facts.record
    if record is None:
        return facts.session.name
    when = datetime.fromisoformat(record.started_utc)
    return f"{record.user}, {record.paradigm.replace('_', ' ') or 'not decoded'}, {when:%Y-%m-%d %H:%M} UTC"


def _headline(facts: SessionFacts) -> str:
    n = sum(facts.score.confusion().values())
    if n:
        right = sum(count for (cue, label), count in facts.score.confusion().items() if cue == label)
        return f"{right} of {n} trials with the right label"
    if facts.predictions:
        return f"{counted(len(facts.predictions), 'prediction')} in {_long(facts.duration_s)}"
    return f"{_long(facts.duration_s)} without a prediction"


def _long(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _state(facts: SessionFacts) -> str:
    """Whether the session is whole, in a sentence or two."""
    if facts.record is None:
        said = f"There is no description of this session: {facts.why_no_record}."
    elif facts.record.ended is None:
        said = "It was cut short: the program was killed, the power failed, or it still runs. All that had reached the disk is here."
    else:
        ended = facts.record.ended
        lost = f"{counted(ended.n_samples_lost, 'sample')} and {counted(ended.n_messages_lost, 'message')} could not be recorded."
        said = "It ended properly. " + (
            lost if ended.n_samples_lost or ended.n_messages_lost else "Everything was recorded."
        )
    return said + (f" Damaged: {said_damages(facts.damages)}." if facts.damages else "")


def _ran(facts: SessionFacts) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    record, info = facts.record, facts.info
    if record is not None:
        rows += [("user", record.user), ("paradigm", record.paradigm or "none: recorded alone")]
        if record.profile is not None:
            one = record.profile
            rows.append(
                ("profile", f"{one.user}, generation {one.generation}" if one.generation else one.user)
            )
        rows += [
            ("engine", f"{one.name} on {one.backend}, {one.precision}, {one.device}")
            for one in record.engines
        ]
    if info is not None:
        rows.append(
            (
                "stream",
                f"{info.name}: {counted(info.n_channels, 'channel')}, {info.rate_hz:g} Hz",
            )
        )
    rows.append(("length", _long(facts.duration_s)))
    if facts.hellos:
        decision = facts.hellos[-1].decision
        rows.append(
            (
                "decision",
                f"threshold {100 * decision.threshold:.0f} %, held {decision.dwell_s:g} s, pause {decision.refractory_s:g} s",
            )
        )
    return rows


def _counts(facts: SessionFacts) -> list[tuple[str, str]]:
    rows = [
        ("samples", str(facts.n_samples)),
        ("predictions", str(len(facts.predictions))),
        ("decisions", str(sum(one.decision is not None for one in facts.predictions))),
        ("markers", str(len(facts.markers))),
        ("gaps", str(len(facts.gaps))),
    ]
    if facts.statuses:
        last = facts.statuses[-1]
        rows += [("windows skipped", str(last.n_skipped)), ("samples not decoded", str(last.n_overflow))]
        cpu = float(np.median([one.cpu_percent for one in facts.statuses]))
        rows.append(("CPU, median", f"{cpu:.1f} % of a core"))
    return rows


def _confusion(facts: SessionFacts) -> list[dict[str, Any]]:
    counts = facts.score.confusion()
    cues = sorted({cue for cue, _ in counts})
    labels = sorted({name for pair in counts for name in pair})
    rows = []
    for cue in cues:
        row = [counts.get((cue, label), 0) for label in labels]
        cells = [
            {"n": n, "share": n / sum(row), "right": label == cue}
            for n, label in zip(row, labels, strict=True)
        ]
        rows.append({"cue": cue, "cells": cells, "labels": labels})
    return rows


def _whys(facts: SessionFacts) -> list[tuple[str, str, str]]:
    n = len(facts.predictions)
    counts = Counter(one.reason or f"decided: {one.decision}" for one in facts.predictions)
    return [
        (WHYS.get(name, name).replace("_", " "), str(count), f"{100 * count / n:.1f} %")
        for name, count in counts.most_common()
    ]


def _other_clock(facts: SessionFacts, n_left_out: int) -> str:
    """What to know of ages and times where stamps were of another clock; empty where they were not."""
    if not facts.clock_offset_s:
        return ""
    said = said_offset(facts.clock_offset_s, n_left_out)
    left = "" if n_left_out else "They are left out. "
    return f"{said[0].upper()}{said[1:]}. {left}All of that is taken off the times of this page."


def _latency(aged: list[Prediction], *, have_ages: bool) -> list[tuple[str, ...]]:
    """Rows of a table: part, median, 95th and 99th percentile, largest; in milliseconds. Without those that mean nothing."""
    if not aged:
        return []
    return [
        (name, *(f"{value:.2f}" for value in found))
        for name, found in latency_of(aged).items()
        if have_ages or name not in BY_STAMPS
    ]


def _channels(spread: SpreadMap) -> list[tuple[str, str, str, str]]:
    """Channels with faults: label, median spread, and how much of the time they were flat or too strong."""
    rows = []
    for label, values in zip(spread.labels, spread.spread_uv, strict=True):
        flat, strong = float((values < FLAT_UV).mean()), float((values > NOISY_UV).mean())
        lost = float((~np.isfinite(values)).mean())
        if flat or strong or lost:
            shares = [("flat", flat), ("too strong", strong), ("not finite", lost)]
            said = ", ".join(f"{what} {100 * share:.0f} %" for what, share in shares if share)
            finite = values[np.isfinite(values)]
            rows.append((label, f"{np.median(finite):.1f}" if len(finite) else "-", said, ""))
    return rows


def _events(facts: SessionFacts) -> list[tuple[str, str, str]]:
    """Everything but decisions and cues, which are too many for a table; markers that somebody set by hand are in it."""
    told = [
        one
        for one in facts.events
        if one.kind not in ("decision", "marker", "engine_progress") or one.data.get("source") == MARK_SOURCE
    ]
    return [
        (
            f"{one.t_lsl - facts.t_span[0]:.2f} s",
            f"{one.kind.replace('_', ' ')}{': ' + one.value if one.value else ''}",
            ", ".join(f"{key} {_short(value)}" for key, value in one.data.items() if value not in (None, "")),
        )
        for one in told[:N_EVENTS]
    ]


def _hashes(facts: SessionFacts) -> list[tuple[str, str]]:
    rows = [("session.xdf", facts.sha256)]
    record = facts.record
    if record is not None:
        rows += [("recipe", record.recipe_sha256)] if record.recipe_sha256 else []
        rows += [(f"engine {one.name}", one.engine_id) for one in record.engines]
        rows += [(f"network of {one.name}", one.network_id) for one in record.engines]
        if record.profile is not None:
            rows += [("profile", record.profile.weights_sha256), ("stages", record.profile.chain_hash)]
    return rows


def _short(value: Scalar) -> str:
    """A value of an event, as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
