import numpy as np
import pytest

from rtbci.errors import ChannelError, RateError, UnitError
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.build import build_stages, stream_gains_uv
from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.filter import SosFilter
from rtbci.stages.infer import infer_matrix, whitener
from rtbci.stages.reference import AverageReference, NamedReference
from rtbci.stages.resample import Decimate, Resample
from rtbci.stages.stage import Chain, FloatArray
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


# -- electrodes that are missing --------------------------------------------------------------------------

COVARIANCE = np.array([[9.0, 4.0, 2.0], [4.0, 16.0, 5.0], [2.0, 5.0, 25.0]])
ALIGN: dict[str, object] = {"kind": "align", "warm_start_s": 1e9}


def inferring(*stages: dict[str, object]) -> ParadigmRecipe:
    one = recipe(*stages)
    return one.model_copy(update={"input": one.input.model_copy(update={"missing": "infer"})})


def build_inferring(one: ParadigmRecipe, info: StreamInfo, profile: Profile | None) -> Chain:
    channel_map = match_channels(info, one.input.channels, missing="infer", required=one.required_channels)
    return Chain(build_stages(one, info, channel_map, stream_gains_uv(info), profile))


def population(covariance: FloatArray | None = COVARIANCE) -> Profile:
    profile = make_profile()
    del profile.weights["align.covariance"]
    if covariance is not None:
        profile.weights["align.covariance"] = covariance
    return profile


def test_electrodes_that_are_there_are_aligned_by_themselves_and_taken_to_the_layout() -> None:
    info = StreamInfo("s", "s", 250.0, (Channel("C4", "mV"), Channel("Fz", "uV"), Channel("Cz.", "uV")))
    chain = build_inferring(inferring(ALL[0], ALL[2], ALIGN), info, population())
    assert [type(stage) for stage in chain.stages] == [
        SpectroSpatialAdapter,
        SosFilter,
        Resample,
        RunningAlign,
        SpectroSpatialAdapter,
    ]
    assert [stage.n_channels_out for stage in chain.stages] == [2, 2, 2, 2, 3]
    only = build_inferring(inferring(ALIGN), info, population())
    rows = np.eye(3)[1:]
    data = eeg(10)
    wanted = (
        data[:, [2, 0]]
        * [1.0, 1e3]
        @ whitener(COVARIANCE[1:, 1:], 0.05)
        @ infer_matrix(COVARIANCE, rows, 0.05).T
    )
    np.testing.assert_allclose(only.push(data), wanted, rtol=1e-6)


@pytest.mark.parametrize("channels", [[], ["CZ"]])
def test_the_reference_is_of_the_electrodes_that_are_there(channels: list[str]) -> None:
    reference: dict[str, object] = {"kind": "reference", "channels": channels}
    chain = build_inferring(inferring(reference, ALIGN), stream_info(("CZ", "C4")), population())
    half = np.array([[0.5, -0.5], [-0.5, 0.5]]) if not channels else np.array([[0.0, 0.0], [-1.0, 1.0]])
    rows = half @ np.eye(3)[1:]
    data = eeg(10, 2)
    whitened = data @ half.T @ whitener(rows @ COVARIANCE @ rows.T, 0.05)
    np.testing.assert_allclose(chain.push(data), whitened @ infer_matrix(COVARIANCE, rows, 0.05).T, rtol=1e-6)


def test_behind_the_alignment_all_of_the_layout_is_there() -> None:
    profile = population()
    profile.weights["adapter.matrix"] = 2.0 * np.eye(3)
    chain = build_inferring(inferring(ALIGN, ALL[4], ALL[3], ALIGN), stream_info(("CZ", "C4")), profile)
    assert [stage.n_channels_out for stage in chain.stages] == [2, 2, 3, 3, 3, 3, 3]


def test_when_all_are_there_nothing_is_inferred() -> None:
    profile, data = population(), eeg(500)
    one, other = recipe(ALL[3], ALIGN), inferring(ALL[3], ALIGN)
    chain = build_inferring(other, stream_info(), profile)
    assert len(chain.stages) == 3
    np.testing.assert_array_equal(chain.push(data), build(one, stream_info(), profile).push(data))


@pytest.mark.parametrize(
    ("one", "profile", "said"),
    [
        (inferring(ALL[0]), population(), "the paradigm has no align stage"),
        (inferring(ALIGN), population(None), "the profile in use has no covariance"),
        (inferring(ALIGN), None, "the profile in use has no covariance"),
    ],
)
def test_nothing_to_infer_by(one: ParadigmRecipe, profile: Profile | None, said: str) -> None:
    with pytest.raises(
        ChannelError, match=rf"lacks 1 of the 3 channels needed \(C3\) and {said}.*interpolate"
    ):
        build_inferring(one, stream_info(("CZ", "C4")), profile)
    build_inferring(one, stream_info(), profile)


def test_one_electrode_less_itself() -> None:
    with pytest.raises(ChannelError, match="1 of 3 electrodes less their reference have no power"):
        build_inferring(inferring(ALL[3], ALIGN), stream_info(("CZ",)), population())
