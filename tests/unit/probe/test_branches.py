import msgspec
import numpy as np
import pytest

from rtbci.errors import EngineError, ProfileError, ShapeError
from rtbci.probe.band_branches import PowerBranch, TangentBranch
from rtbci.probe.branches import EncoderBranch, WindowBranch
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.head_features import window_features
from rtbci.probe.open_branches import open_branches
from rtbci.probe.profile import BranchEntry
from rtbci.probe.skipping import Skipping, skip_hop
from tests.probe_samples import (
    HOP,
    N_CHANNELS,
    N_FEATURES,
    PATCH,
    WINDOW,
    ArraySession,
    conv_probe,
    make_branch,
    make_profile,
    sessions,
)

RNG = np.random.default_rng(5)


def test_a_profile_becomes_its_branches_in_order() -> None:
    branches = open_branches(make_profile(), sessions())
    assert [type(branch) for branch in branches] == [EncoderBranch, TangentBranch, PowerBranch]
    assert [branch.name for branch in branches] == ["encoder", "tangent", "power"]
    data = RNG.standard_normal((WINDOW + 8 * HOP, N_CHANNELS))
    for branch in branches:
        want = make_branch(branch.name).logits_of(data)
        np.testing.assert_allclose(branch.logits_of(data), want)


def test_what_does_not_fit_the_profile_is_refused() -> None:
    profile = make_profile()
    with pytest.raises(ProfileError, match="branch 'encoder': has no session, need engine 'small'"):
        open_branches(profile, {})
    other = ArraySession(PATCH, (1, 1, N_FEATURES))
    other.network_id = "f" * 64
    with pytest.raises(ProfileError, match=r"has id ffffffffffff.* was made with eeeeeeeeeeee"):
        open_branches(profile, {"encoder": other})
    weights = {name: x for name, x in profile.weights.items() if name != "power.coef"}
    with pytest.raises(ProfileError, match="do not make a branch of kind power"):
        open_branches(msgspec.structs.replace(profile, weights=weights), sessions())
    without = {name: x for name, x in profile.weights.items() if not name.startswith("tangent.")}
    with pytest.raises(ProfileError, match="has no tensors of branch 'tangent'"):
        open_branches(msgspec.structs.replace(profile, weights=without), sessions())
    with pytest.raises(ProfileError, match="windows of 24 samples, need the profile's 32"):
        open_branches(msgspec.structs.replace(profile, window_samples=32), sessions())
    entries = [BranchEntry(name="whole", kind="window")]
    with pytest.raises(ProfileError, match="of kind window has no session"):
        open_branches(msgspec.structs.replace(profile, branches=entries), {})


def test_a_branch_of_whole_windows_needs_no_tensors_and_has_no_head_to_refit() -> None:
    entry, session = BranchEntry(name="window", kind="window", engine="whole"), sessions()["window"]
    profile = msgspec.structs.replace(
        make_profile(), branches=[entry], weights={}, window_samples=session.input_shape[2]
    )
    (branch,) = open_branches(profile, {"window": session})
    assert isinstance(branch, WindowBranch)
    with pytest.raises(ProfileError, match="of kind window with an engine has no head to refit"):
        window_features(profile, entry, np.zeros((session.input_shape[2], N_CHANNELS)), session)


