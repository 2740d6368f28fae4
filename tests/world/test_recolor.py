"""Permuted channels: a colour keeps a name only if the world would call the pixels by it."""

from dataclasses import replace

import numpy as np
import pytest

from vlmlearn.world import (
    add_noise,
    admits_order,
    brighten,
    captions,
    labelled_pictures,
    permute_channels,
    permuted_colors,
    sample_scenes,
)
from vlmlearn.world.random import Draws
from vlmlearn.world.recolor import ORDERS
from vlmlearn.world.shapes import COLORS, HELD_OUT_PAIRS, RGB

SCENES = sample_scenes(400)
PICTURES = labelled_pictures(SCENES)
SWAP = (1, 0, 2)  # red and green exchanged


def names(order: tuple[int, ...]) -> list[str | None]:
    return [None if color is None else COLORS[color] for color in permuted_colors(order)]


def seen_colors(count: int) -> np.ndarray:
    """(8, count, 3): every colour in the tints and the light that the world draws."""
    draws = Draws(0, "test", np.arange(count))
    tint = np.clip(RGB + draws.bell("tint", (8, 3), 0.035), 0, 1) * draws.uniform("light", (8, 1), 0.85, 1.05)
    return tint.swapaxes(0, 1)


def nearest(tints: np.ndarray) -> np.ndarray:
    """The named colour nearest to each tint, in whatever light."""
    light = np.linspace(0.85, 1.05, 9)[:, None, None]
    return np.linalg.norm(tints[..., None, None, :] - light * RGB, axis=-1).min(-2).argmin(-1)


def test_names_by_hand():
    assert names(SWAP) == ["green", None, "yellow", "red", "purple", "blue", "cyan", "white"]
    assert names((2, 1, 0)) == ["blue", None, "cyan", "green", "yellow", None, None, "white"]  # red and blue
    assert names((0, 1, 2)) == list(COLORS)
    assert names((0, 2, 1)) == ["red", None, None, "blue", "cyan", "green", None, "white"]  # green and blue


@pytest.mark.parametrize("order", ORDERS)
def test_no_two_colours_become_one(order):
    kept = [name for name in names(order) if name]
    assert len(set(kept)) == len(kept) and "white" in kept


def test_a_name_is_refused_where_the_pixels_would_often_bear_another():
    """Blue becomes a red that one tint in twelve makes an orange, orange an azure."""
    tints = seen_colors(1000)[..., [2, 1, 0]]
    for color in ("blue", "orange"):
        named = np.bincount(nearest(tints[COLORS.index(color)]), minlength=8)
        assert named.max() < 950 and names((2, 1, 0))[COLORS.index(color)] is None


@pytest.mark.parametrize("order", ORDERS)
def test_a_name_is_given_where_the_pixels_bear_it(order):
    tints = seen_colors(300)[..., list(order)]
    for color, name in enumerate(permuted_colors(order)):
        if name is not None:
            assert (nearest(tints[color]) == name).mean() > 0.98, (order, COLORS[color])


def test_pixels_and_words_change_and_all_other_labels_stay():
    which = admits_order(SCENES, SWAP)
    assert 0.4 < which.mean() < 0.8
    changed = permute_channels(PICTURES, SWAP, which)
    np.testing.assert_array_equal(changed.images[which], PICTURES.images[which][:, [1, 0, 2]])
    np.testing.assert_array_equal(changed.images[~which], PICTURES.images[~which])
    for name in ("instances", "boxes", "keypoints", "depth", "shape", "semantic", "visible"):
        np.testing.assert_array_equal(getattr(changed, name), getattr(PICTURES, name))
    told, before = changed.captions(), captions(SCENES)
    assert all(a == b for a, b, moved in zip(told, before, which, strict=True) if not moved)
    assert np.mean([a != b for a, b, moved in zip(told, before, which, strict=True) if moved]) > 0.5


