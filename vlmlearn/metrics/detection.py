"""Average precision of what is found in pictures: who found what, then how precise the surest findings are.

Boxes, masks and keypoints differ only in how they measure overlap; everything else is here, as COCO has it (Lin
et al. 2014, and its pycocotools).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vlmlearn.metrics.instances import Annotations, Detections, read_crowd, read_labels, read_scores
from vlmlearn.metrics.matching import THRESHOLDS, match, outside, surest

RECALLS = np.linspace(0, 1, 101)  # where the curve of precision over recall is read
COCO_AREAS = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, np.inf)}


class AveragePrecision(NamedTuple):
    """Shares from 0 to 1; ``None`` where there is nothing to find, so nothing to average.

    Attributes:
        ap: mean over the ten thresholds .5, .55, … .95 and the classes that occur ("AP50:95").
        ap50, ap75: the same at one threshold.
        recall: share of the objects that was found at all, with the same mean ("AR").
        by_area: ``ap`` of the objects whose area lies in a range, borders included.
        per_class: ``ap`` of each class, ``None`` for those that do not occur.
        per_class50: ``ap50`` of each class.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    recall: float | None
    by_area: dict[str, float | None]
    per_class: tuple[float | None, ...]
    per_class50: tuple[float | None, ...]


class Compared(NamedTuple):
    """One picture's findings, the surest first, beside its objects.

    ``optional``: objects that need not be found.
    """

    overlap: Float64[np.ndarray, "found objects"]
    found_areas: Float64[np.ndarray, " found"]
    object_areas: Float64[np.ndarray, " objects"]
    optional: Bool[np.ndarray, " objects"]


# Reads and compares: findings, objects, crowds, which findings in which order, what to call the picture in an error.
Compare = Callable[[Detections, Annotations, np.ndarray, np.ndarray, str], Compared]


def evaluate(
    detections: Sequence[Detections],
    annotations: Sequence[Annotations],
    num_classes: int,
    compare: Compare,
    max_detections: int,
    area_ranges: Mapping[str, tuple[float, float]],
) -> AveragePrecision:
    """Average precision of all pictures together, whatever ``compare`` compares.

    Raises:
        ValueError: another number of pictures on one side, labels out of range, scores that are NaN, limits that
            make no sense, and what ``compare`` raises.
    """
    _check_settings(len(detections), len(annotations), num_classes, max_detections, area_ranges)
    ranges = np.array([(0.0, np.inf), *area_ranges.values()])
    nothing = np.zeros((0, len(ranges), len(THRESHOLDS)), dtype=bool)
    parts = [_Findings(np.zeros(0), np.zeros(0, dtype=np.int64), nothing, nothing)]  # there may be no picture
    wanted = np.zeros((num_classes, len(ranges)), dtype=np.int64)
    for image, (found, objects) in enumerate(zip(detections, annotations, strict=True)):
        where = f"image {image}"
        labels = read_labels(objects.labels, num_classes, f"{where}, annotations")
        findings, ignored = _judge(
            found, objects, labels, num_classes, compare, max_detections, ranges, where
        )
        np.add.at(wanted, labels, ~ignored.T)
        parts.append(findings)
    together = _Findings(*(np.concatenate(field) for field in zip(*parts, strict=True)))
    return _summary(*_read_curves(together, wanted), list(area_ranges))


class _Findings(NamedTuple):
    """What was found, and whether it is right and whether it counts, per range of areas and threshold."""

    scores: Float64[np.ndarray, " found"]
    labels: Int64[np.ndarray, " found"]
    right: Bool[np.ndarray, "found ranges thresholds"]
    counts: Bool[np.ndarray, "found ranges thresholds"]


def _judge(
    found: Detections,
    objects: Annotations,
    object_labels: Int64[np.ndarray, " objects"],
    num_classes: int,
    compare: Compare,
    max_detections: int,
    ranges: Float64[np.ndarray, "ranges 2"],
    where: str,
) -> tuple[_Findings, Bool[np.ndarray, "ranges objects"]]:
    """The findings of one picture that are looked at, and which of its objects need not be found."""
    labels = read_labels(found.labels, num_classes, f"{where}, detections")
    scores = read_scores(found, f"{where}, detections")
    crowd = read_crowd(objects, f"{where}, annotations")
    order = surest(scores, labels, max_detections)
    scores, labels = scores[order], labels[order]
    compared = compare(found, objects, crowd, order, where)
    ignored = compared.optional | outside(compared.object_areas, ranges)
    overlap = np.where(labels[:, None] == object_labels, compared.overlap, -1)  # only within a class
    matched, to_ignored = match(overlap, crowd, ignored)
    # One that found nothing and is of another size than asked for is not to blame.
    excused = to_ignored | (~matched & outside(compared.found_areas, ranges).T[:, :, None])
    return _Findings(scores, labels, matched & ~excused, ~excused), ignored


def _read_curves(
    findings: _Findings, wanted: Int64[np.ndarray, "classes ranges"]
) -> tuple[
    Float64[np.ndarray, "classes ranges thresholds"], Float64[np.ndarray, "classes ranges thresholds"]
]:
    """Average precision and last recall of each class; NaN where there is nothing to find."""
    precision = np.full((*wanted.shape, len(THRESHOLDS)), np.nan)
    recall = np.full_like(precision, np.nan)
    for label in np.flatnonzero(wanted.any(1)):
        mine = np.flatnonzero(findings.labels == label)
        mine = mine[np.argsort(-findings.scores[mine], kind="stable")]
        right = findings.right[mine].cumsum(0)
        counted = findings.counts[mine].cumsum(0)
        shares = right / np.maximum(counted, 1)
        # Precision at a recall: the best that can be had with at least that recall.
        shares = np.maximum.accumulate(shares[::-1])[::-1]
        for area in np.flatnonzero(wanted[label]):
            for threshold in range(len(THRESHOLDS)):
                reached = right[:, area, threshold] / wanted[label, area]
                curve = np.append(shares[:, area, threshold], 0.0)  # what is never reached has precision 0
                precision[label, area, threshold] = curve[np.searchsorted(reached, RECALLS)].mean()
                recall[label, area, threshold] = reached[-1] if len(reached) else 0.0
    return precision, recall


def _summary(precision: np.ndarray, recall: np.ndarray, names: list[str]) -> AveragePrecision:
    whole = precision[:, 0]
    return AveragePrecision(
        ap=_mean(whole),
        ap50=_mean(whole[:, 0]),
        ap75=_mean(whole[:, 5]),
        recall=_mean(recall[:, 0]),
        by_area={name: _mean(precision[:, 1 + at]) for at, name in enumerate(names)},
        per_class=tuple(map(_mean, whole)),
        per_class50=tuple(map(_mean, whole[:, :1])),
    )


def _mean(values: np.ndarray) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None


def _check_settings(
    detections: int,
    annotations: int,
    num_classes: int,
    max_detections: int,
    area_ranges: Mapping[str, tuple[float, float]],
) -> None:
    if detections != annotations:
        raise ValueError(
            f"detections of {detections} images, annotations of {annotations}: expected one of each per image; "
            "where nothing was found, a Detections of length 0"
        )
    if num_classes < 1 or max_detections < 1:
        raise ValueError(
            f"num_classes is {num_classes}, max_detections {max_detections}: expected at least 1 of each"
        )
    wrong = {name: area for name, area in area_ranges.items() if not 0 <= area[0] <= area[1]}
    if wrong:
        raise ValueError(f"area_ranges has {wrong}, expected (lowest, highest) in square pixels, from 0 on")
