"""What is read of detections and annotations, and what is refused, in words that name the picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.coco import found, there
from vlmlearn.metrics import Annotations, box_average_precision
from vlmlearn.metrics.instances import read_areas, read_crowd, read_keypoints, read_labels

LEFT, RIGHT = [0, 0, 10, 10], [20, 0, 30, 10]


def test_what_was_not_given_has_a_default():
    objects = Annotations(torch.tensor([0]), keypoints=torch.zeros(1, 2, 2))
    assert read_crowd(objects, "").tolist() == [False] and read_areas(objects, "") is None
    assert read_keypoints(objects, 2, "")[1].tolist() == [[True, True]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_labels_of_any_whole_number_are_read_as_int64(dtype):
    assert read_labels(torch.tensor([2, 0], dtype=dtype), 3, "").dtype == np.int64


def boxes(*corners):
    return torch.tensor(corners, dtype=torch.float32)


BAD_BOXES = [
    (r"box 0 is \[5\.0, 0\.0, 0\.0, 10\.0\], expected x1, y1, x2, y2", {"boxes": boxes([5, 0, 0, 10], LEFT)}),
    (r"box 1 is \[0\.0, 9\.0", {"boxes": boxes(LEFT, [0, 9, 5, 0])}),
    ("boxes contain NaN or infinity", {"boxes": boxes(LEFT, [0, 0, torch.inf, 1])}),
    ("boxes contain NaN or infinity", {"boxes": boxes(LEFT, [0, torch.nan, 1, 1])}),
    (r"boxes have shape \(3, 4\), expected \(2, 4\): there are 2 labels", {"boxes": torch.zeros(3, 4)}),
    ("there are no boxes, and boxes are what is compared", {"boxes": None}),
    ("labels go from 0 to 2, expected 0 to 1", {"labels": torch.tensor([0, 2])}),
    ("labels go from -1 to 0, expected 0 to 1", {"labels": torch.tensor([0, -1])}),
    ("labels are float32", {"labels": torch.zeros(2)}),
    (r"labels are int64 of shape \(2, 1\)", {"labels": torch.zeros(2, 1, dtype=torch.long)}),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "match, wrong",
    [
        *BAD_BOXES,
        ("scores contain NaN", {"scores": torch.tensor([1.0, torch.nan])}),
        (r"scores have shape \(3,\), expected \(2,\)", {"scores": torch.ones(3)}),
    ],
)
def test_bad_detections_are_refused_in_words(match, wrong):
    bad = replace(found(LEFT, RIGHT), **wrong)
    with pytest.raises(ValueError, match=f"image 1, detections: {match}"):
        box_average_precision([found(), bad], [there(), there()], 2)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "match, wrong",
    [
        *BAD_BOXES,
        (r"crowd is int64 of shape \(2,\), expected bool of shape \(2,\)", {"crowd": torch.tensor([0, 1])}),
        (r"crowd is bool of shape \(3,\)", {"crowd": torch.ones(3, dtype=torch.bool)}),
        (r"an area is -1\.0, expected square pixels", {"areas": torch.tensor([1.0, -1.0])}),
        ("areas contain NaN", {"areas": torch.tensor([1.0, torch.nan])}),
        (r"areas have shape \(3,\), expected \(2,\)", {"areas": torch.ones(3)}),
    ],
)
def test_bad_annotations_are_refused_in_words(match, wrong):
    bad = replace(there(LEFT, RIGHT), **wrong)
    with pytest.raises(ValueError, match=f"image 1, annotations: {match}"):
        box_average_precision([found(), found()], [there(), bad], 2)
