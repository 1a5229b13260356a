"""The encoder against numbers from elsewhere: torch eager for the engines, braindecode for the encoder."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.sizes import SIZES
from tests.braindecode_stand_in import real_braindecode

LABELS = ["FP1", "FP2", "F7", "F3", "FZ", "F4", "F8", "T7", "C3", "CZ", "C4", "T8", "P7", "P3", "PZ", "P4"]
LABELS += ["P8", "O1", "O2"]
TOLERANCE_FP32 = 1e-5


@pytest.mark.parametrize(
    ("name", "embedding_std", "gain"),
    [(name, std, gain) for name in ("nano", "light") for std in (0.02, 0.5) for gain in (0.02, 1.0, 30.0)]
    + [(name, 0.5, 1.0) for name in ("small", "base", "deep")],
)
def test_engine_equals_torch_eager(name: str, embedding_std: float, gain: float) -> None:
    torch.manual_seed(7)
    encoder = DareEncoder(name, embedding_std).eval()
    x = gain * torch.randn(4, len(LABELS), 64)
    with torch.inference_mode():
        want = encoder.encode_patches(x, channel_ids(LABELS)).numpy()
    got = OrtSession(onnx_bytes(*describe(encoder, LABELS, "uV"))).run(x.numpy())
    np.testing.assert_allclose(got, want, atol=TOLERANCE_FP32, rtol=0)


@pytest.fixture
def eegpt(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Class `braindecode.models.EEGPT`."""
    return real_braindecode(monkeypatch).EEGPT


NAMES = {
    "patch_embed.proj": "tokenise",
    "chan_embed": "channel_embedding",
    "summary_token": "summary",
    ".attn.": ".attention.",
    ".mlp.": ".",
}


def as_our_state(theirs: dict[str, torch.Tensor], electrodes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Rename their weights; a strict load then proves that every weight has its counterpart."""
    ours = {}
    for their_name, value in theirs.items():
        name = their_name
        for theirs_part, our_part in NAMES.items():
            name = name.replace(theirs_part, our_part)
        ours[name] = value
    d = ours["summary"].shape[-1]
    ours["summary"] = ours["summary"].reshape(-1, d)
    ours["tokenise.weight"] = ours["tokenise.weight"].reshape(d, -1)
    table = torch.zeros(62, d)
    table[channel_ids(LABELS)] = ours["channel_embedding.weight"][electrodes]
    ours["channel_embedding.weight"] = table
    return ours


@pytest.mark.parametrize("name", ["nano", "light", "base"])
def test_encoder_equals_braindecodes_eegpt(eegpt: Any, name: str) -> None:
    size = SIZES[name]
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = eegpt(
            n_chans=19,
            n_times=1024,
            n_outputs=2,
            chs_info=[{"ch_name": label} for label in LABELS],
            patch_size=64,
            patch_stride=64,
            embed_num=size.n_summary,
            embed_dim=size.n_features,
            depth=size.depth,
            num_heads=size.n_heads,
            chan_proj_type="none",
            return_encoder_output=True,
        ).eval()
    for parameter in reference.parameters():  # away from zeros and ones, so that no bias can be forgotten
        parameter.data += 0.05 * torch.randn_like(parameter)
    encoder = DareEncoder(name).eval()
    electrodes = reference.chans_id.reshape(-1)
    encoder.load_state_dict(as_our_state(reference.target_encoder.state_dict(), electrodes))
    x = torch.randn(2, 19, 1024)
    with torch.inference_mode():
        want = reference(x)
        got = encoder(x.unflatten(-1, (16, 64)).transpose(1, 2), channel_ids(LABELS))  # type: ignore[no-untyped-call]
    assert got.shape == want.shape == (2, 16, size.n_summary, size.n_features)
    torch.testing.assert_close(got, want, atol=TOLERANCE_FP32, rtol=0)
