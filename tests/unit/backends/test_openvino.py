import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import EngineError
from rtbci.recipes import list_recipes, read_engine
from tests.unit.backends.onnx_samples import identity

pytest.importorskip("openvino", reason="openvino is not installed")

from rtbci.backends.openvino import OpenVinoSession

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
