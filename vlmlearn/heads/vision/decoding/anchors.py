"""Where a detector looks before it has seen anything: a point, or a set of boxes, for every cell of a feature map.

Cells go row by row, as ``feature_map.flatten(2)`` does; the boxes of one cell follow each other, by size, then by
ratio. Everything is in pixels of the input picture.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from vlmlearn.heads.vision.decoding.checks import check_positive, check_size


def cell_centres(
    height: int, width: int, stride: float | int, device: torch.device | str | None = None
) -> Float[Tensor, "cells 2"]:
    """The middle (x, y) of every cell of a feature map: ((column + 1/2) · stride, (row + 1/2) · stride).

    As in FCOS (Tian et al. 2019, section 3.1). A whole stride times the index, without the half, is the cell's
    corner.

    Args:
        height, width: of the feature map in cells.
        stride: pixels from one cell to the next.

    Raises:
        ValueError: no cell, a stride that is not above 0.
    """
    check_size(height, width)
    check_positive("stride", stride)
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows], -1).flatten(0, 1)


def anchor_sides(sizes: Sequence[float | int], ratios: Sequence[float | int]) -> Float[Tensor, "anchors 2"]:
    """Width and height of each anchor: its area is size², and ratio = height / width.

    Sizes are the outer loop and ratios the inner one (Ren et al. 2015, Faster R-CNN; the ratio as in
    Detectron2 and torchvision).

    Raises:
        ValueError: no size or no ratio, one that is not above 0.
    """
    check_positive("sizes", *sizes)
    check_positive("ratios", *ratios)
    sides = [(size / ratio**0.5, size * ratio**0.5) for size in sizes for ratio in ratios]
    return torch.tensor(sides, dtype=torch.float32)


def anchor_boxes(
    height: int,
    width: int,
    stride: float | int,
    sizes: Sequence[float | int],
    ratios: Sequence[float | int] = (0.5, 1.0, 2.0),
    device: torch.device | str | None = None,
) -> Float[Tensor, "boxes 4"]:
    """The anchors of one feature map: each of the sizes in each of the ratios around each cell's middle.

    Row ``cell * len(sizes) * len(ratios) + anchor`` belongs to that cell. Boxes at the border reach beyond the
    picture. Equals Detectron2's ``DefaultAnchorGenerator`` with ``offset=0.5``.

    Args:
        height, width, stride: of the feature map, see ``cell_centres``.
        sizes, ratios: see ``anchor_sides``.

    Raises:
        ValueError: no cell, or a stride, size or ratio that is not above 0.
    """
    half = anchor_sides(sizes, ratios).to(device) / 2
    centres = cell_centres(height, width, stride, device)
    around = torch.cat([-half, half], 1)
    return (centres.repeat(1, 2)[:, None] + around).flatten(0, 1)


def pyramid_anchors(
    shapes: Sequence[tuple[int, int]],
    strides: Sequence[float | int],
    sizes: Sequence[float | int] | Sequence[Sequence[float | int]],
    ratios: Sequence[float | int] = (0.5, 1.0, 2.0),
    device: torch.device | str | None = None,
) -> list[Float[Tensor, "boxes 4"]]:
    """The anchors of each level of a feature pyramid (Lin et al. 2017): coarse levels look for large things.

    Args:
        shapes: (height, width) of each level's feature map.
        strides: of each level, in pixels.
        sizes: of each level: one number, or several (RetinaNet: size · 2^0, 2^(1/3), 2^(2/3)).
        ratios: the same on every level.

    Returns:
        One tensor a level; ``torch.cat`` joins them in the order of concatenated predictions.

    Raises:
        ValueError: no level, lists of different lengths, numbers that are not above 0.
    """
    if not shapes or not len(shapes) == len(strides) == len(sizes):
        raise ValueError(
            f"{len(shapes)} shapes, {len(strides)} strides and {len(sizes)} sizes, expected one of each a level: "
            "sizes=[8, 16] or [[8, 10], [16, 20]] for two levels"
        )
    levels = zip(shapes, strides, sizes, strict=True)
    return [
        anchor_boxes(
            height, width, stride, of_level if isinstance(of_level, Sequence) else [of_level], ratios, device
        )
        for (height, width), stride, of_level in levels
    ]
