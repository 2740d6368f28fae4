"""Attention: every query takes a weighted mean of the values, weighted by how well it matches their keys."""

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, section 3.2), for self- and cross-attention.

    Equals ``torch.nn.MultiheadAttention`` with the same weights.

    Args:
        width: channels of the queries and of the result.
        heads: number of heads; divides ``width``.
        context_width: channels of what is looked at, if other than ``width``.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int, context_width: int | None = None):
        super().__init__()
        if width % heads:
            raise ValueError(f"width is {width}, heads {heads}: the heads share the width, so it must be a multiple")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(context_width or width, width)
        self.value = nn.Linear(context_width or width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "batch queries width"],
        context: Float[Tensor, "batch keys context_width"] | None = None,
        *,
        causal: bool = False,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch queries width"]:
        """Each position of ``x`` looks at ``context`` (at ``x`` itself if there is none).

        Args:
            causal: a position sees itself and what comes before.
            mask: True where a query may look at a key; broadcasts to (batch, heads, queries, keys).
        """
        q, k, v = self._heads(x, x if context is None else context)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(rearrange(attended, "batch head query width -> batch query (head width)"))

    def weights(
        self, x: Float[Tensor, "batch queries width"], context: Float[Tensor, "batch keys context_width"] | None = None
    ) -> Float[Tensor, "batch heads queries keys"]:
        """The attention weights themselves (each row sums to 1), which the fast path of ``forward`` never forms."""
        q, k, _ = self._heads(x, x if context is None else context)
        return torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)

    def _heads(self, x: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        projected = self.query(x), self.key(context), self.value(context)
        return tuple(rearrange(p, "b n (head width) -> b head n width", head=self.heads) for p in projected)


class AttentionPool(nn.Module):
    """A few learnt queries read a set of tokens; their answers, side by side, are the pooled vector.

    Args:
        width: channels of the tokens.
        heads: attention heads.
        queries: number of learnt queries.
    """

    def __init__(self, width: int, heads: int, queries: int = 1):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width) * 0.1)
        self.attention = Attention(width, heads)

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch pooled"]:
        """(batch, tokens, width) to (batch, queries * width)."""
        queries = repeat(self.queries, "query width -> batch query width", batch=len(tokens))
        return rearrange(self.attention(queries, tokens), "batch query width -> batch (query width)")
