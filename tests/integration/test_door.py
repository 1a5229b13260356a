"""Keys, roles and refusals over real sockets on loopback."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from rtbci.client import Client
from rtbci.errors import ConfigError, RtbciError, StreamNotFoundError
from rtbci.keys.curve import KeyPair, new_key, read_key
from rtbci.keys.roles import Role
from rtbci.keys.trusted import TrustedKeys, revoke, trust
from rtbci.publish.control import Control
from rtbci.publish.control_client import ControlClient
from rtbci.publish.door import Door
from rtbci.publish.outbox import Outbox
from rtbci.publish.zmq_publisher import Publisher
from tests.integration.publish_fixtures import ANY_PORT, HELLO, window

pytestmark = pytest.mark.clock


class Guarded:
    """A publisher and a control socket that let trusted keys in."""

    def __init__(
        self, root: Path, door: Door, publisher: Publisher, control: Control, outbox: Outbox
    ) -> None:
        self.root, self.door, self.publisher, self.control, self.outbox = (
            root,
            door,
            publisher,
            control,
            outbox,
        )
        self.server_key = door.public.hex()
        self.n_requests = 0

    def key(self, name: str, role: Role | None) -> KeyPair:
        pair = new_key(name, self.root)
        if role is not None:
            trust(name, pair.public.hex(), role, self.root)
        return pair

    def client(self, key: KeyPair, server_key: str | None = None) -> Client:
        return Client(self.publisher.address, server_key=server_key or self.server_key, key=key)

    def go_on(self) -> bool:
        """What a run does once per hop."""
        self.outbox.poll()
        self.outbox.prediction(window())
        self.control.answer(lambda request: {})
        return True

    def hears(self, client: Client, timeout_s: float = 5.0) -> bool:
        """Whether a client hears something new in time."""
        t_due = time.monotonic() + timeout_s
        before = client.latest()
        while time.monotonic() < t_due:
            self.go_on()
            if client.latest() != before:
                return True
            time.sleep(0.005)
        return False

    def may_control(self, key: KeyPair, timeout_s: float = 5.0) -> bool:
        """Whether a request is answered in time."""
        with ControlClient(self.control.address, server_key=self.server_key, key=key) as client:
            client._socket.send(b'{"cmd": "pause", "id": 1}')
            t_due = time.monotonic() + timeout_s
            while time.monotonic() < t_due:
                self.go_on()
                if client._socket.poll(5):
                    return b'"ok":true' in client._socket.recv()
        return False


@contextmanager
def guarded_in(root: Path) -> Iterator[Guarded]:
    with (
        Door(new_key("server", root), TrustedKeys(root), handshake_s=1.0) as door,
        Publisher(ANY_PORT, door=door, encrypted=True) as publisher,
        Control(ANY_PORT, door=door, encrypted=True) as control,
        Outbox(HELLO, [publisher]) as outbox,
    ):
        yield Guarded(root, door, publisher, control, outbox)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    with guarded_in(tmp_path / "keys") as one:
        yield one


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    t_due = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < t_due, "waited too long"
        time.sleep(0.01)


def test_the_own_key_of_the_run_may_do_everything(guarded: Guarded) -> None:
    own = read_key("server", guarded.root)
    with guarded.client(own) as client:
        assert guarded.hears(client)
    assert guarded.may_control(own)


@pytest.mark.parametrize(
    ("role", "hears", "controls"),
    [(None, False, False), ("listener", True, False), ("controller", True, True)],
)
def test_roles(guarded: Guarded, role: Role | None, hears: bool, controls: bool) -> None:
    key = guarded.key("somebody", role)
    with guarded.client(key) as client:
        assert guarded.hears(client, 5.0 if hears else 0.4) is hears
    assert guarded.may_control(key, 5.0 if controls else 0.4) is controls
    assert bool(guarded.door.refusals.counts.get("key")) is not controls


def test_who_does_not_encrypt_or_knows_another_server_hears_nothing(guarded: Guarded) -> None:
    key = guarded.key("somebody", "listener")
    stranger = new_key("stranger", guarded.root)
    with Client(guarded.publisher.address) as plain, guarded.client(key, stranger.public.hex()) as wrong:
        assert not guarded.hears(plain, 0.3)
        assert not guarded.hears(wrong, 0.1)
    wait_until(lambda: guarded.door.refusals.counts.get("handshake", 0) >= 2)
    told = [one for one in guarded.door.refusals.news() if one.data["what"] == "handshake"]
    assert [one.source for one in told] == ["publish"]


def test_a_key_that_is_revoked_hears_and_controls_no_more_and_others_come_back(guarded: Guarded) -> None:
    stays, goes = guarded.key("stays", "listener"), guarded.key("goes", "controller")
    controller = ControlClient(guarded.control.address, server_key=guarded.server_key, key=goes)
    with guarded.client(stays) as staying, guarded.client(goes) as going, controller:
        assert guarded.hears(staying)
        assert guarded.hears(going)
        controller._socket.send(b'{"cmd": "pause", "id": 1}')
        wait_until(lambda: guarded.go_on() and controller._socket.poll(1))
        assert b'"ok":true' in controller._socket.recv()
        revoke("goes", guarded.root)
        controller._socket.send(b'{"cmd": "pause", "id": 2}')  # on the connection that there is
        wait_until(lambda: guarded.go_on() and controller._socket.poll(1))
        assert b"this key is not trusted as a controller any more" in controller._socket.recv()
        wait_until(lambda: guarded.go_on() and guarded.door.refusals.counts.get("key", 0) >= 2)
        going.latest()
        assert guarded.hears(staying)
        assert not guarded.hears(going, 0.3)


def test_wrong_keys_get_nothing_and_are_told_once_per_source_and_second(guarded: Guarded) -> None:
    n_keys = 60
    context = zmq.Context()
    sockets = []
    try:
        for _ in range(n_keys):
            public, secret = zmq.curve_keypair()
            socket = context.socket(zmq.SUB)
            socket.setsockopt(zmq.RECONNECT_IVL, -1)
            socket.setsockopt(zmq.CURVE_SERVERKEY, guarded.door.public)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
            socket.subscribe(b"")
            socket.connect(guarded.publisher.address)
            sockets.append(socket)
        t_start = time.monotonic()
        news = []
        while guarded.door.refusals.counts.get("key", 0) < n_keys and time.monotonic() < t_start + 10:
            guarded.go_on()
            news += guarded.door.refusals.news()
            time.sleep(0.005)
        took_s = time.monotonic() - t_start
        assert guarded.door.refusals.counts == {"key": n_keys}
        assert 1 <= len(news) <= 1 + took_s
        assert {one.source for one in news} == {"127.0.0.1"}
        assert not any(socket.poll(0) for socket in sockets)
    finally:
        context.destroy(linger=0)


def test_should_the_door_fail_nobody_is_let_in_and_it_is_told(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = guarded.key("somebody", "listener")

    def broken() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(guarded.door, "_answer", broken)
    with guarded.client(key) as client:
        assert not guarded.hears(client, 0.4)
    with guarded.client(key) as client:
        assert not guarded.hears(client, 0.4)
    with pytest.raises(RtbciError, match="Door: the thread has failed: ZeroDivisionError"):
        guarded.door.check()


def test_a_damaged_file_of_trusted_keys_lets_nobody_in(guarded: Guarded) -> None:
    key = guarded.key("somebody", "listener")
    (guarded.root / "trusted.json").write_bytes(b"[{]")
    with guarded.client(key) as client:
        assert not guarded.hears(client, 0.3)
    assert "nobody is let in" in str(guarded.door.refusals.news())


def test_no_secret_is_shown(guarded: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = guarded.key("somebody", None)
    with guarded.client(key) as client:
        guarded.hears(client, 0.2)
        shown = repr((key, guarded.door.refusals.news(), vars(client), vars(guarded.door), caplog.records))
    for secret in (key.secret, guarded.door._key.secret if guarded.door._key else b""):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


def test_clients_say_which_key_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(
        ConfigError, match="key 'default': there is none of that name, have none; `rtbci keys new` makes"
    ):
        Client(ANY_PORT, server_key="ab" * 32)
    new_key()
    with pytest.raises(ConfigError, match="public key: 4 letters that are no key"):
        ControlClient(ANY_PORT, server_key="lab1")
    with pytest.raises(ConfigError, match="a key is given and no server key, need both"):
        Client(ANY_PORT, key="default")
    with (
        Client("tcp://127.0.0.1:9", server_key="ab" * 32, timeout_s=0.05) as client,
        pytest.raises(StreamNotFoundError, match="does it publish there, and does it trust this key"),
    ):
        client.receive()


def test_what_is_no_client_is_counted_and_harms_nobody(guarded: Guarded) -> None:
    import socket

    key = guarded.key("somebody", "listener")
    host, port = guarded.publisher.address.removeprefix("tcp://").split(":")
    with guarded.client(key) as client:
        assert guarded.hears(client)
        for payload in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            bytes(100),
            b"\xff" * 1000,
            b"\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE",
        ):
            for _ in range(10):
                with socket.create_connection((host, int(port))) as scan:
                    scan.sendall(payload)
        half_open = [socket.create_connection((host, int(port))) for _ in range(20)]
        assert guarded.hears(client)
        for one in half_open:
            one.close()
        wait_until(lambda: guarded.door.refusals.counts.get("handshake", 0) == 70)
        assert guarded.hears(client)
