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
        width: channels of the queries and, without ``out_width``, of the result.
        heads: number of heads; divides ``width``.
        context_width: channels of what is looked at, if other than ``width``.
        out_width: channels of the result, if other than ``width``.

    Raises:
        ValueError: ``heads`` does not divide ``width``, or (in ``forward`` and ``weights``) x and context
            differ in batch or have another width than the module, or the mask is not boolean, does not fit, or
            is a causal mask the wrong way round.
    """

    def __init__(
        self, width: int, heads: int, context_width: int | None = None, out_width: int | None = None
    ):
        super().__init__()
        if heads < 1 or width % heads:
            raise ValueError(
                f"width is {width}, heads {heads}: the heads share the width, so it must be a multiple"
            )
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(context_width or width, width)
        self.value = nn.Linear(context_width or width, width)
        self.out = nn.Linear(width, out_width or width)

    def forward(
        self,
        x: Float[Tensor, "batch queries width"],
        context: Float[Tensor, "batch keys context_width"] | None = None,
        *,
        causal: bool = False,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch queries out_width"]:
        """Each position of ``x`` looks at ``context`` (at ``x`` itself if there is none).

        Args:
            causal: a position sees itself and what comes before.
            mask: True where a query may look at a key; broadcasts to (batch, heads, queries, keys). Together
                with ``causal``, both must allow it. A query that may look at nothing gets zero from every
                head.
        """
        q, k, v = self._heads(x, x if context is None else context)
        causal, mask = _one_mask(causal, mask, (*q.shape[:3], k.shape[2]))
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(rearrange(attended, "batch head query width -> batch query (head width)"))

    def weights(
        self,
        x: Float[Tensor, "batch queries width"],
        context: Float[Tensor, "batch keys context_width"] | None = None,
        *,
        causal: bool = False,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch heads queries keys"]:
        """The attention weights themselves, which the fast path of ``forward`` never forms.

        Each row sums to 1; that of a query which may look at nothing is zero. Arguments as in ``forward``.
        """
        q, k, _ = self._heads(x, x if context is None else context)
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        causal, mask = _one_mask(causal, mask, (*q.shape[:3], k.shape[2]))
        if causal:
            mask = _before(scores.shape, scores.device)
        if mask is None:
            return torch.softmax(scores, dim=-1)
        # The lowest number instead of -inf: a row of nothing but -inf would become NaN.
        lowest = torch.finfo(scores.dtype).min
        return torch.softmax(scores.masked_fill(~mask, lowest), dim=-1).masked_fill(~mask, 0)

    def _heads(self, x: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        for name, tokens, width in (
            ("x", x, self.query.in_features),
            ("context", context, self.key.in_features),
        ):
            if tokens.ndim != 3 or tokens.shape[-1] != width:
                raise ValueError(
                    f"{name} has shape {tuple(tokens.shape)}, expected (batch, tokens, {width}): "
                    "project it, or set context_width"
                )
        if len(x) != len(context):
            raise ValueError(
                f"x has a batch of {len(x)}, context of {len(context)}, expected as many: repeat one"
            )
        projected = self.query(x), self.key(context), self.value(context)
        return tuple(rearrange(p, "b n (head width) -> b head n width", head=self.heads) for p in projected)


def _one_mask(causal: bool, mask: Tensor | None, shape: tuple[int, ...]) -> tuple[bool, Tensor | None]:
    """The fused kernels take the flag or a mask, not both: join them where both are given."""
    if mask is None:
        return causal, None
    if mask.dtype != torch.bool:
        raise ValueError(
            f"mask is {mask.dtype}, expected bool, True where a query may look: write mask != 0 if it holds "
            "ones and zeros, mask == 0 if it holds 0 and -inf to be added to the scores"
        )
    if any(of not in (1, to) for of, to in zip(mask.shape[::-1], shape[::-1], strict=False)) or mask.ndim > 4:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, which does not broadcast to (batch, heads, queries, keys) = "
            f"{tuple(shape)}: padding of shape (batch, keys) goes in as padding[:, None, None, :]"
        )
    if mask.ndim < 2:
        mask = mask.expand(shape[2:])
    if mask.shape[-2:] == shape[2:] and shape[2] == shape[3] > 1 and not torch.compiler.is_compiling():
        before = _before(shape, mask.device)
        if torch.equal(mask, ~before.expand_as(mask)):
            raise ValueError(
                "mask is True exactly above the diagonal, so that a query sees only what comes after it: True "
                "means that a query may look (in torch.nn.MultiheadAttention it means the opposite), write ~mask"
            )
    return False, mask & _before(shape, mask.device) if causal else mask


def _before(shape: tuple[int, ...], device: torch.device) -> Bool[Tensor, "queries keys"]:
    """True where the key is no later than the query."""
    return torch.ones(shape[-2:], dtype=torch.bool, device=device).tril()


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
