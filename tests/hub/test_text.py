"""Subwords against the tokenizers of transformers, with vocabularies that are trained here."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BertTokenizer,
    BertTokenizerFast,
    CLIPTokenizer,
    CLIPTokenizerFast,
    GemmaTokenizer,
    PreTrainedTokenizerBase,
    Siglip2Tokenizer,
    SiglipTokenizer,
)
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

from tests.hub.vocabularies import gemma, spiece
from vlmlearn.hub.subwords import BERT_SPECIALS, CLIP_SPECIALS, Specials
from vlmlearn.hub.text import TextTokenizer

TEXTS = [
    "a red circle above a BLUE square",
    "A photo of two dogs, running on the beach!",
    "the dog's owner isn't here; they've 12 red balls",
    "红色的圆在蓝色方块上面。",
    "一张照片:两只狗在海滩上奔跑",
    "Crème brûlée à la carte",
]
ODD = [
    *TEXTS,
    "",
    " ",
    "  two   spaces\tand\na new line ",
    "emoji 🦄 and unseen ж",
    "混合 mixed 文字 text 2024年",
    "wrong <|endoftext|> and [SEP] and [MASK] inside",
    "wrong </s> and <unk> and <eos> inside, then an end</s>",
    "</s>a red</s>",
    "don't DON'T we'll 's",
    "e\u0301 and é, ﬁ, İstanbul",
    "\u200b\u00a0\x00\ufffd",
    "x" * 150,
    "under_score @user #tag 3.14%",
]

UPSTREAM = {
    "CLIP": CLIPTokenizer,
    "CLIP files": CLIPTokenizer,
    "BERT": BertTokenizer,
    "BERT files": BertTokenizer,
    "SigLIP": SiglipTokenizer,
    "SigLIP 2": Siglip2Tokenizer,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """The files of six tokenizers: four kinds of subwords, two of them as tokenizer.json and as vocabulary files."""
    root = tmp_path_factory.mktemp("tokenizers")
    made = {name: root / name for name in UPSTREAM}
    for folder in made.values():
        folder.mkdir()
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe.train_from_iterator(
        [word.lower() for text in TEXTS for word in text.split()],
        trainers.BpeTrainer(
            vocab_size=620, initial_alphabet=alphabet, end_of_word_suffix="</w>", special_tokens=["<|x|>"]
        ),
    )
    learnt = json.loads(bpe.to_str())["model"]
    pieces = [*alphabet, *(f"{character}</w>" for character in alphabet)]
    pieces += [piece for piece in learnt["vocab"] if piece not in pieces and piece != "<|x|>"]
    vocabulary = {piece: k for k, piece in enumerate([*pieces, *CLIP_SPECIALS[:2]])}
    (made["CLIP files"] / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    merges = "\n".join(["#version: 0.2", *map(" ".join, learnt["merges"])])
    (made["CLIP files"] / "merges.txt").write_text(merges + "\n", encoding="utf-8")
    CLIPTokenizer(vocabulary, [tuple(pair) for pair in learnt["merges"]]).save_pretrained(made["CLIP"])

    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words.train_from_iterator(
        [" ".join(text.lower()) if text[0] >= "\u4e00" else text.lower() for text in TEXTS],
        trainers.WordPieceTrainer(vocab_size=160, special_tokens=specials),
    )
    pieces = sorted(words.get_vocab(), key=words.get_vocab().get)
    (made["BERT files"] / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    BertTokenizer({piece: k for k, piece in enumerate(pieces)}).save_pretrained(made["BERT"])

    (made["SigLIP"] / "spiece.model").write_bytes(spiece(TEXTS))
    SiglipTokenizer(str(made["SigLIP"] / "spiece.model"), model_max_length=10**9).save_pretrained(
        made["SigLIP"]
    )
    gemma(TEXTS).save_pretrained(made["SigLIP 2"])
    return made


@pytest.fixture(scope="module", params=UPSTREAM)
def pair(request, cached) -> tuple[TextTokenizer, PreTrainedTokenizerBase]:
    return cached(request.param)


def test_the_fast_classes_are_the_same_ones():
    assert CLIPTokenizerFast is CLIPTokenizer
    assert BertTokenizerFast is BertTokenizer


def test_vocabulary_and_specials(pair):
    ours, theirs = pair
    assert len(ours) == len(theirs) > 60
    begin, end = (theirs.bos_token_id, theirs.eos_token_id)
    if isinstance(theirs, BertTokenizer):
        begin, end = theirs.cls_token_id, theirs.sep_token_id
    if isinstance(theirs, SiglipTokenizer | Siglip2Tokenizer):
        begin = None
    assert (ours.begin_id, ours.end_id, ours.pad_id, ours.unknown_id) == (
        begin,
        end,
        theirs.pad_token_id,
        theirs.unk_token_id,
    )


@pytest.mark.filterwarnings("ignore:This sequence already has")
@pytest.mark.parametrize("text", ODD)
def test_pieces_ids_and_offsets(pair, text):
    ours, theirs = pair
    expected = theirs(text, return_offsets_mapping=theirs.is_fast)
    pieces = ours.pieces(text)
    assert [piece.id for piece in pieces] == expected["input_ids"]
    if theirs.is_fast:  # SigLIP's tells no offsets
        assert [(piece.start, piece.end) for piece in pieces] == expected["offset_mapping"]
    assert [piece.text for piece in pieces] == theirs.convert_ids_to_tokens(expected["input_ids"])
    assert ours.encode([text]).ids.tolist() == [expected["input_ids"]]


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=30))
@pytest.mark.parametrize("name", UPSTREAM)
def test_any_text(folders, cached, name, text):
    ours, theirs = cached(name)
    assert ours.encode([text]).ids[0].tolist() == theirs(text)["input_ids"]


@pytest.fixture(scope="module")
def cached(folders):
    known: dict = {}

    def get(name: str):
        if name not in known:
            upstream = UPSTREAM[name].from_pretrained(folders[name])
            known[name] = TextTokenizer.from_folder(folders[name]), upstream
        return known[name]

    return get


@pytest.mark.parametrize("text", ODD)
def test_word_pieces_equal_upstreams_in_python(folders, text):
    """``BertTokenizerLegacy`` shares no code with the library that both others call."""
    theirs = BertTokenizerLegacy(folders["BERT files"] / "vocab.txt")
    assert (
        TextTokenizer.from_folder(folders["BERT files"]).encode([text]).ids[0].tolist()
        == theirs(text)["input_ids"]
    )


@pytest.mark.filterwarnings("ignore:This sequence already has")
def test_padding_to_the_longest(pair):
    ours, theirs = pair
    expected = theirs(ODD, padding=True, return_tensors="pt")
    batch = ours.encode(ODD)
    assert torch.equal(batch.ids, expected["input_ids"])
    assert torch.equal(batch.mask, expected["attention_mask"].bool())
    assert not batch.mask.all()


@pytest.mark.parametrize("length", [2, 3, 8, 300])
@pytest.mark.filterwarnings("ignore:This sequence already has")
def test_padding_and_truncation_to_a_length(pair, length):
    ours, theirs = pair
    expected = theirs(ODD, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    batch = ours.encode(ODD, length, truncate=True)
    assert torch.equal(batch.ids, expected["input_ids"])
    assert torch.equal(batch.mask, expected["attention_mask"].bool())


def test_truncation_to_what_the_model_takes(folders):
    ours = TextTokenizer.from_folder(folders["BERT"], context_length=6)
    theirs = BertTokenizer.from_pretrained(folders["BERT"], model_max_length=6)
    expected = theirs(ODD, padding=True, truncation=True, return_tensors="pt")["input_ids"]
    assert torch.equal(ours.encode(ODD, truncate=True).ids, expected)


@pytest.mark.parametrize("name", ["SigLIP", "SigLIP 2"])
def test_padding_to_what_siglip_takes(folders, name):
    """Its text tower reads padding, so an ids' length of its own would give another vector."""
    tokenizer = TextTokenizer.from_folder(folders[name], context_length=200)
    upstream = UPSTREAM[name].from_pretrained(folders[name], model_max_length=200)
    expected = upstream(TEXTS, padding="max_length", return_tensors="pt")
    batch = tokenizer.encode(TEXTS)
    assert batch.ids.shape == (len(TEXTS), 200)
    assert torch.equal(batch.ids, expected["input_ids"])
    assert torch.equal(batch.mask, expected["attention_mask"].bool())
    assert tokenizer.encode(TEXTS, 150).ids.shape == (len(TEXTS), 150)