def test_the_encoder_runs_once_per_patch() -> None:
    session = ArraySession(PATCH, (1, 1, N_FEATURES))
    n_runs = 0
    run = session.run

    def counted(x: np.ndarray) -> np.ndarray:
        nonlocal n_runs
        n_runs += 1
        return run(x)

    session.run = counted  # type: ignore[method-assign]
    branch = EncoderBranch(session, conv_probe(), HOP)
    n_hops = 20
    for hop in RNG.standard_normal((n_hops, HOP, N_CHANNELS)):
        branch.push(hop)
        branch.logits()
    assert n_runs == n_hops - (PATCH // HOP - 1)


@pytest.mark.parametrize("name", ["encoder", "window"])
@pytest.mark.parametrize("seed", range(4))
def test_windows_behind_skipped_hops_are_the_same_to_the_bit(name: str, seed: int) -> None:
    """An encoder's patches of skipped hops are encoded when a window needs them, and only then."""
    rng = np.random.default_rng(seed)

    def made() -> EncoderBranch | WindowBranch:
        if name == "encoder":
            return EncoderBranch(sessions()["encoder"], conv_probe(), HOP, adapter=mix, adapter_fir=fir)
        return WindowBranch(sessions()["window"], "logits")

    mix = rng.standard_normal((N_CHANNELS, N_CHANNELS))
    fir = rng.standard_normal((N_CHANNELS, 3))
    plain, skipping = made(), made()
    assert isinstance(skipping, Skipping)
    n_compared = 0
    for k, hop in enumerate(rng.standard_normal((200, HOP, N_CHANNELS))):
        if k == 120:
            plain.reset()
            skipping.reset()
        plain.push(hop)
        if rng.random() < (0.9 if k < 60 else 0.5):
            skip_hop([skipping], hop)
            continue
        skipping.push(hop)
        want, got = plain.logits(), skipping.logits()
        assert (want is None) == (got is None)
        if want is not None and got is not None:
            np.testing.assert_array_equal(got, want)
            n_compared += 1
    assert n_compared > 20


def test_skipped_hops_do_not_run_the_engine_and_are_forgotten_with_their_windows() -> None:
    session = ArraySession(PATCH, (1, 1, N_FEATURES))
    n_runs, run = 0, session.run

    def counted(x: np.ndarray) -> np.ndarray:
        nonlocal n_runs
        n_runs += 1
        return run(x)

    session.run = counted  # type: ignore[method-assign]
    branch = EncoderBranch(session, conv_probe(), HOP)
    hops = RNG.standard_normal((501, HOP, N_CHANNELS))
    for hop in hops[:500]:
        branch.skip(hop)
    assert n_runs == 0
    n_patches, n_phases = conv_probe().n_patches, PATCH // HOP
    assert len(branch._unread) == n_patches * n_phases
    branch.push(hops[500])
    assert n_runs == n_patches  # of its own grid
    assert branch.logits() is not None


def test_a_branch_without_an_engine_takes_a_skipped_hop_as_any_other() -> None:
    plain, other = make_branch("tangent"), make_branch("tangent")
    for hop in RNG.standard_normal((40, HOP, N_CHANNELS)):
        plain.push(hop)
        skip_hop([other], hop)
    want, got = plain.logits(), other.logits()
    assert want is not None
    assert got is not None
    np.testing.assert_array_equal(got, want)


def test_engine_probe_and_hop_must_fit() -> None:
    with pytest.raises(EngineError, match="engine gives 6 features of 8 samples, the probe reads 5"):
        EncoderBranch(ArraySession(PATCH, (1, 1, 6)), conv_probe(), HOP)
    with pytest.raises(EngineError, match="a hop has 3 samples"):
        EncoderBranch(ArraySession(PATCH, (1, 1, N_FEATURES)), conv_probe(), 3)
    with pytest.raises(EngineError, match="engine gives 'features', need 'logits' or 'probs'"):
        WindowBranch(sessions()["window"], "features")


def test_an_adapter_stands_between_the_channels_and_the_engine() -> None:
    mix = RNG.standard_normal((N_CHANNELS, N_CHANNELS + 2))
    plain = EncoderBranch(sessions()["encoder"], conv_probe(), HOP)
    adapted = EncoderBranch(sessions()["encoder"], conv_probe(), HOP, adapter=mix)
    hops = RNG.standard_normal((WINDOW // HOP + 3, HOP, N_CHANNELS + 2))
    for hop in hops:
        plain.push(hop @ mix.T)
        adapted.push(hop)
    np.testing.assert_array_equal(adapted.logits(), plain.logits())
    signal = hops.reshape(-1, N_CHANNELS + 2)
    np.testing.assert_allclose(adapted.logits_of(signal), plain.logits_of(signal @ mix.T), atol=1e-6)
    with pytest.raises(ShapeError, match=r"branch 'encoder': chunk has shape \(4, 1\)"):
        adapted.push(np.zeros((4, 1)))
    with pytest.raises(EngineError, match=r"adapter has shape \(1, 2\) and FIR None, need"):
        EncoderBranch(sessions()["encoder"], conv_probe(), HOP, adapter=np.ones((1, 2)))


def test_an_adapter_may_give_several_views_whose_features_stand_side_by_side() -> None:
    mixes = RNG.standard_normal((2, N_CHANNELS, N_CHANNELS + 2))
    probe, wide = conv_probe(), two_view_probe(0.5, -2.0)
    branch = EncoderBranch(sessions()["encoder"], wide, HOP, adapter=np.concatenate(mixes))
    views = [EncoderBranch(sessions()["encoder"], probe, HOP, adapter=mix) for mix in mixes]
    hops = RNG.standard_normal((WINDOW // HOP + 3, HOP, N_CHANNELS + 2))
    for hop in hops:
        for one in (branch, *views):
            one.push(hop)
    first, second = (view.logits() for view in views)
    assert first is not None
    assert second is not None
    bias = probe.logits(np.zeros((probe.n_patches, N_FEATURES)))
    want = 0.5 * (first - bias) - 2.0 * (second - bias) + bias
    both = branch.logits()
    assert both is not None
    np.testing.assert_allclose(both, want, atol=1e-5)
    signal = hops.reshape(-1, N_CHANNELS + 2)
    np.testing.assert_allclose(branch.logits_of(signal), want, atol=1e-5)
    with pytest.raises(EngineError, match="engine gives 10 features of 8 samples, the probe reads 5"):
        EncoderBranch(sessions()["encoder"], probe, HOP, adapter=np.concatenate(mixes))
    with pytest.raises(EngineError, match="or a multiple of 3 in both"):
        EncoderBranch(sessions()["encoder"], wide, HOP, adapter=np.ones((4, 5)))


def two_view_probe(*gains: float) -> ConvProbe:
    """`conv_probe`, of the views' features times these."""
    probe = conv_probe()
    patch_weight = np.hstack([gain * probe.patch_weight for gain in gains])
    return ConvProbe(patch_weight, probe.patch_bias, probe.weight, probe.bias)


def test_the_window_engine_sees_the_newest_window_whatever_the_hop() -> None:
    data = RNG.standard_normal((WINDOW + 10, N_CHANNELS))
    branch = WindowBranch(sessions()["window"], "logits")
    branch.push(data[: WINDOW - 1])
    assert branch.logits() is None
    for i in range(WINDOW - 1, len(data), 11):
        branch.push(data[i : i + 11])
    x = data[-WINDOW:].T.astype(np.float32)[np.newaxis]
    want = sessions()["window"].run(np.ascontiguousarray(x)).ravel()
    np.testing.assert_array_equal(branch.logits(), want)


def test_probabilities_become_their_logarithm() -> None:
    session = ArraySession(WINDOW, (1, 2))
    session._output[:] = 0
    session.run = lambda x: np.array([[0.25, 0.0]], np.float32)  # type: ignore[method-assign]
    branch = WindowBranch(session, "probs")
    branch.push(np.zeros((WINDOW, N_CHANNELS)))
    logits = branch.logits()
    assert logits is not None
    np.testing.assert_allclose(logits, [np.log(0.25), np.log(1e-12)])
