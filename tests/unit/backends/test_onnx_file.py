import re
from pathlib import Path

import numpy as np
import pytest

from rtbci.backends.onnx_file import check_input, check_network, read_onnx
from rtbci.errors import EngineError
from rtbci.recipes import read_engine


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.onnx: No such file.*export or install it again"):
        read_onnx(tmp_path / "absent.onnx")
    (tmp_path / "e.onnx").write_bytes(b"content")
    assert read_onnx(tmp_path / "e.onnx") == b"content"


def test_another_network_than_the_recipe_names_is_refused() -> None:
    recipe = read_engine("dare_nano")
    assert recipe.onnx_sha256
    check_network(recipe, recipe.onnx_sha256)
    with pytest.raises(
        EngineError, match=r"has sha256 0{12}\.\.\., its recipe says [0-9a-f]{12}\.\.\.; install"
    ):
        check_network(recipe, "0" * 64)
    check_network(recipe.model_copy(update={"onnx_sha256": None}), "0" * 64)


@pytest.mark.parametrize(
    ("shape", "free", "fits"),
    [
        ((1, 3), True, True),
        ((7, 3), True, True),
        ((7, 3), False, False),
        ((1, 3), False, True),
        ((0, 3), True, False),
        ((3,), True, False),
        ((), True, False),
        ((), False, False),
        ((1, 1, 3), True, False),
    ],
)
def test_only_the_batch_may_differ_and_only_where_it_is_free(
    shape: tuple[int, ...], free: bool, fits: bool
) -> None:
    x = np.zeros(shape, np.float32)
    if fits:
        check_input("here", x, (1, 3), free)
        return
    wanted = f"here: input is {shape} float32, need ({'n' if free else 1}, 3) float32"
    with pytest.raises(EngineError, match=re.escape(wanted)):
        check_input("here", x, (1, 3), free)


def test_another_type_is_refused() -> None:
    with pytest.raises(EngineError, match=r"here: input is \(1, 3\) int64, need \(n, 3\) float32"):
        check_input("here", np.zeros((1, 3), np.int64), (1, 3), True)  # pyright: ignore[reportArgumentType]
