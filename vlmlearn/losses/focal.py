"""Focal losses: yes-or-no questions whose easy answers, mostly background, count next to nothing."""

import warnings

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from vlmlearn.losses.task_checks import (
    LARGEST,
    check_number,
    check_same_shape,
    check_values,
    precise,
    reduce_loss,
)


def sigmoid_focal_loss(
    logits: Float[Tensor, "..."],
    target: Shaped[Tensor, "..."],
    *,
    alpha: float | int | None = 0.25,
    gamma: float | int = 2.0,
    reduction: str = "mean",
) -> Float[Tensor, "..."]:
    """Binary cross entropy times (1 − p)^γ, where p is the probability of the right answer.

    Args:
        logits: one per question: anchor and class, pixel and class.
        target: the answers, 1 yes and 0 no, or a share between; no gradient reaches it.
        alpha: weight of yes; no has 1 − alpha. None or −1: no weights.
        gamma: how little easy answers count. 0 is the cross entropy.
        reduction: "mean" over all questions, "sum" (RetinaNet divides it by the number of objects), or "none".
            No questions: 0, with zero gradients.

    Raises:
        ValueError: shapes that differ, logits not finite, a target outside 0 … 1, alpha outside 0 … 1, gamma
            below 0, an unknown reduction.

    Lin et al. 2017, equation 5. Equals torchvision's and, with alpha between 0 and 1, transformers' function of this
    name before their reductions.
    """
    check_same_shape("target", target, "logits", logits)
    check_number("gamma", gamma, 0, LARGEST, "RetinaNet has 2, and 0 is the cross entropy")
    if alpha is not None and alpha != -1:
        check_number("alpha", alpha, 0, 1, "it is the weight of yes; pass None or -1 for no weights")
    check_values("logits", logits)
    check_values("target", target, 0, 1, fix="a target is a probability, 1 for yes and 0 for no")
    logits = precise(logits)
    yes = target.detach().to(logits.dtype)

    # log(1 − p) stays finite where 1 − p rounds to 0, and so do its gradients for every gamma.
    log_wrong = torch.logaddexp(
        F.logsigmoid(logits) + torch.log1p(-yes), F.logsigmoid(-logits) + torch.log(yes)
    )
    loss = torch.exp(gamma * log_wrong) * F.binary_cross_entropy_with_logits(logits, yes, reduction="none")
    if alpha is not None and alpha != -1:
        loss = loss * (alpha * yes + (1 - alpha) * (1 - yes))
    return reduce_loss(loss, reduction)


def heatmap_focal_loss(
    logits: Float[Tensor, "..."],
    heatmap: Float[Tensor, "..."],
    *,
    alpha: float | int = 2.0,
    beta: float | int = 4.0,
) -> Float[Tensor, ""]:
    """The focal loss of maps with a peak of exactly 1 at each object's centre, in nats per object.

        −1/N Σ  (1 − p)^α log p                  at a peak
                (1 − y)^β p^α log(1 − p)         elsewhere, and little of it close to a peak

    Args:
        logits: p = sigmoid(logits).
        heatmap: y, 1 at the centres, below 1 elsewhere; a Gaussian around each. In float32: half precision rounds
            neighbours of a peak to 1.
        alpha: how little easy places count.
        beta: how little the surroundings of a peak count.

    Returns:
        The sum divided by the number N of peaks; without a peak the sum itself: all of it is background.

    Raises:
        ValueError: shapes that differ, logits not finite, a heat map outside 0 … 1, alpha or beta below 0.

    Warns:
        UserWarning: heights but no peak, for Gaussians around centres between two pixels.

    Law & Deng 2018 (CornerNet), equation 1; Zhou et al. 2019 (CenterNet), equation 1.
    """
    check_same_shape("heatmap", heatmap, "logits", logits)
    check_number("alpha", alpha, 0, LARGEST, "CornerNet has 2")
    check_number("beta", beta, 0, LARGEST, "CornerNet has 4")
    check_values("logits", logits)
    check_values("heatmap", heatmap, 0, 1, fix="draw overlapping Gaussians with maximum, not with a sum")
    logits = precise(logits)
    height = heatmap.detach().to(logits.dtype)
    peak = height == 1
    if not torch.compiler.is_compiling() and height.any() and not peak.any():
        warnings.warn(
            f"the highest place of the heat map is {height.max().item():.6g}, expected exactly 1 at each centre, so "
            "no object is learnt: round the centres to pixels before drawing, and draw in float32",
            UserWarning,
            stacklevel=2,
        )
    log_yes, log_no = F.logsigmoid(logits), F.logsigmoid(-logits)
    at_peaks = torch.exp(alpha * log_no) * log_yes
    elsewhere = (1 - height) ** beta * torch.exp(alpha * log_yes) * log_no
    return -torch.where(peak, at_peaks, elsewhere).sum() / peak.sum().clamp(min=1)
