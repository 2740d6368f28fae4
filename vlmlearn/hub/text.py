"""The subwords of a published model: texts in, ids and masks out."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from vlmlearn.hub.sentencepiece import SentencePieces
from vlmlearn.hub.subwords import (
    KINDS,
    WORD_END,
    Backend,
    Specials,
    kind_of,
    prepare,
    read_settings,
    read_subwords,
)

ANY_LENGTH = 10**9  # upstream writes a huge number where it knows no limit


class TextBatch(NamedTuple):
    """Ids, and a mask that is True at tokens and False at padding."""

    ids: Int64[Tensor, "batch length"]
    mask: Bool[Tensor, "batch length"]


class Piece(NamedTuple):
    """A subword, its id, and the characters of the text it stands for: text[start:end]."""

    text: str
    id: int
    start: int
    end: int


class TextTokenizer:
    """The subwords of CLIP (byte pairs, Radford et al. 2021, section 2.4), BERT (WordPiece, Devlin et al. 2019), SigLIP
    (SentencePiece, Zhai et al. 2023) and SigLIP 2 (Gemma's, in lower case, Tschannen et al. 2025).

    Equals ``CLIPTokenizer``, ``BertTokenizer``, ``SiglipTokenizer`` and ``Siglip2Tokenizer`` of Hugging Face's
    transformers in ids, offsets (where they tell them), masks, decoding, padding and (where it is asked for)
    truncation. As there, a special that is written in a text is read as such. For SigLIP 2's models of fixed size
    upstream takes ``GemmaTokenizer``, which leaves capitals as they are; the model has never seen one in training, so
    here they are made small.

    Args:
        backend: the tokenizer of the library tokenizers, with BPE or WordPiece in it, or ``SentencePieces``.
        specials: pieces of its vocabulary.
        context_length: the longest text the model takes, in ids with begin and end. ``None``: any.

    Attributes:
        begin_id, end_id, pad_id, unknown_id: of the specials. In CLIP the last three are one, in SigLIP end and pad;
            SigLIP and SigLIP 2 have no begin (``None``).

    Raises:
        ValueError: another kind of subwords, specials that are not in the vocabulary, or a backend that does not
            put begin and end around a text.
    """

    def __init__(self, backend: Backend, specials: Specials, context_length: int | None = None) -> None:
        self._backend, self._kind = backend, kind_of(backend)
        self.specials, self.context_length = specials, context_length
        self.begin_id = None if specials.begin is None else self._id(specials.begin)
        self.end_id, self.pad_id, self.unknown_id = map(self._id, specials[1:])
        if isinstance(backend, SentencePieces):
            return
        prepare(backend, specials)
        if backend.encode("").ids != [self._id(piece) for piece in specials.ends]:
            raise ValueError(
                f"an empty text becomes {backend.encode('').tokens}, expected {specials.ends} around it: "
                "was tokenizer.json made for another model?"
            )

    @classmethod
    def from_folder(cls, folder: Path, context_length: int | None = None) -> "TextTokenizer":
        """From spiece.model; without one from tokenizer.json, from vocab.json and merges.txt, or from vocab.txt.

        Args:
            folder: holds the files; tokenizer_config.json and special_tokens_map.json are read where present.
            context_length: the longest text in ids, if tokenizer_config.json allows no less.

        Raises:
            FileNotFoundError: none of these files. ValueError: one that cannot be read, or padding before the text.
        """
        settings = read_settings(folder)
        if settings.get("padding_side", "right") != "right":
            raise ValueError(
                f"{folder / 'tokenizer_config.json'} says padding_side {settings['padding_side']!r}, expected 'right': "
                "no two-tower model was trained with padding before the text"
            )
        lengths = [settings.get("model_max_length", ANY_LENGTH), context_length or ANY_LENGTH]
        length = int(min(lengths)) if min(lengths) < ANY_LENGTH else None
        backend, specials = read_subwords(folder, settings)
        return cls(backend, specials, length)

    def _id(self, piece: str) -> int:
        id = self._backend.token_to_id(piece)
        if id is None:
            raise ValueError(
                f"{piece!r} is not in the vocabulary of {len(self)} pieces: name another special"
            )
        return id

    def __len__(self) -> int:
        """Pieces in the vocabulary."""
        return self._backend.get_vocab_size()

    def pieces(self, text: str) -> list[Piece]:
        """What ``encode`` makes of a text, begin and end included (they stand for no characters)."""
        found = self._backend.encode(text)
        return [
            Piece(piece, id, *span)
            for piece, id, span in zip(found.tokens, found.ids, found.offsets, strict=True)
        ]

    def encode(
        self, texts: Sequence[str], context_length: int | None = None, *, truncate: bool = False
    ) -> TextBatch:
        """Ids and mask, padded at the end.

        Args:
            texts: in the language of the vocabulary; what is not in it becomes the unknown id.
            context_length: pad to this many ids. ``None``: to the longest of these texts, but in SigLIP and SigLIP 2
                to what the model takes, for it reads padding like words, and never saw less of it.
            truncate: cut what is longer than that, or than the model takes, before the end id. As this loses
                words, it must be asked for.

        Raises:
            ValueError: a single text, none, a text that is too long, or a length that the model does not take.
        """
        if isinstance(texts, str) or not len(texts):
            given = "is a single text" if isinstance(texts, str) else "is empty"
            raise ValueError(f"texts {given}, expected a list of texts: write [text]")
        longest, ends = self.context_length, len(self.specials.ends)
        if context_length is not None and not ends <= context_length <= (longest or context_length):
            raise ValueError(
                f"context_length is {context_length}, expected {ends} ({'begin and ' * (ends - 1)}end) to "
                f"{longest or 'any'}, which is what the model takes"
            )
        limit = context_length or longest or ANY_LENGTH
        rows = [encoding.ids for encoding in self._backend.encode_batch(list(texts))]
        too_long = [row for row, ids in enumerate(rows) if len(ids) > limit]
        if too_long and not truncate:
            row = too_long[0]
            raise ValueError(
                f"text {row} has {len(rows[row])} ids, expected at most {limit}: shorten it, or let truncate=True "
                f"cut its end ({texts[row][:40]!r} …)"
            )
        for row in too_long:
            kept = rows[row][: limit - 1]
            once = self._kind == "SentencePiece" and kept[-1:] == [self.end_id]  # it was written there
            rows[row] = kept if once else [*kept, self.end_id]
        full = longest if KINDS[self._kind].full else None
        width = context_length or full or max(map(len, rows))
        ids = torch.full((len(rows), width), self.pad_id)
        for row, found in enumerate(rows):
            ids[row, : len(found)] = torch.tensor(found)
        lengths = torch.tensor([len(found) for found in rows])
        return TextBatch(ids, torch.arange(width) < lengths[:, None])

    def decode(self, ids: Int64[Tensor, " length"]) -> str:
        """The text of these ids, specials left out; lower case and spaces as the vocabulary knows them.

        Raises:
            ValueError: not one row of ids. IndexError: an id outside the vocabulary.
        """
        if ids.ndim != 1:
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (length,): decode the texts of a batch one by one"
            )
        numbers = ids.tolist()
        outside = [number for number in numbers if not 0 <= number < len(self)]
        if outside:
            raise IndexError(
                f"id {outside[0]} is not in the vocabulary of {len(self)} pieces (0 to {len(self) - 1}): was it "
                "made by another tokenizer?"
            )
        text = self._backend.decode(numbers, skip_special_tokens=True)
        return text.replace(WORD_END, " ").strip() if self._kind == "BPE" else text
