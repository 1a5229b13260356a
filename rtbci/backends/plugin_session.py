"""A plug-in's class as an inference session: checked on the way in and out, and named when it fails."""

import hashlib
import inspect
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rtbci.backends.onnx_file import check_input
from rtbci.backends.plugin import EncoderContract, Plugin, find_plugin, load_class
from rtbci.backends.words import first_line
from rtbci.errors import EngineError, RtbciError
from rtbci.recipes import EngineRecipe, Precision
from rtbci.stages.stage import Float32Array

__all__ = ["BACKEND", "PluginSession", "open_plugin"]

BACKEND = "plugin"
MAX_OFF = 1e-3
"""What probabilities may be off 1 together: the rounding of float16."""


class PluginSession:
    """Runs a plug-in's encoder; a `rtbci.backends.session.Session`.

    Parameters
    ----------
    recipe : EngineRecipe
        Names a plug-in.
    plugin : Plugin
    n_threads : int
        Handed on; it is the plug-in that keeps it.

    Attributes
    ----------
    plugin : Plugin
    tolerant : bool
        Whether an error of the plug-in gives an output that is not a number instead of an exception: so a run, and its
        recording, goes on without predictions.
    n_failures : int
        Calls that failed.
    failure : str
        Why the last one of them did; empty when none did.
    network_id : str
        sha256 of the plug-in's name, package and version, the recipe's contract and settings, and the weights.
    engine_id : str
        The same with the file that the class is in.

    Raises
    ------
    EngineError
        When the plug-in cannot be imported or made, or its first output, of noise as strong as EEG, is not what the recipe says.
    """

    backend = BACKEND
    precision: Precision = "fp32"
    device = "cpu"

    def __init__(self, recipe: EngineRecipe, plugin: Plugin, n_threads: int = 1) -> None:
        self.plugin, self.tolerant = plugin, False
        self.n_failures, self.failure = 0, ""
        self._where = f"plug-in {plugin}"
        n_channels = len(recipe.input.channels) or recipe.input.n_channels
        if not n_channels:
            raise EngineError(
                f"engine '{recipe.name}': its [input] has neither channels nor n_channels, need one for a plug-in; add it"
            )
        weights, weights_id = _weights(recipe)
        contract = _contract(recipe, n_channels, weights, n_threads)
        made = load_class(plugin)
        said = [plugin.name, plugin.package, plugin.version, weights_id, recipe.kind, recipe.settings]
        said += [recipe.input.model_dump(), recipe.output.model_dump()]
        self.network_id = _sha256(said)
        self.engine_id = _sha256([self.network_id, _code_id(made)])
        self.input_shape: tuple[int, ...] = (1, n_channels, recipe.input.n_samples)
        self.output_shape: tuple[int, ...] = (1, *recipe.output.shape)
        self._closed = False
        try:
            self._encoder = made(contract)
        except RtbciError:
            raise
        except (Exception, SystemExit) as error:
            raise EngineError(
                f"{self._where}: refuses engine '{recipe.name}' ({_said(error)}); see {recipe.folder}"
            ) from error
        self._check_first(recipe)

    def run(self, x: Float32Array) -> Float32Array:
        """Run the encoder; see `Session.run`. The batch is free; the result is a fresh array.

        Raises
        ------
        EngineError
            When shape or dtype is not what the recipe says, or the session is closed; unless `tolerant` also when the
            plug-in fails.
        """
        if self._closed:
            raise EngineError(f"{self._where}: session is closed, need an open one; open it again")
        check_input(self._where, x, self.input_shape, free_batch=True)
        shown = x.view()
        shown.flags.writeable = False
        shape = (len(x), *self.output_shape[1:])
        try:
            with np.errstate(all="ignore"):  # numpy would warn of silence at every hop
                y = np.array(self._encoder.run(shown))
            fault = (
                ""
                if y.shape == shape and y.dtype.kind == "f"
                else f"gives {y.shape} {y.dtype}, need {shape} float32"
            )
        except (Exception, SystemExit) as error:  # somebody else's code
            return self._fail(_said(error), shape, error)
        if self.tolerant and not fault and not np.isfinite(y).all() and np.isfinite(x).all():
            fault = "gives what is not a number"
        return self._fail(fault, shape, None) if fault else y.astype(np.float32, copy=False)

    def close(self) -> None:
        """Let the encoder close what it has, where it can; may be called more than once."""
        if self._closed:
            return
        self._closed = True
        close = getattr(self._encoder, "close", None)
        if callable(close):
            try:
                close()
            except (Exception, SystemExit) as error:
                self.failure = _said(error)

    def _check_first(self, recipe: EngineRecipe) -> None:
        """Run it once: on noise, because many a pipeline has nothing to say of silence."""
        # Not before: it needs scipy, which a run without plug-ins does without.
        from rtbci.backends.gate_windows import SPREAD

        spread = SPREAD[recipe.input.unit]
        noise = spread * np.random.default_rng(0).standard_normal(self.input_shape)
        y = self.run(noise.astype(np.float32))
        are_probs = recipe.output.meaning != "probs" or (y.min() >= 0.0 and abs(y.sum() - 1.0) < MAX_OFF)
        if not (np.isfinite(y).all() and are_probs):
            raise EngineError(
                f"{self._where}: gives {np.array2string(y.ravel()[:8], precision=3)} for noise, its recipe says {recipe.output.meaning}; "
                'need finite numbers, and of probabilities the sum 1 (scores are meaning = "logits"); mend that package or the recipe'
            )

    def _fail(self, why: str, shape: tuple[int, ...], cause: BaseException | None) -> Float32Array:
        self.n_failures += 1
        self.failure = why
        if not self.tolerant:
            raise EngineError(f"{self._where}: {why}; mend that package, or use another engine") from cause
        return np.full(shape, np.nan, np.float32)


