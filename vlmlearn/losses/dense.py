"""Dense losses: one answer for every pixel. Classes, masks, depth, heat maps of keypoints."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer, Shaped
from torch import Tensor

from vlmlearn.losses.task_checks import (
    LARGEST,
    check_class_ids,
    check_number,
    check_same_shape,
    check_values,
    precise,
    reduce_loss,
    share,
)

SMALLEST_DEPTH = 1e-12  # below it the slope of the logarithm leaves float32


def cross_entropy_loss(
    logits: Float[Tensor, "batch classes *space"],
    target: Integer[Tensor, "batch *space"],
    *,
    weight: Float[Tensor, "classes"] | None = None,
    label_smoothing: float | int = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Float[Tensor, "..."]:
    """−log of the right class's probability at each place, in nats.

    Args:
        target: class ids; without ``space`` one per picture.
        weight: how much each class counts, for rare ones more.
        label_smoothing: ε: the label is 1 − ε at the right class plus ε/K at each of all K, the right one included.
        ignore_index: the id of places that do not count.
        reduction: "mean" divides by the weights of the right classes; "sum", or "none" (0 at ignored places).
            Everything ignored: 0, with zero gradients.

    Raises:
        ValueError: sizes that do not fit, ids that are no class, logits not finite, a weight below 0 or not one per
            class, ``label_smoothing`` outside 0 … 1, an unknown reduction.

    Equals ``torch.nn.functional.cross_entropy``, which gives NaN where everything is ignored.
    """
    valid = check_class_ids(target, logits, ignore_index)
    check_number("label_smoothing", label_smoothing, 0, 1, "it is a share, often 0.1")
    check_values("logits", logits)
    classes = logits.shape[1]
    if weight is not None and weight.shape != (classes,):
        raise ValueError(
            f"weight has shape {tuple(weight.shape)}, expected ({classes},): one number for each class"
        )
    logits = precise(logits)
    if weight is not None:
        check_values("weight", weight, 0, LARGEST, fix="a class counts from 0, not at all, upwards")
        weight = weight.to(logits.dtype)
    ids = target.long()
    values = F.cross_entropy(
        logits,
        ids,
        weight,
        ignore_index=ignore_index,
        label_smoothing=float(label_smoothing),
        reduction="none",
    )
    if reduction != "mean":
        return reduce_loss(values, reduction)
    counts = valid if weight is None else weight[ids.where(valid, 0)] * valid
    return share(values.sum(), counts.sum().to(values.dtype))


def dice_loss(
    logits: Float[Tensor, "batch classes *space"],
    target: Integer[Tensor, "batch *space"],
    *,
    ignore_index: int = -100,
    smooth: float | int = 0.0,
) -> Float[Tensor, ""]:
    """1 − 2|A ∩ B| / (|A| + |B|) of each class, where A is predicted and B true, averaged over the classes.

    The probabilities are summed over batch and space before the division. A class that is nowhere in the target
    contributes 0, and still counts in the average.

    Args:
        target: class ids.
        ignore_index: the id of places that do not count. Everything ignored: 0, with zero gradients.
        smooth: added above and below the line.

    Raises:
        ValueError: sizes that do not fit, ids that are no class, fewer than two classes, logits not finite,
            ``smooth`` below 0.

    Milletari et al. 2016, for several classes. Equals ``DiceLoss("multiclass")`` of segmentation_models_pytorch 0.6,
    whose ``smooth`` is half of this one.
    """
    valid = check_class_ids(target, logits, ignore_index)
    check_number("smooth", smooth, 0, LARGEST, "0 is the plain quotient")
    check_values("logits", logits)
    batch, classes = logits.shape[:2]
    if classes < 2:
        raise ValueError(f"logits have {classes} class, expected at least 2: for masks use mask_dice_loss")
    pixels = logits.shape[2:].numel()
    predicted = precise(logits).softmax(1).reshape(batch, classes, pixels)
    ids, valid = target.reshape(batch, 1, pixels), valid.reshape(batch, 1, pixels)
    true = (ids == torch.arange(classes, device=ids.device)[:, None]) & valid
    scores = _dice(predicted * valid, true, smooth, (0, 2))
    return ((1 - scores) * true.any(2).any(0)).mean()


def mask_dice_loss(
    logits: Float[Tensor, "masks *space"],
    target: Shaped[Tensor, "masks *space"],
    *,
    smooth: float | int = 1.0,
    reduction: str = "mean",
) -> Float[Tensor, "..."]:
    """The Dice loss of each mask for itself: instances, or one class against the rest.

    Args:
        target: 1 inside, 0 outside, or a share between; no gradient reaches it.
        smooth: added above and below the line: an empty mask answered with little costs little.
        reduction: "mean" over the masks, "sum", or "none". No masks: 0, with zero gradients.

    Raises:
        ValueError: shapes that differ, logits not finite, a target outside 0 … 1, ``smooth`` below 0, an unknown
            reduction.

    Equals ``dice_loss`` of ``transformers.loss.loss_for_object_detection`` (DETR) with ``num_boxes`` = masks.
    """
    check_same_shape("target", target, "logits", logits)
    check_number("smooth", smooth, 0, LARGEST, "DETR has 1, and 0 is the plain quotient")
    check_values("logits", logits)
    check_values("target", target, 0, 1, fix="a mask is 1 inside and 0 outside")
    predicted = precise(logits).sigmoid()
    true = target.detach().to(predicted.dtype)
    pixels = logits.shape[1:].numel()
    predicted, true = predicted.reshape(len(logits), pixels), true.reshape(len(logits), pixels)
    return reduce_loss(1 - _dice(predicted, true, smooth, (1,)), reduction)


def silog_loss(
    predicted: Float[Tensor, "..."],
    target: Float[Tensor, "..."],
    *,
    valid: Bool[Tensor, "..."] | None = None,
    variance_focus: float | int = 0.5,
) -> Float[Tensor, ""]:
    """√(E[d²] − λ E[d]²) with d = log target − log predicted: the scale-invariant error of depths.

    Depths that are all wrong by one factor cost √(1 − λ) of its logarithm, so with λ = 1 nothing.

    Args:
        predicted: depths in any unit, above 0: the head's exp or softplus, not its logarithm.
        target: depths in the same unit.
        valid: where the target counts; None: where it is above 0.
        variance_focus: λ, from 0 to 1.

    Raises:
        ValueError: shapes that differ, no valid pixel, a depth that is not above 0 at a valid pixel or not finite,
            λ outside 0 … 1.

    Eigen et al. 2014, equation 4, with a root. Equals ``SiLogLoss`` of transformers' GLPN, where a perfect answer has
    NaN for a gradient; here 0.
    """
    check_same_shape("target", target, "predicted", predicted)
    check_number("variance_focus", variance_focus, 0, 1, "0.5 is usual, 1 ignores a common factor")
    if valid is None:
        check_values("target", target, fix="mark pixels without a depth with 0, or pass valid")
        valid = target > 0
    check_same_shape("valid", valid, "predicted", predicted)
    if not torch.compiler.is_compiling() and not valid.any():
        raise ValueError("no pixel is valid, expected at least one: leave batches without depth out")
    predicted, target = precise(predicted)[valid], target.detach()[valid]
    fix = "leave the head through exp or softplus, its logarithm is taken here"
    check_values("valid predicted", predicted, SMALLEST_DEPTH, LARGEST, fix=fix)
    target = target.to(predicted.dtype)
    smallest = torch.finfo(target.dtype).tiny
    check_values("valid target", target, smallest, LARGEST, fix="leave pixels without a depth out of valid")

    difference = target.log() - predicted.log()
    mean = difference.mean()
    # E[d²] − λ E[d]² as a variance and the rest: no rounding makes it negative.
    square = (difference - mean).square().mean() + (1 - variance_focus) * mean.square()
    some = square > 0
    return torch.where(some, torch.where(some, square, 1).sqrt(), square)  # the root's slope at 0 is infinite


def heatmap_mse_loss(
    predicted: Float[Tensor, "batch keypoints height width"],
    target: Float[Tensor, "batch keypoints height width"],
    visibility: Shaped[Tensor, "batch keypoints"] | None = None,
) -> Float[Tensor, ""]:
    """The mean squared error of the keypoints' heat maps, weighted by how visible each keypoint is.

    Args:
        visibility: weights from 0, not labelled, upwards; for COCO's flags 0, 1, 2 pass ``flags > 0``. None: all 1.
            Nothing visible: 0, with zero gradients.

    Raises:
        ValueError: shapes that differ, numbers not finite, a weight below 0.

    Xiao et al. 2018. Equals ``torch.nn.functional.mse_loss`` with ``weight``, spread over each map.
    """
    check_same_shape("target", target, "predicted", predicted)
    check_values("predicted", predicted)
    check_values("target", target)
    predicted = precise(predicted)
    squares = (predicted - target.to(predicted.dtype)).square()
    if visibility is None:
        return reduce_loss(squares, "mean")
    if visibility.shape != predicted.shape[:2]:
        raise ValueError(
            f"visibility has shape {tuple(visibility.shape)}, expected {tuple(predicted.shape[:2])}: "
            "one weight for each keypoint of each picture"
        )
    check_values("visibility", visibility, 0, LARGEST, fix="a weight counts from 0, not labelled, upwards")
    weights = visibility.to(predicted.dtype)[..., None, None].expand_as(squares)
    return share((weights * squares).sum(), weights.sum())


def _dice(predicted: Tensor, true: Tensor, smooth: float | int, over: tuple[int, ...]) -> Tensor:
    both = (predicted * true).sum(over)
    sizes = predicted.sum(over) + true.sum(over)
    return (2 * both + smooth) / (sizes + smooth).clamp(min=1e-7)
