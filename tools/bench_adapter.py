"""rtbci in a harness that times streaming runtimes: one JSON argument, predictions over ZMQ, until SIGTERM.

    python tools/bench_adapter.py '{"stream": "s1", "channels": 22, "fs": 250, "factor": 2, "low": 4, "high": 40,
        "order": 4, "win": 250, "step": 12, "model": "model.onnx", "pub": "tcp://127.0.0.1:5661"}'

It is `rtbci run` itself: LSL source, acquisition thread, stages, an engine given by path, outbox, ZMQ publisher.
What it adds is two fields in each prediction that the harness reads (`t_window_end`, `probs` without warm-up).
``"rehearse": false`` in the argument switches `engine.rehearse` off.
"""

import json
import sys
import tempfile
import threading
from pathlib import Path

import msgspec
import zmq

from rtbci.commands.run import lsl_factory
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.publish.messages import Message, Prediction
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun

ENGINE = """
schema = 1
name = "bench"
kind = "window"
onnx = {model}
[input]
name = "x"
n_channels = {channels}
rate_hz = {rate}
n_samples = {win}
[output]
name = "probs"
meaning = "probs"
shape = [4]
"""

PARADIGM = """
schema = 1
name = "bench"
classes = ["c0", "c1", "c2", "c3"]
[input]
channels = {labels}
unit_check = false
[[stages]]
kind = "bandpass"
low_hz = {low}
high_hz = {high}
order = {order}
[[stages]]
kind = "decimate"
factor = {factor}
[window]
length_s = {length_s}
hop_s = {hop_s}
[[branches]]
name = "window"
kind = "window"
engine = "../engine"
"""


class HarnessSink:
    """Publishes every prediction that has probabilities, with the harness's own field added."""

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.PUB)
        try:
            self._socket.bind(address)
        except zmq.ZMQError:
            self.close()
            raise
        self._encoder = msgspec.json.Encoder()

    def send(self, message: Message) -> None:
        """Send a prediction as two frames, topic and payload."""
        if isinstance(message, Prediction) and message.probs is not None:
            payload = self._encoder.encode(message)
            self._socket.send(b"prediction", zmq.NOBLOCK | zmq.SNDMORE)
            self._socket.send(b'%s,"t_window_end":%r}' % (payload[:-1], message.t_window[1]), zmq.NOBLOCK)

    def poll(self) -> bool:
        """Nobody needs a hello."""
        return False

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(0)
        self._context.term()  # only then is the address free


def write_recipes(folder: Path, cfg: dict[str, object]) -> Path:
    """Write the harness's job as an engine and a paradigm; return the paradigm's folder."""
    channels, factor, fs = int(str(cfg["channels"])), int(str(cfg["factor"])), float(str(cfg["fs"]))
    rate = fs / factor
    (folder / "engine").mkdir()
    (folder / "paradigm").mkdir()
    model = json.dumps(str(Path(str(cfg["model"])).resolve()))
    engine = ENGINE.format(model=model, channels=channels, rate=rate, win=cfg["win"])
    (folder / "engine" / "recipe.toml").write_text(engine)
    win, step = int(str(cfg["win"])), int(str(cfg["step"]))
    labels = [f"c{i:04d}" for i in range(channels)]
    settings = {key: cfg[key] for key in ("low", "high", "order", "factor")}
    paradigm = PARADIGM.format(labels=json.dumps(labels), length_s=win / rate, hop_s=step / rate, **settings)
    (folder / "paradigm" / "recipe.toml").write_text(paradigm)
    return folder / "paradigm"


def main() -> None:
    """Run until SIGTERM."""
    cfg = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, stop_on_signals() as stop:
        run(cfg, Path(folder), stop)


def run(cfg: dict[str, object], folder: Path, stop: threading.Event) -> None:
    """Decode the harness's stream."""
    paradigm = str(write_recipes(folder, cfg))
    config = RunConfig.model_validate(
        {
            "paradigm": paradigm,
            "stream": {"name": cfg["stream"], "markers": "none"},
            "engine": {"rehearse": cfg.get("rehearse", True)},
        }
    )
    sink = HarnessSink(str(cfg["pub"]))
    with Decoder(paradigm) as decoder:
        LiveRun(config, decoder, lsl_factory(config), [sink]).run(stop)


if __name__ == "__main__":
    main()
