import os
import socket

import pytest

from rtbci.errors import ConfigError
from rtbci.publish.addresses import CONTROL_ADDRESS, PUBLISH_ADDRESS, check_bind_address, is_local, port_owner

LOCAL = [
    PUBLISH_ADDRESS,
    CONTROL_ADDRESS,
    "tcp://127.3.2.1:0",
    "tcp://localhost:*",
    "tcp://lo:80",
    "tcp://[::1]:5571",
    "ipc:///tmp/rtbci",
]
REMOTE = ["tcp://*:5571", "tcp://0.0.0.0:5571", "tcp://192.168.1.7:0", "tcp://eth0:1", "tcp://[::]:5571"]
WRONG = [
    "",
    "5571",
    "localhost:5571",
    "tcp://127.0.0.1",
    "tcp://127.0.0.1:70000",
    "udp://127.0.0.1:1",
    "ipc://",
]


@pytest.mark.parametrize("address", LOCAL)
def test_addresses_of_this_machine_are_taken(address: str) -> None:
    assert is_local(address)
    check_bind_address("Publisher", address, insecure=False)


@pytest.mark.parametrize("address", [*REMOTE, "tcp://127.0.0.1.evil.org:1", "tcp://1270.0.0.1:1"])
def test_addresses_that_the_network_can_reach_need_insecure(address: str) -> None:
    with pytest.raises(ConfigError, match=r"can be reached from the network .* insecure = true"):
        check_bind_address("Publisher", address, insecure=False)
    check_bind_address("Publisher", address, insecure=True)


@pytest.mark.parametrize("address", WRONG)
@pytest.mark.parametrize("insecure", [False, True])
def test_addresses_that_are_none_are_refused(address: str, insecure: bool) -> None:
    with pytest.raises(ConfigError, match="need tcp://HOST:PORT"):
        check_bind_address("Publisher", address, insecure)


def test_the_owner_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port_owner(port).startswith(f"process {os.getpid()} (")
    assert port_owner(port) == "another program"
