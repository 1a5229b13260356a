"""The DARE encoder: one patch of 64 samples on C electrodes in, S summary vectors out.

Reads top to bottom: `Attention`, `Block`, `DareEncoder`. The encoder is that of EEGPT (NeurIPS 2024) as
DARE-EEG uses it (arXiv 2605.18298): attention runs across the electrodes of one patch and never across
time. That is why a stream needs one patch per hop and older features can be cached exactly.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtbci.encoder.sizes import MLP_RATIO, PATCH_SAMPLES, EncoderSize, PowerPath, find_size
from rtbci.encoder.vocabulary import CHANNELS, channel_indices
from rtbci.errors import EngineError, ShapeError

__all__ = ["LAYER_NORM_EPS", "Attention", "Block", "DareEncoder", "channel_ids"]

LAYER_NORM_EPS = 1e-6
INIT_STD = 0.02


class Attention(nn.Module):
    """Multi-head self-attention over the tokens of one patch.

    Parameters
    ----------
    n_features : int
        Width D of a token.
    n_heads : int
        Must divide `n_features`.
    """

    def __init__(self, n_features: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(n_features, 3 * n_features)
        self.proj = nn.Linear(n_features, n_features)

    def forward(self, x: Tensor, n_queries: int) -> Tensor:
        """Let the last `n_queries` tokens attend to all tokens.

        Parameters
        ----------
        x : Tensor, shape (n, n_tokens, D)
        n_queries : int
            At most `n_tokens`.

        Returns
        -------
        Tensor, shape (n, n_queries, D)
        """
        d = x.shape[-1]
        if n_queries == x.shape[1]:
            q, k, v = self.qkv(x).chunk(3, dim=-1)
        else:  # queries nobody reads are not computed
            q = F.linear(x[:, -n_queries:], self.qkv.weight[:d], self.qkv.bias[:d])
            k, v = F.linear(x, self.qkv.weight[d:], self.qkv.bias[d:]).chunk(2, dim=-1)
        q, k, v = (t.reshape(len(x), -1, self.n_heads, d // self.n_heads).transpose(1, 2) for t in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v)  # scale 1 / sqrt(D / n_heads)
        return self.proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Block(nn.Module):
    """One pre-LayerNorm transformer layer.

    Parameters
    ----------
    n_features, n_heads : int
        As in `Attention`.
    """

    def __init__(self, n_features: int, n_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(n_features, eps=LAYER_NORM_EPS)
        self.attention = Attention(n_features, n_heads)
        self.norm2 = nn.LayerNorm(n_features, eps=LAYER_NORM_EPS)
        self.fc1 = nn.Linear(n_features, MLP_RATIO * n_features)
        self.fc2 = nn.Linear(MLP_RATIO * n_features, n_features)

    def forward(self, x: Tensor, n_queries: int | None = None) -> Tensor:
        """Apply the layer; with `n_queries`, compute only the last `n_queries` tokens of the result.

        Parameters
        ----------
        x : Tensor, shape (n, n_tokens, D)
        n_queries : int, optional
            All tokens by default.

        Returns
        -------
        Tensor, shape (n, n_queries, D)
        """
        n_queries = x.shape[1] if n_queries is None else n_queries
        x = x[:, -n_queries:] + self.attention(self.norm1(x), n_queries)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))  # type: ignore[no-any-return]


class DareEncoder(nn.Module):
    """Patch encoder of one of the five sizes, or of a size of your own.

    Parameters
    ----------
    size : str or EncoderSize
        ``"nano"``, ``"light"``, ``"small"``, ``"base"``, ``"deep"``, or dimensions.
    power : PowerPath, optional
        Gives the encoder the level of each electrode's patch, ``l = log(mean square + floor) - offset``: it is
        added to the electrode's token, times a learned vector, and to the output, times another one, around the
        transformer. Ours, not of the paper; None is the published encoder.
    embedding_std : float
        Standard deviation that the channel embedding starts with. 0.02 is the published value. With 0.5
        the embedding gives each token a length of its own, so that the amplitude of the signal turns the
        token instead of scaling it and survives the first LayerNorm; with 0.02 it is normalised away.

    Attributes
    ----------
    size : EncoderSize
    embedding_std : float
    power : PowerPath or None

    Notes
    -----
    Weights start from torch's global generator: call `torch.manual_seed` first.
    """

    def __init__(
        self,
        size: str | EncoderSize = "nano",
        embedding_std: float = INIT_STD,
        power: PowerPath | None = None,
    ) -> None:
        super().__init__()
        self.power = power
        self.size = find_size(size) if isinstance(size, str) else size
        self.embedding_std = float(embedding_std)
        d = self.size.n_features
        self.tokenise = nn.Linear(PATCH_SAMPLES, d)
        self.channel_embedding = nn.Embedding(len(CHANNELS), d)
        self.summary = nn.Parameter(torch.empty(self.size.n_summary, d))
        self.blocks = nn.ModuleList(Block(d, self.size.n_heads) for _ in range(self.size.depth))
        self.norm = nn.LayerNorm(d, eps=LAYER_NORM_EPS)
        if power is not None:
            self.power_offset = nn.Parameter(torch.full((len(CHANNELS),), math.log(power.level)))
            self.power_embedding = nn.Embedding(len(CHANNELS), d)
            self.readout = nn.Embedding(len(CHANNELS), self.size.n_summary * d)
        self._draw_weights()

    def _draw_weights(self) -> None:
        """Truncated normal 0.02, zero biases; residual outputs of layer l divided by sqrt(2 l)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.channel_embedding.weight, std=self.embedding_std)
        nn.init.trunc_normal_(self.summary, std=INIT_STD)
        if self.power is not None:
            nn.init.trunc_normal_(self.power_embedding.weight, std=self.embedding_std)
            nn.init.normal_(self.readout.weight, std=len(CHANNELS) ** -0.5)
        with torch.no_grad():
            for i_layer, block in enumerate(self.blocks, start=1):
                block.attention.proj.weight.div_(math.sqrt(2.0 * i_layer))  # type: ignore[union-attr, operator]
                block.fc2.weight.div_(math.sqrt(2.0 * i_layer))  # type: ignore[union-attr, operator]

    def forward(self, x: Tensor, channel_ids: Tensor) -> Tensor:
        """Encode windows; every patch is encoded by itself.

        Parameters
        ----------
        x : Tensor of float, shape (batch, n_patches, n_channels, 64)
            Samples at 256 Hz, in the unit that the checkpoint states.
        channel_ids : Tensor of int64, shape (n_channels,)
            Rows of the channel embedding; see `channel_ids`.

        Returns
        -------
        Tensor, shape (batch, n_patches, S, D)

        Raises
        ------
        ShapeError
            When `x` or `channel_ids` has another shape.
        """
        if x.ndim != 4:
            raise ShapeError(f"DareEncoder: x has shape {tuple(x.shape)}, need (batch, n_patches, C, 64)")
        features = self.encode_patches(x.flatten(0, 1), channel_ids)
        return features.reshape(x.shape[0], x.shape[1], self.size.n_summary, self.size.n_features)

    def levels(self, patches: Tensor, channel_ids: Tensor) -> Tensor:
        """Log power of each patch above its electrode's offset, shape (n, n_channels); needs a power path.

        Parameters
        ----------
        patches : Tensor of float, shape (n, n_channels, 64)
        channel_ids : Tensor of int64, shape (n_channels,) or (n, n_channels)

        Raises
        ------
        EngineError
            When the encoder has no power path.
        """
        if self.power is None:
            raise EngineError(
                "DareEncoder: has no power path, need one for levels; build it with power=PowerPath(...)"
            )
        return torch.log(patches.square().mean(-1) + self.power.floor) - self.power_offset[channel_ids]

    def encode_patches(self, patches: Tensor, channel_ids: Tensor) -> Tensor:
        """Encode patches that need not belong together.

        Parameters
        ----------
        patches : Tensor of float, shape (n, n_channels, 64)
        channel_ids : Tensor of int64, shape (n_channels,) or (n, n_channels)
            One layout for all patches, or one for each (masked views in pretraining).

        Returns
        -------
        Tensor, shape (n, S, D)

        Raises
        ------
        ShapeError
            When the shapes do not fit.
        """
        if self.power is None:
            return self.transform(patches, channel_ids)
        levels = self.levels(patches, channel_ids)
        return self.transform(patches, channel_ids, levels) + self.read(levels, channel_ids)

    def transform(self, patches: Tensor, channel_ids: Tensor, levels: Tensor | None = None) -> Tensor:
        """What the transformer makes of patches, without what is read out around it.

        Parameters
        ----------
        patches, channel_ids
            As for `encode_patches`.
        levels : Tensor of float, shape (n, n_channels), optional
            Needed with a power path: what `levels` gives, or normalised and dropped ones in training.

        Returns
        -------
        Tensor, shape (n, S, D)

        Raises
        ------
        ShapeError
            When the shapes do not fit.
        """
        if patches.ndim != 3 or patches.shape[-1] != PATCH_SAMPLES:
            raise ShapeError(
                f"DareEncoder: patches have shape {tuple(patches.shape)}, "
                f"need (n, n_channels, {PATCH_SAMPLES})"
            )
        if channel_ids.shape not in (patches.shape[1:2], patches.shape[:2]):
            raise ShapeError(
                f"DareEncoder: channel_ids have shape {tuple(channel_ids.shape)}, "
                f"need ({patches.shape[1]},) for patches of {patches.shape[1]} channels"
            )
        tokens = self.tokenise(patches) + self.channel_embedding(channel_ids)
        if levels is not None:
            tokens = tokens + levels[..., None] * self.power_embedding(channel_ids)
        x = torch.cat([tokens, self.summary.expand(len(patches), -1, -1)], dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        # Only the summary tokens leave the encoder, so the last layer computes no others: the same
        # numbers and gradients, at 14/24 of the multiplications for nano.
        return self.norm(self.blocks[-1](x, self.size.n_summary))  # type: ignore[no-any-return]

    def read(self, levels: Tensor, channel_ids: Tensor) -> Tensor:
        """What is read out around the transformer, shape (n, S, D); linear in the levels.

        Parameters
        ----------
        levels : Tensor of float, shape (n, n_channels)
        channel_ids : Tensor of int64, shape (n_channels,) or (n, n_channels)
        """
        vectors: Tensor = self.readout(channel_ids)
        return (levels[:, None, :] @ vectors).reshape(len(levels), self.size.n_summary, -1)


def channel_ids(labels: Sequence[str]) -> Tensor:
    """Rows of the channel embedding for electrode labels, as a tensor.

    Returns
    -------
    Tensor of int64, shape (n_channels,)

    Raises
    ------
    ChannelError
        When a label is not in the vocabulary or comes twice.
    """
    return torch.tensor(channel_indices(labels), dtype=torch.int64)
