"""What the losses of the task heads ask of their inputs, and how they make one number of many."""

import difflib

import torch
from jaxtyping import Bool, Float, Integer, Shaped
from torch import Tensor

# Squares and products of two numbers below 1e12 stay inside float32, whose largest is 3.4e38.
LARGEST = 1e12
REDUCTIONS = ("mean", "sum", "none")


def precise(tensor: Shaped[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The same numbers in float32, or in float64 if they came so: losses are not computed in half precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def check_same_shape(
    name: str, tensor: Shaped[Tensor, "..."], other_name: str, other: Shaped[Tensor, "..."]
) -> None:
    """``ValueError`` unless both have one shape: broadcasting would compare each with the wrong partner."""
    if tensor.shape != other.shape:
        raise ValueError(
            f"{name} has shape {tuple(tensor.shape)}, {other_name} {tuple(other.shape)}, expected the same: "
            "resize or reshape one of them first, nothing is broadcast"
        )


def check_values(
    name: str,
    tensor: Shaped[Tensor, "..."],
    low: float | int = -LARGEST,
    high: float | int = LARGEST,
    *,
    fix: str = "NaN and infinity often come from too high a learning rate",
) -> None:
    """``ValueError`` that names the first value outside ``low`` … ``high``; NaN is outside. Not while compiling."""
    if torch.compiler.is_compiling():
        return
    values = precise(tensor)  # 1e12 in float16 would be infinity, which is not above it
    outside = ~((values >= low) & (values <= high))
    if outside.any():
        place = tuple(outside.nonzero()[0].tolist())
        raise ValueError(
            f"{name} is {tensor[place].item():g} at {place}, expected {low:g} to {high:g}: {fix}"
        )


def check_number(name: str, value: float | int, low: float | int, high: float | int, fix: str) -> None:
    """``ValueError`` unless an option lies within ``low`` … ``high``."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, expected {low:g} to {high:g}: {fix}")


def check_class_ids(
    target: Integer[Tensor, "batch *space"], logits: Float[Tensor, "batch classes *space"], ignore_index: int
) -> Bool[Tensor, "batch *space"]:
    """Where the target counts: everywhere but at ``ignore_index``.

    Raises:
        ValueError: another size than the logits without their classes, or an id that is no class.
    """
    if logits.ndim < 2 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"target has shape {tuple(target.shape)}, logits {tuple(logits.shape)}, expected (batch, …) and "
            "(batch, classes, …): move the classes to axis 1, resize the logits to the target's height and width"
        )
    if target.is_floating_point() or target.dtype == torch.bool:
        raise ValueError(f"target is {target.dtype}, expected integers: pass class ids, target.long()")
    valid = target != ignore_index
    if torch.compiler.is_compiling():
        return valid
    classes = logits.shape[1]
    wrong = valid & ((target < 0) | (target >= classes))
    if wrong.any():
        place = tuple(wrong.nonzero()[0].tolist())
        raise ValueError(
            f"target is {target[place].item()} at {place}, expected a class from 0 to {classes - 1} or "
            f"ignore_index {ignore_index}: give the loss the id of unlabelled places, often ignore_index=255"
        )
    return valid


def share(
    part: Float[Tensor, "..."], whole: Float[Tensor, "..."], smallest: float | int = 0
) -> Float[Tensor, "..."]:
    """``part / whole``, and 0 with zero gradients where the whole is not above ``smallest``."""
    some = whole > smallest
    # The inner where: a division by zero would send NaN back through the outer one.
    return torch.where(some, part / torch.where(some, whole, 1), 0)


def reduce_loss(values: Float[Tensor, "..."], reduction: str) -> Float[Tensor, "..."]:
    """The values themselves ("none"), their "sum" or their "mean"; both are 0 where there are none.

    Raises:
        ValueError: another reduction; the nearest one is offered.
    """
    if reduction not in REDUCTIONS:
        near = difflib.get_close_matches(str(reduction), REDUCTIONS, n=1, cutoff=0)[0]
        raise ValueError(
            f"reduction is {reduction!r}, expected one of {', '.join(REDUCTIONS)}: did you mean {near!r}?"
        )
    if reduction == "none":
        return values
    return values.sum() / (max(values.numel(), 1) if reduction == "mean" else 1)
