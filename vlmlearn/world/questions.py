"""Questions about a scene with a one-word answer, balanced by kind and by answer, or biased on purpose.

All that can be asked about a scene is listed first (``facts``). To ask, a kind of question is drawn, then an
answer among those the scene admits, then a question with this answer. So the words of a question tell little
about its answer: one has to look (Goyal et al. 2017, VQA v2). The biased variant breaks just that (Agrawal et al.
2018, VQA-CP).
"""

from bisect import bisect
from functools import cache
from itertools import accumulate
from typing import NamedTuple
from zlib import crc32

import numpy as np
from jaxtyping import Bool

from vlmlearn.world.facts import FACTS, Fact
from vlmlearn.world.relations import relations
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.shapes import ALL_PAIRS, COLORS, MAX_OBJECTS, SEEN_PAIRS, SHAPES, SIZES
from vlmlearn.world.views import views
from vlmlearn.world.words import COUNTS, NO, PAIRS, RELATIONS, YES, check_language, translate

_BIAS = 0.8  # how often the biased variant gives a question's preferred answer, where the scene allows it


class Question(NamedTuple):
    """A question, its kind (one of KINDS) and its answer (one word)."""

    kind: str
    text: str
    answer: str


class Pattern(NamedTuple):
    """How one sort of question is asked in both languages, and its usual answers."""

    en: str
    zh: str
    answers: tuple[str, ...]


PATTERNS = {
    "color": Pattern("what color is the {}?", "{}是什么颜色？", COLORS),
    "shape": Pattern("what shape is the {} object?", "{}物体是什么形状？", SHAPES),
    "size": Pattern("what size is the {}?", "{}是大还是小？", SIZES),
    "count": Pattern("how many objects are there?", "图中有几个物体？", COUNTS[1:]),
    "count color": Pattern("how many {} objects are there?", "图中有几个{}物体？", COUNTS[:3]),
    "count shape": Pattern("how many {} are there?", "图中有几个{}？", COUNTS[:3]),
    "exist": Pattern("is there a {}?", "图中是否有{}？", (YES, NO)),
    "exist an": Pattern("is there an {}?", "图中是否有{}？", (YES, NO)),
    "relation color": Pattern("what color is the object {} the {}?", "{1}{0}的物体是什么颜色？", COLORS),
    "relation shape": Pattern("what shape is the object {} the {}?", "{1}{0}的物体是什么形状？", SHAPES),
    "larger": Pattern("is the {} larger than the {}?", "{}是否比{}大？", (YES, NO)),
    "side": Pattern("is the {} {} the {}?", "{0}是否在{2}的{1}？", (YES, NO)),
}
KINDS = tuple(FACTS)

# How likely a kind is where a scene admits it, relative to the others it admits: a scene of one object admits
# no relation and no comparison, so larger scenes make up for it. Found by iteration on 200,000 scenes of one to
# four objects, so that each kind is asked one time in seven. Counting has no weight here: it gets its seventh in
# every scene, so that no number of objects is asked about more often than another.
_KIND_WEIGHTS = np.array([1.091, 1.066, 1.0, 0.0, 1.0, 1.564, 1.564])
# The same for answers: of the counts of one shape or colour 0, 1 and 2 are to be equally frequent, but fewer
# than half of the scenes hold two alike.
_ANSWER_WEIGHTS = {"2": 4.0, "3": 4.0}


def questions(
    scenes: Scenes, language: str = "en", *, variant: int = 0, biased: bool = False, kind: str | None = None
) -> list[Question]:
    """One question with its true answer a scene, a pure function of (scene, language, variant, biased, kind).

    Args:
        scenes: batch of scenes.
        language: "en" or "zh"; both ask the same.
        variant: another number asks another question.
        biased: give every question's text a preferred answer and, in 80% of the scenes that allow it, ask where
            that is true, so that a model that does not look gains. The texts are those of the balanced variant.
        kind: ask only this kind (one of KINDS); every scene has to admit it (``askable``).

    Raises:
        ValueError: unknown language or kind, a scene that does not admit the wanted kind.
    """
    check_language(language)
    draws = scenes.draws(f"question {variant}")
    kinds = _kinds(scenes, draws.uniform("kind"), kind)
    bits = zip(draws.bits("group").tolist(), draws.bits("fact").tolist(), strict=True)
    shares = zip(draws.uniform("answer").tolist(), draws.uniform("bias").tolist(), strict=True)
    # Never asked in training about a pair that training never shows: the answer would always be no.
    shown = SEEN_PAIRS if scenes.split in ("train", "val", "test") else ALL_PAIRS
    pool = frozenset(PAIRS[pair] for pair in shown)
    asked = []
    for view, name, (share, luck), (group, which) in zip(views(scenes), kinds, shares, bits, strict=True):
        facts = FACTS[name](view, pool)
        if biased:
            facts = _favoured(facts, luck < _BIAS)
        asked.append(_say(name, _choose(facts, group, share, which), language))
    return asked


