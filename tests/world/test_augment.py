"""Random augmentation is a pure function of seed and index, keeps labels true, and fits its task."""

from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.world import Augmentation, augment, captions, keypoints, labelled_pictures, sample_scenes
from vlmlearn.world.augment import TASKS
from vlmlearn.world.labelled import Labelled
from vlmlearn.world.shapes import HELD_OUT_PAIRS

DEEP = labelled_pictures(sample_scenes(80))
PICTURES = DEEP.drop("depth")
ALL = Augmentation(mirror=0.5, rotate=0.5, shift=0.2, zoom=1.3, channels=0.7, brightness=0.2, noise=5.0)


def assert_same(one: Labelled, other: Labelled) -> None:
    for field in fields(Labelled):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "scenes":
            assert (a is None) == (b is None)
            if a is not None:
                assert captions(a) == captions(b)
        else:
            np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_nothing_is_the_default():
    assert_same(augment(DEEP, Augmentation()), DEEP)
    assert len(augment(PICTURES[:0], ALL)) == 0


@pytest.mark.parametrize("words", [True, False])
def test_the_same_seed_alone_in_any_batch_and_in_any_order(words):
    pictures = PICTURES if words else PICTURES.drop("words")
    together = augment(pictures, ALL, seed=5)
    assert_same(augment(pictures, ALL, seed=5), together)
    assert_same(augment(pictures[::-1], ALL, seed=5), together[::-1])
    for k in (0, 17, 79):
        assert_same(augment(pictures[[k]], ALL, seed=5), together[[k]])


def test_another_seed_is_another_change():
    one, other = augment(PICTURES, ALL, seed=1), augment(PICTURES, ALL, seed=2)
    assert np.mean([(a != b).any() for a, b in zip(one.images, other.images, strict=True)]) > 0.95


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**40), st.booleans())
def test_labels_stay_true_whatever_is_drawn(seed, words):
    moved = augment(PICTURES if words else PICTURES.drop("words"), ALL, seed=seed)
    np.testing.assert_array_equal(moved.shape, PICTURES.shape)  # no object leaves
    assert (moved.visible >= 0.5 * PICTURES.visible).all()
    for picture, slot in np.argwhere(moved.present):
        rows, columns = np.nonzero(moved.instances[picture] == slot + 1)
        x0, y0, x1, y1 = moved.boxes[picture, slot]
        assert x0 <= columns.min() and columns.max() < x1 and y0 <= rows.min() and rows.max() < y1
        if moved.visible[picture, slot] == 1:
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.abs(tight - moved.boxes[picture, slot]).max() <= 2
    if words:
        np.testing.assert_allclose(moved.keypoints, keypoints(moved.scenes), atol=1e-3)
        np.testing.assert_array_equal(np.where(moved.scenes.present, moved.scenes.shape, -1), moved.shape)
        assert not np.isin(moved.scenes.pair[moved.scenes.present], HELD_OUT_PAIRS).any()


def test_everything_happens_about_as_often_as_asked():
    many = labelled_pictures(sample_scenes(400)).drop("depth", "words")
    mirrored = augment(many, Augmentation(mirror=0.3))
    assert np.mean(
        [(a != b).any() for a, b in zip(mirrored.images, many.images, strict=True)]
    ) == pytest.approx(0.3, abs=0.08)
    turned = augment(many, Augmentation(rotate=0.6))
    assert np.mean(
        [(a != b).any() for a, b in zip(turned.images, many.images, strict=True)]
    ) == pytest.approx(0.6, abs=0.08)
    recolored = augment(many, Augmentation(channels=0.5))
    orders = [
        next(o for o in permutations(range(3)) if (old[list(o)] == new).all())
        for old, new in zip(many.images, recolored.images, strict=True)
    ]
    assert orders.count((0, 1, 2)) / 400 == pytest.approx(0.5, abs=0.08)
    assert all(orders.count(order) > 20 for order in set(orders)) and len(set(orders)) == 6


def test_words_let_only_nameable_colours_change():
    moved = augment(PICTURES, Augmentation(channels=1.0))
    changed = np.array([(a != b).any() for a, b in zip(moved.images, PICTURES.images, strict=True)])
    orange = ((PICTURES.scenes.color == 1) & PICTURES.scenes.present).any(1)
    assert not changed[orange].any() and 0.5 < changed.mean() < 0.9
    shown = augment(PICTURES, Augmentation(channels=1.0, show_held_out=True))
    assert np.isin(shown.scenes.pair[shown.scenes.present], HELD_OUT_PAIRS).any()


def test_depth_bears_the_mirror_the_colours_and_the_light():
    moved = augment(DEEP, "depth_estimation", seed=3)
    rows = moved.depth.reshape(len(moved), -1)
    assert moved.depth is not None and (np.sort(rows) == np.sort(DEEP.depth.reshape(len(moved), -1))).all()
    for how in (
        Augmentation(rotate=0.01),
        Augmentation(shift=0.1),
        Augmentation(zoom=1.1),
        Augmentation.for_task("detection"),
    ):
        with pytest.raises(
            ValueError, match=r"a picture with depth cannot be turned, shifted or scaled.*drop\('depth'\)"
        ):
            augment(DEEP, how)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_its_changes(task):
    pictures = DEEP if task == "depth_estimation" else PICTURES
    moved = augment(pictures, task, seed=1)
    assert_same(moved, augment(pictures, Augmentation.for_task(task), seed=1))
    assert (moved.images != pictures.images).any()


@pytest.mark.bad_input
class TestBadInput:
    def test_an_unknown_task_offers_the_nearest(self):
        with pytest.raises(ValueError, match=r"unknown task 'detecton', .* did you mean 'detection'\?"):
            augment(PICTURES, "detecton")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("mirror", 1.5),
            ("rotate", -0.1),
            ("shift", 0.6),
            ("zoom", 0.8),
            ("brightness", 1.0),
            ("noise", -1.0),
        ],
    )
    def test_out_of_range(self, name, value):
        with pytest.raises(ValueError, match=f"{name} is {value}, expected a number from"):
            Augmentation(**{name: value})
        with pytest.raises(ValueError, match=f"{name} is nan"):
            replace(ALL, **{name: float("nan")})

    def test_seed(self):
        with pytest.raises(ValueError, match="seed is -1, expected a whole number"):
            augment(PICTURES, ALL, seed=-1)
