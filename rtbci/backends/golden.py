"""Whether an engine still gives the numbers that it gave when it was made."""

import numpy as np
from safetensors.numpy import load_file

from rtbci.backends.plugin_session import open_plugin
from rtbci.backends.registry import open_session
from rtbci.backends.session import Session
from rtbci.clock import now
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe
from rtbci.stages.stage import Float32Array

__all__ = ["check_golden", "golden_difference", "read_golden", "run_each"]

N_TIMED = 20
MAX_ABS = 1e-5
"""Where a recipe says nothing of fp32."""


def golden_difference(recipe: EngineRecipe) -> tuple[float, float, float]:
    """Run an engine on its golden input, by ONNX Runtime; a plug-in runs as itself.

    Parameters
    ----------
    recipe : EngineRecipe
        Must name golden numbers.

    Returns
    -------
    difference : float
        Largest absolute difference from the golden output.
    tolerance : float
        What the recipe allows in fp32.
    took_ms : float
        Median time of one run at batch 1, in milliseconds.

    Raises
    ------
    EngineError
        When the recipe has no golden numbers or they cannot be read.
    """
    golden = _load(recipe)
    if golden is None:
        raise EngineError(f"{recipe.folder}: names no golden numbers, need them for a check; export it again")
    session = open_plugin(recipe) if recipe.plugin else open_session(recipe.onnx_path, "onnxruntime")
    try:
        difference = _difference(session, *golden)
        took_ms = [_timed_ms(session.run, golden[0][:1]) for _ in range(N_TIMED)]
    finally:
        session.close()
    return difference, _allowed(recipe), float(np.median(took_ms))


def check_golden(session: Session, recipe: EngineRecipe) -> None:
    """Refuse a session that does not give its recipe's golden output, which is torch's; a few milliseconds.

    Raises
    ------
    EngineError
        When it does not, or the golden numbers cannot be read. A recipe without golden numbers is not checked.
    """
    golden = _load(recipe)
    if golden is None:
        return
    difference = _difference(session, *golden)
    if not difference <= _allowed(recipe):  # not-a-number too
        raise EngineError(
            f"engine '{recipe.name}': on {session.backend} its golden output differs by {difference:.2g}, need at most "
            f"{_allowed(recipe):g}; `rtbci engine check {recipe.option}` shows all numbers"
        )


def read_golden(recipe: EngineRecipe) -> tuple[Float32Array, Float32Array] | None:
    """Golden input and output, shapes (n, ...); None when the recipe has none.

    Raises
    ------
    EngineError
        When they cannot be read, or one is not finite.
    """
    golden = _load(recipe)
    if golden is None:
        return None
    x, y = golden
    if len(x) != len(y) or not len(x) or not np.isfinite(x).all() or not np.isfinite(y).all():
        raise EngineError(
            f"{recipe.folder / (recipe.golden or '')}: {len(x)} inputs and {len(y)} outputs, need as many, finite; "
            "install it again"
        )
    return x, y


def run_each(session: Session, x: Float32Array) -> Float32Array:
    """Outputs of single calls, shape (n, ...): how a stream uses a session."""
    return np.concatenate([session.run(np.ascontiguousarray(one[np.newaxis])).copy() for one in x])


def _difference(session: Session, x: Float32Array, wanted: Float32Array) -> float:
    """Largest absolute difference of a session's outputs from those that are wanted."""
    return float(np.abs(run_each(session, x).reshape(wanted.shape) - wanted).max())


def _timed_ms(run, x) -> float:  # type: ignore[no-untyped-def]
    t_start = now()
    run(x)
    return 1e3 * (now() - t_start)


def _allowed(recipe: EngineRecipe) -> float:
    allowed = recipe.tolerance.get("fp32")
    return MAX_ABS if allowed is None else allowed.max_abs


def _load(recipe: EngineRecipe) -> tuple[Float32Array, Float32Array] | None:
    """As they stand in the file: who compares with them finds out what is not finite."""
    if recipe.golden is None:
        return None
    path = recipe.folder / recipe.golden
    try:
        golden = load_file(path)
        return golden["input"], golden["output"]
    except Exception as error:  # OSError, KeyError, or the file format's own
        raise EngineError(
            f"{path}: cannot be read ({error}), need golden numbers; install it again"
        ) from None
