"""Whether a session gives the numbers of the reference: no engine is used before it does.

The reference is torch in fp32 where torch and the checkpoint are at hand, else ONNX Runtime on the CPU. A recipe's
golden numbers, which are torch's, count beside either. What both get are the windows of
`rtbci.backends.gate_windows`; what a decision depends on is compared by `rtbci.runtime.engine_gate`.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

import msgspec
import numpy as np

from rtbci.backends.gate_windows import gate_windows
from rtbci.backends.golden import read_golden, run_each
from rtbci.backends.plugin_session import open_plugin
from rtbci.backends.registry import open_session
from rtbci.backends.session import Session
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe, Precision, Tolerance
from rtbci.stages.stage import Float32Array
from rtbci.stream.source import FloatArray

__all__ = [
    "DEFAULT_TOLERANCE",
    "DecisionRow",
    "GateReport",
    "WindowRow",
    "check_session",
    "compare_windows",
    "has_torch_weights",
    "open_reference",
    "reference_name",
    "tolerance_of",
]

DEFAULT_TOLERANCE: Mapping[Precision, Tolerance] = {
    "fp32": Tolerance(max_abs=1e-4, cosine=0.99999),
    "fp16": Tolerance(max_abs=0.02, cosine=0.999),
    "bf16": Tolerance(max_abs=0.1, cosine=0.995),
    "int8": Tolerance(max_abs=0.1, cosine=0.995),
}
"""Where a recipe says nothing."""

N_BATCH = 4
TORCH = "torch fp32"


class WindowRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a session did on one kind of windows.

    Parameters
    ----------
    name : str
        Kind of the windows.
    n_windows : int
    max_abs : float
        Largest difference of one output number from the reference. Where a window's reference has numbers above 1
        it is divided by the largest: a tolerance is for outputs of size 1.
    cosine : float
        Smallest cosine between the two outputs for one window.
    n_not_finite : int
        Numbers that are finite in one of the two and not in the other.
    passed : bool
    """

    name: str
    n_windows: int
    max_abs: float
    cosine: float
    n_not_finite: int
    passed: bool


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a session did through the probe of one paradigm's population profile, on a random stream.

    Parameters
    ----------
    paradigm : str
    n_windows : int
        Windows that were decoded.
    max_prob : float
        Largest difference of a probability.
    n_labels_differ : int
        Windows with another most probable class, apart from those where the reference's two best are closer than
        the difference that is allowed.
    n_decisions, n_decisions_differ : int
        Decisions of the reference, and those that one has and the other has not within one hop.
    passed : bool
    """

    paradigm: str
    n_windows: int
    max_prob: float
    n_labels_differ: int
    n_decisions: int
    n_decisions_differ: int
    passed: bool


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate found.

    Parameters
    ----------
    engine : str
        Name of the recipe.
    backend, precision, device, network_id, engine_id : str
        Of the session, see `rtbci.backends.session.Session`.
    reference : str
        What it was compared with.
    max_abs, cosine : float
        What is allowed.
    windows : tuple of WindowRow
    decisions : tuple of DecisionRow
        Empty when no paradigm names the engine.
    faults : tuple of str
        What else is wrong, in words.
    """

    engine: str
    backend: str
    precision: str
    device: str
    network_id: str
    engine_id: str
    reference: str
    max_abs: float
    cosine: float
    windows: tuple[WindowRow, ...]
    decisions: tuple[DecisionRow, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the session may be used."""
        passed = [row.passed for row in self.windows] + [row.passed for row in self.decisions]
        return not self.faults and all(passed)

    @property
    def reasons(self) -> list[str]:
        """Why it may not be used, one line for each fault; empty when it may."""
        found = [
            f"{row.name}: differs by {row.max_abs:.2g} (allowed {self.max_abs:g}), cosine {row.cosine:.6f} "
            f"(needed {self.cosine:g})"
            + (f", {row.n_not_finite} numbers finite in one only" * bool(row.n_not_finite))
            for row in self.windows
            if not row.passed
        ]
        found += [
            f"{row.paradigm}: {row.n_labels_differ} of {row.n_windows} windows and {row.n_decisions_differ} decisions "
            f"differ, probabilities by {row.max_prob:.2g}"
            for row in self.decisions
            if not row.passed
        ]
        return [*found, *self.faults]


def tolerance_of(recipe: EngineRecipe, precision: Precision) -> Tolerance:
    """What the recipe allows for a precision, or `DEFAULT_TOLERANCE`."""
    return recipe.tolerance.get(precision, DEFAULT_TOLERANCE[precision])


def has_torch_weights(recipe: EngineRecipe) -> bool:
    """Whether torch can compute the engine: its checkpoint is beside the ONNX file, by the same name."""
    beside = recipe.onnx_path.with_suffix(".safetensors")
    return not recipe.plugin and recipe.weights is not None and recipe.folder / recipe.weights == beside


def reference_name(recipe: EngineRecipe) -> str:
    """What engines are compared with: ``"torch fp32"``, or ONNX Runtime and the reason why it is not torch."""
    if recipe.plugin:
        return "the plug-in, made once more"
    if not has_torch_weights(recipe):
        return "ONNX Runtime fp32 (the recipe has no weights for torch)"
    if find_spec("torch") is None or find_spec("onnx") is None:
        return "ONNX Runtime fp32 (torch is not installed)"
    return TORCH


def open_reference(recipe: EngineRecipe) -> Session:
    """Open what engines are compared with, see `reference_name`; to be closed by the caller.

    Raises
    ------
    EngineError
        When the engine's own files cannot be used.
    """
    if recipe.plugin:
        return open_plugin(recipe)
    return open_session(recipe.onnx_path, "torch" if reference_name(recipe) == TORCH else "onnxruntime")


def check_session(
    session: Session, recipe: EngineRecipe, reference: Session, name: str, max_batch: int | None = None
) -> GateReport:
    """Compare a session with the reference on all windows.

    Parameters
    ----------
    session : Session
        Under test.
    recipe : EngineRecipe
        Its contract.
    reference : Session
        See `open_reference`.
    name : str
        What the reference is, for the report.
    max_batch : int, optional
        Largest batch of one call; the recipe's by default. Only used where the network's batch is free.

    Raises
    ------
    EngineError
        When either cannot be run, or golden numbers cannot be read.
    """
    allowed = tolerance_of(recipe, session.precision)
    max_batch = max_batch or recipe.max_batch
    windows = gate_windows(recipe, session.input_shape)
    rows = [
        compare_windows(kind, run_each(session, x), run_each(reference, x), allowed)
        for kind, x in windows.items()
    ]
    golden = read_golden(recipe)
    if golden is not None:
        rows.insert(0, compare_windows("golden", run_each(session, golden[0]), golden[1], allowed))
    return GateReport(
        engine=recipe.name,
        backend=session.backend,
        precision=session.precision,
        device=session.device,
        network_id=session.network_id,
        engine_id=session.engine_id,
        reference=name,
        max_abs=allowed.max_abs,
        cosine=allowed.cosine,
        windows=tuple(rows),
        faults=tuple(_faults(session, reference, windows["noise"][: min(N_BATCH, max_batch)], allowed)),
    )


def compare_windows(name: str, got: Float32Array, wanted: Float32Array, allowed: Tolerance) -> WindowRow:
    """Compare outputs, shapes (n, ...), with those that are wanted; see `WindowRow`.

    Raises
    ------
    EngineError
        When the shapes differ.
    """
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (got, wanted))
    if a.shape != b.shape:
        raise EngineError(
            f"gate: session gives {got.shape} for {name}, the reference {wanted.shape}; export it again"
        )
    odd = np.isfinite(a) != np.isfinite(b)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(both, a, 0.0), np.where(both, b, 0.0)
    size = np.maximum(1.0, np.abs(b).max(axis=1))
    max_abs = float((np.abs(a - b).max(axis=1) / size).max())
    cosine = float(_cosines(a, b).min())
    return WindowRow(
        name=name,
        n_windows=len(a),
        max_abs=max_abs,
        cosine=cosine,
        n_not_finite=int(odd.sum()),
        passed=not odd.any() and max_abs <= allowed.max_abs and cosine >= allowed.cosine,
    )


def _cosines(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cosine between the rows of two matrices; 1 where both are zeros, 0 where one is."""
    norms = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    product = norms[0] * norms[1]
    cosines = np.einsum("ij,ij->i", a, b) / np.where(product == 0, 1.0, product)
    both_zero = (norms[0] == 0) & (norms[1] == 0)
    return np.asarray(np.where(both_zero, 1.0, np.minimum(cosines, 1.0)))


def _faults(session: Session, reference: Session, x: Float32Array, allowed: Tolerance) -> Iterator[str]:
    """What a difference of numbers does not show; `x` is what is run as one batch."""
    broken = x[:1].copy()
    broken[0, x.shape[1] // 2, x.shape[2] // 3] = np.nan
    clean = session.run(x[:1]).copy()
    got, wanted = np.isnan(session.run(broken)), np.isnan(reference.run(broken))
    if not np.array_equal(got.ravel(), wanted.ravel()):
        yield f"not-a-number in: {got.sum()} of {got.size} outputs are not-a-number, the reference has {wanted.sum()}"
    if not np.array_equal(session.run(x[:1]), clean):
        yield "same input: another output after not-a-number than before it"
    if len(x) > 1 and _takes_batch(reference, x):
        one_by_one, at_once = run_each(session, x), session.run(x)
        if not compare_windows("batch", at_once, one_by_one, allowed).passed:
            yield f"batch of {len(x)}: differs from single calls by {np.abs(at_once - one_by_one).max():.2g}"


def _takes_batch(session: Session, x: Float32Array) -> bool:
    """Whether the network's batch is free; the file says so by what the reference takes."""
    try:
        session.run(x)
    except EngineError:
        return False
    return True
