"""Where objects are: in which ninth of the picture, and on which side of one another."""

import numpy as np
from jaxtyping import Int64

from vlmlearn.world.scenes import Scenes


def cells(scenes: Scenes) -> Int64[np.ndarray, "batch 4"]:
    """The ninth of the picture each object's centre is in: 0 top left, 1 top, … 8 bottom right."""
    column, row = (np.clip((values * 3).astype(np.int64), 0, 2) for values in (scenes.x, scenes.y))
    return row * 3 + column


def relations(scenes: Scenes) -> Int64[np.ndarray, "batch 4 4"]:
    """On which side of object j object i is, at [:, i, j]: 0 left, 1 right, 2 above, 3 below.

    The larger of the two distances decides, so i is left of j exactly where j is right of i. Entries of empty
    slots and of an object with itself mean nothing.
    """
    dx, dy = (values[:, :, None] - values[:, None, :] for values in (scenes.x, scenes.y))
    return np.where(np.abs(dx) >= np.abs(dy), np.where(dx < 0, 0, 1), np.where(dy < 0, 2, 3))
