"""`rtbci doctor --timing`: a configuration tried on this computer."""

from rich.console import Console
from rich.table import Table

from rtbci.commands.profile_output import Output, table_of
from rtbci.listing import counted
from rtbci.loopback.certify import Wanted, observe
from rtbci.loopback.computer import Computer
from rtbci.loopback.verdict import Check, Timing, timing_of

__all__ = ["doctor_timing"]

SAID = {
    "pass": "PASS: this computer keeps up with this configuration",
    "marginal": "MARGINAL: it mostly keeps up; see below what to do before you rely on it",
    "fail": "FAIL: this computer does not keep up with this configuration",
}
STYLES = {"pass": "bold green", "marginal": "bold yellow", "fail": "bold red"}
AGE_TITLES = ("ms", "p50", "p95", "p99", "max", "")
PART_WORDS = {
    "wait": "the amplifier's chunk, LSL, thread",
    "filter": "filters, resampling",
    "encode": "encoder, covariances",
    "probe": "probe, fusion, decision",
    "send": "message",
}


def doctor_timing(wanted: Wanted, console: Console, out: Output) -> bool:
    """Try it, show what was found on `out`; whether it keeps up, at least mostly."""
    computer = Computer()
    with console.status("timing: ...") as shown:

        def tell(text: str) -> None:
            shown.update(f"timing: {text}")
            if not console.is_terminal:
                console.print(f"timing: {text}", markup=False, highlight=False)

        seen = observe(wanted, computer, tell)
    timing = timing_of(wanted, seen, computer.load())
    out.result(
        timing, *_facts(timing), "", _age_table(timing), "", _check_table(timing.checks), *_advice(timing)
    )
    console.print(SAID[timing.verdict], style=STYLES[timing.verdict], highlight=False)
    return timing.verdict != "fail"


def _facts(timing: Timing) -> list[str]:
    engine, load = timing.engine, timing.load
    others = ", ".join(f"{one.name} {one.cpu_percent:.0f} %" for one in load.others) or "nothing worth a name"
    recorded = "not recorded" if timing.n_not_recorded is None else "recorded"
    used = f"{engine.name} {engine.id[:12]} on {engine.backend}, {engine.precision}, {engine.device}"
    return [
        f"{timing.paradigm}: {counted(timing.n_channels, 'channel')}, {timing.rate_hz:g} Hz, chunks of {timing.chunk}, a hop every "
        f"{1e3 * timing.hop_s:g} ms; {timing.seconds:g} s, {recorded}",
        f"engine:   {used if engine.name else 'none needed'}",
        f"run:      {timing.cpu_percent:.1f} % of a core, {timing.rss_mb:.0f} MB",
        f"computer: {load.n_cores} cores, {load.cpu_percent:.0f} % busy (busiest second {load.cpu_max_percent:.0f} %); "
        f"beside it: {others}",
        f"hops:     {timing.n_due} due, {timing.n_missed} missed, {timing.n_late} late (older than a hop), "
        f"{timing.n_skipped} skipped, {timing.n_lost} lost on the way",
    ]


def _age_table(timing: Timing) -> Table:
    rows = [("age", timing.age_ms, "newest sample until the prediction is sent")]
    rows += [(f"  {name}", ages, PART_WORDS[name]) for name, ages in timing.parts_ms.items()]
    return table_of(
        AGE_TITLES,
        [
            (name, *(f"{value:.2f}" for value in (ages.p50, ages.p95, ages.p99, ages.max)), words)
            for name, ages, words in rows
        ],
    )


def _check_table(checks: tuple[Check, ...]) -> Table:
    return table_of(
        ("limit", "verdict", "found", "pass up to", "marginal up to"),
        [
            (
                one.what,
                one.verdict,
                f"{one.value:.3g} {one.unit}",
                f"{one.passes_up_to:g}",
                f"{one.marginal_up_to:g}",
            )
            for one in checks
        ],
    )


def _advice(timing: Timing) -> list[str]:
    return [f"-> {one.what}: {one.advice}" for one in timing.checks if one.advice]
