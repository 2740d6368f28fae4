"""Scenes to pixels: a textured background, objects painted from far to near, haze that grows with depth.

Everything is computed by additions, multiplications and table look-ups, whose results the floating-point
standard fixes, so a picture has the same pixels on every machine.
"""

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from jaxtyping import Float32, UInt8

from vlmlearn.world.labels import COSINE, SINE, depth_maps
from vlmlearn.world.random import Draws
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.shapes import EXTENT, GRID, MAX_OBJECTS, RGB, distance_tables

_CHUNK = 64  # scenes painted at once: their canvas stays in the processor's cache
_WINDOW = 1 / 2  # side of the square that an object is painted in, as a fraction of the picture's
_BLOBS = 5  # the background's soft blobs are a 5×5 grid of colours, blended in between
_GRAINS = 64  # ready-made fields of film grain
_PHASES = 4096  # steps of one turn in the stripes' cosine
_COSINES = np.round(np.cos(np.arange(_PHASES) * (2 * np.pi / _PHASES)), 6).astype(np.float32)
_TABLES = distance_tables().ravel()


@dataclass(frozen=True)
class Pictures:
    """Rendered scenes.

    Args:
        images: RGB, 0–255.
        instances: whose pixel it is: 0 the background's, k + 1 that of the object in slot k.
        boxes: x0, y0, x1, y1 in pixels around each object, hidden parts included, as far as the picture
            reaches; x1 and y1 are one past the last pixel; 0 for empty slots.
        visible: the fraction of each object's pixels that can be seen: neither hidden by a nearer object nor
            cut off by the picture's border; 0 for empty slots.
    """

    images: UInt8[np.ndarray, "batch 3 side side"]
    instances: UInt8[np.ndarray, "batch side side"]
    boxes: Float32[np.ndarray, "batch 4 4"]
    visible: Float32[np.ndarray, "batch 4"]

    def __len__(self) -> int:
        return len(self.images)


def render(
    scenes: Scenes, side: int = 64, *, backgrounds: UInt8[np.ndarray, "batch 3 side side"] | None = None
) -> Pictures:
    """Draw each scene.

    Args:
        scenes: what to draw.
        side: height and width in pixels, a multiple of 4 from 32 on.
        backgrounds: RGB, 0–255, one for each scene, in the texture's place (see ``photo_backgrounds``); haze
            lies over them as over the texture.

    Raises:
        ValueError: a side that is too small or no multiple of 4; backgrounds of another shape or type.
    """
    if side < 32 or side % 4:
        raise ValueError(f"side is {side}, expected a multiple of 4 from 32 on, such as 64")
    _check_backgrounds(backgrounds, (len(scenes), 3, side, side))
    if not len(scenes):
        return _paint(scenes, side, backgrounds)
    parts = [slice(start, start + _CHUNK) for start in range(0, len(scenes), _CHUNK)]
    chunks = [_paint(scenes[p], side, None if backgrounds is None else backgrounds[p]) for p in parts]
    return Pictures(
        **{f.name: np.concatenate([getattr(c, f.name) for c in chunks]) for f in fields(Pictures)}
    )


def _check_backgrounds(backgrounds: np.ndarray | None, expected: tuple[int, ...]) -> None:
    if backgrounds is None or (backgrounds.dtype == np.uint8 and backgrounds.shape == expected):
        return
    raise ValueError(
        f"backgrounds are {backgrounds.dtype} {backgrounds.shape}, expected uint8 {expected}: one RGB picture, "
        "0 to 255, for each scene, as photo_backgrounds(scenes, group, side) gives"
    )


