"""Motor imagery on caps that have only some of its electrodes, with the weights as they are."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rtbci.errors import ChannelError
from rtbci.recipes import read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.verdict import Verdict
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label
from tests.data_paths import data_dir, needs_data
from tests.tiny import eeg, stream_info

TEN_TWENTY = [
    "Fp1",
    "Fp2",
    "F7",
    "F3",
    "Fz",
    "F4",
    "F8",
    "T3",
    "C3",
    "Cz",
    "C4",
    "T4",
    "T5",
    "P3",
    "Pz",
    "P4",
    "T6",
    "O1",
    "O2",
]
FRONTAL = ("FP1", "FP2", "F7", "F3", "FZ", "F4", "F8")
EIGHT = ["EEG C4-REF", "Cz..", "Pz", "FC3", "c3", "CP4", "Fc4.", "CP3"]
THREE = ["C4", "C3", "Cz"]
CAPS = {"19": (TEN_TWENTY, 12), "8": (EIGHT, 8), "3": (THREE, 3)}
LAYOUT = read_paradigm("motor_imagery").input.channels


def wandering(labels: Sequence[str], seconds: float = 6.0, rate_hz: float = 250.0) -> Recording:
    """Alpha that wanders over the layout, as the cap sees it; electrodes outside of the layout have noise."""
    data = eeg(round(seconds * rate_hz), len(LAYOUT), rate_hz)
    noise = 8.0 * np.random.default_rng(1).standard_normal(data.shape)
    names = [canonical_label(label) for label in labels]
    columns = [data[:, LAYOUT.index(n)] if n in LAYOUT else noise[:, i] for i, n in enumerate(names)]
    return Recording(stream_info(labels, rate_hz), np.column_stack(columns))


def cut(recording: Recording, labels: Sequence[str]) -> Recording:
    """The same recording with the electrodes of a cap, in its order and spelling."""
    at = {canonical_label(label): i for i, label in enumerate(recording.info.labels)}
    columns = [at[canonical_label(label)] for label in labels]
    info = recording.info
    channels = tuple(replace(info.channels[i], label=label) for i, label in zip(columns, labels, strict=True))
    return replace(recording, info=replace(info, channels=channels), data=recording.data[:, columns])


def probs(verdicts: Sequence[Verdict]) -> FloatArray:
    found = [one.estimate.probs for one in verdicts if one.estimate.probs is not None]
    assert found
    return np.array(found)


def check_calibrated(values: FloatArray) -> None:
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values.sum(axis=1), 1.0, atol=1e-9)
    assert values.std(axis=0).min() > 0.01  # it looks at the signal


@pytest.mark.parametrize("cap", CAPS)
def test_a_cap_with_fewer_electrodes_is_decoded(cap: str) -> None:
    labels, n_found = CAPS[cap]
    with Decoder("motor_imagery") as decoder:
        values = probs(decoder.decode(wandering(labels)))
        channel_map = decoder.channel_map
    check_calibrated(values)
    assert channel_map is not None
    assert channel_map.matrix.shape == (n_found, len(labels))
    assert len(channel_map.inferred) == len(LAYOUT) - n_found
    assert channel_map.interpolated == ()


@pytest.mark.parametrize("cap", CAPS)
def test_the_order_of_the_electrodes_does_not_matter(cap: str) -> None:
    whole = wandering(CAPS[cap][0])
    with Decoder("motor_imagery") as decoder:
        wanted = probs(decoder.decode(whole))
        turned = probs(decoder.decode(cut(whole, whole.info.labels[::-1])))
    np.testing.assert_array_equal(turned, wanted)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e9])
def test_frontal_electrodes_are_not_read(garbage: float) -> None:
    whole = wandering(TEN_TWENTY)
    spoilt = whole.data.copy()
    frontal = [canonical_label(label) in FRONTAL for label in TEN_TWENTY]
    spoilt[:, frontal] = garbage
    with Decoder("motor_imagery") as decoder:
        wanted = probs(decoder.decode(whole))
        assert not decoder.read[frontal].any()
        np.testing.assert_array_equal(probs(decoder.decode(replace(whole, data=spoilt))), wanted)


def test_all_electrodes_are_decoded_as_by_interpolation() -> None:
    recipe = read_paradigm("motor_imagery")
    interpolating = recipe.input.model_copy(update={"missing": "interpolate"})
    whole = wandering(LAYOUT)
    with Decoder(recipe) as one, Decoder(recipe.model_copy(update={"input": interpolating})) as other:
        np.testing.assert_array_equal(probs(one.decode(whole)), probs(other.decode(whole)))


def test_without_a_hand_area_it_is_refused() -> None:
    with Decoder("motor_imagery") as decoder:
        with pytest.raises(ChannelError, match="lacks C3, need C3, C4 whatever else is missing"):
            decoder.open(stream_info([label for label in TEN_TWENTY if label != "C3"]))
        with pytest.raises(ChannelError, match="has 2 of the 31 channels of the decoder, need at least 3"):
            decoder.open(stream_info(["C3", "C4", "Fz", "F3", "F4"]))


def test_without_a_covariance_it_is_refused() -> None:
    with Decoder("motor_imagery") as decoder:
        assert decoder.profile is not None
        del decoder.profile.weights["align.covariance"]
        with pytest.raises(
            ChannelError, match=r"profile in use has no covariance.*missing = \"interpolate\""
        ):
            decoder.open(stream_info(TEN_TWENTY))


@pytest.mark.data
@needs_data
@pytest.mark.parametrize("cap", CAPS)
def test_a_person_under_a_smaller_cap_is_decoded_much_as_under_the_whole(cap: str) -> None:
    recording = read_recordings(data_dir() / "eegmmidb" / "raw" / "S007R12.edf")[0]
    recording = replace(recording, data=recording.data[: round(45.0 * recording.info.rate_hz)], markers=())
    with Decoder("motor_imagery") as decoder:
        whole = probs(decoder.decode(recording))
        values = probs(decoder.decode(cut(recording, CAPS[cap][0])))
    check_calibrated(values)
    assert np.corrcoef(whole[:, 0], values[:, 0])[0, 1] > 0.7
