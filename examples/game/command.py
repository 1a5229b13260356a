"""The command line of the game."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from rtbci.errors import RtbciError
from rtbci.installing import pip_extra
from rtbci.publish.addresses import CONTROL_ADDRESS, PUBLISH_ADDRESS

from .options import CUE_STREAM, BrainKind, Options
from .world import Pace

__all__ = ["main"]

EXIT_NO_PYGAME = 8


def game(
    address: Annotated[str, typer.Option(help="Where the decoder publishes.")] = PUBLISH_ADDRESS,
    control: Annotated[str, typer.Option(help="Its control socket, for pause and mark.")] = CONTROL_ADDRESS,
    server_key: Annotated[
        str | None,
        typer.Option(help="Public key, or trusted name, of a decoder that only trusted keys may listen to."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Name of your own key; default: the one called default.")
    ] = None,
    open_publish: Annotated[
        bool, typer.Option("--open-publish", help="The keys are for the control socket alone.")
    ] = False,
    open_control: Annotated[
        bool, typer.Option("--open-control", help="The keys are for what is published alone.")
    ] = False,
    brain: Annotated[
        BrainKind,
        typer.Option(
            help="decoder: any that publishes at the address. keyboard: a stand-in that publishes there itself and "
            "follows the arrow keys. autopilot: the stand-in follows the game's cues."
        ),
    ] = "decoder",
    accuracy: Annotated[
        float, typer.Option(help="Of the stand-in: share of windows it gets right, 0.5 to 0.99.")
    ] = 0.8,
    noise_s: Annotated[
        float, typer.Option(help="Of the stand-in: how long its errors last, in seconds.")
    ] = 1.5,
    gates: Annotated[int, typer.Option(min=1, max=200, help="Lanterns in a game.")] = 20,
    rest_s: Annotated[float, typer.Option(min=0.2, help="Pause between two lanterns, in seconds.")] = 2.5,
    aim_s: Annotated[
        float, typer.Option(min=0.0, help="From the cue until the wind counts, in seconds.")
    ] = 1.5,
    steer_s: Annotated[
        float, typer.Option(min=0.5, help="From then until the lantern passes, in seconds.")
    ] = 4.5,
    left: Annotated[
        str, typer.Option(help="Class that steers to the left (default: the one named so).")
    ] = "",
    right: Annotated[str, typer.Option(help="Class that steers to the right.")] = "",
    cue_stream: Annotated[
        str,
        typer.Option(help="LSL marker stream of the cues, which `rtbci amp --follow` obeys; 'none': none."),
    ] = CUE_STREAM,
    seed: Annotated[
        int | None, typer.Option(help="Of sides and stand-in (default: another each time).")
    ] = None,
    width: Annotated[int, typer.Option(min=480, help="Of the window, in pixels.")] = 1280,
    height: Annotated[int, typer.Option(min=270, help="Of the window, in pixels.")] = 720,
    fullscreen: Annotated[
        bool, typer.Option("--fullscreen", help="Use the whole screen (F changes it).")
    ] = False,
    sound: Annotated[bool, typer.Option(help="Soft tones.")] = True,
    fps: Annotated[int, typer.Option(min=10, max=240, help="Frames per second.")] = 60,
    headless: Annotated[
        bool,
        typer.Option(
            "--headless", help="No window, no sound; one game, which starts by itself: for measuring."
        ),
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.")] = None,
) -> None:
    """Fjord Lanterns: steer a boat by imagining movements of the left and right hand."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if headless:
        os.environ["SDL_VIDEODRIVER"] = "dummy"
    from rtbci.stream.lsl_log import quiet_liblsl

    quiet_liblsl()
    from .app import run_game

    run_game(
        Options(
            address=address,
            control=control,
            server_key=server_key,
            open_publish=open_publish,
            open_control=open_control,
            key=key,
            brain=brain,
            accuracy=accuracy,
            noise_s=noise_s,
            n_gates=gates,
            pace=Pace(rest_s=rest_s, aim_s=aim_s, steer_s=steer_s),
            seed=seed,
            size=(width, height),
            fullscreen=fullscreen,
            sound=sound and not headless,
            cue_stream="" if cue_stream == "none" else cue_stream,
            left=left,
            right=right,
            fps=fps,
            autostart=headless,
            seconds=seconds,
        )
    )


def main() -> NoReturn:
    """Run the game; errors are one clear line."""
    try:
        app = typer.Typer(
            add_completion=False,
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        app.command()(game)
        app(prog_name="game")
    except RtbciError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "pygame":
            raise
        print(
            f"error: game: pygame-ce is not installed; {pip_extra('game')}, or pygame-ce",
            file=sys.stderr,
        )
        sys.exit(EXIT_NO_PYGAME)
    sys.exit(0)
