from pathlib import Path

import numpy as np
import pytest
import zmq

from rtbci.recipes import read_engine, read_paradigm
from rtbci.runtime.build import build_stages, stream_gains_uv
from rtbci.stages.stage import Chain
from rtbci.stream.layout import match_channels
from tests.tiny import stream_info
from tools.bench_adapter import HarnessSink, write_recipes

CFG: dict[str, object] = {
    "stream": "s1",
    "channels": 22,
    "fs": 250,
    "factor": 2,
    "low": 4,
    "high": 40,
    "order": 4,
    "win": 250,
    "step": 12,
    "model": "model.onnx",
    "pub": "tcp://127.0.0.1:5661",
}


def test_recipes_say_the_harness_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = read_paradigm(str(write_recipes(tmp_path, CFG)))
    engine = read_engine(recipe.branches[0].engine or "", recipe.folder)
    assert engine.onnx_path == tmp_path / "model.onnx"
    assert (engine.input.n_samples, engine.input.rate_hz, engine.output.meaning) == (250, 125.0, "probs")
    assert round(recipe.window.length_s * 125) == 250
    assert round(recipe.window.hop_s * 125) == 12
    info = stream_info(recipe.input.channels)
    channel_map = match_channels(info, recipe.input.channels)
    chain = Chain(build_stages(recipe, info, channel_map, stream_gains_uv(info), None))
    assert chain.rate_out_hz == 125.0
    from scipy.signal import butter, sosfilt, sosfilt_zi

    sos = butter(4, [4, 40], "bandpass", fs=250, output="sos")
    x = np.random.default_rng(0).standard_normal((500, 22))
    wanted, _ = sosfilt(sos, x, axis=0, zi=sosfilt_zi(sos)[:, :, None] * x[0])
    np.testing.assert_allclose(chain.push(x), wanted[1::2], atol=1e-9)


@pytest.mark.sockets
def test_its_socket_is_bound_and_freed() -> None:
    sink = HarnessSink("tcp://127.0.0.1:*")
    assert sink.poll() is False
    address = sink._socket.getsockopt_string(zmq.LAST_ENDPOINT)
    sink.close()
    again = HarnessSink(address)
    again.close()
