"""How a run that has ended is told: whatever ended it, once everything is closed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from rtbci.commands.recording import say_recorded
from rtbci.commands.run_sockets import RunSockets
from rtbci.listing import counted
from rtbci.record.recorder import SessionRecorder
from rtbci.runtime.telemetry import Report

__all__ = ["RunEnd", "telling_the_end"]


class RunEnd:
    """What there is to tell of a run.

    Parameters
    ----------
    console : Console
        Where it is told.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._report: Callable[[], Report] | None = None
        self._sockets: RunSockets | None = None
        self._recorder: SessionRecorder | None = None

    def begin(
        self, report: Callable[[], Report], sockets: RunSockets, recorder: SessionRecorder | None
    ) -> None:
        """From now on there is something to tell."""
        self._report, self._sockets, self._recorder = report, sockets, recorder

    def tell(self, *, is_error: bool) -> None:
        """Tell it; of a run that failed before a sample was recorded, its error says all."""
        written = None if self._recorder is None else self._recorder.written
        if self._report is None or (is_error and (written is None or not written.n_samples)):
            return
        _say_end(self._console, self._report())
        if self._sockets is not None:
            self._sockets.say_end(self._console)
        if written is not None:
            say_recorded(self._console, written)


@contextmanager
def telling_the_end(console: Console) -> Iterator[RunEnd]:
    """Yield what is told at the end; to be entered before whatever the run closes."""
    end = RunEnd(console)
    try:
        yield end
    except BaseException as error:
        end.tell(is_error=isinstance(error, Exception))
        raise
    end.tell(is_error=False)


def _say_end(console: Console, report: Report) -> None:
    console.print(
        f"stopped after {report.duration_s:.0f} s: {counted(report.n_predictions, 'prediction')}, {counted(report.n_gaps, 'gap')}, "
        f"{counted(report.n_skipped, 'window')} skipped, {counted(report.n_overflow, 'sample')} not decoded, "
        f"{counted(report.n_not_finite, 'sample')} not finite",
        highlight=False,
    )
    if report.is_stuck:
        console.print("the decoder had not returned from a window; the run ended without it", highlight=False)
    if report.n_rest:
        console.print(f"{report.n_rest} samples at the end were recorded and not decoded", highlight=False)
