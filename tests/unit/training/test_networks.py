from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.backends.export import export_checkpoint
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.probe.band_branches import PowerBranch, TangentBranch
from rtbci.probe.branches import EncoderBranch
from rtbci.probe.tangent import TangentProbe
from rtbci.stream.labels import mirror_columns
from tests.training_samples import aligned_signals
from tools.training.filters import convolve
from tools.training.networks import (
    EncoderNet,
    FitSettings,
    PowerNet,
    fit_network,
    logits_of_windows,
    redraw_weights,
)
from tools.training.signals import LAYOUT, RATE_HZ
from tools.training.tangent_fit import tangent_margins
from tools.training.trials import (
    BAND_ORDER,
    BANDS_HZ,
    END_TRACK_B,
    HOP,
    PATCH,
    WINDOW,
    band_covariances,
    cut_trials,
)

SIGNALS = aligned_signals()
TRIALS = cut_trials(SIGNALS)
SETTINGS = FitSettings(epochs=2, rate=1e-3, batch=4)


def upto_track_b(i_trial: int) -> np.ndarray:
    """The first subject's signal from its start to the end of a trial's track B window."""
    signal = SIGNALS[0]
    return signal.data[: signal.i_cue[i_trial] + END_TRACK_B]


def test_trials_are_cut_around_their_cues() -> None:
    assert TRIALS.x.shape[0] == 8
    for i in range(4):
        np.testing.assert_array_equal(
            TRIALS.windows(END_TRACK_B)[i], upto_track_b(i)[-WINDOW:].T.astype(np.float32)
        )


def test_the_power_branch_gives_live_what_the_network_gave_in_training() -> None:
    torch.manual_seed(1)
    net = PowerNet(len(LAYOUT))
    fit_network(net, TRIALS, np.arange(8), mirror_columns(LAYOUT), SETTINGS, 0, lambda line: None)
    want = logits_of_windows(net, TRIALS.windows(END_TRACK_B, net.context))
    branch = PowerBranch(net.probe(), WINDOW, HOP)
    for i in range(4):
        np.testing.assert_allclose(branch.logits_of(upto_track_b(i)), want[i], atol=1e-4)


