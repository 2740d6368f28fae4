"""A batch of pictures with all labels holds together, and says so when it does not."""

from dataclasses import replace

import numpy as np
import pytest

from vlmlearn.world import (
    captions,
    depth_maps,
    keypoints,
    labelled_pictures,
    photo_backgrounds,
    render,
    sample_scenes,
    semantic_masks,
)

SCENES = sample_scenes(20)
PICTURES = labelled_pictures(SCENES)


def test_labels_are_the_worlds_own():
    rendered = render(SCENES)
    np.testing.assert_array_equal(PICTURES.images, rendered.images)
    np.testing.assert_array_equal(PICTURES.instances, rendered.instances)
    np.testing.assert_array_equal(PICTURES.boxes, rendered.boxes)
    np.testing.assert_array_equal(PICTURES.visible, rendered.visible)
    np.testing.assert_array_equal(PICTURES.semantic, semantic_masks(SCENES, rendered.instances))
    np.testing.assert_array_equal(PICTURES.depth, depth_maps(SCENES, rendered.instances))
    np.testing.assert_array_equal(PICTURES.keypoints, keypoints(SCENES))
    np.testing.assert_array_equal(PICTURES.present, SCENES.present)
    np.testing.assert_array_equal(PICTURES.shape[SCENES.present], SCENES.shape[SCENES.present])
    for language in ("en", "zh"):
        assert PICTURES.captions(language, variant=2) == captions(SCENES, language, variant=2)


def test_another_side_and_photographs():
    backgrounds = photo_backgrounds(SCENES, "test", 96)
    pictures = labelled_pictures(SCENES, 96, backgrounds=backgrounds)
    assert pictures.side == 96 and len(pictures) == 20
    np.testing.assert_array_equal(pictures.images, render(SCENES, 96, backgrounds=backgrounds).images)
    np.testing.assert_allclose(pictures.keypoints, 1.5 * PICTURES.keypoints, rtol=1e-6)


def test_some_of_them():
    some = PICTURES.drop("depth")[[3, 1]]
    assert len(some) == 2 and some.depth is None and some.index.tolist() == [3, 1]
    np.testing.assert_array_equal(some.images, PICTURES.images[[3, 1]])
    assert some.captions() == captions(SCENES[[3, 1]])
    assert len(PICTURES[5:8]) == 3 and PICTURES[5:8].depth is not None


def test_dropped_labels_are_gone_and_the_rest_stays():
    bare = PICTURES.drop("depth", "words")
    assert bare.depth is None and bare.scenes is None
    assert bare.boxes is PICTURES.boxes and PICTURES.depth is not None
    with pytest.raises(ValueError, match="the words of these pictures were dropped"):
        bare.captions()


@pytest.mark.bad_input
class TestBadInput:
    def test_an_unknown_label_offers_the_nearest(self):
        with pytest.raises(ValueError, match=r"unknown label 'dept', .* did you mean 'depth'\?"):
            PICTURES.drop("dept")
        with pytest.raises(ValueError, match=r"did you mean 'words'\?"):
            PICTURES.drop("wordz")

    def test_masks_of_another_size(self):
        with pytest.raises(ValueError, match=r"instances has shape \(20, 32, 32\), expected \(20, 64, 64\)"):
            replace(PICTURES, instances=PICTURES.instances[:, ::2, ::2])

    def test_another_number(self):
        with pytest.raises(ValueError, match=r"boxes has shape \(19, 4, 4\), expected \(20, 4, 4\)"):
            replace(PICTURES, boxes=PICTURES.boxes[:-1])
        with pytest.raises(ValueError, match="19 scenes for 20 pictures"):
            replace(PICTURES, scenes=SCENES[:-1])

    def test_corners_in_the_wrong_order(self):
        boxes = PICTURES.boxes.copy()
        boxes[3, 0] = [20, 5, 10, 30]
        with pytest.raises(
            ValueError, match=r"the box of picture 3, slot 0 is \(20, 5, 10, 30\), expected x1 >= x0"
        ):
            replace(PICTURES, boxes=boxes)

    @pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
    def test_depth(self, value):
        depth = PICTURES.depth.copy()
        depth[2, 5, 5] = value
        with pytest.raises(ValueError, match="expected finite metres above 0"):
            replace(PICTURES, depth=depth)

    def test_an_instance_without_a_slot(self):
        with pytest.raises(ValueError, match="instances go up to 5, expected 0 to 4"):
            replace(PICTURES, instances=np.full_like(PICTURES.instances, 5))
