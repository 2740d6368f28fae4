"""Changing what colour the pixels have: channels that change places, light, noise.

Boxes, masks, depth and keypoints stay. Words stay true only if the colours' names change with the channels, and not
every colour has a name afterwards: orange with red and blue exchanged is azure, for which this world has no word.
"""

from dataclasses import replace
from functools import cache
from itertools import permutations

import numpy as np
from jaxtyping import Bool, Int64

from vlmlearn.world.labelled import Labelled, check_seed, one_each
from vlmlearn.world.random import Draws
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.shapes import COLORS, HELD_OUT_PAIRS, RGB

# All orders of red, green and blue but the usual one; new channel k is the old channel order[k].
ORDERS = tuple(order for order in permutations(range(3)) if order != (0, 1, 2))
# A permuted colour keeps a name if in some light it comes this near to a named one (RGB from 0 to 1; the world's own
# tints scatter by half as much) and twice as near as to any other. The nearest left out are at 0.143.
NEAR = 0.13
_LIGHT = np.linspace(0.85, 1.05, 21, dtype=np.float32)[
    :, None, None
]  # from the dimmest to the brightest object


@cache
def permuted_colors(order: tuple[int, ...]) -> tuple[int | None, ...]:
    """What each of the world's colours is once the channels are in this order: a colour's number, or None.

    Two colours never become the same one.

    Args:
        order: new channel k is the old channel order[k].

    Raises:
        ValueError: an order that is none of 0, 1, 2.
    """
    if sorted(order) != [0, 1, 2]:
        raise ValueError(f"order is {order}, expected 0, 1 and 2 in some order, such as (2, 1, 0)")
    lit, permuted = _LIGHT * RGB, _LIGHT * RGB[:, list(order)]
    # light of the one, light of the other, permuted colour, named colour
    distance = np.linalg.norm(permuted[:, None, :, None] - lit[None, :, None], axis=-1).min((0, 1))
    first, second = np.sort(distance, axis=1)[:, :2].T
    named = (first < NEAR) & (first < second / 2)
    return tuple(int(color) if name else None for color, name in zip(distance.argmin(1), named, strict=True))


def admits_order(
    scenes: Scenes, order: tuple[int, ...], *, show_held_out: bool = False
) -> Bool[np.ndarray, " batch"]:
    """In which scenes every object's colour keeps a name, and no pair comes up that the split never shows.

    Args:
        order: see ``permuted_colors``.
        show_held_out: allow the pairs that training never shows. A model that has seen them permuted is no longer
            tested on new ones by the compositional split.

    Raises:
        ValueError: an order that is none of 0, 1, 2.
    """
    color = _new_color(scenes, order)
    fine = color >= 0
    if not show_held_out and scenes.split in ("train", "val", "test"):
        fine &= ~np.isin(scenes.shape * len(COLORS) + color, HELD_OUT_PAIRS)
    return (fine | ~scenes.present).all(1)


def permute_channels(
    pictures: Labelled,
    order: tuple[int, ...],
    which: Bool[np.ndarray, " batch"] | None = None,
    *,
    show_held_out: bool = False,
) -> Labelled:
    """Put red, green and blue in another order, and call every object by its new colour.

    Once words are dropped every picture may be permuted; then nothing keeps never-seen pairs from being shown.

    Args:
        order: new channel k is the old channel order[k]; (2, 1, 0) exchanges red and blue.
        which: the pictures to change; all by default.
        show_held_out: see ``admits_order``.

    Raises:
        ValueError: an order that is none of 0, 1, 2; words are there and a chosen picture does not admit the order.
    """
    if which is None:
        which = np.ones(len(pictures), bool)
    names = permuted_colors(order)
    scenes = pictures.scenes
    if scenes is not None:
        refused = which & ~admits_order(scenes, order, show_held_out=show_held_out)
        if refused.any():
            nameless = ", ".join(color for color, name in zip(COLORS, names, strict=True) if name is None)
            raise ValueError(
                f"{refused.sum()} of {which.sum()} pictures do not admit the order {order}, the first at place "
                f"{refused.argmax()}: {nameless} would have no name, or a never-seen pair would come up. Choose "
                "pictures with admits_order(), or leave words out first, with drop('words')"
            )
        scenes = replace(scenes, color=np.where(which[:, None], _new_color(scenes, order), scenes.color))
    images = np.where(which[:, None, None, None], pictures.images[:, list(order)], pictures.images)
    return replace(pictures, images=images, scenes=scenes)


def _new_color(scenes: Scenes, order: tuple[int, ...]) -> Int64[np.ndarray, "batch 4"]:
    """-1 where there is none; empty slots keep their number."""
    table = np.array([-1 if name is None else name for name in permuted_colors(order)])
    return np.where(scenes.present, table[scenes.color], scenes.color)


def brighten(pictures: Labelled, factor: float | int | np.ndarray) -> Labelled:
    """Multiply all pixels; what exceeds 255 is white, as in a camera. Labels stay.

    Args:
        factor: one number or one a picture, above 0; far from 1 colours lose their names (white at 0.5 is grey).

    Raises:
        ValueError: a factor that is not above 0 and finite, or not one a picture.
    """
    factors = one_each("factor", factor, len(pictures))
    if not (factors > 0).all():
        raise ValueError(f"factor is {factors.min():g}, expected a number above 0, such as 0.8 or 1.2")
    return replace(
        pictures, images=_to_pixels(pictures.images * factors.astype(np.float32)[:, None, None, None])
    )


def add_noise(pictures: Labelled, deviation: float | int | np.ndarray, *, seed: int = 0) -> Labelled:
    """Add bell-shaped noise to every channel of every pixel, a pure function of (seed, scene's index). Labels stay.

    Args:
        deviation: standard deviation in grey levels (of 255), one number or one a picture, from 0 on.
        seed: another seed is other noise.

    Raises:
        ValueError: a deviation below 0 or not finite, or not one a picture.
    """
    deviations = one_each("deviation", deviation, len(pictures))
    if not (deviations >= 0).all():
        raise ValueError(f"deviation is {deviations.min():g}, expected grey levels from 0 on, such as 4")
    check_seed(seed)
    noise = Draws(seed, "augment/noise", pictures.index).bell("pixels", pictures.images.shape[1:])
    return replace(
        pictures,
        images=_to_pixels(pictures.images + noise * deviations.astype(np.float32)[:, None, None, None]),
    )


def _to_pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
