"""Questions have one true answer, are balanced, are the same in both languages, and are biased only when asked."""

import hashlib
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from vlmlearn.world.questions import KINDS, Question, askable, questions
from vlmlearn.world.scenes import Scenes, sample_scenes
from vlmlearn.world.shapes import COLORS, HELD_OUT_PAIRS, SHAPES, SIZES
from vlmlearn.world.words import CHINESE, PAIRS, PLURALS

SCENES = sample_scenes(20000, seed=3)
BALANCED = questions(SCENES)
BIASED = questions(SCENES, biased=True)


def objects_of(scenes: Scenes, k: int) -> list[dict]:
    things = []
    for slot in range(scenes.count[k]):
        shape, color = SHAPES[scenes.shape[k, slot]], COLORS[scenes.color[k, slot]]
        x, y, size = scenes.x[k, slot], scenes.y[k, slot], SIZES[scenes.size[k, slot]]
        pair = f"{color} {shape}"
        things.append({"shape": shape, "color": color, "pair": pair, "size": size, "x": x, "y": y})
    return things


def is_beside(a: dict, relation: str, b: dict) -> bool:
    across, down = a["x"] - b["x"], a["y"] - b["y"]
    wide = abs(across) >= abs(down)
    return {
        "left of": wide and across < 0,
        "right of": wide and across > 0,
        "above": not wide and down < 0,
        "below": not wide and down > 0,
    }[relation]


def only(things: list[dict]) -> dict:
    assert len(things) == 1
    return things[0]


def named(things: list[dict], pair: str) -> dict:
    return only([thing for thing in things if thing["pair"] == pair])


def yes(truth: bool) -> str:
    return "yes" if truth else "no"


SIDE = "(left of|right of|above|below)"
# Every sort of question: how to recognise it, how to answer it by looking, how to say it in Chinese.
SORTS = {
    r"what color is the (\w+)\?": (
        lambda o, s: only([t for t in o if t["shape"] == s])["color"],
        "{0}是什么颜色？",
    ),
    r"what shape is the (\w+) object\?": (
        lambda o, c: only([t for t in o if t["color"] == c])["shape"],
        "{0}物体是什么形状？",
    ),
    r"what size is the (\w+ \w+)\?": (lambda o, p: named(o, p)["size"], "{0}是大还是小？"),
    r"how many objects are there\?": (lambda o: str(len(o)), "图中有几个物体？"),
    r"how many (\w+) objects are there\?": (
        lambda o, c: str(sum(t["color"] == c for t in o)),
        "图中有几个{0}物体？",
    ),
    r"how many (?!objects)(\w+) are there\?": (
        lambda o, many: str(sum(t["shape"] == SHAPES[PLURALS.index(many)] for t in o)),
        "图中有几个{0}？",
    ),
    r"is there (?:a|an(?= orange)) (\w+ \w+)\?": (
        lambda o, p: yes(any(t["pair"] == p for t in o)),
        "图中是否有{0}？",
    ),
    rf"what color is the object {SIDE} the (\w+ \w+)\?": (
        lambda o, r, p: only([t for t in o if t["pair"] != p and is_beside(t, r, named(o, p))])["color"],
        "{1}{0}的物体是什么颜色？",
    ),
    rf"what shape is the object {SIDE} the (\w+ \w+)\?": (
        lambda o, r, p: only([t for t in o if t["pair"] != p and is_beside(t, r, named(o, p))])["shape"],
        "{1}{0}的物体是什么形状？",
    ),
    r"is the (\w+ \w+) larger than the (\w+ \w+)\?": (
        lambda o, p, q: yes((named(o, p)["size"], named(o, q)["size"]) == ("large", "small")),
        "{0}是否比{1}大？",
    ),
    rf"is the (\w+ \w+) {SIDE} the (\w+ \w+)\?": (
        lambda o, p, r, q: yes(is_beside(named(o, p), r, named(o, q))),
        "{0}是否在{2}的{1}？",
    ),
}


def understand(question: Question) -> tuple:
    """Its answering function, its Chinese pattern, and the words in its gaps."""
    found = [(s, m.groups()) for p, s in SORTS.items() if (m := re.fullmatch(p, question.text))]
    (sort, words) = only(found)
    return *sort, words