def open_plugin(recipe: EngineRecipe, n_threads: int = 1) -> PluginSession:
    """Open the plug-in that a recipe names.

    Raises
    ------
    ConfigError
        When it is not installed.
    EngineError
        See `PluginSession`.
    """
    return PluginSession(recipe, find_plugin(recipe.plugin), n_threads)


def _contract(recipe: EngineRecipe, n_channels: int, weights: Path | None, n_threads: int) -> EncoderContract:
    return EncoderContract(
        name=recipe.name,
        kind=recipe.kind,
        channels=recipe.input.channels,
        n_channels=n_channels,
        n_samples=recipe.input.n_samples,
        rate_hz=recipe.input.rate_hz,
        unit=recipe.input.unit,
        meaning=recipe.output.meaning,
        output_shape=recipe.output.shape,
        settings=dict(recipe.settings),
        folder=recipe.folder,
        weights=weights,
        n_threads=n_threads,
    )


def _weights(recipe: EngineRecipe) -> tuple[Path | None, str]:
    """The weights' file and its sha256."""
    if recipe.weights is None:
        return None, ""
    path = recipe.folder / recipe.weights
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise EngineError(
            f"engine '{recipe.name}': {path}: {error.strerror}, need its weights; install it again"
        ) from None
    if recipe.weights_sha256 and found != recipe.weights_sha256:
        raise EngineError(
            f"engine '{recipe.name}': {path} has sha256 {found[:12]}..., its recipe says {recipe.weights_sha256[:12]}...; "
            "install it again"
        )
    return path, found


def _code_id(made: type) -> str:
    """sha256 of the file that a class is in; empty where there is none."""
    try:
        path = inspect.getsourcefile(made)
        return "" if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return ""


def _said(error: BaseException) -> str:
    """An error of somebody else's in one line; some libraries write a page."""
    return f"{type(error).__name__}: {first_line(error)}"


def _sha256(content: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted", enc_hook=str)).hexdigest()
