"""The shipped decoder, run live over raw recordings, against the code that trained it."""

import msgspec
import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from rtbci.encoder.checkpoint import read_checkpoint
from rtbci.encoder.dare import channel_ids
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.profile import Profile, read_profile
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import read_engine, read_paradigm, recipes_root
from rtbci.replay.read import read_recordings
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tests.data_paths import data_dir, needs_data
from tools.training.signals import (
    LAYOUT,
    Signal,
    align_signals,
    read_runs,
    reference_signal,
)
from tools.training.tangent_fit import tangent_margins
from tools.training.trials import HOP, PATCH, WINDOW, band_covariances

pytestmark = [needs_data, pytest.mark.data]

N_PATCHES = WINDOW // PATCH
HOPS = (47, 48, 100, 333, 777, 1400)


def offline_margins(profile: Profile, signal: Signal, ends: np.ndarray) -> FloatArray:
    """Fused right minus left of the windows that end before samples `ends`, by scipy, scikit-like code and torch."""
    margins = {
        "encoder": _encoder(profile, signal, ends),
        "tangent": _tangent(profile, signal, ends),
    }
    return np.asarray(sum(entry.weight * margins[entry.name] for entry in profile.branches))


def _encoder(profile: Profile, signal: Signal, ends: np.ndarray) -> FloatArray:
    engine = read_engine("dare_nano")
    assert engine.weights is not None
    encoder, _ = read_checkpoint(engine.folder / engine.weights)
    probe = ConvProbe.from_tensors(profile.tensors("encoder"))
    tensors = {key: value.astype(np.float64) for key, value in profile.tensors("encoder").items()}
    mixed = signal.data @ tensors["adapter"].T
    before = np.repeat(mixed[:1], tensors["adapter_fir"].shape[1] - 1, axis=0)
    line = np.concatenate((before, mixed))  # the past before the first sample is the first sample
    filtered = [lfilter(taps, [1.0], line[:, i]) for i, taps in enumerate(tensors["adapter_fir"])]
    virtual = np.stack(filtered)[:, len(before) :]
    found = []
    for end in ends:
        window = torch.from_numpy(virtual[:, end - WINDOW : end].astype(np.float32))
        views = window.reshape(2, len(LAYOUT), N_PATCHES, PATCH).transpose(1, 2)
        with torch.no_grad():
            features = encoder(views, channel_ids(LAYOUT)).transpose(0, 1).flatten(1).numpy()
        found.append(np.diff(probe.logits(features))[0])
    return np.array(found)


def _tangent(profile: Profile, signal: Signal, ends: np.ndarray) -> FloatArray:
    cues = Signal(signal.subject, np.pad(signal.data, ((0, 2000), (0, 0))), ends, np.zeros(len(ends), int))
    covariances = band_covariances([cues], [(-WINDOW, 0)])[-WINDOW, 0]
    return tangent_margins(TangentProbe.from_tensors(profile.tensors("tangent")), covariances)


@pytest.mark.parametrize("name", ["S001R04", "S007R08"])
def test_live_logits_are_those_of_the_training_code(name: str) -> None:
    recording = read_recordings(data_dir() / "eegmmidb" / "raw" / f"{name}.edf")[0]
    shipped = read_profile(recipes_root() / "paradigms" / "motor_imagery" / "population")
    # Both branches count the same here, so that an error in either shows.
    equal = [msgspec.structs.replace(entry, weight=1.0) for entry in shipped.branches]
    profile = msgspec.structs.replace(shipped, branches=equal)
    recipe = read_paradigm("motor_imagery").model_copy(update={"recentre": None})  # which is tested by itself
    decoder = Decoder(recipe, profile=profile)
    try:
        live = [verdict.estimate.logits for verdict in decoder.decode(recording)]
    finally:
        decoder.close()
    run = read_runs(data_dir() / "eegmmidb" / f"{name[:4]}.npz")[{"04": 0, "08": 1, "12": 2}[name[-2:]]]
    covariance = profile.weights["align.covariance"].astype(float)
    signal = align_signals([reference_signal(run, LAYOUT)], covariance)[0]
    ends = np.array([(k + 1) * HOP for k in HOPS])
    want = offline_margins(profile, signal, ends)
    for k, margin in zip(HOPS, want, strict=True):
        logits = live[k]
        assert logits is not None
        assert np.diff(logits)[0] == pytest.approx(margin, abs=2e-4)
    mirrored = Signal(signal.subject, signal.data[:, mirror_columns(LAYOUT)], signal.i_cue, signal.classes)
    np.testing.assert_allclose(_encoder(profile, mirrored, ends), -_encoder(profile, signal, ends), atol=1e-4)
    assert live[46] is None
    assert np.std(want) > 0.01  # it does decide something
