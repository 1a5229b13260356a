"""Encoders of the same folds beside one another, and what frozen features tell."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.errors import ConfigError
from rtbci.stream.labels import mirror_columns
from tests.training_samples import aligned_signals
from tools.compare_encoders import main
from tools.training.comparing import encoder_gain, encoder_table
from tools.training.frozen import frozen_features, level_features, probe_margins, windows_of
from tools.training.networks import EncoderNet
from tools.training.signals import LAYOUT
from tools.training.starts import Start, start_network
from tools.training.trials import ENDS_SLIDING, cut_trials


def write_training(folder: Path, strength: float, classes: np.ndarray | None = None) -> Path:
    folder.mkdir()
    classes = np.tile([0, 1], 60) if classes is None else classes
    noise = np.random.default_rng(0).standard_normal((120, len(ENDS_SLIDING)))
    margins = noise + strength * (2.0 * classes[:, None] - 1.0)
    np.savez(folder / "fold0.npz", subjects=np.repeat(np.arange(6), 20), classes=classes, encoder=margins)
    return folder


def test_what_is_better_gains_and_other_trials_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weak, strong = write_training(tmp_path / "weak", 0.3), write_training(tmp_path / "strong", 1.5)
    gain = encoder_gain(strong, weak, [0])
    assert all(float(str(gain[track]["difference"])) > 10 for track in ("B", "sliding"))
    table = encoder_table([("weak", weak), ("strong", strong)], [0])
    assert "| strong |" in table
    assert "(" in table.splitlines()[-1].split("|")[3]  # a gain with its standard error
    assert not table.splitlines()[2].split("|")[3].strip()  # the first gains nothing on itself
    assert main([str(weak), str(strong)]) == 0
    assert capsys.readouterr().out.strip() == table
    other = write_training(tmp_path / "other", 1.0, np.tile([1, 0], 60))
    with pytest.raises(ConfigError, match="fold 0 is not of the trials of"):
        encoder_gain(other, weak, [0])
    assert main([str(weak), str(tmp_path / "none")]) == ConfigError.exit_code
    assert "need a fold that was trained" in capsys.readouterr().err


def test_a_probe_finds_what_the_levels_tell_and_nothing_in_noise() -> None:
    signals = aligned_signals(n_subjects=6, n_trials=20)
    noise = cut_trials(signals)
    left, right = LAYOUT.index("C3"), LAYOUT.index("C4")
    for signal in signals:
        for i_cue, side in zip(signal.i_cue, signal.classes, strict=True):
            signal.data[i_cue : i_cue + 1050, left if side else right] *= 0.3
    told = cut_trials(signals)
    torch.manual_seed(0)
    net = EncoderNet("nano", LAYOUT).eval()
    start_network(net, Start(None, "identity"), np.eye(len(LAYOUT)))
    assert frozen_features(net, windows_of(told)).shape == (120, 64)
    rows, test = np.flatnonzero(told.subjects < 6), told.subjects == 6
    found = {}
    for name, trials in (("told", told), ("noise", noise)):
        straight = level_features(net, windows_of(trials))
        mirrored = level_features(net, windows_of(trials, mirror_columns(LAYOUT))[rows])
        margins = probe_margins(straight[rows], mirrored, straight[test], trials, rows)
        found[name] = float(((margins > 0) == (trials.classes[test] == 1)).mean())
    assert found["told"] > 0.9
    assert found["noise"] < 0.8
