"""The tokenizer turns everything the world says into numbers and back, and names what it cannot read."""

import hashlib

import pytest
import torch

from vlmlearn.world.captions import captions
from vlmlearn.world.questions import questions
from vlmlearn.world.referring import referring
from vlmlearn.world.scenes import sample_scenes
from vlmlearn.world.tokenizer import Tokenizer
from vlmlearn.world.words import CHINESE, CHINESE_WORDS, LANGUAGES

TOKENIZER = Tokenizer()
SCENES = sample_scenes(3000, split="all")


def sayings(language: str) -> list[str]:
    """Thousands of everything that is said in one language."""
    asked = questions(SCENES, language)
    texts = captions(SCENES, language) + [question.text for question in asked]
    texts += [question.answer for question in asked]
    return texts + [reference.text for reference in referring(SCENES, language)]


def test_specials_come_first():
    assert TOKENIZER.words[:4] == ("<pad>", "<bos>", "<eos>", "<img>")
    assert (TOKENIZER.pad_id, TOKENIZER.bos_id, TOKENIZER.eos_id, TOKENIZER.img_id) == (0, 1, 2, 3)


def test_the_vocabulary_has_no_word_twice():
    assert len(set(TOKENIZER.words)) == len(TOKENIZER) == len(TOKENIZER.words)


def test_the_vocabulary_stays_the_same():
    # Trained weights hold one row a word: another order makes them useless. New words belong at the end.
    assert hashlib.sha256(" ".join(TOKENIZER.words).encode()).hexdigest()[:16] == "6735a769cd5ec3a4"


@pytest.mark.parametrize("language", LANGUAGES)
def test_round_trip(language):
    texts = sayings(language)
    assert TOKENIZER.decode(TOKENIZER.encode(texts)) == texts


def test_every_word_is_said_somewhere():
    said = {word for language in LANGUAGES for text in sayings(language) for word in TOKENIZER.tokens(text)}
    assert said == set(TOKENIZER.words[4:])


def test_tokens_of_both_languages():
    assert TOKENIZER.tokens("a large red star, a ring") == ["a", "large", "red", "star", ",", "a", "ring"]
    expected = [
        "一个",
        "红色",
        "大",
        "星形",
        "在",
        "一个",
        "青色",
        "小",
        "圆环",
        "的",
        "左边",
        "，",
        "还有",
        "一个",
    ]
    assert TOKENIZER.tokens("一个红色大星形在一个青色小圆环的左边，还有一个") == expected
    assert TOKENIZER.tokens("在左上角") == ["在", "左上角"]


def test_longest_match_is_the_only_sensible_cut():
    # Cutting from the right gives the same words, so no sentence can be read in two ways.
    longest = max(map(len, CHINESE_WORDS))
    for text in sayings("zh"):
        rest, words = text, []
        while rest:
            width = next(w for w in range(longest, 0, -1) if rest[-w:] in TOKENIZER.words)
            rest, words = rest[:-width], [rest[-width:], *words]
        assert words == TOKENIZER.tokens(text)


def test_encode_frames_and_pads():
    ids = TOKENIZER.encode(["red star", "a red star"], context_length=8)
    words = [[TOKENIZER.words[k] for k in row] for row in ids.tolist()]
    assert words[0] == ["<bos>", "red", "star", "<eos>", "<pad>", "<pad>", "<pad>", "<pad>"]
    assert words[1] == ["<bos>", "a", "red", "star", "<eos>", "<pad>", "<pad>", "<pad>"]
    assert ids.dtype == torch.int64
    assert ids.shape == (2, 8)
    assert torch.equal(TOKENIZER.encode("red star", 8), ids[:1])


def test_each_text_has_one_eos():
    ids = TOKENIZER.encode(sayings("en"))
    assert ((ids == TOKENIZER.eos_id).sum(1) == 1).all()
    assert (ids[:, 0] == TOKENIZER.bos_id).all()


def test_encode_fits_exactly():
    assert TOKENIZER.encode("a red star", context_length=5)[0, -1] == TOKENIZER.eos_id
    assert TOKENIZER.encode([]).shape == (0, 32)


def test_decode_stops_at_the_first_eos():
    ids = TOKENIZER.encode("red star", 8)
    ids[0, 5] = TOKENIZER.encode("ring", 8)[0, 1]
    assert TOKENIZER.decode(ids) == ["red star"]
    assert TOKENIZER.decode(ids[:, 1:3]) == ["red star"]  # without an EOS: to the end


def test_pictures_and_languages_mix():
    text = "<img> a red star, a ring <img> <img>红色星形，还有圆环<img>"
    assert TOKENIZER.tokens(text)[0] == "<img>"
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == [text]


def test_extra_words_keep_all_ids():
    more = Tokenizer(extra_words=["photo", "照片"])
    assert len(more) == len(TOKENIZER) + 2
    assert more.words[: len(TOKENIZER)] == TOKENIZER.words
    assert more.decode(more.encode(["a photo of a star", "星形的照片"])) == [
        "a photo of a star",
        "星形的照片",
    ]


def test_the_dictionary_is_in_the_vocabulary():
    for english, chinese in CHINESE.items():
        TOKENIZER.encode([english, chinese])


@pytest.mark.bad_input
class TestBadInput:
    def test_unknown_word(self):
        with pytest.raises(ValueError, match=r"unknown word 'purpel' in 'a purpel star'; near it: purple"):
            TOKENIZER.encode(["a red star", "a purpel star"])
        with pytest.raises(ValueError, match=r"unknown word 'zebra' in 'a zebra'; nothing is near it"):
            TOKENIZER.tokens("a zebra")

    def test_unknown_chinese(self):
        with pytest.raises(ValueError, match=r"unknown word '粉色' in '一个粉色圆环'; near it: .色"):
            TOKENIZER.encode("一个粉色圆环")

    def test_capital_letters(self):
        with pytest.raises(ValueError, match=r"unknown word 'Red' in 'a Red star'; near it: red.*lower case"):
            TOKENIZER.encode("a Red star")

    def test_specials_inside_words(self):
        with pytest.raises(ValueError, match="unknown word '<' in 'a <image>'"):
            TOKENIZER.encode("a <image>")

    def test_too_long(self):
        text = "a red star and a ring"
        with pytest.raises(
            ValueError, match=r"takes 8 places with BOS and EOS, but context_length is 7: ask for 8"
        ):
            TOKENIZER.encode(["a star", text], context_length=7)

    @pytest.mark.parametrize("text", ["", "  "])
    def test_empty(self, text):
        with pytest.raises(ValueError, match="holds no word: leave out empty texts"):
            TOKENIZER.encode(["a star", text])
        with pytest.raises(ValueError, match="holds no word"):
            TOKENIZER.tokens(text)

    @pytest.mark.parametrize("wrong", [-100, len(TOKENIZER)])
    def test_ids_out_of_the_vocabulary(self, wrong):
        with pytest.raises(
            IndexError, match=f"id {wrong} is not in the vocabulary of {len(TOKENIZER)} words"
        ):
            TOKENIZER.decode(torch.tensor([[1, wrong, 2]]))

    def test_one_row_without_a_batch(self):
        with pytest.raises(
            ValueError, match=r"shape \(5,\), expected \(batch, length\): one text is ids\[None\]"
        ):
            TOKENIZER.decode(torch.ones(5, dtype=torch.int64))

    @pytest.mark.parametrize("word", ["", "two words", "red", "<img>"])
    def test_extra_words(self, word):
        with pytest.raises(ValueError, match="is empty, holds a space or is already there"):
            Tokenizer(extra_words=[word])
