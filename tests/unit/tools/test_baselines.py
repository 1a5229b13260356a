import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from rtbci.probe.tangent import shrink, tangent_vectors
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from tests.training_samples import aligned_signals
from tools.training.baselines.eegnet import (
    MAX_NORM_HEAD,
    MAX_NORM_SPATIAL,
    EegNet,
    NetSettings,
    eegnet_margins,
    fine_tune,
    fit_eegnet,
    net_from_tensors,
    net_tensors,
)
from tools.training.baselines.few_trials import (
    KS,
    first_trials,
    guarded_margins,
    judged_by_k,
    linear_margins,
    own_margins,
    refitted_margins,
)
from tools.training.baselines.linear import LINEAR, LinearDecoder, fit_linear, linear_from_tensors
from tools.training.baselines.prepare import (
    DELAYS,
    FILTER_BANK_HZ,
    SHRINKAGE,
    TRACKS,
    delay_embedding,
    delay_mirror,
    prepare,
)
from tools.training.signals import LAYOUT, RATE_HZ, Signal, align_signals, mean_covariance
from tools.training.tangent_fit import riemannian_mean
from tools.training.trials import BAND_ORDER, cut_trials

RNG = np.random.default_rng(5)
MIRROR = [1, 0, 3, 2]
LINEAR_NAMES = sorted(LINEAR)


