"""How a decoder opens its engines: quickly on ONNX Runtime, through the gate on anything else."""

from collections.abc import Callable

from rtbci.backends.golden import check_golden
from rtbci.backends.plugin_session import open_plugin
from rtbci.backends.registry import open_session
from rtbci.backends.session import Session
from rtbci.recipes import EngineRecipe

__all__ = ["FIRST_BACKEND", "Opener", "open_checked"]

FIRST_BACKEND = "onnxruntime"
"""What every run starts on: it is always there and opens at once."""

Opener = Callable[[EngineRecipe, str, int], Session]
"""Opens a recipe's engine on a back end with a number of threads."""


def _silent(_line: str) -> None:
    """Tell nobody."""


def open_checked(
    recipe: EngineRecipe,
    backend: str,
    n_threads: int,
    *,
    precision: str = "auto",
    told: Callable[[str], None] = _silent,
) -> Session:
    """Open an engine that gives the right numbers.

    Parameters
    ----------
    recipe : EngineRecipe
    backend : str
        A name in `rtbci.backends.registry.BACKENDS`, or ``"auto"``.
    n_threads : int
        Threads of one call, on the CPU.
    precision : str
        See `rtbci.backends.open_engine.EngineRequest`.
    told : callable
        Gets a sentence about everything that takes long.

    Raises
    ------
    RtbciError
        When it cannot be opened there, or does not pass.

    Notes
    -----
    ONNX Runtime is held to the recipe's golden numbers, which are torch's: a few milliseconds at each start. All else
    passes the gate, which takes seconds once and imports much; see `rtbci.backends.open_engine`. There is no fallback:
    who names a back end here, to calibrate or to evaluate, gets it or an error. A plug-in runs as itself whatever is named.
    """
    if recipe.plugin:
        return _checked(open_plugin(recipe, n_threads), recipe)
    if backend != FIRST_BACKEND:
        from rtbci.backends.open_engine import EngineRequest, open_engine

        return open_engine(recipe, EngineRequest(backend, precision, n_threads, fallback=False), told)
    return _checked(open_session(recipe.onnx_path, backend, n_threads), recipe)


def _checked(session: Session, recipe: EngineRecipe) -> Session:
    """The session, once it has given its recipe's golden output."""
    try:
        check_golden(session, recipe)
    except BaseException:
        session.close()
        raise
    return session
