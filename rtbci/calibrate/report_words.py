"""The report's sentences and tables, as plain data for its template."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from rtbci.calibrate.enough import judge_counts
from rtbci.calibrate.report_plots import outcome
from rtbci.calibrate.report_signals import ChannelLook, common_hum
from rtbci.evaluate.statistics import wilson
from rtbci.listing import counted
from rtbci.probe.calibration_record import CalibrationRecord, CandidateScore

__all__ = ["chance_percent", "confusion_table", "headline", "share_interval", "trial_counts", "words_of"]

UNITS = {"ms": "ms", "s": "s", "hz": "Hz", "uv": "uV", "percent": "%"}


def chance_percent(record: CalibrationRecord) -> float:
    """Balanced accuracy of guessing, in percent."""
    return 100.0 / max(1, len(record.classes))


def share_interval(n_right: int, n: int) -> tuple[float, float, float]:
    """A share with its 95 % interval (see `rtbci.evaluate.statistics.wilson`), in percent; NaN when n is 0."""
    if not n:
        return math.nan, math.nan, math.nan
    low, high = wilson(n_right, n)
    return 100.0 * n_right / n, 100.0 * low, 100.0 * high


def headline(record: CalibrationRecord) -> tuple[str, str]:
    """The result in one line, and what it means in one or two more.

    The accuracy is that of the confusion table, where the choice among the decoders was made without the trial, too: that of
    the decoder that was chosen is the best of several, and so flatters.
    """
    n, chance = sum(one.accepted for one in record.trials), chance_percent(record)
    if not n:
        return "No decoder yet: no trial could be used", (
            f"{'The only trial was' if len(record.trials) == 1 else f'All {len(record.trials)} trials were'} rejected; below is why."
            if record.trials
            else "No cue was shown."
        )
    if not record.confusion:
        return (
            "Your decoder could not be judged",
            f"{counted(n, 'trial')} {'is' if n == 1 else 'are'} too few, or of too few classes, to measure how good it is.",
        )
    counts = np.asarray(record.confusion)
    asked = counts.sum(axis=1) > 0
    found = judge_counts(counts[asked][:, asked])
    first = f"Your decoder: {found.accuracy:.0f} % \u00b1 {found.half_width:.0f}, chance is {chance:.0f} %"
    good = (
        "It is better than guessing."
        if record.usable
        else "That may be nothing but guessing: do not rely on it yet."
    )
    return first, (
        f"{good} Measured on {counted(n, 'trial')} of your own, each judged by a decoder that was fitted and chosen without it; the "
        f"true value lies between {found.low:.0f} and {found.high:.0f} % in 95 of 100 such measurements."
    )


def confusion_table(record: CalibrationRecord) -> list[dict[str, Any]]:
    """One row a class: counts, shares, and how often it was understood, with its interval."""
    if len(record.confusion) != len(record.classes):
        return []
    rows = []
    for i, (cue, counts) in enumerate(zip(record.classes, record.confusion, strict=True)):
        n = round(sum(counts))
        mean, low, high = share_interval(round(counts[i]), n)
        cells = [{"n": round(x), "share": x / n if n else 0.0, "right": i == j} for j, x in enumerate(counts)]
        said = f"{mean:.0f} % [{low:.0f}, {high:.0f}]" if n else "no trial"
        rows.append({"cue": cue, "cells": cells, "right": said})
    return rows


def trial_counts(record: CalibrationRecord) -> dict[str, Any]:
    """How many trials were kept, rejected and why, and the rejected ones."""
    rejected = [one for one in record.trials if not one.accepted]
    return {
        "n": len(record.trials),
        "n_kept": len(record.trials) - len(rejected),
        "kept": Counter(one.cue for one in record.trials if one.accepted).most_common(),
        "reasons": Counter(_kind(one.reason) for one in rejected).most_common(),
        "rejected": [
            {"number": one.i_trial + 1, "cue": one.cue, "reason": one.reason or "not stated"}
            for one in rejected
        ],
        "n_wrong": sum(outcome(record, one.i_trial) == "wrong" for one in record.trials),
    }


def words_of(record: CalibrationRecord, looks: Sequence[ChannelLook]) -> dict[str, Any]:
    """Everything of the report that is text or table."""
    first, then = headline(record)
    return {
        "record": record,
        "headline": first,
        "meaning": then,
        "chance": chance_percent(record),
        "confusion": confusion_table(record),
        "candidates": [_candidate(one) for one in record.candidates],
        "against": _against_population(_chosen(record)),
        "trials": trial_counts(record),
        "channels": [_channel(one) for one in looks],
        "hum": common_hum(looks),
        "faulty": [_channel(one) for one in looks if one.notes],
        "cues": [_measured(name, value) for name, value in sorted(record.cues.items())],
        "versions": sorted(record.versions.items()),
        "confidence": _confidence(record),
        "eyes": _eyes(record),
    }


def _chosen(record: CalibrationRecord) -> CandidateScore | None:
    return next((one for one in record.candidates if one.chosen), None)


def _kind(reason: str) -> str:
    """A reason without its numbers and channels, so that like is counted with like."""
    return (reason.partition(":")[0].strip() or "not stated")[:80]


def _candidate(one: CandidateScore) -> dict[str, Any]:
    has = one.accuracy is not None
    interval = f"[{one.low:.0f}, {one.high:.0f}]" if one.low is not None and one.high is not None else ""
    difference = "" if one.difference is None else f"{one.difference:+.1f}".replace("-", "\u2212")
    return {
        "name": one.name,
        "chosen": one.chosen,
        "accuracy": f"{one.accuracy:.1f} %" if has else "\u2013",
        "interval": interval,
        "loss": "\u2013" if one.loss is None else f"{one.loss:.3f}",
        "difference": difference + ("" if one.p is None else f" (p = {one.p:.2g})"),
        "seconds": f"{one.seconds:.1f} s",
        "note": one.note,
    }


def _against_population(chosen: CandidateScore | None) -> str:
    if chosen is None or chosen.difference is None:
        return ""
    if abs(chosen.difference) < 0.05:
        return "as good as the decoder that knows nothing of you."
    words = "better" if chosen.difference > 0 else "worse"
    sure = "" if chosen.p is None else ("" if chosen.p < 0.05 else ", which may be chance")
    why = f" It is {chosen.note}." if chosen.difference < 0 and chosen.note else ""
    return (
        f"{abs(chosen.difference):.1f} points {words} than the decoder that knows nothing of you{sure}.{why}"
    )


def _channel(one: ChannelLook) -> dict[str, Any]:
    return {
        "label": one.label,
        "amplitude": f"{one.amplitude_uv:.1f}",
        "bar": min(100.0, one.amplitude_uv),
        "line": "\u2013" if one.line_db is None else f"{one.line_db:.0f} dB".replace("-", "\u2212"),
        "good": f"{100 * one.share_good:.0f} %",
        "notes": "; ".join(one.notes),
    }


def _measured(name: str, value: float) -> tuple[str, str]:
    words, _, unit = name.rpartition("_")
    if words and unit in UNITS:
        return words.replace("_", " "), f"{value:.4g} {UNITS[unit]}"
    return name.replace("_", " "), f"{value:.4g}"


def _eyes(record: CalibrationRecord) -> str:
    one = record.eyes
    if one is None or one.accuracy is None:
        return "Not checked." if one is None or not one.note else f"{one.note.capitalize()}."
    text = (
        f"A rule that knows nothing but which way the eyes turn after the cue names the side in {one.accuracy:.0f} % of the "
        f"trials to the left or right [{one.low:.0f}, {one.high:.0f}]; chance is 50 %."
    )
    if one.r is not None:
        text += f" Its movement and the decoder's output correlate with r = {one.r:.2f} (p = {one.p:.2g})."
    return f"{text} {one.note.capitalize()}." if one.note else f"{text} Nothing speaks for the eyes."


def _confidence(record: CalibrationRecord) -> list[str]:
    one = record.confidence
    if one is None:
        return []
    lines = [
        f"Its probabilities are divided by a temperature of {one.temperature:.2f}; they were wrong by "
        f"{100 * one.ece_before:.0f} percentage points on average before, {100 * one.ece_after:.0f} after.",
        f"It decides when the smoothed probability stays above {100 * one.threshold:.0f} % for {one.dwell_s:g} s, then rests "
        f"{one.refractory_s:g} s.",
    ]
    if one.false_per_minute is not None:
        lines.append(f"Expect {one.false_per_minute:.2g} decisions a minute while you want none.")
    if one.hits is not None:
        note = f"; {one.policy_note}" if one.policy_note else ""
        lines.append(f"{100 * one.hits:.0f} % of your trials led to a decision for the right class{note}.")
    return lines
