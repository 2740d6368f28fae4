"""CLIP's text tower: a causal Transformer whose last real token has seen the whole text (Radford et al. 2021)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from vlmlearn.layers.checks import check_counts, check_heads, check_ids, check_known
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.transformer import Transformer

KINDS = ("transformer", "bag")
ENDS = ("first", "highest")


@dataclass(frozen=True)
class TextConfig:
    """From token ids to one vector; the defaults are those of OpenAI's CLIPs with a space of 512.

    Args:
        vocabulary: number of token ids.
        context_length: longest text in tokens, first and last included.
        eos_id: the token that ends a text; its vector stands for the whole text.
        end: how the end is found: "first", the first ``eos_id``; or "highest", the place of the highest id, as
            OpenAI's code does, where no id is above that of the end. Hugging Face's ``CLIPModel`` means "highest"
            where its configuration says ``eos_token_id = 2``, and "first" everywhere else.
        kind: "transformer", or "bag" for the mean of the words' embeddings: a tower that cannot know their
            order.
        width, layers, heads, hidden: of the Transformer; ``hidden`` is the feed-forward networks'.
        activation: of the feed-forward networks: OpenAI's CLIP "quick_gelu", LAION's "gelu".
        eps: added to the variance in every layer norm.

    Raises:
        ValueError: a number below 1, an unknown kind, end or activation, heads that do not divide the width, or
            ``eos_id`` outside the vocabulary.
    """

    vocabulary: int = 49408
    context_length: int = 77
    eos_id: int = 49407
    end: str = "first"
    kind: str = "transformer"
    width: int = 512
    layers: int = 12
    heads: int = 8
    hidden: int = 2048
    activation: str = "quick_gelu"
    eps: float = 1e-5

    def __post_init__(self) -> None:
        check_counts(self, "vocabulary context_length width layers heads hidden")
        for name, known in (("end", ENDS), ("kind", KINDS), ("activation", tuple(ACTIVATIONS))):
            check_known(self, name, known)
        check_heads(self, self.width, self.heads)
        if not 0 <= self.eos_id < self.vocabulary:
            raise ValueError(
                f"TextConfig: eos_id is {self.eos_id}, expected 0 to {self.vocabulary - 1}, an id of the vocabulary"
            )


class TextTower(nn.Module):
    """Token ids to one vector: causal Transformer, then the vector at the text's end, which has seen all.

    Equals, in Hugging Face's transformers, ``CLIPTextModelWithProjection``. What follows the end is never read.

    Args:
        config: see ``TextConfig``.
        embedding: width of the result.
    """

    def __init__(self, config: TextConfig, embedding: int):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width)
        nn.init.normal_(self.words.weight, std=0.05)
        if config.kind == "transformer":
            self.positions = nn.Parameter(torch.randn(config.context_length, config.width) * 0.02)
            self.transformer = Transformer(
                config.layers, config.width, config.heads, config.hidden, config.activation, config.eps
            )
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.projection = nn.Linear(config.width, embedding, bias=False)

    def forward(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        end = self._end(ids)
        ids = ids[:, : int(end.max()) + 1]  # what follows the last end-of-text is padding that nobody sees
        place = torch.arange(ids.shape[1], device=ids.device)
        ids = ids.masked_fill(place > end[:, None], self.config.eos_id)  # shorter texts' padding: any number
        check_ids(ids, self.config.vocabulary)
        if self.config.kind == "bag":
            pooled = self._mean_of_words(ids, place < end[:, None])
        else:
            tokens = self.transformer(self.words(ids) + self.positions[: ids.shape[1]], causal=True)
            pooled = tokens[torch.arange(len(ids), device=ids.device), end]
        return self.projection(self.norm(pooled))

    def _mean_of_words(self, ids: Tensor, inside: Tensor) -> Float[Tensor, "batch width"]:
        """Sorted first: the last bits of a sum depend on its order, of which this tower must know nothing."""
        if not torch.compiler.is_compiling() and not inside[:, 0].all():
            raise ValueError(
                "a text ends before its first word, and a bag without words has no mean: drop it"
            )
        nothing = self.config.vocabulary
        words = ids.masked_fill(~inside, nothing).sort(dim=1).values
        inside = words < nothing
        total = (self.words(words.clamp(max=nothing - 1)) * inside[..., None]).sum(1)
        return total / inside.sum(1, keepdim=True)

    def _end(self, ids: Tensor) -> Int64[Tensor, " batch"]:
        """Where each text ends."""
        if ids.ndim != 2 or not ids.numel():
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (batch, length) with a text or more"
            )
        if ids.shape[1] > self.config.context_length:
            raise ValueError(
                f"texts have {ids.shape[1]} tokens, more than {self.config.context_length}: shorten them"
            )
        if self.config.end == "highest":
            return ids.argmax(1)
        is_end = ids == self.config.eos_id
        if not torch.compiler.is_compiling() and not is_end.any(1).all():
            raise ValueError(
                f"{int((~is_end.any(1)).sum())} of {len(ids)} texts lack the end-of-text id "
                f"{self.config.eos_id}: encode them with the tokenizer that the config was made for"
            )
        return is_end.int().argmax(1)
