"""Non-maximum suppression: many boxes around one object become one.

The definition, which the tests hold it to: boxes are looked at from the highest score down, and a box is dropped
if, and only if, it overlaps by more than the threshold with one that has been *kept*. What was dropped drops
nothing.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from vlmlearn.heads.vision.decoding.checks import (
    check_boxes,
    check_finite,
    check_positive,
    check_rows,
    check_share,
)
from vlmlearn.losses.boxes import box_iou


def nms(
    boxes: Float[Tensor, "boxes 4"], scores: Float[Tensor, " boxes"], threshold: float | int = 0.5
) -> Int64[Tensor, " kept"]:
    """The kept boxes' places, from the highest score down; of equal scores the first comes first.

    The matrix of overlaps holds boxes² numbers: choose the best few thousand boxes first.

    Args:
        boxes: x0, y0, x1, y1 in pixels.
        scores: one a box.
        threshold: the largest IoU that two kept boxes may have, 0 to 1.

    Raises:
        ValueError: not (n, 4), x1 < x0, another number of scores, values that are not finite, a threshold outside
            0 to 1.
    """
    order = _by_score(boxes, scores, threshold)
    overlaps = _overlaps(boxes[order], threshold)
    return order[_greedy(overlaps)]


def batched_nms(
    boxes: Float[Tensor, "boxes 4"],
    scores: Float[Tensor, " boxes"],
    groups: Int64[Tensor, " boxes"],
    threshold: float | int = 0.5,
) -> Int64[Tensor, " kept"]:
    """``nms`` in which only boxes of one group drop each other: a group is a class, or a class of one picture.

    Args:
        boxes, scores, threshold: see ``nms``.
        groups: any whole number a box; for several pictures ``picture * classes + class``.

    Returns:
        Places of the kept boxes of all groups, from the highest score down.

    Raises:
        ValueError: see ``nms``; another number of groups.
    """
    check_rows("groups", groups, "boxes", len(boxes))
    order = _by_score(boxes, scores, threshold)
    groups = groups[order]
    overlaps = _overlaps(boxes[order], threshold) & (groups[:, None] == groups)
    return order[_greedy(overlaps)]


class SoftKept(NamedTuple):
    """What ``soft_nms`` leaves: places of boxes and their lowered scores, from the highest down."""

    places: Int64[Tensor, " kept"]
    scores: Float[Tensor, " kept"]


def soft_nms(
    boxes: Float[Tensor, "boxes 4"],
    scores: Float[Tensor, " boxes"],
    sigma: float | int = 0.5,
    lowest_score: float | int = 0.001,
) -> SoftKept:
    """Lower the score of a box that overlaps with a better one, instead of dropping it (Bodla et al. 2017).

    The highest score is taken out, every other one is multiplied by exp(-IoU² / sigma), and so on: equation 4,
    the Gaussian variant. One step a box.

    Args:
        boxes, scores: see ``nms``; scores from 0 on.
        sigma: the smaller, the more like ``nms``.
        lowest_score: boxes that fall below it are left out.

    Raises:
        ValueError: see ``nms``; negative scores, a sigma that is not above 0.
    """
    check_positive("sigma", sigma)
    left = _by_score(boxes, scores, threshold=0)
    if len(scores) and scores.min() < 0:
        raise ValueError(f"scores go down to {scores.min().item():g}, expected 0 or more: take probabilities")
    now, iou = scores.clone(), box_iou(boxes, boxes)
    places = []
    while len(left := left[now[left] >= lowest_score]):
        best = left[now[left].argmax()]
        places.append(best)
        left = left[left != best]
        now[left] *= torch.exp(-(iou[best, left] ** 2) / sigma).to(now.dtype)
    chosen = torch.stack(places) if places else left
    return SoftKept(chosen, now[chosen])


def _by_score(
    boxes: Tensor, scores: Shaped[Tensor, " boxes"], threshold: float | int
) -> Int64[Tensor, " boxes"]:
    """Check everything and sort."""
    check_boxes("boxes", boxes)
    check_rows("scores", scores, "boxes", len(boxes))
    if scores.ndim != 1:
        raise ValueError(
            f"scores have shape {tuple(scores.shape)}, expected (boxes,): take the best class of each box"
        )
    check_finite("scores", scores)
    check_share("threshold", threshold)
    return torch.sort(scores, descending=True, stable=True).indices


def _overlaps(boxes: Float[Tensor, "boxes 4"], threshold: float | int) -> Bool[Tensor, "boxes boxes"]:
    return box_iou(boxes, boxes) > threshold


def _greedy(overlaps: Bool[Tensor, "boxes boxes"]) -> Bool[Tensor, " boxes"]:
    """Which of the sorted boxes are kept, all at once instead of one by one.

    Begin with all and repeat: keep what no better box of the last answer overlaps. After k rounds the first k
    answers are those of the definition and stay; in practice a few rounds settle all (Zheng et al. 2020,
    Cluster-NMS).
    """
    better = overlaps.triu(1)  # row i drops column j only if i comes first
    kept = torch.ones(len(overlaps), dtype=torch.bool, device=overlaps.device)
    while True:
        again = ~(better & kept[:, None]).any(0)
        if torch.equal(again, kept):
            return kept
        kept = again
