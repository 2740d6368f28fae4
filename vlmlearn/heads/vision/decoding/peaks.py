"""Heat maps to places: the k highest peaks, or the middle of mass to a fraction of a cell."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vlmlearn.heads.vision.decoding.checks import check_finite, check_positive, check_probabilities


class Peaks(NamedTuple):
    """The k highest peaks of each picture, the highest first.

    Attributes:
        scores: height of each peak; 0 where a picture has fewer than k peaks.
        classes: which heat map it is on.
        cells: row * width + column, as ``feature_map.flatten(2)`` numbers them.
    """

    scores: Float[Tensor, "batch k"]
    classes: Int64[Tensor, "batch k"]
    cells: Int64[Tensor, "batch k"]


def local_peaks(
    heat: Float[Tensor, "batch classes height width"],
) -> Bool[Tensor, "batch classes height width"]:
    """Where a cell is at least as high as its eight neighbours, and above 0.

    A 3×3 maximum in the place of NMS (Zhou et al. 2019, "Objects as Points", section 4). All cells of a plateau
    are peaks.

    Raises:
        ValueError: not four dimensions, values outside 0 to 1.
    """
    if heat.ndim != 4:
        raise ValueError(f"heat has shape {tuple(heat.shape)}, expected (batch, classes, height, width)")
    check_probabilities("the heat maps", heat)
    return (F.max_pool2d(heat, 3, stride=1, padding=1) == heat) & (heat > 0)


def top_peaks(heat: Float[Tensor, "batch classes height width"], k: int) -> Peaks:
    """The k highest peaks over all classes of each picture; equals CenterNet's ``_nms`` and ``_topk``.

    Args:
        heat: probabilities, one map a class.
        k: how many, at most classes · height · width.

    Raises:
        ValueError: not four dimensions, values outside 0 to 1, k below 1 or above the number of cells.
    """
    peaks = local_peaks(heat)
    cells = heat.shape[2] * heat.shape[3]
    if not 1 <= k <= heat.shape[1] * cells:
        raise ValueError(
            f"k is {k}, expected 1 to {heat.shape[1] * cells}: there are {heat.shape[1]} maps of {cells} cells"
        )
    scores, places = (heat * peaks).flatten(1).topk(k)
    return Peaks(scores, places // cells, places % cells)


def soft_argmax(
    heat_maps: Float[Tensor, "*batch height width"], temperature: float | int = 1.0
) -> Float[Tensor, "*batch 2"]:
    """The middle of mass (x, y) of each softmaxed heat map, to a fraction of a cell and with a gradient.

    Coordinates are in cells: the middle of the top left one is (0.5, 0.5); times the stride they are pixels. Towards
    temperature 0 the answer is the highest cell's middle; a high temperature draws it to the map's middle. As the
    integral regression of Sun et al. 2018 and the spatial softmax of Levine et al. 2016.

    Args:
        heat_maps: logits, any leading dimensions.
        temperature: what logits are divided by.

    Raises:
        ValueError: fewer than two dimensions, an empty map, logits that are not finite, a temperature that is not
            above 0.
    """
    if heat_maps.ndim < 2 or not heat_maps.shape[-1] * heat_maps.shape[-2]:
        raise ValueError(
            f"heat_maps have shape {tuple(heat_maps.shape)}, expected (..., height, width), not empty"
        )
    check_positive("temperature", temperature)
    check_finite("heat_maps", heat_maps)
    height, width = heat_maps.shape[-2:]
    precise = torch.promote_types(heat_maps.dtype, torch.float32)  # half precision counts to 2048 only
    weight = (heat_maps.to(precise) / temperature).flatten(-2).softmax(-1).unflatten(-1, (height, width))
    x = (torch.arange(width, device=weight.device, dtype=precise) + 0.5) @ weight.sum(-2)[..., None]
    y = (torch.arange(height, device=weight.device, dtype=precise) + 0.5) @ weight.sum(-1)[..., None]
    return torch.cat([x, y], -1).to(heat_maps.dtype)
