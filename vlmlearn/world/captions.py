"""Captions: a scene in one sentence, true, noisy, or false with the same words.

A caption names every object. One object is placed in the picture ("a large red star at the top left"); with
more, the first is placed relative to the second ("a large red star left of a small cyan ring, a … and a …").
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64

from vlmlearn.world.relations import cells, relations
from vlmlearn.world.scenes import Scenes, sample_scenes
from vlmlearn.world.shapes import ALL_PAIRS, COLORS, MAX_OBJECTS, SEEN_PAIRS, SHAPES
from vlmlearn.world.words import OBJECTS, POSITIONS, RELATIONS, check_language, translate

# By the number of objects; {0} is the position, {1} the relation, {2} … {5} the objects as mentioned.
_PATTERNS = {
    "en": ("{2} at the {0}", "{2} {1} {3}", "{2} {1} {3} and {4}", "{2} {1} {3}, {4} and {5}"),
    "zh": ("{2}在{0}", "{2}在{3}的{1}", "{2}在{3}的{1}，还有{4}", "{2}在{3}的{1}，还有{4}和{5}"),
}
_ELSEWHERE = 2**40  # noise comes from scenes with indices from here on, so no picture of a data set owns it


@dataclass(frozen=True)
class _Plan:
    """What captions will say, before any word: the objects as mentioned and where the first one is."""

    count: Int64[np.ndarray, " batch"]
    shape: Int64[np.ndarray, "batch 4"]
    color: Int64[np.ndarray, "batch 4"]
    size: Int64[np.ndarray, "batch 4"]
    position: Int64[np.ndarray, " batch"]
    relation: Int64[np.ndarray, " batch"]


def captions(scenes: Scenes, language: str = "en", *, variant: int = 0) -> list[str]:
    """One true sentence a scene, a pure function of (scene, language, variant).

    Args:
        scenes: batch of scenes.
        language: "en" or "zh"; both say the same.
        variant: another number mentions the objects in another random order.

    Raises:
        ValueError: unknown language.
    """
    return _say(_plan(scenes, variant), language)


def noisy_captions(
    scenes: Scenes,
    rate: float,
    language: str = "en",
    *,
    variant: int = 0,
    objects: tuple[int, int] = (1, MAX_OBJECTS),
) -> tuple[list[str], Bool[np.ndarray, " batch"]]:
    """Captions of which a share tells of another scene, as in alt text from the web (Jia et al. 2021, ALIGN).

    A wrong caption belongs to a scene of the same split and names an object that the picture lacks, so it is
    false. What is wrong at one rate stays wrong at every higher rate.

    Args:
        rate: probability that a caption is wrong, 0 to 1.
        objects: the (fewest, most) objects that the scenes were sampled with, so that length betrays nothing.

    Returns:
        The captions and (batch,) which of them are wrong.

    Raises:
        ValueError: unknown language, rate outside 0 to 1.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}, expected a probability from 0 to 1: for 30 percent write 0.3")
    texts = captions(scenes, language, variant=variant)
    wrong = scenes.draws(f"noise {variant}").uniform("wrong") < rate
    others = _unrelated(scenes[wrong], variant, objects)
    for k, text in zip(np.flatnonzero(wrong), captions(others, language, variant=variant), strict=True):
        texts[k] = text
    return texts, wrong


def swapped_captions(
    scenes: Scenes, kind: str, language: str = "en", *, variant: int = 0
) -> tuple[list[str], list[str], Bool[np.ndarray, " batch"]]:
    """True captions and false ones of exactly the same words: what a bag of words cannot tell apart.

    Kind "relation" exchanges the first two objects ("A left of B" → "B left of A"); "binding" exchanges their
    colours ("red star … blue ring" → "blue star … red ring"). Compare Thrush et al. 2022 (Winoground) and
    Yuksekgonul et al. 2023.

    Returns:
        The true captions, the false ones, and (batch,) where the swap can be used: with two objects or more
        and, for "binding", where both attributes differ, the swapped text is false, and the split shows its
        pairs. Elsewhere the false caption is the true one.

    Raises:
        ValueError: unknown language or kind.
    """
    if kind not in ("relation", "binding"):
        raise ValueError(f'kind is {kind!r}, expected "relation" or "binding"')
    plan = _plan(scenes, variant)
    straight, crossed = np.array([0, 1, 2, 3]), np.array([1, 0, 2, 3])
    if kind == "relation":
        usable = plan.count >= 2
        order = np.where(usable[:, None], crossed, straight)
        false = _reordered(plan, order)
    else:
        usable = _binding_matters(plan, scenes)
        false = replace(plan, color=np.where(usable[:, None], plan.color[:, crossed], plan.color))
    return _say(plan, language), _say(false, language), usable


