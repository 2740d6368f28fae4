"""How near keypoints are to where they should be: OKS and its average precision, and PCK."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from vlmlearn.metrics.detection import COCO_AREAS, AveragePrecision, Compared, evaluate
from vlmlearn.metrics.instances import Annotations, Detections, read_areas, read_boxes, read_keypoints
from vlmlearn.metrics.overlap import box_areas

# How far people who annotate COCO are apart, as a share of the square root of a person's area: nose, eyes, ears,
# shoulders, elbows, wrists, hips, knees, ankles, the left one first.
COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)


def object_keypoint_similarity(
    found: Detections, objects: Annotations, sigmas: Sequence[float] = COCO_SIGMAS
) -> Float64[Tensor, "found objects"]:
    """OKS of every pair in one picture: 1 when all annotated points are met, towards 0 with the distance.

    Mean over the annotated points of exp(-d² / (2 · area · (2 sigma)²)) (Lin et al. 2014; COCO's keypoint task),
    equal to pycocotools, which doubles sigma as here. Without an annotated point, d is how far each lies outside
    the object's box, enlarged to three times its sides.

    Args:
        found, objects: with keypoints; the objects with boxes also, and areas where they are known better.
        sigmas: one a point: how far off it may be, for an area of 1.

    Raises:
        ValueError: another number of points than sigmas, NaN or infinity where a point is annotated, sigmas that
            are not positive, boxes with x2 < x1 or y2 < y1.
    """
    points, _ = _read_found(found, sigmas, "detections")
    return torch.from_numpy(_similarity(points, objects, sigmas, "annotations"))


def keypoint_average_precision(
    detections: Sequence[Detections],
    annotations: Sequence[Annotations],
    num_classes: int,
    *,
    sigmas: Sequence[float] = COCO_SIGMAS,
    max_detections: int = 20,
    area_ranges: Mapping[str, tuple[float, float]] = COCO_AREAS,
) -> AveragePrecision:
    """Average precision with OKS in the place of overlap, equal to pycocotools' "keypoints".

    Arguments, result and errors are those of ``box_average_precision`` and ``object_keypoint_similarity``. An
    object without any annotated point need not be found, like a crowd. COCO looks at 20 findings a picture and,
    having annotated none, at no small objects. A finding is as large as its box or, where boxes are missing, as
    the box around its points.
    """

    def compare(
        found: Detections, objects: Annotations, crowd: np.ndarray, order: np.ndarray, where: str
    ) -> Compared:
        points, found_areas = _read_found(found, sigmas, f"{where}, detections")
        _, visible = read_keypoints(objects, len(sigmas), f"{where}, annotations")
        return Compared(
            overlap=_similarity(points[order], objects, sigmas, f"{where}, annotations"),
            found_areas=found_areas[order],
            object_areas=_object_areas(objects, f"{where}, annotations"),
            optional=crowd | ~visible.any(1),
        )

    return evaluate(detections, annotations, num_classes, compare, max_detections, area_ranges)


def _read_found(
    found: Detections, sigmas: Sequence[float], where: str
) -> tuple[Float64[np.ndarray, "n points 2"], Float64[np.ndarray, " n"]]:
    """Points and areas."""
    if not len(sigmas) or not all(0 < sigma < np.inf for sigma in sigmas):
        raise ValueError(f"sigmas are {tuple(sigmas)}, expected one positive number for each keypoint")
    points, _ = read_keypoints(found, len(sigmas), where)
    if found.boxes is not None:
        return points, box_areas(read_boxes(found, where))
    return points, (points.max(1) - points.min(1)).prod(1)


def _object_areas(objects: Annotations, where: str) -> Float64[np.ndarray, " n"]:
    areas = read_areas(objects, where)
    return box_areas(read_boxes(objects, where)) if areas is None else areas


def _similarity(
    found: Float64[np.ndarray, "found points 2"], objects: Annotations, sigmas: Sequence[float], where: str
) -> Float64[np.ndarray, "found objects"]:
    truth, visible = read_keypoints(objects, len(sigmas), where)
    boxes, areas = read_boxes(objects, where), _object_areas(objects, where)
    spread = (np.asarray(sigmas, dtype=np.float64) * 2) ** 2
    similarity = np.zeros((len(found), len(truth)))
    for at, (seen, area) in enumerate(zip(visible, areas, strict=True)):
        if seen.any():
            off = found - truth[at]
        else:
            sides = boxes[at, 2:] - boxes[at, :2]
            low, high = boxes[at, :2] - sides, boxes[at, :2] + 2 * sides
            off = np.maximum(low - found, 0) + np.maximum(found - high, 0)
            seen = np.ones_like(seen)
        distance = (off**2).sum(2) / spread / (area + np.spacing(1)) / 2
        similarity[:, at] = np.exp(-distance[:, seen]).mean(1)
    return similarity


class CorrectKeypoints(NamedTuple):
    """Shares from 0 to 1; ``None`` where no point is annotated.

    Attributes:
        share: of all annotated points of all objects.
        per_point: of each point over the objects.
    """

    share: float | None
    per_point: tuple[float | None, ...]


def correct_keypoints(
    predicted: Float[Tensor, "objects points 2"],
    target: Float[Tensor, "objects points 2"],
    lengths: Float[Tensor, " objects"],
    visible: Bool[Tensor, "objects points"] | None = None,
    alpha: float = 0.2,
) -> CorrectKeypoints:
    """PCK@alpha: the share of annotated points that lie within alpha · length (Yang & Ramanan 2013).

    Args:
        predicted, target: x, y in pixels, row i of one object; a target that is not visible may be NaN.
        lengths: pixels of each object: the longer side of its box, as in the paper, or of a head or torso.
        visible: which points are annotated; without it, all.
        alpha: a distance of exactly alpha · length is still correct.

    Raises:
        ValueError: shapes that differ, NaN or infinity where a point is annotated, lengths or an alpha that are
            not positive and finite.
    """
    if visible is None:
        visible = torch.ones(target.shape[:2], dtype=torch.bool, device=target.device)
    shapes = [tuple(x.shape) for x in (predicted, target, lengths, visible)]
    if target.ndim != 3 or shapes != [shapes[1], (*shapes[1][:2], 2), shapes[1][:1], shapes[1][:2]]:
        raise ValueError(
            f"predicted, target, lengths and visible have shapes {shapes}, expected (objects, points, 2) twice, "
            "(objects,) and (objects, points)"
        )
    if visible.dtype != torch.bool:
        raise ValueError(f"visible is {visible.dtype}, expected bool: COCO's numbers are visible where > 0")
    lengths = lengths.detach().double()
    if not (lengths > 0).all() or not lengths.isfinite().all() or not 0 < alpha < np.inf:
        raise ValueError(f"lengths are {lengths.tolist()}, alpha {alpha}: expected positive, finite numbers")
    distance = (predicted.detach().double() - target.detach().double()).square().sum(2).sqrt()
    if not distance[visible].isfinite().all():
        raise ValueError("an annotated point is NaN or infinite: mark those that do not exist as not visible")
    right = ((distance <= alpha * lengths[:, None]) & visible).sum(0).tolist()
    there = visible.sum(0).tolist()
    return CorrectKeypoints(
        share=sum(right) / sum(there) if any(there) else None,
        per_point=tuple(r / n if n else None for r, n in zip(right, there, strict=True)),
    )