def shares(asked: list[Question], kind: str) -> dict[str, float]:
    answers = Counter(question.answer for question in asked if question.kind == kind)
    return {answer: n / answers.total() for answer, n in answers.items()}


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("split", ["train", "test", "compositional", "all"])
def test_every_answer_is_true(split, biased):
    scenes = sample_scenes(1500, split=split)
    for variant in (0, 1):
        for k, question in enumerate(questions(scenes, variant=variant, biased=biased)):
            answer, _, words = understand(question)
            assert answer(objects_of(scenes, k), *words) == question.answer, question


def test_comparisons_of_size_are_between_different_sizes():
    for k, question in enumerate(BALANCED):
        if "larger" in question.text:
            first, second = re.findall(r"the (\w+ \w+)", question.text)
            things = objects_of(SCENES, k)
            assert named(things, first)["size"] != named(things, second)["size"]


@pytest.mark.parametrize("biased", [False, True])
def test_the_languages_ask_the_same(biased):
    scenes = SCENES[:3000]
    for english, chinese in zip(
        questions(scenes, biased=biased), questions(scenes, "zh", biased=biased), strict=True
    ):
        _, pattern, words = understand(english)
        assert chinese.text == pattern.format(*(CHINESE[word] for word in words))
        assert (chinese.kind, chinese.answer) == (english.kind, CHINESE[english.answer])


@pytest.mark.parametrize("biased", [False, True])
def test_a_question_is_the_same_alone_in_any_batch_and_in_any_order(biased):
    together = questions(SCENES[:80], biased=biased)
    assert questions(SCENES[:80][::-1], biased=biased) == together[::-1]
    assert [questions(SCENES[k], biased=biased)[0] for k in range(80)] == together


def test_kinds_are_balanced():
    for asked in (BALANCED, BIASED):
        kinds = Counter(question.kind for question in asked)
        assert {kind: kinds[kind] / len(asked) for kind in KINDS} == pytest.approx(
            dict.fromkeys(KINDS, 1 / 7), abs=0.01
        )


@pytest.mark.parametrize("kind", ["exist", "compare", "size"])
def test_either_answer_is_as_frequent(kind):
    asked = questions(SCENES[askable(SCENES)[:, KINDS.index(kind)]], kind=kind)
    assert list(shares(asked, kind).values()) == pytest.approx([0.5, 0.5], abs=0.02)


def test_yes_and_no_are_as_frequent_for_size_as_for_place():
    asked = questions(SCENES[SCENES.count >= 2], kind="compare")
    for of_size in (True, False):
        answers = [question.answer for question in asked if ("larger" in question.text) == of_size]
        assert len(answers) > 0.2 * len(asked)
        assert answers.count("yes") / len(answers) == pytest.approx(0.5, abs=0.02)


def test_colours_and_shapes_are_nearly_uniform():
    scenes = SCENES[askable(SCENES).all(1)]
    assert shares(questions(scenes, kind="color"), "color") == pytest.approx(
        dict.fromkeys(COLORS, 1 / 8), abs=0.015
    )
    # Two of the six shapes lose two of their colours to the compositional split, four lose one.
    assert shares(questions(scenes, kind="shape"), "shape") == pytest.approx(
        dict.fromkeys(SHAPES, 1 / 6), abs=0.025
    )
    expected = dict.fromkeys(COLORS, 1 / 16) | dict.fromkeys(SHAPES, 1 / 12)
    assert shares(questions(scenes, kind="relation"), "relation") == pytest.approx(expected, abs=0.015)


def test_counts_are_balanced_for_each_question():
    asked = [question for variant in range(3) for question in questions(SCENES, variant=variant)]
    asked = [question for question in asked if question.kind == "count"]
    whole = Counter(q.answer for q in asked if q.text == "how many objects are there?")
    assert whole.total() / len(asked) == pytest.approx(0.5, abs=0.02)
    assert {a: n / whole.total() for a, n in whole.items()} == pytest.approx(
        dict.fromkeys("1234", 0.25), abs=0.04
    )
    some = Counter(q.answer for q in asked if q.text != "how many objects are there?")
    assert [some[a] / some.total() for a in "012"] == pytest.approx([1 / 3] * 3, abs=0.03)


def test_training_never_asks_about_a_pair_it_never_shows():
    never = [PAIRS[pair] for pair in HELD_OUT_PAIRS]
    for asked in (BALANCED, BIASED):
        assert not any(pair in question.text for question in asked for pair in never)
    strange = questions(sample_scenes(500, split="compositional"), kind="exist")
    assert any(pair in question.text for question in strange for pair in never)


