"""Shifting, cutting and scaling are one move: a square window of the picture becomes the whole picture."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from vlmlearn.world.labelled import Labelled, one_each
from vlmlearn.world.moves import check_no_depth
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.shapes import MAX_OBJECTS

LARGE = 1 / 8  # between the radii of small and large objects, as a fraction of the picture's side
PADDING = 128  # grey, 0–255, where a window looks beyond the picture


def crop(
    pictures: Labelled,
    left: float | int | np.ndarray,
    top: float | int | np.ndarray,
    extent: float | int | np.ndarray,
    *,
    padding: int = PADDING,
) -> Labelled:
    """See each picture through a square window, which becomes the whole picture.

    A window of the picture's own extent shifts: left=-5 moves everything 5 pixels to the right. A smaller one
    magnifies, a larger one shrinks. Each pixel takes the nearest one, so that masks stay masks, and boxes stay theirs
    to the pixel. What the window cuts keeps the part of its box that is seen, as the world does at a picture's border:
    around half a disc that may be more than its pixels. An object of which no pixel is left leaves its slot, and later
    ones move up; ``visible`` falls with what is cut off.

    Args:
        left, top: of the window in pixels, one number for all pictures or one each; may be negative.
        extent: of the window in pixels, above 0.
        padding: grey, 0–255, for what lies beyond the picture.

    Raises:
        ValueError: an extent that is not above 0, numbers that are not finite or not one a picture; depth is there
            and the window is not the picture; words are there and would become untrue (see ``fits_words``).
    """
    left, top, extent = (
        one_each(name, v, len(pictures)) for name, v in (("left", left), ("top", top), ("extent", extent))
    )
    if not (extent > 0).all():
        raise ValueError(f"the extent of a window is {extent.min():g}, expected pixels above 0, such as 64")
    if not 0 <= padding <= 255:
        raise ValueError(f"padding is {padding}, expected a grey from 0 to 255")
    side = pictures.side
    if ((left != 0) | (top != 0) | (extent != side)).any():
        check_no_depth(
            pictures, "shifted or scaled: depth hangs on the row and on the distance of the camera"
        )
    columns, rows = _sources(left, extent, side), _sources(top, extent, side)
    x0, y0, x1, y1 = np.moveaxis(pictures.boxes, -1, 0)
    edges = [(columns, x0), (rows, y0), (columns, x1), (rows, y1)]
    corners = [(at[:, None] < edge[..., None]).sum(-1) for at, edge in edges]
    origin, scale = np.stack([left, top], 1)[:, None, None], (side / extent)[:, None, None, None]
    moved = replace(
        pictures,
        images=_look_up(pictures.images, rows, columns, padding),
        instances=_look_up(pictures.instances[:, None], rows, columns, 0)[:, 0],
        boxes=np.stack(corners, -1).astype(np.float32),
        visible=pictures.visible * share_inside(pictures.instances, left, top, extent),
        keypoints=((pictures.keypoints - origin) * scale).astype(np.float32),
        scenes=None if pictures.scenes is None else _in_window(pictures.scenes, left, top, extent, side),
    )
    return _without_the_gone(moved)


def fits_words(pictures: Labelled, extent: float | int | np.ndarray) -> Bool[np.ndarray, " batch"]:
    """Where a window of this extent leaves "large" and "small" true: all pictures once words are dropped.

    In this world a large object's radius is more than an eighth of the picture's side, a small one's less. What is
    magnified or shrunk across that border is called what it no longer looks like.

    Args:
        extent: of the window in pixels, one number or one a picture.
    """
    if pictures.scenes is None:
        return np.ones(len(pictures), bool)
    return _sizes_hold(pictures.scenes, one_each("extent", extent, len(pictures)), pictures.side)


def share_inside(
    instances: np.ndarray, left: np.ndarray, top: np.ndarray, extent: np.ndarray
) -> Float32[np.ndarray, "batch 4"]:
    """What part of each object's pixels have their middle inside the window; 0 where it has none."""
    middles = np.arange(instances.shape[-1]) + 0.5
    inside_columns, inside_rows = (
        (middles >= start[:, None]) & (middles < (start + extent)[:, None]) for start in (left, top)
    )
    inside = inside_rows[:, :, None] & inside_columns[:, None]
    masks = [instances == slot + 1 for slot in range(MAX_OBJECTS)]
    pixels = np.stack([mask.sum((1, 2)) for mask in masks], 1)
    kept = np.stack([(mask & inside).sum((1, 2)) for mask in masks], 1)
    return (kept / np.maximum(pixels, 1)).astype(np.float32)


