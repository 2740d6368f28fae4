"""What box decoding asks of its inputs: shapes always, values outside ``torch.compile``.

Boxes are (x0, y0, x1, y1) in pixels throughout, x to the right and y downwards; x1 and y1 are one past the last
pixel, so a box is x1 - x0 wide.
"""

import torch
from torch import Tensor


def check_boxes(name: str, boxes: Tensor, *, with_area: bool = False) -> None:
    """Raise a ``ValueError`` unless ``boxes`` are floats (n, 4), finite, with x1 >= x0 and y1 >= y0.

    Args:
        name: what the message calls them.
        with_area: a width or height of 0 is an error too.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.is_floating_point():
        raise ValueError(
            f"{name} are {boxes.dtype} {tuple(boxes.shape)}, expected floats (boxes, 4): "
            "x0, y0, x1, y1 of one picture's boxes"
        )
    if torch.compiler.is_compiling() or not len(boxes):
        return
    check_finite(name, boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    wrong = (sides <= 0 if with_area else sides < 0).any(1)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        bound = "x1 > x0 and y1 > y0" if with_area else "x1 >= x0 and y1 >= y0"
        numbers = ", ".join(f"{value:g}" for value in boxes[row].tolist())
        raise ValueError(
            f"row {row} of {name} is ({numbers}), expected corners with {bound}: "
            "(x, y, width, height) becomes (x, y, x + width, y + height)"
        )


def check_finite(name: str, values: Tensor) -> None:
    """Raise a ``ValueError`` where a value is NaN or infinite; not looked at while compiling."""
    if not torch.compiler.is_compiling() and not values.isfinite().all():
        raise ValueError(
            f"{name} hold NaN or infinity, expected finite numbers: look for a loss that diverged"
        )


def check_probabilities(name: str, values: Tensor) -> None:
    """Raise a ``ValueError`` where a value lies outside 0 to 1, or is NaN; not looked at while compiling."""
    if torch.compiler.is_compiling() or not values.numel():
        return
    if not ((values >= 0) & (values <= 1)).all():
        low, high = torch.aminmax(values)
        raise ValueError(
            f"{name} reach from {low.item():g} to {high.item():g}, expected probabilities from 0 to 1: "
            "pass logits through sigmoid() first"
        )


def check_share(name: str, value: float | int) -> None:
    """Raise a ``ValueError`` unless ``value`` lies from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, expected a number from 0 to 1: for 50 percent write 0.5")


def check_rows(name: str, values: Tensor, other: str, rows: int) -> None:
    """Raise a ``ValueError`` unless ``values`` have one row for each of the ``rows`` of ``other``."""
    if not values.ndim or len(values) != rows:
        raise ValueError(
            f"{name} have shape {tuple(values.shape)}, but there are {rows} {other}: expected one of {name} for each"
        )


def check_size(height: int, width: int) -> None:
    """Raise a ``ValueError`` unless both are at least 1."""
    if height < 1 or width < 1:
        raise ValueError(f"height is {height} and width {width}, expected at least 1 each")


def check_positive(name: str, *values: float | int) -> None:
    """Raise a ``ValueError`` unless there is a value and all are above 0 and finite."""
    if not values or not all(0 < value < float("inf") for value in values):
        raise ValueError(
            f"{name} is {values if len(values) != 1 else values[0]}, expected finite numbers above 0"
        )
