"""Real-time brain-computer interface runtime: a live EEG stream in, calibrated decisions out.

The names below are loaded when they are first used, so that ``import rtbci`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtbci.calibrate.offline import calibrate_recordings
    from rtbci.calibrate.windows import LabelledWindows, windows
    from rtbci.client import Client
    from rtbci.errors import RtbciError
    from rtbci.listener import Listener
    from rtbci.publish.control_client import ControlClient
    from rtbci.recipes import read_engine, read_paradigm
    from rtbci.replay.read import read_recordings
    from rtbci.runtime.decoder import Decoder
    from rtbci.runtime.streamed import decode_stream
    from rtbci.runtime.verdict import Verdict

__all__ = [
    "Client",
    "ControlClient",
    "Decoder",
    "LabelledWindows",
    "Listener",
    "RtbciError",
    "Verdict",
    "calibrate_recordings",
    "decode_stream",
    "read_engine",
    "read_paradigm",
    "read_recordings",
    "windows",
]

_HOMES = {
    "Client": "rtbci.client",
    "ControlClient": "rtbci.publish.control_client",
    "Decoder": "rtbci.runtime.decoder",
    "LabelledWindows": "rtbci.calibrate.windows",
    "Listener": "rtbci.listener",
    "RtbciError": "rtbci.errors",
    "Verdict": "rtbci.runtime.decoder",
    "calibrate_recordings": "rtbci.calibrate.offline",
    "decode_stream": "rtbci.runtime.streamed",
    "read_engine": "rtbci.recipes",
    "read_paradigm": "rtbci.recipes",
    "read_recordings": "rtbci.replay.read",
    "windows": "rtbci.calibrate.windows",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rtbci' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
