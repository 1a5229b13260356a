"""The command line. Every command imports what it needs when it is called."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from rtbci.commands.engine import app as engine_app
from rtbci.commands.profile import app as profile_app
from rtbci.commands.session import app as session_app
from rtbci.errors import RtbciError

__all__ = ["app", "main"]

EPILOG = (
    "Exit status: 0 done, 2 wrong usage or configuration, 3 no stream or stream lost, 4 the stream is not what is "
    "needed, 5 a file cannot be read or written, 6 profile or engine, 7 address in use, 8 a package is missing, 9 a calibration led to nothing usable, "
    "1 any other error, 130 interrupted."
)

app = typer.Typer(
    name="rtbci",
    help="Real-time brain-computer interface: a live EEG stream in, decisions out.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(engine_app, name="engine")
app.add_typer(profile_app, name="profile")
app.add_typer(session_app, name="session")

Config = Annotated[
    str | None, typer.Option(help="TOML file, or the name of one that comes with rtbci (lab).")
]
Address = Annotated[
    str | None, typer.Option("--pub", help="ZMQ address to publish on [tcp://127.0.0.1:5571].")
]
ParadigmName = Annotated[str | None, typer.Option(help="Recipe by name or folder (default: motor_imagery).")]
StreamName = Annotated[str | None, typer.Option(help="Name of the LSL stream [the only EEG stream].")]
SourceId = Annotated[str | None, typer.Option(help="source_id of the LSL stream.")]
Unit = Annotated[str | None, typer.Option(help="V, mV, uV or nV, where the stream states it wrongly.")]
Ignore = Annotated[str | None, typer.Option(help="Electrodes to treat as missing, as C5,T7 (default: none).")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("rtbci"))
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show a traceback with an error.")] = False,
    version: Annotated[
        bool, typer.Option(callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    _one_thread()
    from rtbci.stream.lsl_log import quiet_liblsl

    quiet_liblsl()


@app.command()
def run(
    paradigm: ParadigmName = None,
    user: Annotated[
        str | None, typer.Option(help="Whose newest profile to use (default: anonymous).")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile by path, USER or USER@GENERATION, or 'population'.")
    ] = None,
    follow: Annotated[
        bool | None, typer.Option(help="Use new generations of the user's profile as they appear.")
    ] = None,
    adapt: Annotated[
        bool | None, typer.Option(help="Adapt to the user while in use (default: as the paradigm says, off).")
    ] = None,
    stream: StreamName = None,
    source_id: SourceId = None,
    markers: Annotated[
        str | None, typer.Option(help="Name of a marker stream, 'auto' or 'none' (default: auto).")
    ] = None,
    unit: Unit = None,
    ignore: Ignore = None,
    wait: Annotated[bool | None, typer.Option(help="Wait for the stream instead of giving up.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Look for the stream this long, in seconds (default: 10).")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (default: never).")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Back end: auto, openvino, tensorrt, tensorrt_rtx, onnxruntime-cuda or torch (default: onnxruntime, on "
            "which every run starts; another one takes over when it is ready)."
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, fp16 or bf16, for TensorRT (default: the engine's).")
    ] = None,
    wait_engine: Annotated[
        bool | None, typer.Option(help="Wait until the engine is built and checked before starting.")
    ] = None,
    engine_recipe: Annotated[
        str | None, typer.Option(help="Engine by name or folder [the paradigm's].")
    ] = None,
    pub: Address = None,
    control: Annotated[str | None, typer.Option(help="ZMQ address of the control socket [...:5572].")] = None,
    format: Annotated[str | None, typer.Option(help="json or msgpack (default: json).")] = None,
    lsl_outlet: Annotated[bool | None, typer.Option(help="Offer predictions as an LSL stream too.")] = None,
    insecure: Annotated[bool | None, typer.Option(help="Allow addresses that the network reaches.")] = None,
    record: Annotated[
        str | None, typer.Option(help="Folder for recordings [sessions, in the user's data folder].")
    ] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Do not record this run.")] = False,
    config: Config = None,
) -> None:
    """Find the EEG stream, decode it, publish predictions."""
    from rtbci.config import read_config

    flags: dict[str, Any] = {
        "paradigm": paradigm,
        "user": user,
        "profile": profile,
        "follow": follow,
        "adapt.enabled": adapt,
        "duration_s": duration,
        "stream.name": stream,
        "stream.source_id": source_id,
        "stream.markers": markers,
        "stream.unit": unit,
        "stream.ignore": _names(ignore),
        "stream.wait": wait,
        "stream.timeout_s": timeout,
        "engine.backend": engine,
        "engine.precision": precision,
        "engine.wait": wait_engine,
        "engine.recipe": engine_recipe,
        "publish.address": pub,
        "publish.control": control,
        "publish.format": format,
        "publish.lsl_outlet": lsl_outlet,
        "publish.insecure": insecure,
        "record.folder": record,
        "record.enabled": False if no_record else None,
    }
    settings = read_config(config, flags)
    from rtbci.commands import run as command

    command.run(settings, _console())


@app.command()
def calibrate(
    paradigm: ParadigmName = None,
    user: Annotated[str | None, typer.Option(help="Whose profile it becomes (default: anonymous).")] = None,
    from_: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Recording with cues, instead of a live stream; repeat it."),
    ] = None,
    cues: Annotated[
        str, typer.Option(help="page, terminal, or markers: those of an experiment of your own.")
    ] = "page",
    markers: Annotated[str | None, typer.Option(help="Name of its marker stream (default: auto).")] = None,
    map: Annotated[
        list[str] | None, typer.Option(help="Marker text to class, TEXT=CLASS; repeat it.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Accepted trials of each class [the protocol's].")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Order of the cues [the protocol's].")] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the user's newest calibration.")] = False,
    anyway: Annotated[bool, typer.Option(help="Write the profile even when it is at chance.")] = False,
    false_per_minute: Annotated[
        float, typer.Option(min=0.0, help="Decisions in a minute of rest that you put up with.")
    ] = 10.0,
    profile: Annotated[str | None, typer.Option(help="Profile to start from (default: population).")] = None,
    stream: StreamName = None,
    source_id: SourceId = None,
    unit: Unit = None,
    ignore: Ignore = None,
    browser: Annotated[bool, typer.Option(help="Open the cue page in the browser.")] = True,
    cue_stream: Annotated[
        str, typer.Option(help="Name of the LSL stream that the cues are sent as.")
    ] = "rtbci-cues",
    protocol: Annotated[Path | None, typer.Option(help="Another protocol.toml.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where the report goes [into the profile's folder].")
    ] = None,
    config: Config = None,
) -> None:
    """Make a decoder your own with a few trials, live or from recordings."""
    from rtbci.config import read_config

    settings = read_config(
        config,
        {
            "paradigm": paradigm,
            "user": user,
            "profile": profile,
            "stream.name": stream,
            "stream.source_id": source_id,
            "stream.markers": markers,
            "stream.unit": unit,
            "stream.ignore": _names(ignore),
        },
    )
    from rtbci.commands import calibrate as command

    request = command.Request(
        files=from_ or [],
        cues=cues,
        maps=map or [],
        n_trials=trials,
        seed=seed,
        resume=resume,
        anyway=anyway,
        browser=browser,
        false_per_min=false_per_minute,
        report=report,
        protocol=protocol,
        cue_stream=cue_stream,
    )
    command.calibrate(settings, request, _console(stderr=False))


@app.command()
def replay(
    file: Annotated[
        Path | None, typer.Argument(help="EDF, BDF, GDF, BrainVision, EEGLAB, FIF, XDF, CSV, ...")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Public data set, as eegbci:7 (downloads it).")] = None,
    speed: Annotated[str, typer.Option(help="Times real time, or 'max'.")] = "1",
    loop: Annotated[bool, typer.Option(help="Begin again at the end.")] = False,
    start: Annotated[float, typer.Option(help="Where to begin, in seconds of the file.")] = 0.0,
    chunk: Annotated[int, typer.Option(help="Samples sent together.")] = 8,
    name: Annotated[str | None, typer.Option(help="Name of the LSL stream [the file's].")] = None,
    wait: Annotated[bool, typer.Option(help="Begin when somebody receives.")] = False,
) -> None:
    """Play a recording as LSL streams: samples and markers."""
    from rtbci.commands import replay as command

    command.replay(
        file,
        dataset,
        _console(),
        speed=command.speed_of(speed),
        loop=loop,
        start_s=start,
        chunk=chunk,
        name=name,
        wait=wait,
    )


@app.command()
def amp(
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
    keys: Annotated[bool, typer.Option(help="Arrow keys say what the user imagines.")] = False,
    follow: Annotated[
        str, typer.Option(help="Marker stream whose cues the user follows, as rtbci-cues of a calibration.")
    ] = "",
    chunk: Annotated[int, typer.Option(help="Samples sent together.")] = 8,
    name: Annotated[str, typer.Option(help="Name of the LSL stream.")] = "rtbci-amp",
) -> None:
    """Stream a synthetic amplifier (left and right hand imagery), or a BrainFlow board."""
    from rtbci.commands import amp as command

    if brainflow is not None:
        pairs = [pair.partition("=") for pair in param or []]
        params = {key: value for key, _, value in pairs}
        command.brainflow_amp(_console(), brainflow, params)
        return
    command.synthetic_amp(
        _console(),
        channels=[label.strip() for label in channels.split(",")] if channels else [],
        rate_hz=rate,
        seed=seed,
        line_hz=line,
        keys=keys,
        follow=follow,
        chunk=chunk,
        name=name,
    )


@app.command()
def chaos(
    scenario: Annotated[str, typer.Argument(help="Scenario by name or path; 'list' shows those there are.")],
    from_: Annotated[str, typer.Option("--from", help="Recording, name of an LSL stream, or 'amp'.")] = "amp",
    name: Annotated[str, typer.Option(help="Name of the faulty LSL stream.")] = "rtbci-chaos",
    seed: Annotated[int | None, typer.Option(min=0, help="Of the faults [the scenario's].")] = None,
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (default: never).")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="Write every fault here, one line of JSON each.")] = None,
    consume: Annotated[
        str | None,
        typer.Option(help="Where the run publishes that slow subscribers bother [tcp://127.0.0.1:5571]."),
    ] = None,
) -> None:
    """Offer a stream that misbehaves: dropouts, bursts, wrong clocks, losses, as a scenario says."""
    from rtbci.commands import chaos as command

    if scenario == "list":
        command.show_scenarios(_console(stderr=False))
        return
    command.chaos(
        command.Request(scenario, from_, name, seed, duration, log, consume),
        _console(),
        _console(stderr=False),
    )


@app.command()
def listen(
    address: Annotated[str | None, typer.Argument(help="ZMQ address [tcp://127.0.0.1:5571].")] = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON per message.")] = False,
    topic: Annotated[
        list[str] | None, typer.Option(help="prediction, status, event, hello (default: all).")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="Stop after this many seconds.")] = None,
    count: Annotated[int | None, typer.Option(help="Stop after this many messages.")] = None,
) -> None:
    """Show predictions as they come."""
    from rtbci.listen import TOPICS
    from rtbci.listen import listen as command
    from rtbci.publish.addresses import PUBLISH_ADDRESS

    topics = topic or TOPICS
    command(address or PUBLISH_ADDRESS, as_json=json, topics=topics, duration_s=duration, n_messages=count)


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=1.0, help="How long.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic user.")] = 0,
    pub: Annotated[str, typer.Option(help="ZMQ address to publish on; port 0: any.")] = "tcp://127.0.0.1:0",
    config: Annotated[str, typer.Option(help="TOML file or name.")] = "demo",
) -> None:
    """Everything in one terminal, without hardware: synthetic amplifier, decoder, live view, report."""
    from rtbci.config import read_config

    settings = read_config(config, {})
    from rtbci.commands import demo as command

    command.demo(settings, _console(stderr=False), seconds=seconds, seed=seed, address=pub)


@app.command()
def streams(
    wait: Annotated[float, typer.Option(help="How long to look, in seconds.")] = 1.0,
) -> None:
    """List the LSL streams on the network: labels, rate, unit, age."""
    from rtbci.stream.lsl_list import list_streams
    from rtbci.stream.streams_table import streams_table

    found = list_streams(wait)
    console = _console(stderr=False)
    if not found:
        console.print(
            "no LSL stream answered; start one with `rtbci amp` or `rtbci replay FILE`, or wait longer"
        )
        raise typer.Exit(3)
    console.print(streams_table(found))


@app.command()
def doctor(config: Config = None) -> None:
    """Look at this computer: Python, liblsl, back ends, ports, clock, engines."""
    from rtbci.commands import doctor as command
    from rtbci.config import read_config

    if not command.doctor(read_config(config, {}), _console(stderr=False)):
        raise typer.Exit(1)


@app.command("eval")
def evaluate(
    paradigm: Annotated[str, typer.Option(help="Recipe by name or folder.")] = "motor_imagery",
    data: Annotated[
        list[str] | None, typer.Option(help="Folder, file (repeat it for more), or moabb:NAME.")
    ] = None,
    files: Annotated[list[str] | None, typer.Argument(help="More files, after --data FILE.")] = None,
    track: Annotated[
        str, typer.Option(help="A: from the cue on; B: imagery only, the one that counts.")
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
    subjects: Annotated[str, typer.Option(help="Only these, as S001,S002 (default: all).")] = "",
    channels: Annotated[
        str,
        typer.Option(
            help="Give the decoder only these: C3,CZ,C4, or a cap: 10-20, motor-8, motor-3 (default: all)."
        ),
    ] = "",
    calibrator: Annotated[
        str, typer.Option(help="scale_bias, refit, or package.module:attribute.")
    ] = "scale_bias",
    remaining: Annotated[
        str, typer.Option(help="Judge trials 'later' than calibration, or 'all' others.")
    ] = "later",
    jobs: Annotated[int, typer.Option(help="Processes.")] = 1,
    ray: Annotated[str, typer.Option(help="Address of a Ray cluster, or 'local' for two workers here.")] = "",
    engine: Annotated[str, typer.Option(help="Back end: onnxruntime or torch.")] = "onnxruntime",
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Two JSON files: paired tests, second against first.")
    ] = None,
) -> None:
    """Judge a decoder on recordings with cues: the running decoder, on people it has not seen."""
    from rtbci.commands import eval as command

    if compare is not None:
        command.compare_files(compare[0], compare[1], _console(stderr=False), markdown)
        return
    plan = command.plan_of(
        paradigm=paradigm,
        places=[*(data or []), *(files or [])],
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
    )
    command.judge(plan, _console(stderr=False), json=json, markdown_file=markdown, plots=plots)


def main() -> NoReturn:
    """Run the command line; errors are one clear line, and a traceback only with ``--debug``."""
    try:
        app()
    except RtbciError as error:
        if "--debug" in sys.argv:
            raise
        _console().print("[bold red]error:[/] ", end="")
        _console().print(str(error), markup=False, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _one_thread() -> None:
    """Matrices here are small: threads of a BLAS would only wait for each other. Before numpy is loaded."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _names(text: str | None) -> list[str] | None:
    """Names between commas; None where nothing was given."""
    return None if text is None else [name for part in text.split(",") if (name := part.strip())]


def _console(stderr: bool = True) -> Any:
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=True)


if __name__ == "__main__":
    main()
