"""How much two regions have in common: intersection over union of every pair, with COCO's rule for crowds."""

import numpy as np
from jaxtyping import Bool, Float64


def box_areas(boxes: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, " n"]:
    """Square pixels of boxes x1, y1, x2, y2."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_overlap(
    found: Float64[np.ndarray, "found 4"],
    objects: Float64[np.ndarray, "objects 4"],
    crowd: Bool[np.ndarray, " objects"],
) -> Float64[np.ndarray, "found objects"]:
    """Intersection over union of boxes x1, y1, x2, y2; with a crowd, over the area of what was found.

    A crowd is as large as many objects: one of them, found exactly, would cover little of it. 0 where nothing is
    shared, for a box without area too. Equal to pycocotools' ``mask.iou`` of boxes.
    """
    low = np.maximum(found[:, None, :2], objects[:, :2])
    high = np.minimum(found[:, None, 2:], objects[:, 2:])
    sides = np.maximum(high - low, 0)
    return _ratio(sides[..., 0] * sides[..., 1], box_areas(found), box_areas(objects), crowd)


def mask_areas(masks: Bool[np.ndarray, "n height width"]) -> Float64[np.ndarray, " n"]:
    """Pixels of each mask."""
    return masks.sum((1, 2)).astype(np.float64)


def mask_overlap(
    found: Bool[np.ndarray, "found height width"],
    objects: Bool[np.ndarray, "objects height width"],
    crowd: Bool[np.ndarray, " objects"],
) -> Float64[np.ndarray, "found objects"]:
    """The same of masks: shared pixels over all pixels of either. Equal to pycocotools' ``mask.iou`` of masks."""
    pixels = found.shape[1] * found.shape[2]
    # Whole numbers are exact in float32 up to 2^24, and so is a product of matrices of 0 and 1.
    number = "float32" if pixels <= 2**24 else "float64"
    ours, theirs = (masks.reshape(len(masks), pixels).astype(number) for masks in (found, objects))
    shared = (ours @ theirs.T).astype(np.float64)
    return _ratio(shared, mask_areas(found), mask_areas(objects), crowd)


def _ratio(shared: np.ndarray, found: np.ndarray, objects: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    whole = np.where(crowd, found[:, None], found[:, None] + objects - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)