def _paint(scenes: Scenes, side: int, backgrounds: np.ndarray | None) -> Pictures:
    """One chunk. The canvas has a margin, so that objects may overlap the picture's border."""
    batch, margin = len(scenes), side // 8 + 1
    inside = slice(margin, margin + side)
    draws = scenes.draws("picture")
    canvas = np.zeros((batch, 3, side + 2 * margin, side + 2 * margin), np.float32)
    if backgrounds is None:
        canvas[:, :, inside, inside] = _background(draws, side)
    else:
        canvas[:, :, inside, inside] = backgrounds * np.float32(1 / 255)
    owner = np.zeros((batch, *canvas.shape[2:]), np.uint8)
    boxes = np.zeros((batch, MAX_OBJECTS, 4), np.float32)
    pixels = np.ones((batch, MAX_OBJECTS), np.float32)
    tint = np.clip(RGB[scenes.color] + draws.bell("tint", (MAX_OBJECTS, 3), 0.035), 0, 1)
    tint = tint * draws.uniform("light", (MAX_OBJECTS, 1), 0.85, 1.05)
    for slot in range(MAX_OBJECTS):
        who = np.flatnonzero(scenes.count > slot)
        if len(who):
            boxes[who, slot], pixels[who, slot] = _paint_objects(
                scenes, who, slot, tint[who, slot], canvas, owner, side, margin
            )
    instances = np.ascontiguousarray(owner[:, inside, inside])
    visible = np.stack([(instances == k + 1).sum((1, 2)) for k in range(MAX_OBJECTS)], 1) / pixels
    haze = np.clip((depth_maps(scenes, instances) - np.float32(2)) * np.float32(1 / 12), 0, np.float32(0.55))
    colors = canvas[:, :, inside, inside]
    colors = colors + haze[:, None] * (np.float32(0.62) - colors)
    images = (np.clip(colors, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return Pictures(images, instances, boxes, visible.astype(np.float32))


def _paint_objects(
    scenes: Scenes,
    who: np.ndarray,
    slot: int,
    tint: np.ndarray,
    canvas: np.ndarray,
    owner: np.ndarray,
    side: int,
    margin: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Paint the object in one slot of the scenes ``who``, in place; returns its boxes and pixel counts."""
    window, scale = int(side * _WINDOW), np.float32(side)
    x, y, radius = scenes.x[who, slot] * scale, scenes.y[who, slot] * scale, scenes.radius[who, slot] * scale
    left, top = np.floor(x).astype(np.int64) - window // 2, np.floor(y).astype(np.int64) - window // 2
    columns, rows = left[:, None] + np.arange(window), top[:, None] + np.arange(window)
    dx = (columns + np.float32(0.5) - x[:, None]).astype(np.float32) / radius[:, None]
    dy = (rows + np.float32(0.5) - y[:, None]).astype(np.float32) / radius[:, None]

    distance = _distances(scenes.shape[who, slot], scenes.turn[who, slot], dx, dy) * radius[:, None, None]
    alpha = np.clip(np.float32(0.5) - distance, 0, 1)  # how much of each pixel the object covers
    shade = np.float32(1) - np.float32(0.12) * dy[:, :, None]  # lit from above
    place = (rows + margin)[:, :, None] * canvas.shape[-1] + (columns + margin)[:, None, :]
    at = (who * (canvas.shape[-1] ** 2))[:, None, None] + place
    plane = canvas.shape[-1] ** 2
    flat_canvas, flat_owner = canvas.reshape(-1), owner.reshape(-1)
    for channel in range(3):
        here = at + ((2 * who + channel) * plane)[:, None, None]
        before = flat_canvas[here]
        flat_canvas[here] = before + alpha * (tint[:, channel, None, None] * shade - before)
    covered = alpha > 0.5
    flat_owner[at[covered]] = slot + 1

    used_columns, used_rows = covered.any(1), covered.any(2)
    x0, x1 = left + used_columns.argmax(1), left + window - used_columns[:, ::-1].argmax(1)
    y0, y1 = top + used_rows.argmax(1), top + window - used_rows[:, ::-1].argmax(1)
    return np.clip(np.stack([x0, y0, x1, y1], 1), 0, side), covered.sum((1, 2))


def _distances(shape: np.ndarray, turn: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Signed distance in radii of every window pixel to its object's outline: rotate, then look it up."""
    steps = np.float32((GRID - 1) / (2 * EXTENT))
    cosine, sine = COSINE[turn][:, None] * steps, SINE[turn][:, None] * steps
    middle = np.float32((GRID - 1) / 2 + 0.5)  # half a step, so that truncation rounds to the nearest
    u = (dx * cosine + middle)[:, None, :] + (dy * sine)[:, :, None]
    v = (middle - dx * sine)[:, None, :] + (dy * cosine)[:, :, None]
    np.clip(u, 0, GRID - 1, out=u)
    np.clip(v, 0, GRID - 1, out=v)
    cell = v.astype(np.int32) * GRID + u.astype(np.int32)
    return _TABLES[cell + (shape * GRID * GRID).astype(np.int32)[:, None, None]]


def _background(draws: Draws, side: int) -> Float32[np.ndarray, "batch 3 side side"]:
    """A base colour, soft blobs, film grain and, in six scenes of ten, stripes."""
    base: np.ndarray = draws.uniform("base color", (3, 1, 1), 0.18, 0.52) * np.float32(0.4)
    base = base + draws.uniform("base light", (1, 1, 1), 0.18, 0.52) * np.float32(0.6)
    blobs = base + draws.bell("blobs", (3, _BLOBS, _BLOBS), 0.09)
    ground = _stretch(_stretch(blobs, side).swapaxes(2, 3), side).swapaxes(2, 3)
    ground = ground + _grain(side)[draws.integers("grain", _GRAINS)]

    # In float64, so that rounding to whole steps hides in which last bit two machines' cosines differ.
    angle = draws.uniform("angle", (), 0.0, np.pi).astype(np.float64)
    frequency = draws.uniform("frequency", (), 0.15, 0.9).astype(np.float64)
    step = frequency * (64 / side * _PHASES / (2 * np.pi))
    step_x, step_y = np.rint(np.stack([np.cos(angle), np.sin(angle)]) * step).astype(np.int32)
    pixel = np.arange(side, dtype=np.int32)
    phase = (step_x[:, None] * pixel)[:, :, None] + (step_y[:, None] * pixel)[:, None, :]
    strength = draws.uniform("stripes", (), 0.0, 0.09) * (draws.uniform("striped") < 0.6)
    stripes = _COSINES[phase & (_PHASES - 1)] * strength[:, None, None]
    return ground + stripes[:, None]


def _stretch(grid: np.ndarray, side: int) -> np.ndarray:
    """Linear interpolation of the last axis to ``side`` values."""
    position = np.linspace(0, grid.shape[-1] - 1, side)
    cell = np.minimum(position.astype(int), grid.shape[-1] - 2)
    part = (position - cell).astype(np.float32)
    return grid[..., cell] * (1 - part) + grid[..., cell + 1] * part


@cache
def _grain(side: int) -> Float32[np.ndarray, "grains 3 side side"]:
    return Draws(7, "grain", np.arange(_GRAINS)).bell("grain", (3, side, side), 0.055)
