"""`rtbci calibrate`: from a few trials to a profile of one's own, live or from recordings."""

import threading
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from rtbci.calibrate.bad_channels import find_bad_channels, mask_channels
from rtbci.calibrate.collector import Collected, Collector
from rtbci.calibrate.cutter import CalibrationDecoder, TrialCutter, timing_of
from rtbci.calibrate.enough import describe, is_enough
from rtbci.calibrate.finish import FALSE_PER_MIN, Result, conclude, keep
from rtbci.calibrate.hops import HopLog
from rtbci.calibrate.live import LiveStream, follow_markers, look_at_stream, run_guided
from rtbci.calibrate.markers import with_markers
from rtbci.calibrate.markers_out import CueMarkers, MarkedPresenter
from rtbci.calibrate.presenter import Feedback, Presenter
from rtbci.calibrate.protocol import ProtocolSettings, read_protocol
from rtbci.calibrate.quality import RejectSettings
from rtbci.calibrate.recordings import play_recordings
from rtbci.calibrate.report import need_report_packages, write_report
from rtbci.calibrate.schedule import Schedule
from rtbci.calibrate.store import StoreSettings, TrialStore, new_folder, newest_folder, read_settings
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.clock import utc_now
from rtbci.commands.run import lsl_factory
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ConfigError
from rtbci.probe.profile import Profile, chain_hash
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.profiles import profiles_root
from rtbci.settings import check_settings
from rtbci.stream.source import StreamInfo

__all__ = ["Request", "calibrate"]

CUES = ("page", "terminal", "markers")


@dataclass(frozen=True)
class Request:
    """What the command line asks for, beside the run's configuration.

    Parameters
    ----------
    files : sequence of Path
        Recordings to calibrate from; empty: live.
    cues : {'page', 'terminal', 'markers'}
        Who shows cues; ``markers``: an experiment of the user's own, whose markers are followed.
    maps : sequence of str
        ``"TEXT=CLASS"``, more marker texts.
    n_trials : int or None
        Accepted trials of each class; None: as the protocol says.
    seed : int or None
    resume, anyway, browser : bool
    false_per_min : float
    report : Path or None
        Where the report goes; None: into the profile's folder.
    protocol : Path or None
        Another protocol.toml.
    """

    files: Sequence[Path] = ()
    cues: str = "page"
    maps: Sequence[str] = ()
    n_trials: int | None = None
    seed: int | None = None
    resume: bool = False
    anyway: bool = False
    browser: bool = True
    false_per_min: float = FALSE_PER_MIN
    report: Path | None = None
    protocol: Path | None = None


def calibrate(config: RunConfig, request: Request, console: Console) -> Result:
    """Calibrate, write profile and report, say what came of it.

    Raises
    ------
    ConfigError
        When the request makes no sense.
    CalibrationError
        When the decoder is not better than chance, and was not wanted anyway.
    """
    if request.cues not in CUES:
        raise ConfigError(f"--cues: got '{request.cues}', need {', '.join(CUES)}")
    need_report_packages()
    recipe = with_markers(read_paradigm(config.paradigm), request.maps)
    protocol = _protocol(recipe, request)
    if request.files:
        return _Calibration(config, request, recipe, protocol, console).from_files()
    return _Calibration(config, request, recipe, protocol, console).live()


def _protocol(recipe: ParadigmRecipe, request: Request) -> ProtocolSettings:
    protocol = read_protocol(recipe, request.protocol)
    trials, stopping = protocol.trials, protocol.stopping
    if request.n_trials is not None:
        if request.n_trials < 2:
            raise ConfigError(f"--trials: got {request.n_trials}, need 2 or more of each class")
        trials = trials.model_copy(update={"per_class": request.n_trials})
        least = min(stopping.min_per_class, request.n_trials)
        stopping = stopping.model_copy(update={"min_per_class": least})
    seed = protocol.seed if request.seed is None else request.seed
    return protocol.model_copy(update={"trials": trials, "stopping": stopping, "seed": seed})


