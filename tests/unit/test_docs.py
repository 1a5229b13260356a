"""The pages: what links lead to is there, and what is told of settings holds."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from rtbci.cli import app
from rtbci.config import RunConfig
from rtbci.recipes.branches import BranchSettings
from rtbci.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "paradigms", "engines", "examples", "clients")
FOUND = sorted([*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))])
PAGES = [page for page in FOUND if "node_modules" not in page.parts]
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


def test_the_page_of_a_configuration_has_every_key_with_its_default() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, re.MULTILINE))
    there: dict[str, str] = {}
    for name, field in RunConfig.model_fields.items():
        if isinstance(field.default, Settings):
            for key, one in type(field.default).model_fields.items():
                there[f"{name}.{key}"] = _as_toml(one.default)
        else:
            there[name] = _as_toml(field.default)
    assert told == there


def test_the_page_of_a_configuration_names_options_that_there_are() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `[\w.]+` \| .+? \| `(--[\w-]+)` \|", text, re.MULTILINE)
    group: Any = typer.main.get_command(app)
    options = {name for param in group.commands["run"].params for name in param.opts}
    assert options - set(told) == {"--config", "--publish", "--resume"}
    assert set(told) <= options


def _as_toml(value: object) -> str:
    if value is None:
        return "none"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"
