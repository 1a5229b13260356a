"""What `rtbci verify` does, and says."""

from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from rtbci.commands.long_work import LongWork
from rtbci.commands.profile_output import Output
from rtbci.errors import FileFormatError
from rtbci.listing import counted
from rtbci.record.sessions import find_session, sessions_root
from rtbci.verify.verify import Verified, verify

__all__ = ["DIFFERS", "Request", "verify_session"]

DIFFERS = 10
"""Exit status when a session decodes otherwise than it was recorded."""
VERDICTS = {
    "identical": "identical: every prediction and decision, to the last bit",
    "same": "same decisions, and probabilities within the tolerance",
    "differs": "DIFFERS",
}


class Request(NamedTuple):
    """What the command line asks for; see `rtbci verify --help`."""

    session: str
    backend: str = ""
    exact: bool = False
    paradigm: str = ""
    root: Path | None = None


def verify_session(request: Request, out: Output) -> bool:
    """Verify a session, show the result, and say whether it is as it was recorded.

    Raises
    ------
    RtbciError
        When it cannot be verified.
    """
    folder = find_session(request.session, request.root or sessions_root())
    if folder.is_file():
        raise FileFormatError(
            f"{folder}: is a file, need the session's folder, which says what decoded it; give that"
        )
    with LongWork(Console(stderr=True)) as work:
        found = verify(
            folder, paradigm=request.paradigm, backend=request.backend, exact=request.exact, tell=work
        )
    lines = [f"{what:<14}{text}" for what, text in _rows(found)]
    out.result(found, *lines, *_divergence(found), f"{'verdict':<14}{VERDICTS[found.verdict]}")
    return found.verdict != "differs"


def _rows(found: Verified) -> list[tuple[str, str]]:
    rows = [
        ("session", found.session),
        ("predictions", f"{found.n_predictions} recorded, {found.n_compared} compared"),
        (
            "identical",
            f"{counted(found.n_identical, 'prediction')}, {found.n_windows_identical} of {found.n_windows} windows",
        ),
        ("decisions", f"{found.n_decisions}, {found.n_decisions_differ} differ"),
    ]
    if not found.exact:
        rows.append(("not exact", "; ".join(found.why_not_exact)))
        rows.append(
            (
                "tolerance",
                f"engine {found.max_features:g} (its recipe), probabilities {found.max_prob:g}; "
                f"largest difference {found.largest_prob:.2g}",
            )
        )
    rows += _happened(found)
    return rows + [("note", note) for note in found.notes]


def _happened(found: Verified) -> list[tuple[str, str]]:
    rows = []
    if found.n_runs > 1:
        rows.append(("resumed", counted(found.n_runs - 1, "time")))
    if found.n_swaps or found.n_engine_changes:
        rows.append(
            (
                "changes",
                f"{counted(found.n_swaps, 'profile')}, {counted(found.n_engine_changes, 'engine')} put in use",
            )
        )
    if found.n_said_lost:
        rows.append(("not decoded", f"{found.n_said_lost} predictions that only say that the stream is lost"))
    if found.n_unsure:
        rows.append(
            ("not compared", f"{counted(found.n_unsure, 'prediction')}; what was decoded there is not known")
        )
    if not found.n_untold and found.n_untold_samples:
        what = f"{counted(found.n_untold_samples, 'sample')} behind the last window: recorded, and in no prediction"
        rows.append(("at the end", what))
    if found.n_untold:
        what = f"{counted(found.n_untold, 'prediction')} and {counted(found.n_untold_samples, 'sample')}"
        rows.append(("at the end", f"{what}, of which nothing says how they were decoded"))
    return rows


def _divergence(found: Verified) -> list[str]:
    first = found.first
    if first is None:
        return []
    which = "" if first.seq is None else f"prediction {first.seq}, "
    return [
        f"{'first':<14}{first.part} ({which}window to {first.t_lsl:.6f} s): was {first.recorded}, is {first.replayed}"
    ]
