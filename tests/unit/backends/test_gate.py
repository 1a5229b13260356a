from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci.backends import gate
from rtbci.backends.gate import check_session, open_reference, reference_name, tolerance_of
from rtbci.backends.gate_windows import N_OF_EACH, gate_windows
from rtbci.backends.registry import open_session
from rtbci.backends.session import Session
from rtbci.recipes import EngineRecipe, list_recipes, read_engine
from rtbci.stages.stage import Float32Array
from tests.engine_stand_ins import AlteredSession
from tests.tiny import write_engine


@pytest.fixture(scope="module")
def recipe() -> EngineRecipe:
    return read_engine("dare_nano")


@pytest.fixture(scope="module")
def session(recipe: EngineRecipe) -> Session:
    return open_session(recipe.onnx_path)


@pytest.mark.parametrize("name", list_recipes("engines"))
def test_every_engine_passes_against_torch(name: str) -> None:
    recipe = read_engine(name)
    report = check_session(
        open_session(recipe.onnx_path), recipe, open_reference(recipe), reference_name(recipe)
    )
    assert (report.passed, report.reasons) == (True, [])
    assert (report.reference, report.engine, report.backend) == ("torch fp32", name, "onnxruntime")
    assert [row.name for row in report.windows] == ["golden", "noise", "bursts", "silence", "saturated"]
    assert all(0 < row.max_abs < 1e-5 for row in report.windows), "torch and ONNX Runtime never agree exactly"
    assert all(row.cosine > 0.999999 for row in report.windows)


def off(x: Float32Array, y: Float32Array) -> Float32Array:
    return y + np.float32(1e-3)


def off_when_saturated(x: Float32Array, y: Float32Array) -> Float32Array:
    return y * np.float32(1.01) if np.abs(x).max() > 40 else y


def overflowing(x: Float32Array, y: Float32Array) -> Float32Array:
    y[np.abs(x).max(axis=(1, 2)) > 40, ..., 0] = np.nan
    return y


def hiding(x: Float32Array, y: Float32Array) -> Float32Array:
    return np.nan_to_num(y)


def mixing(x: Float32Array, y: Float32Array) -> Float32Array:
    return y[::-1]


class Sticky:
    """Once it has seen not-a-number it is never the same again."""

    hit = False

    def __call__(self, x: Float32Array, y: Float32Array) -> Float32Array:
        self.hit |= bool(np.isnan(x).any())
        return y + np.float32(1e-7 * self.hit)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (off, "golden: differs by 0.00035 (allowed 3e-05)"),
        (off_when_saturated, "saturated: differs by 0.01"),
        (overflowing, "numbers finite in one only"),
        (hiding, "not-a-number in: 0 of 64 outputs are not-a-number, the reference has 64"),
        (mixing, "batch of 4: differs from single calls"),
        (Sticky(), "another output after not-a-number"),
    ],
)
def test_what_is_wrong_is_found(recipe: EngineRecipe, session: Session, change: Any, words: str) -> None:
    report = check_session(AlteredSession(session, change), recipe, session, "itself")
    assert not report.passed
    assert any(words in reason for reason in report.reasons), report.reasons


def test_cosine_counts_where_the_largest_difference_would_pass(
    recipe: EngineRecipe, session: Session
) -> None:
    allowed = {"fp16": {"max_abs": 10.0, "cosine": 0.999}}
    loose = EngineRecipe.model_validate(recipe.model_dump(by_alias=True) | {"tolerance": allowed})
    loose = loose.model_copy(update={"folder": recipe.folder})
    turned = AlteredSession(session, lambda _x, y: np.roll(y, 1, axis=-1), "fp16")
    report = check_session(turned, loose, session, "itself")
    assert not report.passed
    assert report.cosine == 0.999
    assert report.windows[0].max_abs < 10.0


def test_a_batch_is_not_asked_of_an_engine_for_one(recipe: EngineRecipe, session: Session) -> None:
    one_at_a_time = AlteredSession(session, lambda x, y: y if len(x) == 1 else 1 / 0)
    assert check_session(one_at_a_time, recipe, session, "itself", max_batch=1).passed


def test_an_engine_of_your_own_is_compared_with_onnx_runtime(tmp_path: Path) -> None:
    recipe = read_engine(str(write_engine(tmp_path / "own")))
    name = reference_name(recipe)
    assert name == "ONNX Runtime fp32 (the recipe has no weights for torch)"
    report = check_session(open_session(recipe.onnx_path), recipe, open_reference(recipe), name)
    assert report.passed, report.reasons
    assert [row.name for row in report.windows] == ["noise", "bursts", "silence", "saturated"]
    assert (report.max_abs, report.cosine) == (1e-4, 0.99999)


def test_without_torch_onnx_runtime_is_the_reference(
    recipe: EngineRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "find_spec", lambda _name: None)
    assert open_reference(recipe).backend == "onnxruntime"
    assert reference_name(recipe) == "ONNX Runtime fp32 (torch is not installed)"


def test_tolerances(recipe: EngineRecipe) -> None:
    assert tolerance_of(recipe, "fp32") is recipe.tolerance["fp32"]
    assert tolerance_of(recipe.model_copy(update={"tolerance": {}}), "bf16").cosine == 0.995


@pytest.mark.parametrize("unit", ["uV", "whitened"])
def test_windows(recipe: EngineRecipe, unit: str) -> None:
    changed = recipe.model_copy(update={"input": recipe.input.model_copy(update={"unit": unit})})
    windows = gate_windows(changed, (1, 31, 64))
    again = gate_windows(changed, (1, 31, 64))
    spread = 15.0 if unit == "uV" else 1.0
    for name, x in windows.items():
        assert x.shape == (N_OF_EACH, 31, 64), name
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        assert np.isfinite(x).all()
        assert np.array_equal(x, again[name])
    assert windows["noise"].std() == pytest.approx(spread, rel=0.2)
    assert windows["bursts"].std() > 3 * spread
    assert not windows["silence"][0].any()
    assert 0 < np.abs(windows["silence"]).max() < 1e-4 * spread
    assert np.abs(windows["saturated"]).max() == pytest.approx(50 * spread)


def test_rhythms_that_a_slow_rate_cannot_carry_are_left_out(recipe: EngineRecipe) -> None:
    slow = recipe.model_copy(update={"input": recipe.input.model_copy(update={"rate_hz": 20.0})})
    assert np.isfinite(gate_windows(slow, (1, 3, 10))["bursts"]).all()
