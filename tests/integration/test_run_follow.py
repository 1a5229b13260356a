"""Profiles that change while a run decodes the synthetic amplifier: no decision is lost, none comes twice."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.config import RunConfig
from rtbci.probe.profile import read_profile, write_generation
from rtbci.publish.control_client import ControlClient
from rtbci.publish.messages import Prediction
from rtbci.recipes import read_paradigm
from rtbci.runtime import profile_watch
from rtbci.runtime.profile_watch import ProfileWatch
from tests.integration.live_runs import ANY_PORT, PATIENCE_S, LiveThread, wait_for

N_SWAPS = 6
BROKEN_AFTER = 3


def check_row(predictions: list[Prediction], hop_s: float) -> None:
    """Numbered without a gap, each window one hop behind the one before, all of them decoded once there is one."""
    assert [one.seq for one in predictions] == list(range(len(predictions)))
    steps_s = np.diff([one.t_window[1] for one in predictions])
    np.testing.assert_allclose(steps_s, hop_s, atol=0.6 / 250.0)  # stamps are those of samples
    first = next(i for i, one in enumerate(predictions) if one.probs is not None)
    assert all(one.probs is not None for one in predictions[first:])


@pytest.mark.net
@pytest.mark.slow
def test_generations_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_watch, "PERIOD_S", 0.1)  # a second else
    recipe = read_paradigm("motor_imagery")
    assert recipe.population is not None
    base = msgspec.structs.replace(read_profile(recipe.folder / recipe.population), user="ada")
    source = AmpSource(SyntheticAmp(seed=0))
    config = RunConfig.model_validate(
        {"watch": {"max_backlog_s": 1e3}, "publish": {"address": ANY_PORT, "control": ANY_PORT}}
    )
    with LiveThread(config, lambda _lost: source, ProfileWatch(tmp_path, "ada")) as run:
        run.wait_state("running")
        for generation in range(1, N_SWAPS + 1):
            write_generation(
                tmp_path, msgspec.structs.replace(base, temperature=1.0 + 0.1 * (generation % 3))
            )
            n_before = len(run.kept.predictions)
            wait_for(
                lambda n=generation: len(run.kept.events("profile_swapped")) == n,  # type: ignore[misc]
                f"swap {generation}",
            )
            if generation == BROKEN_AFTER:
                aside = write_generation(tmp_path / "aside", base)
                (aside / "profile.json").write_text("{")
                broken = aside.rename(
                    tmp_path / "ada" / f"{BROKEN_AFTER + 1:04d}"
                )  # broken from the first look at it
                wait_for(lambda: run.kept.events("profile_refused"), "the refusal of a broken profile")
                (broken / "profile.json").unlink()
            wait_for(
                lambda n=n_before: len(run.kept.predictions) > n + 4,  # type: ignore[misc]
                "predictions after it",
            )
        with ControlClient(run.control_address, timeout_s=PATIENCE_S) as control:
            rolled_back = control.request("swap_profile", profile="previous")
        assert rolled_back["generation"] == N_SWAPS  # one was broken, so the newest is one more
        n_before = len(run.kept.predictions)
        wait_for(lambda: len(run.kept.predictions) > n_before + 4, "predictions after the roll-back")
    assert run.error is None
    predictions = run.kept.predictions
    check_row(predictions, recipe.window.hop_s)
    seen = list(dict.fromkeys(one.profile.generation for one in predictions))
    assert seen == [*range(BROKEN_AFTER + 1), *range(BROKEN_AFTER + 2, N_SWAPS + 2)]
    assert predictions[-1].profile.generation == N_SWAPS
    assert len(run.kept.events("profile_refused")) == 1
    assert run.report is not None
    assert run.report[2:] == (0, 0, 0, 0, 0, False)
