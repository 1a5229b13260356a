"""`rtbci eval`: what it is told. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import Labels, Map, console_of, names_of
from rtbci.commands.profile import DEFAULT_PARADIGM

__all__ = ["evaluate"]


def evaluate(
    paradigm: Annotated[str, typer.Option(help="Recipe by name or folder.")] = DEFAULT_PARADIGM,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder (a BIDS data set, too), file (repeat it for more), session ('last': the newest), or moabb:NAME."
        ),
    ] = None,
    files: Annotated[list[str] | None, typer.Argument(help="More files, after --data FILE.")] = None,
    track: Annotated[
        str,
        typer.Option(
            help="A: from the cue on; B: imagery only, the one that counts; or FROM-TO after the cue, seconds, as 0.5-4.5."
        ),
    ] = "B",
    k: Annotated[str, typer.Option(help="Trials a class to calibrate on, as 0,5,10.")] = "0",
    json: Annotated[
        Path | None, typer.Option(help="Write everything here; a table beside it as .md.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables here.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Draw into this folder.")] = None,
    profile: Annotated[str, typer.Option(help="Profile by path or user, or 'population'.")] = "population",
    folds: Annotated[
        Path | None, typer.Option(help="Folder of fold*/ with a profile and subjects.json each.")
    ] = None,
    seen: Annotated[bool, typer.Option(help="Judge people that the profile was trained on too.")] = False,
    dataset: Annotated[str, typer.Option(help="Name of the data set, as in a profile's trained_on.")] = "",
    map: Map = None,
    labels: Labels = None,
    task: Annotated[str, typer.Option(help="Of a BIDS data set: only this task (default: all).")] = "",
    subjects: Annotated[str, typer.Option(help="Only these, as S001,S002 (default: all).")] = "",
    channels: Annotated[
        str,
        typer.Option(
            help="Give the decoder only these: C3,CZ,C4, or a cap: 10-20, motor-8, motor-3 (default: all)."
        ),
    ] = "",
    calibrator: Annotated[
        str, typer.Option(help="scale_bias, refit, prior, or package.module:attribute.")
    ] = "scale_bias",
    remaining: Annotated[
        str, typer.Option(help="Judge trials 'later' than calibration, or 'all' others.")
    ] = "later",
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster, or 'local' for two workers here.")] = "",
    engine: Annotated[
        str, typer.Option(help="Back end, one of those of rtbci run, or auto.")
    ] = "onnxruntime",
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Two JSON files: paired tests, second against first.")
    ] = None,
) -> None:
    """Judge a decoder on recordings with cues: the running decoder, on people it has not seen."""
    from rtbci.commands import eval as command

    if compare is not None:
        command.compare_files(compare[0], compare[1], console_of(stderr=False), markdown)
        return
    from rtbci.recipes import read_paradigm

    places = [_place(one) for one in (*(data or []), *(files or []))]
    recipe = read_paradigm(paradigm)
    if any(branch.kind == "epochs" for branch in recipe.branches):
        from rtbci.commands import eval_nights

        eval_nights.judge(
            recipe,
            places,
            console_of(stderr=False),
            profile=profile,
            data_set=dataset,
            allow_seen=seen,
            json=json,
            markdown_file=markdown,
            plots=plots,
        )
        return
    plan = command.plan_of(
        paradigm=paradigm,
        places=places,
        track=track,
        ks=k,
        profile=profile,
        folds=folds,
        allow_seen=seen,
        data_set=dataset,
        subjects=subjects,
        calibrator=calibrator,
        remaining=remaining,
        n_jobs=jobs,
        ray=ray,
        backend=engine,
        channels=channels,
        maps=map or (),
        labels=names_of(labels or ""),
        task=task,
    )
    command.judge(plan, console_of(stderr=False), json=json, markdown_file=markdown, plots=plots)


def _place(given: str) -> str:
    """A place as it was given, or the session that it names."""
    from rtbci.record.sessions import recording_of, sessions_root

    found = recording_of(Path(given), sessions_root())
    return given if found == Path(given) else str(found)
