"""What was found in a picture, and what is in it: the input of box, mask and keypoint scores, checked as it is read."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer
from torch import Tensor


@dataclass(frozen=True)
class Detections:
    """What a model found in one picture; a score reads what it compares and asks for nothing else.

    Args:
        scores: how sure the model is, higher is better; of any size, only their order counts.
        labels: class of each, from 0 on.
        boxes: x1, y1, x2, y2 in pixels.
        masks: True on the pixels of each.
        keypoints: x, y in pixels, the same number of points each.
    """

    scores: Float[Tensor, " found"]
    labels: Integer[Tensor, " found"]
    boxes: Float[Tensor, "found 4"] | None = None
    masks: Bool[Tensor, "found height width"] | None = None
    keypoints: Float[Tensor, "found points 2"] | None = None


@dataclass(frozen=True)
class Annotations:
    """What is in one picture.

    Args:
        labels, boxes, masks, keypoints: as in ``Detections``.
        visible: which keypoints are annotated; the others may be anything, NaN too. Without it, all are.
        crowd: which are regions of many objects, not told apart. They need not be found, and whatever is found
            inside counts neither for nor against the model. Without it, none are.
        areas: square pixels, which decide who is small and how far off a keypoint may be. Without them, those
            of the masks when masks are compared, else those of the boxes; COCO gives those of its masks.
    """

    labels: Integer[Tensor, " objects"]
    boxes: Float[Tensor, "objects 4"] | None = None
    masks: Bool[Tensor, "objects height width"] | None = None
    keypoints: Float[Tensor, "objects points 2"] | None = None
    visible: Bool[Tensor, "objects points"] | None = None
    crowd: Bool[Tensor, " objects"] | None = None
    areas: Float[Tensor, " objects"] | None = None


def read_labels(labels: Integer[Tensor, " n"], num_classes: int, where: str) -> Int64[np.ndarray, " n"]:
    """Labels from 0 to ``num_classes`` - 1; raises ValueError for others."""
    array = labels.detach().cpu().numpy()
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: labels are {array.dtype} of shape {array.shape}, expected whole numbers of shape (n,)"
        )
    if array.size and not (array.min() >= 0 and array.max() < num_classes):
        raise ValueError(
            f"{where}: labels go from {array.min()} to {array.max()}, expected 0 to {num_classes - 1}: of "
            f"{num_classes} classes the first is 0, and the background is none of them"
        )
    return array.astype(np.int64)


def read_scores(found: Detections, where: str) -> Float64[np.ndarray, " n"]:
    """Scores, one for each label; raises ValueError for NaN and for another number of them."""
    array = _read(found.scores, "scores", (len(found.labels),), where)
    if np.isnan(array).any():
        raise ValueError(f"{where}: scores contain NaN, which has no place in a ranking")
    return array


def read_boxes(part: Detections | Annotations, where: str) -> Float64[np.ndarray, "n 4"]:
    """Boxes, one for each label; raises ValueError for corners in another order, NaN and infinity."""
    array = _finite(_read(part.boxes, "boxes", (len(part.labels), 4), where), "boxes", where)
    wrong = (array[:, 2:] < array[:, :2]).any(1)
    if wrong.any():
        raise ValueError(
            f"{where}: box {wrong.argmax()} is {array[wrong.argmax()].tolist()}, expected x1, y1, x2, y2 with "
            "x2 >= x1 and y2 >= y1: with width and height instead, add x1 and y1 to them"
        )
    return array


def read_masks(part: Detections | Annotations, where: str) -> Bool[np.ndarray, "n height width"]:
    """Masks, one for each label; raises ValueError for numbers that are not yet True or False."""
    masks = part.masks
    if masks is None:
        raise ValueError(f"{where}: there are no masks, and masks are what is compared")
    array: np.ndarray = masks.detach().cpu().numpy()
    if array.ndim != 3 or len(array) != len(part.labels) or array.dtype != np.bool_:
        raise ValueError(
            f"{where}: masks are {array.dtype} of shape {array.shape}, expected bool of shape "
            f"({len(part.labels)}, height, width), one for each label: compare probabilities with > 0.5"
        )
    return array


def read_keypoints(
    part: Detections | Annotations, points: int, where: str
) -> tuple[Float64[np.ndarray, "n points 2"], Bool[np.ndarray, "n points"]]:
    """Keypoints and which of them are annotated; raises ValueError for NaN or infinity where one is."""
    array = _read(part.keypoints, "keypoints", (len(part.labels), points, 2), where)
    visible = np.ones(array.shape[:2], dtype=bool)
    if isinstance(part, Annotations) and part.visible is not None:
        visible = _read_bool(part.visible, "visible", visible.shape, where)
    _finite(array[visible], "keypoints", where)
    return array, visible


def read_crowd(objects: Annotations, where: str) -> Bool[np.ndarray, " n"]:
    """Which objects are crowds; none when nothing was said."""
    if objects.crowd is None:
        return np.zeros(len(objects.labels), dtype=bool)
    return _read_bool(objects.crowd, "crowd", (len(objects.labels),), where)


def read_areas(objects: Annotations, where: str) -> Float64[np.ndarray, " n"] | None:
    """Areas, if they were given; raises ValueError for negative ones, NaN and infinity."""
    if objects.areas is None:
        return None
    array = _finite(_read(objects.areas, "areas", (len(objects.labels),), where), "areas", where)
    if (array < 0).any():
        raise ValueError(f"{where}: an area is {array.min()}, expected square pixels, from 0 on")
    return array


def _read(values: Tensor | None, name: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    if values is None:
        raise ValueError(f"{where}: there are no {name}, and {name} are what is compared")
    if values.shape != shape:
        raise ValueError(
            f"{where}: {name} have shape {tuple(values.shape)}, expected {shape}: there are {shape[0]} labels, "
            "and one of each belongs together"
        )
    array: np.ndarray = values.detach().cpu().double().numpy()
    return array


def _finite(array: np.ndarray, name: str, where: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise ValueError(f"{where}: {name} contain NaN or infinity")
    return array


def _read_bool(values: Tensor, name: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    array: np.ndarray = values.detach().cpu().numpy()
    if array.shape != shape or array.dtype != np.bool_:
        raise ValueError(
            f"{where}: {name} is {array.dtype} of shape {array.shape}, expected bool of shape {shape}"
        )
    return array
