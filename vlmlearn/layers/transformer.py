"""Transformer blocks: attention, then a feed-forward network, each added to its input."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from vlmlearn.layers.attention import Attention
from vlmlearn.layers.feed_forward import FeedForward


class TransformerBlock(nn.Module):
    """Attention and a feed-forward network, each with a layer norm and added to its own input.

    With ``norm="pre"`` (Xiong et al. 2020; GPT-2, ViT, CLIP) the norm stands before each of the two:
    x + attention(norm(x)), then x + feed_forward(norm(x)). The sum itself is never normalised, so a model
    adds one norm after the last block. With ``norm="post"`` (Vaswani et al. 2017, section 3.1; BERT) it stands
    after each sum: norm(x + attention(x)), then norm(x + feed_forward(x)).

    Equals ``torch.nn.TransformerEncoderLayer`` (``norm_first=True`` is "pre") and, in Hugging Face's
    transformers, ``CLIPEncoderLayer``, ``ViTLayer``, ``SiglipEncoderLayer`` ("pre") and ``BertLayer`` ("post"),
    with the same weights and no dropout.

    Args:
        width: channels.
        heads: attention heads.
        hidden: channels inside the feed-forward network.
        activation: see ``FeedForward``.
        eps: added to the variance in the layer norms.
        norm: "pre" or "post".

    Raises:
        ValueError: ``heads`` does not divide ``width``, unknown activation or norm.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        activation: str = "gelu",
        eps: float = 1e-5,
        norm: str = "pre",
    ):
        super().__init__()
        if norm not in ("pre", "post"):
            raise ValueError(f'norm is {norm!r}, expected "pre" (GPT-2, ViT, CLIP) or "post" (BERT)')
        self.norm = norm
        self.attention_norm, self.attention = nn.LayerNorm(width, eps=eps), Attention(width, heads)
        self.feed_forward_norm, self.feed_forward = (
            nn.LayerNorm(width, eps=eps),
            FeedForward(width, hidden, activation),
        )

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        *,
        causal: bool = False,
        mask: Bool[Tensor, "..."] | None = None,
        first: int | None = None,
    ) -> Float[Tensor, "batch results width"]:
        """``causal`` and ``mask`` as in ``Attention``. With ``first``, only that many of the first tokens are
        computed, and the others are looked at, no more: ``forward(x)[:, :first]`` for less work."""
        seen = x if self.norm == "post" else self.attention_norm(x)
        asking = seen
        if first is not None:
            x, asking = x[:, :first], seen[:, :first]
        x = x + self.attention(asking, seen, causal=causal, mask=mask)
        if self.norm == "post":
            x = self.attention_norm(x)
            return self.feed_forward_norm(x + self.feed_forward(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


class Transformer(nn.Module):
    """A stack of blocks (arguments as in ``TransformerBlock``)."""

    def __init__(
        self,
        layers: int,
        width: int,
        heads: int,
        hidden: int,
        activation: str = "gelu",
        eps: float = 1e-5,
        norm: str = "pre",
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, hidden, activation, eps, norm) for _ in range(layers)
        )

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        *,
        causal: bool = False,
        mask: Bool[Tensor, "..."] | None = None,
        first: int | None = None,
    ) -> Float[Tensor, "batch results width"]:
        """As in ``TransformerBlock``; with ``first``, the last block saves the work for the other tokens."""
        last = len(self.blocks) - 1
        for k, block in enumerate(self.blocks):
            x = block(x, causal=causal, mask=mask, first=first if k == last else None)
        return x if first is None else x[:, :first]  # there may be no block at all
