from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.evaluate.calibrators import rescored
from rtbci.evaluate.decode import HopDecoder, decode_run
from rtbci.evaluate.online import Span, decide
from rtbci.evaluate.scoring import span_probs
from rtbci.evaluate.trials import IDLE
from rtbci.probe.profile import read_profile
from rtbci.probe.recentre import Recentre
from rtbci.recipes import DecisionSettings, RecentreSettings, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from tests.tiny import HOP_S, RATE_HZ, WINDOW_S, eeg, stream_info, write_paradigm, write_tiny_profile


def gapped() -> Recording:
    t_s = np.arange(2000) / 250
    t_s[1000:] += 0.5
    return Recording(stream_info(), eeg(2000), t_s=t_s)


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path)


def test_windows_are_those_of_the_decoder(paradigm: Path) -> None:
    with Decoder(str(paradigm)) as decoder:
        windows, verdicts = decode_run(decoder, gapped()), decoder.decode(gapped())
    assert len(windows.t_newest) == len(verdicts)
    for i, one in enumerate(verdicts):
        assert (windows.t_first[i], windows.t_newest[i]) == one.estimate.t_window
        assert windows.decisions[i] == one.decision
        if one.estimate.probs is None:
            assert not windows.full[i]
        else:
            np.testing.assert_array_equal(windows.probs[i], one.estimate.probs)


@pytest.mark.parametrize(
    "decision",
    [
        DecisionSettings(threshold=0.6, dwell_s=0.125, refractory_s=0.5, smoothing_s=0.25),
        DecisionSettings(threshold=0.5, dwell_s=0.0, refractory_s=0.0, smoothing_s=0.0),
    ],
)
def test_decisions_from_stored_probabilities_are_the_decoders(
    paradigm: Path, tmp_path: Path, decision: DecisionSettings
) -> None:
    profile = write_tiny_profile(tmp_path / "p", paradigm, weight=0.5)
    with Decoder(str(paradigm), profile=profile, decision=decision) as decoder:
        windows = decode_run(decoder, gapped())
        classes = decoder.classes
    probs = span_probs(windows.logits, 1.0)
    np.testing.assert_allclose(probs, windows.probs, rtol=1e-12)
    decided = decide(Span.of(windows, probs, [], None, -1.0), classes, decision)
    assert [None if i == IDLE else classes[i] for i in decided] == list(windows.decisions)
    assert sum(one is not None for one in windows.decisions) > 3


def test_decisions_from_stored_probabilities_with_an_idle_class(paradigm: Path) -> None:
    recipe = read_paradigm(str(paradigm)).model_copy(update={"classes": ("left_hand", "rest"), "markers": {}})
    settings = DecisionSettings(threshold=0.6, dwell_s=0.125, refractory_s=0.5, smoothing_s=0.25)
    with Decoder(recipe, decision=settings) as decoder:
        windows = decode_run(decoder, gapped())
    decided = decide(Span.of(windows, windows.probs, [], recipe.idle, -1.0), recipe.classes, settings)
    assert [None if i == IDLE else recipe.classes[i] for i in decided] == list(windows.decisions)
    assert set(windows.decisions) == {"left_hand", None}


def test_what_branches_saw_gives_what_they_said(paradigm: Path) -> None:
    with HopDecoder(str(paradigm)) as decoder:
        windows = decode_run(decoder, gapped())
        full = np.flatnonzero(windows.full)
        signals = decoder.signals(full.tolist(), context_s=0.25)
        branch = decoder.pipeline.branches[0]
        n_window, n_context = round(WINDOW_S * RATE_HZ), round(0.25 * RATE_HZ)
        assert signals.shape == (len(full), n_window + n_context, 3)
        for i, signal in zip(full, signals, strict=True):
            said = decoder.branch_logits[0][i]
            assert said is not None
            np.testing.assert_allclose(branch.logits_of(signal.astype(np.float64)), said, atol=1e-4)
        assert len(decoder.hops) == len(windows.t_newest)


def test_nothing_before_a_gap_is_context(paradigm: Path) -> None:
    with HopDecoder(str(paradigm)) as decoder:
        windows = decode_run(decoder, gapped())
        after = np.flatnonzero(windows.full & (windows.t_first > 4.1))[:3]
        n_zero = [(~signal.any(axis=1)).sum() for signal in decoder.signals(after.tolist(), context_s=0.25)]
        hop = round(HOP_S * RATE_HZ)
        assert n_zero == [4 * hop, 3 * hop, 2 * hop]  # the first window after the gap has no context at all


def test_listening_changes_nothing(paradigm: Path) -> None:
    with Decoder(str(paradigm)) as plain, HopDecoder(str(paradigm)) as listening:
        np.testing.assert_array_equal(
            decode_run(plain, gapped()).probs, decode_run(listening, gapped()).probs
        )


# -- recentring --------------------------------------------------------------------------------------


def test_a_run_is_recentred_from_its_start_and_across_its_gap(paradigm: Path) -> None:
    recipe = read_paradigm(str(paradigm))
    centred = recipe.model_copy(update={"recentre": RecentreSettings(prior_s=1.0, time_constant_s=3.0)})
    with HopDecoder(recipe) as plain, HopDecoder(centred) as decoder:
        without = decode_run(plain, gapped())
        windows, again = decode_run(decoder, gapped()), decode_run(decoder, gapped())
        said = [None if one is None else one.tolist() for one in plain.branch_logits[0]]
        assert [None if one is None else one.tolist() for one in decoder.branch_logits[0]] == said
    recentre = Recentre(2, HOP_S, 1.0, 3.0)
    wanted = [recentre.push(one) for one in without.logits[without.full]]
    np.testing.assert_array_equal(windows.logits[windows.full], wanted)
    np.testing.assert_array_equal(again.logits, windows.logits)  # another run starts anew
    np.testing.assert_allclose(span_probs(windows.logits, 1.0), windows.probs, rtol=1e-12)
    assert np.nanmax(np.abs(windows.probs - without.probs)) > 0.1


@pytest.mark.parametrize("is_recentred", [False, True])
def test_a_calibrated_fusion_rescored_is_the_run_decoded_again(
    paradigm: Path, tmp_path: Path, is_recentred: bool
) -> None:
    recipe = read_paradigm(str(paradigm))
    if is_recentred:
        recipe = recipe.model_copy(update={"recentre": RecentreSettings(prior_s=1.0)})
    old = msgspec.structs.replace(
        read_profile(write_tiny_profile(tmp_path / "p", paradigm)), bias=[0.2, -0.4]
    )
    new = msgspec.structs.replace(
        old, branches=[msgspec.structs.replace(old.branches[0], weight=-0.6)], bias=[-0.7, 0.7]
    )
    with Decoder(recipe, profile=old) as before, Decoder(recipe, profile=new) as after:
        found = rescored(decode_run(before, gapped()).logits, old, new)
        assert found is not None
        np.testing.assert_allclose(found, decode_run(after, gapped()).logits, rtol=0.0, atol=1e-12)
