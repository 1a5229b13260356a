"""`rtbci engine bench`: how fast an engine runs on each back end, and how much memory it takes.

Back ends take turns in short rounds, so that what slows the machine slows all of them. p50 and p99 are medians over
rounds; `best` is the median of the round that was disturbed least. Memory is measured in processes of their own.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from rtbci.backends.bench_contenders import Contender, contenders, write_random_engine
from rtbci.backends.cuda import Gpu, find_gpu
from rtbci.backends.session import Session
from rtbci.backends.timing import Timing, take_turns
from rtbci.clock import now
from rtbci.encoder.sizes import SIZES
from rtbci.errors import EngineError, RtbciError
from rtbci.recipes import EngineRecipe
from rtbci.stages.stage import Float32Array
from rtbci.versions import cpu_name, versions_of

__all__ = ["BenchPlan", "BenchResult", "BenchRow", "bench_engine"]

PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "torch",
    "cuda-bindings",
    "tensorrt_cu12_bindings",
    "tensorrt_cu13_bindings",
    "tensorrt_rtx_cu12_bindings",
    "tensorrt_rtx_cu13_bindings",
)


@dataclass(frozen=True)
class BenchPlan:
    """How long, and with which batches.

    Parameters
    ----------
    n_rounds, round_s
        Turns of each back end, and seconds of one, for a single patch and a full window.
    batches : tuple of int
        Patches (or windows) in one call, for throughput.
    batch_rounds : int
        Turns for each of `batches`.
    n_window : int
        Patches of a full window.
    n_threads : int
        Threads that one call may use, on the CPU.
    memory : bool
        Whether memory is measured, which starts a process for each back end.
    """

    n_rounds: int = 10
    round_s: float = 0.1
    batches: tuple[int, ...] = (1, 4, 16, 64, 256)
    batch_rounds: int = 2
    n_window: int = 16
    n_threads: int = 1
    memory: bool = True


class BenchRow(msgspec.Struct, frozen=True):
    """One back end.

    Parameters
    ----------
    name, backend, precision, device : str
        The contender's name, and what its session says.
    patch : Timing
        Of one patch; of one window where the engine takes whole windows.
    window : Timing or None
        Of all patches of a window in one call; None where there is no such thing or the batch is fixed.
    per_s : dict of int to float
        Patches (or windows) a second, by batch.
    open_s : float
        Seconds from nothing to an open session, imports included where this was the first to need them.
    memory_mb : float or None
        Megabytes that a process grows by, the library included.
    """

    name: str
    backend: str
    precision: str
    device: str
    patch: Timing
    window: Timing | None
    per_s: dict[int, float]
    open_s: float
    memory_mb: float | None


class BenchResult(msgspec.Struct, frozen=True):
    """Everything that was measured in one run.

    Parameters
    ----------
    engine : str
        The recipe's name, or the size whose weights were random.
    kind : str
        ``"patch"`` or ``"window"``.
    input_shape : tuple of int
        For batch 1.
    n_threads : int
    cpu : str
    n_cores : int
    versions : dict of str to str
        Of the packages that are installed.
    rows : list of BenchRow
    absent : dict of str to str
        Contenders that could not be opened, and why.
    gpu : Gpu or None
        What those ran on that did not run on the CPU.
    """

    engine: str
    kind: str
    input_shape: tuple[int, ...]
    n_threads: int
    cpu: str
    n_cores: int
    versions: dict[str, str]
    rows: list[BenchRow]
    absent: dict[str, str]
    gpu: Gpu | None = None


def bench_engine(
    engine: EngineRecipe | str,
    backends: Sequence[str] | None = None,
    plan: BenchPlan = BenchPlan(),
    *,
    precisions: Sequence[str] = (),
    others: Callable[[Path], Sequence[Contender]] | None = None,
    told: Callable[[str], None] | None = None,
) -> BenchResult:
    """Measure an engine on several back ends in one run.

    Parameters
    ----------
    engine : EngineRecipe or str
        A recipe, or the name of an encoder's size, whose weights are then random (19 electrodes).
    backends : sequence of str, optional
        See `rtbci.backends.bench_contenders.contenders`.
    plan : BenchPlan
    precisions : sequence of str
        See `rtbci.backends.bench_contenders.contenders`.
    others : callable, optional
        Gets the ONNX file, gives more contenders: engines that were built, torch on a GPU.
    told : callable, optional
        Gets one line for each thing that is measured.

    Returns
    -------
    BenchResult

    Raises
    ------
    EngineError
        When a name is unknown, or no contender can be opened.
    MissingPackageError
        When random weights are asked for without torch.
    """
    tell = told or _nobody
    with TemporaryDirectory() as folder:
        if isinstance(engine, str):
            name, kind, path = engine, "patch", write_random_engine(_size(engine), Path(folder))
        else:
            name, kind, path = engine.name, engine.kind, engine.onnx_path
        plain = contenders(path, backends, plan.n_threads, precisions)
        entered = [*plain, *(others(path) if others else ())]
        memory_mb = {one.name: _memory(one, name, tell) for one in entered if plan.memory}
        with ExitStack() as stack:
            sessions, open_s, absent = _open(entered, name, tell, stack)
            shape = _common_shape(name, sessions, absent)
            patch, window, per_s = _times(sessions, shape, kind, plan, partial(_tell_of, tell, name))
            rows = [
                BenchRow(
                    one, s.backend, s.precision, s.device, patch[one], window.get(one),
                    {n: by[one] for n, by in per_s.items() if one in by}, open_s[one], memory_mb.get(one),
                )
                for one, s in sessions.items()
            ]  # fmt: skip
    return BenchResult(
        name,
        kind,
        shape,
        plan.n_threads,
        cpu_name(),
        os.cpu_count() or 0,
        versions_of(PACKAGES),
        rows,
        absent,
        _gpu() if any(row.device != "cpu" for row in rows) else None,
    )


def _size(name: str) -> str:
    if name not in SIZES:
        raise EngineError(f"bench: got size {name!r}, need one of {', '.join(SIZES)}, or an engine's recipe")
    return name


def _gpu() -> Gpu | None:
    try:
        return find_gpu()
    except RtbciError:  # torch alone needs no cuda-bindings
        return None


def _memory(one: Contender, engine: str, tell: Callable[[str], None]) -> float | None:
    if one.memory_mb is None:
        return None
    tell(f"{engine}: memory of {one.name}")
    return one.memory_mb()


def _open(
    entered: Sequence[Contender], engine: str, tell: Callable[[str], None], stack: ExitStack
) -> tuple[dict[str, Session], dict[str, float], dict[str, str]]:
    """Sessions, seconds that opening took, and reasons, each by the contender's name."""
    sessions: dict[str, Session] = {}
    open_s: dict[str, float] = {}
    absent: dict[str, str] = {}
    for one in entered:
        t_start = now()
        try:
            session = one.open()
            stack.callback(session.close)
            tell(f"{engine}: opened {one.name}")
            session.run(_noise(session.input_shape))  # torch.compile compiles here, or cannot
        except RtbciError as error:
            absent[one.name] = str(error)
        except Exception as error:  # a compiler's own: it takes no part, the others do
            absent[one.name] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        else:
            sessions[one.name], open_s[one.name] = session, now() - t_start
    return sessions, open_s, absent