def test_what_is_not_there_is_often_made_of_what_is():
    absent = hard = 0
    for k, question in enumerate(BALANCED):
        if question.kind == "exist" and question.answer == "no" and SCENES.count[k] > 1:
            color, shape = question.text.removesuffix("?").split()[-2:]
            things, absent = objects_of(SCENES, k), absent + 1
            colors, shapes = ({thing[name] for thing in things} for name in ("color", "shape"))
            assert color in colors or shape in shapes
            hard += color in colors and shape in shapes
    assert 0.4 < hard / absent < 0.7


def test_variants_ask_something_else():
    assert np.mean([a != b for a, b in zip(BALANCED, questions(SCENES, variant=1), strict=True)]) > 0.8


def blind_accuracy(biased: bool) -> dict[str, float]:
    """How often the commonest answer to a text is right in other scenes: what a model gains without looking."""
    seen: defaultdict[str, Counter] = defaultdict(Counter)
    for question in questions(sample_scenes(20000, seed=4), biased=biased):
        seen[question.text][question.answer] += 1
    hits = defaultdict(list)
    for question in BIASED if biased else BALANCED:
        if question.text in seen:
            hits[question.kind].append(seen[question.text].most_common(1)[0][0] == question.answer)
    return {kind: float(np.mean(hits[kind])) for kind in KINDS}


def test_bias_pays_a_model_that_does_not_look():
    fair, biased = blind_accuracy(False), blind_accuracy(True)
    for kind, best in {"color": 0.2, "shape": 0.25, "size": 0.55, "count": 0.4, "exist": 0.55}.items():
        assert fair[kind] < best
        assert biased[kind] > fair[kind] + (0.03 if kind in ("color", "shape") else 0.1)
    assert np.mean(list(biased.values())) > np.mean(list(fair.values())) + 0.15


def test_bias_gives_the_preferred_answer_in_four_of_five_scenes_that_allow_it():
    asked = [question for question in BIASED if question.text.startswith("is there")]
    answers: defaultdict[str, Counter] = defaultdict(Counter)
    for question in asked:
        answers[question.text][question.answer] += 1
    # Almost every scene allows the preferred answer to some text of this kind.
    preferred = sum(max(counts.values()) for counts in answers.values())
    assert preferred / len(asked) == pytest.approx(0.8, abs=0.03)


def test_biased_and_balanced_share_the_texts():
    texts = [
        {question.text for question in asked if question.kind != "compare"} for asked in (BALANCED, BIASED)
    ]
    assert len(texts[0] ^ texts[1]) < 0.05 * len(texts[0])


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_alone(kind):
    scenes = SCENES[askable(SCENES)[:, KINDS.index(kind)]][:300]
    assert {question.kind for question in questions(scenes, kind=kind)} == {kind}
    assert {question.kind for question in questions(scenes, kind=kind, biased=True)} == {kind}


def test_askable_by_looking():
    admitted = askable(SCENES[:2000])
    for k, row in enumerate(admitted):
        things = objects_of(SCENES, k)
        alone = [
            sum(is_beside(a, r, b) for a in things if a is not b) == 1
            for b in things
            for r in ("left of", "right of", "above", "below")
        ]
        unique = [
            1 in Counter(thing[attribute] for thing in things).values() for attribute in ("shape", "color")
        ]
        assert row.tolist() == [*unique, True, True, True, any(alone), len(things) > 1]


def test_no_scenes_no_questions():
    assert questions(sample_scenes(0)) == []


@pytest.mark.parametrize(
    ("language", "biased", "digest"),
    [("en", False, "7a7aaf9beae17520"), ("zh", False, "e222bb380d9339ee"), ("en", True, "cf404c1c5537e498")],
)
def test_questions_stay_the_same_on_every_machine(language, biased, digest):
    asked = questions(sample_scenes(1000), language, biased=biased)
    text = "\n".join(" ".join(question) for question in asked)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


@pytest.mark.bad_input
class TestBadInput:
    def test_language(self):
        with pytest.raises(ValueError, match="language is 'de', expected"):
            questions(SCENES[:2], "de")

    def test_kind(self):
        with pytest.raises(ValueError, match="kind is 'colour', expected one of color, shape, size, count"):
            questions(SCENES[:2], kind="colour")

    def test_scene_without_such_a_question(self):
        scenes = sample_scenes(3, objects=(1, 1))
        with pytest.raises(
            ValueError, match="3 of 3 scenes admit no question of kind 'relation', the first at"
        ):
            questions(scenes, kind="relation")
