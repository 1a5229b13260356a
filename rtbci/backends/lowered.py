"""Networks that the CPU runs in 16 bits: lowered beside a run, and kept, so that the run only has to open them."""

from rtbci.backends.cache import EngineCache
from rtbci.backends.cache_entry import EngineKey
from rtbci.backends.openvino import OpenVinoSession
from rtbci.backends.session import Session
from rtbci.backends.usable import version_of
from rtbci.recipes import EngineRecipe
from rtbci.versions import cpu_name

__all__ = ["keep_lowered", "open_lowered"]


def keep_lowered(session: OpenVinoSession, recipe: EngineRecipe, cache: EngineCache) -> EngineKey:
    """Keep the file that a session runs in the cache of engines; returns what it is found by.

    Lowering, which the session has done, takes 0.02 s (dare_nano) to 1 s (deep) during which nothing else of Python runs:
    too long beside decisions.
    """
    key = EngineKey(
        network_id=session.network_id,
        graph_id=session.engine_id,
        precision=session.precision,
        max_batch=recipe.max_batch,
        fixed_batch=False,
        backend=session.backend,
        backend_version=version_of(session.backend),
        device=cpu_name(),
        targets=(),
        driver="",
    )
    cache.build(key, lambda: session.network, recipe.name)
    return key


def open_lowered(data: bytes, key: EngineKey, n_threads: int) -> Session:
    """Open a file that `keep_lowered` kept.

    Raises
    ------
    EngineError
        When it cannot be run here.
    """
    return OpenVinoSession(data, n_threads, key.precision, key.network_id)
