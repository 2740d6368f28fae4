"""Intersection over union against pycocotools, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle

from tests.coco import scenes
from vlmlearn.metrics.overlap import box_overlap, mask_overlap

PICTURES = {"seed": st.integers(0, 2**32 - 1), "grid": st.sampled_from([0, 2, 8])}


def one_picture(seed, grid, **more):
    (found,), (objects,) = scenes(seed, 1, 1, objects=8, extra=8, grid=grid, crowds=0.4, **more)
    return found, objects, objects.crowd.numpy()


@settings(max_examples=100, deadline=None)
@given(**PICTURES)
def test_boxes_equal_pycocotools(seed, grid):
    found, objects, crowd = one_picture(seed, grid, masks=False)
    ours, theirs = (part.boxes.double().numpy() for part in (found, objects))
    overlap = box_overlap(ours, theirs, crowd)
    if overlap.size:
        sides = [np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]) for boxes in (ours, theirs)]
        np.testing.assert_array_equal(overlap, rle.iou(*sides, crowd.astype(int).tolist()))


@settings(max_examples=100, deadline=None)
@given(**PICTURES)
def test_masks_equal_pycocotools(seed, grid):
    found, objects, crowd = one_picture(seed, grid, side=24)
    overlap = mask_overlap(found.masks.numpy(), objects.masks.numpy(), crowd)
    if overlap.size:
        codes = [
            [rle.encode(np.asfortranarray(mask.numpy().astype(np.uint8))) for mask in part.masks]
            for part in (found, objects)
        ]
        np.testing.assert_array_equal(overlap, rle.iou(*codes, crowd.astype(int).tolist()))


def test_by_hand():
    boxes = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [3, 3, 3, 9]])
    plain = box_overlap(boxes, boxes, np.zeros(3, dtype=bool))
    np.testing.assert_allclose(plain, [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]])
    crowd = box_overlap(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 50, 50]]), np.array([True]))
    assert crowd == 0.5  # half of what was found lies inside


@pytest.mark.parametrize("found, objects", [(0, 0), (0, 3), (3, 0)])
def test_nothing_overlaps_nothing(found, objects):
    crowd = np.zeros(objects, dtype=bool)
    assert box_overlap(np.zeros((found, 4)), np.zeros((objects, 4)), crowd).shape == (found, objects)
    masks = [np.zeros((n, 5, 5), dtype=bool) for n in (found, objects)]
    assert mask_overlap(*masks, crowd).shape == (found, objects)
