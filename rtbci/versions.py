"""Which packages, and which processor, a result was made with."""

import platform
import zlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["cpu_make", "cpu_name", "versions_of"]


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions by name, of those distributions that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_name() -> str:
    """What the processor calls itself."""
    return _cpu_info().get("model name") or platform.processor() or platform.machine()


def cpu_make() -> str:
    """What libraries choose their code for this processor by: family, model, CRC-32 of its features; or its name."""
    info = _cpu_info()
    if "flags" not in info:
        return cpu_name()
    features = zlib.crc32(" ".join(sorted(info["flags"].split())).encode())
    return f"family {info.get('cpu family')} model {info.get('model')} features {features:08x}"


def _cpu_info() -> dict[str, str]:
    """What Linux says of the first processor; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
