"""The MAP head: one learnt question, asked of all patches, makes one vector of them (Zhai et al. 2022)."""

import torch
from einops import repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from vlmlearn.layers.attention import Attention
from vlmlearn.layers.feed_forward import FeedForward


class MapHead(nn.Module):
    """Multi-head attention pooling: a learnt probe looks at the tokens; its answer goes through a residual network.

    The answer a becomes a + feed_forward(norm(a)). The probe itself is not added: it only asks. Where a class token
    collects from block to block, the probe reads once, at the end (Zhai et al. 2022, "Scaling Vision Transformers",
    section 3.3; SigLIP).

    Equals ``SiglipMultiheadAttentionPoolingHead`` and ``Siglip2MultiheadAttentionPoolingHead`` of Hugging Face's
    transformers with the same weights.

    Args:
        width: channels of the tokens and of the result.
        heads: attention heads; divides ``width``.
        hidden: channels inside the feed-forward network.
        activation: see ``FeedForward``.
        eps: added to the variance in the layer norm.

    Raises:
        ValueError: ``heads`` does not divide ``width``, an unknown activation; (in ``forward``) a mask that is not
            boolean, does not fit, or hides every token of a picture.
    """

    def __init__(self, width: int, heads: int, hidden: int, activation: str = "gelu_tanh", eps: float = 1e-6):
        super().__init__()
        self.probe = nn.Parameter(torch.randn(width) * width**-0.5)
        self.attention = Attention(width, heads)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.feed_forward = FeedForward(width, hidden, activation)

    def forward(
        self, tokens: Float[Tensor, "batch tokens width"], mask: Bool[Tensor, "batch tokens"] | None = None
    ) -> Float[Tensor, "batch width"]:
        """Tokens to one vector a picture; ``mask`` is True where the probe may look, everywhere if not given."""
        if mask is not None:
            _check_mask(mask, tokens)
            mask = mask[:, None, None, :]
        probe = repeat(self.probe, "width -> batch 1 width", batch=len(tokens))
        answer = self.attention(probe, tokens, mask=mask)[:, 0]
        return answer + self.feed_forward(self.norm(answer))


def _check_mask(mask: Tensor, tokens: Tensor) -> None:
    if mask.dtype != torch.bool:
        raise ValueError(f"mask is {mask.dtype}, expected bool, True at a real token: write mask != 0")
    if mask.shape != tokens.shape[:2]:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, expected (batch, tokens) = {tuple(tokens.shape[:2])}: one entry a "
            "token"
        )
    if not torch.compiler.is_compiling() and not mask.any(1).all():
        picture = int((~mask.any(1)).nonzero()[0])
        raise ValueError(
            f"mask hides every token of picture {picture}: leave the picture out, and check that True means real"
        )
