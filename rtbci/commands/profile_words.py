"""Profiles in words: rows and lines for people, plain data for machines."""

from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from rtbci.commands.profile_output import table_of
from rtbci.probe.calibration_record import CalibrationRecord, CandidateScore
from rtbci.probe.profile import Profile
from rtbci.runtime.profile_list import KeptGeneration, same_as
from rtbci.runtime.profiles import generation_name

__all__ = [
    "GENERATION_TITLES",
    "generation_row",
    "plain_generation",
    "plain_profile",
    "plain_unfinished",
    "profile_lines",
    "record_table",
    "unfinished_row",
]

GENERATION_TITLES = ("paradigm", "profile", "created", "trials", "accuracy", "")
UNFINISHED = "unfinished: its writing was cut short, or is going on; never read"


def generation_row(paradigm: str, one: KeptGeneration, kept: list[KeptGeneration]) -> tuple[str, ...]:
    """One line of the list."""
    name, profile = generation_name(one.folder), one.profile
    if profile is None:
        newest = "in use, and " if one.is_newest else ""
        return paradigm, name, "", "", "", f"{newest}broken: {one.fault}"
    copy = same_as(one, kept)
    notes = [*(["in use"] if one.is_newest else []), *([f"same as {copy}"] if copy else [])]
    return (
        paradigm,
        name,
        profile.created[:16].replace("T", " "),
        str(profile.n_trials),
        "not measured" if profile.accuracy is None else profile.accuracy.interval,
        ", ".join(notes),
    )


def unfinished_row(paradigm: str, folder: Path) -> tuple[str, ...]:
    """One line of the list, for what a killed process left."""
    return paradigm, folder.parent.name, "", "", "", f"{UNFINISHED} ({folder})"


def plain_generation(paradigm: str, one: KeptGeneration, kept: list[KeptGeneration]) -> dict[str, Any]:
    """One entry of the list, for machines."""
    profile = one.profile
    return {
        "paradigm": paradigm,
        "user": one.folder.parent.name,
        "generation": one.number,
        "path": str(one.folder),
        "in_use": one.is_newest,
        "fault": one.fault,
        "same_as": same_as(one, kept),
        "created": None if profile is None else profile.created,
        "n_trials": None if profile is None else profile.n_trials,
        "accuracy": None if profile is None else profile.accuracy,
    }


def plain_unfinished(paradigm: str, folder: Path) -> dict[str, Any]:
    """One entry of the list, for what a killed process left."""
    return {
        "paradigm": paradigm,
        "user": folder.parent.name,
        "generation": None,
        "path": str(folder),
        "in_use": False,
        "fault": UNFINISHED,
    }


def plain_profile(
    folder: Path, profile: Profile, record: CalibrationRecord | None, reason: str
) -> dict[str, Any]:
    """Everything about a profile but its numbers, for machines."""
    plain: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(profile, weights={}))
    del plain["weights"]
    candidates = None if record is None else record.candidates
    return {"path": str(folder), "fits": not reason, "reason": reason, "candidates": candidates, **plain}


def profile_lines(folder: Path, profile: Profile, reason: str) -> list[tuple[str, str]]:
    """Everything that a person wants to know, as (what, text)."""
    entry = profile.decision
    policy = (
        "the paradigm's"
        if entry is None
        else f"threshold {entry.threshold:g}, dwell {entry.dwell_s:g} s, refractory {entry.refractory_s:g} s, "
        f"smoothing {entry.smoothing_s:g} s"
    )
    return [
        (
            "user",
            profile.user if not profile.generation else f"{profile.user}, generation {profile.generation}",
        ),
        ("paradigm", f"{profile.paradigm}: {', '.join(profile.classes)}"),
        ("created", profile.created or "not stated"),
        ("accuracy", profile.accuracy_in_words),
        ("trials", str(profile.n_trials)),
        ("montage", _montage(profile)),
        ("chain", f"{profile.chain_hash[:12]}, {profile.rate_hz:g} Hz, windows of {_window(profile)}"),
        *(("branch", _branch(profile, i)) for i in range(len(profile.branches))),
        ("temperature", f"{profile.temperature:.3g}"),
        ("decision", policy),
        ("weights", f"sha256 {profile.weights_sha256}"),
        ("folder", str(folder)),
        ("runs now", "yes" if not reason else f"no: {reason}"),
    ]


def record_table(record: CalibrationRecord) -> Table:
    """The calibration's bake-off."""
    return table_of(
        ("decoder", "accuracy", "loss", "against population", ""),
        [_candidate(one) for one in record.candidates],
    )


def _candidate(one: CandidateScore) -> tuple[str, ...]:
    accuracy = "" if one.accuracy is None else f"{one.accuracy:.1f} %"
    if one.low is not None and one.high is not None:
        accuracy += f" [{one.low:.1f}, {one.high:.1f}]"
    loss = "" if one.loss is None else f"{one.loss:.3f}"
    against = "" if one.difference is None else f"{one.difference:+.1f}"
    against += "" if one.p is None else f" (p = {one.p:.2g})"
    return one.name, accuracy, loss, against, ", ".join(filter(None, ("chosen" * one.chosen, one.note)))


def _montage(profile: Profile) -> str:
    n = len(profile.channels)
    if not profile.montage:
        return f"any; the decoder's layout has {n} electrodes"
    return f"{len(profile.montage)} of the layout's {n}: {' '.join(profile.montage)}"


def _window(profile: Profile) -> str:
    window_s, hop_s = (n / profile.rate_hz for n in (profile.window_samples, profile.hop_samples))
    return f"{window_s:g} s every {1000 * hop_s:g} ms"


def _branch(profile: Profile, i: int) -> str:
    entry = profile.branches[i]
    engine = f", engine {entry.engine} {entry.engine_id[:12]}".rstrip() if entry.engine else ""
    return f"{entry.name} ({entry.kind}), weight {entry.weight:.3g}{engine}"
