"""A soak in one picture: memory, age, hops missed, CPU, and when the faults were."""

from pathlib import Path
from typing import Any

__all__ = ["draw"]

SIZE_IN = (8.0, 6.4)


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw `result` of `tools/soak.py` as SVG; needs matplotlib."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, layout="constrained")
    FigureCanvasSVG(figure)
    memory, age, cpu = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    series, minutes = result["series"], result["by_minute"]
    memory.plot(series["minute"], series["rss_mb"], color="tab:blue", lw=1.2, label="resident")
    memory.plot(
        series["minute"], series["own_mb"], color="tab:cyan", lw=1.2, label="its own, in RAM or paged out"
    )
    fit = result["memory"]
    t = [fit["from_minute"], series["minute"][-1]]
    memory.plot(
        t,
        [fit["at_start_mb"], fit["at_start_mb"] + fit["slope_mb_per_h"] * (t[1] - t[0]) / 60.0],
        color="tab:red",
        ls="--",
        lw=1.2,
        label=f"{fit['slope_mb_per_h']:+.2f} MB an hour, from minute {fit['from_minute']:g} on",
    )
    memory.set_ylim(bottom=0)
    memory.set_ylabel("memory (MB)")
    memory.legend(loc="lower right", frameon=False)
    at = [one["minute"] for one in minutes]
    for key, colour in (("p50_ms", "tab:green"), ("p99_ms", "tab:orange"), ("max_ms", "tab:red")):
        age.plot(at, [one[key] for one in minutes], ".-", ms=3, lw=0.9, color=colour, label=key[:-3])
    age.axhline(1e3 * result["hop_s"], color="black", lw=0.7, ls=":", label="one hop")
    age.set_yscale("log")
    age.set_ylabel("age outside of faults (ms)")
    age.legend(loc="upper right", ncols=4, frameon=False)
    cpu.plot(series["minute"][1:], series["cpu_percent"], color="tab:purple", lw=0.9)
    cpu.set_ylabel("CPU (% of a core)")
    cpu.set_xlabel("minute (grey: faults)")
    cpu.set_ylim(bottom=0)
    spans = [(one["minute"], max(0.05, one["length_s"] / 60.0)) for one in result["faults"]]
    for axes in (memory, age, cpu):
        axes.broken_barh(spans, (0, 1), transform=axes.get_xaxis_transform(), color="0.8", lw=0, zorder=0)
    seen = result["hops"]
    memory.set_title(
        f"{result['minutes']:g} minutes, 64 channels, {result['rate_hz']:g} Hz, {len(result['faults'])} faults: "
        f"{seen['n_missed']} of {seen['n_came'] + seen['n_missed']} hops missed, {seen['n_late']} late",
        fontsize=10,
    )
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "soak"}):
        figure.savefig(path, metadata={"Date": None})
