"""A judgement of flashes in tables."""

from rtbci.evaluate.tables import Grid, markdown
from rtbci.flashes.evaluate import FlashEvaluation, FlashSubject
from rtbci.flashes.trying import Spell, Trying

__all__ = ["flash_grids", "flash_report"]

Bounds = tuple[float, float, float]


def flash_grids(found: FlashEvaluation) -> list[Grid]:
    """All tables of an evaluation."""
    grids = [_flashes(found)]
    for one in found.subjects:
        if one.trying is not None:
            grids += [_rules(one, one.trying, found.soa_s), _same(one, one.trying), _bins(one, one.trying)]
        if one.nobody:
            grids.append(_nobody(one))
    return grids


def flash_report(found: FlashEvaluation) -> str:
    """Everything as Markdown."""
    head = f"# Flashes of {found.data}, paradigm {found.paradigm}\n\n{found.created}"
    return "\n\n".join([head, *(markdown(grid) for grid in flash_grids(found))]) + "\n"


def _flashes(found: FlashEvaluation) -> Grid:
    rows = []
    for one in found.subjects:
        each = ", ".join(f"{area:.2f}" for area, _, _ in one.folds)
        earlier = ", ".join(f"{area:.2f}" for area, _, _ in one.earlier)
        rows.append(
            (
                one.name,
                f"{one.n_targets} of {one.n_flashes}",
                str(one.n_lost),
                _bounds(one.area),
                f"{sum(area for area, _, _ in one.folds) / len(one.folds):.3f}",
                each,
                earlier or "-",
                "seen" if one.profile_area is None else _bounds(one.profile_area),
            )
        )
    return Grid(
        "AUC of flashes; each fold, a stretch of time, by a decoder fitted on the others, streamed",
        (
            "subject",
            "targets",
            "lost",
            "all",
            "mean of folds",
            "folds",
            "fitted on earlier folds only",
            "profile",
        ),
        rows,
    )


def _rules(one: FlashSubject, trying: Trying, soa_s: float) -> Grid:
    return Grid(
        f"{one.name}: {trying.n_selections} {'emulated ' if one.is_emulated else ''}selections of {trying.n_items} items, a "
        f"flash every {soa_s:g} s",
        ("a selection ends", "items right %", "95 %", "flashes", "seconds", "bit/min"),
        [_rule(spell) for spell in trying.spells],
    )


def _rule(spell: Spell) -> tuple[str, ...]:
    ends = f"after {spell.value:g} repetitions" if spell.rule == "fixed" else f"at posterior {spell.value:g}"
    return (
        ends,
        f"{100 * spell.right:.1f}",
        f"{100 * spell.right_low:.0f} to {100 * spell.right_high:.0f}",
        f"{spell.flashes:.1f}",
        f"{spell.seconds:.1f}",
        f"{spell.bits_per_min:.1f}",
    )


def _same(one: FlashSubject, trying: Trying) -> Grid:
    fixed = [spell for spell in trying.spells if spell.rule == "fixed"]
    rows = []
    for spell, (flashes, saved, low, high) in zip(fixed, trying.saved, strict=True):
        known = flashes > 0
        rows.append(
            (
                f"{spell.value:g}",
                f"{100 * spell.right:.1f}",
                f"{spell.flashes:.0f}",
                f"{flashes:.1f}" if known else "none",
                f"{saved:.1f} ({low:.1f} to {high:.1f})" if known else "-",
                f"{100 * saved / spell.flashes:.0f}" if known else "-",
            )
        )
    return Grid(
        f"{one.name}: stopping by posterior that is right at least as often",
        ("repetitions", "items right %", "flashes", "flashes by posterior", "saved (95 %)", "saved %"),
        rows,
    )


def _bins(one: FlashSubject, trying: Trying) -> Grid:
    rows = [(f"{100 * mean:.1f}", f"{100 * right:.1f}", f"{n:.0f}") for n, mean, right in trying.bins]
    return Grid(
        f"{one.name}: posterior of the most probable item after each repetition; calibration error "
        f"{trying.calibration_error:.3f}",
        ("expected %", "right %", "number"),
        rows,
    )


def _nobody(one: FlashSubject) -> Grid:
    rows = [
        (
            f"{row.p_nobody:g}",
            f"{100 * row.written:.1f}",
            f"{100 * row.right:.1f}",
            f"{100 * row.wrong:.1f}",
            f"{100 * row.none:.1f}",
            f"{row.flashes:.1f}",
        )
        for row in one.nobody
    ]
    return Grid(
        f"{one.name}: selections in which nobody attends and in which somebody does, by the prior probability of nobody",
        ("p_nobody", "nobody: item written %", "somebody: right %", "wrong %", "no item %", "flashes"),
        rows,
    )


def _bounds(area: Bounds) -> str:
    return f"{area[0]:.3f} [{area[1]:.3f}, {area[2]:.3f}]"