def test_the_tangent_branch_gives_live_what_it_gave_in_training() -> None:
    rng = np.random.default_rng(0)
    n = len(LAYOUT)
    coef = rng.standard_normal((2, len(BANDS_HZ) * n * (n + 1) // 2))
    probe = TangentProbe(np.stack([(1.0 + i) * np.eye(n) for i in range(len(BANDS_HZ))]), coef, np.zeros(2))
    span = (END_TRACK_B - WINDOW, END_TRACK_B)
    want = tangent_margins(probe, band_covariances(SIGNALS[:1], [span])[span])
    branch = TangentBranch(probe, BANDS_HZ, RATE_HZ, WINDOW, HOP, order=BAND_ORDER)
    for i in range(4):
        signal = upto_track_b(i)
        # Filters started up to 15 samples later, on the next whole hop: forgotten before the window.
        logits = branch.logits_of(signal)
        assert logits[1] - logits[0] == pytest.approx(want[i], abs=1e-4)


def test_the_encoder_branch_gives_live_what_the_network_gave_in_training(tmp_path: Path) -> None:
    """Adapter with its filters, normalisation folded into the checkpoint, ONNX file, probe, hop by hop."""
    torch.manual_seed(1)
    net = EncoderNet("nano", LAYOUT)
    fit_network(net, TRIALS, np.arange(4), mirror_columns(LAYOUT), SETTINGS, 1, lambda line: None)
    want = logits_of_windows(net, TRIALS.windows(END_TRACK_B, net.context)[:3])
    path = tmp_path / "encoder.safetensors"
    write_checkpoint(path, net.folded(), LAYOUT, "whitened")
    export_checkpoint(path, tmp_path / "encoder.onnx")
    session = OrtSession(tmp_path / "encoder.onnx")
    adapter = net.adapter_tensors()
    branch = EncoderBranch(
        session, net.probe(), HOP, adapter=adapter["adapter"], adapter_fir=adapter["adapter_fir"]
    )
    for i in range(3):
        signal = upto_track_b(i)
        branch.reset()
        for start in range(len(signal) % HOP, len(signal), HOP):
            branch.push(signal[start : start + HOP])
        live = branch.logits()
        assert live is not None
        np.testing.assert_allclose(live, want[i], atol=1e-5)
        np.testing.assert_allclose(branch.logits_of(signal), want[i], atol=1e-5)


def test_the_mirrored_window_has_the_same_logits_with_the_other_sign() -> None:
    torch.manual_seed(1)
    net = EncoderNet("nano", LAYOUT)
    fit_network(net, TRIALS, np.arange(4), mirror_columns(LAYOUT), SETTINGS, 1, lambda line: None)
    windows = TRIALS.windows(END_TRACK_B, net.context)
    logits = logits_of_windows(net, windows)
    np.testing.assert_allclose(logits_of_windows(net, windows[:, mirror_columns(LAYOUT)]), -logits, atol=1e-6)
    assert np.abs(logits).max() > 1e-3


def test_folding_the_normalisation_changes_no_logit() -> None:
    torch.manual_seed(1)
    net = EncoderNet("nano", LAYOUT)
    fit_network(net, TRIALS, np.arange(4), mirror_columns(LAYOUT), SETTINGS, 1, lambda line: None)
    windows = TRIALS.windows(END_TRACK_B, net.context)
    want = logits_of_windows(net, windows)
    assert net.norm.running_mean is not None
    assert float(net.norm.running_mean.abs().max()) > 0.01  # there is something to fold
    net.encoder, net.norm = net.folded(), torch.nn.Identity()  # type: ignore[assignment]
    np.testing.assert_allclose(logits_of_windows(net, windows), want, atol=1e-4)


def test_filtering_by_fft_is_the_causal_convolution() -> None:
    rng = np.random.default_rng(0)
    x, taps = rng.standard_normal((2, 5, 200)), rng.standard_normal((5, 65))
    got = convolve(torch.from_numpy(x), torch.from_numpy(taps)).numpy()
    for i, row in enumerate(x):
        for c in range(5):
            np.testing.assert_allclose(got[i, c], np.convolve(row[c], taps[c], "valid"), atol=1e-10)


def test_levels_are_dropped_for_a_whole_window_at_a_time() -> None:
    torch.manual_seed(0)
    net = EncoderNet("nano", LAYOUT).train()
    levels = net._levels(torch.randn(8 * 12, len(LAYOUT), PATCH), 4).reshape(8, 12, -1)
    silent = levels == 0.0
    assert torch.equal(silent[:4], silent[4:])  # those of the mirror image, too
    assert torch.equal(silent.all(dim=1), silent.any(dim=1))
    assert 0.2 < float(silent.float().mean()) < 0.8


def test_windows_left_out_are_those_of_the_dropout_and_cost_nothing() -> None:
    torch.manual_seed(0)
    net = EncoderNet("nano", LAYOUT, path_dropout=0.5).train()
    patches, levels = torch.randn(16 * 12, len(LAYOUT), PATCH), torch.randn(16 * 12, len(LAYOUT))
    whole = net.encoder.transform(patches, net.ids, levels).reshape(16, 12, -1)
    torch.manual_seed(1)
    got = net._transform(patches, levels, 8)
    torch.manual_seed(1)
    factors = torch.nn.functional.dropout(torch.ones(8, 1, 1), 0.5, True).repeat(2, 1, 1)
    assert 0 < int((factors == 0).sum()) < 8
    torch.testing.assert_close(got, whole * factors)
    net.path_dropout = 1.0
    assert not net._transform(patches, levels, 8).any()
    torch.testing.assert_close(net.eval()._transform(patches, levels, 8), whole)


def untrained_features(embedding_std: float, redrawn: bool) -> tuple[np.ndarray, np.ndarray]:
    """Features of patches of noise of different loudness, and the logarithm of the loudness."""
    rng = np.random.default_rng(0)
    loudness = 0.5 * rng.standard_normal(1000)
    noise = rng.standard_normal((1000, len(LAYOUT), PATCH)) * np.exp(loudness)[:, None, None]
    torch.manual_seed(0)
    encoder = DareEncoder("nano", embedding_std=embedding_std)
    if redrawn:
        redraw_weights(encoder)
    with torch.no_grad():
        features = encoder.encode_patches(torch.from_numpy(noise.astype(np.float32)), channel_ids(LAYOUT))
    centred = features.flatten(1).double().numpy()
    return centred - centred.mean(axis=0), loudness


def explained(features: np.ndarray, target: np.ndarray) -> float:
    """Squared correlation of a ridge regression on the second half, fitted on the first."""
    x, y = features[:500], target[:500]
    weights = np.linalg.solve(x.T @ x + 0.5 * np.eye(x.shape[1]), x.T @ y)
    return float(np.corrcoef(features[500:] @ weights, target[500:])[0, 1] ** 2)


def test_redrawn_weights_let_the_signal_through() -> None:
    assert untrained_features(0.5, redrawn=False)[0].std() < 0.1
    assert untrained_features(0.5, redrawn=True)[0].std() > 0.5


def test_a_large_channel_embedding_carries_amplitude_past_the_normalisation() -> None:
    assert explained(*untrained_features(0.02, redrawn=True)) < 0.3
    assert explained(*untrained_features(0.5, redrawn=True)) > 0.4


@pytest.mark.parametrize("kind", ["encoder", "power"])
def test_the_same_seed_gives_the_same_network(kind: str) -> None:
    def trained() -> np.ndarray:
        torch.manual_seed(3)
        net = EncoderNet("nano", LAYOUT) if kind == "encoder" else PowerNet(len(LAYOUT))
        fit_network(net, TRIALS, np.arange(4), mirror_columns(LAYOUT), SETTINGS, 3, lambda line: None)
        return logits_of_windows(net, TRIALS.windows(END_TRACK_B, net.context))

    np.testing.assert_array_equal(trained(), trained())


def test_the_power_network_learns_what_there_is_to_learn() -> None:
    signals = aligned_signals(n_subjects=2, n_trials=48)
    left, right = LAYOUT.index("C3"), LAYOUT.index("C4")
    for signal in signals:
        for i_cue, side in zip(signal.i_cue, signal.classes, strict=True):
            signal.data[i_cue : i_cue + 1050, left if side else right] *= 0.3
    trials = cut_trials(signals)
    torch.manual_seed(0)
    net = PowerNet(len(LAYOUT))
    lines: list[str] = []
    settings = FitSettings(epochs=20, rate=5e-3, batch=12)
    fit_network(
        net, trials, np.flatnonzero(trials.subjects == 1), mirror_columns(LAYOUT), settings, 0, lines.append
    )
    logits = logits_of_windows(net, trials.windows(END_TRACK_B, net.context))
    test = trials.subjects == 2
    assert ((logits.argmax(1) == trials.classes)[test]).mean() > 0.9
    assert len(lines) == 20
    assert "s left" in lines[0]
