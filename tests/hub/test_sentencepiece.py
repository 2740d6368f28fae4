"""SigLIP's subwords; that they equal upstream's on ordinary texts, padded and cut, is tested in test_text.py."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import SiglipTokenizer

from tests.hub.vocabularies import spiece
from vlmlearn.hub.sentencepiece import SentencePieces
from vlmlearn.hub.text import TextTokenizer

TEXTS = [
    "a red circle above a blue square",
    "a photo of two dogs running on the beach",
    "红色的圆在蓝色方块上面",
    "一张照片两只狗在海滩上奔跑",
    "less < than > /",
]
MODELS = {
    "as SigLIP's": {},
    "white space kept": {"remove_extra_whitespaces": False},
    "no space before the text": {"add_dummy_prefix": False},
    "characters as they are": {"normalization_rule_name": "identity"},
    "bytes": {"byte_fallback": True, "vocab_size": 400},
}
# What upstream treats in its own way, in any order: specials, its mark for spaces, capitals that grow, joined letters.
ODD = [
    "</s>",
    "<unk>",
    "<pad>",
    "▁",
    " ",
    "\n",
    "Σ",
    "İ",
    ".",
    "<",
    ">",
    "ﬁ",
    "e\u0301",
    "🦄",
    "red",
    "X",
    "红",
]


@pytest.fixture(scope="module")
def content() -> bytes:
    return spiece(TEXTS)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    known: dict = {}

    def get(name: str) -> tuple[TextTokenizer, SiglipTokenizer]:
        if name not in known:
            folder = tmp_path_factory.mktemp("siglip")
            (folder / "spiece.model").write_bytes(spiece(TEXTS, **MODELS[name]))
            known[name] = TextTokenizer.from_folder(folder), SiglipTokenizer.from_pretrained(folder)
        return known[name]

    return get


def pieces(content: bytes, **options) -> SentencePieces:
    return SentencePieces(content, "</s>", "<unk>", **options)


@pytest.mark.filterwarnings("ignore:This sequence already has")
@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.text(max_size=20), st.lists(st.sampled_from(ODD), max_size=8).map("".join)))
@pytest.mark.parametrize("name", MODELS)
def test_any_text(cached, name, text):
    ours, theirs = cached(name)
    expected = theirs(text)["input_ids"]
    found = ours.pieces(text)
    assert [piece.id for piece in found] == expected
    assert ours.decode(torch.tensor(expected)) == theirs.decode(expected, skip_special_tokens=True)
    starts = [piece.start for piece in found]
    assert starts == sorted(starts)
    assert all(0 <= piece.start <= piece.end <= len(text) for piece in found)


@pytest.mark.filterwarnings("ignore:This sequence already has")
@pytest.mark.parametrize("length", range(1, 7))
def test_an_end_that_is_written_is_not_put_twice(cached, length):
    ours, theirs = cached("as SigLIP's")
    for text in ("a red</s>", "</s>", "a</s>red blue", "</s></s></s>x"):
        expected = theirs(text, padding="max_length", truncation=True, max_length=length)
        batch = ours.encode([text], length, truncate=True)
        assert batch.ids[0].tolist() == expected["input_ids"]
        assert batch.mask[0].int().tolist() == expected["attention_mask"]


def test_offsets_count_in_the_text_as_it_was_given(content):
    """Punctuation that is left out, a run of spaces, a capital that becomes two characters, a letter that is two."""
    text = "RED,  DOG's ﬁ, İ!"
    found = pieces(content).encode(text)
    assert "".join(found.tokens) == "▁red▁dogs▁fi▁i<unk></s>"
    whole = "".join(text[start:end] for start, end in found.offsets)
    assert whole == "RED  DOGs ﬁ İİ"  # İ becomes an i and a dot, two pieces: each stands for İ


def test_lower_case_may_be_switched_off(cached, tmp_path):
    (tmp_path / "spiece.model").write_bytes(spiece([*TEXTS, "A Red Dog"]))
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    ours, theirs = TextTokenizer.from_folder(tmp_path), SiglipTokenizer.from_pretrained(tmp_path)
    for text in ("A Red Dog!", "a red dog"):
        assert ours.encode([text]).ids[0].tolist() == theirs(text)["input_ids"]
    assert ours.encode(["A Red"]).ids.tolist() != ours.encode(["a red"]).ids.tolist()


def test_spiece_model_goes_before_tokenizer_json(content, tmp_path):
    """SigLIP's repositories hold both, and upstream reads the first."""
    (tmp_path / "spiece.model").write_bytes(content)
    (tmp_path / "tokenizer.json").write_text("{")
    assert len(TextTokenizer.from_folder(tmp_path)) == len(pieces(content))


def test_vocabulary(content):
    tokenizer = pieces(content)
    assert tokenizer.token_to_id("</s>") == 1
    assert tokenizer.token_to_id("<unk>") == 2
    assert tokenizer.token_to_id("no such piece") is None
    assert tokenizer.get_vocab_size() == len(tokenizer) > 40


@pytest.mark.bad_input
class TestBadInput:
    def test_cut_off_anywhere(self, content):
        """Between two pieces, too, where the library would be content with those before."""
        names = [*range(0, 1200), *range(1200, len(content), len(content) // 50), len(content) - 1]
        for length in names:
            with pytest.raises(ValueError, match="is cut off"):
                pieces(content[:length])

    def test_cut_off_file(self, content, tmp_path):
        (tmp_path / "spiece.model").write_bytes(content[: len(content) // 2])
        with pytest.raises(
            ValueError, match=r"spiece.model is no SentencePiece model, or is cut off .*delete"
        ):
            TextTokenizer.from_folder(tmp_path)

    def test_another_file(self, tmp_path):
        (tmp_path / "spiece.model").write_text("version https://git-lfs.github.com/spec/v1")
        with pytest.raises(ValueError, match=r"spiece.model is no SentencePiece model"):
            TextTokenizer.from_folder(tmp_path)

    def test_specials_that_are_not_there(self, content, tmp_path):
        (tmp_path / "spiece.model").write_bytes(content)
        (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<the end>"}')
        with pytest.raises(ValueError, match="'<the end>' is not in the vocabulary"):
            TextTokenizer.from_folder(tmp_path)