def _common_shape(engine: str, sessions: Mapping[str, Session], absent: Mapping[str, str]) -> tuple[int, ...]:
    if not sessions:
        reasons = "; ".join(f"{name}: {why}" for name, why in absent.items()) or "none was named"
        raise EngineError(f"bench: engine '{engine}' opens on no back end, need one ({reasons})")
    return next(iter(sessions.values())).input_shape


def _times(
    sessions: Mapping[str, Session],
    shape: tuple[int, ...],
    kind: str,
    plan: BenchPlan,
    tell: Callable[[str], None],
) -> tuple[dict[str, Timing], dict[str, Timing], dict[int, dict[str, float]]]:
    """Times of one patch, times of a full window, and patches a second by batch."""
    tell("one patch" if kind == "patch" else "one window")
    patch = take_turns(_calls(sessions, shape), plan.n_rounds, plan.round_s)
    window: dict[str, Timing] = {}
    if kind == "patch":
        tell("a full window")
        window = take_turns(_calls(sessions, (plan.n_window, *shape[1:])), plan.n_rounds, plan.round_s)
    per_s: dict[int, dict[str, float]] = {}
    for n in plan.batches:
        tell(f"batch {n}")
        turns = take_turns(_calls(sessions, (n, *shape[1:])), plan.batch_rounds, plan.round_s)
        per_s[n] = {name: 1e3 * n / timing.p50_ms for name, timing in turns.items()}
    return patch, window, per_s


def _calls(sessions: Mapping[str, Session], shape: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """Calls by name of the sessions that take this batch."""
    x = _noise(shape)
    calls: dict[str, Callable[[], object]] = {}
    for name, session in sessions.items():
        try:
            session.run(x)
        except EngineError:  # a fixed batch, or one that is larger than what was built
            continue
        calls[name] = partial(session.run, x)
    return calls


def _noise(shape: tuple[int, ...]) -> Float32Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _tell_of(tell: Callable[[str], None], engine: str, what: str) -> None:
    tell(f"{engine}: {what}")


def _nobody(_line: str) -> None:
    """Tell nobody."""
