"""Pictures with everything that is known of them, so that all of it can be moved together."""

from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from vlmlearn.world.captions import captions
from vlmlearn.world.labels import depth_maps, keypoints
from vlmlearn.world.render import render
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.shapes import MAX_OBJECTS

DROPPABLE = ("depth", "words")


@dataclass(frozen=True, eq=False)  # arrays have no single answer to "equal?"
class Labelled:
    """A batch of pictures and their labels. An object has the same slot in all of them; slots may be empty.

    What a change of the picture would make untrue it refuses; ``drop`` leaves such labels out.

    Args:
        index: of each picture's scene; random augmentation depends on it and a seed alone.
        images: RGB, 0–255.
        instances: whose pixel it is: 0 the background's, k + 1 that of the object in slot k.
        shape: the class of each object; -1 for an empty slot.
        boxes: x0, y0, x1, y1 in whole pixels, x1 and y1 one past the last; 0 for empty slots.
        visible: the fraction of each object's pixels that can be seen; 0 for empty slots.
        keypoints: (x, y) in pixels: apex, right and left base corner of triangles, NaN elsewhere; they may lie
            outside the picture.
        depth: metres, or None.
        scenes: where the objects now are and what they are called: whatever speaks of the pictures
            (``captions``, ``questions``, ``referring``) takes these; or None. Heights over the ground
            (``scenes.base``, depth) do not follow a turned or cut picture.

    Raises:
        ValueError: arrays that do not belong together, x1 < x0, depth that is not above 0.
    """

    index: Int64[np.ndarray, " batch"]
    images: UInt8[np.ndarray, "batch 3 side side"]
    instances: UInt8[np.ndarray, "batch side side"]
    shape: Int64[np.ndarray, "batch 4"]
    boxes: Float32[np.ndarray, "batch 4 4"]
    visible: Float32[np.ndarray, "batch 4"]
    keypoints: Float32[np.ndarray, "batch 4 3 2"]
    depth: Float32[np.ndarray, "batch side side"] | None = None
    scenes: Scenes | None = None

    def __post_init__(self) -> None:
        batch, side = len(self.index), self.images.shape[-1]
        expected = {
            "images": (batch, 3, side, side),
            "instances": (batch, side, side),
            "shape": (batch, MAX_OBJECTS),
            "boxes": (batch, MAX_OBJECTS, 4),
            "visible": (batch, MAX_OBJECTS),
            "keypoints": (batch, MAX_OBJECTS, 3, 2),
            "depth": (batch, side, side),
        }
        for name, shape in expected.items():
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise ValueError(
                    f"{name} has shape {values.shape}, expected {shape} for {batch} pictures of {side} pixels: "
                    "render and label at one size"
                )
        self._check_values()

    def _check_values(self) -> None:
        turned = (self.boxes[..., 2:] < self.boxes[..., :2]).any(-1)
        if turned.any():
            picture, slot = np.argwhere(turned)[0]
            corners = ", ".join(f"{value:g}" for value in self.boxes[picture, slot])
            raise ValueError(
                f"the box of picture {picture}, slot {slot} is ({corners}), expected x1 >= x0 and y1 >= y0: "
                "(x, y, width, height) becomes (x, y, x + width, y + height)"
            )
        if self.instances.size and self.instances.max() > MAX_OBJECTS:
            raise ValueError(
                f"instances go up to {self.instances.max()}, expected 0 to {MAX_OBJECTS}: slot + 1"
            )
        if self.depth is not None and not ((self.depth > 0) & np.isfinite(self.depth)).all():
            raise ValueError(
                f"depth goes down to {self.depth.min():g}, expected finite metres above 0: "
                "leave out pixels without depth, or all of it with drop('depth')"
            )
        if self.scenes is not None and len(self.scenes) != len(self):
            raise ValueError(f"{len(self.scenes)} scenes for {len(self)} pictures, expected one for each")

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, item: "slice | np.ndarray | list[int]") -> "Labelled":
        """The chosen pictures, as a batch again."""
        parts: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            parts[field.name] = None if values is None else values[item]
        return Labelled(**parts)

    @property
    def side(self) -> int:
        """Height and width of the pictures in pixels."""
        return self.images.shape[-1]

    @property
    def present(self) -> Bool[np.ndarray, "batch 4"]:
        """Which slots hold an object."""
        return self.shape >= 0

    @property
    def semantic(self) -> UInt8[np.ndarray, "batch side side"]:
        """The class of every pixel: 0 for the background, 1 + shape for an object."""
        classes = np.concatenate([np.zeros((len(self), 1), np.uint8), (self.shape + 1).astype(np.uint8)], 1)
        return classes[np.arange(len(self))[:, None, None], self.instances]

    def captions(self, language: str = "en", *, variant: int = 0) -> list[str]:
        """One true sentence a picture, as it now is; see ``captions``.

        Raises:
            ValueError: unknown language, words that were dropped.
        """
        if self.scenes is None:
            raise ValueError(
                "the words of these pictures were dropped: take the captions before drop('words')"
            )
        return captions(self.scenes, language, variant=variant)

    def drop(self, *names: str) -> "Labelled":
        """The same pictures without "depth" or without "words" (``scenes``), which then refuse nothing.

        Raises:
            ValueError: another name; the nearest one is offered.
        """
        for name in names:
            if name not in DROPPABLE:
                near = get_close_matches(str(name), DROPPABLE, n=1, cutoff=0)[0]
                raise ValueError(
                    f"unknown label {name!r}, expected one of {', '.join(DROPPABLE)}: did you mean {near!r}?"
                )
        gone: dict[str, Any] = {"scenes" if name == "words" else name: None for name in names}
        return replace(self, **gone)


def labelled_pictures(
    scenes: Scenes, side: int = 64, *, backgrounds: UInt8[np.ndarray, "batch 3 side side"] | None = None
) -> Labelled:
    """Render scenes and put all their labels beside them.

    Args:
        scenes, side, backgrounds: see ``render``.

    Raises:
        ValueError: what ``render`` raises.
    """
    pictures = render(scenes, side, backgrounds=backgrounds)
    return Labelled(
        index=scenes.index,
        images=pictures.images,
        instances=pictures.instances,
        shape=np.where(scenes.present, scenes.shape, -1),
        boxes=pictures.boxes,
        visible=pictures.visible,
        keypoints=keypoints(scenes, side),
        depth=depth_maps(scenes, pictures.instances),
        scenes=scenes,
    )


def one_each(name: str, values: float | int | np.ndarray, batch: int) -> Float64[np.ndarray, " batch"]:
    """A number for each picture, from one for all or one each.

    Raises:
        ValueError: another count, or a number that is not finite.
    """
    array = np.asarray(values, np.float64)
    if array.shape not in ((), (batch,)) or not np.isfinite(array).all():
        raise ValueError(f"{name} is {values}, expected a finite number, or {batch} of them: one a picture")
    return np.broadcast_to(array, (batch,))


def check_seed(seed: int) -> None:
    """Raise a ``ValueError`` unless ``seed`` is a whole number from 0 to 2**64 - 1."""
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed}, expected a whole number from 0 to 2**64 - 1")
