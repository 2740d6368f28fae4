"""Subwords equal those of Hugging Face's tokenizers: vocabulary, merges, encodings, decodings."""

import json

import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from vlmlearn.world.captions import captions
from vlmlearn.world.questions import questions
from vlmlearn.world.scenes import sample_scenes
from vlmlearn.world.subwords import WORD, SubwordTokenizer

SPECIALS = ("<pad>", "<bos>", "<eos>")
SCENES, OTHERS = sample_scenes(400), sample_scenes(100, split="test")
ENGLISH, CHINESE = captions(SCENES, "en"), captions(SCENES, "zh")
CORPORA = {"en": ENGLISH, "zh": CHINESE, "both": ENGLISH + CHINESE}


def official(texts: list[str], size: int, specials: tuple[str, ...] = SPECIALS) -> tokenizers.Tokenizer:
    """The library's tokenizer, trained on the same texts."""
    other = tokenizers.Tokenizer(models.BPE())
    other.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(WORD), "isolated")
    other.decoder = decoders.Fuse()
    other.encode_special_tokens = True
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials), show_progress=False)
    other.train_from_iterator(texts, trainer)
    return other


def official_merges(other: tokenizers.Tokenizer) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(other.to_str())["model"]["merges"]]


def assert_same(ours: SubwordTokenizer, other: tokenizers.Tokenizer, texts: list[str]) -> None:
    assert {piece: k for k, piece in enumerate(ours.vocabulary)} == other.get_vocab()
    assert list(ours.merges) == official_merges(other)
    for text, expected in zip(texts, other.encode_batch(texts), strict=True):
        ids = ours.encode(text)
        assert ids.tolist() == expected.ids
        assert ours.pieces(text) == expected.tokens
        assert ours.decode(ids) == other.decode(expected.ids) == text


@pytest.mark.parametrize("size", [60, 100, 200, 300, 800])
@pytest.mark.parametrize("corpus", CORPORA)
def test_equals_tokenizers_on_captions(corpus, size):
    texts = CORPORA[corpus]
    size += len({*"".join(texts)}) - 40  # some merges for every alphabet
    ours = SubwordTokenizer.train(texts, size)
    fresh = [text for language in ("en", "zh") for text in captions(OTHERS, language)]
    readable = [text for text in fresh if {*text} <= {*"".join(texts)}]
    assert len(readable) >= 90 and ours.merges
    assert_same(ours, official(texts, size), texts + readable)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_equals_tokenizers_on_questions(language):
    texts = [question.text for question in questions(SCENES, language)]
    assert_same(SubwordTokenizer.train(texts, 150), official(texts, 150), texts)


letters = st.text("ab红， .", min_size=1, max_size=20)
anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.lists(letters, min_size=1, max_size=12), st.lists(anything, min_size=1, max_size=12)),
    st.data(),
)
def test_equals_tokenizers_on_random_text(texts, data):
    alphabet = {*"".join(texts)}
    size = len(SPECIALS) + len(alphabet) + data.draw(st.integers(0, 12))
    ours = SubwordTokenizer.train(texts, size)
    fresh = data.draw(st.lists(st.text(sorted(alphabet), min_size=1), max_size=5))
    assert_same(ours, official(texts, size), texts + fresh)


@given(st.lists(letters, min_size=1, max_size=12), st.integers(0, 30))
def test_there_and_back_whatever_was_merged(texts, more):
    ours = SubwordTokenizer.train(texts, len(SPECIALS) + 7 + more)
    for text in texts:
        assert ours.decode(ours.encode(text)) == "".join(ours.pieces(text)) == text
    assert len(ours) == len(set(ours.vocabulary)) <= len(SPECIALS) + 7 + more


def test_merges_by_hand():
    """Sennrich et al. 2016, figure 1, with the space before a word in place of a mark after it."""
    ours = SubwordTokenizer.train(["low low low low low lower lower newest"], 100, specials=())
    assert ours.merges[:3] == (("l", "o"), ("lo", "w"), (" ", "low"))
    assert ours.pieces("low low") == ["low", " low"]
    assert ours.vocabulary[:9] == (" ", "e", "l", "n", "o", "r", "s", "t", "w")


