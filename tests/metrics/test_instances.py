"""What is read of detections and annotations, and what is refused, in words that name the picture."""

import numpy as np
import pytest
import torch

from tests.coco import found, there
from vlmlearn.metrics import Annotations, Detections, box_average_precision
from vlmlearn.metrics.instances import read_areas, read_crowd, read_keypoints, read_labels

LEFT, RIGHT = [0, 0, 10, 10], [20, 0, 30, 10]
ONE = torch.zeros(1, dtype=torch.long)


def test_what_was_not_given_has_a_default():
    objects = Annotations(ONE, keypoints=torch.zeros(1, 2, 2))
    assert read_crowd(objects, "").tolist() == [False] and read_areas(objects, "") is None
    assert read_keypoints(objects, 2, "")[1].tolist() == [[True, True]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_labels_of_any_whole_number_are_read_as_int64(dtype):
    assert read_labels(torch.tensor([2, 0], dtype=dtype), 3, "").dtype == np.int64


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "match, detections",
    [
        (
            r"box 0 is \[5\.0, 0\.0, 0\.0, 10\.0\], expected x1, y1, x2, y2 with x2 >= x1",
            found([5, 0, 0, 10]),
        ),
        (r"box 1 is \[0\.0, 9\.0", found(LEFT, [0, 9, 5, 0])),
        ("boxes contain NaN or infinity", found([0, 0, torch.inf, 1])),
        ("boxes contain NaN or infinity", found([0, torch.nan, 1, 1])),
        (r"boxes have shape \(2, 4\), expected \(1, 4\)", Detections(torch.ones(1), ONE, torch.zeros(2, 4))),
        ("there are no boxes, and boxes are what is compared", Detections(torch.ones(1), ONE)),
        ("scores contain NaN", found(LEFT, RIGHT, scores=[1.0, torch.nan])),
        (r"scores have shape \(2,\), expected \(1,\)", Detections(torch.ones(2), ONE, torch.zeros(1, 4))),
        ("labels go from 2 to 2, expected 0 to 1", found(LEFT, labels=[2])),
        ("labels go from -1 to 0, expected 0 to 1", found(LEFT, RIGHT, labels=[0, -1])),
        ("labels are float32", Detections(torch.ones(1), ONE.float(), torch.zeros(1, 4))),
        (r"labels are int64 of shape \(1, 1\)", Detections(torch.ones(1), ONE[None], torch.zeros(1, 4))),
    ],
)
def test_bad_detections_are_refused_in_words(match, detections):
    with pytest.raises(ValueError, match=f"image 1, detections: {match}"):
        box_average_precision([found(), detections], [there(), there()], 2)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "match, annotations",
    [
        (r"box 0 is \[5\.0, 0\.0", there([5, 0, 0, 10])),
        ("labels go from 7 to 7", there(LEFT, labels=[7])),
        ("there are no boxes", Annotations(ONE)),
        (r"crowd is int64 of shape \(1,\), expected bool of shape \(1,\)", there(LEFT, crowd=ONE)),
        (r"crowd is bool of shape \(2,\)", there(LEFT, crowd=torch.ones(2, dtype=torch.bool))),
        (r"an area is -1\.0, expected square pixels", there(LEFT, areas=torch.tensor([-1.0]))),
        ("areas contain NaN", there(LEFT, areas=torch.tensor([torch.nan]))),
        (r"areas have shape \(2,\), expected \(1,\)", there(LEFT, areas=torch.ones(2))),
    ],
)
def test_bad_annotations_are_refused_in_words(match, annotations):
    with pytest.raises(ValueError, match=f"image 1, annotations: {match}"):
        box_average_precision([found(), found()], [there(), annotations], 2)
