"""Differential attention: what one map of attention sees, less what another sees too (Ye et al. 2024)."""

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class DifferentialAttention(nn.Module):
    """Self-attention whose weights are the difference of two softmaxes (Ye et al. 2024, section 2.1).

    For each head, with queries and keys in two halves and values twice as wide:

        A = softmax(Q1 K1ᵀ / √d) - λ softmax(Q2 K2ᵀ / √d),    head = (1 - λ₀) RMSNorm(A V)

        λ = exp(λq1·λk1) - exp(λq2·λk2) + λ₀,    λ₀ = 0.8 - 0.6 exp(-0.3 (layer - 1))

    What both maps see, usually everything a little, cancels out, as noise does in a differential amplifier. There
    are no biases. Equals ``DiffLlamaAttention`` of Hugging Face's transformers without its rotary positions.

    Args:
        width: channels in and out.
        heads: number of heads; twice as many divide ``width``, since every head has two maps.
        layer: which layer of the network this is, from 1 on: later ones subtract more.

    Raises:
        ValueError: 2 · heads does not divide the width, a layer below 1, or (in ``forward``) x of another width.
    """

    def __init__(self, width: int, heads: int, layer: int = 1):
        super().__init__()
        if heads < 1 or width % (2 * heads):
            raise ValueError(
                f"width is {width}, heads {heads}: every head has two maps, so width must be a multiple of 2 * heads"
            )
        if layer < 1:
            raise ValueError(f"layer is {layer}, expected 1 or more: the first layer is 1")
        self.width, self.heads = width, heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.first = 0.8 - 0.6 * math.exp(-0.3 * (layer - 1))
        # rows: those of the two queries and of the two keys
        self.query_scales, self.key_scales = (
            nn.Parameter(torch.randn(2, width // heads // 2) * 0.1) for _ in range(2)
        )

    @property
    def scale(self) -> Float[Tensor, ""]:
        """λ, the share of the second map that is taken from the first."""
        one, two = (self.query_scales * self.key_scales).sum(-1).exp()
        return one - two + self.first

    def forward(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        """Each token looks at all tokens."""
        queries, keys = self._maps(x)
        values = self._values(x)
        one, two = (F.scaled_dot_product_attention(q, k, values) for q, k in zip(queries, keys, strict=True))
        attended = one - self.scale * two
        attended = F.rms_norm(attended, attended.shape[-1:], eps=1e-5) * (1 - self.first)
        return self.out(rearrange(attended, "batch head token width -> batch token (head width)"))

    def weights(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch heads tokens tokens"]:
        """A itself, which ``forward`` never forms: rows sum to 1 - λ, and numbers may be negative."""
        queries, keys = self._maps(x)
        scores = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
        one, two = torch.softmax(scores, dim=-1)
        return one - self.scale * two

    def _maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.ndim != 3 or x.shape[-1] != self.width:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected (batch, tokens, {self.width}): project it first"
            )
        split = "batch token (map head width) -> map batch head token width"
        queries, keys = (rearrange(p(x), split, map=2, head=self.heads) for p in (self.query, self.key))
        return queries, keys

    def _values(self, x: Tensor) -> Tensor:
        split = "batch token (half head width) -> batch head token (half width)"
        return rearrange(self.value(x), split, half=2, head=self.heads)
