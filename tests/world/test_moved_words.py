"""Sentences changed alone say what the changed picture shows, by the world's own facts, in both languages."""

import pytest

from vlmlearn.world import (
    admits_order,
    captions,
    labelled_pictures,
    mirror,
    mirror_words,
    permute_channels,
    questions,
    recolor_words,
    referring,
    sample_scenes,
)
from vlmlearn.world.facts import FACTS
from vlmlearn.world.questions import PATTERNS
from vlmlearn.world.recolor import ORDERS
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.views import views
from vlmlearn.world.words import PAIRS, translate

PICTURES = labelled_pictures(sample_scenes(400, split="all")).drop("depth")
LANGUAGES = ("en", "zh")


def all_facts(scenes: Scenes, language: str) -> list[set[tuple[str, str]]]:
    """Every question about each scene with its true answer."""
    facts = []
    for view in views(scenes):
        told = set()
        for name in FACTS:
            for fact in FACTS[name](view, frozenset(PAIRS)):
                text = getattr(PATTERNS[fact.pattern], language)
                words = [translate(word, language) for word in fact.words]
                told.add((text.format(*words), translate(fact.answer, language)))
        facts.append(told)
    return facts


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_in_the_mirror(language):
    before, after = PICTURES.captions(language), mirror(PICTURES).captions(language)
    assert mirror_words(before, language) == after
    assert sum(a != b for a, b in zip(before, after, strict=True)) > 100
    assert mirror_words(after, language) == before


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_facts_in_the_mirror(language):
    """What can be asked, with its true answer: the mirrored scene's facts are the mirrored facts."""
    mirrored = all_facts(mirror(PICTURES).scenes, language)
    for before, after in zip(all_facts(PICTURES.scenes, language), mirrored, strict=True):
        assert {(mirror_words([text], language)[0], answer) for text, answer in before} == after


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_in_the_mirror_keep_their_answers(language):
    asked = questions(PICTURES.scenes, language)
    for question, facts in zip(asked, all_facts(mirror(PICTURES).scenes, language), strict=True):
        assert (mirror_words([question.text], language)[0], question.answer) in facts


@pytest.mark.parametrize("language", LANGUAGES)
def test_referring_expressions_in_the_mirror_fit_the_same_object(language):
    there = mirror(PICTURES).scenes
    fitting: list[set] = [set() for _ in range(len(there))]
    for variant in range(12):
        for k, reference in enumerate(referring(there, language, variant=variant)):
            fitting[k].add((reference.text, reference.target))
    told = referring(PICTURES.scenes, language)
    found = [(mirror_words([r.text], language)[0], r.target) for r in told]
    clash = [
        k
        for k, (text, target) in enumerate(found)
        for t, other in fitting[k]
        if t == text and other != target
    ]
    assert not clash
    assert sum(one in fitting[k] for k, one in enumerate(found)) > 250


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("order", ORDERS)
def test_captions_and_facts_in_other_colours(language, order):
    pictures = PICTURES[admits_order(PICTURES.scenes, order)]
    after = permute_channels(pictures, order)
    assert recolor_words(pictures.captions(language), order, language) == after.captions(language)
    some = [question for question in questions(pictures.scenes, language, kind="size")]
    facts = all_facts(after.scenes, language)
    for question, true in zip(some, facts, strict=True):
        assert (recolor_words([question.text], order, language)[0], question.answer) in true


def test_by_hand():
    assert mirror_words(["a small red ring left of a large white star", "the leftmost object"]) == [
        "a small red ring right of a large white star",
        "the rightmost object",
    ]
    assert mirror_words(["一个红色小圆环在左上角", "最右边的物体"], "zh") == [
        "一个红色小圆环在右上角",
        "最左边的物体",
    ]
    assert recolor_words(["a large red ring above a small green star"], (1, 0, 2)) == [
        "a large green ring above a small red star"
    ]
    assert recolor_words(["一个红色大圆环在一个绿色小星形的上面"], (1, 0, 2), "zh") == [
        "一个绿色大圆环在一个红色小星形的上面"
    ]


@pytest.mark.bad_input
class TestBadInput:
    def test_a_colour_without_a_name(self):
        with pytest.raises(ValueError, match=r"'orange' has no name .*leave out 'a large orange ring'"):
            recolor_words(["a large orange ring"], (2, 1, 0))
        with pytest.raises(ValueError, match="'紫色' has no name"):
            recolor_words(["紫色物体是什么形状？"], (0, 2, 1), "zh")

    @pytest.mark.parametrize(
        "change", [mirror_words, lambda texts, language: recolor_words(texts, (2, 1, 0), language)]
    )
    def test_language(self, change):
        with pytest.raises(ValueError, match="language is 'fr'"):
            change(captions(sample_scenes(1)), "fr")

    def test_order(self):
        with pytest.raises(ValueError, match="expected 0, 1 and 2 in some order"):
            recolor_words(["a red ring"], (0, 1))
