"""Photographs for the world's backgrounds: what a picture has behind its objects when it is not a texture.

The objects stay drawn; only the ground is real. A model that has learnt the texture and not the objects is
found out on these. The photographs of the two groups differ, so "test" is new to whoever has seen "train".
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.numpy import load

from vlmlearn.world.scenes import Scenes

FILE = Path(__file__).parent / "photos" / "photos.safetensors"
GROUPS = ("train", "test")
SIDE = 128  # of a stored photograph in pixels


class Photo(NamedTuple):
    """One photograph: its group, the original's file, and the square that is kept of it.

    The square begins ``left`` and ``top`` pixels from the original's corner and is 128 × ``factor`` pixels
    wide and high; every ``factor`` × ``factor`` block of it becomes one pixel.
    """

    group: str
    file: str
    left: int
    top: int
    factor: int


# ``photos/LICENSES.md`` says where each comes from and why it may be used.
PHOTOS = {
    "coffee": Photo("train", "coffee.png", 60, 8, 3),
    "retina": Photo("train", "retina.jpg", 130, 260, 7),
    "grass": Photo("train", "grass.png", 0, 0, 2),
    "camera": Photo("train", "camera.png", 256, 150, 2),
    "rocket": Photo("test", "rocket.jpg", 128, 40, 3),
    "cat": Photo("test", "chelsea.png", 90, 22, 2),
    "brick": Photo("test", "brick.png", 64, 64, 3),
    "gravel": Photo("test", "gravel.png", 0, 0, 2),
}


def photographs(group: str) -> dict[str, UInt8[np.ndarray, "3 128 128"]]:
    """The photographs of one group by name: RGB, 0–255; a grey one has three equal channels.

    Args:
        group: "train" or "test".

    Raises:
        ValueError: an unknown group; a damaged file.
        FileNotFoundError: the file that holds the photographs is missing.
    """
    if group not in GROUPS:
        raise ValueError(f"unknown group of photographs {group!r}, expected one of {', '.join(GROUPS)}")
    stored = _stored(FILE)
    return {
        name: np.broadcast_to(stored[name], (3, SIDE, SIDE)).copy()
        for name, photo in PHOTOS.items()
        if photo.group == group
    }


def photo_backgrounds(scenes: Scenes, group: str, side: int = 64) -> UInt8[np.ndarray, "batch 3 side side"]:
    """A background for each scene, for ``render(scenes, backgrounds=…)``.

    Which photograph, which window of it and whether mirrored are drawn from the scene alone, so a scene has
    the same background in any batch. A window is ``side`` pixels of the photograph's 128, not scaled: a larger
    side shows more of the photograph.

    Args:
        scenes: whose backgrounds.
        group: "train" or "test", see ``photographs``.
        side: height and width in pixels, at most 128.

    Raises:
        ValueError: an unknown group, a side outside 1 to 128, a damaged file.
        FileNotFoundError: the file that holds the photographs is missing.
    """
    if not 1 <= side <= SIDE:
        raise ValueError(
            f"side is {side}, but a photograph has {SIDE} pixels: use a side from 1 to {SIDE}, such as 64"
        )
    stack = np.stack(list(photographs(group).values()))
    draws = scenes.draws("photo background")
    which = draws.integers("photo", len(stack))
    left, top = (draws.integers(name, SIDE - side + 1)[:, None] + np.arange(side) for name in ("left", "top"))
    mirrored = draws.integers("mirrored", 2)[:, None] == 1
    columns = np.where(mirrored, left[:, ::-1], left)
    return stack[
        which[:, None, None, None], np.arange(3)[:, None, None], top[:, None, :, None], columns[:, None, None]
    ]


@cache
def _stored(path: Path) -> dict[str, np.ndarray]:
    """Everything in the file: grey photographs have one channel there."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing, which holds the photographs: install vlmlearn again")
    try:
        stored = load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read ({error}): install vlmlearn again") from error
    good = {
        name
        for name, a in stored.items()
        if a.dtype == np.uint8 and a.shape in ((1, SIDE, SIDE), (3, SIDE, SIDE))
    }
    if good != set(PHOTOS):
        wrong = ", ".join(sorted(good ^ set(PHOTOS)))
        raise ValueError(f"{path} does not hold the photographs it should ({wrong}): install vlmlearn again")
    return stored