def askable(scenes: Scenes) -> Bool[np.ndarray, "batch 7"]:
    """Which kinds of questions each scene admits, in the order of KINDS.

    "color" needs an object with a unique shape, "shape" one with a unique colour, "relation" one that is alone
    on some side of another, "compare" two objects.
    """
    there = scenes.present
    both = there[:, :, None] & there[:, None, :]

    def unique(values: np.ndarray) -> np.ndarray:
        same = (values[:, :, None] == values[:, None, :]) & both
        return (same.sum(2) == 1).any(1)

    always, several = scenes.count >= 1, scenes.count >= 2
    color, shape = unique(scenes.shape), unique(scenes.color)
    side = np.where(both & ~np.eye(MAX_OBJECTS, dtype=bool), relations(scenes), -1)
    alone = np.stack([(side == k).sum(1) == 1 for k in range(len(RELATIONS))]).any((0, 2))
    return np.stack([color, shape, always, always, always, alone, several], axis=1)


def _kinds(scenes: Scenes, share: np.ndarray, kind: str | None) -> list[str]:
    """The kind of question each scene is asked."""
    admitted = askable(scenes)
    if kind is None:
        weights = _KIND_WEIGHTS * admitted
        weights[:, KINDS.index("count")] = weights.sum(1) / 6
        reach = weights.cumsum(1)
        return [KINDS[k] for k in (reach > share[:, None] * reach[:, -1:]).argmax(1)]
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(KINDS)}")
    able = admitted[:, KINDS.index(kind)]
    if not able.all():
        raise ValueError(
            f"{(~able).sum()} of {len(able)} scenes admit no question of kind {kind!r}, the first at place "
            f"{able.argmin()} with {scenes.count[able.argmin()]} object(s): choose scenes with "
            f"scenes[askable(scenes)[:, KINDS.index({kind!r})]]"
        )
    return [kind] * len(scenes)


def _choose(facts: list[Fact], group: int, share: float, which: int) -> Fact:
    """Draw a group (by random bits), then an answer (by weight and a random share), then a fact (by bits)."""
    groups = list(dict.fromkeys(fact.group for fact in facts))
    facts = [fact for fact in facts if fact.group == groups[group % len(groups)]]
    answers = list(dict.fromkeys(fact.answer for fact in facts))
    reach = list(accumulate(_ANSWER_WEIGHTS.get(answer, 1.0) for answer in answers))
    answer = answers[bisect(reach, share * reach[-1])]
    facts = [fact for fact in facts if fact.answer == answer]
    return facts[which % len(facts)]


def _favoured(facts: list[Fact], wanted: bool) -> list[Fact]:
    """The facts whose answer is (or is not) the one that the question prefers; all where all are the same."""
    chosen = [fact for fact in facts if (fact.answer == _preferred(fact.pattern, fact.words)) == wanted]
    return chosen or facts


@cache
def _preferred(pattern: str, words: tuple[str, ...]) -> str:
    """The answer that the biased variant prefers for a question: arbitrary, but fixed by its English text."""
    answers = PATTERNS[pattern].answers
    return answers[crc32(PATTERNS[pattern].en.format(*words).encode()) % len(answers)]


@cache
def _text(pattern: str, words: tuple[str, ...], language: str) -> str:
    sentence = PATTERNS[pattern].en if language == "en" else PATTERNS[pattern].zh
    return sentence.format(*(translate(word, language) for word in words))


def _say(kind: str, fact: Fact, language: str) -> Question:
    """Put a fact into words."""
    return Question(kind, _text(fact.pattern, fact.words, language), translate(fact.answer, language))
