"""Moving a picture with all its labels: mirrored, turned, or seen through another window.

Each function changes every label that the move changes, and refuses where one cannot follow. Depth is the
stubborn one: the ground of this world is a plane, so a pixel's depth hangs on its row. Left and right may change
places; a picture that is turned, shifted or magnified shows what no camera above this ground could see.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float32, Int64

from vlmlearn.world.labelled import Labelled
from vlmlearn.world.scenes import TURNS, Scenes
from vlmlearn.world.shapes import MAX_OBJECTS, SIZES

LARGE = 1 / 8  # an object whose radius is a larger part of the picture's side is a large one: a gap of the sizes
PADDING = 128  # grey, 0–255, where a window looks beyond the picture
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
        _check_no_depth(pictures, "turned: the ground would stand upright")
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


def crop(
    pictures: Labelled,
    left: float | int | np.ndarray,
    top: float | int | np.ndarray,
    extent: float | int | np.ndarray,
    *,
    padding: int = PADDING,
) -> Labelled:
    """See each picture through a square window that becomes the whole picture again.

    A window of the picture's own extent shifts it (left=-5 moves everything 5 pixels to the right); a smaller one
    magnifies, a larger one shrinks. Beyond the picture is padding. Each pixel takes the nearest one, so that masks
    stay masks. An object of which no pixel is left leaves its slot, and later ones move up; ``visible`` falls with
    what is cut off.

    Args:
        left, top: of the window in pixels, one number for all pictures or one each; may be negative.
        extent: of the window in pixels, above 0.
        padding: grey, 0–255.

    Raises:
        ValueError: an extent that is not above 0, numbers that are not finite; depth is there and a window is
            another than the picture; words are there and a size word would become untrue, or no object is left.
    """
    left, top, extent = (np.broadcast_to(np.asarray(v, np.float64), (len(pictures),)) for v in (left, top, extent))
    if not (np.isfinite(left) & np.isfinite(top) & np.isfinite(extent) & (extent > 0)).all():
        raise ValueError("left, top and extent of a window must be finite, and extent above 0, such as 64")
    if not 0 <= padding <= 255:
        raise ValueError(f"padding is {padding}, expected a grey from 0 to 255")
    side = pictures.side
    if ((left != 0) | (top != 0) | (extent != side)).any():
        _check_no_depth(pictures, "shifted or scaled: depth hangs on the row, and a nearer camera sees other depths")
    scenes = None if pictures.scenes is None else _scenes_in_window(pictures.scenes, left, top, extent, side)
    columns, rows = (_sources(start, extent, side) for start in (left, top))
    images, instances = (_look_up(values, rows, columns, p) for values, p in
                         ((pictures.images, padding), (pictures.instances, 0)))
    x0, y0, x1, y1 = np.moveaxis(pictures.boxes, -1, 0)
    corners = [(at[:, None] < edge[..., None]).sum(-1) for at, edge in ((columns, x0), (rows, y0), (columns, x1), (rows, y1))]
    origin, scale = np.stack([left, top], 1)[:, None, None], (side / extent)[:, None, None, None]
    moved = replace(
        pictures,
        images=images,
        instances=instances,
        boxes=np.stack(corners, -1).astype(np.float32),
        visible=pictures.visible * _share_inside(pictures.instances, left, top, extent),
        keypoints=((pictures.keypoints - origin) * scale).astype(np.float32),
        scenes=scenes,
    )
    return _without_the_gone(moved)
