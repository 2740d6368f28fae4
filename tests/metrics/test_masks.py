"""AP of masks against pycocotools."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coco import coco_scores, largest_difference, scenes
from vlmlearn.metrics import Annotations, Detections, box_average_precision, mask_average_precision

SMALL_AREAS = {"small": (0.0, 100.0), "large": (100.0, 1e10)}


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(0, 5),
    num_classes=st.integers(1, 3),
    objects=st.integers(0, 5),
    extra=st.integers(0, 5),
    grid=st.sampled_from([0, 2, 8]),
    levels=st.sampled_from([0, 1, 3]),
    crowds=st.sampled_from([0.0, 0.3, 1.0]),
    areas=st.booleans(),
)
def test_equals_pycocotools(num_classes, **knobs):
    pictures = scenes(num_classes=num_classes, side=24, **knobs)
    ours = mask_average_precision(*pictures, num_classes, area_ranges=SMALL_AREAS)
    theirs = coco_scores(*pictures, num_classes, "masks", area_ranges=SMALL_AREAS)
    assert largest_difference(ours._asdict(), theirs) <= 1e-12


def test_a_disc_is_not_the_square_around_it():
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij")
    disc = ((rows - 9.5) ** 2 + (columns - 9.5) ** 2 <= 100)[None]
    square, one, box = (
        torch.ones(1, 20, 20, dtype=torch.bool),
        torch.zeros(1, dtype=torch.long),
        [0, 0, 20, 20],
    )
    boxes = torch.tensor([box], dtype=torch.float32)
    pictures = [Detections(torch.ones(1), one, boxes, square)], [Annotations(one, boxes, disc)]
    assert box_average_precision(*pictures, 1).ap == 1
    # pi / 4 = .785 of the square: right at .5, .55, … .75.
    assert mask_average_precision(*pictures, 1).ap == pytest.approx(0.6)


def test_a_mask_without_a_pixel_finds_nothing_and_is_found_by_nothing():
    none, one = torch.zeros(1, 4, 4, dtype=torch.bool), torch.zeros(1, dtype=torch.long)
    pictures = [Detections(torch.ones(1), one, masks=none)], [Annotations(one, masks=none)]
    assert mask_average_precision(*pictures, 1).ap == 0


@pytest.mark.bad_input
def test_bad_input_is_refused_in_words():
    one, mask = torch.zeros(1, dtype=torch.long), torch.ones(1, 4, 4, dtype=torch.bool)

    def refused(match, found=mask, there=mask):
        with pytest.raises(ValueError, match=match):
            mask_average_precision(
                [Detections(torch.ones(1), one, masks=found)], [Annotations(one, masks=there)], 1
            )

    refused(r"image 0: masks found are \(2, 4\), those annotated \(4, 4\)", found=mask[:, :2])
    refused(r"detections: masks are float32 of shape \(1, 4, 4\), expected bool", found=mask.float())
    refused(r"annotations: masks are bool of shape \(2, 4, 4\)", there=mask.repeat(2, 1, 1))
    refused("image 0, detections: there are no masks", found=None)
