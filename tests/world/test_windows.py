"""What is seen through a window is labelled as it is seen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.world import captions, crop, fits_words, keypoints, labelled_pictures, sample_scenes
from vlmlearn.world.labelled import Labelled
from vlmlearn.world.shapes import SHAPES
from vlmlearn.world.windows import LARGE, PADDING

TRIANGLE = SHAPES.index("triangle")
WORDY = labelled_pictures(sample_scenes(120)).drop("depth")
PICTURES = WORDY.drop("words")


def mask_boxes(pictures: Labelled) -> np.ndarray:
    boxes = np.zeros((len(pictures), 4, 4), np.float32)
    for picture, slot in np.argwhere(pictures.present):
        rows, columns = np.nonzero(pictures.instances[picture] == slot + 1)
        boxes[picture, slot] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return boxes


WINDOW = st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(16, 130))


def with_mask_boxes() -> Labelled:
    """All boxes tight around what is seen, and all of that called visible: what is cut off then tells itself."""
    return replace(PICTURES, boxes=mask_boxes(PICTURES), visible=PICTURES.present.astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(WINDOW)
def test_boxes_are_those_of_the_moved_masks_to_the_pixel(window):
    """Exactly so where nothing is cut off; shrinking may skip a row that a thin tip is in."""
    seen = crop(with_mask_boxes(), *window)
    tight, whole = mask_boxes(seen), seen.visible == 1
    off = np.abs(seen.boxes - tight)[whole]
    assert not off.any() if window[2] <= 64 else off.max(initial=0) <= 2
    assert not seen.boxes[~seen.present].any()


@settings(max_examples=40, deadline=None)
@given(WINDOW)
def test_the_box_of_a_cut_object_is_the_part_of_its_box_that_is_seen(window):
    """As the world's own at the border of a picture: it holds all that is seen, and may be larger than that."""
    seen = crop(with_mask_boxes(), *window)
    tight = mask_boxes(seen)
    assert (seen.boxes[..., :2] <= tight[..., :2]).all() and (seen.boxes[..., 2:] >= tight[..., 2:]).all()
    assert (seen.boxes >= 0).all() and (seen.boxes <= 64).all()


@settings(max_examples=40, deadline=None)
@given(WINDOW)
def test_slots_are_filled_from_the_first_on_and_hold_what_is_seen(window):
    seen = crop(PICTURES, *window)
    count = seen.present.sum(1)
    np.testing.assert_array_equal(seen.present, np.arange(4) < count[:, None])
    for k in range(len(seen)):
        there = np.unique(seen.instances[k])
        np.testing.assert_array_equal(there[there > 0], np.arange(count[k]) + 1)
    # The semantic mask is the old one as a picture, seen through the same window.
    old = replace(PICTURES, images=np.repeat(PICTURES.semantic[:, None], 3, 1))
    classes = crop(old, *window, padding=0).images[:, 0]
    np.testing.assert_array_equal(seen.semantic, classes)


@settings(max_examples=30, deadline=None)
@given(st.integers(-60, 60), st.integers(-60, 60))
def test_a_shift_by_whole_pixels(dx, dy):
    seen = crop(PICTURES, -dx, -dy, 64)
    wide = np.full((len(PICTURES), 3, 192, 192), PADDING, np.uint8)
    wide[..., 64:128, 64:128] = PICTURES.images
    np.testing.assert_array_equal(seen.images, wide[..., 64 - dy : 128 - dy, 64 - dx : 128 - dx])
    for k in range(len(PICTURES)):
        old, new = (pictures.keypoints[k][pictures.shape[k] == TRIANGLE] for pictures in (PICTURES, seen))
        moved = old + np.array([dx, dy])
        assert all(np.isclose(moved, points, atol=1e-3).all((1, 2)).any() for points in new)


def test_shrunk_to_half_everything_is_in_the_middle():
    seen = crop(PICTURES, -32, -32, 128)
    np.testing.assert_allclose(seen.keypoints, PICTURES.keypoints / 2 + 16, atol=1e-4)
    assert np.abs(seen.boxes - (PICTURES.boxes / 2 + 16))[seen.present].max() <= 0.5
    assert (seen.images[..., :16, :] == PADDING).all() and (seen.visible == PICTURES.visible).all()


def test_magnified_twice_every_pixel_is_four():
    seen = crop(PICTURES, 16, 16, 32)
    inner = PICTURES.images[..., 16:48, 16:48]
    np.testing.assert_array_equal(seen.images, inner.repeat(2, -1).repeat(2, -2))


