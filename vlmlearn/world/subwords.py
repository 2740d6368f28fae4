"""Subwords: pieces between character and word, learnt by joining what most often stands side by side.

A frequent word ends up as one piece, a rare one as several, and no word made of known characters is unknown.
The same few lines serve a language with spaces and one without: a text is first cut into words (in Chinese,
the run of characters up to the next punctuation mark), and no piece reaches over the border of a word.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Int64
from torch import Tensor

Pair = tuple[str, str]

# A word with the space before it, or a single mark, or a space before no word. Side by side they are the text.
WORD = " ?[^ ,.?!:;，。？！：；、]+|[ ,.?!:;，。？！：；、]"


class SubwordTokenizer:
    """Byte-pair encoding over characters (Sennrich et al. 2016, section 3.2).

    Equals ``tokenizers.models.BPE`` trained by ``BpeTrainer`` with ``Split(Regex(WORD), "isolated")`` before it,
    the decoder ``Fuse()``, and ``encode_special_tokens`` on: a special is never read from a text. That library
    drops an unknown character without a word; here it is an error.

    Args:
        alphabet: the characters that a text may hold.
        merges: pairs of pieces to join, the most important first.
        specials: pieces that stand for something else than text.

    Attributes:
        vocabulary: specials, characters, then a piece for each merge; a piece's id is its place.
        merges: as given.
        specials: as given.

    Raises:
        ValueError: a piece that would be there twice.
    """

    def __init__(self, alphabet: Iterable[str], merges: Sequence[Pair], specials: Sequence[str]) -> None:
        self.merges, self.specials = tuple(merges), tuple(specials)
        self._alphabet = frozenset(alphabet)
        self.vocabulary = (*self.specials, *sorted(self._alphabet), *map("".join, self.merges))
        self._ids = {piece: k for k, piece in enumerate(self.vocabulary)}
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        if len(self._ids) < len(self.vocabulary):
            twice = next(piece for piece in self.vocabulary if self.vocabulary.count(piece) > 1)
            raise ValueError(f"the vocabulary would hold {twice!r} twice: take the merges from one training")

    @classmethod
    def train(
        cls, texts: Sequence[str], size: int, specials: Sequence[str] = ("<pad>", "<bos>", "<eos>")
    ) -> "SubwordTokenizer":
        """Start from characters; join the most frequent pair until there are ``size`` pieces.

        Among equally frequent pairs the one with the smaller ids comes first. Where every word is a single
        piece before that, there is nothing left to join and the vocabulary stays smaller.

        Args:
            texts: in one language or several.
            size: pieces in the vocabulary, with specials and characters.
            specials: come first in the vocabulary, so that "<pad>" is 0.

        Raises:
            ValueError: no texts or an empty one, a size too small for specials and characters, or a special
                that is empty, there twice or in a text.
        """
        _check_texts(texts, specials)
        words = Counter(word for text in texts for word in re.findall(WORD, text))
        alphabet = sorted(set("".join(words)))
        ids = {piece: k for k, piece in enumerate([*specials, *alphabet])}
        if size < len(ids):
            raise ValueError(
                f"size is {size}, but {len(specials)} specials and {len(alphabet)} different characters need "
                f"{len(ids)}: ask for more than that, each piece beyond is a merge"
            )
        merges: list[Pair] = []
        cut = {word: list(word) for word in words}
        counts: Counter[Pair] = Counter()
        for word, pieces in cut.items():
            _count(counts, pieces, words[word])
        while len(ids) < size and counts:
            pair = min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]))
            merges.append(pair)
            ids["".join(pair)] = len(ids)
            for word, pieces in cut.items():
                if pair in pairwise(pieces):
                    _count(counts, pieces, -words[word])
                    cut[word] = _join(pieces, pair)
                    _count(counts, cut[word], words[word])
        return cls(alphabet, merges, specials)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text; joined, they are the text again.

        Raises:
            ValueError: an empty text, or a character outside the alphabet.
        """
        if not text:
            raise ValueError("the text is empty: leave out empty texts before encoding")
        unknown = [character for character in text if character not in self._alphabet]
        if unknown:
            raise ValueError(
                f"unknown character {unknown[0]!r} in {text!r}: it is not among the {len(self._alphabet)} "
                "characters of the texts that trained this tokenizer; add a text that has it and train again"
            )
        return [piece for word in re.findall(WORD, text) for piece in self._cut(word)]

    def encode(self, text: str) -> Int64[Tensor, " length"]:
        """The ids of a text's pieces, without begin, end and padding. Raises as ``pieces`` does."""
        return torch.tensor([self._ids[piece] for piece in self.pieces(text)])

    def decode(self, ids: Int64[Tensor, " length"]) -> str:
        """The text of these ids, specials left out: the inverse of ``encode``.

        Raises:
            IndexError: an id outside the vocabulary. ValueError: not one row of ids.
        """
        if ids.ndim != 1:
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (length,): decode the texts of a batch one by one"
            )
        outside = [k for k in ids.tolist() if not 0 <= k < len(self)]
        if outside:
            raise IndexError(
                f"id {outside[0]} is not in the vocabulary of {len(self)} pieces (0 to {len(self) - 1}): was it "
                "made by another tokenizer, or is it an ignored label such as -100?"
            )
        return "".join(self.vocabulary[k] for k in ids.tolist() if k >= len(self.specials))

    def _cut(self, word: str) -> list[str]:
        """Characters first; then the merges, in the order in which they were learnt."""
        pieces, last = list(word), len(self._ranks)
        while len(pieces) > 1:
            pair = min(pairwise(pieces), key=lambda pair: self._ranks.get(pair, last))
            if pair not in self._ranks:
                break
            pieces = _join(pieces, pair)
        return pieces


def _join(pieces: list[str], pair: Pair) -> list[str]:
    """Join every place where the pair stands, from left to right."""
    joined: list[str] = []
    k = 0
    while k < len(pieces):
        here = tuple(pieces[k : k + 2]) == pair
        joined.append("".join(pair) if here else pieces[k])
        k += 2 if here else 1
    return joined


def _count(counts: Counter[Pair], pieces: list[str], times: int) -> None:
    """Add a word's pairs, ``times`` times each; forget the pairs that are left nowhere."""
    for pair in pairwise(pieces):
        counts[pair] += times
        if not counts[pair]:
            del counts[pair]


def _check_texts(texts: Sequence[str], specials: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise ValueError("texts is a single string, expected a list of texts: write [text]")
    if not texts or not all(texts):
        found = "there are no texts" if not texts else f"text {[*map(bool, texts)].index(False)} is empty"
        raise ValueError(f"{found}: train on one text or more, without empty ones")
    if not all(specials) or len(set(specials)) < len(specials):
        raise ValueError(f"specials are {tuple(specials)}, expected different names, none of them empty")
    for special in specials:
        for text in texts:
            if special in text:
                raise ValueError(
                    f"{text!r} holds the special {special!r}: take it out, or choose another name"
                )
