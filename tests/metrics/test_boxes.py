"""AP of boxes against pycocotools, ties, crowds and absences included, and at its edges."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coco import coco_scores, found, largest_difference, scenes, there
from vlmlearn.metrics import Detections, box_average_precision

SMALL_AREAS = {"small": (0.0, 144.0), "large": (144.0, 1e10)}
LEFT, RIGHT, FAR = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(0, 6),
    num_classes=st.integers(1, 4),
    objects=st.integers(0, 6),
    extra=st.integers(0, 6),
    grid=st.sampled_from([0, 2, 8]),
    levels=st.sampled_from([0, 1, 3]),
    crowds=st.sampled_from([0.0, 0.3, 1.0]),
    areas=st.booleans(),
    max_detections=st.sampled_from([1, 2, 100]),
)
def test_equals_pycocotools(num_classes, max_detections, **knobs):
    pictures = scenes(num_classes=num_classes, masks=False, **knobs)
    limits = {"max_detections": max_detections, "area_ranges": SMALL_AREAS}
    ours = box_average_precision(*pictures, num_classes, **limits)
    theirs = coco_scores(*pictures, num_classes, "boxes", **limits)
    assert largest_difference(ours._asdict(), theirs) <= 1e-12


@pytest.mark.parametrize("grid, levels", [(0, 0), (16, 5)])
def test_equals_pycocotools_on_larger_pictures(grid, levels):
    """With COCO's own limits: objects of all three sizes, more findings than are looked at."""
    pictures = scenes(0, 20, 3, objects=12, extra=400, side=400, grid=grid, levels=levels, masks=False)
    assert max(max(part.labels.bincount()) for part in pictures[0] if len(part.labels)) > 100
    ours = box_average_precision(*pictures, 3)
    theirs = coco_scores(*pictures, 3, "boxes")
    assert None not in ours.by_area.values()
    assert largest_difference(ours._asdict(), theirs) <= 1e-12


def test_by_hand():
    """Right, wrong, right: precision 1 up to half of the objects, then 2/3. 51 recalls lie up to one half."""
    scores = box_average_precision([found(LEFT, FAR, RIGHT)], [there(LEFT, RIGHT)], 1)
    expected = (51 * 1 + 50 * 2 / 3) / 101
    assert scores[:3] == pytest.approx((expected,) * 3, abs=1e-12)
    assert scores.recall == 1 and scores.per_class == (scores.ap,) and scores.per_class50 == (scores.ap50,)
    assert scores.by_area == {"small": scores.ap, "medium": None, "large": None}


def test_an_object_is_found_once():
    once = box_average_precision([found(LEFT)], [there(LEFT, RIGHT)], 1)
    twice = box_average_precision([found(LEFT, LEFT, RIGHT)], [there(LEFT, RIGHT)], 1)
    assert once.ap == pytest.approx(51 / 101)
    assert twice.ap == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_shift_costs_the_strict_thresholds_only():
    """9 of 11 columns shared: right at .5, .55, … .8, seven of ten."""
    scores = box_average_precision([found([1, 0, 11, 10])], [there(LEFT)], 1)
    assert scores.ap == pytest.approx(0.7) and scores.ap50 == scores.ap75 == 1


def test_a_crowd_excuses_whatever_is_inside_and_need_not_be_found():
    crowd = torch.tensor([False, True])
    objects = there(RIGHT, [0, 0, 15, 15], crowd=crowd)
    assert box_average_precision([found(LEFT, [1, 1, 9, 9], RIGHT)], [objects], 1).ap == 1
    assert box_average_precision([found(RIGHT)], [objects], 1).ap == 1
    alone = box_average_precision([found(LEFT)], [there(LEFT, crowd=torch.tensor([True]))], 1)
    assert alone.ap is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_any_floating_point_any_whole_number_and_no_gradient(dtype):
    part = Detections(
        torch.tensor([1.0, 0.5], dtype=dtype, requires_grad=True),
        torch.tensor([0, 0], dtype=torch.uint8),
        torch.tensor([LEFT, RIGHT], dtype=dtype),
    )
    assert box_average_precision([part], [there(LEFT, RIGHT)], 1).ap == 1
