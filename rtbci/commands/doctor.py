"""`rtbci doctor`: what this computer can do."""

from rich.console import Console

from rtbci.commands.profile_output import Output
from rtbci.config import RunConfig
from rtbci.doctor import examine
from rtbci.listing import counted

__all__ = ["doctor"]

MARKS = {
    "ok": ("ok  ", "green"),
    "absent": ("-   ", "dim"),
    "warning": ("WARN", "yellow"),
    "failure": ("FAIL", "bold red"),
}


def doctor(config: RunConfig, console: Console, out: Output) -> bool:
    """Print every finding as it comes, or all of them as JSON; return whether rtbci can do its main job."""
    n_failures = n_warnings = 0
    addresses = {"publish": config.publish.address, "control": config.publish.control}
    if out.json:
        findings = list(examine(addresses))
        out.result(findings)
        return not any(finding.verdict == "failure" for finding in findings)
    for finding in examine(addresses):
        mark, style = MARKS[finding.verdict]
        console.print(f"[{style}]{mark}[/] {finding.what}: ", end="")
        console.print(finding.detail, markup=False, highlight=False)
        if finding.remedy:
            console.print(f"     -> {finding.remedy}", markup=False, highlight=False)
        n_failures += finding.verdict == "failure"
        n_warnings += finding.verdict == "warning"
    verdict = "rtbci can run here" if not n_failures else "rtbci cannot run here"
    console.print(
        f"{verdict}: {counted(n_failures, 'failure')}, {counted(n_warnings, 'warning')}; a dash: not there, and not needed",
        highlight=False,
    )
    return not n_failures
