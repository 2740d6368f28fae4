"""A referring expression fits its target and nothing else, in both languages."""

import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from vlmlearn.world.referring import KINDS, Reference, referring
from vlmlearn.world.scenes import Scenes, sample_scenes
from vlmlearn.world.shapes import COLORS, SHAPES
from vlmlearn.world.words import CHINESE

SCENES = sample_scenes(8000, seed=2)
SIDES = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}
EXTREMES = {"leftmost": ("x", 1), "rightmost": ("x", -1), "topmost": ("y", 1), "lowest": ("y", -1)}


def fitting(text: str, scenes: Scenes, k: int) -> list[int]:
    """All objects of scene k that an English expression fits."""
    n = scenes.count[k]
    x, y = scenes.x[k, :n], scenes.y[k, :n]
    names = [
        f"{COLORS[c]} {SHAPES[s]}" for c, s in zip(scenes.color[k, :n], scenes.shape[k, :n], strict=True)
    ]
    if match := re.fullmatch(r"the object (left of|right of|above|below) the (\w+ \w+)", text):
        right, down = SIDES[match[1]]
        landmark = names.index(match[2])
        dx, dy = x - x[landmark], y - y[landmark]
        far = np.where(np.abs(dx) >= np.abs(dy), dx * right, dy * down)
        return np.flatnonzero(far > 0).tolist()
    if match := re.fullmatch(r"the (\w+most|lowest) object", text):
        axis, sign = EXTREMES[match[1]]
        places = sign * (x if axis == "x" else y)
        return np.flatnonzero(places <= places.min() + 1 / 64).tolist()
    words = text.removeprefix("the ").removesuffix(" object").split()
    return [i for i, name in enumerate(names) if set(words) <= set(name.split())]


def in_chinese(text: str) -> str:
    if match := re.fullmatch(r"the object (left of|right of|above|below) the (\w+ \w+)", text):
        return f"{CHINESE[match[2]]}{CHINESE[match[1]]}的物体"
    words = text.removeprefix("the ")
    if words.endswith(" object"):
        word = words.removesuffix(" object")
        return f"{CHINESE[word]}{'的' if word in EXTREMES else ''}物体"
    return CHINESE[words]


@pytest.mark.parametrize("split", ["train", "compositional", "all"])
@pytest.mark.parametrize("variant", [0, 5])
def test_exactly_one_object_fits(split, variant):
    scenes = sample_scenes(3000, split=split)
    for k, reference in enumerate(referring(scenes, variant=variant)):
        assert fitting(reference.text, scenes, k) == [reference.target], (reference, k)


def test_the_languages_mean_the_same():
    for english, chinese in zip(referring(SCENES), referring(SCENES, "zh"), strict=True):
        assert chinese == Reference(in_chinese(english.text), english.target, english.kind)


def test_a_reference_is_the_same_alone_in_any_batch_and_in_any_order():
    together = referring(SCENES[:80])
    assert referring(SCENES[:80][::-1]) == together[::-1]
    assert [referring(SCENES[k])[0] for k in range(80)] == together


def test_every_kind_occurs_often():
    several = [r.kind for r, n in zip(referring(SCENES), SCENES.count, strict=True) if n > 1]
    assert min(several.count(kind) for kind in KINDS) / len(several) > 0.15
    single = Counter(r.kind for r, n in zip(referring(SCENES), SCENES.count, strict=True) if n == 1)
    assert set(single) == {"shape", "color", "pair"}


def test_every_slot_is_meant():
    references = referring(sample_scenes(4000, objects=(4, 4)))
    assert [sum(r.target == slot for r in references) / 4000 for slot in range(4)] == pytest.approx(
        [0.25] * 4, abs=0.07
    )


def test_no_scenes_no_references():
    assert referring(sample_scenes(0)) == []


@pytest.mark.parametrize(("language", "digest"), [("en", "f035c1e472a3de3d"), ("zh", "5b04499536751b95")])
def test_references_stay_the_same_on_every_machine(language, digest):
    text = "\n".join(f"{r.text} {r.target}" for r in referring(sample_scenes(1000), language))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


@pytest.mark.bad_input
def test_unknown_language():
    with pytest.raises(ValueError, match="language is 'fr', expected \"en\""):
        referring(SCENES[:2], "fr")
