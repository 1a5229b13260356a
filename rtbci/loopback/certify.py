"""A configuration on this computer, tried: a synthetic amplifier over LSL into `rtbci run`, and a subscriber that counts."""

import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rtbci.amp.head import GRID
from rtbci.amp.synthetic import DEFAULT_CHANNELS
from rtbci.client import Client
from rtbci.clock import now
from rtbci.config import RunConfig
from rtbci.errors import ConfigError, FileFormatError, StreamError
from rtbci.loopback.child import RtbciProcess
from rtbci.loopback.computer import Computer
from rtbci.loopback.hops import HopLog, Span
from rtbci.publish.messages import EngineRef, Hello, Message, Prediction, Status
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.record.session_json import read_session_json
from rtbci.record.sessions import list_sessions, sessions_root
from rtbci.stream.labels import canonical_label
from rtbci.stream.montage import known_labels

__all__ = ["Observed", "Wanted", "labels_for", "observe"]

ANY_PORT = "tcp://127.0.0.1:0"
START_S = 60.0
ENGINE_S = 1800.0
"""Where the configuration waits for an engine, it may have to be built."""
SETTLE_S = 3.0
LOOK_S = 1.0
ALL_TOPICS = ("prediction", "status", "event", "hello")


@dataclass(frozen=True)
class Wanted:
    """What is tried.

    Parameters
    ----------
    config : RunConfig
    args : sequence of str
        Options of `rtbci run` that lead to this configuration.
    seconds : float
        How long, once it decodes.
    rate_hz : float
        Of the stream.
    n_channels : int or None
        Of the stream; None: those of the paradigm.
    chunk : int
        Samples that the amplifier sends together.
    """

    config: RunConfig
    args: Sequence[str] = ()
    seconds: float = 120.0
    rate_hz: float = 250.0
    n_channels: int | None = None
    chunk: int = 8


@dataclass
class Observed:
    """What was seen while it ran.

    Attributes
    ----------
    log : HopLog
        All predictions, from the first on.
    span : Span
        When predictions were due and counted.
    engine : EngineRef
        What computed.
    n_skipped : int
        Windows that the run itself skipped, because they were late.
    n_lost : int
        Messages that were sent and did not arrive.
    rss_mb, cpu_percent : list of float
        Of the run, once a second; percent of one core.
    n_not_recorded : int or None
        Samples and messages that could not be written; None: not recorded.
    """

    log: HopLog = field(default_factory=HopLog)
    span: Span = field(default_factory=lambda: Span(0.0, 0.0))
    engine: EngineRef = field(default_factory=lambda: EngineRef(name="", id=""))
    n_skipped: int = 0
    n_lost: int = 0
    rss_mb: list[float] = field(default_factory=list)
    cpu_percent: list[float] = field(default_factory=list)
    n_not_recorded: int | None = None


def labels_for(recipe: ParadigmRecipe, n_channels: int | None) -> tuple[str, ...]:
    """Channels of the stream: the paradigm's, and others of the 10-05 system behind them.

    Raises
    ------
    ConfigError
        When there are not so many, or fewer are asked for than the paradigm has.
    """
    own = [canonical_label(label) for label in recipe.input.channels]
    if n_channels is None:
        return tuple(own)
    known, n = list(dict.fromkeys([*own, *DEFAULT_CHANNELS, *GRID, *known_labels()])), n_channels
    if not len(own) <= n <= len(known):
        raise ConfigError(
            f"--channels: got {n}, need {len(own)} (of the paradigm '{recipe.name}') to {len(known)}; give another number"
        )
    return tuple(known[:n])


def observe(wanted: Wanted, computer: Computer, told: Callable[[str], None]) -> Observed:
    """Run it and watch.

    Parameters
    ----------
    wanted : Wanted
    computer : Computer
        Is asked once a second what else is busy.
    told : callable
        Gets a sentence when something begins.

    Raises
    ------
    ConfigError
        When the paradigm decodes at markers, so that no prediction is ever due.
    StreamError
        When the run does not start, or ends by itself; with what it said.
    FileFormatError
        When the folder for the recording cannot be made.
    """
    recipe = read_paradigm(wanted.config.paradigm)
    if recipe.window.policy != "sliding":
        raise ConfigError(
            f"--timing: the paradigm '{recipe.name}' decodes at markers, need one that slides; name another paradigm"
        )
    name = f"rtbci-timing-{uuid.uuid4().hex[:8]}"
    labels = labels_for(recipe, wanted.n_channels)
    with ExitStack() as stack:
        folder = stack.enter_context(_work_folder(wanted.config))
        told("starting a synthetic amplifier and the run")
        amp = ["amp", "--name", name, "--rate", f"{wanted.rate_hz:g}", "--chunk", str(wanted.chunk)]
        sender = stack.enter_context(RtbciProcess([*amp, "--channels", ",".join(labels)]))
        sender.wait_line("stream", START_S)
        run = stack.enter_context(RtbciProcess(_run_args(wanted, name, folder)))
        client = stack.enter_context(_client(wanted.config, run))
        watch = _Watch(run, client, computer)
        watch.wait_for_first()
        told(f"decoding; counting for {wanted.seconds:g} s")
        observed = watch.count(wanted.seconds)
        if (status := run.end()) != 0:
            raise StreamError(f"rtbci run: ended with status {status}; it said: {' / '.join(run.said[-3:])}")
        if wanted.config.record.enabled:
            observed.n_not_recorded = _not_recorded(Path(folder))
    return observed


