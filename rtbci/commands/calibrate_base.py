"""What calibrations have in common, live or from recordings: decoder, store, the end."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console

from rtbci.calibrate.bad_channels import find_bad_channels, mask_channels
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.collector import Collected, Collector
from rtbci.calibrate.drift_reference import DriftReference
from rtbci.calibrate.enough import describe
from rtbci.calibrate.features import check_heads
from rtbci.calibrate.finish import FALSE_PER_MIN, Result, conclude, keep
from rtbci.calibrate.hops import HopLog
from rtbci.calibrate.protocol import ProtocolSettings
from rtbci.calibrate.quality import RejectSettings, scale_to_uv
from rtbci.calibrate.report import write_report
from rtbci.calibrate.store import (
    PATTERN,
    StoreSettings,
    TrialStore,
    lock_user,
    new_folder,
    newest_folder,
    read_settings,
)
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.clock import utc_now
from rtbci.commands.calibrate_output import say_result
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ConfigError
from rtbci.listing import counted
from rtbci.probe.blank import start_of
from rtbci.probe.profile import Profile, chain_hash, decoder_id
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.engine_opener import open_checked
from rtbci.runtime.profiles import find_profile
from rtbci.settings import check_settings
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import StreamInfo

__all__ = ["Calibration", "Request"]

LOOK_S = 10.0
LEAST_S = 2.0
"""Bad electrodes are looked for in that much signal, and not in less than that."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for, beside the run's configuration.

    Parameters
    ----------
    files : sequence of Path
        Recordings to calibrate from; empty: live.
    cues : {'page', 'terminal', 'markers'}
        Who shows cues; ``markers``: an experiment of the user's own, whose markers are followed.
    n_trials : int or None
        Accepted trials of each class; None: as the protocol says.
    seed : int or None
    resume, anyway, browser : bool
    false_per_min : float
    report : Path or None
        Where the report goes; None: into the profile's folder.
    protocol : Path or None
        Another protocol.toml.
    cue_stream : str
        Name of the LSL stream that cues are sent as.
    record : bool
        Keep the stream and its markers as a session; live only.
    also : str
        What else the command line said, for one that goes on.
    """

    files: Sequence[Path] = ()
    cues: str = "page"
    n_trials: int | None = None
    seed: int | None = None
    resume: bool = False
    anyway: bool = False
    browser: bool = True
    false_per_min: float = FALSE_PER_MIN
    report: Path | None = None
    protocol: Path | None = None
    cue_stream: str = "rtbci-cues"
    record: bool = False
    also: str = ""


class Calibration:
    """One calibration, from the settings to the report.

    Parameters
    ----------
    config : RunConfig
    request : Request
    recipe : ParadigmRecipe
        With the markers that the user named.
    protocol : ProtocolSettings
        With what the user changed.
    console : Console
    """

    def __init__(
        self,
        config: RunConfig,
        request: Request,
        recipe: ParadigmRecipe,
        protocol: ProtocolSettings,
        console: Console,
    ) -> None:
        self.config, self.request, self.recipe = config, request, recipe
        self.protocol, self.console = protocol, console
        self.collected = Collected()
        self._reject = check_settings(RejectSettings, dict(protocol.reject), "protocol, [reject]")
        self._bad: dict[str, str] = {}
        self._drift = DriftReference()

    @property
    def imagery_s(self) -> float:
        """From a cue to the end of its imagery, in seconds."""
        return self.protocol.timing.imagery_s

    @property
    def resume_command(self) -> str:
        """What goes on with this calibration."""
        also = f" {self.request.also}" if self.request.also else ""
        return f"rtbci calibrate --paradigm {self.recipe.option} --user {self.config.user}{also} --resume"

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, highlight=False, markup=False)

    def open_decoder(self, stack: ExitStack) -> CalibrationDecoder:
        """Make the decoder that the calibration starts from.

        Raises
        ------
        ConfigError
            When the paradigm has none.
        ProfileError
            When it has a branch that cannot be calibrated.
        """
        engine, start = self.config.engine, find_profile(self.recipe.name, self.config.profile)
        decoder = CalibrationDecoder(
            self.recipe,
            profile=start or start_of(self.recipe),
            backend=engine.backend,
            engine=engine.recipe,
            n_threads=engine.threads,
            ignore=self.config.stream.ignore,
            opener=partial(open_checked, precision=engine.precision, told=self.say),
        )
        stack.enter_context(decoder)
        if decoder.profile is None:
            raise ConfigError(
                f"calibrate: paradigm '{self.recipe.name}' has no population profile to start from, need one; name "
                "another paradigm, or --profile PATH"
            )
        check_heads(decoder.profile, decoder.sessions)
        return decoder

    def open_folder(self, stack: ExitStack) -> Path:
        """Where trials are kept; nobody else calibrates this user until the stack is left.

        Raises
        ------
        ConfigError
            When somebody does already, or there is nothing to go on with.
        """
        paradigm, user = self.recipe.name, self.config.user
        stack.callback(lock_user(paradigm, user))
        if not self.request.resume:
            return new_folder(paradigm, user, utc_now())
        folder = newest_folder(paradigm, user)
        if folder is None:
            raise ConfigError(
                f"--resume: '{user}' has no calibration of '{paradigm}' with trials, need one to go on with; leave "
                "--resume out"
            )
        begun = read_settings(folder)  # the order of cues goes on as it was begun
        self.protocol = self.protocol.model_copy(update={"seed": begun.seed})
        return folder

    def find_bad(self, decoder: CalibrationDecoder, folder: Path, info: StreamInfo, data: FloatArray) -> None:
        """Look for bad electrodes in the first seconds and do without them; a calibration that goes on keeps its own."""
        unit = self.config.stream.unit
        if self.request.resume:  # the trials must be of one kind
            decoder.ignore = tuple(read_settings(folder).ignore)
            self._bad = dict.fromkeys(decoder.ignore, "masked when this calibration was begun")
        decoder.open(info, unit)
        if self.request.resume or len(data) < LEAST_S * info.rate_hz:
            return
        read, n = np.flatnonzero(decoder.read), round(LOOK_S * info.rate_hz)
        signal_uv = (data[:n] * decoder.gains_uv)[:, read]
        signal_uv = signal_uv[
            np.isfinite(signal_uv).mean(axis=1) > 0.5
        ]  # a lost packet is no electrode's fault
        if len(signal_uv) < LEAST_S * info.rate_hz:
            return
        if not self.recipe.input.unit_check:
            signal_uv *= scale_to_uv(signal_uv)
        self._bad = find_bad_channels(signal_uv, info.rate_hz, [info.labels[i] for i in read])
        for label, why in self._bad.items():
            self.say(f"bad electrode: {label} ({why}); done without it")
        decoder.ignore = (*decoder.ignore, *mask_channels(info, self._bad, self.recipe))
        decoder.open(info, unit)

    def open_collector(
        self, stack: ExitStack, decoder: CalibrationDecoder, folder: Path, *, fits: bool
    ) -> Collector:
        """Make what takes trials, with those that are there already.

        Raises
        ------
        ConfigError
            When the calibration was begun with another set-up.
        FileFormatError
            When the disk does not take it.
        """
        profile, resume = decoder.profile, self.request.resume
        if not resume:
            stack.callback(_drop_empty, folder)
        assert profile is not None  # checked by open_decoder
        store = stack.enter_context(TrialStore(folder, self._settings(decoder, profile), resume=resume))
        log = stack.enter_context(HopLog(folder, profile.hop_samples, len(profile.channels)))
        decoder.keep = partial(self._keep_hop, decoder, log)
        collector = Collector(
            decoder, profile, store, self.config.user, self._reject, self.imagery_s, self.told, fits=fits
        )
        stack.enter_context(collector)
        self.collected = collector.collected
        self.console.print(f"trials are kept in {folder}", highlight=False, soft_wrap=True)
        if resume:
            stored = store.read()
            for fault in stored.faults:
                self.say(fault)
            collector.resume(stored.trials)
            self.say(f"going on after {counted(len(stored.trials), 'trial')}")
        return collector

    def _keep_hop(
        self,
        decoder: CalibrationDecoder,
        log: HopLog,
        hop: npt.NDArray[np.float32],
        t_newest: float,
        begins: bool,
    ) -> None:
        log.push(hop, t_newest, begins)
        if begins or self._drift.is_due(t_newest):
            self._drift.push(t_newest, decoder.recent_covariance, begins)

    def told(self, trial: CalibrationTrial, collected: Collected) -> None:
        """Say what became of a trial."""
        verdict = "used" if trial.accepted else f"rejected: {trial.reason}"
        name, judgement = self.recipe.classes[trial.i_class], collected.judgement
        advice = "" if judgement is None else f"; {describe(judgement)}"
        self.say(f"trial {trial.i_trial + 1} {name}: {verdict}{advice}")

    def end(
        self,
        collected: Collected,
        decoder: CalibrationDecoder,
        folder: Path,
        go_on: str,
        cues: Mapping[str, float] | None = None,
    ) -> Result:
        """Fit, write profile and report, say what came of it.

        Raises
        ------
        CalibrationError
            When the decoder is not better than chance, and was not wanted anyway; `go_on` is what to do then.
        """
        with self.console.status("fitting ..."):
            result = conclude(
                collected,
                decoder,
                folder,
                self.imagery_s,
                bad=self._bad,
                drift=self._drift,
                protocol=self.protocol,
                false_per_min=self.request.false_per_min,
                cues=cues,
                are_recorded=bool(self.request.files),
            )
        is_kept = result.record.usable or self.request.anyway
        if is_kept:
            result = keep(result)
        place = self.request.report or (result.folder or folder) / "report.html"
        say_result(self.console, result, place, self.recipe.option)
        with self.console.status("drawing the report ..."):
            write_report(place, result.record, collected.trials, self.recipe, self.protocol.rhythms)
        if not is_kept:
            raise CalibrationError(self._unusable(result, go_on))
        return result

    def _unusable(self, result: Result, go_on: str) -> str:
        n_used = sum(one.accepted for one in result.record.trials)
        few = result.fit.judgement is None
        why = f"has {n_used} usable trials, too few to judge" if few else "cannot be told from chance"
        return (
            f"calibrate: the decoder of '{self.config.user}' {why}, so no profile was written; {go_on}, or write it all the "
            "same with --anyway"
        )

    def _settings(self, decoder: CalibrationDecoder, profile: Profile) -> StoreSettings:
        info = decoder.info
        assert info is not None  # opened by the caller
        return StoreSettings(
            paradigm=self.recipe.name,
            user=self.config.user,
            classes=list(decoder.classes),
            seed=self.protocol.seed,
            stream=info.name,
            source_id=info.source_id,
            rate_hz=info.rate_hz,
            labels=list(info.labels),
            ignore=list(decoder.ignore),
            imagery_s=self.imagery_s,
            chain_hash=chain_hash([stage.model_dump() for stage in self.recipe.stages]),
            profile_id=decoder_id(profile),
            engine_id=decoder.engine_ref.network_id,
        )


def _drop_empty(folder: Path) -> None:
    """Leave nothing behind of a calibration that has not come to its first trial."""
    if not any(folder.glob(PATTERN)):
        shutil.rmtree(folder, ignore_errors=True)
