"""What a recipe says of items that flash in groups, and what the markers of such a paradigm mean."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from rtbci.settings import LATER, Positive, Settings
from rtbci.stream.marker_texts import marker_texts

__all__ = ["FLASH_CLASSES", "FlashMarker", "FlashSettings"]


FLASH_CLASSES = ("nontarget", "target")
"""Classes of one flash, in the order of a branch's logits."""

FLASH, CUE, BEGIN, END = "flash/", "cue/", "trial/begin", "trial/end"


class FlashMarker(NamedTuple):
    """What a marker says.

    Parameters
    ----------
    kind : {'flash', 'target', 'nontarget', 'cue', 'begin', 'end'}
        A flash of a named group; one of which only is known whether it was meant; the item to attend to; begin and
        end of one selection.
    name : str
        Group that flashes, or item asked for; empty for the others.
    """

    kind: Literal["flash", "target", "nontarget", "cue", "begin", "end"]
    name: str = ""

    @property
    def is_flash(self) -> bool:
        """Whether something flashed."""
        return self.kind in ("flash", "target", "nontarget")


class FlashSettings(Settings):
    """Which groups of items flash, how, and when a selection ends.

    Groups are the rows ``r1``... and columns ``c1``... of `grid`, or those of `groups`, or each item alone. Of items
    that always flash together nobody could tell which was meant, so there may be none.

    Parameters
    ----------
    grid : tuple of tuple of str
        Items as they are shown, row by row.
    groups : dict of str to tuple of str
        Items of each group, by its name.
    soa_s, flash_s : float
        From the onset of one flash to that of the next, and how long each lasts, in seconds.
    min_flashes : int
        No item is decided on before; 0: as many as there are groups.
    max_repetitions : int
        After so many flashes of each group a selection is over.
    at_end : {'decide', 'abstain'}
        What becomes of a selection that is over and not sure enough: the most probable item, or none.
    p_nobody : float
        Share of selections in which nobody is expected to attend to an item. Where that is more probable in the end than
        any item there is none, whatever `at_end` says.
    target, nontarget : tuple of str
        Markers of recordings that only say whether a flash was meant.
    """

    grid: tuple[tuple[str, ...], ...] = ()
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    soa_s: Positive = 0.175
    flash_s: Positive = 0.1
    min_flashes: int = Field(default=0, ge=0)
    max_repetitions: int = Field(default=10, ge=1, le=1000)
    at_end: Literal["decide", "abstain"] = "decide"
    p_nobody: Annotated[float, Field(ge=0, lt=1), LATER] = 0.0
    target: tuple[str, ...] = ("target",)
    nontarget: tuple[str, ...] = ("nontarget",)

    @model_validator(mode="after")
    def _consistent(self) -> "FlashSettings":
        if self.grid and self.groups:
            raise ValueError("has grid and groups, need one of them; leave one out")
        if len({len(row) for row in self.grid}) > 1:
            raise ValueError("grid has rows of different lengths, need the same for all")
        if self.flash_s >= self.soa_s:
            raise ValueError(f"flash_s is {self.flash_s:g}, must be below soa_s = {self.soa_s:g}")
        if both := sorted(set(self.target) & set(self.nontarget)):
            raise ValueError(f"{both} are target and nontarget, need markers of their own")
        return self

    def named_groups(self, items: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Items of each group, by its name: rows, then columns.

        Parameters
        ----------
        items : sequence of str
            All items, which are groups of their own where nothing else is said.
        """
        if not self.grid:
            return self.groups or {item: (item,) for item in items}
        rows = {f"r{i}": row for i, row in enumerate(self.grid, 1)}
        return rows | {f"c{i}": column for i, column in enumerate(zip(*self.grid, strict=True), 1)}

    def check_use(
        self, items: Sequence[str], policy: str, is_centred: bool, decision: Mapping[str, float]
    ) -> None:
        """Refuse a recipe that asks of flashes what they do not give.

        Parameters
        ----------
        items : sequence of str
            Classes of the recipe.
        policy : str
            Of its windows.
        is_centred : bool
            Whether it recentres or adapts.
        decision : mapping of str to float
            Its decision settings.

        Raises
        ------
        ValueError
            Says what.
        """
        self.check_items(items)
        if policy != "marker":
            raise ValueError(f"window.policy is {policy!r}, flashes need 'marker'")
        if is_centred:
            raise ValueError(
                "recentre and adapt are not for flashes, most of which are nontarget; leave them out"
            )
        if decision["dwell_s"] or decision["smoothing_s"]:
            raise ValueError("decision.dwell_s and smoothing_s mean nothing for flashes; set both to 0")

    def asked_item(self, marker: str, items: Sequence[str]) -> str | None:
        """Item that a marker asks to attend to, or None."""
        meant = self.read(marker, items)
        return meant.name if meant is not None and meant.kind == "cue" else None

    def check_items(self, items: Sequence[str]) -> None:
        """Refuse groups that do not tell these items apart.

        Raises
        ------
        ValueError
            When a group has another item, an item is in none, or two are always together.
        """
        groups = self.named_groups(items)
        shown = [item for row in self.grid for item in row]
        if repeated := sorted({item for item in shown if shown.count(item) > 1}):
            raise ValueError(f"flashes.grid has {repeated} more than once, need each item once")
        if unknown := sorted({one for group in groups.values() for one in group} - set(items)):
            raise ValueError(f"flashes name {unknown}, classes are {list(items)}")
        of_item = {item: frozenset(name for name, group in groups.items() if item in group) for item in items}
        if missing := [item for item, found in of_item.items() if not found]:
            raise ValueError(f"flashes lack {missing}, need every class in some group")
        if len(set(of_item.values())) < len(items):
            together = [item for item, found in of_item.items() if list(of_item.values()).count(found) > 1]
            raise ValueError(f"{together} always flash together, need groups that tell them apart")

    def read(self, marker: str, items: Sequence[str]) -> FlashMarker | None:
        """What a marker means; None when it is another one, or names no group or item of these.

        Parameters
        ----------
        marker : str
            As it came; plain text or JSON, see `rtbci.stream.marker_texts`.
        items : sequence of str
            All items.
        """
        groups = self.named_groups(items)
        for text in marker_texts(marker):
            if text == BEGIN:
                return FlashMarker("begin")
            if text == END:
                return FlashMarker("end")
            if text.startswith(FLASH) and (name := text.removeprefix(FLASH)) in groups:
                return FlashMarker("flash", name)
            if text.startswith(CUE) and (name := text.removeprefix(CUE)) in items:
                return FlashMarker("cue", name)
            if text in self.target:
                return FlashMarker("target")
            if text in self.nontarget:
                return FlashMarker("nontarget")
        return None
