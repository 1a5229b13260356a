"""The live page beside a run: a process of its own, watched, and started again when it ends too early."""

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

from rtbci.config import MonitorSettings
from rtbci.monitor.place import WHAT, place_of
from rtbci.runtime.news import News
from rtbci.system.handing import hand_over, handing_of
from rtbci.web.guarding import LOOPBACK, origin_of
from rtbci.web.listening import listen
from rtbci.web.needed import need_page

__all__ = ["SERVED", "PageProcess"]

SERVED = f"{WHAT}: "
"""What the page's process says before its address, on standard output, once it answers."""
STOP_S = 10.0
"""The page ends itself sooner (`rtbci.commands.monitor`); what has not by then is killed."""
RESTART_S = 1.0
MAX_RESTARTS = 3
"""In a run; a page that ends again and again has a reason that starting it does not mend."""
FAILED, RESTARTED = "page_failed", "page_restarted"


def _say_nothing(_url: str) -> None:
    """Nobody wants to know."""


class PageProcess:
    """The live page of a run, as a process of its own; a context manager.

    It has the run's messages and its control socket, nothing else, so that it can neither slow nor break the decoder. It
    ends with the run, also when that is killed. The socket that browsers connect to is opened here and handed over: the
    address is known and taken at once, a browser that comes too early waits, and a page that is started again has the same.

    Parameters
    ----------
    settings : MonitorSettings
    publish, control : str
        As bound by the run.
    keys : sequence of str
        Flags of `rtbci monitor` for a run that is encrypted.
    on_up : callable
        Told the address once the page is served; called by a thread named ``rtbci-page-watch``.

    Attributes
    ----------
    url : str
        Address for a browser on this machine.

    Raises
    ------
    ConfigError, PortInUseError
        When it cannot be served there.
    MissingPackageError
        When a package for pages is not installed.
    """

    def __init__(
        self,
        settings: MonitorSettings,
        publish: str,
        control: str,
        keys: Sequence[str] = (),
        *,
        on_up: Callable[[str], None] = _say_nothing,
    ) -> None:
        need_page(WHAT, "monitor", "leave out --monitor", imports=False)
        place = place_of(settings.address)
        self._listening = listen(*place, WHAT)
        has_tls = settings.tls_cert or settings.tls_key or not (place.host in LOOPBACK or settings.insecure)
        scheme = "https" if has_tls else "http"
        self.url = f"{origin_of(place.host, self._listening.getsockname()[1], scheme)}/"
        self._handing = handing_of(self._listening)
        self._command = [
            *(sys.executable, "-m", "rtbci.cli", "monitor", publish, "--beside", "--control", control),
            *("--at", settings.address, "--inherited", str(self._handing.number), *keys),
            *_flags(settings),
        ]
        self._on_up = on_up
        self._news: deque[News] = deque()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._popen = self._start()
        self._thread = threading.Thread(target=self._watch, name="rtbci-page-watch", daemon=True)
        self._thread.start()

    def news(self) -> list[News]:
        """What happened to the page since the last call: events for the run to publish."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def close(self) -> None:
        """End the page; may be called more than once."""
        self._closing.set()
        with self._lock:
            popen = self._popen
        if popen.stdin is not None:
            popen.stdin.close()
        try:
            popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
        self._thread.join()
        self._listening.close()

    def _start(self) -> "subprocess.Popen[str]":
        popen = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            **self._handing.options,
        )
        hand_over(self._listening, popen)
        return popen

    def _watch(self) -> None:
        """See the page come up and end, and start it again."""
        for n_restarts in range(MAX_RESTARTS + 1):
            is_up = self._see_out(n_restarts)
            if self._closing.is_set():
                return
            is_last = not is_up or n_restarts == MAX_RESTARTS
            self._news.append(News(FAILED, self.url, self._why(is_up, is_last, n_restarts)))
            if is_last or self._closing.wait(RESTART_S) or not self._start_again():
                break
        self._listening.close()  # browsers are refused, and do not wait for nobody

    def _see_out(self, n_restarts: int) -> bool:
        """Until the page's process has ended; whether it was ever served."""
        popen = self._popen
        is_up = False
        with popen:  # waits for its end
            for line in popen.stdout or ():
                if not line.startswith(SERVED) or is_up:
                    continue
                is_up = True
                if n_restarts:
                    self._news.append(News(RESTARTED, self.url, {"n_restarts": n_restarts}))
                else:
                    self._on_up(self.url)
        return is_up

    def _start_again(self) -> bool:
        with self._lock:
            if self._closing.is_set():
                return False
            try:
                self._popen = self._start()
            except OSError as error:
                self._news.append(News(FAILED, self.url, {"reason": f"cannot be started again: {error}"}))
                return False
        return True

    def _why(self, is_up: bool, is_last: bool, n_restarts: int) -> dict[str, str | int]:
        status = self._popen.returncode
        ended = f"ended with signal {-status}" if status < 0 else f"ended with status {status}"
        what = ended if is_up else f"did not start, {ended}"
        then = "the run goes on without it" if is_last else "it is started again"
        return {"reason": f"{what}; {then}", "n_restarts": n_restarts}

    def __enter__(self) -> "PageProcess":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _flags(settings: MonitorSettings) -> list[str]:
    flags: list[str] = []
    for flag, value in (("--tls-cert", settings.tls_cert), ("--tls-key", settings.tls_key)):
        flags += [flag, value] if value else []
    flags += ["--insecure"] if settings.insecure else []
    for origin in settings.origins:
        flags += ["--origin", origin]
    return flags
