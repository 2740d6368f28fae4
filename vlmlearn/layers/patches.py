"""Patches: a picture cut into squares, each laid out as one row of numbers, and put together again."""

from einops import rearrange
from jaxtyping import Shaped
from torch import Tensor


def patchify(
    images: Shaped[Tensor, "batch channels height width"], patch: int
) -> Shaped[Tensor, "batch tokens values"]:
    """Cut images into squares: the tokens of a Vision Transformer before any layer (Dosovitskiy et al. 2021).

    A linear layer on these tokens equals ``nn.Conv2d(channels, width, patch, stride=patch)`` whose weight is
    the linear layer's in the shape (width, channels, patch, patch).

    Args:
        images: any type of number.
        patch: side of a square in pixels; divides height and width.

    Returns:
        One token for every square, row by row. Its channels · patch · patch values come channel by channel,
        inside a channel row by row.

    Raises:
        ValueError: not a batch of images, ``patch`` below 1, or a side that is no multiple of it.
    """
    _check_patch(patch)
    if images.ndim != 4:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, expected (batch, channels, height, width): "
            "one image goes in as image[None]"
        )
    for name, side in zip(("height", "width"), images.shape[2:], strict=True):
        if side < 1 or side % patch:
            raise ValueError(
                f"{name} is {side} pixels, expected a multiple of the patch, {patch}: resize the images to "
                f"{max(side // patch, 1) * patch}, pad them to {-(-max(side, 1) // patch) * patch}, "
                "or choose another patch"
            )
    return rearrange(images, "b channel (row y) (column x) -> b (row column) (channel y x)", y=patch, x=patch)


def unpatchify(
    patches: Shaped[Tensor, "batch tokens values"], patch: int, channels: int = 3, rows: int | None = None
) -> Shaped[Tensor, "batch channels height width"]:
    """Put patches together again: the inverse of ``patchify``.

    Args:
        patches: as ``patchify`` returns them.
        patch: side of a patch in pixels.
        channels: of the images.
        rows: patches from top to bottom; as many as from left to right if not given.

    Raises:
        ValueError: patches of another shape or size, or a number of tokens that fills no such grid.
    """
    _check_patch(patch)
    values = channels * patch * patch
    if patches.ndim != 3 or patches.shape[-1] != values:
        raise ValueError(
            f"patches have shape {tuple(patches.shape)}, expected (batch, tokens, {values}) = {channels} channels "
            f"× {patch} × {patch}: check channels and patch, and leave out tokens that are no patches (CLS)"
        )
    tokens = patches.shape[1]
    if rows is None:
        rows = round(tokens**0.5)
        if rows * rows != tokens:
            raise ValueError(
                f"there are {tokens} tokens, expected a square number (4, 9, 16, …): give rows if the images "
                "are not square, and leave out a token that is no patch (CLS)"
            )
    if rows < 1 or tokens % rows:
        raise ValueError(f"{tokens} tokens do not fill {rows} rows: rows must divide the number of tokens")
    return rearrange(
        patches,
        "b (row column) (channel y x) -> b channel (row y) (column x)",
        row=rows,
        channel=channels,
        y=patch,
        x=patch,
    )


def _check_patch(patch: int) -> None:
    if patch < 1:
        raise ValueError(f"patch is {patch}, expected the side of a square in pixels, 1 or more: try 8")
