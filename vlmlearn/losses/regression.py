"""Regression: how far a number is from its target, without a few far ones taking over."""

import torch.nn.functional as F
from jaxtyping import Float, Num
from torch import Tensor

from vlmlearn.losses.task_checks import (
    LARGEST,
    check_number,
    check_same_shape,
    check_values,
    precise,
    reduce_loss,
)


def smooth_l1_loss(
    predicted: Float[Tensor, "..."],
    target: Num[Tensor, "..."],
    *,
    beta: float | int = 1.0,
    reduction: str = "mean",
) -> Float[Tensor, "..."]:
    """d² / 2β for distances d below β, |d| − β/2 above: a parabola whose arms are straight.

    Huber's loss with δ = β is β times this, so its arms get steeper with δ, these have slope 1 for every β.

    Args:
        beta: where the arms begin, in the unit of the numbers. 0 is |d|, the L1 loss.
        reduction: "mean" over all numbers, "sum", or "none". No numbers, as in a batch without objects: 0, with zero
            gradients.

    Raises:
        ValueError: shapes that differ, numbers that are not finite, beta below 0, an unknown reduction.

    Girshick 2015, equation 3. Equals ``torch.nn.functional.smooth_l1_loss``.
    """
    check_same_shape("target", target, "predicted", predicted)
    check_number("beta", beta, 0, LARGEST, "it is the distance where the arms begin; 0 is the L1 loss")
    check_values("predicted", predicted)
    check_values("target", target)
    predicted = precise(predicted)
    values = F.smooth_l1_loss(predicted, target.to(predicted.dtype), beta=float(beta), reduction="none")
    return reduce_loss(values, reduction)
