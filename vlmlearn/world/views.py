"""A scene in words: what sentences are made from, before any grammar."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vlmlearn.world.relations import relations
from vlmlearn.world.scenes import Scenes
from vlmlearn.world.shapes import COLORS, SHAPES, SIZES
from vlmlearn.world.words import PAIRS, RELATIONS


class View(NamedTuple):
    """The objects of one scene; every list has one entry an object, in the order of the scene's slots.

    Attributes:
        shapes, colors, sizes, pairs: in English words, a pair being "red star".
        x, y: centres, as in ``Scenes``.
        sides: sides[i][j] is how object i lies to object j ("left of"); always four by four, also where
            fewer objects are.
    """

    shapes: list[str]
    colors: list[str]
    sizes: list[str]
    pairs: list[str]
    x: list[float]
    y: list[float]
    sides: list[list[str]]


def views(scenes: Scenes) -> Iterator[View]:
    """The view of each scene in turn."""

    def words(names: tuple[str, ...], numbers: np.ndarray) -> list:
        return np.array(names, object)[numbers].tolist()

    columns = (
        words(SHAPES, scenes.shape),
        words(COLORS, scenes.color),
        words(SIZES, scenes.size),
        words(PAIRS, scenes.pair),
        scenes.x.tolist(),
        scenes.y.tolist(),
    )
    rows = zip(scenes.count.tolist(), words(RELATIONS, relations(scenes)), *columns, strict=True)
    for n, sides, *lists in rows:
        shapes, colors, sizes, pairs, x, y = (values[:n] for values in lists)
        yield View(shapes, colors, sizes, pairs, x, y, sides)


def only_neighbours(view: View) -> list[tuple[int, str, int]]:
    """All (j, side, i) where object j is the only one on that side of object i."""
    found = []
    for i in range(len(view.pairs)):
        around = [view.sides[j][i] if j != i else "" for j in range(len(view.pairs))]
        found += [(j, side, i) for j, side in enumerate(around) if side and around.count(side) == 1]
    return found
