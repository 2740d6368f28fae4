"""Boxes as the numbers that a network is good at, and back: deltas to an anchor, distances from a point."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vlmlearn.heads.vision.decoding.checks import check_boxes, check_finite, check_positive, check_rows

LARGEST_LOG = math.log(1000 / 16)  # a box grows to at most 62.5 times its anchor: exp() stays finite


def encode_deltas(
    boxes: Float[Tensor, "boxes 4"],
    anchors: Float[Tensor, "boxes 4"],
    weights: Sequence[float | int] = (1.0, 1.0, 1.0, 1.0),
) -> Float[Tensor, "boxes 4"]:
    """How to move and stretch each anchor so that it becomes its box (Girshick et al. 2014, appendix C).

    (dx, dy) are the shift of the middle in anchor widths and heights, (dw, dh) the logarithms of the growth, each
    times its weight: Fast R-CNN takes (10, 10, 5, 5), so that all four have about unit variance. Equals
    Detectron2's ``Box2BoxTransform.get_deltas``.

    Args:
        boxes, anchors: x0, y0, x1, y1 in pixels, row i with row i, each with an area.
        weights: of dx, dy, dw, dh.

    Raises:
        ValueError: not (n, 4), another number of anchors, a box without area, a weight that is not above 0.
    """
    _check_weights(weights)
    _check_pairs("boxes", boxes, anchors)
    check_boxes("boxes", boxes, with_area=True)
    middle, sides = _middle_and_sides(boxes)
    anchor_middle, anchor_sides = _middle_and_sides(anchors)
    deltas = torch.cat([(middle - anchor_middle) / anchor_sides, (sides / anchor_sides).log()], 1)
    return deltas * deltas.new_tensor(weights)


def decode_deltas(
    deltas: Float[Tensor, "boxes 4"],
    anchors: Float[Tensor, "boxes 4"],
    weights: Sequence[float | int] = (1.0, 1.0, 1.0, 1.0),
    largest_log: float | int = LARGEST_LOG,
) -> Float[Tensor, "boxes 4"]:
    """The boxes that deltas say: the inverse of ``encode_deltas``.

    An untrained network may say dw = 100, and exp(100) is no width: dw and dh stop at ``largest_log``, as in
    Detectron2's ``Box2BoxTransform.apply_deltas``, which this equals.

    Args:
        deltas: dx, dy, dw, dh for each anchor.
        anchors: x0, y0, x1, y1 in pixels, each with an area.
        weights: those of ``encode_deltas``.
        largest_log: the largest dw and dh.

    Raises:
        ValueError: not (n, 4), another number of anchors, an anchor without area, deltas that are not finite.
    """
    _check_weights(weights)
    check_positive("largest_log", largest_log)
    _check_pairs("deltas", deltas, anchors)
    check_finite("deltas", deltas)
    shift, growth = (deltas / deltas.new_tensor(weights)).split(2, 1)
    middle, sides = _middle_and_sides(anchors)
    middle, half = middle + shift * sides, sides * growth.clamp(max=largest_log).exp() / 2
    return torch.cat([middle - half, middle + half], 1)


def encode_ltrb(
    boxes: Float[Tensor, "boxes 4"], points: Float[Tensor, "boxes 2"], stride: float | int = 1.0
) -> Float[Tensor, "boxes 4"]:
    """Distances from a point to its box's left, top, right and bottom edge (Tian et al. 2019, FCOS, equation 1).

    A distance is negative where the point lies beyond that edge.

    Args:
        boxes: x0, y0, x1, y1 in pixels.
        points: (x, y) in pixels, row i with row i.
        stride: what distances are counted in, so that levels of a pyramid see similar numbers.

    Raises:
        ValueError: not (n, 4) or (n, 2), another number of points, x1 < x0, a stride that is not above 0.
    """
    check_boxes("boxes", boxes)
    _check_points(points, len(boxes), stride)
    return torch.cat([points - boxes[:, :2], boxes[:, 2:] - points], 1) / stride


def decode_ltrb(
    distances: Float[Tensor, "boxes 4"], points: Float[Tensor, "boxes 2"], stride: float | int = 1.0
) -> Float[Tensor, "boxes 4"]:
    """The boxes that distances say: the inverse of ``encode_ltrb``.

    Raises:
        ValueError: not (n, 4) or (n, 2), another number of points, distances that are not finite or give x1 < x0:
            make them positive with ``exp()`` or ``softplus()`` first.
    """
    if distances.ndim != 2 or distances.shape[1] != 4:
        raise ValueError(
            f"distances have shape {tuple(distances.shape)}, expected (boxes, 4): left, top, right, bottom"
        )
    _check_points(points, len(distances), stride)
    check_finite("distances", distances)
    if not torch.compiler.is_compiling() and (distances[:, :2] + distances[:, 2:] < 0).any():
        row = int((distances[:, :2] + distances[:, 2:] < 0).any(1).nonzero()[0])
        numbers = ", ".join(f"{value:g}" for value in distances[row].tolist())
        raise ValueError(
            f"row {row} of distances is ({numbers}): its right or bottom edge would come before the left or top one; "
            "make distances positive first, with exp() or softplus()"
        )
    distances = distances * stride
    return torch.cat([points - distances[:, :2], points + distances[:, 2:]], 1)


def _middle_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + sides / 2, sides


def _check_weights(weights: Sequence[float | int]) -> None:
    if len(weights) != 4:
        raise ValueError(f"weights is {weights}, expected four: of dx, dy, dw, dh")
    check_positive("weights", *weights)


def _check_pairs(name: str, values: Tensor, anchors: Tensor) -> None:
    check_boxes("anchors", anchors, with_area=True)
    if values.shape != anchors.shape:
        raise ValueError(
            f"{name} have shape {tuple(values.shape)}, anchors {tuple(anchors.shape)}, expected the same: "
            "one row for each anchor; pick the matched ones first, as boxes[assigned]"
        )


def _check_points(points: Tensor, rows: int, stride: float | int) -> None:
    check_positive("stride", stride)
    check_rows("points", points, "boxes", rows)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points have shape {tuple(points.shape)}, expected (boxes, 2): x, y of each")
