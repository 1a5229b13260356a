"""Live runs for tests: an outlet of known samples on loopback, a run in a thread or a process of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pylsl

from rtbci.commands.run import lsl_factory
from rtbci.config import RunConfig
from rtbci.publish.control import Control
from rtbci.publish.sink import Sink
from rtbci.publish.zmq_publisher import Publisher
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun, SourceFactory
from rtbci.runtime.profile_watch import ProfileWatch
from rtbci.runtime.telemetry import Report
from rtbci.stream.lsl import LslSource
from rtbci.stream.source import FloatArray, Source, StreamInfo
from tests.integration.lsl_outlets import unique
from tests.tiny import LABELS, Kept, eeg

__all__ = [
    "ANY_PORT",
    "PATIENCE_S",
    "LiveThread",
    "Process",
    "SignalOutlet",
    "rtbci_run",
    "running",
    "wait_for",
]

ANY_PORT = "tcp://127.0.0.1:0"
PATIENCE_S = 90.0
"""Other work may keep this computer busy, and some processes give way to it (the live page)."""


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds."""
    t_due = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > t_due:
            raise AssertionError(f"waited {timeout_s:g} s for {what}")
        time.sleep(0.01)


class SignalOutlet:
    """Sends rows of an array as a stream of EEG; row i is stamped ``t0 + i / rate_hz`` of its stamps.

    `stamp_rate_hz` is the rate that the stamps really show, where it is not the one that is stated.
    """

    def __init__(
        self,
        *,
        name: str = "",
        source_id: str = "",
        labels: Sequence[str] = LABELS,
        rate_hz: float = 250.0,
        unit: str = "microvolts",
        scale: float = 1.0,
        seed: int = 0,
        stamp_rate_hz: float | None = None,
        chunk: int = 5,
    ) -> None:
        self.name = name or unique("signal")
        self.source_id = source_id or unique("id")
        self.rate_hz = stamp_rate_hz or rate_hz
        self.rows = scale * eeg(round(60 * self.rate_hz), len(labels), self.rate_hz, seed)
        info = pylsl.StreamInfo(self.name, "EEG", len(labels), rate_hz, pylsl.cf_double64, self.source_id)
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel").append_child_value("label", label)
            channel.append_child_value("type", "EEG")
            channel.append_child_value("unit", unit)
        self._outlet: Any = pylsl.StreamOutlet(info)
        self._chunk = chunk
        self._i = 0
        self._n_bad = 0
        self._is_silent = False
        self.t0 = pylsl.local_clock()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send, name="signal-outlet")
        self._thread.start()

    def stamps(self, i_start: int, i_stop: int) -> FloatArray:
        """Stamps of rows."""
        return np.asarray(self.t0 + np.arange(i_start, i_stop) / self.rate_hz)

    def i_row(self, t_lsl: float, offset_s: float) -> int:
        """Row whose stamp a run has as `t_lsl`, where its clock correction was `offset_s`: on a busy computer that is milliseconds."""
        return int(round((t_lsl - offset_s - self.t0) * self.rate_hz))  # noqa: RUF046  pylsl's clock is typed as Any

    def i_first(self, values: npt.NDArray[Any]) -> int:
        """Row that the first of these samples is, whatever the time."""
        (found,) = np.flatnonzero((self.rows == values[0]).all(axis=1))
        return int(found)

    def skip(self, n_samples: int) -> float:
        """Leave out the next rows, as a radio does; return the stamp of the first row behind the gap."""
        with self._lock:
            self._i += n_samples
            return float(self.stamps(self._i, self._i + 1)[0])

    def spoil(self, n_samples: int) -> None:
        """Send the next rows as NaN."""
        with self._lock:
            self._n_bad = n_samples

    def be_silent(self, silent: bool) -> None:
        """Send nothing; the rows of that time are never sent."""
        with self._lock:
            self._is_silent = silent

    def close(self) -> None:
        """Stop sending and destroy the stream."""
        self._stopping.set()
        self._thread.join()
        self._outlet = None

    def _send(self) -> None:
        while not self._stopping.is_set():
            t_due = self.t0 + (self._i + self._chunk) / self.rate_hz
            self._stopping.wait(max(0.0, t_due - pylsl.local_clock()))
            with self._lock:
                rows = np.take(self.rows, range(self._i, self._i + self._chunk), axis=0, mode="wrap")
                n_bad = min(self._n_bad, self._chunk)
                rows[:n_bad] = np.nan
                self._n_bad -= n_bad
                if not self._is_silent:
                    self._outlet.push_chunk(rows, self.stamps(self._i, self._i + self._chunk))
                self._i += self._chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class LiveThread:
    """A `LiveRun` in a thread, with sockets, its messages also kept."""

    def __init__(self, config: RunConfig, factory: Any = None, watch: ProfileWatch | None = None) -> None:
        self.config = config
        self.kept = Kept()
        self.address = self.control_address = ""
        self.report: Report | None = None
        self.error: BaseException | None = None
        self._factory = factory or self._noting(lsl_factory(config))
        self.offset_s = np.nan  # clock correction of the newest stream, as it was opened
        self._watch = watch
        self.stop = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-run")

    def _run(self) -> None:
        try:
            with (
                Publisher(self.config.publish.address) as publisher,
                Control(self.config.publish.control) as control,
                Decoder(
                    self.config.paradigm, decision=self.config.decision, adapt=self.config.adapt
                ) as decoder,
            ):
                sinks: list[Sink] = [publisher, self.kept]
                run = LiveRun(self.config, decoder, self._factory, sinks, control, watch=self._watch)
                self.address, self.control_address = publisher.address, control.address
                self._ready.set()
                self.report = run.run(self.stop)
        except BaseException as error:
            self.error = error
        finally:
            self._ready.set()

    def _noting(self, factory: SourceFactory) -> SourceFactory:
        """Notes the clock correction that the first windows have."""

        def make(lost: StreamInfo | None) -> Source:
            source = factory(lost)
            assert isinstance(source, LslSource)
            opens = source.open

            def opened() -> None:
                opens()
                self.offset_s = source.clock_offset_s

            source.open = opened  # type: ignore[method-assign]
            return source

        return make

    def join(self) -> None:
        """Wait for the end of the run."""
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            raise AssertionError("the run did not end")

    def wait_state(self, state: str) -> None:
        """Wait until the newest status has this state."""

        def there() -> bool:
            statuses = self.kept.statuses
            if self.error is not None:
                raise self.error
            return bool(statuses) and statuses[-1].state == state

        wait_for(there, f"state {state}; had {self.kept.states}")

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        self.join()


