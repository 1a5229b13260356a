"""A decoder small enough for any test: an ONNX engine written on the spot, its paradigm, streams for it.

The engine compares log powers: class i is the more probable, the stronger channel i is against the others.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from rtbci.probe.profile import BranchEntry, Profile, chain_hash, write_profile
from rtbci.publish.messages import Event, Message, Prediction, Status
from rtbci.recipes import read_engine, read_paradigm
from rtbci.stream.source import Channel, Chunk, FloatArray, Marker, StreamInfo

__all__ = [
    "ALIGNED",
    "CLASSES",
    "HOP_S",
    "LABELS",
    "RATE_HZ",
    "WINDOW_S",
    "Kept",
    "MemorySource",
    "check_same",
    "chunks_of",
    "eeg",
    "stream_info",
    "write_engine",
    "write_paradigm",
    "write_tiny_profile",
]

LABELS = ("C3", "CZ", "C4")
CLASSES = ("left_hand", "right_hand")
RATE_HZ = 128.0
WINDOW_S = 0.5
HOP_S = 0.0625

ENGINE = """
schema = 1
name = "tiny"
kind = "window"
onnx = "engine.onnx"
[input]
name = "x"
n_channels = {n_channels}
rate_hz = {rate_hz}
n_samples = {n_samples}
[output]
name = "y"
meaning = {meaning}
shape = [{n_classes}]
"""

STAGES = """
[[stages]]
kind = "bandpass"
low_hz = 8.0
high_hz = 30.0
[[stages]]
kind = "resample"
rate_hz = {rate_hz}
"""
ALIGNED = (
    STAGES.format(rate_hz=RATE_HZ)
    + """
[[stages]]
kind = "align"
"""
)
"""The usual stages, and alignment."""

PARADIGM = """
schema = 1
name = "tiny"
classes = {classes}
{population}
[input]
channels = {channels}
unit_check = {unit_check}
{stages}
[window]
policy = {policy}
length_s = {window_s}
hop_s = {hop_s}
t_min_s = {t_min_s}
[[branches]]
name = "window"
kind = "window"
engine = {engine}
[decision]
threshold = 0.5
dwell_s = 0.0
refractory_s = 0.0
smoothing_s = 0.0
[markers]
left_hand = ["left", "T1"]
right_hand = ["right", "T2"]
"""


def write_engine(
    folder: Path,
    *,
    n_channels: int = len(LABELS),
    n_samples: int = round(WINDOW_S * RATE_HZ),
    rate_hz: float = RATE_HZ,
    meaning: str = "probs",
    gain: float = 1.0,
) -> Path:
    """Write an engine (n_channels, n_samples) -> 2 classes and its recipe; return its folder.

    Logit of class 0 is the log power of the first channel, of class 1 that of the last, times `gain`.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    n_classes = len(CLASSES)
    weight = np.zeros((n_channels, n_classes), np.float32)
    weight[0, 0] = weight[-1, 1] = gain
    constants = {
        "weight": weight,
        "floor": np.array([1e-6], np.float32),
        "axis": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "axis"], ["power"], keepdims=0),
        helper.make_node("Add", ["power", "floor"], ["above"]),
        helper.make_node("Log", ["above"], ["log"]),
        helper.make_node("MatMul", ["log", "weight"], ["logits"]),
        helper.make_node("Softmax" if meaning == "probs" else "Identity", ["logits"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, n_channels, n_samples])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, n_classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "engine.onnx"))
    settings = {"n_channels": n_channels, "n_samples": n_samples, "rate_hz": rate_hz, "n_classes": n_classes}
    (folder / "recipe.toml").write_text(ENGINE.format(meaning=json.dumps(meaning), **settings))
    return folder


def write_paradigm(
    folder: Path,
    *,
    labels: Sequence[str] = LABELS,
    rate_hz: float = RATE_HZ,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
    policy: str = "sliding",
    t_min_s: float = 0.0,
    stages: str | None = None,
    unit_check: bool = True,
    population: str = "",
    meaning: str = "probs",
) -> Path:
    """Write ``engine/`` and ``paradigm/`` below `folder`; return the paradigm's folder.

    `stages` replaces the band-pass from 8 to 30 Hz and the resampling to `rate_hz`.
    """
    n_samples = round(window_s * rate_hz)
    write_engine(
        folder / "engine", n_channels=len(labels), n_samples=n_samples, rate_hz=rate_hz, meaning=meaning
    )
    text = PARADIGM.format(
        classes=json.dumps(CLASSES),
        population=f"population = {json.dumps(population)}" if population else "",
        channels=json.dumps(labels),
        unit_check=json.dumps(unit_check),
        stages=STAGES.format(rate_hz=rate_hz) if stages is None else stages,
        policy=json.dumps(policy),
        window_s=window_s,
        hop_s=hop_s,
        t_min_s=t_min_s,
        engine=json.dumps("../engine"),
    )
    (folder / "paradigm").mkdir(parents=True)
    (folder / "paradigm" / "recipe.toml").write_text(text)
    return folder / "paradigm"


