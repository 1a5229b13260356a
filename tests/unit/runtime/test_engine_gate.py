from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci.backends.registry import open_session
from rtbci.backends.session import Session
from rtbci.recipes import EngineRecipe, list_recipes, read_engine, read_paradigm
from rtbci.runtime.engine_gate import MAX_PROB, check_decisions, paradigm_files, paradigms_of
from rtbci.stages.stage import Float32Array
from tests.engine_stand_ins import AlteredSession
from tests.tiny import write_paradigm


@pytest.fixture(scope="module")
def recipe() -> EngineRecipe:
    return read_engine("dare_nano")


@pytest.fixture(scope="module")
def session(recipe: EngineRecipe) -> Session:
    return open_session(recipe.onnx_path)


def test_every_paradigm_that_names_an_engine_is_used() -> None:
    found = {name: [one.name for one in paradigms_of(read_engine(name))] for name in list_recipes("engines")}
    named = {branch.engine for name in list_recipes("paradigms") for branch in read_paradigm(name).branches}
    assert all(found[name] for name in named if name), "each engine that is named is decided with"
    assert "motor_imagery" in found["dare_nano"]


def test_the_same_session_decides_the_same_and_does_decide(recipe: EngineRecipe, session: Session) -> None:
    rows = check_decisions(session, session, recipe, paradigms_of(recipe))
    assert [row.paradigm for row in rows] == [one.name for one in paradigms_of(recipe)]
    for row in rows:
        assert (row.passed, row.max_prob, row.n_labels_differ, row.n_decisions_differ) == (True, 0.0, 0, 0)
        assert row.n_windows > 400
        assert row.n_decisions > 0, "nothing would be compared"


@pytest.mark.parametrize(
    "change",
    [
        lambda y: -y,
        lambda y: y * np.float32(1.5),
        lambda y: np.zeros_like(y),
        lambda y: np.full_like(y, np.nan),
        lambda y: y + np.abs(y),
    ],
)
def test_other_features_lead_to_other_decisions(
    recipe: EngineRecipe, session: Session, change: Callable[[Any], Any]
) -> None:
    paradigms = [one for one in paradigms_of(recipe) if one.name == "motor_imagery"]
    (row,) = check_decisions(AlteredSession(session, lambda _x, y: change(y)), session, recipe, paradigms)
    assert not row.passed
    assert not row.max_prob <= MAX_PROB


def test_the_same_offset_in_both_views_is_seen_where_their_sum_is_read(
    recipe: EngineRecipe, session: Session
) -> None:
    offset = AlteredSession(session, lambda _x, y: y + np.float32(0.3))
    rows = {row.paradigm: row for row in check_decisions(offset, session, recipe, paradigms_of(recipe))}
    assert (
        rows["motor_imagery"].max_prob < 1e-6
    )  # reads half the difference of the views: docs/adr/0037-both-sides.md
    assert not rows["motor_imagery_idle"].passed


def test_an_engine_without_numbers_is_refused_even_by_itself(recipe: EngineRecipe, session: Session) -> None:
    silent = AlteredSession(session, lambda _x, y: np.full_like(y, np.nan))
    paradigms = [one for one in paradigms_of(recipe) if one.name == "motor_imagery"]
    (row,) = check_decisions(silent, silent, recipe, paradigms)
    assert (row.passed, row.n_windows, row.n_decisions) == (False, 0, 0)


def test_rounding_to_bf16_is_no_other_decision(recipe: EngineRecipe, session: Session) -> None:
    def rounded(y: Float32Array) -> Float32Array:
        return (np.ascontiguousarray(y).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)

    for row in check_decisions(
        AlteredSession(session, lambda _x, y: rounded(y)), session, recipe, paradigms_of(recipe)
    ):
        assert row.passed
        assert 0 < row.max_prob <= MAX_PROB


def test_a_whole_window_engine_of_your_own(tmp_path: Path) -> None:
    paradigm = read_paradigm(str(write_paradigm(tmp_path)))
    recipe = read_engine(str(tmp_path / "engine"))
    session = open_session(recipe.onnx_path)
    assert paradigms_of(recipe) == []
    assert paradigms_of(recipe, [paradigm]) == [paradigm]
    (row,) = check_decisions(session, session, recipe, [paradigm])
    assert row.passed
    assert row.n_decisions > 0
    turned = AlteredSession(session, lambda _x, y: y[:, ::-1])
    (row,) = check_decisions(turned, session, recipe, [paradigm])
    assert not row.passed
    assert row.n_labels_differ > 0
    assert row.n_decisions_differ > 0


def test_files_that_decisions_come_from() -> None:
    names = [path.name for path in paradigm_files(read_paradigm("motor_imagery"))]
    assert names == ["recipe.toml", "profile.json", "weights.safetensors"]
