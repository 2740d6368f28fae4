"""OKS and its AP against pycocotools, PCK against a loop, and both at their edges."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.cocoeval import Params

from tests.coco import coco_evaluation, coco_scores, largest_difference, scenes
from vlmlearn.metrics import (
    Annotations,
    Detections,
    correct_keypoints,
    keypoint_average_precision,
    object_keypoint_similarity,
)
from vlmlearn.metrics.keypoints import COCO_SIGMAS

SIGMAS = (0.1, 0.05, 0.2)
AREAS = {"small": (0.0, 144.0), "large": (144.0, 1e10)}
KNOBS = {
    "seed": st.integers(0, 2**32 - 1),
    "objects": st.integers(0, 6),
    "extra": st.integers(0, 6),
    "grid": st.sampled_from([0, 2, 8]),
    "levels": st.sampled_from([0, 1, 3]),
    "crowds": st.sampled_from([0.0, 0.3, 1.0]),
    "areas": st.booleans(),
}


def without_boxes(part):
    return Detections(part.scores, part.labels, keypoints=part.keypoints)


@settings(max_examples=150, deadline=None)
@given(images=st.integers(0, 6), num_classes=st.integers(1, 3), boxes=st.booleans(), **KNOBS)
def test_average_precision_equals_pycocotools(images, num_classes, boxes, **knobs):
    detections, annotations = scenes(images=images, num_classes=num_classes, masks=False, **knobs)
    if not boxes:
        detections = [without_boxes(part) for part in detections]
    pictures, limits = (detections, annotations), {"sigmas": SIGMAS, "area_ranges": AREAS}
    ours = keypoint_average_precision(*pictures, num_classes, max_detections=5, **limits)
    theirs = coco_scores(*pictures, num_classes, "keypoints", max_detections=5, **limits)
    assert largest_difference(ours._asdict(), theirs) <= 1e-12


@settings(max_examples=100, deadline=None)
@given(points=st.sampled_from([3, 17]), **KNOBS)
def test_similarity_equals_pycocotools(points, **knobs):
    sigmas = SIGMAS if points == 3 else COCO_SIGMAS
    detections, annotations = scenes(images=1, num_classes=1, points=points, masks=False, **knobs)
    ours = object_keypoint_similarity(detections[0], annotations[0], sigmas)
    assert ours.shape == (len(detections[0].labels), len(annotations[0].labels))
    evaluation = coco_evaluation(detections, annotations, 1, "keypoints", sigmas=sigmas)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    theirs = evaluation.ious[1, 1]
    if len(theirs):
        order = np.argsort(-detections[0].scores.numpy(), kind="stable")
        np.testing.assert_allclose(ours[order], theirs, rtol=0, atol=1e-12)


def test_the_sigmas_are_those_of_coco():
    assert pytest.approx(Params("keypoints").kpt_oks_sigmas, abs=1e-15) == COCO_SIGMAS


def person(points, boxes=((0, 0, 10, 10),), **more):
    n = len(points)
    labels, points = torch.zeros(n, dtype=torch.long), torch.tensor(points, dtype=torch.float64)
    boxes = torch.tensor(boxes, dtype=torch.float64)
    return Annotations(labels, boxes, keypoints=points, **more)


def found(*points):
    return Detections(
        torch.ones(len(points)),
        torch.zeros(len(points), dtype=torch.long),
        keypoints=torch.tensor(points, dtype=torch.float64),
    )


def test_similarity_by_hand():
    """One point met, one off by d = 2 with 2 · area · (2 sigma)² = 8: mean of 1 and exp(-4 / 8)."""
    similarity = object_keypoint_similarity(found([[1, 1], [7, 5]]), person([[[1, 1], [5, 5]]]), (0.1, 0.1))
    assert similarity.item() == pytest.approx((1 + math.exp(-0.5)) / 2, abs=1e-12)


def test_points_that_are_not_annotated_do_not_count_and_may_be_nan():
    visible = torch.tensor([[True, False]])
    there = person([[[1, 1], [torch.nan] * 2]], visible=visible)
    assert object_keypoint_similarity(found([[1, 1], [90, 90]]), there, (0.1, 0.1)).item() == 1


def test_without_an_annotated_point_being_near_the_box_is_enough_and_nothing_is_counted():
    there = person([[[torch.nan] * 2] * 2], visible=torch.zeros(1, 2, dtype=torch.bool))
    near, far = found([[-10, 0], [20, 20]]), found([[-90, 0], [90, 0]])
    assert object_keypoint_similarity(near, there, (0.1, 0.1)).item() == 1
    assert object_keypoint_similarity(far, there, (0.1, 0.1)).item() < 1e-100
    for part in (near, far):
        assert keypoint_average_precision([part], [there], 1, sigmas=(0.1, 0.1)).ap is None


def test_nothing_at_all_has_no_score_and_finding_nothing_scores_zero():
    assert keypoint_average_precision([], [], 2).per_class == (None, None)
    nothing = Detections(torch.zeros(0), torch.zeros(0, dtype=torch.long), keypoints=torch.zeros(0, 1, 2))
    assert keypoint_average_precision([nothing], [person([[[1, 1]]])], 1, sigmas=(0.1,)).ap == 0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(1, 4), st.sampled_from([0.1, 0.2, 0.5]))
def test_pck_equals_a_loop(seed, objects, points, alpha):
    generator = torch.Generator().manual_seed(seed)
    # Whole numbers, so that distances of exactly alpha · length occur.
    predicted, target = torch.randint(0, 10, (2, objects, points, 2), generator=generator).double()
    lengths = torch.randint(1, 4, (objects,), generator=generator).double() * 10
    visible = torch.rand(objects, points, generator=generator) < 0.6
    result = correct_keypoints(predicted, target, lengths, visible, alpha)
    right = [[] for _ in range(points)]
    for n in range(objects):
        for k in range(points):
            if visible[n, k]:
                distance = math.dist(predicted[n, k].tolist(), target[n, k].tolist())
                right[k].append(distance <= alpha * lengths[n].item())
    assert result.per_point == tuple(sum(r) / len(r) if r else None for r in right)
    every = [r for point in right for r in point]
    assert result.share == (sum(every) / len(every) if every else None)


def test_pck_on_the_border_in_float16_and_where_nothing_is_annotated():
    target = torch.zeros(1, 2, 2, dtype=torch.float16)
    predicted = torch.tensor([[[3.0, 4.0], [3.0, 5.0]]], dtype=torch.float16)
    length = torch.tensor([10.0], dtype=torch.float16)
    assert correct_keypoints(predicted, target, length, alpha=0.5) == (0.5, (1.0, 0.0))
    nowhere = torch.zeros(1, 2, dtype=torch.bool)
    assert correct_keypoints(predicted, target * torch.nan, length, nowhere) == (None, (None, None))
    assert correct_keypoints(predicted[:0], target[:0], length[:0]) == (None, (None, None))


@pytest.mark.bad_input
def test_bad_input_of_similarity_is_refused_in_words():
    def refused(match, part, there, sigmas=(0.1,)):
        with pytest.raises(ValueError, match=match):
            keypoint_average_precision([part], [there], 1, sigmas=sigmas)

    one, there = found([[1, 1]]), person([[[1, 1]]])
    refused(r"detections: keypoints have shape \(1, 1, 2\), expected \(1, 2, 2\)", one, there, (0.1, 0.1))
    refused(r"sigmas are \(0,\)", one, there, (0,))
    refused(r"sigmas are \(\)", one, there, ())
    refused("detections: keypoints contain NaN", found([[torch.nan, 1]]), there)
    refused("image 0, annotations: keypoints contain NaN", one, person([[[1, torch.inf]]]))
    refused("there are no keypoints", Detections(torch.ones(1), torch.zeros(1, dtype=torch.long)), there)
    refused("there are no boxes", one, Annotations(there.labels, keypoints=there.keypoints))
    refused(r"visible is float32 of shape \(1, 1\)", one, person([[[1, 1]]], visible=torch.ones(1, 1)))


@pytest.mark.bad_input
def test_bad_input_of_pck_is_refused_in_words():
    points, lengths = torch.zeros(2, 3, 2), torch.ones(2)
    for arguments in (
        (points[:1], points, lengths),
        (points, points, lengths[:1]),
        (points[0], points[0], lengths),
        (points, points, lengths, torch.ones(2, 2, dtype=torch.bool)),
        (torch.zeros(2, 3, 3), torch.zeros(2, 3, 3), lengths),
    ):
        with pytest.raises(ValueError, match=r"expected \(objects, points, 2\) twice"):
            correct_keypoints(*arguments)
    for wrong in (lengths * 0, lengths * torch.nan, lengths * torch.inf):
        with pytest.raises(ValueError, match="expected positive, finite numbers"):
            correct_keypoints(points, points, wrong)
    with pytest.raises(ValueError, match="alpha 0"):
        correct_keypoints(points, points, lengths, alpha=0)
    with pytest.raises(ValueError, match=r"visible is torch\.int64, expected bool"):
        correct_keypoints(points, points, lengths, torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="an annotated point is NaN or infinite"):
        correct_keypoints(points, points * torch.nan, lengths)
