"""The only module that reads clocks.

Every time in rtbci is in seconds of the local LSL clock (`lsl_local_clock`), the clock that stream
stamps are corrected to. Anything that needs the time takes a `Clock`, so that tests can give it theirs.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pylsl import local_clock

__all__ = ["Clock", "boot_id", "cpu_s", "now", "sleep_until", "utc_now", "wait_on"]

Clock = Callable[[], float]
"""Something that returns the time in seconds of the local LSL clock."""


def now() -> float:
    """Time in seconds of the local LSL clock."""
    return float(local_clock())


def sleep_until(t_lsl: float, clock: Clock = now) -> None:
    """Sleep until `clock` shows `t_lsl` (seconds); return at once when that is past."""
    while (left_s := t_lsl - clock()) > 0:
        time.sleep(left_s)


def wait_on(t_lsl: float, stop: threading.Event, clock: Clock = now) -> bool:
    """Wait until `clock` shows `t_lsl` (seconds); False, at once, when `stop` is set."""
    while (left_s := t_lsl - clock()) > 0:
        if stop.wait(left_s):
            return False
    return not stop.is_set()


def cpu_s() -> float:
    """CPU time of this process, user and system, in seconds."""
    return time.process_time()


def utc_now() -> datetime:
    """Calendar time, for names of files and for people; never for arithmetic on samples."""
    return datetime.now(UTC)


def boot_id() -> str:
    """Which start of this computer the local LSL clock counts from; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
