"""What `rtbci night` does."""

import shlex
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console

from rtbci.commands.options import teller_of
from rtbci.errors import ConfigError, FileFormatError
from rtbci.files import write_whole
from rtbci.night.drawn import csv_of, statistics_rows, text_hypnogram, write_png
from rtbci.night.hypnogram import Hypnogram, statistics
from rtbci.night.session import hypnogram_of, marked_stages
from rtbci.record.sessions import find_session, sessions_root

__all__ = ["Asked", "hypnogram", "show", "yasa_profile"]


class Asked(NamedTuple):
    """What `rtbci night hypnogram` was told."""

    paradigm: str
    profile: str
    yasa: bool
    csv: Path | None
    png: Path | None
    json: bool


def hypnogram(night: str, asked: Asked, root: Path | None, console: Console) -> None:
    """Show it, and write what was asked for.

    Raises
    ------
    ConfigError, FileFormatError
        When there is no such night, or it cannot be staged.
    """
    by_decoder = bool(asked.paradigm)
    found, scored, instead = _of_recording(night, asked) if by_decoder else (*_of_session(night, root), {})
    if asked.json:
        content = {
            "stand_ins": instead,
            "stages": list(found.stages),
            "statistics": statistics(found)._asdict(),
            "agreement": None if scored is None else _agreement(scored, found),
        }
        console.print(msgspec.json.encode(content).decode(), markup=False, highlight=False, soft_wrap=True)
    else:
        for wanted, name in instead.items():
            teller_of(console)(f"note: {name} stands for {wanted}")
        show(found, scored, console)
    for path, write in ((asked.csv, _write_csv), (asked.png, _write_png)):
        if path is not None:
            write(path, found, scored, Path(night).name)
            if not asked.json:
                teller_of(console)(f"written: {path}")


def show(found: Hypnogram, scored: Hypnogram | None, console: Console) -> None:
    """Print a hypnogram, its statistics, and how it agrees with another one."""
    tell = teller_of(console)
    for line in text_hypnogram(found):
        tell(line)
    tell("")
    for name, value in statistics_rows(statistics(found)):
        tell(f"{name:<23} {value}")
    if scored is not None:
        numbers = _agreement(scored, found)
        tell(
            f"{'agreement with markers':<23} {100 * numbers['accuracy']:.1f} % of {numbers['n_epochs']} epochs, "
            f"kappa {numbers['kappa']:.2f}"
        )


def yasa_profile(paradigm: str, out: Path | None, console: Console) -> None:
    """Write the profile and say how to use it."""
    from rtbci.clock import utc_now
    from rtbci.night.windows import stager_profile
    from rtbci.night.yasa import yasa_trees
    from rtbci.probe.profile import write_generation, write_profile
    from rtbci.recipes import read_paradigm
    from rtbci.runtime.profiles import profiles_root

    recipe = read_paradigm(paradigm)
    tensors, version = yasa_trees(recipe)
    made = stager_profile(
        recipe,
        tensors,
        user="yasa",
        trained_on=[f"yasa-{version}"],
        created=utc_now().isoformat(timespec="seconds"),
    )
    tell = teller_of(console)
    if out is None:
        folder = write_generation(profiles_root(recipe.name), made)
        use = "--user yasa"
    else:
        if out.exists():
            raise ConfigError(f"--out: {out} is already there, need a new folder; choose another name")
        write_profile(out, made)
        folder, use = out, f"--profile {shlex.quote(str(out))}"
    tell(f"written: {folder} (YASA {version}, {len(tensors['root'])} trees)")
    tell(f"next: rtbci run --paradigm {recipe.option} {use}")
    tell(
        "It knows only the past: its first minutes are worth little, and it was judged on whole nights (Vallat, Walker 2021)."
    )


def _of_session(night: str, root: Path | None) -> tuple[Hypnogram, Hypnogram | None]:
    from rtbci.report.session_facts import read_facts

    try:
        folder = find_session(night, root or sessions_root())
        facts = read_facts(folder)
    except FileFormatError as error:
        if Path(night).is_file():
            raise ConfigError(
                f"night: {night} is no session ({error}); a recording needs --paradigm, the recipe to decode it with"
            ) from error
        raise
    found = hypnogram_of(facts.predictions)
    if found is None:
        raise ConfigError(
            f"night: {folder} has no window with stages of sleep, need a run of 30 s or more of a paradigm with the classes W, N1, "
            "N2, N3, REM; a recording is decoded with --paradigm"
        )
    return found, marked_stages(facts.markers, found)


def _of_recording(night: str, asked: Asked) -> tuple[Hypnogram, Hypnogram | None, dict[str, str]]:
    """Its stages, those that its markers say, and which channels stand for those of the decoder."""
    from rtbci.night.windows import check_stager, decode_night
    from rtbci.recipes import read_paradigm
    from rtbci.replay.read import read_recordings
    from rtbci.runtime.opening import find_channels
    from rtbci.runtime.profiles import find_profile
    from rtbci.runtime.telemetry import stand_ins

    recipe = read_paradigm(asked.paradigm)
    check_stager(recipe)
    recording = read_recordings(night)[0]
    if asked.yasa:
        from rtbci.night.yasa import score_night

        found = score_night(recipe, recording)
    else:
        found = decode_night(recipe, find_profile(recipe.name, asked.profile), recording)
    instead = stand_ins(find_channels(recipe, recording.info, None, ()))
    return found, marked_stages(recording.markers, found), instead


def _agreement(scored: Hypnogram, found: Hypnogram) -> dict[str, Any]:
    from rtbci.night.judge import agreement

    numbers = agreement(scored.stages, found.stages)
    return {"n_epochs": numbers.n_epochs, "accuracy": numbers.accuracy, "kappa": numbers.kappa}


def _write_csv(path: Path, found: Hypnogram, _scored: Hypnogram | None, _title: str) -> None:
    write_whole(path, csv_of(found))


def _write_png(path: Path, found: Hypnogram, scored: Hypnogram | None, title: str) -> None:
    write_png(path, found, title, scored)
