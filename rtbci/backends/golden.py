"""Whether an engine still gives the numbers that it gave when it was made."""

import numpy as np
from safetensors.numpy import load_file

from rtbci.backends.registry import open_session
from rtbci.clock import now
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe

__all__ = ["golden_difference"]

N_TIMED = 20


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
    try:
        golden = load_file(recipe.folder / recipe.golden)
        inputs, wanted = golden["input"], golden["output"]
    except (OSError, KeyError, ValueError) as error:
        raise EngineError(
            f"{recipe.folder / recipe.golden}: cannot be read ({error}); install it again"
        ) from None
    session = open_session(recipe.onnx_path, backend)
    try:
        got = np.concatenate([session.run(np.ascontiguousarray(one[None])).copy() for one in inputs])
        took_ms = [_timed_ms(session.run, inputs[:1]) for _ in range(N_TIMED)]
    finally:
        session.close()
    difference = float(np.abs(got.reshape(wanted.shape) - wanted).max())
    allowed = recipe.tolerance.get("fp32")
    return difference, 1e-5 if allowed is None else allowed.max_abs, float(np.median(took_ms))


def _timed_ms(run, x) -> float:  # type: ignore[no-untyped-def]
    t_start = now()
    run(x)
    return 1e3 * (now() - t_start)
