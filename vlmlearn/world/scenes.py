"""Scenes: what is in a picture, before any pixel is drawn.

The sampling rules, in order: how many objects (1–4), which shape–colour pairs (all different; in four scenes
of ten the second object is given the shape or the colour of the first where such a pair is free, so that one
attribute alone often does not tell them apart: of the scenes with two objects, 45% share one), which sizes,
and where (the first layout in which no two objects are too close: objects may overlap, none can hide
another).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32, Int64

from vlmlearn.world.random import Draws
from vlmlearn.world.shapes import ALL_PAIRS, COLORS, HELD_OUT_PAIRS, MAX_OBJECTS, RADIUS, SEEN_PAIRS, SHAPES

SPLITS = ("train", "val", "test", "compositional", "all")
TURNS = 256  # a rotation is one of 256 angles
LOOK_ALIKES = 0.4  # the share of scenes whose second object is made like the first, where that is possible
EDGE = 0.13  # centres keep this distance from the picture's edges

_CANDIDATES = 8  # layouts tried at once
_CLOSEST = 0.7  # smallest allowed distance of two centres, in sums of their radii


@dataclass(frozen=True, eq=False)  # arrays have no single answer to "equal?"
class Scenes:
    """A batch of scenes as arrays; objects go from far to near, and slots from ``count`` on are empty.

    Coordinates are fractions of the picture's side, x to the right and y downwards. ``scenes[3]`` and
    ``scenes[2:5]`` are again ``Scenes``.
    """

    seed: int
    split: str
    index: Int64[np.ndarray, " batch"]
    count: Int64[np.ndarray, " batch"]
    shape: Int64[np.ndarray, "batch 4"]
    color: Int64[np.ndarray, "batch 4"]
    size: Int64[np.ndarray, "batch 4"]
    x: Float32[np.ndarray, "batch 4"]
    y: Float32[np.ndarray, "batch 4"]
    radius: Float32[np.ndarray, "batch 4"]
    turn: Int64[np.ndarray, "batch 4"]
    far: Float32[np.ndarray, " batch"]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, item: "int | np.integer | slice | np.ndarray | list[int]") -> "Scenes":
        """The chosen scenes; an index out of range raises ``IndexError``."""
        if isinstance(item, int | np.integer):
            if not -len(self) <= item < len(self):
                raise IndexError(f"scene {item} of a batch of {len(self)}: use 0 to {len(self) - 1}")
            item = [int(item)]
        arrays = {
            f.name: getattr(self, f.name)[item] for f in fields(self) if f.name not in ("seed", "split")
        }
        return Scenes(self.seed, self.split, **arrays)

    @property
    def present(self) -> np.ndarray:
        """bool (batch, 4): which slots hold an object."""
        return np.arange(MAX_OBJECTS) < self.count[:, None]

    @property
    def pair(self) -> np.ndarray:
        """int64 (batch, 4): shape and colour as one number, shape * 8 + colour."""
        return self.shape * len(COLORS) + self.color

    @property
    def base(self) -> np.ndarray:
        """float32 (batch, 4): the height in the picture at which each object stands on the ground."""
        return np.clip(_base(self.y, self.radius), 0, 1)

    def draws(self, purpose: str) -> Draws:
        """Random numbers for another use of these scenes ("caption", "question"), shared with no other."""
        return Draws(self.seed, f"{self.split}/{purpose}", self.index)


def sample_scenes(
    indices: "int | np.integer | Iterable[int] | np.ndarray",
    *,
    seed: int = 0,
    split: str = "train",
    objects: tuple[int, int] = (1, 4),
) -> Scenes:
    """Scenes as a pure function of (seed, split, index): the same in any batch, order or machine.

    Args:
        indices: the wanted scenes' indices (each ≥ 0), or a number n for the first n.
        seed: another seed is another world of scenes.
        split: "train", "val" and "test" draw other scenes from the same 40 shape–colour pairs; every scene of
            "compositional" holds at least one of the 8 pairs never seen in training; "all" draws from all 48.
        objects: smallest and largest number of objects.

    Raises:
        ValueError: unknown split, impossible object numbers, a seed that is no 64-bit whole number, indices
            that are no one-dimensional whole numbers. IndexError: a negative index.
    """
    index = _checked_indices(indices, seed, split, objects)
    draws = Draws(seed, split, index)
    count = objects[0] + draws.integers("count", objects[1] - objects[0] + 1)
    pair = _sample_pairs(draws, count, split)
    size = draws.integers("size", 2, (MAX_OBJECTS,))
    x, y = _sample_layout(draws, count, RADIUS[size])

    perspective = np.float32(0.88) + np.float32(0.3) * y
    radius = RADIUS[size] * perspective * draws.uniform("radius", (MAX_OBJECTS,), 0.93, 1.07)

    # Painter's order: whose base is lower in the picture is nearer, so it is drawn later. Empty slots go last.
    height = np.where(np.arange(MAX_OBJECTS) < count[:, None], _base(y, radius), 9)
    order = np.argsort(height, axis=1, kind="stable")
    pair, size, x, y, radius = (
        np.take_along_axis(values, order, axis=1) for values in (pair, size, x, y, radius)
    )
    turn = draws.integers("turn", TURNS, (MAX_OBJECTS,))
    far = draws.uniform("far", (), 5.0, 9.0)
    return Scenes(
        seed, split, index, count, pair // len(COLORS), pair % len(COLORS), size, x, y, radius, turn, far
    )


def _base(y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    return y + radius * np.float32(0.85)


def _checked_indices(
    indices: "int | np.integer | Iterable[int] | np.ndarray", seed: int, split: str, objects: tuple[int, int]
) -> np.ndarray:
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(SPLITS)}")
    whole = len(objects) == 2 and all(isinstance(number, int | np.integer) for number in objects)
    if not whole or not 1 <= objects[0] <= objects[1] <= MAX_OBJECTS:
        raise ValueError(
            f"objects is {objects}, expected (fewest, most) with 1 <= fewest <= most <= {MAX_OBJECTS}"
        )
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed}, expected a whole number from 0 to 2**64 - 1")
    if isinstance(indices, int | np.integer):
        if indices < 0:
            raise ValueError(
                f"indices is {indices}, expected a number of scenes from 0 on, or the indices themselves"
            )
        return np.arange(indices, dtype=np.int64)
    wanted = np.asarray(indices if isinstance(indices, np.ndarray) else list(indices))
    if wanted.ndim != 1:
        raise ValueError(f"indices have shape {wanted.shape}, expected one dimension: flatten them first")
    if wanted.size and not np.issubdtype(wanted.dtype, np.integer):
        raise ValueError(f"indices are {wanted.dtype}, expected whole numbers: convert with int()")
    index = wanted.astype(np.int64)
    if (index < 0).any():  # unsigned numbers from 2**63 on have turned negative
        raise IndexError(
            f"index {wanted[index < 0][0]} does not exist: scenes are numbered from 0 to 2**63 - 1"
        )
    return index


def _sample_pairs(draws: Draws, count: np.ndarray, split: str) -> np.ndarray:
    """int64 (batch, 4): different shape–colour pairs, with look-alikes and perhaps a never-seen pair."""
    pool = SEEN_PAIRS if split in ("train", "val", "test") else ALL_PAIRS
    pair = pool[np.argsort(draws.bits("pairs", (len(pool),)), axis=1)[:, :MAX_OBJECTS]]

    first = pair[:, 0]
    other_color, other_shape = draws.integers("color", len(COLORS)), draws.integers("shape", len(SHAPES))
    same_shape = first // len(COLORS) * len(COLORS) + other_color
    same_color = other_shape * len(COLORS) + first % len(COLORS)
    alike = np.where(draws.uniform("which attribute") < 0.5, same_shape, same_color)
    fits = np.isin(alike, pool) & (alike[:, None] != pair).all(1)
    pair[:, 1] = np.where(fits & (draws.uniform("look-alike") < LOOK_ALIKES), alike, pair[:, 1])
    return _with_held_out_pair(draws, pair, count) if split == "compositional" else pair


def _with_held_out_pair(draws: Draws, pair: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Where no present object is a never-seen pair, make a random one of them such a pair."""
    scene = np.arange(len(pair))
    lacks = ~(np.isin(pair, HELD_OUT_PAIRS) & (np.arange(MAX_OBJECTS) < count[:, None])).any(1)
    chosen = HELD_OUT_PAIRS[draws.integers("held-out pair", len(HELD_OUT_PAIRS))]
    # The chosen pair may wait in an empty slot: swap it in, so that the four stay different.
    place = (draws.bits("held-out slot") % count.astype(np.uint64)).astype(np.int64)
    waiting = pair == chosen[:, None]
    swap = lacks & waiting.any(1)
    pair[swap, waiting.argmax(1)[swap]] = pair[swap, place[swap]]
    pair[scene[lacks], place[lacks]] = chosen[lacks]
    return pair


