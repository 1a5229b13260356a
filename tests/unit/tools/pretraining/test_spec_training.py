"""Experts pretrained by the tool: people of their own, losses that fall, kills that cost nothing."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from rtbci.encoder.specmoe.checkpoint import read_expert, read_spec_metadata
from rtbci.errors import ConfigError
from tests.pretraining_samples import LABELS, write_shards
from tools.pretrain import main
from tools.pretraining.batches import WindowSource
from tools.pretraining.shards import ShardIndex, read_index
from tools.pretraining.spec_inspect import masked_errors
from tools.pretraining.spec_training import SpecSource, SpecTrainSettings, not_of_expert, person_of


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder, n_recordings=6, n_samples=1600, rate_hz=200.0, name="S{0:03d}.npz@0+0:S{0:03d}")
    return folder


def source(shards: Path, n_channels: int = 4, rank: int = 0, n_processes: int = 1) -> SpecSource:
    windows = WindowSource(
        shards, read_index(shards), batch=4, n_samples=600, seed=3, rank=rank, n_processes=n_processes
    )
    return SpecSource(windows, n_channels)


def train(shards: Path, out: Path, *more: str) -> int:
    given = ["--encoder", "specmoe", "--shards", str(shards), "--out", str(out), "--device", "cpu"]
    small = [
        "--batch",
        "4",
        "--window-s",
        "3",
        "--channels",
        "2",
        "--steps",
        "4",
        "--save-every",
        "2",
        "--log-every",
        "1",
    ]
    return main(["train", *given, *small, *more])


def test_people_are_found_in_the_names_of_recordings() -> None:
    assert person_of("S001.npz@0+130:S001") == "S001"
    assert person_of("raw/S007R04.edf@0+0:x") == "S007"
    assert person_of("sub-12/eeg/sub-12_task-rest_eeg.edf@0+0") == "SUB-12"
    with pytest.raises(ConfigError, match="names nobody"):
        person_of("recording.edf")


def test_each_expert_has_people_of_its_own_and_all_have_somebody() -> None:
    names = [f"S{i:03d}.npz@0+{run}:x" for i in range(7) for run in (0, 130)]
    others = [set(not_of_expert(names, i, 3)) for i in range(3)]
    people = [{person_of(name) for name in set(names) - one} for one in others]
    assert [len(one) for one in people] == [3, 2, 2]
    assert set.union(*people) == {person_of(name) for name in names}
    assert not people[0] & people[1]
    assert not people[1] & people[2]
    with pytest.raises(ConfigError, match="1 people for 3 experts"):
        not_of_expert(names[:2], 0, 3)


def test_a_step_gives_the_same_batch_again_and_each_process_its_rows(shards: Path) -> None:
    whole, again = source(shards).draw(5), source(shards).draw(5)
    assert torch.equal(whole.x, again.x)
    assert tuple(whole.x.shape) == (4, 4, 600)
    assert tuple(whole.masks.shape) == (4, 201, 4)
    parts = [source(shards, rank=rank, n_processes=2).draw(5) for rank in (0, 1)]
    assert torch.equal(torch.cat([part.x for part in parts]), whole.x)
    assert torch.equal(torch.cat([part.masks for part in parts]), whole.masks)
    assert source(shards, n_channels=0).draw(0).x.shape[1] == len(LABELS)


def test_training_writes_an_expert_that_says_whom_it_has_seen(shards: Path, tmp_path: Path) -> None:
    assert train(shards, tmp_path, "--expert", "1", "--exclude", "S000*") == 0
    info = read_spec_metadata(tmp_path / "expert.safetensors")
    assert json.loads(info.notes["people"]) == ["S002", "S005"]
    assert (info.kind, info.size.name, info.rate_hz, info.notes["steps_done"]) == (
        "expert",
        "mini",
        200.0,
        "4",
    )
    assert read_expert(tmp_path / "expert.safetensors")[0].training is False
    with (tmp_path / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert all(
        np.isfinite(float(row[name])) for row in rows for name in ("total", "coarse", "fine", "masked")
    )


def test_a_training_that_was_stopped_ends_where_one_in_one_go_does(shards: Path, tmp_path: Path) -> None:
    train(shards, tmp_path / "whole")
    train(shards, tmp_path / "parts", "--until", "2")
    train(shards, tmp_path / "parts")
    one, two = (load_file(tmp_path / name / "expert.safetensors") for name in ("whole", "parts"))
    assert all(np.array_equal(one[key], two[key]) for key in one)


def test_other_settings_and_shards_of_another_rate_are_refused(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(shards, tmp_path / "out", "--until", "2")
    assert train(shards, tmp_path / "out", "--expert", "1") != 0
    assert "expert = 1 (was 0)" in capsys.readouterr().err
    write_shards(tmp_path / "fast", name="S{0:03d}")
    assert train(tmp_path / "fast", tmp_path / "other") != 0
    assert "shards are at 256 Hz, need 200 Hz" in capsys.readouterr().err


def test_inspect_tells_experts_beside_trivial_predictors(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(shards, tmp_path / "a", "--exclude", "S003*")
    path = str(tmp_path / "a" / "expert.safetensors")
    assert main(["inspect", "--shards", str(shards), "--experts", path, "--only", "S003*"]) == 0
    said = capsys.readouterr().out
    assert "128 windows of S003" in said
    assert [line.split(":")[0] for line in said.splitlines()[-5:]] == [
        "zeros",
        "masked_input",
        "interpolated",
        "a",
        "mean of experts",
    ]


def test_the_mean_of_one_expert_is_that_expert(shards: Path, tmp_path: Path) -> None:
    train(shards, tmp_path / "a")
    index: ShardIndex = read_index(shards)
    found = masked_errors(shards, index, [tmp_path / "a" / "expert.safetensors"], n_batches=2, batch=2)
    assert found.errors["a"] == found.errors["mean of experts"]
    assert found.errors["zeros"] == (1.0, 0.0)


@pytest.mark.parametrize("changes", [{"window_s": 2.5}, {"expert": 3}, {"steps": 1}, {"rate": 0.0}])
def test_settings_that_mean_nothing_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="SpecTrainSettings: got"):
        SpecTrainSettings(**changes)  # type: ignore[arg-type]
