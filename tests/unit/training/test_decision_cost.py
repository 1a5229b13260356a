"""What decisions cost: that what is timed is what decides."""

import numpy as np
import pytest
import torch

from tools.decision_cost import onnx_session, shipped_branches, spent_ms
from tools.training.baselines.eegnet import EegNet


def test_eegnet_in_onnx_runtime_is_that_of_torch() -> None:
    torch.manual_seed(0)
    net = EegNet(31, 384).eval()
    x = np.random.default_rng(0).standard_normal((1, 31, 384), np.float32)
    session = onnx_session(net, x)
    with torch.inference_mode():
        wanted = net(torch.from_numpy(x)).numpy()
    found = np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("paradigm", "names"),
    [("motor_imagery", ["encoder", "tangent"]), ("motor_imagery_specmoe", ["specmoe"])],
)
def test_branches_are_those_that_are_shipped_and_every_timed_hop_gives_logits(
    paradigm: str, names: list[str]
) -> None:
    found = shipped_branches(paradigm)
    assert [branch.name for branch, _ in found] == names
    for branch, hop in found:
        x = np.random.default_rng(1).standard_normal((hop, 31))
        for _ in range(branch.window_samples // hop + 1):
            branch.push(x)
        assert branch.logits() is not None


def test_the_median_is_of_calls_that_come_after_the_first() -> None:
    calls: list[object] = []
    assert spent_ms(calls.append, np.zeros(1), 3) >= 0.0
    assert len(calls) == 8
