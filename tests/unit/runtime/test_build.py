import numpy as np
import pytest

from rtbci.errors import RateError, UnitError
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.build import build_stages, stream_gains_uv
from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.filter import SosFilter
from rtbci.stages.reference import AverageReference, NamedReference
from rtbci.stages.resample import Decimate, Resample
from rtbci.stages.stage import Chain
from rtbci.stream.layout import match_channels
from rtbci.stream.source import Channel, StreamInfo
from tests.probe_samples import make_profile
from tests.tiny import LABELS, eeg, stream_info

ALL: list[dict[str, object]] = [
    {"kind": "bandpass", "low_hz": 8.0, "high_hz": 30.0},
    {"kind": "notch", "freq_hz": 50.0},
    {"kind": "resample", "rate_hz": 256.0},
    {"kind": "reference"},
    {"kind": "reference", "channels": ["CZ"]},
    {"kind": "decimate", "factor": 2},
    {"kind": "align", "warm_start_s": 5.0},
]


def recipe(*stages: dict[str, object]) -> ParadigmRecipe:
    return ParadigmRecipe.model_validate(
        {
            "schema": 1,
            "name": "p",
            "classes": ["left", "right"],
            "input": {"channels": LABELS},
            "stages": stages,
            "window": {"length_s": 1.0},
            "branches": [{"name": "power", "kind": "power"}],
        }
    )


def build(one: ParadigmRecipe, info: StreamInfo, profile: Profile | None = None, unit: str = "") -> Chain:
    channel_map = match_channels(info, one.input.channels)
    return Chain(build_stages(one, info, channel_map, stream_gains_uv(info, unit), profile))


def test_every_kind_of_stage_in_the_order_of_the_recipe() -> None:
    chain = build(recipe(*ALL), stream_info())
    assert [type(stage) for stage in chain.stages] == [
        SpectroSpatialAdapter,
        SosFilter,
        SosFilter,
        Resample,
        AverageReference,
        NamedReference,
        Decimate,
        RunningAlign,
    ]
    assert chain.rate_out_hz == 128.0
    assert chain.push(eeg(500)).shape == (256, 3)


def test_channels_and_units_come_first() -> None:
    info = StreamInfo("s", "s", 250.0, (Channel("C4", "V"), Channel("Cz.", "mV"), Channel("C3", "uV")))
    out = build(recipe(), info).push(np.array([[1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(out, [[1.0, 1e3, 1e6]])


def test_gains() -> None:
    info = StreamInfo("s", "s", 250.0, (Channel("a", "V"), Channel("b", "counts"), Channel("c", "")))
    np.testing.assert_array_equal(stream_gains_uv(info), [1e6, 1.0, 1.0])
    np.testing.assert_array_equal(stream_gains_uv(info, "nV"), [1e-3] * 3)
    with pytest.raises(UnitError, match="stream 's': unit 'ohm' is unknown, need V, mV, uV or nV"):
        stream_gains_uv(info, "ohm")


@pytest.mark.parametrize(
    "stage", [{"kind": "bandpass", "low_hz": 8.0, "high_hz": 30.0}, {"kind": "notch", "freq_hz": 30.0}]
)
def test_a_rate_too_low_for_a_filter(stage: dict[str, object]) -> None:
    with pytest.raises(
        RateError, match=r"has 60 Hz where the paradigm filters up to 30 Hz, need at least 63 Hz"
    ):
        build(recipe(stage), stream_info(rate_hz=60.0))
    with pytest.raises(RateError, match=r"has 31\.25 Hz where"):
        build(recipe({"kind": "decimate", "factor": 8}, stage), stream_info())
    build(recipe(stage), stream_info(rate_hz=63.0))


def test_a_profile_warms_the_alignment_and_adapts() -> None:
    profile = make_profile()
    profile.weights["align.covariance"] = 400.0 * np.eye(3)
    profile.weights["adapter.matrix"] = 2.0 * np.eye(3)
    align: dict[str, object] = {"kind": "align", "warm_start_s": 5.0}
    data = eeg(10)
    warm, plain = build(recipe(align), stream_info(), profile), build(recipe(), stream_info(), profile)
    # Whitened by the covariance of the profile, then doubled by its adapter.
    np.testing.assert_allclose(warm.push(data), 2.0 * data / 20.0, rtol=0.1)
    np.testing.assert_allclose(plain.push(data), 2.0 * data)
    cold = build(recipe(align | {"warm_start_s": 0.0}), stream_info(), profile)
    assert not np.allclose(cold.push(data), 2.0 * data / 20.0, rtol=0.1)
