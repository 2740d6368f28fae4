"""Pictures of any shape in one batch: each becomes a list of patches, padded to the longest (Dehghani et al. 2023)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor
from torch.nn import functional as F


class PatchList(NamedTuple):
    """A batch of pictures, each with as many patches as it has.

    Args:
        patches: one row a patch, row by row through the picture; in it pixel by pixel, red, green and blue side by
            side. After a picture's own patches comes padding.
        mask: True at a picture's own patches.
        sizes: rows and columns of patches of each picture.
    """

    patches: Shaped[Tensor, "batch patches values"]
    mask: Bool[Tensor, "batch patches"]
    sizes: Int64[Tensor, "batch 2"]


def patch_list(
    pictures: Sequence[Shaped[Tensor, "3 _h _w"]], patch: int, max_patches: int | None = None
) -> PatchList:
    """Cut pictures of different sizes into patches and pad the lists to one length.

    Equals what ``Siglip2ImageProcessor`` of Hugging Face's transformers does after resizing.

    Args:
        pictures: bytes or floats, all of one type. Sides are multiples of ``patch``: ``fitting_size`` says which.
        patch: side of a patch in pixels.
        max_patches: length of the lists; the longest picture's if not given.

    Raises:
        ValueError: no pictures, other shapes or types, a side that is no multiple of ``patch``, or more patches than
            ``max_patches``.
    """
    if not len(pictures):
        raise ValueError("there are no pictures, expected one or more")
    if patch < 1:
        raise ValueError(f"patch is {patch}, expected the side of a square in pixels, 1 or more: try 16")
    for k, picture in enumerate(pictures):
        _check_picture(k, picture, patch, pictures[0].dtype)
    lists = [
        rearrange(picture, "channel (row y) (column x) -> (row column) (y x channel)", y=patch, x=patch)
        for picture in pictures
    ]
    longest = max(range(len(lists)), key=lambda k: len(lists[k]))
    length = len(lists[longest]) if max_patches is None else max_patches
    if length < len(lists[longest]):
        raise ValueError(
            f"picture {longest} has {len(lists[longest])} patches, more than {length}: resize it to what fitting_size "
            "says"
        )
    sizes = torch.tensor([[side // patch for side in picture.shape[1:]] for picture in pictures])
    return PatchList(
        torch.stack([F.pad(values, (0, 0, 0, length - len(values))) for values in lists]),
        (torch.arange(length) < sizes.prod(1, keepdim=True)).to(lists[0].device),
        sizes.to(lists[0].device),
    )


def fitting_size(height: int, width: int, patch: int, max_patches: int) -> tuple[int, int]:
    """The largest (height, width) in pixels, of about the picture's shape, that at most ``max_patches`` patches tile.

    Equals the search of ``Siglip2ImageProcessor`` in Hugging Face's transformers: every side is rounded up to whole
    patches, so that small pictures grow, and narrow ones keep at least one patch across.

    Raises:
        ValueError: a number below 1.
    """
    for name, value in (
        ("height", height),
        ("width", width),
        ("patch", patch),
        ("max_patches", max_patches),
    ):
        if value < 1:
            raise ValueError(f"{name} is {value}, expected 1 or more")

    def patches(scale: float) -> tuple[int, int]:
        return max(1, math.ceil(height * scale / patch)), max(1, math.ceil(width * scale / patch))

    small, large = (
        1e-6,
        100.0,
    )  # the first fits, or nothing does but one patch across; the last is never reached
    while large - small >= 1e-5:
        middle = (small + large) / 2
        small, large = (middle, large) if math.prod(patches(middle)) <= max_patches else (small, middle)
    rows, columns = patches(small)
    return rows * patch, columns * patch


def _check_picture(k: int, picture: Tensor, patch: int, dtype: torch.dtype) -> None:
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(
            f"picture {k} has shape {tuple(picture.shape)}, expected (3, height, width): colours first"
        )
    if picture.dtype != dtype:
        raise ValueError(f"picture {k} is {picture.dtype}, picture 0 {dtype}, expected one type: convert it")
    height, width = picture.shape[1:]
    if not height or not width or height % patch or width % patch:
        raise ValueError(
            f"picture {k} is {height}×{width} pixels, expected multiples of the patch, {patch}: resize it to what "
            "fitting_size says, or crop it"
        )