def write_tiny_profile(folder: Path, paradigm: Path, *, user: str = "ada", weight: float = -1.0) -> Path:
    """Write a profile for a paradigm of `write_paradigm`; the default weight turns every answer round."""
    recipe = read_paradigm(str(paradigm))
    engine = read_engine("../engine", recipe.folder)
    rate_hz = engine.input.rate_hz
    profile = Profile(
        user=user,
        paradigm=recipe.name,
        classes=list(recipe.classes),
        channels=list(recipe.input.channels),
        rate_hz=rate_hz,
        window_samples=engine.input.n_samples,
        hop_samples=round(recipe.window.hop_s * rate_hz),
        branches=[BranchEntry(name="window", kind="window", engine="tiny", weight=weight)],
        bias=[0.0] * len(recipe.classes),
        chain_hash=chain_hash([stage.model_dump() for stage in recipe.stages]),
        generation=1,
        weights={"window.scale": np.ones(1)},
    )
    write_profile(folder, profile)
    return folder


def eeg(n_samples: int, n_channels: int = len(LABELS), rate_hz: float = 250.0, seed: int = 0) -> FloatArray:
    """Alpha whose strength wanders from channel to channel, and noise; microvolts, (n_samples, n_channels)."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(n_samples)[:, None] / rate_hz
    turn = 0.5 + 0.5 * np.sin(2 * np.pi * (0.3 * t_s + np.arange(n_channels) / n_channels))
    alpha = 20.0 * turn * np.sin(2 * np.pi * 10.0 * t_s + np.arange(n_channels))
    return np.asarray(alpha + 5.0 * rng.standard_normal((n_samples, n_channels)))


def check_same(probs: FloatArray | None, wanted: FloatArray | None, atol: float = 1e-9) -> None:
    """Both missing, or both the same within a tolerance."""
    assert (probs is None) == (wanted is None)
    if probs is not None and wanted is not None:
        np.testing.assert_allclose(probs, wanted, rtol=0.0, atol=atol)


def stream_info(
    labels: Sequence[str] = LABELS, rate_hz: float = 250.0, *, unit: str = "microvolts", name: str = "tiny"
) -> StreamInfo:
    """Metadata of a stream of EEG."""
    return StreamInfo(name, f"{name}-id", rate_hz, tuple(Channel(label, unit) for label in labels))


def chunks_of(data: FloatArray, t_lsl: FloatArray, n_chunk: int) -> Iterator[Chunk]:
    """Cut a signal into chunks."""
    for i in range(0, len(data), n_chunk):
        yield Chunk(data[i : i + n_chunk], t_lsl[i : i + n_chunk])


class MemorySource:
    """Gives the chunks that it was given, then ends or raises; a `Source`.

    Parameters
    ----------
    info : StreamInfo
        Metadata.
    items : iterable
        Chunks; markers, which come with the next chunk; functions, which are called in the acquisition's
        thread; exceptions, which are raised. A recording's end when there is no more.
    """

    def __init__(
        self, info: StreamInfo, items: Iterable[Chunk | Marker | Exception | Callable[[], object]]
    ) -> None:
        self._info, self._items = info, iter(items)
        self._markers: list[Marker] = []
        self.n_opened = 0

    @property
    def info(self) -> StreamInfo:
        return self._info

    def open(self) -> None:
        self.n_opened += 1

    def close(self) -> None:
        pass

    def pull(self, timeout_s: float) -> Chunk:
        for item in self._items:
            if isinstance(item, Chunk):
                return Chunk(item.data.copy(), item.t_lsl.copy())
            if isinstance(item, Marker):
                self._markers.append(item)
            elif isinstance(item, Exception):
                raise item
            else:
                item()
        raise EOFError("MemorySource: ended")

    def pull_markers(self) -> list[Marker]:
        taken, self._markers = self._markers, []
        return taken

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Kept:
    """A sink that keeps every message."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.is_closed = False

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def poll(self) -> bool:
        return False

    def close(self) -> None:
        self.is_closed = True

    @property
    def predictions(self) -> list[Prediction]:
        return [one for one in list(self.messages) if isinstance(one, Prediction)]

    @property
    def statuses(self) -> list[Status]:
        return [one for one in list(self.messages) if isinstance(one, Status)]

    @property
    def states(self) -> list[str]:
        """Each state once, in the order in which it was entered."""
        states = [status.state for status in self.statuses]
        return [state for i, state in enumerate(states) if not i or state != states[i - 1]]

    def events(self, kind: str) -> list[Event]:
        return [one for one in list(self.messages) if isinstance(one, Event) and one.kind == kind]
