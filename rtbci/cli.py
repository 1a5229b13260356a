"""The command line. Every command imports what it needs when it is called."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from rtbci.commands.calibrate_command import calibrate
from rtbci.commands.client_commands import listen, osc, publish
from rtbci.commands.control import app as control_app
from rtbci.commands.doctor_command import doctor
from rtbci.commands.engine import app as engine_app
from rtbci.commands.error_lines import tell_error
from rtbci.commands.eval_command import evaluate
from rtbci.commands.feedback import app as feedback_app
from rtbci.commands.flicker import app as flicker_app
from rtbci.commands.keys import app as keys_app
from rtbci.commands.monitor_command import monitor as monitor_command
from rtbci.commands.newest import WithNewest
from rtbci.commands.night import app as night_app
from rtbci.commands.options import (
    Address,
    Config,
    Ignore,
    Labels,
    Map,
    Monitor,
    MonitorAt,
    ParadigmName,
    SourceId,
    StreamName,
    Unit,
    console_of,
    stream_settings,
    write_anything,
)
from rtbci.commands.output import flush_errors, flush_output
from rtbci.commands.profile import app as profile_app
from rtbci.commands.report_command import report as report_command
from rtbci.commands.session import app as session_app
from rtbci.commands.signal_commands import amp, chaos, replay, streams
from rtbci.commands.speller import app as speller_app
from rtbci.commands.verify_command import verify
from rtbci.errors import MissingPackageError
from rtbci.system.processes import stop_signals

__all__ = ["app", "main"]

EPILOG = (
    "Exit status: 0 done, 2 wrong usage or configuration, 3 no stream or stream lost, 4 the stream is not what is "
    "needed, 5 a file cannot be read or written, 6 profile or engine, 7 address in use, 8 a package is missing, 9 a calibration led to nothing usable, "
    "10 a session decodes otherwise than it was recorded, 1 any other error, 130 interrupted."
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
app.add_typer(control_app, name="control")
app.add_typer(engine_app, name="engine")
app.add_typer(feedback_app, name="feedback")
app.add_typer(flicker_app, name="flicker")
app.add_typer(keys_app, name="keys")
app.add_typer(night_app, name="night")
app.add_typer(profile_app, name="profile")
app.add_typer(session_app, name="session")
app.add_typer(speller_app, name="speller")


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
    if (
        not debug
    ):  # where its cache may not be written, and that fonts are looked for, is nobody's concern here
        logging.getLogger("matplotlib").setLevel(logging.ERROR)
    _quiet_liblsl()


@app.command(cls=WithNewest)
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
        str | None,
        typer.Option(
            help="Name or source id of a marker stream; 'auto', those of the EEG stream, its computer and this one; "
            "or 'none' (default: auto)."
        ),
    ] = None,
    unit: Unit = None,
    map: Map = None,
    ignore: Ignore = None,
    labels: Labels = None,
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
        str | None,
        typer.Option(
            help="fp32, fp16 or bf16 for TensorRT (default: the engine's), bf16 for openvino (default: fp32)."
        ),
    ] = None,
    wait_engine: Annotated[
        bool | None, typer.Option(help="Wait until the engine is built and checked before starting.")
    ] = None,
    engine_recipe: Annotated[
        str | None, typer.Option(help="Engine by name or folder (default: the paradigm's).")
    ] = None,
    pub: Address = None,
    control: Annotated[
        str | None, typer.Option(help="ZMQ address of the control socket (default: tcp://127.0.0.1:5572).")
    ] = None,
    format: Annotated[str | None, typer.Option(help="json or msgpack (default: json).")] = None,
    lsl_outlet: Annotated[bool | None, typer.Option(help="Offer predictions as an LSL stream too.")] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="Key pair to encrypt all sockets with (default: none; off loopback the one called default)."
        ),
    ] = None,
    insecure: Annotated[
        bool | None, typer.Option(help="Allow addresses that the network reaches, unencrypted.")
    ] = None,
    record: Annotated[
        str | None, typer.Option(help="Folder for recordings (default: sessions in the user's data folder).")
    ] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Do not record this run.")] = False,
    monitor: Monitor = None,
    monitor_at: MonitorAt = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="[SESSION]",
            help="Go on with a session that was cut short, with its settings and profile (default: the newest).",
        ),
    ] = None,
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
        **stream_settings(
            name=stream,
            source_id=source_id,
            unit=unit,
            ignore=ignore,
            labels=labels,
            markers=markers,
            map=map,
        ),
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
        "publish.key": key,
        "publish.insecure": insecure,
        "record.folder": record,
        "record.enabled": False if no_record else None,
        "monitor.enabled": True if monitor_at else monitor,
        "monitor.address": monitor_at,
    }
    from rtbci.commands import run as command

    if resume is not None:
        from rtbci.commands.resuming import config_to_go_on

        folder, settings = config_to_go_on(resume, flags | {"config": config})
        command.run(settings, console_of(), folder)
        return
    command.run(read_config(config, flags), console_of())


for _command in (calibrate, replay, amp, chaos, verify):
    app.command()(_command)


app.command()(listen)
app.command()(publish)
app.command()(osc)


@app.command()
def demo(
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            "--duration",
            min=1.0,
            help="How long (default: 60; 200 where a baseline is learnt first; until a word is spelled).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic user.")] = 0,
    pub: Annotated[str, typer.Option(help="ZMQ address to publish on; port 0: any.")] = "tcp://127.0.0.1:0",
    monitor: Monitor = None,
    monitor_at: MonitorAt = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Serve the live page and show it in the browser.")
    ] = False,
    paradigm: ParadigmName = None,
    config: Annotated[
        str | None, typer.Option(help="TOML file or name (default: demo, unless a paradigm is named).")
    ] = None,
) -> None:
    """Everything in one terminal, without hardware: synthetic amplifier, decoder, live view, report."""
    from rtbci.config import read_config

    flags: dict[str, Any] = {
        "paradigm": paradigm,
        "monitor.enabled": True if monitor_at or open_ else monitor,
        "monitor.address": monitor_at,
    }
    settings = read_config(config or (None if paradigm else "demo"), flags)
    from rtbci.commands import demo as command

    command.demo(settings, console_of(stderr=False), seconds=seconds, seed=seed, address=pub, opens=open_)


app.command()(streams)
app.command()(doctor)
app.command("monitor")(monitor_command)
app.command("report")(report_command)
app.command("eval")(evaluate)


def main() -> NoReturn:
    """Run the command line; errors are one clear line, and a traceback only with ``--debug``."""
    write_anything()
    try:
        try:
            with _ending_in_order():
                app()
        finally:
            flush_output()
    except Exception as error:
        status = None if "--debug" in sys.argv else tell_error(error)
        if status is None:
            raise
        sys.exit(status)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        flush_errors()
    sys.exit(0)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """SIGTERM, and a terminal that has gone, end a command as Ctrl-C does, so that nothing half written stays; long runs take them over."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = {one: signal.signal(one, leave) for one in stop_signals() if one != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _quiet_liblsl() -> None:
    """The first to need liblsl, without which no command does anything."""
    try:
        from rtbci.stream.lsl_log import quiet_liblsl
    except RuntimeError as error:  # of pylsl, which has no class of its own for it
        raise MissingPackageError(
            f"liblsl: pylsl finds no library that it can load ({' '.join(str(error).split())}), need liblsl 1.16 or newer; "
            "pylsl brings it for Windows and Linux on x86 and for macOS, elsewhere `conda install -c conda-forge liblsl`, or "
            "set PYLSL_LIB to the file"
        ) from error
    quiet_liblsl()


def _one_thread() -> None:
    """Matrices here are small: threads of a BLAS would only wait for each other. Before numpy is loaded."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


if __name__ == "__main__":
    main()
