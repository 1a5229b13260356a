"""What frozen experts and the gate's spectrum say of each electrode of each window, once for all heads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rtbci.backends.onnxruntime_api import load_onnxruntime
from rtbci.backends.specmoe_graph import spec_onnx_bytes
from rtbci.encoder.specmoe.checkpoint import SpecInfo
from rtbci.encoder.specmoe.moe import SpecMoe

__all__ = ["Features", "cached_features", "expert_features"]

EVERY = 400


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Of many windows.

    Parameters
    ----------
    experts : Tensor of float32, shape (n, n_channels, n_experts, D)
        As `SpecMoe.features` gives them.
    spectra : Tensor of float32, shape (n, n_channels, n_bins)
        As `log_spectra` gives them.
    """

    experts: Tensor
    spectra: Tensor

    def rows(self, rows: npt.NDArray[np.intp] | Tensor) -> "Features":
        """Some of the windows; copies."""
        return Features(self.experts[rows], self.spectra[rows])


def cached_features(
    decoder: SpecMoe, x: npt.NDArray[np.float32], cache: Path, report: Callable[[str], None]
) -> Features:
    """As `expert_features`, kept in a safetensors file that is read where it is there."""
    if cache.is_file():
        content = load_file(cache)
        return Features(content["experts"], content["spectra"])
    features = expert_features(decoder, x, report)
    save_file({"experts": features.experts.contiguous(), "spectra": features.spectra.contiguous()}, cache)
    return features


def expert_features(decoder: SpecMoe, x: npt.NDArray[np.float32], report: Callable[[str], None]) -> Features:
    """Run the experts in ONNX Runtime, which takes half of torch's time.

    Parameters
    ----------
    decoder : SpecMoe
        In evaluation mode.
    x : ndarray of float32, shape (n, n_channels, n_samples)
    report : callable
        Takes a line of progress now and then.
    """
    session, names = _session(decoder, x.shape[2])
    experts, spectra = [], []
    for i, window in enumerate(x):
        given = session.run(names, {session.get_inputs()[0].name: window[np.newaxis]})
        *means, spectrum = (np.asarray(one) for one in given)
        experts.append(np.stack(means, axis=1))
        spectra.append(spectrum)
        if i % EVERY == 0:
            report(f"experts: {i} of {len(x)} windows")
    return Features(torch.from_numpy(np.stack(experts)), torch.from_numpy(np.stack(spectra)))


def _session(decoder: SpecMoe, n_samples: int):  # type: ignore[no-untyped-def]
    """The decoder's own graph, with what goes into the gate's product as outputs; names of these."""
    import onnx

    onnxruntime = load_onnxruntime()
    weights = {name: one.detach().numpy() for name, one in decoder.state_dict().items()}
    channels = tuple(f"C{i}" for i in range(decoder.n_channels))
    info = SpecInfo(
        "decoder",
        decoder.size,
        channels,
        "whitened",
        n_samples=n_samples,
        n_classes=decoder.n_classes,
        n_experts=len(decoder.experts),
        readout=decoder.readout,
    )
    model = onnx.load_from_string(spec_onnx_bytes(weights, info))
    names = [node.output[0] for node in model.graph.node if node.op_type == "ReduceMean"]
    names += [node.output[0] for node in model.graph.node if node.op_type == "Log"]
    known = {one.name for one in model.graph.output}
    outputs = [onnx.ValueInfoProto(name=name) for name in names if name not in known]
    model.graph.output.extend(outputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    ), names
