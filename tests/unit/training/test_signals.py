from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import ChannelError, FileFormatError
from rtbci.probe.profile import chain_hash
from rtbci.recipes import read_paradigm
from rtbci.stream.labels import mirror_columns
from tests.training_samples import write_subject
from tools.training.shipping import CLASSES, chain_settings
from tools.training.signals import (
    FRONTAL,
    LAYOUT,
    RATE_HZ,
    align_signals,
    mean_covariance,
    read_runs,
    reference_signal,
)


def test_the_recipe_says_what_the_decoder_is_trained_on() -> None:
    recipe = read_paradigm("motor_imagery")
    assert recipe.input.channels == LAYOUT
    assert recipe.classes == CLASSES
    assert chain_hash(chain_settings()) == chain_hash([stage.model_dump() for stage in recipe.stages])


def test_runs_are_read_with_their_cues(tmp_path: Path) -> None:
    path = write_subject(tmp_path, 3)
    runs = read_runs(path)
    assert [run.subject for run in runs] == [3, 3]
    assert set(LAYOUT) | set(FRONTAL) <= set(runs[0].labels)
    assert runs[0].data_uv.shape == (len(runs[0].data_uv), len(runs[0].labels))
    assert set(runs[0].classes) == {0, 1}
    assert len(runs[0].i_cue) == len(runs[0].classes)
    np.savez(tmp_path / "S009.npz", x=np.zeros(3))
    with pytest.raises(FileFormatError, match="need sfreq, ch_names and runNN"):
        read_runs(tmp_path / "S009.npz")


def test_a_cue_stays_where_it_was_when_the_rate_changes(tmp_path: Path) -> None:
    run = read_runs(write_subject(tmp_path, 1))[0]
    signal = reference_signal(run, LAYOUT)
    np.testing.assert_allclose(signal.i_cue / RATE_HZ, run.i_cue / run.rate_hz, atol=1 / RATE_HZ)
    assert abs(len(signal.data) / RATE_HZ - len(run.data_uv) / run.rate_hz) < 2 / RATE_HZ
    np.testing.assert_allclose(signal.data.sum(axis=1), 0.0, atol=1e-9)  # average reference
    with pytest.raises(ChannelError, match="has no"):
        reference_signal(run, ["C3", "XX9"])


def test_alignment_whitens_and_never_looks_ahead(tmp_path: Path) -> None:
    signals = [reference_signal(run, LAYOUT) for run in read_runs(write_subject(tmp_path, 1))]
    covariance = mean_covariance(signals)
    aligned = align_signals(signals, covariance)
    power = (aligned[0].data[1000:] ** 2).mean()
    assert 0.5 < power < 2.0
    changed = [type(one)(one.subject, one.data.copy(), one.i_cue, one.classes) for one in signals]
    changed[0].data[2000:] = 0.0
    again = align_signals(changed, covariance)
    np.testing.assert_array_equal(again[0].data[:2000], aligned[0].data[:2000])


def test_mirroring_is_its_own_inverse() -> None:
    for layout in (LAYOUT, FRONTAL):
        columns = mirror_columns(layout)
        assert [columns[i] for i in columns] == list(range(len(layout)))
    mirrored = [LAYOUT[i] for i in mirror_columns(LAYOUT)]
    assert dict(zip(LAYOUT, mirrored, strict=True))["C3"] == "C4"
    assert dict(zip(LAYOUT, mirrored, strict=True))["FC6"] == "FC5"
    assert dict(zip(LAYOUT, mirrored, strict=True))["CZ"] == "CZ"
