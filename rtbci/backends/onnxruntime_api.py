"""ONNX Runtime, loaded so that it tells nobody anything."""

import os
from typing import Any

__all__ = ["NO_TELEMETRY", "load_onnxruntime"]

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Read once, when the library is loaded. Builds since 1.29 send what is run, on what, to Microsoft, and keep an identifier and a
database of what is to be sent below the user's cache; ``disable_telemetry_events`` alone leaves both, and what is sent at the start
(Privacy.md of the package, 1.32)."""


def load_onnxruntime() -> Any:
    """The module; every import of it is this one.

    Somebody who sets the variable themselves, to whatever, is heeded. A program that loaded ONNX Runtime before has its telemetry.
    """
    os.environ.setdefault(NO_TELEMETRY, "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # of older builds, and of Windows' own
    return onnxruntime