def _run_args(wanted: Wanted, name: str, folder: str) -> list[str]:
    own = ["--stream", name, "--source-id", "", "--markers", "none", "--timeout", "30", "--duration", "86400"]
    own += ["--pub", ANY_PORT, "--control", ANY_PORT]
    if wanted.config.record.enabled:
        own += ["--record", folder]
    if wanted.config.monitor.enabled:
        own += ["--monitor-at", "127.0.0.1:0"]  # the port may be that of a run that goes on
    return ["run", *wanted.args, *own]


def _client(config: RunConfig, run: RtbciProcess) -> Client:
    """A subscriber to the run; with its own key where the configuration encrypts, as nobody else need be trusted."""
    address, key = run.wait_line("publish:", START_S).split()[1], config.publish.key
    server_key = run.wait_line("key:", START_S).split()[1] if key else None
    patience_s = ENGINE_S if config.engine.wait else START_S
    return Client(address, ALL_TOPICS, timeout_s=patience_s, server_key=server_key, key=key or None)


def _work_folder(config: RunConfig) -> "tempfile.TemporaryDirectory[str]":
    """A folder on the disk that would be recorded to."""
    root = Path(config.record.folder).expanduser() if config.record.folder else sessions_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".timing-", dir=root, ignore_cleanup_errors=True)
    except OSError as error:
        raise FileFormatError(
            f"{root}: nothing can be recorded there ({error.strerror}), need a folder that can be written to; name "
            "another as record.folder"
        ) from error


def _not_recorded(folder: Path) -> int:
    (kept,) = list_sessions(folder)
    ended = read_session_json(kept.folder).ended
    if ended is None:
        raise FileFormatError(f"{kept.folder}: the recording was cut short, need a whole one; try again")
    return ended.n_samples_lost + ended.n_messages_lost


class _Watch:
    """Takes messages, and looks at the computer once a second."""

    def __init__(self, run: RtbciProcess, client: Client, computer: Computer) -> None:
        self._run, self._client, self._computer = run, client, computer
        self._seen = Observed()
        self._status: Status | None = None

    def wait_for_first(self) -> None:
        """Until the first full window, and a little longer, so that everything has been used once."""
        self._take(
            self._receive, lambda message: isinstance(message, Prediction) and message.probs is not None
        )
        t_end = now() + SETTLE_S
        self._take(self._receive, lambda _message: now() >= t_end)

    def count(self, seconds: float) -> Observed:
        """Take what comes for so long."""
        seen, t_from = self._seen, now()
        n_skipped = self._status.n_skipped if self._status else 0
        n_lost = sum(self._client.n_lost.values())
        t_look, before = t_from, self._run.usage()
        self._computer.begin(self._run.pid)
        while (t_now := now()) < t_from + seconds:
            self._take(self._receive, lambda _message: True)
            if t_now - t_look >= LOOK_S:
                used = self._run.usage()
                seen.rss_mb.append(used.rss_mb)
                seen.cpu_percent.append(100.0 * (used.cpu_s - before.cpu_s) / (t_now - t_look))
                t_look, before = t_now, used
                self._computer.look()
        # The end of the count is a moment for which the newest predictions have arrived.
        seen.span = Span(t_from, float(seen.log.t_sent[-1]) if len(seen.log.t_sent) else now())
        seen.n_skipped = (self._status.n_skipped if self._status else 0) - n_skipped
        seen.n_lost = sum(self._client.n_lost.values()) - n_lost
        return seen

    def _receive(self) -> Message:
        try:
            return self._client.receive()
        except StreamError as error:
            raise StreamError(f"{error}; it said: {' / '.join(self._run.said[-3:])}") from error

    def _take(self, receive: Callable[[], Message], is_over: Callable[[Message], bool]) -> None:
        while True:
            message = receive()
            if isinstance(message, Prediction):
                self._seen.log.push(message)
            elif isinstance(message, Status):
                self._status = message
            elif isinstance(message, Hello):
                self._seen.engine = message.engine
            if is_over(message):
                return
