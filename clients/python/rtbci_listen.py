"""Listen to rtbci with nothing but pyzmq: copy this file into your project.

    pip install pyzmq
    python rtbci_listen.py                           # prints what comes from tcp://127.0.0.1:5571

In your program::

    from rtbci_listen import Listener

    with Listener("tcp://127.0.0.1:5571") as listener:
        for topic, message in listener:              # waits for each, as long as it takes
            print(message["decision"], message["probs"])

or ``listener.receive(timeout_s=5.0)``, which raises TimeoutError when nothing comes, or, once in a frame of a game,
``message = listener.latest()``, which never waits. A run that ends and comes back is heard again by itself.

A run on another computer is encrypted: give its public key, and a pair of your own from ``zmq.curve_keypair()``, all as ZeroMQ's
text (40 letters): ``Listener(address, server_key=..., keys=(public, secret))``. This program takes them from the environment:
RTBCI_SERVER_KEY, RTBCI_PUBLIC_KEY, RTBCI_SECRET_KEY.
"""

import json
import os
import sys
import time

import zmq

__all__ = ["Listener"]

VERSION = 1
TOPICS = ("prediction", "event", "status", "hello")
MAX_PAYLOAD_BYTES = 65_536


class Listener:
    """Receives messages of an rtbci run, which may be started before or after this.

    Attributes:
        hello: what the run says of itself, a dict; None until it came.
        lost: messages that were sent and did not arrive, for each topic; starts anew with every session.
        malformed: messages that were no JSON object of schema version 1 and were skipped.
        session: id of the run.
    """

    def __init__(self, address="tcp://127.0.0.1:5571", topics=("prediction",), *, server_key=None, keys=None):
        self.address = address
        self.hello = self.session = None
        self.lost: dict[str, int] = dict.fromkeys(TOPICS, 0)
        self.malformed = 0
        self._topics = tuple(topics)
        self._next_seq, self._newest = {}, {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_PAYLOAD_BYTES)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, 5000)  # so that a cable pulled is noticed
        if server_key is not None:
            if not keys or None in keys:
                self.close()
                raise ValueError("a server key is given, need a pair of your own, too: keys=(public, secret)")
            self._socket.setsockopt_string(zmq.CURVE_SERVERKEY, _text(server_key))
            self._socket.setsockopt_string(zmq.CURVE_PUBLICKEY, _text(keys[0]))
            self._socket.setsockopt_string(zmq.CURVE_SECRETKEY, _text(keys[1]))
        self._socket.connect(address)
        for topic in {*self._topics, "hello"}:
            self._socket.subscribe(topic)
        if "prediction" in self._topics:
            self._socket.subscribe("soon")  # wakes us 1.5 ms before a prediction: it finds nobody asleep

    def receive(self, timeout_s: "float | None" = 5.0):
        """Wait for the next message of the topics: (topic, message as dict).

        TimeoutError when nothing comes; it may be called again, and goes on when the run does. None waits for ever.
        """
        t_end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_ms = None if t_end is None else max(0, int((t_end - time.monotonic()) * 1000))
            if not self._socket.poll(left_ms):
                more = "" if self.session is None else "more "
                raise TimeoutError(
                    f"nothing {more}from {self.address} in {timeout_s:g} s; is `rtbci run` running, and does it publish there?"
                )
            topic, message = self._read()
            if message is not None and topic in self._topics:
                return topic, message

    def latest(self, topic="prediction"):
        """The newest message of a topic, without waiting; None before the first."""
        while self._socket.poll(0):
            self._read()
        return self._newest.get(topic)

    def close(self):
        """Close the socket."""
        if not self._socket.closed:
            self._socket.close()
            self._context.term()

    def _read(self):
        frames = self._socket.recv_multipart()
        if frames[0] == b"soon":
            return None, None
        try:
            topic, payload = frames
            topic, message = topic.decode("ascii"), json.loads(payload)
            if message["v"] != VERSION:
                raise ValueError(f"schema version {message['v']}")
            session, seq = message["session"], int(message["seq"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            # Also MessagePack, which this file does not read: start rtbci with --format json.
            self.malformed += 1
            return None, None
        if session != self.session:  # a new run: everything starts anew
            self.session, self.hello = session, None
            self.lost = dict.fromkeys(TOPICS, 0)
            self._next_seq, self._newest = {}, {}
        expected = self._next_seq.get(topic, seq)
        self.lost[topic] = self.lost.get(topic, 0) + max(0, seq - expected)
        self._next_seq[topic] = max(expected, seq + 1)
        self._newest[topic] = message
        if topic == "hello":
            self.hello = message
        return topic, message

    def __iter__(self):
        while True:
            yield self.receive(None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _text(key):
    return key.decode("ascii") if isinstance(key, bytes) else key


def main():
    """Print predictions and events until Ctrl-C."""
    address = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5571"
    server_key, *keys = (os.environ.get(f"RTBCI_{whose}_KEY") for whose in ("SERVER", "PUBLIC", "SECRET"))
    with Listener(address, ("prediction", "event"), server_key=server_key, keys=keys) as listener:
        is_silent = False
        while True:
            try:
                topic, message = listener.receive()
            except TimeoutError as nothing:
                if not is_silent:  # said once; a run that comes is heard
                    print(nothing, file=sys.stderr, flush=True)
                is_silent = True
                continue
            is_silent = False
            if topic == "event":
                print("event", message["kind"], message["value"], flush=True)
                continue
            pairs = zip(message["classes"], message["probs"] or [], strict=False)
            probs = " ".join(f"{label}={prob:.2f}" for label, prob in pairs)
            outcome = message["decision"] or f"({message['why']})"
            print(f"{outcome:18} {probs}  lost {listener.lost['prediction']}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