def test_siglip2_pieces_as_they_were_published(folders, tmp_path):
    """Gemma's own file, which knows nothing of lower case; the settings ask for it, or are silent."""
    shutil.copytree(folders["SigLIP 2"], tmp_path, dirs_exist_ok=True)
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    content["normalizer"], content["pre_tokenizer"] = content["normalizer"]["normalizers"][1], None
    assert content["normalizer"]["type"] == "Replace"
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    for lower in ({"do_lower_case": True}, {}, {"do_lower_case": False}):
        settings = {name: value for name, value in settings.items() if name != "do_lower_case"} | lower
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        ours = TextTokenizer.from_folder(tmp_path)
        kept = lower.get("do_lower_case") is False
        theirs = (GemmaTokenizer if kept else Siglip2Tokenizer).from_pretrained(tmp_path)
        for text in ODD:
            assert ours.encode([text]).ids[0].tolist() == theirs(text)["input_ids"]


@pytest.mark.filterwarnings("ignore:This sequence already has")
def test_decoding(pair):
    ours, theirs = pair
    for text in ODD:
        ids = torch.tensor(theirs(text)["input_ids"])
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    assert ours.decode(ours.encode(["A red circle"]).ids[0]) == "a red circle"


def test_chinese_characters_are_words(folders):
    pieces = TextTokenizer.from_folder(folders["BERT files"]).pieces("红色的圆")
    assert [piece.text for piece in pieces] == ["[CLS]", "红", "色", "的", "圆", "[SEP]"]


