"""Average precision of masks: the same as of boxes, but pixel by pixel."""

from collections.abc import Mapping, Sequence

import numpy as np

from vlmlearn.metrics.detection import COCO_AREAS, AveragePrecision, Compared, evaluate
from vlmlearn.metrics.instances import Annotations, Detections, read_areas, read_masks
from vlmlearn.metrics.overlap import mask_areas, mask_overlap


def mask_average_precision(
    detections: Sequence[Detections],
    annotations: Sequence[Annotations],
    num_classes: int,
    *,
    max_detections: int = 100,
    area_ranges: Mapping[str, tuple[float, float]] = COCO_AREAS,
) -> AveragePrecision:
    """Average precision of instance masks over a set of pictures, equal to pycocotools' "segm".

    Arguments, result and errors are those of ``box_average_precision``, with masks where that has boxes; areas
    are pixels of the mask.

    Raises:
        ValueError: also masks that are not bool, and those of one picture in two sizes.
    """
    return evaluate(detections, annotations, num_classes, _compare, max_detections, area_ranges)


def _compare(
    found: Detections, objects: Annotations, crowd: np.ndarray, order: np.ndarray, where: str
) -> Compared:
    masks = read_masks(found, f"{where}, detections")[order]
    truth = read_masks(objects, f"{where}, annotations")
    if masks.shape[1:] != truth.shape[1:]:
        raise ValueError(
            f"{where}: masks found are {masks.shape[1:]}, those annotated {truth.shape[1:]} (height, width): "
            "resize what was found to the picture first"
        )
    areas = read_areas(objects, f"{where}, annotations")
    return Compared(
        overlap=mask_overlap(masks, truth, crowd),
        found_areas=mask_areas(masks),
        object_areas=mask_areas(truth) if areas is None else areas,
        optional=crowd,
    )
