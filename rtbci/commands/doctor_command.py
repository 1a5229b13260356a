"""`rtbci doctor`: what it is told. What it does is imported when it is called."""

from typing import Annotated, Any

import typer

from rtbci.commands.options import Config, Json, ParadigmName, console_of, output_of

__all__ = ["doctor"]


def doctor(
    timing: Annotated[
        bool,
        typer.Option(
            "--timing", help="Try a configuration: a synthetic amplifier over LSL into the real run."
        ),
    ] = False,
    paradigm: ParadigmName = None,
    seconds: Annotated[
        float,
        typer.Option("--seconds", "--duration", min=5.0, help="With --timing: how long to count, seconds."),
    ] = 120.0,
    rate: Annotated[float, typer.Option(min=64.0, help="With --timing: rate of the stream, Hz.")] = 250.0,
    channels: Annotated[
        int | None, typer.Option(help="With --timing: channels of the stream (default: the paradigm's).")
    ] = None,
    chunk: Annotated[
        int, typer.Option(min=1, help="With --timing: samples that the amplifier sends together.")
    ] = 8,
    engine: Annotated[
        str | None, typer.Option(help="With --timing: back end, as of run (default: onnxruntime).")
    ] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Look at this computer: Python, liblsl, back ends, ports, clock, engines. --timing: try a configuration on it.

    Exit status 1 when rtbci cannot run here, or, with --timing, when the verdict is FAIL.
    """
    from rtbci.config import read_config

    flags: dict[str, Any] = {"paradigm": paradigm, "engine.backend": engine}
    settings = read_config(config, flags)
    if timing:
        from rtbci.commands.doctor_timing import doctor_timing
        from rtbci.loopback.certify import Wanted

        given = {"--config": config, "--paradigm": paradigm, "--engine": engine}
        args = [part for flag, value in given.items() if value for part in (flag, value)]
        wanted = Wanted(settings, args, seconds, rate, channels, chunk)
        fine = doctor_timing(wanted, console_of(), output_of(json))
    else:
        from rtbci.commands import doctor as command

        fine = command.doctor(settings, console_of(stderr=False), output_of(json))
    if not fine:
        raise typer.Exit(1)
