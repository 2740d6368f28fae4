"""What can be asked about a scene: every question with its true answer, before any grammar.

One function a kind of question; the order of the facts is fixed, so that a draw means the same on every machine.
"""

from collections.abc import Callable
from typing import NamedTuple

from vlmlearn.world.shapes import COLORS, SHAPES
from vlmlearn.world.views import View, only_neighbours
from vlmlearn.world.words import COUNTS, NO, PLURALS, RELATIONS, YES

_OPPOSITE = dict(zip(RELATIONS, ("right of", "left of", "below", "above"), strict=True))


class Fact(NamedTuple):
    """A question with its true answer, before any grammar. A kind asks about its groups equally often."""

    pattern: str
    words: tuple[str, ...]
    answer: str
    group: str = ""


def _color(view: View, pool: frozenset[str]) -> list[Fact]:
    """The colour of each object whose shape is unique."""
    shapes = view.shapes
    return [Fact("color", (s,), c) for s, c in zip(shapes, view.colors, strict=True) if shapes.count(s) == 1]


def _shape(view: View, pool: frozenset[str]) -> list[Fact]:
    """The shape of each object whose colour is unique."""
    colors = view.colors
    return [Fact("shape", (c,), s) for s, c in zip(view.shapes, colors, strict=True) if colors.count(c) == 1]


def _size(view: View, pool: frozenset[str]) -> list[Fact]:
    """The size of each object."""
    return [Fact("size", (pair,), size) for pair, size in zip(view.pairs, view.sizes, strict=True)]


def _count(view: View, pool: frozenset[str]) -> list[Fact]:
    """How many objects there are in all, of each shape, and of each colour."""
    facts = [Fact("count", (), COUNTS[len(view.shapes)], "all")]
    for shape, plural in zip(SHAPES, PLURALS, strict=True):
        facts.append(Fact("count shape", (plural,), COUNTS[view.shapes.count(shape)], "some"))
    for color in COLORS:
        facts.append(Fact("count color", (color,), COUNTS[view.colors.count(color)], "some"))
    return facts


def _exist(view: View, pool: frozenset[str]) -> list[Fact]:
    """What is there, and what is not though its colour or its shape is."""
    colors, shapes = view.colors, view.shapes
    absent = [f"{color} {shape}" for color in colors for shape in SHAPES]
    absent += [f"{color} {shape}" for color in COLORS for shape in shapes]
    # The hardest, whose colour and shape are both there but not together, are few: six times more.
    absent += [f"{color} {shape}" for color in colors for shape in shapes] * 6
    asked = [(pair, YES) for pair in view.pairs]
    asked += [(pair, NO) for pair in absent if pair in pool and pair not in view.pairs]
    return [
        Fact("exist an" if pair.startswith("orange") else "exist", (pair,), answer) for pair, answer in asked
    ]


def _relation(view: View, pool: frozenset[str]) -> list[Fact]:
    """Colour and shape of the only object on one side of another one."""
    facts = []
    for j, side, i in only_neighbours(view):
        facts.append(Fact("relation color", (side, view.pairs[i]), view.colors[j], "color"))
        facts.append(Fact("relation shape", (side, view.pairs[i]), view.shapes[j], "shape"))
    return facts


def _compare(view: View, pool: frozenset[str]) -> list[Fact]:
    """Which of two objects is larger, where sizes differ, and on which side of the other it is."""
    facts = []
    for i, first in enumerate(view.pairs):
        for j, second in enumerate(view.pairs):
            if i == j:
                continue
            if view.sizes[i] != view.sizes[j]:
                facts.append(Fact("larger", (first, second), YES if view.sizes[i] == "large" else NO, "size"))
            side = view.sides[i][j]
            facts.append(Fact("side", (first, side, second), YES, "side"))
            facts.append(Fact("side", (first, _OPPOSITE[side], second), NO, "side"))
    return facts


# Each takes a view and the pairs ("red star") that may be asked about.
FACTS: dict[str, Callable[[View, frozenset[str]], list[Fact]]] = {
    "color": _color,
    "shape": _shape,
    "size": _size,
    "count": _count,
    "exist": _exist,
    "relation": _relation,
    "compare": _compare,
}
