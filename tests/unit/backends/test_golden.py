from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rtbci.backends.golden import read_golden
from rtbci.errors import EngineError
from rtbci.recipes import EngineRecipe, read_engine


@pytest.fixture(scope="module")
def recipe() -> EngineRecipe:
    return read_engine("dare_nano")


def test_golden_numbers_that_cannot_be_used(recipe: EngineRecipe, tmp_path: Path) -> None:
    golden = load_file(recipe.folder / "golden.safetensors")
    moved = recipe.model_copy(update={"folder": tmp_path})
    with pytest.raises(EngineError, match="cannot be read"):
        read_golden(moved)
    golden["output"][0, 0, 0] = np.inf
    save_file(golden, tmp_path / "golden.safetensors")
    with pytest.raises(EngineError, match="need as many, finite"):
        read_golden(moved)
