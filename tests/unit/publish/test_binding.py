import errno

import pytest
import zmq

from rtbci.errors import PortInUseError
from rtbci.publish.binding import bind


@pytest.mark.sockets
def test_a_port_in_use_is_told_where_zeromq_has_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows Python's numbers of errors are those of Winsock, ZeroMQ's those of the C library."""
    monkeypatch.setattr(errno, "EADDRINUSE", 10_048)
    context = zmq.Context()
    with context.socket(zmq.PUB) as first, context.socket(zmq.PUB) as other:
        address = bind(first, "test", "tcp://127.0.0.1:0", "--pub", insecure=False)
        with pytest.raises(PortInUseError, match=r"is in use by .*, need a free port"):
            bind(other, "test", address, "--pub", insecure=False)
    context.term()