@pytest.fixture(autouse=True)
def torch_settings() -> Iterator[None]:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def power_trials(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, 4, 96) of noise; electrode 0 is weak in class 0, its mirror electrode 1 in class 1."""
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 2
    x = rng.standard_normal((n, 4, 96))
    x[np.arange(n), classes] *= 0.5
    return x.astype(np.float32), classes.astype(np.int64)


def power_covariances(n: int, seed: int = 0) -> tuple[dict[str, FloatArray], np.ndarray]:
    x, classes = power_trials(n, seed)

    def moments(many: np.ndarray) -> FloatArray:
        return shrink(many @ many.transpose(0, 2, 1) / many.shape[2], SHRINKAGE)

    one = moments(x.astype(np.float64))[:, None]
    noise = moments(RNG.standard_normal((n, 4, 96)))[:, None]
    delayed = moments(delay_embedding(x, (0, 2, 4)).astype(np.float64))[:, None]
    several = {
        "two_bands": np.concatenate([noise, one], axis=1),
        "filter_bank": np.concatenate([noise, one, noise], axis=1),
    }
    return {"broad": one, "delays": delayed, **several}, classes


def test_windows_and_covariances_are_those_of_the_causal_signal() -> None:
    signals = aligned_signals(3, 4)
    data = prepare(signals, np.array([3]), TRACKS["B"])
    # By hand, for the last run: aligned from a start that knows subjects 1 and 2 alone, filtered as a whole.
    aligned = align_signals(signals[2:], mean_covariance(signals[:2]))[0]
    i_cue = aligned.i_cue[1]
    window = aligned.data[i_cue + 256 : i_cue + 1024]
    i = int(np.flatnonzero(data.subjects == 3)[1])
    np.testing.assert_array_equal(data.x[i], window[::2].T.astype(np.float32))
    np.testing.assert_allclose(
        data.covariances["broad"][i, 0], shrink(window.T @ window / 768, SHRINKAGE), rtol=1e-5, atol=1e-6
    )
    low_hz, high_hz = FILTER_BANK_HZ[2]
    band = SosFilter.bandpass(low_hz, high_hz, RATE_HZ, len(LAYOUT), BAND_ORDER).push(aligned.data)
    part = band[i_cue + 256 : i_cue + 1024]
    np.testing.assert_allclose(
        data.covariances["filter_bank"][i, 2], shrink(part.T @ part / 768, SHRINKAGE), rtol=1e-4, atol=1e-6
    )
    assert data.covariances["two_bands"].shape == (12, 2, len(LAYOUT), len(LAYOUT))
    assert data.covariances["delays"].shape == (12, 1, 3 * len(LAYOUT), 3 * len(LAYOUT))
    trials = cut_trials(align_signals(signals, mean_covariance(signals[:2])))
    np.testing.assert_array_equal(data.subjects, trials.subjects)
    np.testing.assert_array_equal(data.classes, trials.classes)


def test_track_a_starts_at_the_cue_and_nothing_after_the_window_is_read() -> None:
    signals = aligned_signals(2, 2)
    before = prepare(signals, np.array([2]), TRACKS["A"])
    assert before.x.shape == (4, len(LAYOUT), 512)
    changed = []
    for signal in signals:
        data = signal.data.copy()
        data[signal.i_cue[-1] + 1024 :] += 100.0
        changed.append(Signal(signal.subject, data, signal.i_cue, signal.classes))
    start = mean_covariance(signals[:1])
    # The warm start is a training statistic; with it held, later samples change nothing in an earlier window.
    one, other = (cut_trials(align_signals(many, start)).x for many in (signals, changed))
    np.testing.assert_array_equal(one[:, :, 64 : 64 + 1024], other[:, :, 64 : 64 + 1024])
    assert not prepare(signals, np.array([2]), TRACKS["A"], is_power=False).covariances


def test_delays_put_the_past_beside_the_present() -> None:
    x = RNG.standard_normal((2, 4, 50)).astype(np.float32)
    embedded = delay_embedding(x, (0, 3, 5))
    assert embedded.shape == (2, 12, 45)
    for i_delay, delay in enumerate((0, 3, 5)):
        np.testing.assert_array_equal(
            embedded[:, 4 * i_delay : 4 * i_delay + 4], x[:, :, 5 - delay : 50 - delay]
        )
    np.testing.assert_array_equal(
        delay_embedding(x[:, MIRROR], (0, 3, 5)), embedded[:, delay_mirror(MIRROR, (0, 3, 5))]
    )
    assert len(DELAYS) == 3


@pytest.mark.parametrize("name", LINEAR_NAMES)
def test_every_linear_baseline_finds_power_and_its_mirror_image(name: str) -> None:
    covariances, classes = power_covariances(160)
    train = {key: many[:120] for key, many in covariances.items()}
    held = {key: many[120:] for key, many in covariances.items()}
    decoder = fit_linear(name, train, classes[:120], MIRROR)
    margins = linear_margins(decoder.features(held), decoder.coef, decoder.intercept)
    assert ((margins > 0) == classes[120:]).mean() > 0.9
    mirrored = {}
    for key, many in held.items():
        columns = np.array(delay_mirror(MIRROR) if key == "delays" else MIRROR)
        mirrored[key] = many[:, :, columns][:, :, :, columns]
    turned = linear_margins(decoder.features(mirrored), decoder.coef, decoder.intercept)
    assert np.corrcoef(margins, -turned)[0, 1] > 0.9
    np.testing.assert_allclose(decoder.coef.sum(axis=0), 0.0, atol=1e-12)
    assert decoder.scale.shape == (decoder.coef.shape[1],)


def test_csp_is_the_generalised_eigenvectors_and_shrunk_discriminant() -> None:
    from scipy.linalg import eigh

    covariances, classes = power_covariances(80)
    broad = covariances["broad"][:, 0]
    left, right = broad[classes == 0].mean(axis=0), broad[classes == 1].mean(axis=0)
    values, vectors = eigh(left, left + right)
    order = np.argsort(np.abs(values - 0.5))[::-1]  # four electrodes: all filters are kept
    logs = np.log(np.einsum("cf,ncd,df->nf", vectors[:, order], broad, vectors[:, order]))
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(logs, classes)
    decoder = fit_linear("csp_lda", covariances, classes, None)
    margins = linear_margins(decoder.features(covariances), decoder.coef, decoder.intercept)
    np.testing.assert_allclose(margins, model.decision_function(logs), rtol=1e-3, atol=1e-3)


def test_tangent_features_are_those_of_our_own_branch() -> None:
    covariances, classes = power_covariances(40)
    decoder = fit_linear("tangent", covariances, classes, None)
    broad = covariances["broad"][:, 0]
    ours = tangent_vectors(broad, riemannian_mean(broad, 20))
    np.testing.assert_allclose(np.sort(decoder.features(covariances)), np.sort(ours), atol=1e-6)


def test_calibration_is_the_first_trials_and_judged_are_later_ones() -> None:
    classes = np.array([0, 0, 0, 1, 0, 1, 1, 0])
    calibration, judged = first_trials(classes, 2)
    np.testing.assert_array_equal(calibration, [0, 1, 3, 5])
    np.testing.assert_array_equal(judged, [6, 7])
    assert not len(first_trials(classes, 4)[1])
    everything = first_trials(classes, 0)
    assert not len(everything[0])
    np.testing.assert_array_equal(everything[1], np.arange(8))


def test_later_labels_never_reach_a_margin() -> None:
    covariances, classes = power_covariances(60)
    subjects = np.repeat([1, 2], 30)
    decoder = fit_linear("tangent_two_bands", covariances, classes, MIRROR)
    features = decoder.features(covariances)
    pool = linear_margins(features, decoder.coef, decoder.intercept)

    def margins(labels: np.ndarray) -> list[FloatArray]:
        ways = (
            refitted_margins(decoder, features, labels),
            guarded_margins(decoder, features, labels),
            own_margins("csp_lda", covariances, labels),
        )
        return [judged_by_k(subjects, labels, pool, way) for way in ways]

    changed = classes.copy()
    changed[10:30] = RNG.permutation(changed[10:30])  # subject 1, after its first five trials a class
    for before, after in zip(margins(classes), margins(changed), strict=True):
        assert before.shape == (len(KS), 60)
        np.testing.assert_array_equal(before[0], pool)
        for i_k in (1, 2, 3):
            np.testing.assert_array_equal(before[i_k], after[i_k])
            assert np.isnan(before[i_k][:30][: 2 * KS[i_k]]).all()
            assert np.isfinite(before[i_k][:30][2 * KS[i_k] :]).all()
        np.testing.assert_array_equal(before[:, 30:], after[:, 30:])


def test_a_sure_prior_is_the_pool_and_a_weak_one_the_user() -> None:
    x, classes = RNG.standard_normal((60, 5)), np.arange(60) % 2
    x[:, 0] += 2.0 * classes
    wrong = np.array([[0.5, 0, 0, 0, 0], [-0.5, 0, 0, 0, 0]])
    decoder = LinearDecoder("tangent", {}, wrong, np.array([-0.5, 0.5]), np.ones(5))
    pool = linear_margins(x, wrong, decoder.intercept)
    rows = np.arange(40), np.arange(40, 60)
    sure = refitted_margins(decoder, x, classes, 1e8)(*rows)
    np.testing.assert_allclose(sure, pool[40:], atol=1e-4)
    weak = refitted_margins(decoder, x, classes, 0.1)(*rows)
    assert ((weak > 0) == classes[40:]).mean() > 0.7
    np.testing.assert_array_equal(guarded_margins(decoder, x, classes, 0.1)(*rows), weak)
    shuffled = np.random.default_rng(0).permutation(classes)
    blind = LinearDecoder("tangent", {}, 0.0 * wrong, np.zeros(2), np.ones(5))
    np.testing.assert_array_equal(guarded_margins(blind, x[:, ::-1], shuffled, 1.0)(*rows), np.zeros(20))


@pytest.mark.parametrize("name", ["csp_lda", "tangent"])
def test_own_trials_are_enough_where_power_differs(name: str) -> None:
    covariances, classes = power_covariances(60)
    adapt = own_margins(name, covariances, classes)
    assert np.isfinite(adapt(np.arange(2), np.arange(2, 60))).all()
    margins = adapt(np.arange(20), np.arange(20, 60))
    assert ((margins > 0) == classes[20:]).mean() > 0.85


def test_eegnet_has_the_papers_layers_and_norms() -> None:
    torch.manual_seed(0)
    net = EegNet(21, 384)
    shapes = {name: tuple(one.shape) for name, one in net.named_parameters() if one.ndim > 1}
    assert shapes == {
        "temporal.weight": (8, 1, 1, 64),
        "spatial.weight": (16, 1, 21, 1),
        "depthwise.weight": (16, 1, 1, 16),
        "pointwise.weight": (16, 16, 1, 1),
        "head.weight": (2, 16 * 12),
    }
    with torch.no_grad():
        net.spatial.weight.mul_(100.0)
        net.head.weight.mul_(100.0)
    net.limit_norms()
    assert net.spatial.weight.flatten(1).norm(dim=1).max() <= MAX_NORM_SPATIAL + 1e-5
    assert net.head.weight.norm(dim=1).max() <= MAX_NORM_HEAD + 1e-5
    assert net(torch.zeros(3, 21, 384)).shape == (3, 2)


@pytest.mark.parametrize("is_training", [False, True])
def test_eegnet_filters_in_either_order(is_training: bool) -> None:
    torch.manual_seed(0)
    net, x = EegNet(5, 96), torch.randn(4, 5, 96) + 0.3
    for _ in range(3):
        net(torch.randn(8, 5, 96))  # statistics of its own
    other = copy.deepcopy(net)
    found, wanted = net.train(is_training)._filtered(x), other.train(is_training)._filtered_in_order(x)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    found.square().sum().backward()  # type: ignore[no-untyped-call]
    wanted.square().sum().backward()  # type: ignore[no-untyped-call]
    for one, same in zip(net.parameters(), other.parameters(), strict=True):
        if same.grad is not None:
            torch.testing.assert_close(
                one.grad, same.grad, rtol=1e-3, atol=1e-2 * same.grad.abs().max().item()
            )
    for name in ("running_mean", "running_var"):
        kept = [getattr(one.norm_temporal, name) for one in (net, other)]
        torch.testing.assert_close(*kept, rtol=1e-4, atol=1e-6)


def test_decoders_are_rebuilt_from_their_tensors() -> None:
    covariances, classes = power_covariances(60)
    for name in LINEAR_NAMES:
        decoder = fit_linear(name, covariances, classes, MIRROR)
        again = linear_from_tensors(name, decoder.tensors())
        np.testing.assert_array_equal(again.features(covariances), decoder.features(covariances))
        np.testing.assert_array_equal(again.coef, decoder.coef)
        np.testing.assert_array_equal(again.scale, decoder.scale)
    x, classes = power_trials(32)
    net = fit_eegnet(x, classes, MIRROR, NetSettings(epochs=1), 0, lambda line: None)
    np.testing.assert_array_equal(
        eegnet_margins(net_from_tensors(net_tensors(net)), x, MIRROR), eegnet_margins(net, x, MIRROR)
    )


def test_only_the_chosen_numbers_of_trials_are_tried() -> None:
    classes = np.arange(60) % 2
    tried: list[int] = []

    def adapt(calibration: np.ndarray, judged: np.ndarray) -> FloatArray:
        tried.append(len(calibration))
        return np.zeros(len(judged))

    found = judged_by_k(np.ones(60, np.intp), classes, np.ones(60), adapt, (0, 5))
    assert tried == [10]
    assert [np.isfinite(row).any() for row in found] == [k in (0, 5) for k in KS]


def test_eegnet_learns_power_is_repeatable_and_symmetric() -> None:
    x, classes = power_trials(256)
    settings = NetSettings(epochs=12, batch=32, rate=1e-2)
    lines: list[str] = []
    net = fit_eegnet(x[:192], classes[:192], MIRROR, settings, 0, lines.append)
    margins = eegnet_margins(net, x[192:], MIRROR)
    assert ((margins > 0) == classes[192:]).mean() > 0.8
    assert len(lines) == 12
    np.testing.assert_allclose(eegnet_margins(net, x[192:, MIRROR], MIRROR), -margins, atol=1e-6)
    again = fit_eegnet(x[:192], classes[:192], MIRROR, settings, 0, lines.append)
    np.testing.assert_array_equal(eegnet_margins(again, x[192:], MIRROR), margins)


def test_fine_tuning_lowers_the_users_loss_and_leaves_the_pools_network() -> None:
    x, classes = power_trials(64)
    settings = NetSettings(epochs=1, tune_epochs=15, tune_rate=1e-3)
    net = fit_eegnet(x, classes, MIRROR, settings, 0, lambda line: None)
    before = {name: one.clone() for name, one in net.state_dict().items()}
    signs = 2.0 * classes[:20] - 1.0
    loss = np.logaddexp(0.0, -signs * eegnet_margins(net, x[:20], MIRROR)).mean()
    tuned = fine_tune(net, x[:20], classes[:20], MIRROR, settings, 0)
    assert np.logaddexp(0.0, -signs * eegnet_margins(tuned, x[:20], MIRROR)).mean() < loss
    for name, one in net.state_dict().items():
        assert torch.equal(one, before[name])
        if "running" in name:
            assert torch.equal(tuned.state_dict()[name], one)
