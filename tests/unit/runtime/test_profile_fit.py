from pathlib import Path

import msgspec

from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.runtime.profile_fit import reason_not_to_run
from tests.tiny import write_paradigm, write_tiny_profile


def test_whether_a_profile_would_run(tmp_path: Path) -> None:
    folder = write_paradigm(tmp_path / "tiny")
    recipe = read_paradigm(str(folder))
    profile = read_profile(write_tiny_profile(tmp_path / "ada", folder))
    assert reason_not_to_run(profile, recipe) == ""
    other_chain = msgspec.structs.replace(profile, chain_hash="0" * 64)
    assert "does not fit paradigm 'tiny': stages (hash)" in reason_not_to_run(other_chain, recipe)
    branch = msgspec.structs.replace(profile.branches[0], engine_id="f" * 64)
    other_engine = msgspec.structs.replace(profile, branches=[branch])
    assert "the profile was made with ffffffffffff" in reason_not_to_run(other_engine, recipe)
    (tmp_path / "tiny" / "engine" / "engine.onnx").unlink()
    assert "engine.onnx" in reason_not_to_run(profile, recipe)
