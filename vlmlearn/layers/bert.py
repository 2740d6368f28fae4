"""BERT: a text encoder in which every word sees every other (Devlin et al. 2019).

Words, positions and token types are added up and normalised, then come post-norm Transformer blocks. Chinese-CLIP
and ALIGN read their texts with it, and the fusion encoders start from it. RoBERTa-wwm-ext, the Chinese text tower
of Chinese-CLIP, is this very network: only its training and its vocabulary differ.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from vlmlearn.layers.checks import check_counts, check_heads, check_ids, check_known
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.masks import padding_mask
from vlmlearn.layers.transformer import Transformer


@dataclass(frozen=True)
class BertConfig:
    """BERT's sizes; the defaults are those of BERT-base (English, lower case).

    Args:
        vocabulary: number of token ids.
        width, layers, heads, hidden: of the Transformer; ``hidden`` is the feed-forward networks'.
        positions: longest text in tokens.
        token_types: kinds of token, e.g. 2 for a question and its passage; 0 for no such table.
        pad_id: the id of PAD, at which nobody looks, and whose vector is not trained.
        activation: see ``FeedForward``.
        eps: added to the variance in every layer norm.

    Raises:
        ValueError: a number below 1, an unknown activation, heads that do not divide the width, or ``pad_id``
            outside the vocabulary.
    """

    vocabulary: int = 30522
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    positions: int = 512
    token_types: int = 2
    pad_id: int = 0
    activation: str = "gelu"
    eps: float = 1e-12

    def __post_init__(self) -> None:
        check_counts(self, "vocabulary width layers heads hidden positions")
        check_known(self, "activation", tuple(ACTIVATIONS))
        check_heads(self, self.width, self.heads)
        if not 0 <= self.pad_id < self.vocabulary:
            raise ValueError(
                f"BertConfig: pad_id is {self.pad_id}, expected 0 to {self.vocabulary - 1}, an id of the vocabulary"
            )


class BertEmbeddings(nn.Module):
    """Token ids to vectors: the word's, plus its position's, plus its token type's, then a layer norm."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.words = nn.Embedding(config.vocabulary, config.width, padding_idx=config.pad_id)
        self.positions = nn.Embedding(config.positions, config.width)
        self.types = nn.Embedding(config.token_types, config.width) if config.token_types else None
        self.norm = nn.LayerNorm(config.width, eps=config.eps)

    def forward(
        self, ids: Int64[Tensor, "batch length"], token_types: Int64[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length width"]:
        """``token_types``: 0 everywhere if there are none.

        Raises:
            ValueError: an id outside its table, more tokens than positions, or types where there is no table.
        """
        self._check(ids, token_types)
        total = self.words(ids) + self.positions.weight[: ids.shape[1]]
        if self.types is not None:
            total = total + self.types(torch.zeros_like(ids) if token_types is None else token_types)
        return self.norm(total)

    def _check(self, ids: Tensor, token_types: Tensor | None) -> None:
        if ids.ndim != 2 or not ids.numel():
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (batch, length): one text goes in as ids[None]"
            )
        if ids.shape[1] > self.positions.num_embeddings:
            raise ValueError(
                f"texts have {ids.shape[1]} tokens, more than the {self.positions.num_embeddings} positions: "
                "shorten them"
            )
        check_ids(ids, self.words.num_embeddings)
        if token_types is None:
            return
        if self.types is None or token_types.shape != ids.shape:
            raise ValueError(
                f"token_types have shape {tuple(token_types.shape)}, ids {tuple(ids.shape)}: expected one type for "
                "each token, and a model with token_types"
            )
        check_ids(token_types, self.types.num_embeddings)


class Bert(nn.Module):
    """Texts to one vector a token, each of which has seen the whole text.

    Equals ``BertModel`` of Hugging Face's transformers with the same weights and no dropout.

    Args:
        config: see ``BertConfig``.
        pooler: whether there is the dense layer that ``pool`` needs.
    """

    def __init__(self, config: BertConfig, *, pooler: bool = False):
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.transformer = Transformer(
            config.layers,
            config.width,
            config.heads,
            config.hidden,
            config.activation,
            config.eps,
            norm="post",
        )
        self.pooler = nn.Linear(config.width, config.width) if pooler else None
        self.apply(_start_small)

    def forward(
        self,
        ids: Int64[Tensor, "batch length"],
        *,
        token_types: Int64[Tensor, "batch length"] | None = None,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Token ids, texts padded at their end with ``pad_id``, to one vector a token.

        Args:
            token_types: 0 everywhere if there are none.
            mask: as in ``Attention``, in place of the default, which is True at every token but PAD.

        Raises:
            ValueError: what ``BertEmbeddings`` rejects, or a text that starts with PAD.
        """
        tokens, pad = self.embeddings(ids, token_types), self.config.pad_id
        if not torch.compiler.is_compiling() and (ids[:, 0] == pad).any():
            row = int((ids[:, 0] == pad).nonzero()[0])
            raise ValueError(
                f"text {row} starts with PAD (id {pad}), but CLS stands there: pad texts at the end"
            )
        return self.transformer(tokens, mask=padding_mask(ids, pad) if mask is None else mask)

    def pool(self, tokens: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch width"]:
        """The vector of the first token, CLS, through a dense layer and tanh: BERT's own summary of a text.

        Raises:
            ValueError: the model was made without a pooler.
        """
        if self.pooler is None:
            raise ValueError("this Bert has no pooler: make it with pooler=True, or take tokens[:, 0]")
        return self.pooler(tokens[:, 0]).tanh()


class BertTower(nn.Module):
    """Texts to one vector each: BERT, then a linear map of the first token's vector.

    Equals the text towers of Hugging Face's ``ChineseCLIPModel`` (no bias) and ``AlignModel`` (with bias).

    Args:
        config: see ``BertConfig``.
        embedding: width of the result.
        bias: whether the linear map has a bias.
    """

    def __init__(self, config: BertConfig, embedding: int, *, bias: bool = False):
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.projection = nn.Linear(config.width, embedding, bias=bias)

    def forward(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        return self.projection(self.bert(ids)[:, 0])


@torch.no_grad()
def _start_small(module: nn.Module) -> None:
    """Weights of spread 0.02, as BERT's authors start them; biases and PAD's vector at zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(std=0.02)
    if isinstance(module, nn.Linear):
        module.bias.zero_()
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        module.weight[module.padding_idx].zero_()
