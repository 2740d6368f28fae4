"""The kinds of subwords of published two-tower models, from their vocabulary files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vlmlearn.hub.extra import extra_missing
from vlmlearn.hub.files import read_json
from vlmlearn.hub.sentencepiece import SentencePieces

try:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
except ModuleNotFoundError as error:
    raise extra_missing("tokenizers") from error

Backend = Tokenizer | SentencePieces  # words to pieces to ids
WORD_END = "</w>"
# CLIP's words: its specials, English endings, letters, single digits, other marks. Spaces only part them.
CLIP_WORD = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Specials(NamedTuple):
    """The pieces that begin, end and fill up a text, and stand for what is unknown. Not all models have a begin."""

    begin: str | None
    end: str
    pad: str
    unknown: str

    @property
    def ends(self) -> list[str]:
        """Those that stand around every text."""
        return [piece for piece in self[:2] if piece is not None]


class Kind(NamedTuple):
    """One kind of subwords.

    Args:
        specials: the family's.
        names: what tokenizer_config.json calls these four. A begin that the family lacks is not looked up.
        full: texts are padded to what the model takes, for it reads padding like words.
    """

    specials: Specials
    names: tuple[str, str, str, str] = ("bos_token", "eos_token", "pad_token", "unk_token")
    full: bool = False


CLIP_SPECIALS = Specials("<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>")
BERT_SPECIALS = Specials("[CLS]", "[SEP]", "[PAD]", "[UNK]")
SIGLIP_SPECIALS = Specials(None, "</s>", "</s>", "<unk>")
GEMMA_SPECIALS = Specials(None, "<eos>", "<pad>", "<unk>")
KINDS = {
    "BPE": Kind(CLIP_SPECIALS),
    "WordPiece": Kind(BERT_SPECIALS, ("cls_token", "sep_token", "pad_token", "unk_token")),
    "SentencePiece": Kind(SIGLIP_SPECIALS, full=True),
    "BPE with bytes": Kind(GEMMA_SPECIALS, full=True),  # Gemma's, which SigLIP 2 took over
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
    """From spiece.model; without one from tokenizer.json, from vocab.json and merges.txt, or from vocab.txt.

    SigLIP 2's pieces, which are Gemma's, read lower case, as in its training, unless ``do_lower_case`` forbids it.

    Args:
        folder: holds the files. SigLIPs have tokenizer.json, too, which upstream does not read.
        settings: see ``read_settings``.

    Raises:
        FileNotFoundError: none of these files. ValueError: one that cannot be read, or other subwords.
    """
    known = ("spiece.model", "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt")
    files = {name: folder / name for name in known}
    there = {name for name, path in files.items() if path.is_file()}
    lower = settings.get("do_lower_case", True)
    try:
        if "spiece.model" in there:
            specials = _specials("SentencePiece", settings)
            _, end, pad, unknown = specials
            return SentencePieces.from_file(files["spiece.model"], end, unknown, [pad], lower=lower), specials
        if "tokenizer.json" in there:
            backend = Tokenizer.from_file(str(files["tokenizer.json"]))
            kind = kind_of(backend)
            if kind == "BPE with bytes" and lower:
                backend.normalizer = normalizers.Sequence(
                    [normalizers.Lowercase(), *filter(None, [backend.normalizer])]
                )
            return backend, _specials(kind, settings)
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
        f"{folder} holds no tokenizer: expected tokenizer.json, or spiece.model (SigLIP), or vocab.json and merges.txt "
        "(CLIP), or vocab.txt (Chinese-CLIP, ALIGN)"
    )


def read_settings(folder: Path) -> dict[str, Any]:
    """What tokenizer_config.json says, or else special_tokens_map.json; both may be missing."""
    found: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            found |= read_json(folder / name)
    return found


def prepare(backend: Tokenizer, specials: Specials) -> None:
    """Read specials whole, neither pad nor cut, and let begin and end stand around every text, where the backend
    does not say so itself."""
    backend.add_special_tokens([*dict.fromkeys(filter(None, specials))])
    backend.no_padding()
    backend.no_truncation()
    if backend.post_processor is None:
        begin = f"{specials.begin} " if specials.begin else ""
        backend.post_processor = processors.TemplateProcessing(
            single=f"{begin}$0 {specials.end}",
            special_tokens=[(piece, backend.token_to_id(piece)) for piece in specials.ends],
        )


def kind_of(backend: Backend) -> str:
    """One of ``KINDS``.

    Raises:
        ValueError: another kind.
    """
    if isinstance(backend, SentencePieces):
        return "SentencePiece"
    kind = type(backend.model).__name__
    if kind == "BPE" and backend.model.byte_fallback:
        return "BPE with bytes"
    if kind not in KINDS:
        hint = (
            ": a SigLIP's pieces are read from its spiece.model, so fetch that" if kind == "Unigram" else ""
        )
        raise ValueError(f"the tokenizer cuts words by {kind}, known are {', '.join(KINDS)}{hint}")
    return kind


def _specials(kind: str, settings: Mapping[str, Any]) -> Specials:
    usual, names, _ = KINDS[kind]

    def named(place: int) -> Any:
        found = settings.get(names[place]) or usual[place]
        return found["content"] if isinstance(found, Mapping) else found

    return Specials(usual.begin and named(0), named(1), named(2), named(3))
