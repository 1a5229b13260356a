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
from rtbci.commands.latency_command import latency
from rtbci.commands.limits import OpensStreams
from rtbci.commands.monitor_command import monitor as monitor_command
from rtbci.commands.newest import WithNewest
from rtbci.commands.night import app as night_app
from rtbci.commands.options import Monitor, MonitorAt, ParadigmName, console_of, write_anything
from rtbci.commands.output import flush_errors, flush_output
from rtbci.commands.profile import app as profile_app
from rtbci.commands.record_command import record
from rtbci.commands.report_command import report as report_command
from rtbci.commands.run_command import run
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


class _Run(WithNewest, OpensStreams):
    pass


app.command(cls=_Run)(run)

for _command in (calibrate, record, replay, amp, chaos):
    app.command(cls=OpensStreams)(_command)
app.command()(verify)
app.command(cls=OpensStreams)(listen)
app.command(cls=OpensStreams)(publish)
app.command(cls=OpensStreams)(osc)


@app.command(cls=OpensStreams)
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


app.command(cls=OpensStreams)(streams)
app.command(cls=OpensStreams)(doctor)
app.command("monitor", cls=OpensStreams)(monitor_command)
app.command("report")(report_command)
app.command()(latency)
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
        if _is_interruption(error):
            sys.exit(130)
        status = None if "--debug" in sys.argv else tell_error(error)
        if status is None:
            raise
        sys.exit(status)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        flush_errors()
    sys.exit(0)


def _is_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C is what an error comes from: libraries that load compiled parts then say that these cannot be loaded."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


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
