"""Links between the pages: the files are there, and so are the headings."""

import re
from pathlib import Path
from typing import get_args

import pytest

from rtbci.branch_settings import BranchSettings

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "paradigms", "engines", "examples", "clients")
PAGES = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names of a page's headings in links, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.strip().lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere_in_the_repository(page: Path) -> None:
    lost = []
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        is_there = target.exists() and target.is_relative_to(ROOT)
        if not is_there or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert not lost


def test_headings_are_found() -> None:
    assert "what-is-missing" in anchors(ROOT / "docs" / "results.md")
    assert len(PAGES) > 50


def test_the_figure_has_every_kind_of_branch() -> None:
    titles = re.findall(
        r'font-weight="bold">([^<]+)<', (ROOT / "docs" / "flow.svg").read_text(encoding="utf-8")
    )
    shown = {one for title in titles for one in title.split(", ")}
    assert set(get_args(BranchSettings.model_fields["kind"].annotation)) <= shown
