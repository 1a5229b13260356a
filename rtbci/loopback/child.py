"""An rtbci command in a process of its own: what it says, what memory and CPU it takes, its end."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import NamedTuple, Self

import psutil

from rtbci.clock import now
from rtbci.errors import StreamError
from rtbci.system.processes import ask_to_stop, askable

__all__ = ["RtbciProcess", "Usage"]

LOOK_S = 0.05
END_S = 20.0
MB = 2.0**20


class Usage(NamedTuple):
    """Resident memory in MB of 2^20 bytes, and CPU time so far in seconds of one core."""

    rss_mb: float
    cpu_s: float


class RtbciProcess:
    """Starts an rtbci command; a context manager that ends it.

    Parameters
    ----------
    args : sequence of str
        Of the command line, without ``rtbci``.

    Attributes
    ----------
    said : list of str
        Lines of its standard error so far, without line ends.

    Notes
    -----
    A thread reads what the process says, so that it never waits for us.
    """

    def __init__(self, args: Sequence[str]) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "rtbci.cli", *args],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            **askable(),
        )
        self._name = f"rtbci {args[0]}"
        self._watched = psutil.Process(self._popen.pid)
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, name="rtbci-said")
        self._reader.start()

    def wait_line(self, start: str, timeout_s: float) -> str:
        """Wait until it says a line that begins with `start`, and return the line.

        Raises
        ------
        StreamError
            When it ends before, or does not say it in time.
        """
        t_due = now() + timeout_s
        while True:
            is_over = not self._reader.is_alive()
            line = next((one for one in self.said if one.startswith(start)), None)
            if line is not None:
                return line
            if is_over or now() > t_due:
                what = "has ended" if is_over else f"has not said '{start}' in {timeout_s:g} s"
                raise StreamError(f"{self._name}: {what}; it said: {' / '.join(self.said) or 'nothing'}")
            self._reader.join(LOOK_S)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def usage(self) -> Usage:
        """Memory and CPU time now.

        Raises
        ------
        StreamError
            When it has ended.
        """
        try:
            with self._watched.oneshot():
                times = self._watched.cpu_times()
                return Usage(self._watched.memory_info().rss / MB, times.user + times.system)
        except psutil.Error as error:
            raise StreamError(f"{self._name}: has ended; it said: {' / '.join(self.said)}") from error

    def end(self) -> int:
        """Stop it as Ctrl-C does and return its exit status; one that does not end in 20 s is killed."""
        if self.is_running:
            ask_to_stop(self._popen)
        try:
            status = self._popen.wait(END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            status = self._popen.wait()
        self._reader.join()
        if self._popen.stderr is not None:
            self._popen.stderr.close()
        return status

    def _read(self) -> None:
        while self._popen.stderr is not None and (line := self._popen.stderr.readline()):
            self.said.append(line.rstrip())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()
