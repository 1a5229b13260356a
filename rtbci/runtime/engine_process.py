"""The parent's side of building engines beside a run: a process of its own, so that no decision waits for it.

Building takes all of a core for minutes, and importing what builds holds Python's lock for tenths of a second
(`import openvino` up to 0.1 s at a time, `import torch` 0.5 s, measured). In another process neither is felt.
What runs here is only what runs the finished engine, and that is imported before the first sample.
"""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from tempfile import TemporaryFile
from typing import IO, Any

import msgspec

from rtbci.backends.cache import EngineCache
from rtbci.backends.compilers import COMPILERS
from rtbci.backends.cuda import find_gpu
from rtbci.backends.lowered import open_lowered
from rtbci.backends.plugin_session import open_plugin
from rtbci.backends.registry import BACKENDS, open_session
from rtbci.backends.session import Session
from rtbci.errors import EngineError, MissingPackageError
from rtbci.recipes import EngineRecipe, ParadigmRecipe
from rtbci.runtime.engine_change import PreparedEngine, Told
from rtbci.runtime.engine_child import ChildRequest, Line, Refused
from rtbci.system.processes import apart, end_all

__all__ = ["EngineProcess", "import_backend"]

CHILD = (sys.executable, "-m", "rtbci.runtime.engine_child")
KILL_S = 2.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Threads that the gate's reference would take from the run; without it decisions came seconds late on two cores."""

PACKAGES = {"openvino": ("openvino",), "torch": ("torch", "rtbci.backends.torch")}
"""What runs engines that need no building, where it is not there anyway."""


def import_backend(backend: str) -> None:
    """Import what runs a back end's engines, so that nothing needs to be imported while a run decodes.

    Parameters
    ----------
    backend : str
        A name in `BACKENDS`, or ``"auto"``: all that are installed, except torch, which is never the fastest.

    Raises
    ------
    MissingPackageError
        When it is not installed; says how to install it.
    """
    if backend == "auto":
        for name in BACKENDS:
            if name != "torch":
                with suppress(MissingPackageError):
                    import_backend(name)
        return
    if backend in COMPILERS:
        COMPILERS[backend].version()  # asks the library itself
        with suppress(EngineError):  # no GPU: told when the engine is to be built
            find_gpu()
    if backend == "onnxruntime-cuda":
        from rtbci.backends.onnxruntime_cuda import preload

        with suppress(EngineError, MissingPackageError):
            find_gpu()
            preload()
    for name in PACKAGES.get(backend, ()):
        try:
            import_module(name)
        except ImportError as error:
            known = BACKENDS[backend]
            raise MissingPackageError(
                f"engine: back end '{backend}' needs {known.package} ({error}); {known.install}"
            ) from error


class EngineProcess:
    """Prepares engines in a child process, one at a time; an `EnginePreparer`.

    Parameters
    ----------
    paradigm : ParadigmRecipe
        Its decisions are compared too.
    backend : str
        What is wished for: a name in `BACKENDS`, or ``"auto"``.
    precision : str
        A `Precision`, or ``"auto"``.
    n_threads : int
        Threads of one call.
    command : sequence of str
        Starts the child.

    Notes
    -----
    The child has a lower priority, ends when this process ends, however that ends, and leaves what it has built in the
    cache of engines.
    """

    def __init__(
        self,
        paradigm: ParadigmRecipe,
        backend: str,
        precision: str = "auto",
        n_threads: int = 1,
        command: tuple[str, ...] = CHILD,
    ) -> None:
        self._paradigm = paradigm
        self._backend, self._precision, self._n_threads = backend, precision, n_threads
        self._command = command
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def prepare(self, recipe: EngineRecipe, told: Told) -> PreparedEngine:
        """Build and check in the child; see `EnginePreparer.prepare`.

        Raises
        ------
        RtbciError
            What the child says.
        EngineError
            When it ends without a word, is killed, or `stop` was called.
        """
        request = ChildRequest(
            str(recipe.folder), str(self._paradigm.folder), self._backend, self._precision, self._n_threads
        )
        with TemporaryFile() as errors:
            popen = self._start(request, errors)
            try:
                line = self._listen(popen, told)
            finally:
                self._end(popen)
            if isinstance(line, PreparedEngine):
                return line
            if isinstance(line, Refused):
                raise MissingPackageError(line.text) if line.is_missing else EngineError(line.text)
            raise EngineError(
                f"engine '{recipe.name}': building it on {self._backend} ended with status {popen.returncode} "
                f"({_last_line(errors)}), need one that ends well; try `rtbci engine build {recipe.option}`"
            )

    def open(self, recipe: EngineRecipe, prepared: PreparedEngine) -> Session:
        """Open what the child has built and checked; see `EnginePreparer.open`.

        Nothing is built or checked here, because both would hold up the run: the id says that it is the same engine.
        """
        session = self._open(recipe, prepared)
        if session.engine_id != prepared.engine_id:
            session.close()
            raise EngineError(
                f"engine '{recipe.name}': id is {session.engine_id[:12]}..., need {prepared.engine_id[:12]}... as checked; "
                "its file was replaced meanwhile: start the run again"
            )
        return session

    def _open(self, recipe: EngineRecipe, prepared: PreparedEngine) -> Session:
        key = prepared.key
        if recipe.plugin:
            return open_plugin(recipe, self._n_threads)
        if key is None:
            return open_session(recipe.onnx_path, prepared.backend, self._n_threads)
        found = EngineCache().find(key)
        if found is None:
            raise EngineError(
                f"engine '{recipe.name}': is not in the cache of engines though it was built, need room and the right to "
                f"write there; see `rtbci engine cache`"
            )
        if key.backend not in COMPILERS:
            return open_lowered(found.data, key, self._n_threads)
        return COMPILERS[key.backend].open(found.data, key.network_id, key.precision, key.max_batch)

    def stop(self) -> None:
        """End the child."""
        with self._lock:
            self._is_stopped = True
            if self._popen is not None:
                end_all(self._popen)

    def _start(self, request: ChildRequest, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._is_stopped:
                raise EngineError("engine: the run ends before it was built, start it again for another try")
            # Its own session: Ctrl-C in the terminal is for the run, which ends the child in order.
            started: Any = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=ONE_THREAD | os.environ,
                **apart(),
            )
            popen: subprocess.Popen[bytes] = started
            self._popen = popen
        assert popen.stdin is not None
        # Left open: its end tells the child that we have gone.
        with suppress(BrokenPipeError):  # it has ended already: its status says so
            popen.stdin.write(msgspec.json.encode(request) + b"\n")
            popen.stdin.flush()
        return popen

    @staticmethod
    def _listen(popen: "subprocess.Popen[bytes]", told: Told) -> PreparedEngine | Refused | None:
        """Pass on what the child tells, until it gives an answer or ends."""
        assert popen.stdout is not None
        for raw in popen.stdout:
            try:
                line = msgspec.json.decode(raw, type=Line)
            except msgspec.DecodeError:
                continue  # cut off by its end
            if isinstance(line, PreparedEngine | Refused):
                return line
            told(line.text)
        return None

    def _end(self, popen: "subprocess.Popen[bytes]") -> None:
        for pipe in (popen.stdin, popen.stdout):
            if pipe is not None:
                with suppress(
                    BrokenPipeError
                ):  # what a child that ended early did not read; it is closed all the same
                    pipe.close()
        try:
            popen.wait(KILL_S)
        except subprocess.TimeoutExpired:
            end_all(popen, at_once=True)
            popen.wait()
        with self._lock:
            self._popen = None


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "no message"