def test_the_pixels_of_an_object_bear_its_new_name():
    """In the pictures themselves, where haze is thin: the middle of the object's pixels."""
    which = admits_order(SCENES, SWAP)
    changed = permute_channels(PICTURES[which], SWAP)
    near = (changed.depth < 3.2)[:, None]
    right = total = 0
    for picture, slot in np.argwhere(changed.present):
        mask = (changed.instances[picture] == slot + 1) & near[picture, 0]
        if mask.sum() > 30:
            middle = np.median(changed.images[picture][:, mask], axis=1) / 255
            right += nearest(middle) == changed.scenes.color[picture, slot]
            total += 1
    assert total > 60 and right / total > 0.97


def test_there_and_back_is_as_before():
    pictures = PICTURES[admits_order(SCENES, SWAP)]
    again = permute_channels(permute_channels(pictures, SWAP), SWAP)
    np.testing.assert_array_equal(again.images, pictures.images)
    assert again.captions("zh") == pictures.captions("zh")


@pytest.mark.parametrize("order", ORDERS)
def test_never_seen_pairs_stay_unseen_unless_one_says_so(order):
    which = admits_order(SCENES, order)
    kept = permute_channels(PICTURES[which], order)
    assert not np.isin(kept.scenes.pair[kept.scenes.present], HELD_OUT_PAIRS).any()
    more = admits_order(SCENES, order, show_held_out=True)
    assert (more >= which).all() and more.sum() > which.sum()
    shown = permute_channels(PICTURES[more], order, show_held_out=True)
    assert np.isin(shown.scenes.pair[shown.scenes.present], HELD_OUT_PAIRS).any()
    with pytest.raises(ValueError, match="do not admit the order"):
        permute_channels(PICTURES[more], order)


def test_a_split_that_shows_all_pairs_has_nothing_to_keep():
    scenes = sample_scenes(200, split="all")
    np.testing.assert_array_equal(admits_order(scenes, SWAP), admits_order(scenes, SWAP, show_held_out=True))


def test_without_words_every_picture_is_permuted():
    bare = PICTURES.drop("words")
    np.testing.assert_array_equal(permute_channels(bare, (1, 2, 0)).images, PICTURES.images[:, [1, 2, 0]])
    with pytest.raises(ValueError, match=r"orange would have no name, .* drop\('words'\)"):
        permute_channels(PICTURES, SWAP)


def test_brightness():
    np.testing.assert_array_equal(brighten(PICTURES, 1).images, PICTURES.images)
    np.testing.assert_array_equal(
        brighten(PICTURES, 2).images, np.minimum(PICTURES.images.astype(int) * 2, 255)
    )
    factors = np.linspace(0.5, 1.5, len(PICTURES))
    images = brighten(PICTURES, factors).images
    np.testing.assert_array_equal(images[7], brighten(PICTURES[[7]], float(factors[7])).images[0])
    assert brighten(PICTURES, factors).captions() == PICTURES.captions()


def test_noise_has_its_deviation_and_its_seed():
    grey = replace(PICTURES, images=np.full_like(PICTURES.images, 128))
    noisy = add_noise(grey, 8.0, seed=3).images.astype(float) - 128
    assert abs(noisy.mean()) < 0.05 and noisy.std() == pytest.approx(8, rel=0.02)
    np.testing.assert_array_equal(add_noise(grey[[5]], 8.0, seed=3).images[0], noisy[5] + 128)
    assert (add_noise(grey, 8.0, seed=4).images[0] != noisy[0] + 128).mean() > 0.8
    np.testing.assert_array_equal(add_noise(PICTURES, 0).images, PICTURES.images)


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("order", [(0, 1), (0, 1, 1), (1, 2, 3)])
    def test_order(self, order):
        with pytest.raises(ValueError, match="expected 0, 1 and 2 in some order"):
            permute_channels(PICTURES, order)

    @pytest.mark.parametrize("factor", [0, -1.0])
    def test_factor(self, factor):
        with pytest.raises(ValueError, match="expected a number above 0, such as"):
            brighten(PICTURES, factor)

    def test_deviation(self):
        with pytest.raises(ValueError, match="deviation is -1, expected grey levels from 0 on"):
            add_noise(PICTURES, -1)
        with pytest.raises(ValueError, match="expected a finite number, or 400 of them"):
            add_noise(PICTURES, np.ones(3))

    def test_seed(self):
        with pytest.raises(ValueError, match="seed is -1, expected a whole number"):
            add_noise(PICTURES, 1, seed=-1)
