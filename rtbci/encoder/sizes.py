"""The five sizes of the DARE encoder, and what follows from a size without building the network."""

import math
from dataclasses import dataclass

from rtbci.encoder.vocabulary import CHANNELS
from rtbci.errors import EngineError

__all__ = [
    "MLP_RATIO",
    "PATCH_SAMPLES",
    "RATE_HZ",
    "SIZES",
    "EncoderSize",
    "PowerPath",
    "find_size",
    "n_parameters",
]

PATCH_SAMPLES = 64
"""Samples of one patch: 250 ms at `RATE_HZ`."""

RATE_HZ = 256.0
"""Sampling rate that the encoder is defined at."""

MLP_RATIO = 4
"""Hidden width of the feed-forward part, in units of the token width."""


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """Dimensions of one encoder (DARE-EEG, arXiv 2605.18298, table of sizes).

    Parameters
    ----------
    name : str
        What recipes and checkpoints call it.
    n_features : int
        Width D of a token.
    n_summary : int
        Number S of summary tokens; the output for a patch is S x D.
    depth, depth_predictor, depth_reconstructor : int
        Layers of the encoder, and of the two networks that only pretraining uses.
    n_heads : int
        Attention heads. It changes no tensor's shape, so checkpoints carry it as metadata.
    """

    name: str
    n_features: int
    n_summary: int
    depth: int
    depth_predictor: int
    depth_reconstructor: int
    n_heads: int

    def __post_init__(self) -> None:
        """Refuse a width that the heads do not divide.

        Raises
        ------
        EngineError
            When a number is below 1 or `n_features` is no multiple of `n_heads`.
        """
        if min(self.n_features, self.n_summary, self.depth, self.n_heads) < 1:
            raise EngineError(f"EncoderSize: got {self}, need widths, depths and heads of at least 1")
        if self.n_features % self.n_heads:
            raise EngineError(
                f"EncoderSize: got {self.n_features} features and {self.n_heads} heads, "
                "need a width that the number of heads divides"
            )


@dataclass(frozen=True, slots=True)
class PowerPath:
    """A second way through the encoder that carries amplitude: the log power of each electrode's patch.

    LayerNorm removes the length of every token, and with it the amplitude of the signal, which is what
    desynchronisation changes. See docs/adr/0012-readout-around-the-transformer.md.

    Parameters
    ----------
    level : float
        Typical mean square of a patch, in squared units of the input: tells what is loud. Powers below a
        25th of it count as silence.
    """

    level: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.level) and self.level > 0):
            raise EngineError(f"PowerPath: level is {self.level:g}, need a number above 0")

    @property
    def floor(self) -> float:
        """Added to a power before the logarithm."""
        return self.level / 25.0


SIZES: dict[str, EncoderSize] = {
    size.name: size
    for size in (
        EncoderSize("nano", 64, 1, 2, 2, 4, 4),
        EncoderSize("light", 128, 1, 6, 6, 6, 4),
        EncoderSize("small", 256, 1, 6, 6, 6, 4),
        EncoderSize("base", 256, 4, 8, 8, 8, 4),
        EncoderSize("deep", 512, 4, 8, 8, 8, 8),
    )
}


def find_size(name: str) -> EncoderSize:
    """Size by name.

    Raises
    ------
    EngineError
        When there is no such size.
    """
    try:
        return SIZES[name]
    except KeyError:
        raise EngineError(f"find_size: got encoder size {name!r}, need one of {', '.join(SIZES)}") from None


def n_parameters(size: EncoderSize, power: PowerPath | None = None) -> int:
    """Number of learned parameters of an encoder of this size.

    Notes
    -----
    64 D + D (tokeniser) + 62 D (channel embedding) + S D (summary tokens) + L (12 D^2 + 13 D) (layers)
    + 2 D (last LayerNorm); with a power path 62 (1 + D + S D) more.

    Examples
    --------
    >>> n_parameters(SIZES["nano"])
    108288
    """
    d = size.n_features
    path = 0 if power is None else len(CHANNELS) * (1 + d + size.n_summary * d)
    return (
        path
        + PATCH_SAMPLES * d
        + d
        + len(CHANNELS) * d
        + size.n_summary * d
        + size.depth * (12 * d * d + 13 * d)
        + 2 * d  # last LayerNorm
    )
