"""Transformer blocks: attention, then a feed-forward network, each added to its input."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from vlmlearn.layers.attention import Attention
from vlmlearn.layers.feed_forward import FeedForward


class TransformerBlock(nn.Module):
    """A pre-norm block (Xiong et al. 2020): x + attention(norm(x)), then x + feed-forward(norm(x)).

    Equals ``torch.nn.TransformerEncoderLayer(norm_first=True)`` with the same weights and no dropout.

    Args:
        width: channels.
        heads: attention heads.
        hidden: channels inside the feed-forward network.
        activation: see ``FeedForward``.
        eps: added to the variance in the layer norms.
    """

    def __init__(self, width: int, heads: int, hidden: int, activation: str = "gelu", eps: float = 1e-5):
        super().__init__()
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
    ) -> Float[Tensor, "batch tokens width"]:
        """``causal`` and ``mask`` as in ``Attention``."""
        x = x + self.attention(self.attention_norm(x), causal=causal, mask=mask)
        return x + self.feed_forward(self.feed_forward_norm(x))


class Transformer(nn.Module):
    """A stack of pre-norm blocks (arguments as in ``TransformerBlock``)."""

    def __init__(
        self, layers: int, width: int, heads: int, hidden: int, activation: str = "gelu", eps: float = 1e-5
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, hidden, activation, eps) for _ in range(layers)
        )

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        *,
        causal: bool = False,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        for block in self.blocks:
            x = block(x, causal=causal, mask=mask)
        return x
