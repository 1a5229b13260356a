"""How a run ended is told whatever ended it."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from rtbci.commands.run_end import telling_the_end
from rtbci.record.recorder import SessionRecorder, Written
from rtbci.runtime.telemetry import Report


class Sockets:
    def say_end(self, console: Console) -> None:
        console.print("refused: nobody")


def report() -> Report:
    return Report(
        duration_s=3.0,
        n_predictions=7,
        n_gaps=1,
        n_skipped=0,
        n_overflow=0,
        n_not_finite=0,
        n_rest=250,
        is_stuck=True,
    )


def told(error: BaseException | None, n_samples: int | None) -> str:
    """What is said of a run that this ended, with so many samples recorded; None: not recorded."""
    console = Console(record=True, width=200)
    written = Written(Path("s"), 1_000_000, n_samples or 0, 0, 0, "")
    recorder = None if n_samples is None else cast(SessionRecorder, SimpleNamespace(written=written))
    sockets: Any = Sockets()
    with nullcontext() if error is None else pytest.raises(type(error)), telling_the_end(console) as end:
        end.begin(report, sockets, recorder)
        if error is not None:
            raise error
    return console.export_text()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), ValueError("a branch broke")])
def test_it_is_told_whatever_ended_it(error: BaseException | None) -> None:
    stopped, stuck, rest, refused, recorded = told(error, 500).splitlines()
    assert stopped.startswith("stopped after 3 s: 7 predictions, 1 gap,")
    assert stuck == "the decoder had not returned from a window; the run ended without it"
    assert rest == "250 samples at the end were recorded and not decoded"
    assert refused == "refused: nobody"
    assert recorded == "recorded 500 samples, 1.0 MB in s"


def test_a_run_that_failed_at_once_is_told_by_its_error() -> None:
    assert told(ValueError("no stream"), 0) == told(ValueError("no stream"), None) == ""
    assert "recorded nothing" in told(None, 0)
    assert "stopped after" in told(KeyboardInterrupt(), None)


def test_nothing_is_told_of_what_never_began() -> None:
    console = Console(record=True, width=200)
    with pytest.raises(ValueError, match="a port"), telling_the_end(console):
        raise ValueError("a port is taken")
    assert console.export_text() == ""
