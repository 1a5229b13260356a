import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import EngineError
from rtbci.recipes import list_recipes, read_engine
from tests.unit.backends.onnx_samples import identity

pytest.importorskip("openvino", reason="openvino is not installed")

from rtbci.backends.openvino import OpenVinoSession, why_no_bf16
from rtbci.backends.precision import lower_precision
from tools.precision_table import run_emulated

SHIPPED = [read_engine(name).onnx_path for name in list_recipes("engines")]


def test_a_fixed_batch_stays_fixed() -> None:
    session = OpenVinoSession(identity([2, 3]))
    assert (session.input_shape, session.output_shape) == ((2, 3), (2, 3))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(session.run(x), x)
    with pytest.raises(EngineError, match=re.escape("input is (1, 3) float32, need (2, 3) float32")):
        session.run(x[:1])


def test_result_is_not_overwritten_by_the_next_call() -> None:
    session = OpenVinoSession(identity(["batch", 3]))
    first = session.run(np.ones((1, 3), np.float32))
    session.run(np.zeros((1, 3), np.float32))
    assert np.array_equal(first, np.ones((1, 3)))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_shipped_engines_survive_being_compiled(path: Path, n_threads: int) -> None:
    # In another process: what this guards against is a compiler that ends the process.
    code = (
        "from rtbci.backends.openvino import OpenVinoSession; "
        f"print(OpenVinoSession({str(path)!r}, {n_threads}).output_shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["dare_nano", "dare_light"])
def test_bf16_is_what_the_lowered_graph_says(name: str) -> None:
    if why := why_no_bf16():
        pytest.skip(why)
    data = read_engine(name).onnx_path.read_bytes()
    lowered = lower_precision(data, "bf16")
    plain, low = OpenVinoSession(data), OpenVinoSession(data, precision="bf16")
    assert (plain.precision, plain.engine_id, plain.network_id) == ("fp32", *[sha256(data).hexdigest()] * 2)
    assert (low.precision, low.engine_id) == ("bf16", sha256(lowered).hexdigest())
    assert low.network_id == plain.network_id
    x = np.random.default_rng(0).standard_normal((5, *low.input_shape[1:])).astype(np.float32)
    exact, single = plain.run(x), np.concatenate([low.run(one[None]) for one in x])
    step_by_step = np.concatenate([run_emulated(lowered, one[None]) for one in x])
    rounding = np.abs(step_by_step - exact).max()
    # Really in bf16, no further off than the graph computed step by step, and a patch's numbers are its own.
    assert rounding / 10 < np.abs(single - exact).max() < 3 * rounding
    np.testing.assert_array_equal(low.run(x), single)


def test_a_precision_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbci.backends.openvino.why_no_bf16", lambda: "this processor has none")
    with pytest.raises(EngineError, match="this processor has none; take fp32"):
        OpenVinoSession(identity([2, 3]), precision="bf16")
    with pytest.raises(EngineError, match="openvino computes in fp32 or bf16, got fp16; take fp32"):
        OpenVinoSession(identity([2, 3]), precision="fp16")
