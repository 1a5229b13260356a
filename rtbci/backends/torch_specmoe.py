"""Eager torch on the CPU for SpecMoE: the reference for all other back ends."""

from pathlib import Path

from rtbci.backends.torch import Network, TorchSession
from rtbci.encoder.specmoe.checkpoint import read_decoder

__all__ = ["TorchSpecSession"]


class TorchSpecSession(TorchSession):
    """A decoder's checkpoint (`rtbci.encoder.specmoe.checkpoint`), run by torch; all else as `TorchSession`."""

    def _read(self, path: Path) -> tuple[Network, tuple[int, ...], tuple[int, ...]]:
        decoder, info = read_decoder(path)
        return decoder, (1, len(info.channels), info.n_samples), (1, info.n_classes)