def _plan(scenes: Scenes, variant: int) -> _Plan:
    """Draw an order of mention and bring the objects into it."""
    bits = scenes.draws(f"caption {variant}").bits("order", (MAX_OBJECTS,))
    order = np.argsort(np.where(scenes.present, bits, np.uint64(2**64 - 1)), axis=1, kind="stable")
    batch, first, second = np.arange(len(scenes)), order[:, 0], order[:, 1]
    position, relation = cells(scenes)[batch, first], relations(scenes)[batch, first, second]
    return _reordered(_Plan(scenes.count, scenes.shape, scenes.color, scenes.size, position, relation), order)


def _reordered(plan: _Plan, order: Int64[np.ndarray, "batch 4"]) -> _Plan:
    """The same plan with other objects in the places of mention."""
    objects = {name: np.take_along_axis(getattr(plan, name), order, 1) for name in ("shape", "color", "size")}
    return replace(plan, **objects)


def _say(plan: _Plan, language: str) -> list[str]:
    """Put a plan into words."""
    check_language(language)
    patterns, names = _PATTERNS[language], OBJECTS[language]
    positions = [translate(words, language) for words in POSITIONS]
    sides = [translate(words, language) for words in RELATIONS]
    objects = (plan.size * len(SHAPES) + plan.shape) * len(COLORS) + plan.color
    rows = zip(*(part.tolist() for part in (plan.count, plan.position, plan.relation, objects)), strict=True)
    return [
        patterns[n - 1].format(positions[p], sides[r], names[a], names[b], names[c], names[d])
        for n, p, r, (a, b, c, d) in rows
    ]


def _binding_matters(plan: _Plan, scenes: Scenes) -> Bool[np.ndarray, " batch"]:
    """Where exchanging the first two colours gives a false sentence about pairs that this split shows."""
    differ = (plan.color[:, 0] != plan.color[:, 1]) & (plan.shape[:, 0] != plan.shape[:, 1])
    swapped = plan.shape[:, :2] * len(COLORS) + plan.color[:, 1::-1]
    there = ((swapped[:, :, None] == scenes.pair[:, None, :]) & scenes.present[:, None, :]).any(2)
    # A pair that never occurs would give the false sentence away without a look at the picture.
    occurs = np.isin(swapped, SEEN_PAIRS if scenes.split in ("train", "val", "test") else ALL_PAIRS)
    return (scenes.count >= 2) & differ & ~there.all(1) & occurs.all(1)


def _unrelated(scenes: Scenes, variant: int, objects: tuple[int, int]) -> Scenes:
    """For each scene another one of the split with an object (pair and size) that the first one lacks."""
    other = np.empty(len(scenes), np.int64)
    todo, attempt = np.arange(len(scenes)), 0
    while len(todo):
        here = scenes[todo]
        index = _ELSEWHERE + here.draws(f"noise {variant}").integers(f"other {attempt}", 2**31)
        there = sample_scenes(index, seed=scenes.seed, split=scenes.split, objects=objects)
        ours, theirs = (s.size * len(ALL_PAIRS) + s.pair for s in (here, there))
        shared = ((theirs[:, :, None] == ours[:, None, :]) & here.present[:, None, :]).any(2)
        false = (there.present & ~shared).any(1)
        other[todo[false]] = index[false]
        todo, attempt = todo[~false], attempt + 1
    return sample_scenes(other, seed=scenes.seed, split=scenes.split, objects=objects)