def test_no_piece_reaches_over_the_border_of_a_word():
    ours = SubwordTokenizer.train(ENGLISH + CHINESE, 1000)
    for piece in ours.vocabulary[len(SPECIALS) :]:
        assert piece in (" ", ",", "，") or (not {*" ,，"} & {*piece[1:]} and piece[0] not in ",，")


def test_a_frequent_word_is_one_piece():
    ours = SubwordTokenizer.train(ENGLISH + CHINESE, 300)
    assert ours.pieces("a large red star") == ["a", " large", " red", " star"]
    assert len(ours.pieces(CHINESE[0])) < len(CHINESE[0]) / 2


def test_ids_are_places_and_specials_are_left_out():
    ours = SubwordTokenizer.train(ENGLISH, 100)
    assert ours.vocabulary[:3] == SPECIALS and len(ours) == 100
    ids = ours.encode(ENGLISH[0])
    assert ids.dtype == torch.int64
    assert [ours.vocabulary[k] for k in ids.tolist()] == ours.pieces(ENGLISH[0])
    assert ours.decode(torch.cat([torch.tensor([1]), ids, torch.tensor([2, 0, 0])])) == ENGLISH[0]
    assert ours.decode(ids[:0]) == ""


def test_a_special_is_never_read_from_a_text():
    ours = SubwordTokenizer.train(["<pa", "d>"], 10, specials=("<pad>",))
    assert 0 not in ours.encode("<pad>") and ours.decode(ours.encode("<pad>")) == "<pad>"
    assert_same(ours, official(["<pa", "d>"], 10, ("<pad>",)), ["<pad>", "<pa"])


def test_nothing_left_to_join():
    ours = SubwordTokenizer.train(["abc"], 100)
    assert ours.vocabulary == (*SPECIALS, "a", "b", "c", "ab", "abc")


def test_the_same_texts_in_another_order_give_the_same_tokenizer():
    one, other = SubwordTokenizer.train(ENGLISH, 200), SubwordTokenizer.train(ENGLISH[::-1], 200)
    assert one.vocabulary == other.vocabulary and one.merges == other.merges


@pytest.mark.bad_input
def test_bad_input_of_the_training():
    for texts, complaint in (
        ([], "there are no texts"),
        (["a", ""], "text 1 is empty"),
        ("a red ring", r"single string, expected a list of texts: write \[text\]"),
        (["a <pad> b"], "'a <pad> b' holds the special '<pad>'"),
    ):
        with pytest.raises(ValueError, match=complaint):
            SubwordTokenizer.train(texts, 100)
    with pytest.raises(ValueError, match="size is 5, but 3 specials and 3 different characters need 6"):
        SubwordTokenizer.train(["abcabc"], 5)
    assert not SubwordTokenizer.train(["abcabc"], 6).merges
    for specials in (("<pad>", "<pad>"), ("",)):
        with pytest.raises(ValueError, match="expected different names, none of them empty"):
            SubwordTokenizer.train(["abc"], 100, specials)


def test_the_parts_give_the_same_tokenizer_back():
    ours = SubwordTokenizer.train(ENGLISH, 200)
    again = SubwordTokenizer(iter({*"".join(ENGLISH)}), ours.merges, ours.specials)
    assert again.vocabulary == ours.vocabulary and again.pieces(ENGLISH[0]) == ours.pieces(ENGLISH[0])
    with pytest.raises(ValueError, match="would hold 'ab' twice"):
        SubwordTokenizer("ab", [("a", "b"), ("a", "b")], ())


@pytest.mark.bad_input
def test_bad_input_of_a_trained_one():
    ours = SubwordTokenizer.train(ENGLISH, 100)
    for method in (ours.pieces, ours.encode):
        with pytest.raises(ValueError, match="the text is empty"):
            method("")
        with pytest.raises(ValueError, match="unknown character '红' in 'a 红 star'"):
            method("a 红 star")
    for wrong in (100, -1, -100):
        with pytest.raises(
            IndexError, match=rf"id {wrong} is not in the vocabulary of 100 pieces \(0 to 99\)"
        ):
            ours.decode(torch.tensor([5, wrong]))
    with pytest.raises(ValueError, match=r"shape \(1, 2\), expected \(length,\)"):
        ours.decode(torch.tensor([[5, 6]]))
