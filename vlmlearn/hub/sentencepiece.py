"""SigLIP's subwords: a SentencePiece model (Kudo & Richardson 2018) behind the text preparation of its training."""

import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vlmlearn.hub.extra import extra_missing
from vlmlearn.hub.files import fetch_again

try:
    from sentencepiece import SentencePieceProcessor
except ModuleNotFoundError as error:
    raise extra_missing("sentencepiece") from error

SPACE = "▁"  # how the vocabulary writes the space before a word
TRAINER, NORMALIZER = 2, 3  # sections that follow the pieces in every complete file

Span = tuple[int, int]
Found = tuple[str, int, Span]  # a piece, its id, its characters


class Encoding(NamedTuple):
    """What became of a text, named as in the library tokenizers."""

    tokens: list[str]
    ids: list[int]
    offsets: list[Span]


class SentencePieces:
    """Texts to pieces, with one special at the end.

    Equals ``SiglipTokenizer`` of Hugging Face's transformers in ids and decoding: a text is put in lower case, ASCII
    punctuation is removed, white space becomes single spaces. Upstream tells no offsets; those here count the
    characters of the text as it was given.

    Args:
        content: of a spiece.model.
        end: put after every text that does not end so already.
        unknown: the piece for what the vocabulary lacks.
        others: further specials that are read as such where a text holds them.
        lower: whether capitals are made small.

    Raises:
        ValueError: no SentencePiece model, or a part of one.
    """

    def __init__(
        self, content: bytes, end: str, unknown: str, others: Sequence[str] = (), *, lower: bool = True
    ) -> None:
        self._model = SentencePieceProcessor()
        try:
            self._model.LoadFromSerializedProto(content)
        except RuntimeError as error:
            raise ValueError(f"is no SentencePiece model, or is cut off ({error})") from error
        # Without these the library would go on with the pieces there are.
        if not {TRAINER, NORMALIZER} <= _sections(content):
            raise ValueError(f"is cut off after {len(self)} pieces")
        self._end, self._unknown, self._lower = end, unknown, lower
        specials = [*dict.fromkeys([end, unknown, *others])]
        self._specials = {piece: id for piece in specials if (id := self.token_to_id(piece)) is not None}
        self._special = re.compile(f"({'|'.join(map(re.escape, specials))})")
        self._lead = len(self._model.encode(unknown))

    @classmethod
    def from_file(
        cls, path: Path, end: str, unknown: str, others: Sequence[str] = (), *, lower: bool = True
    ) -> "SentencePieces":
        """From spiece.model.

        Raises:
            ValueError: a file that is damaged or cut off.
        """
        try:
            return cls(path.read_bytes(), end, unknown, others, lower=lower)
        except ValueError as error:
            raise ValueError(f"{path} {error}: {fetch_again(path)}") from error

    def __len__(self) -> int:
        return self._model.get_piece_size()

    def get_vocab_size(self) -> int:
        """Pieces in the vocabulary."""
        return len(self)

    def token_to_id(self, piece: str) -> int | None:
        """``None``: not in the vocabulary."""
        id = self._model.piece_to_id(piece)
        return id if self._model.id_to_piece(id) == piece else None

    def encode(self, text: str) -> Encoding:
        """Pieces, ids and the characters they stand for; the end included, which stands for none."""
        found: list[Found] = []
        place = -1  # as upstream, a space goes before the text, in the vocabulary's own spelling
        for part in self._special.split(SPACE + text.replace(SPACE, " ")):
            if part not in self._specials:
                found += self._plain(part, place)
            else:
                if [piece for piece, _, _ in found] == [SPACE]:  # only that space: upstream leaves it out
                    found = []
                found.append((part, self._specials[part], (place, place + len(part))))
            place += len(part)
        if not found or found[-1][1] != self._specials[self._end]:
            found.append((self._end, self._specials[self._end], (len(text), len(text))))
        pieces, ids, spans = zip(*found, strict=True)
        return Encoding([*pieces], [*ids], [*spans])

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """``encode`` of each."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of these ids."""
        hidden = {*self._specials.values()} if skip_special_tokens else set()
        return self._model.decode([id for id in ids if id not in hidden]).strip()

    def _plain(self, text: str, place: int) -> list[Found]:
        """A part without specials that starts at ``place`` of the whole text (-1: at the space before it)."""
        words, spans = self._canonical(text, place)
        # The library swallows white space at the start. As upstream, let the unknown piece stand there, spelt out,
        # and cut off as many pieces as it has by itself.
        found = self._model.encode(self._unknown + words, return_type="offset_mapping")
        after = place + len(text)
        spans.append((after, after))
        rest = []
        for id, edges in [*zip(found["ids"], found["offsets"], strict=True)][self._lead :]:
            start, end = (max(0, edge - len(self._unknown)) for edge in edges)
            span = (spans[start][0], spans[end - 1][1] if end > start else spans[start][0])
            rest.append((self._model.id_to_piece(id), id, span))
        return rest

    def _canonical(self, text: str, place: int) -> tuple[str, list[Span]]:
        """The text as SigLIP's training had it, and for each of its characters those it comes from."""
        origins = [*range(len(text))]
        if self._lower:  # one capital may become two characters
            origins = [k for k, character in enumerate(text) for _ in character.lower()]
            text = text.lower()
        kept: list[str] = []
        spans: list[Span] = []
        for k, character in zip(origins, text, strict=True):
            span = (max(place + k, 0), place + k + 1)
            if character in string.punctuation:
                continue
            if not character.isspace():
                kept.append(character)
                spans.append(span)
            elif kept and kept[-1] == " ":
                spans[-1] = (spans[-1][0], span[1])
            elif kept:
                kept.append(" ")
                spans.append(span)
        if kept and kept[-1] == " ":
            kept, spans = kept[:-1], spans[:-1]
        return "".join(kept), spans


def _sections(content: bytes) -> set[int]:
    """The numbers of a model's sections: the library has read it, so each is a number, a length and as many bytes."""
    found, place = set(), 0
    while place < len(content):
        found.add(content[place] >> 3)
        place += 1
        length = shift = 0
        while True:
            byte = content[place]
            length |= (byte & 0x7F) << shift
            place, shift = place + 1, shift + 7
            if byte < 0x80:
                break
        place += length
    return found
