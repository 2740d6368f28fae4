"""A word-level tokenizer for everything the world says, in English and Chinese.

The vocabulary is closed: a word that the world never says is an error, not an unknown token. Chinese, written
without spaces, is cut by the longest word of the vocabulary that fits, from left to right.
"""

import difflib
import re
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from vlmlearn.world.words import CHINESE_WORDS, ENGLISH_WORDS

SPECIALS = ("<pad>", "<bos>", "<eos>", "<img>")


class Tokenizer:
    """Words to numbers and back.

    Args:
        extra_words: further words, put at the end of the vocabulary so that the ids of all others stay.

    Attributes:
        words: the vocabulary; a word's id is its place in it.
        pad_id, bos_id, eos_id, img_id: ids of padding, begin and end of a text, and the place of a picture.

    Raises:
        ValueError: an extra word that is empty, holds a space, or is already there.
    """

    def __init__(self, extra_words: Sequence[str] = ()) -> None:
        self.words = (*SPECIALS, *ENGLISH_WORDS, *CHINESE_WORDS, *extra_words)
        for word in extra_words:
            if not word or any(map(str.isspace, word)) or self.words.count(word) > 1:
                raise ValueError(
                    f"extra word {word!r} is empty, holds a space or is already there: leave it out"
                )
        self.pad_id, self.bos_id, self.eos_id, self.img_id = range(len(SPECIALS))
        self._ids = {word: k for k, word in enumerate(self.words)}
        # One pattern cuts a text: a run of letters, else the longest listed word (they are sorted by length),
        # else a single character, which is then unknown.
        listed = sorted((w for w in self.words if not re.fullmatch("[A-Za-z]+", w)), key=len, reverse=True)
        self._cut = re.compile("|".join(["[A-Za-z]+", *map(re.escape, listed), r"\S"])).findall

    def __len__(self) -> int:
        return len(self.words)

    def tokens(self, text: str) -> list[str]:
        """The words of a text: "a red ring, …" → ["a", "red", "ring", ",", …]; "红色圆环" → ["红色", "圆环"].

        Raises:
            ValueError: a word outside the vocabulary, or no word at all.
        """
        pieces = self._cut(text)
        if not pieces or not self._ids.keys() >= set(pieces):
            raise ValueError(self._complaint(text, pieces))
        return pieces

    def encode(self, texts: str | Sequence[str], context_length: int = 32) -> Int64[Tensor, "batch context"]:
        """Ids of each text between BOS and EOS, padded to the context length. One text is a batch of one.

        Raises:
            ValueError: an empty text, a word outside the vocabulary, a text too long for the context.
        """
        texts = [texts] if isinstance(texts, str) else texts
        ids, lengths, word_ids = [], [], self._ids
        for text in texts:
            pieces = self._cut(text)
            try:
                ids += [self.bos_id, *[word_ids[piece] for piece in pieces], self.eos_id]
            except KeyError:
                raise ValueError(self._complaint(text, pieces)) from None
            lengths.append(len(pieces) + 2)
        if 2 in lengths:
            raise ValueError(self._complaint(texts[lengths.index(2)], []))
        if max(lengths, default=0) > context_length:
            raise ValueError(
                f"{texts[int(np.argmax(lengths))]!r} takes {max(lengths)} places with BOS and EOS, but "
                f"context_length is {context_length}: ask for {max(lengths)} or shorten the text"
            )
        table = np.full((len(texts), context_length), self.pad_id)
        table[np.arange(context_length) < np.array(lengths, int)[:, None]] = ids
        return torch.from_numpy(table)

    def decode(self, ids: Int64[Tensor, "batch length"]) -> list[str]:
        """The text of each row up to its first EOS, without BOS and padding: the inverse of ``encode``.

        Raises:
            IndexError: an id outside the vocabulary. ValueError: not rows of ids.
        """
        if ids.ndim != 2:
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (batch, length): one text is ids[None]"
            )
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < len(self):
            worst = int(ids.min()) if ids.min() < 0 else int(ids.max())
            raise IndexError(
                f"id {worst} is not in the vocabulary of {len(self)} words (0 to {len(self) - 1}): "
                "was it made by another tokenizer, or is it an ignored label such as -100?"
            )
        return [self._join(row) for row in ids.tolist()]

    def _join(self, ids: list[int]) -> str:
        """Words to text: spaces between English words, none before punctuation and none around Chinese."""
        text = before = ""
        for k in ids[: ids.index(self.eos_id)] if self.eos_id in ids else ids:
            if k in (self.pad_id, self.bos_id):
                continue
            word = self.words[k]
            spaced = text and word not in (",", "?") and before.isascii() and word.isascii()
            text, before = f"{text} {word}" if spaced else text + word, word
        return text

    def _complaint(self, text: str, pieces: list[str]) -> str:
        """What is wrong with a text that cannot be encoded."""
        if not pieces:
            return f"text {text!r} holds no word: leave out empty texts before encoding"
        first = next(k for k, piece in enumerate(pieces) if piece not in self._ids)
        last = first + 1
        # Unknown Chinese falls apart into characters: show those that belong together as one word.
        while not pieces[first].isascii() and last < len(pieces) and pieces[last] not in self._ids:
            last += 1
        word = "".join(pieces[first:last])
        near = difflib.get_close_matches(word.lower(), self.words, n=3, cutoff=0.5)
        hint = f"near it: {', '.join(near)}" if near else "nothing is near it"
        return (
            f"unknown word {word!r} in {text!r}; {hint}. The vocabulary is closed ({len(self)} words, lower "
            "case): use only what the world says, or Tokenizer(extra_words=...)"
        )