@pytest.mark.parametrize("changed", ["do_lower_case", "strip_accents", "tokenize_chinese_chars"])
def test_settings_of_word_piece(folders, tmp_path, changed):
    shutil.copy(folders["BERT files"] / "vocab.txt", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", changed: False})
    )
    ours, theirs = TextTokenizer.from_folder(tmp_path), BertTokenizer.from_pretrained(tmp_path)
    for text in ODD:
        assert ours.encode([text]).ids[0].tolist() == theirs(text)["input_ids"]


@pytest.mark.parametrize("named", ["r</w>", {"content": "r</w>", "lstrip": False}])
def test_another_pad(folders, tmp_path, named):
    for file in folders["CLIP files"].iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"pad_token": named}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 5}))
    tokenizer = TextTokenizer.from_folder(tmp_path, context_length=77)
    assert tokenizer.context_length == 5
    assert tokenizer.decode(tokenizer.encode([""], 3).ids[0, 2:]) == ""
    assert tokenizer.encode([""], 3).ids[0, 2] == tokenizer.pad_id != tokenizer.end_id


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("texts", ["one text", []])
    def test_no_list(self, pair, texts):
        with pytest.raises(ValueError, match=r"expected a list of texts: write \[text\]"):
            pair[0].encode(texts)

    def test_too_long(self, pair):
        with pytest.raises(ValueError, match=r"text 1 has \d+ ids, expected at most 5.*truncate=True"):
            pair[0].encode(["a", "a red circle, two dogs"], 5)

    @pytest.mark.parametrize("length", [1, 7])
    def test_length(self, folders, length):
        tokenizer = TextTokenizer.from_folder(folders["CLIP"], context_length=6)
        with pytest.raises(
            ValueError, match=rf"context_length is {length}, expected 2 \(begin and end\) to 6"
        ):
            tokenizer.encode(["a"], length)

    @pytest.mark.parametrize("name", ["SigLIP", "SigLIP 2"])
    def test_length_without_a_begin(self, folders, name):
        tokenizer = TextTokenizer.from_folder(folders[name], context_length=6)
        assert tokenizer.encode(["a red circle"], 1, truncate=True).ids.tolist() == [[tokenizer.end_id]]
        with pytest.raises(ValueError, match=r"context_length is 0, expected 1 \(end\) to 6"):
            tokenizer.encode(["a"], 0)

    def test_ids(self, pair):
        with pytest.raises(ValueError, match=r"shape \(1, 2\), expected \(length,\)"):
            pair[0].decode(torch.tensor([[1, 2]]))
        for id in (-1, len(pair[0])):
            with pytest.raises(IndexError, match=f"id {id} is not in the vocabulary"):
                pair[0].decode(torch.tensor([id]))

    def test_no_files(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"holds no tokenizer: expected tokenizer\.json"):
            TextTokenizer.from_folder(tmp_path)

    @pytest.mark.parametrize("files", [["tokenizer.json"], ["vocab.json", "merges.txt"]])
    def test_damaged_files(self, tmp_path, files):
        for file in files:
            (tmp_path / file).write_text("{half")
        with pytest.raises(ValueError, match="cannot be read"):
            TextTokenizer.from_folder(tmp_path)

    def test_specials_that_are_not_there(self, folders):
        backend = Tokenizer.from_file(str(folders["CLIP"] / "tokenizer.json"))
        with pytest.raises(ValueError, match=r"'\[CLS\]' is not in the vocabulary"):
            TextTokenizer(backend, BERT_SPECIALS)

    def test_other_subwords(self, tmp_path):
        Tokenizer(models.Unigram([("a", 0.0)], 0)).save(str(tmp_path / "tokenizer.json"))
        with pytest.raises(
            ValueError,
            match=r"cuts words by Unigram, known are BPE, WordPiece.*its spiece\.model, so fetch that",
        ):
            TextTokenizer.from_folder(tmp_path)

    def test_padding_before_the_text(self, folders, tmp_path):
        gemma(TEXTS, padding_side="left").save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="says padding_side 'left', expected 'right'"):
            TextTokenizer.from_folder(tmp_path)

    def test_no_end_of_text(self, tmp_path):
        gemma(TEXTS, add_eos_token=False).save_pretrained(tmp_path)
        with pytest.raises(ValueError, match=r"an empty text becomes \[\], expected \['<eos>'\] around it"):
            TextTokenizer.from_folder(tmp_path)

    def test_nothing_around_a_text(self, folders, tmp_path):
        backend = Tokenizer.from_file(str(folders["CLIP"] / "tokenizer.json"))
        with pytest.raises(ValueError, match="an empty text becomes"):
            TextTokenizer(backend, Specials("r", "e", "d", "d"))