def _sample_layout(draws: Draws, count: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float32 (batch, 4) x and y: the first random layout of each scene whose objects keep their distance."""
    x, y = np.empty((2, len(count), MAX_OBJECTS), np.float32)
    todo, attempt = np.arange(len(count)), 0
    while len(todo):
        now = Draws(draws.seed, draws.space, draws.indices[todo])
        tries = now.uniform(f"layout {attempt}", (2, _CANDIDATES, MAX_OBJECTS), EDGE, 1 - EDGE)
        roomy = _keeps_distance(tries, count[todo], radius[todo])
        found, best = roomy.any(1), roomy.argmax(1)
        x[todo[found]], y[todo[found]] = tries[found, :, best[found]].transpose(1, 0, 2)
        todo, attempt = todo[~found], attempt + 1
    return x, y


def _keeps_distance(tries: np.ndarray, count: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """bool (batch, candidate): no two present objects are closer than allowed."""
    fine = np.ones(tries.shape[:1] + tries.shape[2:3], bool)
    for i in range(1, MAX_OBJECTS):
        for j in range(i):
            dx, dy = (tries[..., i] - tries[..., j]).transpose(1, 0, 2)
            reach = (radius[:, i] + radius[:, j]) * np.float32(_CLOSEST)
            fine &= (dx * dx + dy * dy > (reach * reach)[:, None]) | (count <= i)[:, None]
    return fine
