"""What a head is given: a map, tokens, or several scales of them. All become a list of maps."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

Features = Float[Tensor, "..."] | Sequence[Float[Tensor, "..."]]
Grid = tuple[int, int]


def scale_widths(in_channels: int | Sequence[int]) -> tuple[int, ...]:
    """One width a scale, from ``in_channels``; ``ValueError`` for none, or one below 1."""
    widths = (in_channels,) if isinstance(in_channels, int) else tuple(in_channels)
    if not widths or any(not isinstance(width, int) or width < 1 for width in widths):
        raise ValueError(
            f"in_channels is {in_channels!r}, expected the encoder's channels: a whole number, or one a scale"
        )
    return widths


def to_maps(
    features: Features, widths: tuple[int, ...], grid: Grid | None = None
) -> list[Float[Tensor, "batch channels h w"]]:
    """One map (batch, channels, h, w) a scale, the finest first.

    Args:
        features: a map (batch, channels, h, w), tokens (batch, tokens, channels) row by row, or a list of them, the
            finest first. A class token is no place in the picture: leave it out, ``tokens[:, 1:]``.
        widths: channels of each scale.
        grid: rows and columns of the tokens, where they are no square.

    Raises:
        ValueError: another number of scales, rank or channels; tokens that are no square or not rows × columns;
            scales of different batches, or a coarse one before a finer one.
    """
    scales = [features] if isinstance(features, Tensor) else list(features)
    if len(scales) != len(widths):
        raise ValueError(
            f"features are {len(scales)} scale(s), expected {len(widths)}, with {widths} channels: give a list "
            "with one tensor for each, or make the head with in_channels of the scales there are"
        )
    if grid is not None and len(scales) > 1:
        raise ValueError(f"grid is {grid}, but there are {len(scales)} scales: give maps instead of tokens")
    maps = [_to_map(scale, width, grid) for scale, width in zip(scales, widths, strict=True)]
    for finer, coarser in pairwise(maps):
        if len(finer) != len(coarser):
            raise ValueError(
                f"scales have batches of {len(finer)} and {len(coarser)}, expected the same pictures"
            )
        if finer.shape[2] < coarser.shape[2] or finer.shape[3] < coarser.shape[3]:
            raise ValueError(
                f"a scale of {tuple(finer.shape[2:])} comes before one of {tuple(coarser.shape[2:])}: put the finest "
                "first"
            )
    return maps


def _to_map(scale: Tensor, width: int, grid: Grid | None) -> Tensor:
    shape = tuple(scale.shape)
    if scale.ndim not in (3, 4):
        raise ValueError(
            f"features have shape {shape}, expected a map (batch, {width}, h, w) or tokens (batch, tokens, {width})"
        )
    if not scale.is_floating_point():
        raise ValueError(f"features are {scale.dtype}, expected floats: what an encoder made of the pictures")
    if shape[1 if scale.ndim == 4 else 2] != width:
        last = "permute(0, 3, 1, 2)" if scale.ndim == 4 else "transpose(1, 2)"
        turned = shape[3 if scale.ndim == 4 else 1] == width
        raise ValueError(
            f"features have shape {shape}, expected {width} channels in a map (batch, {width}, h, w) or tokens (batch, "
            f"tokens, {width}): "
            + (f"write .{last}" if turned else "make the head with the encoder's in_channels")
        )
    if 0 in shape[1:]:
        raise ValueError(f"features have shape {shape}: there is no place to look at")
    if scale.ndim == 4:
        if grid is not None and tuple(grid) != shape[2:]:
            raise ValueError(f"grid is {grid}, but the map has {shape[2:]} rows and columns: leave grid out")
        return scale
    rows, columns = _rows_and_columns(shape[1], grid)
    return rearrange(
        scale, "batch (row column) channel -> batch channel row column", row=rows, column=columns
    )


def _rows_and_columns(tokens: int, grid: Grid | None) -> Grid:
    if grid is not None:
        if grid[0] < 1 or grid[0] * grid[1] != tokens:
            raise ValueError(
                f"grid is {grid}, which has {grid[0] * grid[1]} places, but there are {tokens} tokens"
            )
        return grid
    side = math.isqrt(tokens)
    if side * side != tokens:
        extra = math.isqrt(tokens - 1) ** 2 == tokens - 1
        fix = "leave the class token out, tokens[:, 1:]" if extra else "give grid=(rows, columns)"
        raise ValueError(f"there are {tokens} tokens, which is no square: {fix}")
    return side, side


def at_least_float32(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Predictions leave a head in float32 even where its layers ran in half precision: losses need the digits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
