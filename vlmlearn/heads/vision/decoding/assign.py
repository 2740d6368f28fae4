"""Which anchor or cell answers for which object while a detector trains."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from vlmlearn.heads.vision.decoding.checks import (
    check_boxes,
    check_positive,
    check_rows,
    check_share,
    check_size,
)
from vlmlearn.losses.boxes import box_iou

BACKGROUND = -1  # overlaps with no object: a negative example
IGNORED = -2  # neither clearly an object nor clearly none: no loss


def assign_anchors(
    anchors: Float[Tensor, "anchors 4"],
    boxes: Float[Tensor, "objects 4"],
    low: float | int = 0.4,
    high: float | int = 0.5,
    *,
    low_quality: bool = True,
) -> Int64[Tensor, " anchors"]:
    """The object of each anchor, by overlap: its place in ``boxes``, ``BACKGROUND`` (-1) or ``IGNORED`` (-2).

    An anchor goes to the object it overlaps most if that IoU is at least ``high``; below ``low`` it is background;
    between them it is ignored. With ``low_quality`` the anchors that overlap an object most of all anchors (all of
    them, where several do) go to the object *they* overlap most, whatever their IoU, so that hardly an object is
    left without. RetinaNet (Lin et al. 2017) takes 0.4 and 0.5, the proposals of Faster R-CNN (Ren et al. 2015,
    section 3.1.2) 0.3 and 0.7.

    Equals torchvision's ``Matcher`` but for an object that no anchor touches: there every anchor is "best" with
    IoU 0 and would become an example of something; here it gets none.

    Args:
        anchors: x0, y0, x1, y1 in pixels.
        boxes: the objects of one picture; none makes everything background.
        low, high: IoU, 0 <= low <= high <= 1.

    Raises:
        ValueError: not (n, 4), x1 < x0, thresholds outside 0 to 1 or in the wrong order.
    """
    check_boxes("anchors", anchors)
    check_boxes("boxes", boxes)
    check_share("low", low)
    check_share("high", high)
    if low > high:
        raise ValueError(f"low is {low} and high {high}, expected low <= high: exchange them")
    if not len(boxes) or not len(anchors):
        return torch.full((len(anchors),), BACKGROUND, device=anchors.device)
    iou = box_iou(anchors, boxes)
    overlap, most = iou.max(1)
    assigned = torch.where(overlap >= high, most, IGNORED)
    assigned = torch.where(overlap < low, BACKGROUND, assigned)
    if not low_quality:
        return assigned
    best = iou.max(0).values
    chosen = ((iou == best) & (best > 0)).any(1)
    return torch.where(chosen, most, assigned)


def centre_cells(
    boxes: Float[Tensor, "objects 4"], height: int, width: int, stride: float | int
) -> Int64[Tensor, " objects"]:
    """The cell that each box's middle falls in, as row * width + column (Zhou et al. 2019, "Objects as Points").

    Two objects may get the same cell, and then only one of them can be learnt there: choose a smaller stride.

    Args:
        boxes: x0, y0, x1, y1 in pixels.
        height, width: of the feature map in cells.
        stride: pixels a cell.

    Raises:
        ValueError: not (n, 4), x1 < x0, a stride that is not above 0, a middle outside the feature map.
    """
    check_boxes("boxes", boxes)
    check_size(height, width)
    check_positive("stride", stride)
    column, row = ((boxes[:, :2] + boxes[:, 2:]) / 2 / stride).floor().long().unbind(1)
    outside = (column < 0) | (column >= width) | (row < 0) | (row >= height)
    if outside.any():
        which = int(outside.nonzero()[0])
        raise ValueError(
            f"the middle of box {which} is in column {column[which]}, row {row[which]} of a map with {width} columns "
            f"and {height} rows: leave out objects whose middle is outside the picture, and check the stride {stride:g}"
        )
    return row * width + column


def gaussian_heat_maps(
    boxes: Float[Tensor, "objects 4"],
    classes: Int64[Tensor, " objects"],
    num_classes: int,
    height: int,
    width: int,
    stride: float | int,
    overlap: float | int = 0.7,
) -> Float[Tensor, "num_classes height width"]:
    """The target of a centre-based detector: 1 in each object's centre cell, a Gaussian around, one map a class.

    exp(-d² / 2σ²) with d from cell to cell and σ a sixth of the diameter 2r + 1 of ``error_radius``, as in CenterNet
    (Zhou et al. 2019) after CornerNet (Law & Deng 2018); where two bells of a class overlap, the higher counts.

    Args:
        boxes: x0, y0, x1, y1 in pixels, of one picture.
        classes: which map each object goes to.
        num_classes: number of maps.
        height, width, stride: of the maps, see ``centre_cells``.
        overlap: IoU that a box misplaced by r still has.

    Raises:
        ValueError: what ``centre_cells`` and ``error_radius`` raise; classes outside 0 to num_classes - 1.
    """
    check_rows("classes", classes, "boxes", len(boxes))
    cell = centre_cells(boxes, height, width, stride)
    if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < num_classes:
        raise ValueError(
            f"classes reach from {int(classes.min())} to {int(classes.max())}, expected 0 to {num_classes - 1}: "
            "leave out empty slots"
        )
    sigma = (2 * error_radius((boxes[:, 2:] - boxes[:, :2]) / stride, overlap) + 1) / 6
    row, column = torch.arange(height, device=boxes.device), torch.arange(width, device=boxes.device)
    squared = (row - (cell // width)[:, None])[:, :, None] ** 2 + (column - (cell % width)[:, None])[
        :, None
    ] ** 2
    bells = torch.exp(-squared / (2 * sigma[:, None, None] ** 2))
    maps = boxes.new_zeros(num_classes, height, width)
    return maps.scatter_reduce(0, classes[:, None, None].expand(bells.shape), bells, "amax")


def error_radius(sides: Float[Tensor, "objects 2"], overlap: float | int = 0.7) -> Float[Tensor, " objects"]:
    """How far both corners of a box may be off, in x and in y, for its IoU with the true one to stay ``overlap``.

    The smallest of three cases: both corners move the same way, inwards, or outwards, each a quadratic equation
    (Law & Deng 2018, section 3.2; the published code divides two of its roots by 2 instead of 2a).

    Args:
        sides: width and height.
        overlap: IoU, above 0 and up to 1.

    Raises:
        ValueError: an overlap outside 0 to 1, or 0.
    """
    check_share("overlap", overlap)
    check_positive("overlap", overlap)
    both, area = sides.sum(1), sides.prod(1)
    same_way = (both - (both**2 - 4 * area * (1 - overlap) / (1 + overlap)).clamp(min=0).sqrt()) / 2
    inwards = (both - (both**2 - 4 * area * (1 - overlap)).clamp(min=0).sqrt()) / 4
    outwards = ((both**2 + 4 * area * (1 - overlap) / overlap).sqrt() - both) / 4
    return torch.stack([same_way, inwards, outwards]).amin(0)
