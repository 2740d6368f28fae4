"""Checks that several towers share: numbers in a configuration, and the shape of what comes in."""

import torch
from torch import Tensor


def check_counts(config: object, names: str) -> None:
    """Raise a ``ValueError`` where a field named in ``names`` is no whole number of 1 or more."""
    for name in names.split():
        value = getattr(config, name)
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{type(config).__name__}: {name} is {value!r}, expected a whole number, at least 1"
            )


def check_known(config: object, name: str, known: tuple[str, ...]) -> None:
    """Raise a ``ValueError`` where the field ``name`` is none of the ``known`` values."""
    if getattr(config, name) not in known:
        raise ValueError(
            f"{type(config).__name__}: {name} is {getattr(config, name)!r}, expected one of {', '.join(known)}"
        )


def check_heads(config: object, width: int, heads: int) -> None:
    """Raise a ``ValueError`` where ``heads`` do not share ``width`` evenly."""
    if width % heads:
        raise ValueError(
            f"{type(config).__name__}: the tower is {width} wide, heads is {heads}: the heads share the width, "
            "so it must be a multiple"
        )


def check_side(config: object, side: int, stride: int) -> None:
    """Raise a ``ValueError`` where tokens of ``stride`` pixels do not tile the images."""
    if side % stride:
        raise ValueError(
            f"{type(config).__name__}: image_side is {side}, expected a multiple of {stride}, "
            "the pixels that a token stands for: resize the images"
        )


def check_images(images: Tensor, side: int) -> None:
    """Raise a ``ValueError`` where ``images`` are not floats of shape (batch, 3, side, side)."""
    if images.ndim != 4 or images.shape[1:] != (3, side, side):
        raise ValueError(
            f"images have shape {tuple(images.shape)}, expected (batch, 3, {side}, {side}): "
            "resize them, colours first"
        )
    if not images.is_floating_point():
        raise ValueError(f"images are {images.dtype}, expected standardised floats: (pixels - mean) / std")


def check_ids(ids: Tensor, vocabulary: int) -> None:
    """Raise an error where an id is no row of the table of embeddings; costs a look at the values."""
    if torch.compiler.is_compiling() or not ids.numel():
        return
    low, high = int(ids.min()), int(ids.max())
    if low < 0 or high >= vocabulary:
        raise ValueError(
            f"token ids from {low} to {high} in a vocabulary of {vocabulary}: "
            "make the config with the tokenizer's length"
        )
