"""`rtbci replay`, `amp`, `chaos` and `streams`: where signals come from. What they do is imported when they are called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import Labels, Map, console_of, flags_typed, names_of

__all__ = ["amp", "chaos", "replay", "streams"]

OF_BOARDS = ("brainflow", "param", "name", "source_id", "duration")
"""Options of `rtbci amp` that a board has, too; all others are the synthetic amplifier's."""


def replay(
    file: Annotated[
        Path | None,
        typer.Argument(help="EDF, BDF, GDF, BrainVision, EEGLAB, FIF, XDF, CSV, ..., a session, or 'last'."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Public data set, as eegbci:7 (downloads it).")] = None,
    speed: Annotated[str, typer.Option(help="Times real time, or 'max'.")] = "1",
    loop: Annotated[bool, typer.Option(help="Begin again at the end.")] = False,
    start: Annotated[float, typer.Option(help="Where to begin, in seconds of the file.")] = 0.0,
    chunk: Annotated[int, typer.Option(help="Samples sent together.")] = 8,
    name: Annotated[str | None, typer.Option(help="Name of the LSL stream (default: the file's).")] = None,
    wait: Annotated[bool, typer.Option(help="Begin when somebody receives.")] = False,
) -> None:
    """Play a recording as LSL streams: samples and markers."""
    from rtbci.commands import replay as command

    command.replay(
        file,
        dataset,
        console_of(),
        speed_text=speed,
        loop=loop,
        start_s=start,
        chunk=chunk,
        name=name,
        wait=wait,
    )


def amp(
    context: typer.Context,
    brainflow: Annotated[
        str | None, typer.Option(help="A BrainFlow board (cyton, muse-2, synthetic, ...).")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="BrainFlow parameter, as serial_port=/dev/ttyUSB0.")
    ] = None,
    channels: Annotated[
        str | None, typer.Option(help="Electrodes, comma separated (default: 10-20 + sensorimotor).")
    ] = None,
    rate: Annotated[float, typer.Option(help="Sampling rate, Hz.")] = 250.0,
    seed: Annotated[int, typer.Option(help="Same seed, same signal.")] = 0,
    line: Annotated[float, typer.Option(help="Frequency of the mains, Hz; 0: none.")] = 50.0,
    keys: Annotated[
        bool, typer.Option(help="Arrow keys, or numbers of targets and states, say what the user does.")
    ] = False,
    paradigm: Annotated[
        str,
        typer.Option(
            help="The user does what this one reads (flickers, flashes, rhythms, sleep), instead of imagining hands."
        ),
    ] = "",
    follow: Annotated[
        str, typer.Option(help="Marker stream whose cues the user follows, as rtbci-cues of a calibration.")
    ] = "",
    map: Map = None,
    gaze: Annotated[
        bool | None,
        typer.Option(
            help="Whether the eyes go to the cued side, as to cues that are not in the middle (default: unless it follows or has keys)."
        ),
    ] = None,
    chunk: Annotated[int, typer.Option(help="Samples sent together.")] = 8,
    name: Annotated[
        str, typer.Option(help="Name of the LSL stream (default: rtbci-amp, or the board's).")
    ] = "",
    source_id: Annotated[
        str, typer.Option("--source-id", help="Its source id (default: made of what it sends).")
    ] = "",
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="End after so many seconds (default: never).")
    ] = None,
) -> None:
    """Stream a synthetic amplifier (left and right hand imagery, flicker, flashes, or rhythms), or a BrainFlow board."""
    from rtbci.commands import amp as command

    if brainflow is not None:
        pairs = [pair.partition("=") for pair in param or []]
        params = {key: value for key, _, value in pairs}
        given = flags_typed(context, without=OF_BOARDS)
        command.brainflow_amp(console_of(), brainflow, params, name, source_id, duration, not_its=given)
        return
    command.synthetic_amp(
        console_of(),
        channels=names_of(channels or ""),
        rate_hz=rate,
        seed=seed,
        line_hz=line,
        keys=keys,
        follow=follow,
        maps=map or (),
        chunk=chunk,
        name=name or "rtbci-amp",
        paradigm=paradigm,
        source_id=source_id,
        duration_s=duration,
        gaze=gaze,
    )


def chaos(
    scenario: Annotated[str, typer.Argument(help="Scenario by name or path; 'list' shows those there are.")],
    from_: Annotated[str, typer.Option("--from", help="Recording, name of an LSL stream, or 'amp'.")] = "amp",
    name: Annotated[str, typer.Option(help="Name of the faulty LSL stream.")] = "rtbci-chaos",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the faults (default: the scenario's).")] = None,
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (default: never).")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Write every fault here, one line of JSON each.")] = None,
    consume: Annotated[
        str | None,
        typer.Option(help="Address of the run that slow subscribers bother (default: tcp://127.0.0.1:5571)."),
    ] = None,
) -> None:
    """Offer a stream that misbehaves: dropouts, bursts, wrong clocks, losses, as a scenario says."""
    from rtbci.commands import chaos as command

    if scenario == "list":
        command.show_scenarios(console_of(stderr=False))
        return
    command.chaos(
        command.Request(scenario, from_, name, seed, duration, log, consume),
        console_of(),
        console_of(stderr=False),
    )


def streams(
    wait: Annotated[
        float, typer.Option("--wait", "--timeout", min=0.1, max=600.0, help="How long to look, in seconds.")
    ] = 1.0,
    labels: Labels = None,
) -> None:
    """List the LSL streams on the network: labels, rate, unit, age, and what can be decoded with those of EEG.

    --labels: as if the stream with so many channels had these names, as rtbci run would take them; where none has as many, what such electrodes would be good for.
    """
    from rtbci.commands.streams_fit import fit_rows, labelled
    from rtbci.stream.lsl_list import list_streams
    from rtbci.stream.streams_table import streams_table

    found = list_streams(wait)
    console = console_of(stderr=False)
    if not found and labels is None:
        console.print(
            "no LSL stream answered; start one with `rtbci amp` or `rtbci replay FILE`, or wait longer"
        )
        raise typer.Exit(3)
    found = labelled(found, [] if labels is None else names_of(labels))
    console.print(streams_table(found, [fit_rows(one) for one in found]))
