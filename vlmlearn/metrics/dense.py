"""Scores of answers for every pixel: IoU of classes, errors of depth."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor


def confusion_matrix(
    predicted: Integer[Tensor, "*shape"],
    target: Integer[Tensor, "*shape"],
    num_classes: int,
    ignore_index: int | None = None,
) -> Int64[Tensor, "classes classes"]:
    """How many pixels of class i (row) were said to be class j (column), equal to torchmetrics.

    Those of several batches add up: sum them, then take ``mean_iou`` once.

    Args:
        predicted, target: classes from 0 to ``num_classes`` - 1, any shape: a picture, a batch of them.
        ignore_index: pixels whose target is this number are left out, whatever was predicted there.

    Raises:
        ValueError: shapes that differ, numbers that are not whole, classes out of range.
    """
    if predicted.shape != target.shape:
        raise ValueError(
            f"predicted has shape {tuple(predicted.shape)}, target {tuple(target.shape)}, expected the same: "
            "take the argmax over classes, and resize logits to the target first"
        )
    if num_classes < 1:
        raise ValueError(f"num_classes is {num_classes}, expected at least 1")
    for name, classes in (("predicted", predicted), ("target", target)):
        if classes.is_floating_point() or classes.dtype == torch.bool:
            raise ValueError(
                f"{name} is {classes.dtype}, expected whole numbers: logits need an argmax first"
            )
    predicted, target = predicted.flatten().long(), target.flatten().long()
    if ignore_index is not None:
        kept = target != ignore_index
        predicted, target = predicted[kept], target[kept]
    for name, classes in (("predicted", predicted), ("target", target)):
        if len(classes) and not (classes.min() >= 0 and classes.max() < num_classes):
            raise ValueError(
                f"{name} has classes from {int(classes.min())} to {int(classes.max())}, expected 0 to "
                f"{num_classes - 1}: give the label of pixels without a class, often 255, as ignore_index"
            )
    pairs = torch.bincount(target * num_classes + predicted, minlength=num_classes**2)
    return pairs.view(num_classes, num_classes)


class MeanIoU(NamedTuple):
    """Shares from 0 to 1; ``None`` where there is nothing to compare.

    Attributes:
        mean: over the classes that were annotated or predicted anywhere.
        per_class: of each class, ``None`` for those that were neither, and for the ignored one.
    """

    mean: float | None
    per_class: tuple[float | None, ...]


def mean_iou(confusion: Int64[Tensor, "classes classes"], ignore_index: int | None = None) -> MeanIoU:
    """Intersection over union of each class and their mean, from a ``confusion_matrix``, in float64.

    Over all pixels at once, not the mean over pictures: equal to torchmetrics' ``MulticlassJaccardIndex`` (macro),
    and to what PASCAL VOC and Cityscapes report. A class that is absent everywhere is left out of the mean.

    Args:
        confusion: counts, rows what is there, columns what was said.
        ignore_index: the one given to ``confusion_matrix``; where it is a class, that class is left out too.

    Raises:
        ValueError: not a square matrix of counts.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or confusion.is_floating_point():
        raise ValueError(
            f"confusion is {confusion.dtype} of shape {tuple(confusion.shape)}, expected whole numbers of shape "
            "(classes, classes), as confusion_matrix returns"
        )
    if (confusion < 0).any():
        raise ValueError(f"confusion has a count of {int(confusion.min())}, expected counts from 0 on")
    shared = confusion.diagonal()
    either = confusion.sum(0) + confusion.sum(1) - shared
    per_class = tuple(
        s / e if e and at != ignore_index else None
        for at, (s, e) in enumerate(zip(shared.tolist(), either.tolist(), strict=True))
    )
    there = [iou for iou in per_class if iou is not None]
    return MeanIoU(sum(there) / len(there) if there else None, per_class)


class DepthErrors(NamedTuple):
    """Errors over all valid pixels; all ``None`` when there is no such pixel.

    Attributes:
        abs_rel: mean of |predicted - target| / target.
        rmse: square root of the mean squared error, in the unit of the target.
        delta1, delta2, delta3: share (0 to 1) of pixels whose ratio to the target, whichever of the two is larger,
            is below 1.25, 1.25² and 1.25³.
    """

    abs_rel: float | None
    rmse: float | None
    delta1: float | None
    delta2: float | None
    delta3: float | None


def depth_errors(
    predicted: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    valid: Bool[Tensor, "*shape"] | None = None,
) -> DepthErrors:
    """The usual errors of depth maps (Eigen et al. 2014, section 4), every pixel of every picture alike.

    Some papers average over pictures instead: call it once a picture.

    Args:
        predicted, target: metres, or another unit of length, above 0 where valid.
        valid: the pixels to compare; without it, all. Sensors leave holes: ``valid=target > 0``.

    Raises:
        ValueError: shapes that differ, or a valid pixel whose depth is not positive and finite.
    """
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    if not predicted.shape == target.shape == valid.shape:
        raise ValueError(
            f"predicted, target and valid have shapes {[tuple(x.shape) for x in (predicted, target, valid)]}, "
            "expected the same: drop the channel of one, or resize the prediction"
        )
    if valid.dtype != torch.bool:
        raise ValueError(f"valid is {valid.dtype}, expected bool: target > 0")
    depths = {"predicted": predicted.detach()[valid].double(), "target": target.detach()[valid].double()}
    for name, depth in depths.items():
        wrong = ~((depth > 0) & depth.isfinite())
        if wrong.any():
            raise ValueError(
                f"{name} is {depth[wrong][0].item():g} at the first of {int(wrong.sum())} valid pixels without a "
                "positive, finite depth: leave out holes with valid=target > 0; a head that predicts log depth "
                "needs an exp"
            )
    found, there = depths.values()
    if not len(there):
        return DepthErrors(None, None, None, None, None)
    ratio = torch.maximum(found / there, there / found)
    return DepthErrors(
        ((found - there).abs() / there).mean().item(),
        (found - there).square().mean().sqrt().item(),
        *((ratio < 1.25**k).double().mean().item() for k in (1, 2, 3)),
    )
