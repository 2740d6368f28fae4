"""Boxes: how much two of them overlap, and the losses that make a predicted box cover its target.

A box is (x1, y1, x2, y2), its left upper and right lower corner, in pixels or in any other unit.

    IoU = intersection / union              two boxes that do not touch have 0, near or far
    GIoU = IoU − (hull − union) / hull      hull: the smallest box around both; falls to −1 with the distance
"""

import torch
from jaxtyping import Float, Num
from torch import Tensor

from vlmlearn.losses.task_checks import LARGEST, check_same_shape, check_values, precise, reduce_loss, share

SMALLEST_AREA = 1e-18  # a smaller union or hull is rounding; the share of anything in it is 0


def box_area(boxes: Num[Tensor, "*boxes 4"]) -> Float[Tensor, "*boxes"]:
    """Width times height.

    Raises:
        ValueError: no four corners, x2 < x1 or y2 < y1, or a corner that is not finite.
    """
    return _area(_checked("boxes", boxes))


def box_iou(first: Num[Tensor, "n 4"], second: Num[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """The IoU of every box with every other, from 0 to 1; 0 for two boxes without an area.

    Raises:
        ValueError: as ``box_area``, or other shapes than (n, 4) and (m, 4).

    Equals ``box_iou`` of torchvision and of ``transformers.loss.loss_for_object_detection``.
    """
    return _iou_and_union(*_all_pairs(first, second))[0]


def generalized_box_iou(first: Num[Tensor, "n 4"], second: Num[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """The GIoU of every box with every other, from −1 to 1.

    Raises:
        ValueError: as ``box_iou``.

    Rezatofighi et al. 2019, algorithm 1. Equals ``generalized_box_iou`` of torchvision and transformers.
    """
    return _generalized(*_all_pairs(first, second))


def paired_box_iou(
    first: Num[Tensor, "*boxes 4"], second: Num[Tensor, "*boxes 4"]
) -> Float[Tensor, "*boxes"]:
    """The IoU of each box with its partner in the same place; ``ValueError`` as ``box_area``, or other shapes."""
    return _iou_and_union(*_partners(first, second))[0]


def paired_generalized_box_iou(
    first: Num[Tensor, "*boxes 4"], second: Num[Tensor, "*boxes 4"]
) -> Float[Tensor, "*boxes"]:
    """The GIoU of each box with its partner in the same place; ``ValueError`` as ``box_area``, or other shapes."""
    return _generalized(*_partners(first, second))


def iou_loss(
    predicted: Float[Tensor, "*boxes 4"], target: Num[Tensor, "*boxes 4"], *, reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """1 − IoU of each predicted box with its target. Boxes that do not touch get no gradient: see ``giou_loss``.

    Args:
        reduction: "mean" over the boxes, "sum", or "none". No boxes: 0, with zero gradients.

    Raises:
        ValueError: shapes that differ, x2 < x1 or y2 < y1, corners not finite, an unknown reduction.
    """
    boxes = _partners(predicted, target, ("predicted", "target"))
    return reduce_loss(1 - _iou_and_union(*boxes)[0], reduction)


def giou_loss(
    predicted: Float[Tensor, "*boxes 4"], target: Num[Tensor, "*boxes 4"], *, reduction: str = "mean"
) -> Float[Tensor, "..."]:
    """1 − GIoU of each predicted box with its target, from 0 to 2; pulls boxes together that do not touch.

    Args:
        reduction: "mean" over the boxes, "sum", or "none". No boxes: 0, with zero gradients.

    Raises:
        ValueError: as ``iou_loss``.

    Rezatofighi et al. 2019. DETR's loss of boxes, without the 1e-7 that torchvision's ``generalized_box_iou_loss``
    adds to both denominators.
    """
    boxes = _partners(predicted, target, ("predicted", "target"))
    return reduce_loss(1 - _generalized(*boxes), reduction)


def _checked(name: str, boxes: Tensor) -> Tensor:
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(
            f"{name} has shape {tuple(boxes.shape)}, expected 4 numbers last, x1, y1, x2, y2: "
            "stack the corners along the last axis"
        )
    boxes = precise(boxes)
    check_values(name, boxes, -LARGEST, LARGEST)
    if not torch.compiler.is_compiling():
        turned = (boxes[..., 2:] < boxes[..., :2]).any(-1)
        if turned.any():
            place = tuple(turned.nonzero()[0].tolist())
            corners = ", ".join(f"{value:g}" for value in boxes[place].tolist())
            raise ValueError(
                f"{name} has the box ({corners}) at {place}, expected x1 <= x2 and y1 <= y2: convert (x, y, width, "
                "height), or let the head predict the distances to the sides through exp or softplus"
            )
    return boxes


def _all_pairs(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    for name, boxes in (("first", first), ("second", second)):
        if boxes.ndim != 2:
            raise ValueError(
                f"{name} has shape {tuple(boxes.shape)}, expected (boxes, 4): compare the boxes of one picture"
            )
    return _checked("first", first)[:, None], _checked("second", second)[None]


def _partners(
    first: Tensor, second: Tensor, names: tuple[str, str] = ("first", "second")
) -> tuple[Tensor, Tensor]:
    check_same_shape(names[0], first, names[1], second)
    return _checked(names[0], first), _checked(names[1], second)


def _area(boxes: Tensor) -> Tensor:
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    return width * height


def _iou_and_union(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    corner = torch.maximum(first[..., :2], second[..., :2])
    width, height = (torch.minimum(first[..., 2:], second[..., 2:]) - corner).clamp(min=0).unbind(-1)
    intersection = width * height
    union = _area(first) + _area(second) - intersection
    return share(intersection, union, SMALLEST_AREA), union


def _generalized(first: Tensor, second: Tensor) -> Tensor:
    iou, union = _iou_and_union(first, second)
    corners = torch.minimum(first[..., :2], second[..., :2]), torch.maximum(first[..., 2:], second[..., 2:])
    hull = _area(torch.cat(corners, dim=-1))
    return iou - share(hull - union, hull, SMALLEST_AREA)
