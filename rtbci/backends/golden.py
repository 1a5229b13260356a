"""Whether an engine still gives the numbers that it gave when it was made."""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from rtbci.backends.registry import open_session
from rtbci.backends.session import Float32Array, Session
from rtbci.clock import now
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe

__all__ = ["check_golden", "golden_difference"]

N_TIMED = 20
MAX_ABS = 1e-5
"""Where a recipe says nothing of fp32."""


def golden_difference(recipe: EngineRecipe, backend: str = "onnxruntime") -> tuple[float, float, float]:
    """Run an engine on its golden input.

    Parameters
    ----------
    recipe : EngineRecipe
        Must name golden numbers.
    backend : str
        See `rtbci.backends.registry.open_session`.

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
    if recipe.golden is None:
        raise EngineError(f"{recipe.folder}: names no golden numbers, need them for a check; export it again")
    inputs, wanted = _read(recipe)
    session = open_session(recipe.onnx_path, backend)
    try:
        got = np.concatenate([session.run(np.ascontiguousarray(one[None])).copy() for one in inputs])
        took_ms = [_timed_ms(session.run, inputs[:1]) for _ in range(N_TIMED)]
    finally:
        session.close()
    difference = float(np.abs(got.reshape(wanted.shape) - wanted).max())
    return difference, _allowed(recipe), float(np.median(took_ms))


def check_golden(session: Session, recipe: EngineRecipe) -> None:
    """Refuse a session that does not give its recipe's golden output, which is torch's; a few milliseconds.

    Raises
    ------
    EngineError
        When it does not, or the golden numbers cannot be read. A recipe without golden numbers is not checked.
    """
    if recipe.golden is None:
        return
    inputs, wanted = _read(recipe)
    got = np.concatenate([session.run(np.ascontiguousarray(one[None])).copy() for one in inputs])
    difference = float(np.abs(got.reshape(wanted.shape) - wanted).max())
    if not difference <= _allowed(recipe):  # not-a-number too
        raise EngineError(
            f"engine '{recipe.name}': on {session.backend} its golden output differs by {difference:.2g}, need at most "
            f"{_allowed(recipe):g}; `rtbci engine check {recipe.name}` shows all numbers"
        )


def _timed_ms(run, x) -> float:  # type: ignore[no-untyped-def]
    t_start = now()
    run(x)
    return 1e3 * (now() - t_start)


def _allowed(recipe: EngineRecipe) -> float:
    allowed = recipe.tolerance.get("fp32")
    return MAX_ABS if allowed is None else allowed.max_abs


def _read(recipe: EngineRecipe) -> tuple[Float32Array, Float32Array]:
    path = recipe.folder / (recipe.golden or "")
    try:
        golden = load_file(path)
        return golden["input"], golden["output"]
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise EngineError(f"{path}: cannot be read ({error}); install it again") from None
