"""Random augmentation that moves all labels along, and knows which task bears which change."""

from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from vlmlearn.world.labelled import Labelled, check_seed
from vlmlearn.world.moves import check_no_depth, mirror, rotate
from vlmlearn.world.random import Draws
from vlmlearn.world.recolor import ORDERS, add_noise, admits_order, brighten, permute_channels
from vlmlearn.world.windows import crop, fits_words, share_inside

_TRIES = 8  # windows drawn for each picture; the first that suits is used
_LEAST = 0.5  # how much of what is seen of an object a window has to keep


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a picture, and how often; nothing by default.

    Args:
        mirror: probability of left for right.
        rotate: probability of one, two or three quarter turns. Not with depth.
        shift: the furthest move in each direction, as a fraction of the side. Not with depth.
        zoom: the largest factor by which things grow or shrink, from 1 on. Not with depth; with words it stays
            where "large" and "small" stay true.
        channels: probability of another order of the colour channels; with words, where a scene admits one.
        show_held_out: let permuted channels show the pairs that training never shows (see ``admits_order``).
        brightness: the largest change of light, as a fraction: 0.2 is a factor from 0.8 to 1.2.
        noise: the largest standard deviation of noise, in grey levels.

    Raises:
        ValueError: a probability outside 0 to 1, a shift outside 0 to 0.5, a zoom below 1, a brightness outside 0
            to below 1, negative noise.
    """

    mirror: float = 0.0
    rotate: float = 0.0
    shift: float = 0.0
    zoom: float = 1.0
    channels: float = 0.0
    show_held_out: bool = False
    brightness: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        bounds = {
            **dict.fromkeys(("mirror", "rotate", "channels"), (0.0, 1.0)),
            "shift": (0.0, 0.5),
            "zoom": (1.0, 4.0),
            "brightness": (0.0, 0.9),
            "noise": (0.0, 255.0),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, expected a number from {low:g} to {high:g}")

    @staticmethod
    def for_task(task: str) -> "Augmentation":
        """What suits a task; see ``TASKS``.

        Raises:
            ValueError: an unknown task; the nearest one is offered.
        """
        if task not in TASKS:
            near = get_close_matches(str(task), TASKS, n=1, cutoff=0)[0]
            raise ValueError(
                f"unknown task {task!r}, expected one of {', '.join(TASKS)}: did you mean {near!r}?"
            )
        return TASKS[task]


_LIGHT = Augmentation(brightness=0.15, noise=4.0)
TASKS = {
    "classification": replace(_LIGHT, mirror=0.5, shift=0.1, zoom=1.2),
    "detection": replace(_LIGHT, mirror=0.5, shift=0.15, zoom=1.25, channels=0.5),
    "segmentation": replace(_LIGHT, mirror=0.5, rotate=0.25, shift=0.15, zoom=1.25, channels=0.5),
    "instance_segmentation": replace(_LIGHT, mirror=0.5, shift=0.15, zoom=1.25, channels=0.5),
    # Depth hangs on the row, and haze, its other sign, is grey whatever the channels.
    "depth_estimation": replace(_LIGHT, mirror=0.5, channels=0.5),
    "keypoint_detection": replace(_LIGHT, mirror=0.5, rotate=0.25, shift=0.1, zoom=1.2, channels=0.5),
    # Words follow left and right, places and colours, and bear only a little zoom.
    "captioning": replace(_LIGHT, mirror=0.5, shift=0.1, zoom=1.1, channels=0.5),
}


def augment(pictures: Labelled, how: Augmentation | str, *, seed: int = 0) -> Labelled:
    """Change each picture at random, with all its labels: a pure function of (seed, scene's index, ``how``).

    Take another seed in every epoch. In order: mirror, quarter turns, window, channels, light, noise. A window keeps
    at least half of what is seen of every object; where eight tries find none, and where no order of the channels
    leaves every colour a name, the picture is left as it is in this respect.

    Args:
        pictures: what to change; ``drop("words")`` or ``drop("depth")`` first frees from their limits.
        how: what may happen, or a task's name (see ``TASKS``).
        seed: any whole number from 0 on.

    Raises:
        ValueError: an unknown task; depth together with quarter turns, shift or zoom; a seed that is
            no 64-bit whole number.
    """
    if isinstance(how, str):
        how = Augmentation.for_task(how)
    check_seed(seed)
    if how.rotate or how.shift or how.zoom != 1:
        check_no_depth(
            pictures, "turned, shifted or scaled: depth hangs on the row and on the camera's distance"
        )
    if not len(pictures):
        return pictures
    draws = Draws(seed, "augment", pictures.index)
    pictures = mirror(pictures, draws.uniform("mirror") < how.mirror)
    turned = draws.uniform("rotate") < how.rotate
    pictures = rotate(pictures, turned * (1 + draws.integers("quarters", 3)))
    if how.shift or how.zoom != 1:
        pictures = crop(pictures, *_windows(pictures, how, draws))
    pictures = _permuted(pictures, how, draws)
    if how.brightness:
        pictures = brighten(pictures, draws.uniform("light", (), 1 - how.brightness, 1 + how.brightness))
    if how.noise:
        pictures = add_noise(pictures, draws.uniform("noise", (), 0.0, how.noise), seed=seed)
    return pictures


def _windows(
    pictures: Labelled, how: Augmentation, draws: Draws
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """left, top and extent of each picture's window: the first try that suits, or the picture itself."""
    side, batch = pictures.side, len(pictures)
    left, top, extent = np.zeros(batch), np.zeros(batch), np.full(batch, float(side))
    todo = np.arange(batch)
    for attempt in range(_TRIES):
        now, drawn = pictures[todo], Draws(draws.seed, draws.space, draws.indices[todo])
        wide = side * drawn.uniform(f"zoom {attempt}", (), 1 / how.zoom, how.zoom).astype(np.float64)
        shift = np.rint(drawn.uniform(f"shift {attempt}", (2,), -how.shift, how.shift) * side)
        x, y = ((side - wide) / 2 - move for move in shift.T)
        seen = share_inside(now.instances, x, y, wide) >= _LEAST
        suits = (seen | ~now.present).all(1) & fits_words(now, wide)
        chosen = todo[suits]
        left[chosen], top[chosen], extent[chosen] = x[suits], y[suits], wide[suits]
        todo = todo[~suits]
    return left, top, extent


def _permuted(pictures: Labelled, how: Augmentation, draws: Draws) -> Labelled:
    """Each chosen picture in one of the orders it admits, all equally likely."""
    chosen = draws.uniform("channels") < how.channels
    if pictures.scenes is None:
        admitted = np.ones((len(pictures), len(ORDERS)), bool)
    else:
        scenes = pictures.scenes
        admitted = np.stack([admits_order(scenes, o, show_held_out=how.show_held_out) for o in ORDERS], 1)
    rank = np.where(admitted, draws.uniform("order", (len(ORDERS),)), -1).argmax(1)
    for k, order in enumerate(ORDERS):
        which = chosen & admitted.any(1) & (rank == k)
        pictures = permute_channels(pictures, order, which, show_held_out=how.show_held_out)
    return pictures
