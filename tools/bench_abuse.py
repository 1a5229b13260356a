"""What abuse of its sockets costs a real `rtbci run`: age of predictions with and without, in turns in one run.

    python tools/bench_abuse.py [--kinds garbage scan ...] [--rounds 4] [--seconds 5] [--nice -10]
    python tools/bench_abuse.py --count 10000 [--kinds ...]    # exactly so many of each kind, and what the run counted

For each kind of abuse `rtbci amp` and `rtbci run` are started, and a client listens. In turns nothing else happens for
some seconds, and the abuse goes on for some seconds, as fast as one process can. Prints a table in
Markdown: percentiles of `age_ms` in both; of each round's ratios of them the median; predictions that the client missed; and what the run
said that it had refused. The first round has the moment in which a flood is noticed.
"""

import argparse
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, islice
from pathlib import Path

import numpy as np
import psutil
import zmq

from rtbci.client import Client
from rtbci.errors import StreamError
from rtbci.keys.curve import KeyPair, new_key
from rtbci.keys.trusted import trust
from rtbci.publish.messages import Prediction

WARM_S = 8.0
SETTLE_S = 0.5
CHUNK = 4
"""Samples that the amplifier sends together, 16 ms: half of that is in the age of every prediction."""
MARK = json.dumps({"cmd": "mark", "value": "again", "client": "replayed", "id": 1}).encode()
Abuse = Callable[[str, str, str], Iterator[None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=4, help="of quiet and abuse, in turns")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn")
    parser.add_argument("--nice", type=int, default=0, help="of the run and the amplifier (below 0: as root)")
    parser.add_argument(
        "--count", type=int, default=0, help="of each kind, and compare with what was counted"
    )
    parser.add_argument("--abuse", nargs=4, metavar=("KIND", "PUB", "CONTROL", "KEY"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.abuse:
        kind, *where = args.abuse
        abuse = KINDS[kind](*where)  # kept: with it its socket would go, and what is on its way
        for _ in islice(abuse, args.count or None):
            pass
        print("done", flush=True)
        time.sleep(3600)  # connected, so that what is on its way arrives
        return
    if args.count:
        for kind in args.kinds:
            print(_count(kind, args.count, args.nice), flush=True)
        return
    print("| abuse | quiet p50 / p99 ms | abuse p50 / p99 ms | ratio p50 / p99 | missed | run said | MB |")
    print("|---|---|---|---|---|---|---|")
    for kind in args.kinds:
        print(_measure(kind, args.rounds, args.seconds, args.nice), flush=True)


# -- the kinds of abuse --------------------------------------------------------------------------------


def _frames(kind: int, address: str, frames: Iterator[bytes]) -> Iterator[None]:
    """Send frames from one socket for ever; what does not fit waits in this process."""
    sender = zmq.Context().socket(kind)
    sender.setsockopt(zmq.SNDHWM, 1000)
    sender.connect(address)
    for frame in frames:
        sender.send(frame)
        while kind == zmq.DEALER and sender.poll(0):
            sender.recv()
        yield


def garbage(publish: str, _control: str, _key: str) -> Iterator[None]:
    """Frames to the publisher that are no subscription."""
    return _frames(zmq.XSUB, publish, (b"\x07" * 200 for _ in count()))


def subscriptions(publish: str, _control: str, _key: str) -> Iterator[None]:
    """Subscriptions to a million topics that there are not."""
    return _frames(zmq.XSUB, publish, ((b"\x01%d" % i).ljust(200, b"x") for i in count()))


def repeated(publish: str, _control: str, _key: str) -> Iterator[None]:
    """The same good subscription, again and again."""
    return _frames(zmq.XSUB, publish, (b"\x01prediction" for _ in count()))


def requests(_publish: str, control: str, _key: str) -> Iterator[None]:
    """Well-formed requests."""
    return _frames(zmq.DEALER, control, (b'{"cmd": "status", "id": %d}' % i for i in count()))


def malformed(_publish: str, control: str, _key: str) -> Iterator[None]:
    """Requests that are none."""
    return _frames(zmq.DEALER, control, (b'{"cmd":' + b"[" * (i % 5000) for i in count()))


def replayed(_publish: str, control: str, _key: str) -> Iterator[None]:
    """One request with its client and id, again and again."""
    return _frames(zmq.DEALER, control, (MARK for _ in count()))


def oversized(publish: str, control: str, _key: str) -> Iterator[None]:
    """Frames that say they have 2 GB, behind a proper greeting; from a new connection each time."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    for i in count():
        kind = (b"SUB", b"DEALER")[i % 2]
        body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
        frame = b"\x02" + (2 << 30).to_bytes(8, "big") + bytes(100_000)
        host, port = (publish, control)[i % 2].removeprefix("tcp://").split(":")
        with suppress(OSError), socket.create_connection((host, int(port)), 1.0) as one:
            one.settimeout(1.0)
            one.sendall(greeting + b"\x04" + bytes([len(body)]) + body)
            one.recv(64)
            one.sendall(frame)
            one.recv(1000)
        yield


def scan(publish: str, control: str, _key: str) -> Iterator[None]:
    """Connections that close, that say something else, and that say nothing."""
    held: list[socket.socket] = []
    for i in count():
        host, port = (publish, control)[i % 2].removeprefix("tcp://").split(":")
        try:
            one = socket.create_connection((host, int(port)), 1.0)
            one.settimeout(1.0)
            if i % 6 >= 2:
                one.sendall(os.urandom(200))
        except OSError:
            time.sleep(0.01)
            continue
        held.append(one)
        if i % 6 < 4 or len(held) > 200:
            held.pop(0 if len(held) > 200 else -1).close()
        yield


def wrong_keys(publish: str, control: str, key: str) -> Iterator[None]:
    """Clients with a key that is not trusted."""
    context = zmq.Context()
    for i in count():
        public, secret = zmq.curve_keypair()
        one = context.socket(zmq.SUB if i % 2 else zmq.DEALER)
        one.setsockopt(zmq.LINGER, 0)
        one.setsockopt(zmq.CURVE_SERVERKEY, bytes.fromhex(key))
        one.setsockopt(zmq.CURVE_PUBLICKEY, public)
        one.setsockopt(zmq.CURVE_SECRETKEY, secret)
        one.connect(publish if i % 2 else control)
        if one.poll(20):
            raise SystemExit("bench_abuse: a key that is not trusted got something")
        one.close()
        yield


def stopped(publish: str, _control: str, _key: str) -> Iterator[None]:
    """Ten subscribers, one process, which is stopped."""
    context = zmq.Context()
    subscribers = [context.socket(zmq.SUB) for _ in range(10)]
    for one in subscribers:
        one.subscribe(b"")
        one.connect(publish)
    subscribers[0].recv_multipart()
    os.kill(os.getpid(), signal.SIGSTOP)
    yield


def hundred(publish: str, _control: str, _key: str) -> Iterator[None]:
    """A hundred subscribers that read."""
    context, poller = zmq.Context(), zmq.Poller()
    for _ in range(100):
        one = context.socket(zmq.SUB)
        one.subscribe(b"")
        one.connect(publish)
        poller.register(one, zmq.POLLIN)
    while True:
        for ready, _ in poller.poll():
            ready.recv_multipart()
        yield


KINDS: dict[str, Abuse] = {
    one.__name__: one
    for one in (
        garbage,
        subscriptions,
        repeated,
        requests,
        malformed,
        replayed,
        oversized,
        scan,
        wrong_keys,
        stopped,
        hundred,
    )
}


# -- the run -------------------------------------------------------------------------------------------


class Trial:
    """A run, its amplifier, and a client that listens."""

    def __init__(self, kind: str, nice: int, stack: ExitStack) -> None:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = home / "rtbci" / "keys"
        self.server, own = new_key("default", root), new_key("bench", root)
        trust("bench", own.public.hex(), "controller", root)
        name = f"bench-abuse-{os.getpid()}-{kind}"
        stack.enter_context(_started(home, nice, "amp", "--name", name, "--chunk", str(CHUNK)))
        keys = ("--key", "default") if kind == "wrong_keys" else ()
        flags = ("--pub", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0", "--no-record", *keys)
        self.run = stack.enter_context(_started(home, nice, "run", "--stream", name, *flags))
        self.addresses = _addresses(self.run)
        secured = (self.server.public.hex(), own) if keys else (None, None)
        self.client = stack.enter_context(_client(self.addresses[0], secured))
        _listen(self.client, WARM_S)

    def end(self) -> tuple[str, list[str]]:
        """Stop the run; return what it said that it had refused in all, and every time that it told of it."""
        self.run.send_signal(signal.SIGINT)
        said = self.run.communicate(timeout=30)[0]
        in_all = re.findall(r"^refused: (\d+ .*)$", said, re.MULTILINE)
        return (in_all[-1] if in_all else ""), re.findall(r"^refused: (?!\d+ ).*$", said, re.MULTILINE)


def _measure(kind: str, n_rounds: int, seconds: float, nice: int) -> str:
    with ExitStack() as stack:
        trial = Trial(kind, nice, stack)
        client = trial.client
        ages: dict[bool, list[list[float]]] = {False: [], True: []}
        n_lost = {False: 0, True: 0}
        for i in range(2 * n_rounds):
            is_abuse = i % 2 == 1
            n_before = client.n_lost["prediction"]
            with _abuser(kind, trial) if is_abuse else ExitStack():
                _listen(client, SETTLE_S)
                ages[is_abuse].append(_listen(client, seconds))
            n_lost[is_abuse] += client.n_lost["prediction"] - n_before
        megabytes = psutil.Process(trial.run.pid).memory_info().rss / 2**20
        refused, _ = trial.end()
    quiet, abuse = (np.percentile(np.concatenate(ages[one]), [50, 99]) for one in (False, True))
    of_rounds = [[np.percentile(one, [50, 99]) for one in ages[is_abuse]] for is_abuse in (False, True)]
    ratio = np.median(np.array(of_rounds[1]) / np.array(of_rounds[0]), axis=0)
    return (
        f"| {kind} | {quiet[0]:.2f} / {quiet[1]:.2f} | {abuse[0]:.2f} / {abuse[1]:.2f} | {ratio[0]:.2f} / {ratio[1]:.2f} | "
        f"{n_lost[False]}, {n_lost[True]} | {refused} | {megabytes:.0f} |"
    )


def _count(kind: str, n: int, nice: int) -> str:
    """Abuse exactly so many times; say what was counted, how often it was told, and that the run went on."""
    with ExitStack() as stack:
        trial = Trial(kind, nice, stack)
        with _abuser(kind, trial, "--count", str(n)) as abuser:
            t_start = time.monotonic()
            while abuser.stdout is not None and not select.select([abuser.stdout], [], [], 0.0)[0]:
                _listen(trial.client, 0.5)
            sent_s = time.monotonic() - t_start
            _listen(trial.client, n / 250 + 5.0)
        n_after = len(_listen(trial.client, 3.0))
        in_all, told = trial.end()
    return f"{kind}: {n} in {sent_s:.0f} s; counted {in_all}; told {len(told)} times; then {n_after} predictions in 3 s"


@contextmanager
def _client(address: str, secured: "tuple[str | None, KeyPair | None]") -> Iterator[Client]:
    with Client(address, server_key=secured[0], key=secured[1]) as client:
        yield client


def _listen(client: Client, seconds: float) -> list[float]:
    """Ages of the predictions of some seconds; nothing that is not finite may be among them."""
    t_end, ages = time.monotonic() + seconds, []
    while (left_s := t_end - time.monotonic()) > 0:
        try:
            message = client.receive(left_s)
        except StreamError:
            continue
        if isinstance(message, Prediction) and message.probs is not None:
            ages.append(message.age_ms)
    if client.n_malformed:
        raise SystemExit(f"bench_abuse: {client.n_malformed} messages that are none")
    return ages


@contextmanager
def _started(home: Path, nice: int, *args: str) -> "Iterator[subprocess.Popen[str]]":
    env = {**os.environ, "XDG_CONFIG_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "rtbci.cli", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: _be_nice(nice),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _abuser(kind: str, trial: Trial, *flags: str) -> "Iterator[subprocess.Popen[str]]":
    where = (*trial.addresses, trial.server.public.hex())
    command = [sys.executable, __file__, "--abuse", kind, *where, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
        if process.poll():
            raise SystemExit(f"bench_abuse: the abuser of kind {kind} ended by itself")
    finally:
        process.kill()
        process.communicate()


def _be_nice(nice: int) -> None:
    """Set the priority of this process, and of its session, which Linux may schedule as one (autogroup)."""
    os.nice(nice)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(nice))


def _addresses(run: "subprocess.Popen[str]") -> tuple[str, str]:
    said = []
    while run.stdout is not None and (line := run.stdout.readline()):
        said.append(line)
        if found := re.match(r"publish: (\S+) +control: (\S+)", line):
            return found[1], found[2]
    raise SystemExit(f"bench_abuse: rtbci run did not start: {''.join(said)}")


if __name__ == "__main__":
    main()
