"""The two kinds of subwords of published two-tower models, from their vocabulary files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vlmlearn.hub.extra import extra_missing
from vlmlearn.hub.files import read_json

try:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
except ModuleNotFoundError as error:
    raise extra_missing("tokenizers") from error

Backend = Tokenizer  # the library's: words to pieces to ids
WORD_END = "</w>"
# CLIP's words: its specials, English endings, letters, single digits, other marks. Spaces only part them.
CLIP_WORD = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Specials(NamedTuple):
    """The pieces that begin, end and fill up a text, and stand for what is unknown."""

    begin: str
    end: str
    pad: str
    unknown: str


CLIP_SPECIALS = Specials("<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>")
BERT_SPECIALS = Specials("[CLS]", "[SEP]", "[PAD]", "[UNK]")
KINDS = {  # the family's specials, and what tokenizer_config.json calls these four
    "BPE": (CLIP_SPECIALS, ("bos_token", "eos_token", "pad_token", "unk_token")),
    "WordPiece": (BERT_SPECIALS, ("cls_token", "sep_token", "pad_token", "unk_token")),
}


def byte_pairs(vocabulary: Path, merges: Path, unknown: str) -> Backend:
    """CLIP's, from vocab.json and merges.txt: lower case, words as bytes, ``</w>`` on a word's last piece."""
    pieces, pairs = models.BPE.read_file(str(vocabulary), str(merges))
    backend = Tokenizer(models.BPE(pieces, pairs, unk_token=unknown, end_of_word_suffix=WORD_END))
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(CLIP_WORD), behavior="removed", invert=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.ByteLevel()
    return backend


def word_pieces(vocabulary: Path, unknown: str, settings: Mapping[str, Any]) -> Backend:
    """BERT's, from vocab.txt, one piece a line; ``##`` marks a piece inside a word.

    Args:
        vocabulary: the file.
        unknown: the piece for a word that cannot be made of pieces.
        settings: may hold do_lower_case (usually true), tokenize_chinese_chars (true: each Chinese character is
            a word) and strip_accents ("é" is read as "e"; usually as do_lower_case).
    """
    pieces = models.WordPiece.read_file(str(vocabulary))
    backend = Tokenizer(models.WordPiece(pieces, unk_token=unknown))
    backend.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    if "[MASK]" in pieces:
        backend.add_special_tokens(["[MASK]"])
    return backend


def read_subwords(folder: Path, settings: Mapping[str, Any]) -> tuple[Backend, Specials]:
    """From tokenizer.json; without one from vocab.json and merges.txt, or from vocab.txt.

    Args:
        folder: holds the files.
        settings: see ``read_settings``.

    Raises:
        FileNotFoundError: none of these files. ValueError: one that cannot be read, or other subwords.
    """
    files = {name: folder / name for name in ("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt")}
    there = {name for name, path in files.items() if path.is_file()}
    try:
        if "tokenizer.json" in there:
            backend = Tokenizer.from_file(str(files["tokenizer.json"]))
            return backend, _specials(kind_of(backend), settings)
        if there >= {"vocab.json", "merges.txt"}:
            specials = _specials("BPE", settings)
            return byte_pairs(files["vocab.json"], files["merges.txt"], specials.unknown), specials
        if "vocab.txt" in there:
            specials = _specials("WordPiece", settings)
            return word_pieces(files["vocab.txt"], specials.unknown, settings), specials
    except ValueError:
        raise
    except Exception as error:  # the library raises nothing more precise
        raise ValueError(
            f"the tokenizer's files in {folder} cannot be read ({error}): delete them and load again"
        ) from error
    raise FileNotFoundError(
        f"{folder} holds no tokenizer: expected tokenizer.json, or vocab.json and merges.txt (CLIP), or vocab.txt "
        "(Chinese-CLIP, ALIGN)"
    )


def read_settings(folder: Path) -> dict[str, Any]:
    """What tokenizer_config.json says, or else special_tokens_map.json; both may be missing."""
    found: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found |= read_json(folder / name)
    return found


def put_ends(backend: Backend, specials: Specials) -> None:
    """Let begin and end stand around every text, where the backend does not say so itself."""
    if backend.post_processor is None:
        ends = [(piece, backend.token_to_id(piece)) for piece in specials[:2]]
        backend.post_processor = processors.TemplateProcessing(
            single=f"{specials.begin} $0 {specials.end}", special_tokens=ends
        )


def kind_of(backend: Backend) -> str:
    """ "BPE" or "WordPiece".

    Raises:
        ValueError: another kind.
    """
    kind = type(backend.model).__name__
    if kind not in KINDS:
        raise ValueError(f"the tokenizer cuts words by {kind}, known are {', '.join(KINDS)}")
    return kind


def _specials(kind: str, settings: Mapping[str, Any]) -> Specials:
    usual, names = KINDS[kind]
    named = [settings.get(name) or piece for name, piece in zip(names, usual, strict=True)]
    return Specials(*(piece["content"] if isinstance(piece, Mapping) else piece for piece in named))