def _sizes_hold(scenes: Scenes, extent: np.ndarray, side: int) -> np.ndarray:
    looks_large = scenes.radius * (side / extent)[:, None] > LARGE
    return ((looks_large == (scenes.size == 1)) | ~scenes.present).all(1)


def _in_window(scenes: Scenes, left: np.ndarray, top: np.ndarray, extent: np.ndarray, side: int) -> Scenes:
    """The objects where they are in the window."""
    wrong = ~_sizes_hold(scenes, extent, side)
    if wrong.any():
        raise ValueError(
            f"in {wrong.sum()} of {len(wrong)} pictures a small object would look large or a large one small, first at "
            f"place {wrong.argmax()}: choose windows by fits_words(), or leave words out first, with drop('words')"
        )
    scale = (side / extent)[:, None]
    x, y = (
        (values - (start / side)[:, None]) * scale for values, start in ((scenes.x, left), (scenes.y, top))
    )
    return replace(
        scenes,
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        radius=(scenes.radius * scale).astype(np.float32),
    )


def _sources(start: np.ndarray, extent: np.ndarray, side: int) -> Int64[np.ndarray, "batch side"]:
    """The old column (or row) that each new one shows; outside 0 to side - 1 it is padding."""
    middles = start[:, None] + (np.arange(side) + 0.5) * (extent / side)[:, None]
    return np.floor(middles).astype(np.int64)


def _look_up(
    values: UInt8[np.ndarray, "batch channels side side"], rows: np.ndarray, columns: np.ndarray, outside: int
) -> UInt8[np.ndarray, "batch channels side side"]:
    side = values.shape[-1]
    pictures, channels = np.ix_(np.arange(len(values)), np.arange(values.shape[1]))
    inside_rows, inside_columns = ((at >= 0) & (at < side) for at in (rows, columns))
    rows, columns = (np.clip(at, 0, side - 1) for at in (rows, columns))
    seen = values[
        pictures[..., None, None],
        channels[..., None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]
    inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]
    return np.where(inside, seen, np.uint8(outside))


def _without_the_gone(pictures: Labelled) -> Labelled:
    """Objects without a pixel leave; the others move up, so that the first slots are the filled ones."""
    slots = np.arange(MAX_OBJECTS)
    pixels = np.stack([(pictures.instances == slot + 1).any((1, 2)) for slot in slots], 1)
    stays = pixels & pictures.present
    order = np.argsort(~stays, axis=1, kind="stable")
    filled = slots < stays.sum(1)[:, None]

    def moved_up(values: np.ndarray, empty: float | int) -> np.ndarray:
        trailing = [1] * (values.ndim - 2)
        taken = np.take_along_axis(values, order.reshape(*order.shape, *trailing), axis=1)
        return np.where(filled.reshape(*filled.shape, *trailing), taken, values.dtype.type(empty))

    number = np.zeros((len(pictures), MAX_OBJECTS + 1), np.uint8)  # old instance number → new one
    np.put_along_axis(number, order + 1, np.where(filled, slots + 1, 0).astype(np.uint8), axis=1)
    scenes = pictures.scenes
    if scenes is not None:
        if not stays.any(1).all():
            raise ValueError(
                f"picture {stays.any(1).argmin()} shows no object any more, so nothing can be said of it: choose "
                "another window, or leave words out first, with drop('words')"
            )
        names = ("shape", "color", "size", "x", "y", "radius", "turn")
        arrays: dict[str, Any] = {
            name: np.take_along_axis(getattr(scenes, name), order, axis=1) for name in names
        }
        scenes = replace(scenes, count=stays.sum(1), **arrays)
    return replace(
        pictures,
        instances=number[np.arange(len(pictures))[:, None, None], pictures.instances],
        shape=moved_up(pictures.shape, -1),
        boxes=moved_up(pictures.boxes, 0),
        visible=moved_up(pictures.visible, 0),
        keypoints=moved_up(pictures.keypoints, np.nan),
        scenes=scenes,
    )
