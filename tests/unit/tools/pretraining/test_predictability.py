from pathlib import Path

import numpy as np
import pytest

from rtbci.encoder.sizes import RATE_HZ
from tests.pretraining_samples import LABELS, write_shards
from tools.pretrain import main
from tools.pretraining.predictability import linear_predictability
from tools.pretraining.shards import ShardIndex, ShardWriter, write_index


def shards_of(folder: Path, data: np.ndarray) -> ShardIndex:
    writer = ShardWriter(folder, 2**24)
    writer.add("one", LABELS, data)
    writer.close()
    index = ShardIndex("test", [], RATE_HZ, "mV", {}, tuple(writer.shards), {})
    write_index(folder, index)
    return index


def test_noise_cannot_be_predicted(tmp_path: Path) -> None:
    index = shards_of(tmp_path, np.random.default_rng(0).standard_normal((64 * 400, len(LABELS))))
    found = linear_predictability(tmp_path, index)
    assert found.unseen == pytest.approx(1.0, abs=0.02)
    assert found.dropped == pytest.approx(1.0, abs=0.1)
    assert found.n_pieces == 1


def test_a_shared_rhythm_can_be_predicted_from_channels_and_from_times(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * 9.0 * np.arange(64 * 200) / RATE_HZ)[:, None] * np.linspace(-1, 1, len(LABELS))
    index = shards_of(tmp_path, wave + 0.01 * rng.standard_normal(wave.shape))
    found = linear_predictability(tmp_path, index)
    assert found.unseen < 0.1
    assert found.dropped < 0.1


def test_whitening_leaves_nothing_between_channels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((64 * 400, 3)) @ rng.standard_normal((3, len(LABELS)))
    mixed = mixed + 0.2 * rng.standard_normal(mixed.shape)
    values, vectors = np.linalg.eigh(np.cov(mixed.T))
    white = mixed @ (vectors / np.sqrt(values)) @ vectors.T
    (tmp_path / "mixed").mkdir()
    (tmp_path / "white").mkdir()
    before = linear_predictability(tmp_path / "mixed", shards_of(tmp_path / "mixed", mixed))
    after = linear_predictability(tmp_path / "white", shards_of(tmp_path / "white", white))
    assert before.unseen < 0.3
    assert after.unseen > 0.9


def test_command_line_tells_both_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shards(tmp_path)
    assert main(["inspect", "--shards", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "unseen channel 0." in told
    assert "dropped patch " in told
    assert "4 recordings" in told
