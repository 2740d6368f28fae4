"""What the world knows about every pixel: semantic classes, metric depth, keypoints."""

import numpy as np
from jaxtyping import Float32, UInt8

from vlmlearn.world.scenes import TURNS, Scenes
from vlmlearn.world.shapes import SHAPES, TRIANGLE

NEAR = 2.0  # depth of the picture's lowest row, in metres; ``scenes.far`` is that of the highest

# Cosine and sine of each of the 256 rotations, rounded so that they are the same numbers on every machine.
_ANGLE = 2 * np.pi / TURNS * np.arange(TURNS)
COSINE, SINE = np.round([np.cos(_ANGLE), np.sin(_ANGLE)], 6).astype(np.float32)


def semantic_masks(
    scenes: Scenes, instances: UInt8[np.ndarray, "batch side side"]
) -> UInt8[np.ndarray, "batch side side"]:
    """The class of every pixel: 0 for the background, 1 + shape for an object.

    Raises:
        ValueError: not one picture for each scene.
    """
    _check_one_each(scenes, instances)
    classes = np.concatenate(
        [np.zeros((len(scenes), 1), np.uint8), (scenes.shape + 1).astype(np.uint8)], axis=1
    )
    return classes[np.arange(len(scenes))[:, None, None], instances]


def depth_maps(
    scenes: Scenes, instances: UInt8[np.ndarray, "batch side side"]
) -> Float32[np.ndarray, "batch side side"]:
    """Depth of every pixel in metres, from 2 (near) to ``scenes.far``.

    The ground is a plane, so inverse depth is linear in the row; an object stands upright, so all its pixels
    are as far away as the ground under its base.

    Raises:
        ValueError: not one picture for each scene.
    """
    _check_one_each(scenes, instances)
    side = instances.shape[-1]
    rows = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side)
    ground, upright = _ground_depth(scenes, rows[None]), _ground_depth(scenes, scenes.base)
    depth = np.where(instances == 0, ground[:, :, None], np.float32(0))
    for slot in range(upright.shape[1]):
        depth = np.where(instances == slot + 1, upright[:, slot, None, None], depth)
    return depth


def _check_one_each(scenes: Scenes, instances: np.ndarray) -> None:
    """Two pictures of one scene would otherwise pass, by broadcasting."""
    if instances.ndim != 3 or len(instances) != len(scenes):
        raise ValueError(
            f"instances has shape {instances.shape}, expected ({len(scenes)}, side, side): "
            "one picture for each scene, as render(scenes).instances has"
        )


def _ground_depth(scenes: Scenes, height: np.ndarray) -> np.ndarray:
    """Depth of the ground at a height in the picture (0 = top row, 1 = bottom row)."""
    farthest, nearest = 1 / scenes.far[:, None], np.float32(1 / NEAR)
    return (1 / (farthest + (nearest - farthest) * height)).astype(np.float32)


def keypoints(scenes: Scenes, side: int = 64) -> Float32[np.ndarray, "batch 4 3 2"]:
    """Apex, right and left base corner of every triangle as (x, y) in pixels; NaN for every other shape."""
    cosine, sine = COSINE[scenes.turn][..., None], SINE[scenes.turn][..., None]
    along, across = TRIANGLE.astype(np.float32).T
    x = scenes.x[..., None] + scenes.radius[..., None] * (along * cosine - across * sine)
    y = scenes.y[..., None] + scenes.radius[..., None] * (along * sine + across * cosine)
    is_triangle = (scenes.shape == SHAPES.index("triangle")) & scenes.present
    return np.where(is_triangle[..., None, None], np.stack([x, y], -1) * np.float32(side), np.float32(np.nan))
