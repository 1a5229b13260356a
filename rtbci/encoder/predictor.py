"""Networks that only pretraining uses: the predictor over time and the reconstructor of patches.

The encoder does not mix times, these two do: rotary position embedding (RoPE; Su et al. 2021,
arXiv 2104.09864) tells them which patch a token belongs to. Neither is part of a decoder.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtbci.encoder.dare import INIT_STD, LAYER_NORM_EPS
from rtbci.encoder.sizes import MLP_RATIO, PATCH_SAMPLES, EncoderSize
from rtbci.encoder.vocabulary import CHANNELS

__all__ = ["ROPE_THETA", "Predictor", "Reconstructor", "RotaryBlock", "rotate"]

ROPE_THETA = 1e4


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Turn pairs of features by angles that grow with the position.

    The product of two turned vectors depends on the difference of their positions only.

    Parameters
    ----------
    x : Tensor, shape (batch, n_heads, n_tokens, d)
        `d` even.
    positions : Tensor of int64, shape (batch or 1, n_tokens)
        Patch of each token.

    Returns
    -------
    Tensor, shape (batch, n_heads, n_tokens, d)
    """
    half = x.shape[-1] // 2
    rates = ROPE_THETA ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = positions[:, None, :, None] * rates
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class RotaryBlock(nn.Module):
    """Pre-LayerNorm transformer layer whose attention knows the time of its tokens.

    Parameters
    ----------
    n_features, n_heads : int
        Width of a token, and heads; the width of a head must be even.
    """

    def __init__(self, n_features: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm1 = nn.LayerNorm(n_features, eps=LAYER_NORM_EPS)
        self.query = nn.Linear(n_features, n_features)
        self.key_value = nn.Linear(n_features, 2 * n_features)
        self.proj = nn.Linear(n_features, n_features)
        self.norm2 = nn.LayerNorm(n_features, eps=LAYER_NORM_EPS)
        self.fc1 = nn.Linear(n_features, MLP_RATIO * n_features)
        self.fc2 = nn.Linear(MLP_RATIO * n_features, n_features)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Let all tokens read all tokens.

        Parameters
        ----------
        x : Tensor, shape (batch, n_tokens, D)
        positions : Tensor of int64, shape (batch or 1, n_tokens)

        Returns
        -------
        Tensor, shape (batch, n_tokens, D)
        """
        normed = self.norm1(x)
        q = rotate(self._heads(self.query(normed)), positions)
        return self._finish(x, self._attend(q, normed, positions).flatten(2))

    def read(
        self,
        queries: Tensor,
        positions: Tensor,
        seats: tuple[Tensor, Tensor, int],
        memory: Tensor,
        times: Tensor,
    ) -> Tensor:
        """Let queries read a memory, with the same weights.

        Parameters
        ----------
        queries : Tensor, shape (n_queries, D)
            Of all windows together: windows have different numbers of them, and only the attention itself
            is padded to the largest.
        positions : Tensor of int64, shape (n_queries,)
        seats : (Tensor, Tensor, int)
            Window of each query, its number within the window, and the largest number of them.
        memory : Tensor, shape (batch, n_tokens, D)
        times : Tensor of int64, shape (1, n_tokens)
            Positions of the memory.

        Returns
        -------
        Tensor, shape (n_queries, D)
        """
        i_window, slot, n_slots = seats
        q = self._heads(self.query(self.norm1(queries))[None])
        turned = rotate(q, positions[None]).transpose(1, 2)[0]
        empty = turned.new_zeros(len(memory), n_slots, *turned.shape[1:])
        seated = empty.index_put((i_window, slot), turned).transpose(1, 2)
        mixed = self._attend(seated, self.norm1(memory), times)
        return self._finish(queries, mixed[i_window, slot].flatten(1))

    def _attend(self, q: Tensor, memory: Tensor, times: Tensor) -> Tensor:
        """Read normalised tokens; shape (batch, n_queries, n_heads, d)."""
        k, v = map(self._heads, self.key_value(memory).chunk(2, dim=-1))
        return F.scaled_dot_product_attention(q, rotate(k, times), v).transpose(1, 2)

    def _finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.proj(mixed)
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))  # type: ignore[no-any-return]

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.n_heads, -1).transpose(1, 2)


class Predictor(nn.Module):
    """Summary tokens of all patches from those of the kept patches.

    Parameters
    ----------
    size : EncoderSize
        Of the encoder; `depth_predictor` layers.
    """

    def __init__(self, size: EncoderSize) -> None:
        super().__init__()
        d = size.n_features
        self.embed = nn.Linear(d, d)
        self.mask_token = nn.Parameter(torch.empty(size.n_summary, d))
        self.blocks = nn.ModuleList(RotaryBlock(d, size.n_heads) for _ in range(size.depth_predictor))
        self.norm = nn.LayerNorm(d, eps=LAYER_NORM_EPS)
        self.out = nn.Linear(d, d)
        _draw_linear_weights(self)
        nn.init.trunc_normal_(self.mask_token, std=INIT_STD)

    def forward(self, features: Tensor, kept: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        features : Tensor, shape (batch, n_patches, S, D)
            Of the encoder at kept patches; what is elsewhere is not read.
        kept : Tensor of bool, shape (batch, n_patches)

        Returns
        -------
        Tensor, shape (batch, n_patches, S, D)
            At every patch, kept ones too.
        """
        n_patches, n_summary = features.shape[1:3]
        tokens = torch.where(kept[..., None, None], self.embed(features), self.mask_token)
        positions = torch.arange(n_patches, device=kept.device).repeat_interleave(n_summary)[None]
        x = tokens.flatten(1, 2)
        for block in self.blocks:
            x = block(x, positions)
        return self.out(self.norm(x)).reshape(features.shape)  # type: ignore[no-any-return]


class Reconstructor(nn.Module):
    """Samples of wanted channels of wanted patches, from the summary tokens of all patches.

    Every wanted patch of a channel is a query: the summary tokens of its own patch times the channel's gains,
    plus the channel's embedding (both its own, not the encoder's), placed in time by its position. Summary
    tokens and queries read the summary tokens and never a query, so that what is asked for does not change
    what is answered.

    The gains are our choice, the paper only asks for a channel embedding. What a channel shows is the common
    sources times a gain of either sign; without a product of the two, the first steps have no gradient to
    follow, and the loss stays at 1 for hundreds of steps (docs/pretraining.md).

    Parameters
    ----------
    size : EncoderSize
        Of the encoder; `depth_reconstructor` layers.
    embedding_std : float
        Standard deviation that the channel embedding starts with; the gains start with 1.
    n_powers : int
        Log powers that are predicted beside the samples; 0 as published.
    """

    def __init__(self, size: EncoderSize, embedding_std: float = INIT_STD, n_powers: int = 0) -> None:
        super().__init__()
        d = size.n_features
        self.embed = nn.Linear(d, d)
        self.embed_query = nn.Linear(size.n_summary * d, d)
        self.channel_embedding = nn.Embedding(len(CHANNELS), d)
        self.channel_gains = nn.Embedding(len(CHANNELS), d)
        self.blocks = nn.ModuleList(RotaryBlock(d, size.n_heads) for _ in range(size.depth_reconstructor))
        self.norm = nn.LayerNorm(d, eps=LAYER_NORM_EPS)
        self.samples = nn.Linear(d, PATCH_SAMPLES)
        self.powers = nn.Linear(d, n_powers) if n_powers else None
        _draw_linear_weights(self)
        nn.init.trunc_normal_(self.channel_embedding.weight, std=embedding_std)
        nn.init.trunc_normal_(self.channel_gains.weight, std=1.0)

    def forward(self, features: Tensor, channel_ids: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Reconstruct.

        Parameters
        ----------
        features : Tensor, shape (batch, n_patches, S, D)
            Of the encoder at kept patches, of the predictor at the others.
        channel_ids : Tensor of int64, shape (n_channels,)
        target : Tensor of bool, shape (batch, n_patches, n_channels)

        Returns
        -------
        samples : Tensor, shape (n_targets, 64)
            In the order of ``target.nonzero()``.
        powers : Tensor, shape (n_targets, n_powers), or None
        """
        n_patches, n_summary = features.shape[1:3]
        i_window, i_patch, i_channel = target.nonzero(as_tuple=True)
        patches = torch.arange(n_patches, device=target.device)
        own = self.embed_query(features.flatten(2))[i_window, i_patch]
        gains, embedded = self.channel_gains(channel_ids), self.channel_embedding(channel_ids)
        queries = own * gains[i_channel] + embedded[i_channel]
        memory, times = self.embed(features).flatten(1, 2), patches.repeat_interleave(n_summary)[None]
        seats = _seats(i_window, target)
        for i_layer, layer in enumerate(self.blocks, start=1):
            block = cast("RotaryBlock", layer)
            queries = block.read(queries, i_patch, seats, memory, times)
            if i_layer < len(self.blocks):
                memory = block(memory, times)
        answers = self.norm(queries)
        return self.samples(answers), None if self.powers is None else self.powers(answers)


def _seats(i_window: Tensor, target: Tensor) -> tuple[Tensor, Tensor, int]:
    """Window of each query, its number among the window's queries, and the largest number of them."""
    counts = target.sum(dim=(1, 2))
    first = counts.cumsum(0) - counts
    slot = torch.arange(len(i_window), device=target.device) - first[i_window]
    return i_window, slot, int(counts.max())


def _draw_linear_weights(network: Predictor | Reconstructor) -> None:
    """Draw linear maps as the encoder's: truncated normal 0.02, residual outputs of layer l over sqrt(2 l)."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=INIT_STD)
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        for name, weight in network.blocks.named_parameters():
            if name.endswith(("proj.weight", "fc2.weight")):
                weight.div_(math.sqrt(2.0 * (int(name.split(".")[0]) + 1)))
