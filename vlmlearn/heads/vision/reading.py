"""What chosen places of a head's answer say: boxes, masks, and where the peaks are."""

import math

from einops import rearrange, repeat
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F

from vlmlearn.heads.vision.decoding import Peaks, cell_centres, decode_ltrb, top_peaks
from vlmlearn.heads.vision.instances import coefficients_of, mask_logits


def boxes_at(
    regressions: Float[Tensor, "batch places 4"], cells: Int64[Tensor, "batch k"], stride: int
) -> Float[Tensor, "batch k 4"]:
    """The boxes that chosen places of a map say, x0, y0, x1, y1 in pixels: distances from the place, by a softplus.

    Args:
        regressions: of a ``DetectionHead`` with one anchor a place.
        cells: which places, row * side + column.
        stride: pixels a place stands for.
    """
    distances = F.softplus(rows_at(regressions, cells))
    side = math.isqrt(regressions.shape[1])
    points = cell_centres(side, side, stride, cells.device)[cells]
    return decode_ltrb(distances.flatten(0, 1), points.flatten(0, 1), stride).view_as(distances)


def masks_at(
    answer: dict[str, Shaped[Tensor, "..."]], cells: Int64[Tensor, "batch k"], side: int
) -> Float[Tensor, "batch k side side"]:
    """The masks, as logits, that chosen places of an ``InstanceSegmentationHead`` say, at the picture's ``side``."""
    logits = mask_logits(answer["prototypes"], coefficients_of(answer["coefficients"], cells))
    return F.interpolate(logits, size=(side, side), mode="bilinear")


def peaks_of(classifications: Float[Tensor, "batch places classes"], k: int = 10) -> Peaks:
    """The k highest peaks of a detector's class maps."""
    side = math.isqrt(classifications.shape[1])
    return top_peaks(rearrange(classifications.sigmoid(), "batch (h w) c -> batch c h w", h=side), k)


def rows_at(
    values: Float[Tensor, "batch places channels"], cells: Int64[Tensor, "batch k"]
) -> Float[Tensor, "batch k channels"]:
    """The rows of chosen places."""
    return values.gather(1, repeat(cells, "batch k -> batch k channel", channel=values.shape[2]))