class _Calibration:
    """One calibration, from the settings to the report."""

    def __init__(
        self,
        config: RunConfig,
        request: Request,
        recipe: ParadigmRecipe,
        protocol: ProtocolSettings,
        console: Console,
    ) -> None:
        self._config, self._request, self._recipe = config, request, recipe
        self._protocol, self._console = protocol, console
        self._reject = check_settings(RejectSettings, dict(protocol.reject), "protocol, [reject]")
        self._imagery_s = protocol.timing.imagery_s
        self._bad: dict[str, str] = {}
        self._presenter: Presenter | None = None
        self._schedule: Schedule | None = None

    def from_files(self) -> Result:
        """Calibrate from recordings, as fast as it goes."""
        recordings = [one for path in self._request.files for one in read_recordings(path)]
        with ExitStack() as stack:
            decoder = self._decoder(stack)
            self._find_bad(decoder, recordings[0].info, recordings[0].data, self._config.stream.unit)
            decoder.open(recordings[0].info, self._config.stream.unit)
            cutter = TrialCutter(timing_of(self._recipe, self._imagery_s))
            folder, collector = self._collector(stack, decoder, cutter, fits=False)
            collector.start()
            self._play(decoder, recordings, cutter)
            collected = collector.finish()
            return self._end(collected, decoder, folder)

    def live(self) -> Result:
        """Calibrate on the live stream."""
        with ExitStack() as stack:
            stop = stack.enter_context(stop_on_signals())
            decoder = self._decoder(stack)
            factory = lsl_factory(self._stream_config())
            self._console.print("looking at the stream for 10 s ...", highlight=False)
            info, data = look_at_stream(factory(None))
            self._find_bad(decoder, info, data, self._config.stream.unit)
            decoder.open(info, self._config.stream.unit)
            cutter = TrialCutter(timing_of(self._recipe, self._imagery_s))
            decoder.attach(cutter)
            folder, collector = self._collector(stack, decoder, cutter, fits=True)
            over = threading.Event()
            stream = stack.enter_context(
                LiveStream(self._stream_config(), decoder, factory, cutter, over, self._say)
            )
            stream.wait_ready()
            self._lead(stack, stream, decoder, cutter, collector, stop, over)
            return self._end(collector.finish(), decoder, folder)

    def _lead(
        self,
        stack: ExitStack,
        stream: LiveStream,
        decoder: CalibrationDecoder,
        cutter: TrialCutter,
        collector: Collector,
        stop: threading.Event,
        over: threading.Event,
    ) -> None:
        """Show cues, or follow somebody else's."""
        either = _Either(stop, over)
        if self._request.cues == "markers":
            collector.start()
            texts = ", ".join(f"{'/'.join(one)} = {name}" for name, one in self._recipe.markers.items())
            self._say(f"following markers ({texts}); Ctrl-C when there are enough")
            follow_markers(stream, decoder, cutter, collector, self._protocol.trials.per_class, either)
            return
        done = collector.collected
        classes = decoder.classes
        schedule = Schedule(
            self._protocol,
            classes,
            accepted=done.n_accepted(len(classes)),
            i_first=1 + max((one.i_trial for one in done.trials), default=-1),
        )
        self._schedule = schedule
        self._presenter = self._present(stack, schedule)
        collector.start()
        if not run_guided(stream, schedule, self._presenter, cutter, collector, either):
            self._say("stopped: what is done is kept; go on with --resume")

    def _present(self, stack: ExitStack, schedule: Schedule) -> Presenter:
        presenter: Presenter
        if self._request.cues == "page":
            from rtbci.calibrate.page.needed import need_page

            need_page()
            from rtbci.calibrate.page.cue_page import CuePage

            page = CuePage(schedule, f"Calibration of {self._config.user}", say=self._say)
            self._console.print(f"cues: {page.url}", highlight=False, soft_wrap=True)
            if self._request.browser:
                webbrowser.open(page.url)
            presenter = page
        else:
            from rtbci.calibrate.terminal import TerminalPresenter

            presenter = TerminalPresenter(schedule, Console())
        stack.callback(presenter.close)
        markers = stack.enter_context(CueMarkers())
        return MarkedPresenter(presenter, markers, schedule.classes)

    def _decoder(self, stack: ExitStack) -> CalibrationDecoder:
        engine = self._config.engine
        decoder = CalibrationDecoder(
            self._recipe,
            profile=self._config.profile or None,
            backend=engine.backend,
            engine=engine.recipe,
            n_threads=engine.threads,
        )
        stack.enter_context(decoder)
        if decoder.profile is None:
            raise ConfigError(
                f"calibrate: paradigm '{self._recipe.name}' has no population profile to start from, need one; name "
                "another paradigm, or --profile PATH"
            )
        return decoder

    def _stream_config(self) -> RunConfig:
        """The run's configuration; with cues of our own no marker stream is read."""
        if self._request.cues == "markers":
            return self._config
        stream = self._config.stream.model_copy(update={"markers": "none"})
        return self._config.model_copy(update={"stream": stream})

    def _find_bad(
        self,
        decoder: CalibrationDecoder,
        info: StreamInfo,
        data: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
        unit: str,
    ) -> None:
        """Look for bad electrodes in the first seconds and do without them."""
        begun = newest_folder(self._recipe.name, self._config.user) if self._request.resume else None
        if begun is not None:  # what was masked then is masked now: the trials must be of one kind
            decoder.ignore = tuple(read_settings(begun).ignore)
            self._bad = dict.fromkeys(decoder.ignore, "masked when this calibration was begun")
            return
        decoder.open(info, unit)
        read = np.flatnonzero(decoder.read)
        n = round(10.0 * info.rate_hz)
        if len(data) < 2.0 * info.rate_hz:
            return
        signal_uv = (data[:n] * decoder.gains_uv)[:, read]
        self._bad = find_bad_channels(signal_uv, info.rate_hz, [info.labels[i] for i in read])
        for label, why in self._bad.items():
            self._say(f"bad electrode: {label} ({why}); done without it")
        decoder.ignore = (*decoder.ignore, *mask_channels(info, self._bad, self._recipe))

    def _collector(
        self, stack: ExitStack, decoder: CalibrationDecoder, cutter: TrialCutter, fits: bool
    ) -> tuple[Path, Collector]:
        profile, resume = decoder.profile, self._request.resume
        assert profile is not None  # checked by _decoder
        folder = newest_folder(self._recipe.name, self._config.user) if resume else None
        if resume and folder is None:
            raise ConfigError(
                f"--resume: '{self._config.user}' has no calibration of '{self._recipe.name}' to go on with; leave --resume out"
            )
        folder = folder or new_folder(self._recipe.name, self._config.user, utc_now())
        if resume:  # the order of cues goes on as it was begun
            seed = read_settings(folder).seed
            self._protocol = self._protocol.model_copy(update={"seed": seed})
        store = stack.enter_context(TrialStore(folder, self._settings(decoder, profile), resume=resume))
        log = stack.enter_context(HopLog(folder, profile.hop_samples, len(profile.channels)))
        decoder.keep = log.push
        collector = Collector(
            decoder,
            profile,
            cutter,
            store,
            self._config.user,
            self._reject,
            self._imagery_s,
            self._told,
            fits=fits,
        )
        self._console.print(f"trials are kept in {folder}", highlight=False, soft_wrap=True)
        if resume:
            stored = store.read()
            for fault in stored.faults:
                self._say(fault)
            collector.resume(stored.trials)
            self._say(f"going on after {len(stored.trials)} trials")
        return folder, collector

    def _settings(self, decoder: CalibrationDecoder, profile: Profile) -> StoreSettings:
        info = decoder.info
        assert info is not None  # opened by the caller
        return StoreSettings(
            paradigm=self._recipe.name,
            user=self._config.user,
            classes=list(decoder.classes),
            seed=self._protocol.seed,
            stream=info.name,
            source_id=info.source_id,
            rate_hz=info.rate_hz,
            labels=list(info.labels),
            ignore=list(decoder.ignore),
            imagery_s=self._imagery_s,
            chain_hash=chain_hash([stage.model_dump() for stage in self._recipe.stages]),
            profile_id=profile.weights_sha256,
            engine_id=decoder.engine_ref[1],
        )

    def _play(
        self, decoder: CalibrationDecoder, recordings: Sequence[Recording], cutter: TrialCutter
    ) -> None:
        with self._console.status("decoding the recordings ..."):
            play_recordings(decoder, recordings, cutter)

    def _told(self, trial: CalibrationTrial, collected: Collected) -> None:
        """After every trial, in the collector's thread."""
        judgement = collected.judgement
        advice = "" if judgement is None else describe(judgement)
        if self._schedule is None or self._presenter is None:
            verdict = "used" if trial.accepted else f"rejected: {trial.reason}"
            self._say(f"trial {trial.i_trial + 1} {self._recipe.classes[trial.i_class]}: {verdict}. {advice}")
            return
        self._schedule.judge(trial.i_trial, trial.accepted, seen=trial.reason != "not seen")
        counts = collected.n_accepted(len(self._recipe.classes))
        if judgement is not None and is_enough(judgement, min(counts), self._protocol.stopping):
            self._schedule.finish()
            advice = f"{judgement.accuracy:.0f} % +- {judgement.half_width:.0f}: that is enough."
        self._presenter.tell(
            Feedback(
                self._schedule.progress,
                accepted=trial.accepted,
                reason=trial.reason,
                curve=tuple(collected.curve),
                advice=advice,
            )
        )

    def _end(self, collected: Collected, decoder: CalibrationDecoder, folder: Path) -> Result:
        measured: Mapping[str, float] = self._presenter.measured() if self._presenter else {}
        if self._presenter is not None:
            self._presenter.close()
        with self._console.status("fitting ..."):
            result = conclude(
                collected,
                decoder,
                folder,
                self._imagery_s,
                bad=self._bad,
                seed=self._protocol.seed,
                target=self._protocol.stopping.target_accuracy,
                false_per_min=self._request.false_per_min,
                cues=measured,
            )
        is_kept = result.record.usable or self._request.anyway
        if is_kept:
            result = keep(result, profiles_root(self._recipe.name))
        with self._console.status("drawing the report ..."):
            place = self._request.report or (result.folder or folder) / "report.html"
            write_report(place, result.record, collected.trials, self._recipe)
        _say_result(self._console, result, place)
        if not is_kept:
            n_used = sum(one.accepted for one in result.record.trials)
            few = result.fit.judgement is None
            why = f"has {n_used} usable trials, too few to judge" if few else "cannot be told from chance"
            raise CalibrationError(
                f"calibrate: the decoder of '{self._config.user}' {why}, so no profile was written; the trials are kept: go "
                f"on with `rtbci calibrate --user {self._config.user} --resume`, or write it all the same with --anyway"
            )
        return result

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)


