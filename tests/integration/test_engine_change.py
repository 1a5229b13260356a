"""A run that changes from ONNX Runtime to OpenVINO for real: a child process, the gate, the exchange between two hops."""

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.client import Client
from rtbci.config import RunConfig
from rtbci.installing import pip_extra
from rtbci.publish.messages import Prediction
from rtbci.recipes import read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import EngineChange
from rtbci.runtime.engine_process import EngineProcess, import_backend
from rtbci.runtime.live import LiveRun
from rtbci.stream.source import Chunk, FloatArray, StreamInfo
from tests.data_paths import data_dir, needs_data
from tests.engine_samples import SteppedClock
from tests.integration.live_runs import PATIENCE_S, SignalOutlet, rtbci_run
from tests.tiny import Kept, MemorySource, chunks_of, write_paradigm

pytest.importorskip("openvino", reason="openvino is not installed")

pytestmark = pytest.mark.timeout(300)

BUILD_S = 180.0
SECONDS = 20.0
T_CHANGE = 8.0
MAX_PROB = 1e-5
"""Probabilities of two back ends of fp32 may differ by so much; measured: 4e-8 on a real recording."""
WRONG = """
from rtbci.backends.openvino import OpenVinoSession
run = OpenVinoSession.run
OpenVinoSession.run = lambda self, x: run(self, x) * 1.01
from rtbci.runtime.engine_child import main
main()
"""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own, so that the gate is run; once for all tests here."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def synthetic() -> tuple[StreamInfo, FloatArray, FloatArray]:
    amp = SyntheticAmp(seed=0)
    n = round(SECONDS * amp.info.rate_hz)
    data, _ = amp.generate(n)
    return amp.info, data, np.arange(n) / amp.info.rate_hz


def recorded() -> tuple[StreamInfo, FloatArray, FloatArray]:
    (recording,) = read_recordings(data_dir() / "eegmmidb" / "raw" / "S007R12.edf")
    n = round(SECONDS * recording.info.rate_hz)
    return recording.info, recording.data[:n], recording.sample_times()[:n]


def play(
    signal: tuple[StreamInfo, FloatArray, FloatArray],
    decoder: Decoder,
    clock: SteppedClock,
    change: EngineChange | None = None,
) -> Kept:
    """Replay a signal; time stands still while the change is prepared, at `T_CHANGE`."""
    info, data, t_lsl = signal
    kept = Kept()

    def items() -> Iterator[Chunk | Callable[[], object]]:
        for chunk in chunks_of(data, t_lsl, 8):
            if change is not None and chunk.t_lsl[0] <= t_lsl[0] + T_CHANGE < chunk.t_lsl[-1]:
                yield partial(change.wait, BUILD_S)
            yield lambda t=float(chunk.t_lsl[-1]): clock.reach(t)  # type: ignore[misc]
            yield chunk

    config = RunConfig.model_validate({"watch": {"max_backlog_s": 1e9, "stale_s": 100.0, "lost_s": 200.0}})
    source = MemorySource(info, items())
    run = LiveRun(config, decoder, lambda _lost: source, [kept], clock=clock, change=change)
    report = run.run(threading.Event())
    assert report[2:] == (0, 0, 0, 0, 0, False)
    assert [one.seq for one in kept.predictions] == list(range(len(kept.predictions)))
    return kept


def probs(predictions: list[Prediction]) -> FloatArray:
    return np.array([one.probs or (np.nan, np.nan) for one in predictions])


@pytest.mark.slow
@pytest.mark.parametrize("make", [synthetic, pytest.param(recorded, marks=[needs_data, pytest.mark.data])])
def test_predictions_agree_with_a_run_on_one_back_end(
    make: Callable[[], tuple[StreamInfo, FloatArray, FloatArray]],
) -> None:
    signal, recipe = make(), read_paradigm("motor_imagery")
    with Decoder(recipe) as decoder:
        plain = play(signal, decoder, SteppedClock())
    import_backend("openvino")
    clock, process = SteppedClock(), EngineProcess(recipe, "openvino")
    with Decoder(recipe) as decoder, EngineChange(decoder, process, clock) as change:
        kept = play(signal, decoder, clock, change)
        assert not kept.events("engine_refused")
        assert decoder.engine_ref.backend == "openvino"
    backends = [one.engine.backend for one in kept.predictions]
    i_change = backends.index("openvino")
    assert backends == ["onnxruntime"] * i_change + ["openvino"] * (len(backends) - i_change)
    t_change = kept.predictions[i_change].t_window[1] - kept.predictions[0].t_window[0]
    assert T_CHANGE <= t_change < T_CHANGE + 0.5
    assert [one.t_window for one in kept.predictions] == [one.t_window for one in plain.predictions]
    got, wanted = probs(kept.predictions), probs(plain.predictions)
    np.testing.assert_array_equal(got[:i_change], wanted[:i_change])
    np.testing.assert_allclose(got, wanted, rtol=0.0, atol=MAX_PROB)
    assert np.nanmax(np.abs(got[i_change:] - wanted[i_change:])) > 0.0  # it really is another one
    print(f"\n{signal[0].name}: probabilities differ by {np.nanmax(np.abs(got - wanted)):.1e}")
    assert [one.label for one in kept.predictions] == [one.label for one in plain.predictions]
    assert [e.value for e in kept.events("decision")] == [e.value for e in plain.events("decision")]


@pytest.mark.slow
def test_wrong_numbers_are_refused_by_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO, but a hundredth too much of everything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # the gate knows nothing of it yet
    signal, recipe = synthetic(), read_paradigm("motor_imagery")
    with Decoder(recipe) as decoder:
        plain = play(signal, decoder, SteppedClock())
    process = EngineProcess(recipe, "openvino", command=(sys.executable, "-c", WRONG))
    clock = SteppedClock()
    with Decoder(recipe) as decoder, EngineChange(decoder, process, clock) as change:
        kept = play(signal, decoder, clock, change)
    (event,) = kept.events("engine_refused")
    assert "openvino in fp32 on cpu does not agree with" in str(event.data["reason"])
    assert event.data["backend"] == "onnxruntime"
    assert not kept.events("engine_changed")
    np.testing.assert_array_equal(probs(kept.predictions), probs(plain.predictions))


@pytest.mark.net
@pytest.mark.slow
def test_a_run_that_waits_for_its_engine(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path / "tiny")
    with (
        SignalOutlet() as outlet,
        rtbci_run(
            "--paradigm", paradigm, "--engine", "openvino", "--wait-engine", "--source-id", outlet.source_id
        ) as run,
        Client(run.address, ("prediction",), timeout_s=PATIENCE_S) as client,
    ):
        run.wait_line("on onnxruntime, until it is ready on openvino")
        run.wait_line("engine changed: tiny")
        run.wait_line("state: running")
        prediction = client.receive()
        assert isinstance(prediction, Prediction)
        assert (prediction.engine.name, prediction.engine.backend) == ("tiny", "openvino")
        assert (prediction.engine.precision, prediction.engine.device) == ("fp32", "cpu")
        status, said = run.end()
    assert status == 0, said
    assert said.index("engine changed") < said.index("stream found")


@pytest.mark.net
def test_a_missing_package_is_told_at_the_start_with_its_install_line(tmp_path: Path) -> None:
    if find_spec("tensorrt") is not None:
        pytest.skip("tensorrt is installed")
    with rtbci_run("--paradigm", write_paradigm(tmp_path), "--engine", "tensorrt") as run:
        status, said = run.wait()
    assert status == 8
    assert pip_extra("tensorrt") in said
    assert "Traceback" not in said
