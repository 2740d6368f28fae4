"""Captions are true of their scenes, the same in both languages, in any batch and on every machine."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from vlmlearn.world.captions import captions, noisy_captions, swapped_captions
from vlmlearn.world.scenes import Scenes, sample_scenes
from vlmlearn.world.shapes import COLORS, HELD_OUT_PAIRS, SHAPES, SIZES
from vlmlearn.world.tokenizer import Tokenizer
from vlmlearn.world.words import CHINESE, PAIRS, POSITIONS, RELATIONS

SCENES = sample_scenes(4000)
SPLITS = ("train", "val", "test", "compositional", "all")


def objects_of(scenes: Scenes, k: int) -> list[dict]:
    """The objects of scene k in words and coordinates."""
    columns = zip(scenes.shape[k], scenes.color[k], scenes.size[k], scenes.x[k], scenes.y[k], strict=True)
    things = [{"name": f"{SIZES[z]} {COLORS[c]} {SHAPES[s]}", "x": x, "y": y} for s, c, z, x, y in columns]
    return things[: scenes.count[k]]


def names_of(objects: list[dict]) -> list[str]:
    return sorted(thing["name"] for thing in objects)


def side(a: dict, b: dict) -> str:
    """How a lies to b, written out once more from the definition."""
    dx, dy = a["x"] - b["x"], a["y"] - b["y"]
    if abs(dx) >= abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


def holds(caption: str, objects: list[dict]) -> bool:
    """Whether an English caption is true and complete: every object named once, the first rightly placed."""
    if " at the " in caption:
        name, position = caption.removeprefix("a ").split(" at the ")
        cell = divmod(POSITIONS.index(position), 3)
        return names_of(objects) == [name] and (int(objects[0]["y"] * 3), int(objects[0]["x"] * 3)) == cell
    relation = next(r for r in RELATIONS if f" {r} a " in caption)
    names = caption.replace(f" {relation} a ", "|").replace(" and a ", "|").replace(", a ", "|")
    names = names.removeprefix("a ").split("|")
    by_name = {thing["name"]: thing for thing in objects}
    return sorted(names) == names_of(objects) and side(by_name[names[0]], by_name[names[1]]) == relation


def in_chinese(caption: str) -> str:
    """An English caption translated by its own small parser, as a second opinion."""

    def thing(name: str) -> str:
        size, color, shape = name.removeprefix("a ").split()
        return f"一个{CHINESE[color]}{CHINESE[size]}{CHINESE[shape]}"

    if " at the " in caption:
        name, position = caption.split(" at the ")
        return f"{thing(name)}在{CHINESE[position]}"
    relation = next(r for r in RELATIONS if f" {r} " in caption)
    first, rest = caption.split(f" {relation} ")
    second, *further = rest.replace(" and ", ", ").split(", ")
    more = f"，还有{'和'.join(map(thing, further))}" if further else ""
    return f"{thing(first)}在{thing(second)}的{CHINESE[relation]}{more}"


@pytest.mark.parametrize("split", SPLITS)
def test_every_caption_is_true_and_complete(split):
    scenes = sample_scenes(2000, split=split)
    for k, caption in enumerate(captions(scenes)):
        assert holds(caption, objects_of(scenes, k)), (caption, objects_of(scenes, k))


def test_the_languages_say_the_same():
    assert [in_chinese(text) for text in captions(SCENES)] == captions(SCENES, "zh")
    assert [in_chinese(text) for text in captions(SCENES, variant=3)] == captions(SCENES, "zh", variant=3)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_caption_is_the_same_alone_in_any_batch_and_in_any_order(language):
    def everything(scenes: Scenes) -> list[tuple]:
        noisy, wrong = noisy_captions(scenes, 0.5, language)
        relation, binding = (swapped_captions(scenes, kind, language) for kind in ("relation", "binding"))
        told = captions(scenes, language)
        return list(
            zip(told, noisy, wrong.tolist(), relation[1], binding[1], binding[2].tolist(), strict=True)
        )

    together = everything(SCENES[:60])
    assert everything(SCENES[:60][::-1]) == together[::-1]
    assert [everything(SCENES[k])[0] for k in range(60)] == together


def test_a_variant_is_another_order_of_mention():
    first, second = captions(SCENES), captions(SCENES, variant=1)
    many = SCENES.count >= 3
    assert np.mean([a != b for a, b in zip(first, second, strict=True)], where=many) > 0.8
    assert [a == b for a, b in zip(first, second, strict=True) if len(a.split()) == 7].count(False) == 0
    for k, caption in enumerate(second):
        assert holds(caption, objects_of(SCENES, k))


def test_every_position_and_every_relation_is_said():
    texts = captions(SCENES)
    for position in POSITIONS:
        assert any(text.endswith(f" at the {position}") for text in texts)
    for relation in RELATIONS:
        share = np.mean([f" {relation} " in text for text in texts])
        assert 0.15 < share < 0.23


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_noise_has_the_wanted_rate_and_is_false(rate):
    texts, wrong = noisy_captions(SCENES, rate)
    assert wrong.mean() == pytest.approx(rate, abs=0.02)
    for k, (text, clean) in enumerate(zip(texts, captions(SCENES), strict=True)):
        assert text != clean if wrong[k] else text == clean
        assert holds(text, objects_of(SCENES, k)) != wrong[k]


def test_noise_grows_with_the_rate_and_is_parallel():
    little, much = (noisy_captions(SCENES, rate)[1] for rate in (0.1, 0.4))
    assert (much >= little).all()
    english, wrong = noisy_captions(SCENES, 0.4)
    chinese, same = noisy_captions(SCENES, 0.4, "zh")
    assert [in_chinese(text) for text in english] == chinese
    assert (wrong == same).all()


def test_noise_stays_in_the_split_and_keeps_the_number_of_objects():
    texts, wrong = noisy_captions(sample_scenes(1000, objects=(2, 2)), 1.0, objects=(2, 2))
    assert wrong.all()
    assert all(len(text.split()) in (9, 10) for text in texts)
    never = {PAIRS[pair] for pair in HELD_OUT_PAIRS}
    assert not any(pair in text for text in texts for pair in never)
    strange, _ = noisy_captions(sample_scenes(200, split="compositional"), 1.0)
    assert all(any(pair in text for pair in never) for text in strange)


@pytest.mark.parametrize("kind", ["relation", "binding"])
@pytest.mark.parametrize("split", ["test", "compositional"])
def test_swapped_captions_are_false_with_the_same_words(kind, split):
    scenes, words = sample_scenes(3000, split=split), Tokenizer().tokens
    true, false, usable = swapped_captions(scenes, kind)
    assert true == captions(scenes)
    assert usable.mean() > 0.25
    for k in range(len(scenes)):
        if usable[k]:
            assert Counter(words(true[k])) == Counter(words(false[k]))
            assert not holds(false[k], objects_of(scenes, k)), (true[k], false[k])
        else:
            assert false[k] == true[k]
    assert [in_chinese(text) for text in false] == swapped_captions(scenes, kind, "zh")[1]


def test_swapped_chinese_captions_have_the_same_words_too():
    words = Tokenizer().tokens
    for kind in ("relation", "binding"):
        true, false, _ = swapped_captions(SCENES, kind, "zh")
        assert all(Counter(words(a)) == Counter(words(b)) for a, b in zip(true, false, strict=True))


def test_a_swapped_binding_names_only_pairs_of_its_split_and_is_false_as_a_whole():
    _, false, usable = swapped_captions(SCENES, "binding")
    never = {PAIRS[pair] for pair in HELD_OUT_PAIRS}
    assert not any(pair in text for text in false for pair in never)
    for k in np.flatnonzero(usable):
        first, second = false[k].replace(" and ", ", ").split(", ")[0].removeprefix("a ").split(" a ")
        first = next(first.removesuffix(f" {r}") for r in RELATIONS if first.endswith(r))
        names = [thing["name"].split(" ", 1)[1] for thing in objects_of(SCENES, k)]
        assert not {first.split(" ", 1)[1], second.split(" ", 1)[1]} <= set(names)


def test_no_scenes_no_captions():
    nothing = sample_scenes(0)
    assert captions(nothing) == []
    assert noisy_captions(nothing, 0.5)[0] == []
    assert swapped_captions(nothing, "binding")[0] == []


@pytest.mark.parametrize(("language", "digest"), [("en", "1bec4853496073f8"), ("zh", "1b34e7f656726dc2")])
def test_captions_stay_the_same_on_every_machine(language, digest):
    text = "\n".join(captions(sample_scenes(1000), language))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


@pytest.mark.bad_input
class TestBadInput:
    def test_language(self):
        with pytest.raises(ValueError, match=r"language is 'fr', expected \"en\""):
            captions(SCENES, "fr")

    @pytest.mark.parametrize("rate", [-0.1, 30, float("nan")])
    def test_rate(self, rate):
        with pytest.raises(ValueError, match=f"rate is {rate}, expected a probability from 0 to 1"):
            noisy_captions(SCENES, rate)

    def test_kind(self):
        with pytest.raises(ValueError, match=r"kind is 'color', expected \"relation\" or \"binding\""):
            swapped_captions(SCENES, "color")
