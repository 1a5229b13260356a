"""`rtbci feedback baseline`: a rest, measured and kept."""

import threading
from contextlib import ExitStack

import msgspec
from rich.console import Console

from rtbci.clock import utc_now
from rtbci.commands.options import teller_of
from rtbci.commands.run import lsl_factory
from rtbci.commands.status_line import StreamWords
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ConfigError, ProfileError
from rtbci.probe.profile import write_generation
from rtbci.publish.messages import Message, Status
from rtbci.publish.sink import Sink
from rtbci.recipes import read_paradigm
from rtbci.runtime.configured import decoder_of
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.profiles import find_profile, profiles_root

__all__ = ["measure"]

PATIENCE = 3.0
"""It is given up when it takes so many times as long as it should: the signal is poor, or has gaps."""
TOLD_S = 10.0


class _Until(Sink):
    """Stops a run when its baseline is known; a `Sink` that sends nothing."""

    def __init__(self, stop: threading.Event, console: Console) -> None:
        self._stop, self._tell = stop, teller_of(console)
        self._told_s = 0.0

    def send(self, message: Message) -> None:
        """Look at the status, once a second."""
        usual = message.baseline if isinstance(message, Status) else None
        if usual is None:
            return
        if usual.learnt_s >= usual.length_s:
            self._stop.set()
        elif usual.learnt_s >= self._told_s + TOLD_S:
            self._told_s = usual.learnt_s
            self._tell(f"{usual.learnt_s:.0f} of {usual.length_s:.0f} s")


def measure(config: RunConfig, console: Console) -> None:
    """Measure a baseline from the live stream, and write the user's next profile with it.

    Raises
    ------
    ConfigError
        When the paradigm compares with no baseline.
    CalibrationError
        When there was not enough usable signal.
    """
    recipe = read_paradigm(config.paradigm)
    if recipe.value is None or recipe.value.baseline is None:
        raise ConfigError(
            f"paradigm '{recipe.name}': compares with no baseline, need one that does; add [value.baseline] to its recipe"
        )
    length_s = recipe.value.baseline.length_s
    found = find_profile(recipe.name, config.profile, config.user)
    config = config.model_copy(update={"duration_s": config.stream.timeout_s + PATIENCE * length_s})
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        decoder = stack.enter_context(decoder_of(config, recipe, found))
        _forget(decoder)
        teller_of(console)(
            f"rest for {length_s:.0f} s: eyes open, sit still, let your thoughts go; Ctrl-C gives up"
        )
        sinks: list[Sink] = [_Until(stop, console), StreamWords(teller_of(console))]
        LiveRun(config, decoder, lsl_factory(config), sinks).run(stop)
        usual = None if decoder.info is None else decoder.pipeline.baseline
        profile = decoder.profile
    if usual is None or usual.entry is None or profile is None:
        learnt_s = 0.0 if usual is None else usual.learnt_s
        # It stops the run itself only once there is enough.
        then = (
            "stopped too early, begin again"
            if stop.is_set()
            else "see to the electrodes (rtbci doctor), and again"
        )
        raise CalibrationError(f"baseline: {learnt_s:.0f} s of usable signal, need {length_s:.0f}; {then}")
    entry = usual.entry
    kept = msgspec.structs.replace(
        profile, user=config.user, baseline=entry, created=utc_now().isoformat(timespec="seconds")
    )
    folder = write_generation(profiles_root(recipe.name), kept)
    teller_of(console)(
        f"kept in {folder}: windows at rest spread by {entry.spread:.2f} log odds; "
        f"rtbci run --paradigm {recipe.option} --user {config.user} begins with it"
    )


def _forget(decoder: Decoder) -> None:
    """A baseline that the profile has already is measured anew."""
    profile = decoder.profile
    if profile is None:
        raise ProfileError(
            f"paradigm '{decoder.recipe.name}': has no profile to keep a baseline in, need one; give --profile"
        )
    decoder.swap_profile(msgspec.structs.replace(profile, baseline=None))
