"""Whether a network survives a lower precision, without the GPU that it is for.

ONNX's reference evaluator computes every step in the type that the graph names. ONNX Runtime is no judge of that: on
the CPU it takes pairs of casts out and computes in float32.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rtbci.backends.gate import WindowRow, compare_windows, open_reference, tolerance_of
from rtbci.backends.gate_windows import gate_windows
from rtbci.backends.golden import run_each
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe, Precision
from rtbci.stages.stage import Float32Array

__all__ = ["check_lowered"]

N_OF_EACH = 2
"""Windows of each kind: light takes 0.3 s for each."""


def check_lowered(model: bytes, recipe: EngineRecipe, precision: Precision) -> list[WindowRow]:
    """Compare a lowered network with the reference on a few of the gate's windows.

    Parameters
    ----------
    model : bytes
        ONNX file, as `rtbci.backends.precision.lower_precision` gives it.
    recipe : EngineRecipe
        Of the network.
    precision : str
        What it was lowered to.

    Raises
    ------
    EngineError
        When it cannot be computed.
    """
    allowed = tolerance_of(recipe, precision)
    reference = open_reference(recipe)
    try:
        windows = {kind: x[-N_OF_EACH:] for kind, x in gate_windows(recipe, reference.input_shape).items()}
        wanted = {kind: run_each(reference, x) for kind, x in windows.items()}
    finally:
        reference.close()
    got = _evaluate(model, windows)
    return [compare_windows(kind, got[kind], wanted[kind], allowed) for kind in windows]


def _evaluate(model: bytes, windows: Mapping[str, Float32Array]) -> dict[str, Float32Array]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    try:
        loaded = onnx.load_model_from_string(model)
        evaluator: Any = ReferenceEvaluator(loaded)
        name = loaded.graph.input[0].name
        with np.errstate(all="ignore"):  # an overflow shows in the numbers
            return {
                kind: np.concatenate(
                    [np.asarray(evaluator.run(None, {name: one[None]})[0], np.float32) for one in x]
                )
                for kind, x in windows.items()
            }
    except Exception as error:  # the evaluator's own, of an operator that it lacks or cannot do in this type
        raise EngineError(
            f"lowered network: ONNX's reference cannot compute it ({type(error).__name__}: {error}); "
            "check the engine where the GPU is"
        ) from error
