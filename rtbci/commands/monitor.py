"""`rtbci monitor`; beside a run it is the same program, started by `rtbci.commands.page_process`."""

import os
import signal
import socket
import threading
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

from rtbci.clock import now, sleep_until
from rtbci.commands.options import teller_of
from rtbci.commands.output import flush_errors, flush_output
from rtbci.commands.page_process import SERVED
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import MonitorSettings
from rtbci.errors import ConfigError
from rtbci.monitor.place import WHAT, place_of
from rtbci.publish.addresses import CONTROL_ADDRESS, PUBLISH_ADDRESS
from rtbci.system.handing import take_over
from rtbci.system.processes import give_way
from rtbci.web.needed import need_page

if TYPE_CHECKING:
    from rtbci.monitor.feed import ClientKeys

__all__ = ["control_beside", "monitor"]

LOOK_S = 0.5
LAST_S = 0.3
"""Behind the end of the run: its last messages are on their way to browsers, which say then that it has stopped."""
CLOSE_S = 2.0
"""Then it ends, also where it gets no processor to close in order with, having given way: nothing of it is lost."""
NICE = 10
"""The decoder comes first."""


def control_beside(publish: str) -> str:
    """The control address of a run that publishes at `publish`: the port behind it, as by default."""
    if publish == PUBLISH_ADDRESS:
        return CONTROL_ADDRESS
    head, _, port = publish.rpartition(":")
    if not publish.startswith("tcp://") or not port.isdigit():
        raise ConfigError(f"monitor: no control address is known beside {publish}; give it with --control")
    return f"{head}:{int(port) + 1}"


def monitor(
    publish: str,
    control: str,
    settings: MonitorSettings,
    console: Console,
    *,
    opens: bool,
    keys: "ClientKeys",
    open_publish: bool = False,
    open_control: bool = False,
    checks: bool = False,
    beside: bool = False,
    inherited: int | None = None,
    feedback: bool = False,
) -> None:
    """Serve the live page of a run until Ctrl-C.

    Parameters
    ----------
    publish, control : str
        ZMQ addresses of the run.
    settings : MonitorSettings
    console : Console
        Where to say what happens.
    opens : bool
        Show the page in the browser.
    keys : ClientKeys
        Of a run that is encrypted.
    open_publish, open_control : bool
        What it publishes is not, or its control socket.
    checks : bool
        Tell the address that begins with the check before a session.
    beside : bool
        Started by a run: ends when standard input does, says its address on standard output, and gives way to the decoder.
    inherited : int, optional
        Descriptor of the listening socket, where the run has opened it.
    feedback : bool
        Tell the address of the neurofeedback page, which is served beside it.
    """
    need_page(WHAT, "monitor", "use `rtbci listen`")
    from rtbci.monitor.app import FEEDBACK
    from rtbci.monitor.feed import NO_KEYS
    from rtbci.monitor.page import LivePage

    say = teller_of(console)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        listening = None if inherited is None else take_over(inherited)
        if beside:
            _end_with_run(stop)
            give_way(NICE)
        place = place_of(settings.address)
        page = stack.enter_context(
            LivePage(
                publish,
                control,
                place,
                keys=NO_KEYS if open_publish else keys,
                control_keys=NO_KEYS if open_control else keys,
                tls=tls_of(settings, place.host),
                insecure=settings.insecure,
                origins=settings.origins,
                about=_about,
                listening=listening,
                say=say,
            )
        )
        if beside:
            print(f"{SERVED}{page.url}", flush=True)
        else:
            url = f"{page.url}?check" if checks else page.url
            url = f"{page.url}{FEEDBACK}/" if feedback else url
            say(
                f"{'feedback page: ' if feedback else SERVED}{url}   (of {publish}; Ctrl-C ends the page, not the run)"
            )
            if opens:
                webbrowser.open(url)
        while not stop.wait(LOOK_S):
            if page.error is not None:
                raise page.error
    if beside:
        # As the thread that saw the run end would: taking Python apart is work, and this one gives way.
        _end_at_once()


def tls_of(settings: MonitorSettings, host: str) -> tuple[Path, Path] | None:
    """Certificate and key: those that were given; for the network one of this computer's own; else none.

    Raises
    ------
    ConfigError
        When only one of the two is given, or one is no file.
    """
    from rtbci.web.guarding import LOOPBACK

    given = tuple(Path(name).expanduser() for name in (settings.tls_cert, settings.tls_key) if name)
    if len(given) == 1:
        raise ConfigError("live page: got one of certificate and key, need both: tls_cert and tls_key")
    if given:
        for path in given:
            if not path.is_file():
                raise ConfigError(
                    f"live page: {path} is no file, need certificate and key in PEM; check the path"
                )
        return given[0], given[1]
    if host in LOOPBACK or settings.insecure:
        return None
    from rtbci.keys.certificate import own_certificate

    own = own_certificate(() if host in ("0.0.0.0", "::") else (host,))
    return own.path, own.key_path


def _about() -> dict[str, Any]:
    from importlib.metadata import version

    return {"rtbci": version("rtbci"), "host": socket.gethostname()}


def _end_with_run(stop: threading.Event) -> None:
    """Let the run decide when this ends. Called before this gives way, which on Linux a thread does not for those before it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the run, which closes our standard input

    def wait_for_end() -> None:
        # Not through `sys.stdin`: a thread in there at the end of the program would hold its lock.
        while os.read(0, 4096):
            pass
        sleep_until(now() + LAST_S)
        stop.set()
        sleep_until(now() + CLOSE_S)
        _end_at_once()

    threading.Thread(target=wait_for_end, name="rtbci-run-ended", daemon=True).start()


def _end_at_once() -> NoReturn:
    flush_output()
    flush_errors()
    os._exit(0)
