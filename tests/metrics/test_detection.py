"""What scores of boxes, masks and keypoints share, shown with boxes: order, absence, limits."""

import pytest

from tests.coco import found, there
from vlmlearn.metrics import box_average_precision

LEFT, RIGHT, FAR = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]


def test_of_equal_scores_the_one_that_comes_first_counts_as_surer():
    tied = {"scores": [0.5, 0.5]}
    assert box_average_precision([found(LEFT, FAR, **tied)], [there(LEFT)], 1).ap == 1
    assert box_average_precision([found(FAR, LEFT, **tied)], [there(LEFT)], 1).ap == 0.5
    one_each = [found(FAR, scores=[0.5]), found(LEFT, scores=[0.5])]
    assert box_average_precision(one_each, [there(), there(LEFT)], 1).ap == 0.5
    assert box_average_precision(one_each[::-1], [there(LEFT), there()], 1).ap == 1


def test_nothing_at_all_has_no_score_and_finding_nothing_scores_zero():
    for pictures in (([], []), ([found()], [there()]), ([found(LEFT)], [there()])):
        scores = box_average_precision(*pictures, 2)
        assert scores[:4] == (None,) * 4 and scores.per_class == scores.per_class50 == (None, None)
        assert scores.by_area == {"small": None, "medium": None, "large": None}
    scores = box_average_precision([found()], [there(LEFT)], 1)
    assert scores.ap == scores.ap50 == scores.recall == 0


def test_only_so_many_findings_are_looked_at():
    many = found(*[FAR] * 100, LEFT)
    assert box_average_precision([many], [there(LEFT)], 1).recall == 0
    assert box_average_precision([many], [there(LEFT)], 1, max_detections=101).recall == 1


def test_another_class_is_wrong_and_a_class_that_occurs_nowhere_costs_nothing():
    scores = box_average_precision([found(LEFT, labels=[1])], [there(LEFT)], 3)
    assert scores.ap == 0 and scores.recall == 0 and scores.per_class == (0, None, None)
    scores = box_average_precision([found(LEFT, RIGHT, labels=[0, 2])], [there(LEFT)], 3)
    assert scores.ap == 1 and scores.per_class50 == (1, None, None)


@pytest.mark.bad_input
def test_bad_settings_are_refused_in_words():
    one = [found(LEFT)], [there(LEFT)]
    with pytest.raises(
        ValueError, match=r"detections of 1 images, annotations of 0: .* a Detections of length 0"
    ):
        box_average_precision(one[0], [], 1)
    with pytest.raises(ValueError, match="num_classes is 0"):
        box_average_precision(*one, 0)
    with pytest.raises(ValueError, match="max_detections 0"):
        box_average_precision(*one, 1, max_detections=0)
    for wrong in ((2, 1), (-1, 1), (0, float("nan"))):
        with pytest.raises(ValueError, match=r"area_ranges has {'odd'"):
            box_average_precision(*one, 1, area_ranges={"small": (0, 1), "odd": wrong})
