"""Moving a picture with all its labels: mirrored or turned; seen through another window in ``windows``.

Each function changes every label that the move changes, and refuses where one cannot follow. Depth is the
stubborn one: the ground of this world is a plane, so a pixel's depth hangs on its row. Left and right may change
places; a turned picture shows a ground that no camera above it could see.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int64

from vlmlearn.world.labelled import Labelled
from vlmlearn.world.scenes import TURNS

_SIDES_SWAPPED = [0, 2, 1]  # apex, right, left: in the mirror the right base corner is the left one


def mirror(pictures: Labelled, which: Bool[np.ndarray, " batch"] | None = None) -> Labelled:
    """Exchange left and right, in pixels, labels and words; twice is as before.

    Every shape of the world is its own mirror image, turned the other way.

    Args:
        which: the pictures to mirror; all by default.
    """
    if which is None:
        which = np.ones(len(pictures), bool)
    pick, side = _picker(which, len(pictures)), np.float32(pictures.side)

    def reversed_columns(values: np.ndarray) -> np.ndarray:
        return pick(values[..., ::-1], values)

    x0, y0, x1, y1 = np.moveaxis(pictures.boxes, -1, 0)
    boxes = np.stack([side - x1, y0, side - x0, y1], -1) * pictures.present[..., None]
    points = pictures.keypoints[:, :, _SIDES_SWAPPED] * np.array([-1, 1], np.float32) + np.array([side, 0])
    scenes = pictures.scenes
    if scenes is not None:
        turn = pick(-scenes.turn % TURNS, scenes.turn)
        scenes = replace(scenes, x=pick(1 - scenes.x, scenes.x), turn=turn)
    return replace(
        pictures,
        images=reversed_columns(pictures.images),
        instances=reversed_columns(pictures.instances),
        depth=None if pictures.depth is None else reversed_columns(pictures.depth),
        boxes=pick(boxes, pictures.boxes),
        keypoints=pick(points.astype(np.float32), pictures.keypoints),
        scenes=scenes,
    )


def rotate(pictures: Labelled, quarters: int | Int64[np.ndarray, " batch"] = 1) -> Labelled:
    """Turn pictures clockwise by quarter turns, in pixels, labels and words; four are as before.

    Args:
        quarters: one number for all, or one for each picture; modulo 4.

    Raises:
        ValueError: depth is there and a picture is turned.
    """
    quarters = np.broadcast_to(np.asarray(quarters, np.int64) % 4, (len(pictures),))
    if quarters.any():
        check_no_depth(pictures, "turned: the ground would stand upright")
    for step in range(1, 4):
        pictures = _quarter_turn(pictures, quarters >= step)
    return pictures


def _quarter_turn(pictures: Labelled, which: np.ndarray) -> Labelled:
    """A point (x, y) comes to (side - y, x)."""
    pick, side = _picker(which, len(pictures)), np.float32(pictures.side)

    def turned(values: np.ndarray) -> np.ndarray:
        return pick(np.rot90(values, -1, axes=(-2, -1)), values)

    x0, y0, x1, y1 = np.moveaxis(pictures.boxes, -1, 0)
    boxes = np.stack([side - y1, x0, side - y0, x1], -1) * pictures.present[..., None]
    points = np.stack([side - pictures.keypoints[..., 1], pictures.keypoints[..., 0]], -1)
    scenes = pictures.scenes
    if scenes is not None:
        scenes = replace(
            scenes,
            x=pick(1 - scenes.y, scenes.x),
            y=pick(scenes.x, scenes.y),
            turn=pick((scenes.turn + TURNS // 4) % TURNS, scenes.turn),
        )
    return replace(
        pictures,
        images=turned(pictures.images),
        instances=turned(pictures.instances),
        boxes=pick(boxes, pictures.boxes),
        keypoints=pick(points, pictures.keypoints),
        scenes=scenes,
    )


def check_no_depth(pictures: Labelled, how: str) -> None:
    """Raise a ``ValueError`` where depth is there, which cannot follow what is done to the picture."""
    if pictures.depth is not None:
        raise ValueError(f"a picture with depth cannot be {how}. Leave depth out first, with drop('depth')")


def _picker(which: np.ndarray, batch: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function that takes the new values for the chosen pictures and the old ones for the others."""
    if which.dtype != bool or which.shape != (batch,):
        raise ValueError(f"which is {which.dtype} {which.shape}, expected bool ({batch},): one a picture")
    return lambda new, old: np.where(which.reshape(-1, *[1] * (old.ndim - 1)), new, old)
