"""SigLIP's text tower: every token sees every other, and the last place stands for the text (Zhai et al. 2023)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from vlmlearn.layers.checks import check_counts, check_heads, check_ids, check_known
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.transformer import Transformer


@dataclass(frozen=True)
class BidirectionalTextConfig:
    """From token ids to one vector; the defaults are those of SigLIP's B/16, whose texts are English.

    Args:
        vocabulary: number of token ids: SigLIP 32,000, its multilingual B/16 250,000, SigLIP 2 256,000.
        context_length: longest text in tokens.
        width, layers, heads, hidden: of the Transformer; ``hidden`` is the feed-forward networks'.
        activation: of the feed-forward networks.
        eps: added to the variance in every layer norm.

    Raises:
        ValueError: a number below 1, an unknown activation, or heads that do not divide the width.
    """

    vocabulary: int = 32_000
    context_length: int = 64
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    activation: str = "gelu_tanh"
    eps: float = 1e-6

    def __post_init__(self) -> None:
        check_counts(self, "vocabulary context_length width layers heads hidden")
        check_known(self, "activation", tuple(ACTIVATIONS))
        check_heads(self, self.width, self.heads)


class BidirectionalTextTower(nn.Module):
    """Token ids to one vector: a Transformer without any mask, then the vector at the last place, PAD or not.

    PAD is read like a word, so a text means something else with more or less of it: pad every text to
    ``context_length``, as in training.

    Equals, in Hugging Face's transformers, ``SiglipTextModel`` and ``Siglip2TextModel`` with the same weights.

    Args:
        config: see ``BidirectionalTextConfig``.
        embedding: width of the result.
    """

    def __init__(self, config: BidirectionalTextConfig, embedding: int):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.words.weight, std=0.05)
        self.positions = nn.Parameter(torch.randn(config.context_length, config.width) * 0.02)
        self.transformer = Transformer(
            config.layers, config.width, config.heads, config.hidden, config.activation, config.eps
        )
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.projection = nn.Linear(config.width, embedding)

    def forward(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        """Raises:
        ValueError: no batch of texts, an id outside the vocabulary, or more tokens than ``context_length``.
        """
        if ids.ndim != 2 or not ids.numel():
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (batch, length): one text goes in as ids[None]"
            )
        if ids.shape[1] > self.config.context_length:
            raise ValueError(
                f"texts have {ids.shape[1]} tokens, more than {self.config.context_length}: shorten them"
            )
        check_ids(ids, self.config.vocabulary)
        tokens = self.transformer(self.words(ids) + self.positions[: ids.shape[1]])
        return self.projection(self.norm(tokens[:, -1]))
