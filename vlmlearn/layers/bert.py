"""BERT: a text encoder in which every word sees every other (Devlin et al. 2019).

Words, positions and token types are added up and normalised, then come post-norm Transformer blocks. Chinese-CLIP
and ALIGN read their texts with it, and the fusion encoders start from it. RoBERTa-wwm-ext, the Chinese text tower
of Chinese-CLIP, is this very network: only its training and its vocabulary differ.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from vlmlearn.layers.masks import padding_mask
from vlmlearn.layers.transformer import Transformer


class BertEmbeddings(nn.Module):
    """Token ids to vectors: the word's, plus its position's, plus its token type's, then a layer norm.

    Args:
        vocabulary: number of token ids.
        width: channels.
        positions: longest text in tokens.
        token_types: kinds of token, e.g. 2 for a question and its passage; 0 for no such table.
        pad_id: the id of PAD, whose vector is not trained.
        eps: added to the variance in the layer norm.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        positions: int = 512,
        token_types: int = 2,
        pad_id: int = 0,
        eps: float = 1e-12,
    ):
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=pad_id)
        self.positions = nn.Embedding(positions, width)
        self.types = nn.Embedding(token_types, width) if token_types else None
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(
        self, ids: Int64[Tensor, "batch length"], token_types: Int64[Tensor, "batch length"] | None = None
    ) -> Float[Tensor, "batch length width"]:
        """``token_types``: 0 everywhere if there are none.

        Raises:
            ValueError: an id outside its table, more tokens than positions, or types where there is no table.
        """
        self._check(ids, token_types)
        place = torch.arange(ids.shape[1], device=ids.device)
        total = self.words(ids) + self.positions(place)
        if self.types is not None:
            total = total + self.types(torch.zeros_like(ids) if token_types is None else token_types)
        return self.norm(total)

    def _check(self, ids: Tensor, token_types: Tensor | None) -> None:
        if ids.ndim != 2 or 0 in ids.shape:
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (batch, length): one text goes in as ids[None]"
            )
        if ids.shape[1] > self.positions.num_embeddings:
            raise ValueError(
                f"texts have {ids.shape[1]} tokens, more than the {self.positions.num_embeddings} positions: "
                "shorten them"
            )
        if token_types is not None and self.types is None:
            raise ValueError("token_types came, but this model has no table for them: set token_types in it")
        _check_inside("token ids", ids, self.words.num_embeddings)
        if token_types is not None and self.types is not None:
            if token_types.shape != ids.shape:
                raise ValueError(
                    f"token_types have shape {tuple(token_types.shape)}, expected that of the ids, "
                    f"{tuple(ids.shape)}: one type for each token"
                )
            _check_inside("token types", token_types, self.types.num_embeddings)


class Bert(nn.Module):
    """Texts to one vector a token, each of which has seen the whole text.

    Equals ``BertModel`` of Hugging Face's transformers with the same weights and no dropout. The defaults are
    BERT-base.

    Args:
        vocabulary: number of token ids.
        width, layers, heads, hidden: of the Transformer (``hidden``: inside its feed-forward networks).
        positions: longest text in tokens.
        token_types: see ``BertEmbeddings``.
        pad_id: the id of PAD, at which nobody looks.
        activation: see ``FeedForward``.
        eps: added to the variance in the layer norms.
        pooler: whether ``pool`` has its dense layer.

    Raises:
        ValueError: ``heads`` does not divide ``width``, or an unknown activation.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        hidden: int = 3072,
        positions: int = 512,
        token_types: int = 2,
        pad_id: int = 0,
        activation: str = "gelu",
        eps: float = 1e-12,
        pooler: bool = False,
    ):
        super().__init__()
        self.width, self.pad_id = width, pad_id
        self.embeddings = BertEmbeddings(vocabulary, width, positions, token_types, pad_id, eps)
        self.transformer = Transformer(layers, width, heads, hidden, activation, eps, norm="post")
        self.pooler = nn.Linear(width, width) if pooler else None
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
        tokens = self.embeddings(ids, token_types)
        if not torch.compiler.is_compiling() and (ids[:, 0] == self.pad_id).any():
            row = int((ids[:, 0] == self.pad_id).nonzero()[0])
            raise ValueError(
                f"text {row} starts with PAD (id {self.pad_id}), but CLS stands there: pad texts at the end"
            )
        return self.transformer(tokens, mask=padding_mask(ids, self.pad_id) if mask is None else mask)

    def pool(self, tokens: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch width"]:
        """The vector of the first token, CLS, through a dense layer and tanh: BERT's own summary of a text.

        Raises:
            ValueError: the model was made without a pooler.
        """
        if self.pooler is None:
            raise ValueError("this Bert has no pooler: make it with pooler=True, or take tokens[:, 0]")
        return self.pooler(tokens[:, 0]).tanh()


@torch.no_grad()
def _start_small(module: nn.Module) -> None:
    """Normal numbers of spread 0.02 (Devlin et al. 2019, their code), biases and PAD at zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(std=0.02)
    if isinstance(module, nn.Linear):
        module.bias.zero_()
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        module.weight[module.padding_idx].zero_()


def _check_inside(name: str, ids: Tensor, count: int) -> None:
    if torch.compiler.is_compiling():
        return
    lowest, highest = int(ids.min()), int(ids.max())
    if lowest < 0 or highest >= count:
        raise ValueError(
            f"{name} from {lowest} to {highest} came, expected 0 to {count - 1}: "
            "take the tokenizer that the model was made for"
        )
