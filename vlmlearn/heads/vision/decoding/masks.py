"""Small masks to masks of the whole picture: pasted into their boxes, or mixed from shared prototypes."""

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from vlmlearn.heads.vision.decoding.checks import (
    check_boxes,
    check_finite,
    check_positive,
    check_probabilities,
    check_rows,
    check_size,
)


def inside_boxes(
    boxes: Float[Tensor, "boxes 4"], height: int, width: int, stride: float | int = 1.0
) -> Bool[Tensor, "boxes height width"]:
    """Which cells of a map have their middle inside each box: x0 <= (column + 1/2) · stride < x1.

    Args:
        boxes: x0, y0, x1, y1 in pixels.
        height, width: of the map.
        stride: pixels a cell.

    Raises:
        ValueError: not (n, 4), x1 < x0, no cell, a stride that is not above 0.
    """
    check_boxes("boxes", boxes)
    check_size(height, width)
    check_positive("stride", stride)
    x, y = ((torch.arange(n, device=boxes.device) + 0.5) * stride for n in (width, height))
    x0, y0, x1, y1 = boxes[:, :, None].unbind(1)
    return ((y >= y0) & (y < y1))[:, :, None] & ((x >= x0) & (x < x1))[:, None]


def paste_masks(
    masks: Float[Tensor, "boxes mask_height mask_width"],
    boxes: Float[Tensor, "boxes 4"],
    height: int,
    width: int,
) -> Float[Tensor, "boxes height width"]:
    """Stretch each small mask over its box in a picture (He et al. 2017, Mask R-CNN): 0 outside the box.

    Between the mask's cells it is bilinear, with ``align_corners=False``: in a box with whole corners it equals
    ``F.interpolate``. Detectron2 and torchvision agree with it but for the box's rim, half a mask cell wide, where
    they fade to 0.

    Args:
        masks: probabilities of one small mask a box; ``> 0.5`` on the result is the object's pixels.
        boxes: x0, y0, x1, y1 in pixels; they may reach beyond the picture.
        height, width: of the picture.

    Raises:
        ValueError: masks that are not (n, h, w) or lie outside 0 to 1, another number of boxes, x1 < x0.
    """
    if masks.ndim != 3 or not masks.shape[1] * masks.shape[2]:
        raise ValueError(f"masks have shape {tuple(masks.shape)}, expected (boxes, mask height, mask width)")
    check_rows("masks", masks, "boxes", len(boxes))
    check_probabilities("masks", masks)
    inside = inside_boxes(boxes, height, width)
    if not len(boxes):
        return masks.new_zeros(0, height, width)
    x0, y0, x1, y1 = boxes[:, :, None].unbind(1)
    x, y = (torch.arange(n, device=boxes.device) + 0.5 for n in (width, height))
    # From -1 to 1 over the box. A box without area has no pixel inside; it only must not divide by zero.
    across, down = (x - x0) / (x1 - x0).clamp(min=1e-6) * 2 - 1, (y - y0) / (y1 - y0).clamp(min=1e-6) * 2 - 1
    grid = torch.stack([across[:, None].expand(inside.shape), down[:, :, None].expand(inside.shape)], -1)
    # Whoever is outside is cut below; clamping keeps the numbers small.
    stretched = F.grid_sample(
        masks[:, None], grid.clamp(-2, 2).to(masks.dtype), padding_mode="border", align_corners=False
    )
    return stretched[:, 0] * inside


def prototype_masks(
    prototypes: Float[Tensor, "prototypes height width"],
    coefficients: Float[Tensor, "boxes prototypes"],
    boxes: Float[Tensor, "boxes 4"],
    stride: float | int = 1.0,
) -> Float[Tensor, "boxes height width"]:
    """Mix shared prototype maps into one mask a box: sigmoid(coefficients · prototypes), 0 outside the box.

    Bolya et al. 2019, YOLACT, equation 1, and its crop, there with a margin of one cell.

    Args:
        prototypes: maps of one picture, shared by all its boxes.
        coefficients: how much of each prototype a box's mask holds, negative to subtract it.
        boxes: x0, y0, x1, y1 in pixels.
        stride: pixels a cell of the prototypes.

    Returns:
        Probabilities at the prototypes' resolution.

    Raises:
        ValueError: another number of coefficients than prototypes or of rows than boxes, x1 < x0, values that are
            not finite.
    """
    if prototypes.ndim != 3:
        raise ValueError(
            f"prototypes have shape {tuple(prototypes.shape)}, expected (prototypes, height, width): "
            "one picture at a time"
        )
    check_rows("coefficients", coefficients, "boxes", len(boxes))
    if coefficients.ndim != 2 or coefficients.shape[1] != len(prototypes):
        raise ValueError(
            f"coefficients have shape {tuple(coefficients.shape)}, but there are {len(prototypes)} prototypes: "
            f"expected ({len(boxes)}, {len(prototypes)})"
        )
    check_finite("prototypes", prototypes)
    check_finite("coefficients", coefficients)
    mixed = einsum(coefficients, prototypes, "boxes k, k height width -> boxes height width")
    return mixed.sigmoid() * inside_boxes(boxes, prototypes.shape[1], prototypes.shape[2], stride)
