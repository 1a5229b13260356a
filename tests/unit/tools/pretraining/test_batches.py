from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.encoder.dare import channel_ids
from rtbci.encoder.losses import log_band_powers
from rtbci.encoder.pretraining import count_targets
from rtbci.errors import ConfigError, SignalError
from tests.pretraining_samples import LABELS, write_shards
from tools.pretraining.batches import BatchSource, amplitude_task, root_mean_square
from tools.pretraining.shards import ShardWriter, read_index, write_index

N_SAMPLES = 256


def source(
    folder: Path, batch: int = 8, rank: int = 0, n_processes: int = 1, **kwargs: object
) -> BatchSource:
    index = read_index(folder)
    settings: dict[str, object] = {"n_samples": N_SAMPLES, "seed": 1, **kwargs}
    return BatchSource(folder, index, batch=batch, rank=rank, n_processes=n_processes, **settings)  # type: ignore[arg-type]


def test_a_step_follows_from_seed_and_number_alone(tmp_path: Path) -> None:
    write_shards(tmp_path)
    one, two = source(tmp_path), source(tmp_path)
    one.draw(0)
    for i_step in (5, 3):
        a, b = one.draw(i_step), two.draw(i_step)
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.masks.first, b.masks.first)
    assert not torch.equal(one.draw(3).x, one.draw(4).x)
    assert not torch.equal(one.draw(3).x, source(tmp_path, seed=2).draw(3).x)


def test_processes_take_the_rows_of_one_batch(tmp_path: Path) -> None:
    write_shards(tmp_path)
    whole = source(tmp_path).draw(2)
    parts = [source(tmp_path, rank=rank, n_processes=2).draw(2) for rank in (0, 1)]
    assert torch.equal(torch.cat([part.x for part in parts]), whole.x)
    for name in ("kept", "first", "second", "target"):
        assert torch.equal(
            torch.cat([getattr(part.masks, name) for part in parts]), getattr(whole.masks, name)
        )
    assert parts[0].n_targets == parts[1].n_targets == count_targets(whole.masks, 2)


def test_windows_are_cut_out_of_recordings_and_span_none(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    recordings = []
    for shard in index.shards:
        data = np.load(tmp_path / shard.file)
        recordings += [data[piece.start :][: piece.n_samples] for piece in shard.pieces]
    found = set()
    for i_step in range(10):
        batch = source(tmp_path).draw(i_step)
        assert batch.x.shape == (8, len(LABELS), N_SAMPLES)
        assert torch.equal(batch.channel_ids, channel_ids(LABELS))
        for window in batch.x.numpy():
            hits = [
                (i, int(at))
                for i, data in enumerate(recordings)
                for at in np.flatnonzero(data[: len(data) - N_SAMPLES + 1, 0] == window[0, 0])
                if np.array_equal(data[at : at + N_SAMPLES].T, window)
            ]
            assert len(hits) == 1
            found.add(hits[0][0])
    assert found == {0, 1, 2, 3}


def test_all_windows_of_a_batch_have_one_layout(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, 2**20)
    rng = np.random.default_rng(0)
    writer.add("three", LABELS[:3], rng.standard_normal((3000, 3)))
    writer.add("five", LABELS[:5], rng.standard_normal((1000, 5)))
    writer.close()
    index = replace(write_shards(tmp_path / "other"), shards=tuple(writer.shards))
    write_index(tmp_path, index)
    counts = {3: 0, 5: 0}
    drawn = source(tmp_path)
    for i_step in range(100):
        counts[drawn.draw(i_step).x.shape[1]] += 1
    n_three, n_five = 3000 - N_SAMPLES + 1, 1000 - N_SAMPLES + 1
    assert counts[3] / 100 == pytest.approx(n_three / (n_three + n_five), abs=0.1)
    assert drawn.n_windows == n_three + n_five
    assert drawn.channels == ("F3", "FZ", "F4", "C3", "CZ"), "of all layouts, in the encoder's order"


def test_short_and_excluded_recordings_are_not_drawn(tmp_path: Path) -> None:
    write_shards(tmp_path)
    n = 2000 - N_SAMPLES + 1
    assert source(tmp_path).n_windows == 4 * n
    assert source(tmp_path, exclude=["recording[13]"]).n_windows == 2 * n
    with pytest.raises(ConfigError, match="no recording of the shards has 2048 samples"):
        source(tmp_path, n_samples=2048)
    with pytest.raises(ConfigError, match="is not excluded"):
        source(tmp_path, exclude=["*"])


def test_batches_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_shards(tmp_path)
    with pytest.raises(ConfigError, match="batch of 7 for 2 processes"):
        source(tmp_path, batch=7, n_processes=2)
    with pytest.raises(ConfigError, match="at least 2 windows for each"):
        source(tmp_path, batch=2, n_processes=2)
    with pytest.raises(ConfigError, match="multiple of 64"):
        source(tmp_path, n_samples=100)


def test_statistics_of_the_shards_are_those_of_the_samples(tmp_path: Path) -> None:
    index = write_shards(tmp_path, n_samples=1920)
    data = np.concatenate([np.load(tmp_path / shard.file) for shard in index.shards])
    rms = root_mean_square(index)
    assert rms == pytest.approx(float(np.sqrt(np.mean(np.square(data, dtype=float)))), rel=1e-6)
    task = amplitude_task(index, 0.5)
    patches = torch.from_numpy(data.reshape(-1, 64, len(LABELS))).transpose(1, 2)
    powers = log_band_powers(patches, rms**2).flatten(0, 1).double()
    np.testing.assert_allclose(task.centres, powers.mean(dim=0), atol=1e-3)
    np.testing.assert_allclose(task.spreads, powers.std(dim=0), rtol=1e-3)
    wanted = task.wanted(patches.flatten(0, 1))
    torch.testing.assert_close(wanted.mean(dim=0), torch.zeros(2), atol=1e-2, rtol=0)
    assert (task.weight, task.n_powers) == (0.5, 2)


def test_silence_is_refused(tmp_path: Path) -> None:
    index = write_shards(tmp_path)
    silent = replace(index, shards=tuple(replace(shard, mean_square=0.0) for shard in index.shards))
    with pytest.raises(SignalError, match="only zeros"):
        root_mean_square(silent)