def test_what_is_cut_off_is_less_visible():
    seen = crop(PICTURES, 20, 0, 64)
    for k in range(len(PICTURES)):
        pixels = [(PICTURES.instances[k] == slot + 1).sum() for slot in range(4)]
        left = [(PICTURES.instances[k][:, 20:] == slot + 1).sum() for slot in range(4)]
        kept = [slot for slot in range(4) if left[slot]]
        expected = [PICTURES.visible[k, slot] * left[slot] / pixels[slot] for slot in kept]
        np.testing.assert_allclose(seen.visible[k, : len(kept)], expected, rtol=1e-5)
        assert seen.shape[k, : len(kept)].tolist() == PICTURES.shape[k, kept].tolist()


@settings(max_examples=25, deadline=None)
@given(st.floats(-4, 8), st.floats(-4, 8), st.floats(58, 70))
def test_words_go_with_their_objects(left, top, extent):
    suits = fits_words(WORDY, extent)
    pictures = WORDY[suits]
    seen = crop(pictures, left, top, extent)
    scenes = seen.scenes
    np.testing.assert_array_equal(np.where(scenes.present, scenes.shape, -1), seen.shape)
    np.testing.assert_allclose(keypoints(scenes), seen.keypoints, atol=1e-3)
    assert seen.captions("zh") == captions(scenes, "zh")
    looks_large = scenes.radius > LARGE
    np.testing.assert_array_equal(looks_large[scenes.present], scenes.size[scenes.present] == 1)
    triangle = (seen.shape == TRIANGLE) & (seen.visible == 1)
    for picture, slot in np.argwhere(triangle):
        x, y = seen.keypoints[picture, slot].mean(0).astype(int)
        assert seen.instances[picture, y, x] == slot + 1


def test_large_and_small_are_told_apart_by_an_eighth_of_the_side_in_the_whole_world():
    scenes = sample_scenes(20000, split="all")
    np.testing.assert_array_equal((scenes.radius > LARGE)[scenes.present], (scenes.size == 1)[scenes.present])


def test_each_picture_has_its_own_window():
    left = np.linspace(-10, 10, len(PICTURES))
    together = crop(PICTURES, left, 3, 60)
    for k in (0, 50, 119):
        alone = crop(PICTURES[[k]], left[k], 3, 60)
        np.testing.assert_array_equal(alone.images[0], together.images[k])
        np.testing.assert_array_equal(alone.boxes[0], together.boxes[k])


def test_an_empty_picture_has_no_objects():
    nothing = crop(PICTURES, 500, 0, 64)
    assert not nothing.present.any() and not nothing.instances.any() and (nothing.images == PADDING).all()
    assert np.isnan(nothing.keypoints).all()


class TestRefusals:
    def test_depth_bears_only_the_whole_picture(self):
        deep = labelled_pictures(sample_scenes(5))
        np.testing.assert_array_equal(crop(deep, 0, 0, 64).depth, deep.depth)
        for window in ((1, 0, 64), (0, -1, 64), (2, 2, 60)):
            with pytest.raises(
                ValueError, match=r"cannot be shifted or scaled: depth hangs on the row.*drop\('depth'\)"
            ):
                crop(deep, *window)

    def test_a_size_word_that_would_be_untrue(self):
        with pytest.raises(ValueError, match=r"a small object would look large .* drop\('words'\)"):
            crop(WORDY, 16, 16, 32)
        assert (
            not fits_words(WORDY, 32).all() and fits_words(WORDY, 64).all() and fits_words(PICTURES, 32).all()
        )

    def test_words_of_nothing(self):
        with pytest.raises(ValueError, match="picture 0 shows no object any more"):
            crop(WORDY, 500, 0, 64)


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("extent", [0, -64])
    def test_extent(self, extent):
        with pytest.raises(ValueError, match=f"the extent of a window is {extent}, expected pixels above 0"):
            crop(PICTURES, 0, 0, extent)

    @pytest.mark.parametrize("left", [np.nan, np.inf, np.zeros(3)])
    def test_left(self, left):
        with pytest.raises(ValueError, match="expected a finite number, or 120 of them: one a picture"):
            crop(PICTURES, left, 0, 64)

    def test_padding(self):
        with pytest.raises(ValueError, match="padding is 256, expected a grey from 0 to 255"):
            crop(PICTURES, 0, 0, 64, padding=256)
