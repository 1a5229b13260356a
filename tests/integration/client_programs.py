"""The listening programs of clients/, one command for each language, and what publishes for them."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from rtbci.publish.message_player import MessagePlayer
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.live_runs import wait_for

__all__ = [
    "BUILDERS",
    "CLIENTS",
    "ENDED",
    "N_MISSING",
    "STREAMS",
    "Program",
    "publishing",
    "short_stream",
    "started",
]

ROOT = Path(__file__).resolve().parents[2]
CLIENTS, STREAMS = ROOT / "clients", ROOT / "docs" / "clients" / "streams"
N_MISSING = 3
ENDED = "(the program has ended)"
NEWTONSOFT = Path("/usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll")


def short_stream(path: Path) -> Path:
    """Write a second of a recorded stream: a decision, and behind it N_MISSING predictions missing."""
    lines = (STREAMS / "motor_imagery.jsonl").read_bytes().splitlines(keepends=True)
    i_event = next(i for i, line in enumerate(lines) if b'"kind":"decision"' in line)
    behind = [line for line in lines[i_event + 1 :] if b'"topic":"prediction"' in line]
    kept = [lines[0], *lines[i_event - 5 : i_event + 1], *behind[N_MISSING : N_MISSING + 5]]
    path.write_bytes(b"".join(kept))
    return path


@contextmanager
def publishing(path: Path, address: str, speed: float) -> Iterator[str]:
    """Play a file again and again; give the address."""
    stop = threading.Event()

    def play() -> None:
        with Publisher(address) as publisher:
            addresses.append(publisher.address)
            player = MessagePlayer(path, publisher, speed=speed)
            while player.play(stop):
                pass

    addresses: list[str] = []
    thread = threading.Thread(target=play, name="publishing")
    thread.start()
    try:
        wait_for(lambda: addresses, "the publisher")
        yield addresses[0]
    finally:
        stop.set()
        thread.join()


class Program(NamedTuple):
    """A program that runs, and what it has said so far, line by line; ENDED at its end."""

    popen: "subprocess.Popen[str]"
    said: list[str]

    def wait_line(self, *parts: str) -> None:
        """Wait until one line has all parts."""

        def there() -> bool:
            assert ENDED not in self.said, "\n".join(self.said)
            return any(all(part in line for part in parts) for line in self.said)

        wait_for(there, f"{parts} in what was said")

    def wait_end(self) -> int:
        """Wait until it has ended by itself; return its exit status."""
        wait_for(lambda: ENDED in self.said, "the end")
        return self.popen.wait()


@contextmanager
def started(command: list[str]) -> Iterator[Program]:
    """Start a program; it is killed at the end, unless it has ended."""
    with subprocess.Popen(
        ["env", "--default-signal=INT", *command],  # Ctrl-C is ignored where the tests run in the background
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        program = Program(process, [])

        def listen() -> None:
            assert process.stdout is not None
            program.said.extend(line.rstrip() for line in iter(process.stdout.readline, ""))  # as they come
            program.said.append(ENDED)

        thread = threading.Thread(target=listen, name="listening")
        thread.start()
        try:
            yield program
        finally:
            process.kill()
            thread.join()


def _need(*programs: str, package: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: apt-get install {package}")


def _checked(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def python(folder: Path) -> list[str]:
    """The single file, in a process that has nothing but pyzmq."""
    shutil.copy(CLIENTS / "python" / "rtbci_listen.py", folder)
    code = (
        "import runpy, sys\n"
        "for name in ('rtbci', 'msgspec', 'numpy'): sys.modules[name] = None\n"
        "sys.argv.pop(0)\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return [sys.executable, "-I", "-u", "-c", code, str(folder / "rtbci_listen.py")]


def node(folder: Path) -> list[str]:
    """With zeromq from npm."""
    _need("node", "npm", package="nodejs npm")
    for name in ("package.json", "rtbci.js", "listen.js"):
        shutil.copy(CLIENTS / "node" / name, folder)
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"npm install zeromq failed: {done.stderr.strip()[-200:]}")
    return ["node", str(folder / "listen.js")]


def cpp(folder: Path) -> list[str]:
    """Without optimisation, which would take longer than all that is run."""
    _need("g++", package="g++")
    for header in ("zmq.hpp", "nlohmann/json.hpp"):
        if not (Path("/usr/include") / header).is_file():
            pytest.skip(f"{header} not found: apt-get install libzmq3-dev cppzmq-dev nlohmann-json3-dev")
    flags = ["-std=c++17", "-O0", "-Wall", "-Wextra", "-Werror"]
    _checked(["g++", *flags, str(CLIENTS / "cpp" / "listen.cpp"), "-o", "listen", "-lzmq"], folder)
    return [str(folder / "listen")]


def csharp(folder: Path) -> list[str]:
    """Compiled by mono, with the transport that needs no NetMQ; the NetMQ one and Unity's part against signatures."""
    _need("mcs", "mono", package="mono-mcs mono-runtime libnewtonsoft-json5.0-cil")
    if not NEWTONSOFT.is_file():
        pytest.skip(f"{NEWTONSOFT} not found: apt-get install libnewtonsoft-json5.0-cil")
    here = CLIENTS / "csharp"
    sources = [str(here / name) for name in ("Rtbci.cs", "ZmtpTransport.cs")]
    flags = ["-langversion:7", "-warnaserror", "-warn:4", f"-r:{NEWTONSOFT}"]
    signatures = str(Path(__file__).parent / "csharp" / "References.cs")
    others = [str(here / "NetMqTransport.cs"), str(here / "Unity" / "RtbciBehaviour.cs"), signatures]
    _checked(["mcs", *flags, "-target:library", "-out:checked.dll", *sources, *others], folder)
    _checked(["mcs", *flags, "-out:Listen.exe", *sources, str(here / "Listen.cs")], folder)
    return ["mono", str(folder / "Listen.exe")]


BUILDERS: dict[str, Callable[[Path], list[str]]] = {
    "python": python,
    "node": node,
    "cpp": cpp,
    "csharp": csharp,
}
"""Make the program of a language in an empty folder and return its command; skips where something is missing."""

GODOT_PROJECT = """config_version=4
[application]
config/name="rtbci"
"""
GODOT_MAIN = """extends SceneTree
func _init():
\tvar node = load("res://rtbci.gd").new()
\tnode.connect("decided", self, "show")
\tnode.connect("predicted", self, "show")
\tnode.port = int(OS.get_environment("RTBCI_PORT"))
\tget_root().add_child(node)
func show(value):
\tprint(value)
"""


def godot(folder: Path) -> list[str]:
    """Without a window; with the one word that is another one in Godot 3."""
    _need("godot3-server", package="godot3-server")
    script = (CLIENTS / "godot" / "rtbci.gd").read_text(encoding="utf-8")
    (folder / "rtbci.gd").write_text(script.replace("udp.bind(", "udp.listen("), encoding="utf-8")
    (folder / "main.gd").write_text(GODOT_MAIN)
    (folder / "project.godot").write_text(GODOT_PROJECT)
    return ["env", f"HOME={folder}", "godot3-server", "--path", str(folder), "-s", "main.gd"]
