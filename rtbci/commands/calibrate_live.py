"""`rtbci calibrate` on the live stream: with cues of our own, or those of somebody else's experiment."""

import threading
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack

from rich.console import Console

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.collector import Collected, Collector
from rtbci.calibrate.cutter import TrialCutter, timing_of
from rtbci.calibrate.enough import describe, is_enough
from rtbci.calibrate.finish import Result
from rtbci.calibrate.live import (
    LOOK_S,
    LiveStream,
    PatientPresenter,
    follow_markers,
    look_at_stream,
    n_least,
    run_guided,
)
from rtbci.calibrate.markers_out import CueMarkers, MarkedPresenter
from rtbci.calibrate.presenter import Feedback, Presenter
from rtbci.calibrate.schedule import Schedule
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.commands.calibrate_base import Calibration
from rtbci.commands.marker_news import line_of
from rtbci.commands.recording import recorded, say_recorded, say_recording, start_recorder
from rtbci.commands.run import lsl_factory
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ConfigError
from rtbci.record.recorder import SessionRecorder
from rtbci.stream.marker_choice import SeenMarkers
from rtbci.stream.source import Source

__all__ = ["LiveCalibration"]


class LiveCalibration(Calibration):
    """A calibration on the live stream; see `Calibration`."""

    _write: Callable[[str], None] | None = None
    _presenter: Presenter | None = None
    _schedule: Schedule | None = None
    _trouble = ""  # with the stream, until it is over: more important than any advice

    def run(self) -> Result:
        """Calibrate.

        Raises
        ------
        KeyboardInterrupt
            When the user stopped it before there were enough trials.
        RtbciError
            See `rtbci.commands.calibrate.calibrate`.
        """
        if self.request.cues == "page":
            from rtbci.web.needed import need_page

            need_page("cue page", "calibrate", "show the cues in the terminal")
        elif self.request.cues == "terminal" and self.recipe.flickers:
            raise ConfigError(
                f"--cues: got 'terminal', need page or markers: a terminal cannot show the flicker of '{self.recipe.name}'; for a "
                "stimulus program of your own give --cues markers and --markers STREAM"
            )
        with ExitStack() as stack:
            decoder = self.open_decoder(stack)
            folder = self.open_folder(stack)
            self.find_bad(decoder, folder, *look_at_stream(self._source(), self._look_s()))
            cutter = TrialCutter(timing_of(self.recipe, self.imagery_s))
            decoder.attach(cutter)
            collector = self.open_collector(stack, decoder, folder, fits=True)
            if self._is_complete():
                self.say("there are as many trials as are wanted")
            elif not self._stream(decoder, cutter, collector) and not self._is_worth_a_fit():
                raise KeyboardInterrupt
            if not self.collected.trials:
                raise CalibrationError(
                    f"calibrate: no cue has come, need some of each class; was read: markers '{self.config.stream.markers}'; "
                    "`rtbci streams` lists marker streams, --markers names one, --map TEXT=CLASS names cues"
                )
            cues = self._presenter.measured() if self._presenter else {}
            go_on = f"the trials are kept: go on with `{self.resume_command}`"
            return self.end(collector.finish(), decoder, folder, go_on, cues)

    def say(self, line: str) -> None:
        """Print a line, where the cues do not have the terminal for themselves."""
        (self._write or super().say)(line)

    def told(self, trial: CalibrationTrial, collected: Collected) -> None:
        """After every trial, in the collector's thread."""
        if not self._has_terminal:  # who sits at it may not see the page
            super().told(trial, collected)
        if self._schedule is None or self._presenter is None:
            return
        judgement = collected.judgement
        advice = "" if judgement is None else describe(judgement)
        self._schedule.judge(trial.i_trial, trial.accepted, seen=trial.reason != "not seen")
        counts = collected.n_accepted(len(self.recipe.classes))
        if judgement is not None and is_enough(judgement, min(counts), self.protocol.stopping):
            self._schedule.finish()
            advice = f"{judgement.accuracy:.0f} % +- {judgement.half_width:.0f}: that is enough."
        progress = self._schedule.progress
        advice = self._trouble or advice
        self._presenter.tell(Feedback(progress, trial.accepted, trial.reason, tuple(collected.curve), advice))

    @property
    def _has_terminal(self) -> bool:
        """Whether the cues have the terminal for themselves."""
        return self.request.cues == "terminal"

    def _source(self) -> Source:
        seconds = self._look_s()
        if seconds:
            self.console.print(f"looking at the stream for {seconds:g} s ...", highlight=False)
        return lsl_factory(self._stream_config())(None)

    def _look_s(self) -> float:
        return 0.0 if self.request.resume else LOOK_S

    def _stream_config(self) -> RunConfig:
        """The run's configuration without an end; with cues of our own no marker stream is read but theirs.

        It is recorded, and says when a flicker began.
        """
        stream = self.config.stream
        if self.request.cues != "markers":
            own = self.request.cue_stream if self.request.record or self.recipe.flickers else "none"
            stream = stream.model_copy(update={"markers": own})
        return self.config.model_copy(update={"stream": stream, "duration_s": None})

    def _n_accepted(self) -> int:
        """Of the class that has the fewest, of those that trials are wanted of."""
        counts = self.collected.n_accepted(len(self.recipe.classes))
        if self.request.cues == "markers":
            return n_least(self.recipe, counts)
        return min(counts, default=0)

    def _is_complete(self) -> bool:
        return self._n_accepted() >= self.protocol.trials.per_class

    def _is_worth_a_fit(self) -> bool:
        """Whether a calibration that was stopped is used as it is; who follows markers stops it by hand."""
        wanted = 0 if self.request.cues == "markers" else self.protocol.stopping.min_per_class
        return self._n_accepted() >= wanted

    def _stream(self, decoder: CalibrationDecoder, cutter: TrialCutter, collector: Collector) -> bool:
        """Decode the stream and collect trials; False when stopped. Whatever ends it, the terminal is given back."""
        config = self._stream_config()
        tell = self._say_markers if self.request.cues == "markers" else None
        make_source, recorder = lsl_factory(config, tell), None
        with ExitStack() as recording, stop_on_signals() as stop, ExitStack() as shown:
            if self.request.record:
                recorder = start_recorder(config, decoder)
                recording.callback(self._say_recorded, recorder)
                say_recording(self.console, recorder)
                make_source = recorded(make_source, recorder)
            stream = recording.enter_context(
                LiveStream(config, decoder, make_source, cutter, stop, self._say_of_stream, recorder)
            )
            self.say("waiting for the first full window ...")
            stream.wait_ready()
            if stop.is_set():
                return False
            finished = self._lead(shown, stream, decoder, cutter, collector, stop)
            collector.close()  # it tells the presenter, which is closed next
            return finished

    def _say_recorded(self, recorder: SessionRecorder) -> None:
        recorder.close()
        say_recorded(self.console, recorder.written)

    def _lead(
        self,
        shown: ExitStack,
        stream: LiveStream,
        decoder: CalibrationDecoder,
        cutter: TrialCutter,
        collector: Collector,
        stop: threading.Event,
    ) -> bool:
        """Show cues, or follow somebody else's."""
        n_wanted = self.protocol.trials.per_class
        if self.request.cues == "markers":
            collector.start(cutter, stop)
            known = {
                one: dict.fromkeys((*self.recipe.markers.get(one, ()), one)) for one in self.recipe.classes
            }
            texts = ", ".join(f"{' or '.join(texts)} = {name}" for name, texts in known.items())
            self.say(
                f"following markers ({texts}); ends at {n_wanted} usable trials of each class (--trials), or with Ctrl-C"
            )
            return follow_markers(stream, decoder, cutter, collector, n_wanted, stop, self.say)
        done = collector.collected
        schedule = Schedule(
            self.protocol,
            decoder.classes,
            accepted=done.n_accepted(len(decoder.classes)),
            i_first=1 + max((one.i_trial for one in done.trials), default=-1),
        )
        markers = shown.enter_context(CueMarkers(self.request.cue_stream, self.request.cue_stream))
        presenter = self._present(schedule, markers)
        shown.callback(presenter.close)
        patient = PatientPresenter(presenter, stream)
        self._schedule, self._presenter = schedule, MarkedPresenter(patient, markers, schedule.classes)
        collector.start(cutter, stop)
        return run_guided(stream, schedule, self._presenter, cutter, collector, stop)

    def _present(self, schedule: Schedule, markers: CueMarkers) -> Presenter:
        if self.recipe.flickers:
            return self._present_flicker(schedule, markers)
        if self.request.cues == "page":
            from rtbci.calibrate.page.cue_page import CuePage

            page = CuePage(schedule, f"Calibration of {self.config.user}", say=self.say)
            self._tell_address("cues", page.url)
            return page
        from rtbci.calibrate.terminal import TerminalPresenter

        presenter = TerminalPresenter(schedule, Console(file=self.console.file))
        self._write = presenter.say
        return presenter

    def _present_flicker(self, schedule: Schedule, markers: CueMarkers) -> Presenter:
        from rtbci.flicker.cues import FlickerCues
        from rtbci.flicker.page.flicker_page import open_page

        page = open_page(
            self.recipe, f"Calibration of {self.config.user}", instruction=schedule.protocol.instruction
        )
        self._tell_address("flicker", page.url)
        return FlickerCues(page, schedule, markers, self.say)

    def _tell_address(self, what: str, url: str) -> None:
        """Where a page is, and open it there."""
        self.console.print(f"{what}: {url}", highlight=False, soft_wrap=True)
        if self.request.browser:
            _open_browser(url)

    def _say_markers(self, seen: SeenMarkers) -> None:
        """Whose cues are followed, and whose are not."""
        self.say(line_of(seen))

    def _say_of_stream(self, line: str, is_there: bool) -> None:
        """Loss and return of the stream, in its thread: for the terminal, and for whoever looks at the cues."""
        self._trouble = "" if is_there else line
        self.say(line)
        if self._presenter is not None and self._schedule is not None:
            self._presenter.tell(Feedback(self._schedule.progress, advice=line))


def _open_browser(url: str) -> None:
    """Open the page, but not in a browser that would take the terminal."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if not isinstance(browser, webbrowser.GenericBrowser) or isinstance(
        browser, webbrowser.BackgroundBrowser
    ):
        browser.open(url)