@contextmanager
def running(paradigm: Path, outlet: SignalOutlet, **changes: Any) -> Iterator[LiveThread]:
    """Run a paradigm on an outlet; `changes` are tables of the configuration.

    No window is skipped, however busy the computer: the first samples may come all at once.
    """
    watch = {"max_backlog_s": 1e3} | changes.pop("watch", {})
    stream = {"source_id": outlet.source_id, "markers": "none"} | changes.pop("stream", {})
    publish = {"address": ANY_PORT, "control": ANY_PORT} | changes.pop("publish", {})
    config = RunConfig.model_validate(
        {"paradigm": str(paradigm), "stream": stream, "publish": publish, "watch": watch, **changes}
    )
    with LiveThread(config) as run:
        yield run
    if run.error is not None:
        raise run.error


class Process(NamedTuple):
    """`rtbci run` in a process of its own, and what it said so far."""

    popen: "subprocess.Popen[str]"
    address: str
    control: str
    said: list[str]

    def wait_line(self, text: str, n: int = 1) -> None:
        """Wait until something has been said `n` times."""

        def there() -> bool:
            if self.said and self.said[-1] == "":
                raise AssertionError(f"ended before {text!r}: {''.join(self.said)}")
            return sum(text in line for line in self.said) >= n

        wait_for(there, f"{text!r}; it said {''.join(self.said)}")

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; return exit status and all that was said."""
        self.popen.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        """Wait for the end; return exit status and all that was said."""
        status = self.popen.wait(PATIENCE_S)
        wait_for(lambda: self.said and self.said[-1] == "", "the end of the output")
        return status, "".join(self.said)


@contextmanager
def rtbci_run(*args: str | Path, **env: str) -> Iterator[Process]:
    """Start ``rtbci run`` on free ports, or as the session says, and wait until it says where it publishes."""
    command = [
        sys.executable,
        "-m",
        "rtbci.cli",
        "run",
        *(["--no-record"] if "--record" not in args else []),
        *([] if "--resume" in args else ["--pub", ANY_PORT, "--control", ANY_PORT]),
        *map(str, args),
    ]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ | env
    ) as popen:
        said: list[str] = []

        def listen() -> None:
            while popen.stderr is not None and (line := popen.stderr.readline()):
                said.append(line)
            said.append("")

        thread = threading.Thread(target=listen, name="stderr")
        thread.start()
        try:
            wait_for(
                lambda: any(line.startswith("publish:") or not line for line in said), "the introduction"
            )
            addresses = next((line.split() for line in said if line.startswith("publish:")), ["", "", "", ""])
            yield Process(popen, addresses[1], addresses[3], said)
        finally:
            if popen.poll() is None:
                popen.kill()
            thread.join(PATIENCE_S)
