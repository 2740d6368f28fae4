"""Mirrored and turned pictures keep labels that are true of their pixels, and words that are true of both."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.world import Tokenizer, keypoints, labelled_pictures, mirror, render, rotate, sample_scenes
from vlmlearn.world.facts import FACTS, Fact
from vlmlearn.world.labelled import Labelled
from vlmlearn.world.relations import cells
from vlmlearn.world.shapes import COLORS, SHAPES, SIZES
from vlmlearn.world.views import views
from vlmlearn.world.words import CHINESE, PAIRS, POSITIONS, RELATIONS, YES

PICTURES = labelled_pictures(sample_scenes(300, split="all"))
FLAT = PICTURES.drop("depth")


def mask_boxes(pictures: Labelled) -> np.ndarray:
    """The smallest box around the pixels of each slot; 0 where there are none."""
    boxes = np.zeros((len(pictures), 4, 4), np.float32)
    for picture, slot in np.argwhere(pictures.present):
        rows, columns = np.nonzero(pictures.instances[picture] == slot + 1)
        if rows.size:
            boxes[picture, slot] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return boxes


def true_beginnings(scenes, k: int, view, language: str) -> list[str]:
    """Every way a true caption of scene k can begin, from what the fact checker says about its sides."""

    def thing(i: int) -> str:
        size, color, shape = view.sizes[i], view.colors[i], view.shapes[i]
        if language == "en":
            return f"a {size} {color} {shape}"
        return f"一个{CHINESE[color]}{CHINESE[size]}{CHINESE[shape]}"

    if len(view.pairs) == 1:
        place = POSITIONS[cells(scenes)[k, 0]]
        return [f"{thing(0)} at the {place}" if language == "en" else f"{thing(0)}在{CHINESE[place]}"]
    beginnings = []
    for fact in FACTS["compare"](view, frozenset(PAIRS)):
        if fact.pattern == "side" and fact.answer == YES:
            first, side, second = fact.words
            a, b = thing(view.pairs.index(first)), thing(view.pairs.index(second))
            beginnings.append(f"{a} {side} {b}" if language == "en" else f"{a}在{b}的{CHINESE[side]}")
    return beginnings


def assert_words_are_true(pictures: Labelled) -> None:
    for language in ("en", "zh"):
        told = pictures.captions(language)
        for k, (text, view) in enumerate(zip(told, views(pictures.scenes), strict=True)):
            assert text.startswith(tuple(true_beginnings(pictures.scenes, k, view, language))), text


def assert_scenes_are_in_the_pixels(pictures: Labelled) -> None:
    """Drawing the moved scene gives the moved masks, but for pixels on the outlines."""
    drawn = render(pictures.scenes, pictures.side).instances
    assert (drawn == pictures.instances).mean() > 0.995


def assert_same(one: Labelled, other: Labelled) -> None:
    for field in fields(Labelled):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "scenes":
            for name in ("count", "shape", "color", "size", "turn"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
            # One minus x, twice, rounds in the last place.
            np.testing.assert_allclose(np.stack([a.x, a.y]), np.stack([b.x, b.y]), atol=1e-7)
        elif field.name == "keypoints":
            np.testing.assert_allclose(a, b, atol=1e-5)
        elif b is None:
            assert a is None
        else:
            np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_the_mirror_by_hand():
    mirrored = mirror(PICTURES)
    np.testing.assert_array_equal(mirrored.images, PICTURES.images[..., ::-1])
    np.testing.assert_array_equal(mirrored.depth, PICTURES.depth[..., ::-1])
    np.testing.assert_array_equal(mirrored.semantic, PICTURES.semantic[..., ::-1])
    apex, right, left = np.moveaxis(PICTURES.keypoints, 2, 0)
    np.testing.assert_allclose(mirrored.keypoints[:, :, 0, 0], 64 - apex[..., 0], atol=1e-5)
    np.testing.assert_allclose(mirrored.keypoints[:, :, 1, 0], 64 - left[..., 0], atol=1e-5)
    np.testing.assert_allclose(mirrored.keypoints[:, :, 2, 1], right[..., 1], atol=1e-5)
    assert not mirrored.boxes[~mirrored.present].any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_twice_in_the_mirror_and_four_quarter_turns_are_as_before(seed):
    which = np.random.default_rng(seed).random(len(PICTURES)) < 0.5
    assert_same(mirror(mirror(PICTURES, which), which), PICTURES)
    quarters = np.random.default_rng(seed).integers(-3, 8, len(FLAT))
    assert_same(rotate(rotate(FLAT, quarters), -quarters), FLAT)
    assert_same(rotate(FLAT, 4), FLAT)


def test_only_the_chosen_pictures_change():
    which = np.arange(len(PICTURES)) % 3 == 0
    some, whole = mirror(PICTURES, which), mirror(PICTURES)
    assert_same(some[which], whole[which])
    assert_same(some[~which], PICTURES[~which])


@pytest.mark.parametrize("move", [mirror, *(lambda p, n=n: rotate(p, n) for n in (1, 2, 3))])
class TestEveryMove:
    def test_boxes_are_those_of_the_moved_masks(self, move):
        visible = replace(FLAT, boxes=mask_boxes(FLAT))
        moved = move(visible)
        np.testing.assert_array_equal(moved.boxes, mask_boxes(moved))
        # The world's own boxes, hidden parts included, are the masks' where nothing is hidden.
        moved, whole = move(FLAT), (FLAT.visible == 1)[..., None]
        np.testing.assert_array_equal(moved.boxes * whole, mask_boxes(moved) * whole)

    def test_keypoints_stay_on_their_corners(self, move):
        moved = move(FLAT)
        np.testing.assert_allclose(moved.keypoints, keypoints(moved.scenes), atol=1e-3)
        found = 0
        for picture, slot in np.argwhere((moved.shape == SHAPES.index("triangle")) & (moved.visible == 1)):
            x, y = moved.keypoints[picture, slot].mean(0).astype(int)
            assert moved.instances[picture, y, x] == slot + 1
            found += 1
        assert found > 50

    def test_scenes_say_what_the_pixels_show(self, move):
        assert_scenes_are_in_the_pixels(move(FLAT))

    def test_captions_are_true(self, move):
        assert_words_are_true(move(FLAT))

    def test_sides_by_the_boxes_are_the_sides_of_the_words(self, move):
        """Without a look at the scenes: where two boxes lie clearly, the facts say the same."""
        moved, checked = move(FLAT), 0
        middle = (moved.boxes[..., :2] + moved.boxes[..., 2:]) / 2
        for k, view in enumerate(views(moved.scenes)):
            facts = FACTS["compare"](view, frozenset(PAIRS))
            for i in range(len(view.pairs)):
                for j in range(len(view.pairs)):
                    dx, dy = middle[k, i] - middle[k, j]
                    if i == j or abs(abs(dx) - abs(dy)) < 6 or max(abs(dx), abs(dy)) < 6:
                        continue
                    side = RELATIONS[int(dx > 0) if abs(dx) > abs(dy) else 2 + int(dy > 0)]
                    assert Fact("side", (view.pairs[i], side, view.pairs[j]), YES, "side") in facts
                    checked += 1
        assert checked > 500


def test_the_checker_of_words_finds_a_false_one():
    wrong = replace(PICTURES, scenes=replace(PICTURES.scenes, x=1 - PICTURES.scenes.x))
    for language in ("en", "zh"):
        false = 0
        for k, (text, view) in enumerate(zip(wrong.captions(language), views(PICTURES.scenes), strict=True)):
            false += not text.startswith(tuple(true_beginnings(PICTURES.scenes, k, view, language)))
        assert false > 100


def test_captions_are_made_of_words_of_the_world():
    words = Tokenizer()
    for text in mirror(PICTURES).captions() + rotate(FLAT).captions("zh"):
        assert words.decode(words.encode([text], 32)) == [text]
    assert {view.sizes[0] for view in views(FLAT.scenes)} == set(SIZES) and len(COLORS) == 8


def test_depth_follows_the_mirror_and_refuses_to_be_turned():
    assert mirror(PICTURES).depth is not None
    assert_same(rotate(PICTURES, 4), PICTURES)
    with pytest.raises(ValueError, match=r"with depth cannot be turned: the ground .*drop\('depth'\)"):
        rotate(PICTURES, (np.arange(len(PICTURES)) == 7).astype(int))


def test_no_pictures():
    assert len(mirror(PICTURES[:0])) == len(rotate(FLAT[:0])) == 0


@pytest.mark.bad_input
@pytest.mark.parametrize("which", [np.ones(3, bool), np.ones(300)])
def test_which_is_one_truth_a_picture(which):
    with pytest.raises(ValueError, match=r"expected bool \(300,\): one a picture"):
        mirror(PICTURES, which)
