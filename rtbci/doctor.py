"""What this computer can do, each finding with its remedy: the checks behind ``rtbci doctor``."""

import platform
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

import numpy as np
from platformdirs import user_cache_path

from rtbci.clock import now
from rtbci.errors import RtbciError
from rtbci.installing import pip_extra, pip_install

__all__ = ["Finding", "examine"]

Verdict = Literal["ok", "absent", "warning", "failure"]
MIN_FREE_GB = 1.0
MAX_SLEEP_LATE_MS = 5.0
OPTIONAL = {
    "torch": ("training, and the reference back end", "train"),
    "brainflow": ("amplifiers through BrainFlow", "brainflow"),
    "braindecode": ("encoders of other groups", "braindecode"),
}
"""Packages that rtbci runs without: what each is for, and the extra that brings it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what : str
        Name of the check.
    verdict : {'ok', 'absent', 'warning', 'failure'}
        ``absent``: not there, and rtbci runs without it.
        `failure`: rtbci cannot do its main job.
    detail : str
        What was found.
    remedy : str
        What to do, empty when all is well.
    """

    what: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def examine(addresses: dict[str, str]) -> Iterator[Finding]:
    """Run all checks, one finding at a time.

    Parameters
    ----------
    addresses : dict of str to str
        Name and ZMQ address of each socket that a run would bind.
    """
    for check in (
        _python,
        _liblsl,
        _lsl_loopback,
        _encryption,
        _clock,
        _onnxruntime,
        *_engine_checks(),
        _cache,
    ):
        yield _guarded(check)
    yield from _backends()
    for name, address in addresses.items():
        yield _port(name, address)
    for package, (purpose, extra) in OPTIONAL.items():
        yield _optional(package, purpose, pip_extra(extra))


