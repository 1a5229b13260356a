"""`rtbci calibrate`: from a few trials to a profile of one's own, live or from recordings."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.finish import Result
from rtbci.calibrate.one_cap import of_one_cap
from rtbci.calibrate.protocol import ProtocolSettings, read_protocol
from rtbci.calibrate.recordings import marker_lines, trials_of_recordings
from rtbci.calibrate.report import EXTRA
from rtbci.commands.calibrate_base import Calibration, Request
from rtbci.commands.calibrate_flashes import calibrate_flashes
from rtbci.commands.calibrate_live import LiveCalibration
from rtbci.commands.checking import Checks
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError
from rtbci.recipes import ParadigmRecipe, read_engine
from rtbci.replay.read import check_recording, read_recordings
from rtbci.report.page import need_packages
from rtbci.runtime.configured import recipe_of
from rtbci.runtime.profiles import find_profile

__all__ = ["calibrate"]

CUES = ("page", "terminal", "markers")


def calibrate(config: RunConfig, request: Request, console: Console) -> Result | Path:
    """Calibrate, write profile and report, say what came of it.

    Returns
    -------
    Result or Path
        The profile's generation alone, where items flash.

    Raises
    ------
    ConfigError
        When the request makes no sense, or the user is being calibrated already.
    StreamError
        When there is no stream, or it has gone for good.
    FileFormatError
        When a recording cannot be read, or something cannot be written.
    CalibrationError
        When the decoder is not better than chance, and was not wanted anyway.
    KeyboardInterrupt
        When the user stopped it; what was done is kept and told.
    """
    recipe, protocol = _check(config, request)
    if protocol is None:
        return calibrate_flashes(config, request, recipe, console)
    if request.files:
        try:
            return _from_files(Calibration(config, request, recipe, protocol, console))
        except KeyboardInterrupt:
            console.print("stopped: no profile was written")
            raise
    live = LiveCalibration(config, request, recipe, protocol, console)
    try:
        return live.run()
    except CalibrationError:
        raise  # says itself what is kept
    except BaseException as error:
        n, stopped = len(live.collected.features), isinstance(error, KeyboardInterrupt)
        if n:
            begin = "stopped: " if stopped else ""
            console.print(
                f"{begin}usable trials kept: {n}; go on with `{live.resume_command}`", highlight=False
            )
        elif stopped:
            console.print("stopped before the first usable trial")
        raise


def _check(config: RunConfig, request: Request) -> tuple[ParadigmRecipe, ProtocolSettings | None]:
    """Recipe and protocol; all that is wrong of what was asked for is told, before anything is opened.

    The protocol is None where items flash, which has one of its own.
    """
    checks, report = Checks(), request.report
    checks.need(
        request.cues in CUES, f"--cues: got '{request.cues}', need {', '.join(CUES)}; name one of these"
    )
    checks.need(
        not (request.files and request.resume),
        "calibrate: got --from and --resume, need one of them: recordings are read from their start; leave one out",
    )
    for path in request.files:
        checks.take(partial(check_recording, path))
    checks.need(
        report is None or report.parent.is_dir(),
        f"--report: got {report}, need a file in a folder that is there; make {report and report.parent} first",
    )
    recipe, protocol = checks.take(lambda: recipe_of(config)), None
    if config.engine.recipe:
        checks.take(lambda: read_engine(config.engine.recipe))
    if recipe is not None:
        checks.take(lambda: find_profile(recipe.name, config.profile))
        if recipe.flashes is None:
            checks.need(
                request.n_trials is None or request.n_trials >= 2,
                f"--trials: got {request.n_trials}, need 2 or more of each class",
            )
            checks.take(lambda: need_packages(EXTRA))
            protocol = checks.take(lambda: _protocol(recipe, request))
    checks.end()
    assert recipe is not None  # else it has been told
    return recipe, protocol


def _protocol(recipe: ParadigmRecipe, request: Request) -> ProtocolSettings:
    protocol = read_protocol(recipe, request.protocol)
    trials, stopping = protocol.trials, protocol.stopping
    if request.n_trials is not None:
        trials = trials.model_copy(update={"per_class": request.n_trials})
        least = min(stopping.min_per_class, request.n_trials)
        stopping = stopping.model_copy(update={"min_per_class": least})
    seed = protocol.seed if request.seed is None else request.seed
    return protocol.model_copy(update={"trials": trials, "stopping": stopping, "seed": seed})


def _from_files(one: Calibration) -> Result:
    """Calibrate from recordings, as fast as it goes."""
    recordings = [
        each.labelled(one.config.stream.labels)
        for path in one.request.files
        for each in read_recordings(path)
    ]
    for note in dict.fromkeys(note for recording in recordings for note in recording.notes):
        one.say(f"note: {note}")
    recordings, left = of_one_cap(recordings, one.recipe)
    if left:
        one.say(
            f"left out: {', '.join(left)}; not electrodes that all recordings have, and the decoder reads none of them"
        )
    for line in marker_lines(one.recipe, recordings):
        one.say(line if line.startswith(("no cue", "cues")) else f"markers of {line}")
    with ExitStack() as stack:
        decoder = one.open_decoder(stack)
        folder = one.open_folder(stack)
        one.find_bad(decoder, folder, recordings[0].info, recordings[0].data)
        collector = one.open_collector(stack, decoder, folder, fits=False)
        timing = timing_of(one.recipe, one.imagery_s)
        for trial in trials_of_recordings(decoder, recordings, timing, unit=one.config.stream.unit):
            collector.take(trial)
        return one.end(collector.finish(), decoder, folder, "give more recordings of this person with --from")
