"""The loss of a head that says how far off it expects to be: depth under a Laplace distribution."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vlmlearn.losses.task_checks import LARGEST, check_same_shape, check_values, precise


def laplace_depth_loss(
    depth: Float[Tensor, "*pixels"],
    log_scale: Float[Tensor, "*pixels"],
    target: Float[Tensor, "*pixels"],
    *,
    valid: Bool[Tensor, "*pixels"] | None = None,
) -> Float[Tensor, ""]:
    """|log depth - log target| / b + log 2b, the mean over pixels: how surprising the target's log-depth is, in nats.

    Where the head expects to be far off, with a large scale b, an error costs little, but log b costs all the same: b
    is best where it equals the error that is to be expected (Kendall & Gal 2017, section 3). It is the negative log
    likelihood of ``torch.distributions.Laplace``.

    Args:
        depth: above 0, in any unit.
        log_scale: log b for every pixel.
        target: depths in the same unit.
        valid: where the target counts; None: where it is above 0.

    Raises:
        ValueError: shapes that differ, no valid pixel, a depth not above 0 at a valid one, numbers that are not finite.
    """
    check_same_shape("log_scale", log_scale, "depth", depth)
    check_same_shape("target", target, "depth", depth)
    if valid is None:
        check_values("target", target, fix="mark pixels without a depth with 0, or pass valid")
        valid = target > 0
    check_same_shape("valid", valid, "depth", depth)
    if not torch.compiler.is_compiling() and not valid.any():
        raise ValueError("no pixel is valid, expected at least one: leave batches without depth out")
    keep = ... if valid.all() else valid  # taking all pixels out one by one would cost as much as the loss
    depth, log_scale, target = (precise(x)[keep] for x in (depth, log_scale, target.detach()))
    smallest = torch.finfo(torch.float32).tiny
    check_values(
        "valid depth", depth, smallest, LARGEST, fix="a depth is above 0, its logarithm is taken here"
    )
    check_values("valid target", target, smallest, LARGEST, fix="leave pixels without a depth out of valid")
    check_values("log_scale", log_scale)
    error = (depth.log() - target.log()).abs()
    return (error * torch.exp(-log_scale) + log_scale + math.log(2)).mean()
