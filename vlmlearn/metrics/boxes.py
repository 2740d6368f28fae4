"""Average precision of boxes: does the model find what is there, and say nothing else?"""

from collections.abc import Mapping, Sequence

import numpy as np

from vlmlearn.metrics.detection import COCO_AREAS, AveragePrecision, Compared, evaluate
from vlmlearn.metrics.instances import Annotations, Detections, read_areas, read_boxes
from vlmlearn.metrics.overlap import box_areas, box_overlap


def box_average_precision(
    detections: Sequence[Detections],
    annotations: Sequence[Annotations],
    num_classes: int,
    *,
    max_detections: int = 100,
    area_ranges: Mapping[str, tuple[float, float]] = COCO_AREAS,
) -> AveragePrecision:
    """Average precision of boxes over a set of pictures (Lin et al. 2014), equal to pycocotools' "bbox".

    A finding is right when it overlaps an object of its class enough that no surer finding took. Down the ranking
    of all findings of a class, precision is read at 101 recalls and averaged.

    Args:
        detections, annotations: one of each per picture, with boxes; an annotation's ``areas``, where given,
            decide in which range it is.
        num_classes: labels go from 0 to this - 1.
        max_detections: so many of each class and picture, the surest, are looked at.
        area_ranges: name → lowest and highest area in square pixels. COCO's by default, without its upper limit
            of 10^10; in pictures of 64 pixels nothing is large.

    Returns:
        Scores from 0 to 1, ``None`` where there is nothing to find (pycocotools says -1): a class that occurs
        nowhere, a range of areas, or everything when there are no pictures. A class that does not occur costs
        nothing when it is found all the same, as in COCO.

    Raises:
        ValueError: lengths that differ, boxes with x2 < x1 or y2 < y1, labels out of range, NaN in scores, NaN or
            infinity in boxes.
    """
    return evaluate(detections, annotations, num_classes, _compare, max_detections, area_ranges)


def _compare(
    found: Detections, objects: Annotations, crowd: np.ndarray, order: np.ndarray, where: str
) -> Compared:
    boxes = read_boxes(found, f"{where}, detections")[order]
    truth = read_boxes(objects, f"{where}, annotations")
    areas = read_areas(objects, f"{where}, annotations")
    return Compared(
        overlap=box_overlap(boxes, truth, crowd),
        found_areas=box_areas(boxes),
        object_areas=box_areas(truth) if areas is None else areas,
        optional=crowd,
    )
