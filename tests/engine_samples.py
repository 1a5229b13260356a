"""Engines for tests of changes during a run: a back end of memory, and who prepares it when the test says so."""

import threading
from collections.abc import Callable

from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.session import Session
from rtbci.errors import EngineError, RtbciError
from rtbci.recipes import EngineRecipe, Precision
from rtbci.runtime.engine_change import PreparedEngine, Told
from rtbci.stages.stage import Float32Array

__all__ = ["CompiledSession", "HeldPreparer", "SteppedClock"]

BACKEND = "compiled"


class SteppedClock:
    """Time that passes when somebody says so, in seconds."""

    def __init__(self, t_now: float = 0.0) -> None:
        self.t_now = t_now

    def __call__(self) -> float:
        return self.t_now

    def spend(self, seconds: float) -> None:
        self.t_now += seconds

    def reach(self, t: float) -> None:
        """It is at least this late now; later when somebody was busy until then."""
        self.t_now = max(self.t_now, t)


class CompiledSession:
    """The recipe's network on a stand-in for a compiled back end.

    Parameters
    ----------
    recipe : EngineRecipe
        Computed by ONNX Runtime behind it, `gain` times.
    spend : callable
        Told how long a run takes, in seconds: `first_s` for the first, `run_s` for the others.
    """

    backend = BACKEND
    precision: Precision = "fp16"
    device = "memory"

    def __init__(
        self,
        recipe: EngineRecipe,
        spend: Callable[[float], None] = lambda _s: None,
        *,
        first_s: float = 0.0,
        run_s: float = 0.0,
        gain: float = 1.0,
    ) -> None:
        self._inner = OrtSession(recipe.onnx_path)
        self.network_id, self.engine_id = self._inner.network_id, "c0de" * 16
        self.input_shape, self.output_shape = self._inner.input_shape, self._inner.output_shape
        self._spend, self._first_s, self._run_s, self._gain = spend, first_s, run_s, gain
        self.error: Exception | None = None
        self.n_runs = 0
        self.is_closed = False

    def run(self, x: Float32Array) -> Float32Array:
        if self.error is not None:
            raise self.error
        self._spend(self._run_s if self.n_runs else self._first_s)
        self.n_runs += 1
        y: Float32Array = self._inner.run(x) * self._gain
        return y

    def close(self) -> None:
        self.is_closed = True
        self._inner.close()


class HeldPreparer:
    """Prepares when it is let go; an `EnginePreparer`.

    Parameters
    ----------
    make : callable
        Makes the session, or raises.
    why_other : str
        As in `PreparedEngine`.
    """

    def __init__(self, make: Callable[[EngineRecipe], Session], why_other: str = "") -> None:
        self._make, self._why_other = make, why_other
        self.let_go, self.began = threading.Event(), threading.Event()
        self.error: RtbciError | None = None
        self.sessions: list[Session] = []
        self.is_stopped = False

    def prepare(self, recipe: EngineRecipe, told: Told) -> PreparedEngine:
        told(f"building {recipe.name}")
        self.began.set()
        self.let_go.wait()
        if self.is_stopped:
            raise EngineError("stopped")
        if self.error is not None:
            raise self.error
        self.sessions.append(self._make(recipe))
        session = self.sessions[-1]
        backend, precision, engine_id = session.backend, session.precision, session.engine_id
        return PreparedEngine(backend, precision, engine_id, why_other=self._why_other)

    def open(self, recipe: EngineRecipe, prepared: PreparedEngine) -> Session:
        return self.sessions[-1]

    def stop(self) -> None:
        self.is_stopped = True
        self.let_go.set()