class _Either(threading.Event):
    """Set when one of two events is: Ctrl-C, or the end of the stream."""

    def __init__(self, first: threading.Event, second: threading.Event) -> None:
        super().__init__()
        self._events = (first, second)

    def is_set(self) -> bool:
        return super().is_set() or any(one.is_set() for one in self._events)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait in short pieces, because two events cannot be waited for at once."""
        left_s = np.inf if timeout is None else timeout
        while left_s > 0 and not self.is_set():
            step_s = min(0.05, left_s)
            super().wait(step_s)
            left_s -= step_s
        return self.is_set()


def _say_result(console: Console, result: Result, report: Path) -> None:
    record = result.record
    n_used = sum(one.accepted for one in record.trials)
    console.rule("calibration")
    console.print(f"trials       {n_used} used, {len(record.trials) - n_used} rejected", highlight=False)
    if record.candidates:
        console.print(_table(result))
    judgement = result.fit.judgement
    if judgement is not None:
        console.print(
            f"accuracy     {judgement.accuracy:.0f} % [{judgement.low:.0f}, {judgement.high:.0f}], chance "
            f"{judgement.chance:.0f} %: every trial left out of its fit and of the choice",
            highlight=False,
        )
    confidence = record.confidence
    if confidence is not None:
        console.print(
            f"confidence   temperature {confidence.temperature:.2f}, calibration error {confidence.ece_before:.3f} before, "
            f"{confidence.ece_after:.3f} after",
            highlight=False,
        )
        if confidence.hits is not None and confidence.false_per_minute is not None:
            console.print(
                f"decisions    at {confidence.threshold:g}: {100 * confidence.hits:.0f} % of the trials, "
                f"{confidence.false_per_minute:.1f} false in a minute of rest (on these trials)",
                highlight=False,
            )
    if record.eyes is not None and record.eyes.accuracy is not None:
        eyes = record.eyes
        console.print(
            f"eyes         an untrained eye rule names the class in {eyes.accuracy:.0f} % [{eyes.low:.0f}, {eyes.high:.0f}]"
            + (f"; {eyes.note}" if eyes.note else ""),
            highlight=False,
        )
    for line in record.advice:
        console.print(f"advice       {line}", highlight=False)
    if result.folder is not None:
        console.print(
            f"profile      generation {record.generation} in {result.folder}", highlight=False, soft_wrap=True
        )
        console.print(
            f"next         rtbci run --paradigm {record.paradigm} --user {record.user}", highlight=False
        )
    console.print(f"report       {report}", highlight=False, soft_wrap=True)


def _table(result: Result) -> Table:
    table = Table(title=None, box=None, padding=(0, 2))
    for name in ("decoder", "accuracy", "95 %", "loss", "p", ""):
        table.add_column(name, justify="left" if name in ("decoder", "") else "right")
    for one in result.record.candidates:
        if one.accuracy is None or one.low is None or one.high is None or one.loss is None:
            table.add_row(one.name, "-", "-", "-", "-", one.note[:60])
            continue
        table.add_row(
            one.name,
            f"{one.accuracy:.1f}",
            f"{one.low:.0f} to {one.high:.0f}",
            f"{one.loss:.3f}",
            "" if one.p is None else f"{one.p:.2f}",
            "used" if one.chosen else "",
        )
    return table