def _guarded(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # a check that breaks is a finding, not the end of the examination
        name = check.__name__.strip("_").replace("_", " ")
        return Finding(name, "failure", f"{type(error).__name__}: {error}", "report this with `--debug`")


def _python() -> Finding:
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("Python", "ok", f"{detail}, rtbci {metadata.version('rtbci')}")


def _liblsl() -> Finding:
    import pylsl

    version = pylsl.library_version()
    detail = f"liblsl {version // 100}.{version % 100}, pylsl {metadata.version('pylsl')}"
    if version < 116:
        return Finding("liblsl", "warning", detail, f"{pip_install('--upgrade', 'pylsl')} (it brings liblsl)")
    return Finding("liblsl", "ok", detail)


def _lsl_loopback() -> Finding:
    """Open an outlet and find it again: shows whether multicast and firewall let LSL through."""
    import pylsl

    source_id = f"rtbci-doctor-{uuid.uuid4().hex}"
    info = pylsl.StreamInfo("rtbci-doctor", "Test", 1, 0.0, pylsl.cf_float32, source_id)
    outlet = pylsl.StreamOutlet(info)
    t_start = now()
    found = pylsl.resolve_byprop("source_id", source_id, timeout=5.0)
    took_s = now() - t_start
    del outlet
    if not found:
        return Finding(
            "LSL on this computer",
            "failure",
            "an outlet of our own was not found within 5 s",
            "allow UDP port 16571 and TCP/UDP 16572-16604 in the firewall, or set KnownPeers in lsl_api.cfg",
        )
    return Finding("LSL on this computer", "ok", f"own outlet found in {1e3 * took_s:.0f} ms")


def _encryption() -> Finding:
    """Whether ZeroMQ can encrypt, and whether the keys are for their owner's eyes only."""
    import zmq

    from rtbci.keys.curve import list_keys
    from rtbci.keys.trusted import list_trusted

    what, version = "encryption", f"ZeroMQ {zmq.zmq_version()}"
    if not zmq.has("curve"):
        remedy = f"{pip_install('--force-reinstall', 'pyzmq')}: its wheels have libsodium in them"
        return Finding(what, "warning", f"{version} was built without CURVE: loopback only", remedy)
    try:
        own, trusted = list_keys(), list_trusted()
    except RtbciError as error:
        return Finding(what, "warning", str(error), "see docs/security.md")
    return Finding(what, "ok", f"{version} with CURVE; {len(own)} key pairs, {len(trusted)} trusted keys")


def _clock() -> Finding:
    """How late a 1 ms sleep ends: what a paced replay and a hop can count on."""
    late_ms = []
    for _ in range(100):
        t_due = now() + 1e-3
        time.sleep(1e-3)
        late_ms.append(1e3 * (now() - t_due))
    p50, p99 = np.percentile(late_ms, [50, 99])
    detail = f"1 ms sleeps end {p50:.2f} ms late in the median, {p99:.2f} ms at p99"
    if p99 > MAX_SLEEP_LATE_MS:
        return Finding("clock", "warning", detail, "close other programs; a busy machine decides late")
    return Finding("clock", "ok", detail)


def _onnxruntime() -> Finding:
    from rtbci.backends.onnxruntime_api import load_onnxruntime

    onnxruntime = load_onnxruntime()
    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return Finding("ONNX Runtime", "ok", f"{onnxruntime.__version__} ({', '.join(providers)})")


def _backends() -> Iterator[Finding]:
    """Which back ends could run engines here; one is enough, so that none of them is a failure."""
    from rtbci.backends.usable import what_is_there

    for one in what_is_there():
        detail = f"{one.version}, on {one.device}" if one.can_run else f"not usable ({one.why_not})"
        if one.can_build and not one.can_run:
            detail += f"; {one.version} builds engines for other computers"
        if one.remedy:
            detail += f": {one.remedy}"
        yield Finding(f"back end {one.backend}", "ok" if one.can_run else "absent", detail)


def _engine_checks() -> list[Callable[[], Finding]]:
    from rtbci.recipes import list_recipes

    def checker(name: str) -> Callable[[], Finding]:
        def check() -> Finding:
            return _engine(name)

        check.__name__ = f"engine {name}"
        return check

    try:
        return [checker(name) for name in list_recipes("engines")]
    except RtbciError as error:
        message = str(error)
        return [lambda: Finding("recipes", "failure", message, "install rtbci again")]


def _engine(name: str) -> Finding:
    """Run the golden input through the engine and compare with the golden output."""
    from rtbci.backends.golden import golden_difference
    from rtbci.recipes import read_engine

    recipe = read_engine(name)
    difference, tolerance, took_ms = golden_difference(recipe)
    detail = (
        f"golden output reproduced within {difference:.1e} (limit {tolerance:.0e}), {took_ms:.2f} ms a run"
    )
    if not difference <= tolerance:
        return Finding(f"engine {name}", "failure", detail, "install rtbci again: the engine is damaged")
    return Finding(f"engine {name}", "ok", detail)


def _cache() -> Finding:
    folder = user_cache_path("rtbci", appauthor=False)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    detail = f"{folder}: {_size_mb(folder):.1f} MB used, {free_gb:.1f} GB free on its disk"
    if free_gb < MIN_FREE_GB:
        return Finding("cache", "warning", detail, "free some disk space")
    return Finding("cache", "ok", detail)


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _port(name: str, address: str) -> Finding:
    what = f"address {name}"
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or not port.isdigit():
        return Finding(what, "ok", f"{address} (not checked: only tcp addresses are)")
    try:
        with socket.create_server((host, int(port))):
            pass
    except OSError as error:
        remedy = "stop the program that uses it (another `rtbci run`?), or give another address"
        return Finding(what, "warning", f"{address} cannot be bound: {error.strerror or error}", remedy)
    return Finding(what, "ok", f"{address} is free")


def _optional(package: str, purpose: str, remedy: str) -> Finding:
    if util.find_spec(package) is None:
        return Finding(package, "absent", f"not installed (only for {purpose}: {remedy})")
    try:
        return Finding(package, "ok", f"{metadata.version(package)} ({purpose})")
    except metadata.PackageNotFoundError:
        return Finding(package, "warning", "importable, but of no known version", remedy)
