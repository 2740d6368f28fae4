"""Referring expressions: words that fit exactly one object of a scene (Kazemzadeh et al. 2014, ReferItGame)."""

from collections.abc import Callable
from typing import NamedTuple

from vlmlearn.world.scenes import Scenes
from vlmlearn.world.views import View, only_neighbours, views
from vlmlearn.world.words import EXTREMES, check_language, translate

_PIXEL = 1 / 64  # an object is the leftmost only if it is so by more than this, so that one can see it

# By kind, in both languages.
_PATTERNS = {
    "shape": ("the {}", "{}"),
    "color": ("the {} object", "{}物体"),
    "pair": ("the {}", "{}"),
    "extreme": ("the {} object", "{}的物体"),
    "relation": ("the object {} the {}", "{1}{0}的物体"),
}


class Reference(NamedTuple):
    """An expression, the slot of the object it means, and its kind (one of KINDS)."""

    text: str
    target: int
    kind: str


class Hint(NamedTuple):
    """The words of an expression before any grammar, and the object they fit."""

    words: tuple[str, ...]
    target: int


def _shape(view: View) -> list[Hint]:
    """Shapes that occur once."""
    return [Hint((shape,), i) for i, shape in enumerate(view.shapes) if view.shapes.count(shape) == 1]


def _color(view: View) -> list[Hint]:
    """Colours that occur once."""
    return [Hint((color,), i) for i, color in enumerate(view.colors) if view.colors.count(color) == 1]


def _pair(view: View) -> list[Hint]:
    """Colour and shape together, which always differ."""
    return [Hint((pair,), i) for i, pair in enumerate(view.pairs)]


def _extreme(view: View) -> list[Hint]:
    """The objects furthest to each side, where they clearly are."""
    hints = []
    for word, places in zip(
        EXTREMES, (view.x, [-x for x in view.x], view.y, [-y for y in view.y]), strict=True
    ):
        least, *others = sorted(places)
        if others and others[0] - least > _PIXEL:
            hints.append(Hint((word,), places.index(least)))
    return hints


def _relation(view: View) -> list[Hint]:
    """Objects that are alone on one side of another one."""
    return [Hint((side, view.pairs[i]), j) for j, side, i in only_neighbours(view)]


_HINTS: dict[str, Callable[[View], list[Hint]]] = {
    "shape": _shape,
    "color": _color,
    "pair": _pair,
    "extreme": _extreme,
    "relation": _relation,
}
KINDS = tuple(_HINTS)


def referring(scenes: Scenes, language: str = "en", *, variant: int = 0) -> list[Reference]:
    """One expression a scene that fits exactly one of its objects, a pure function of (scene, language, variant).

    The kind is drawn evenly among those the scene admits, then one of its expressions.

    Args:
        scenes: batch of scenes.
        language: "en" or "zh"; both say the same of the same object.
        variant: another number gives another expression.

    Raises:
        ValueError: unknown language.
    """
    check_language(language)
    draws = scenes.draws(f"reference {variant}")
    bits = zip(draws.bits("kind").tolist(), draws.bits("hint").tolist(), strict=True)
    references = []
    for view, (which_kind, which) in zip(views(scenes), bits, strict=True):
        admitted = [(kind, hints) for kind, list_hints in _HINTS.items() if (hints := list_hints(view))]
        kind, hints = admitted[which_kind % len(admitted)]
        hint = hints[which % len(hints)]
        pattern = _PATTERNS[kind][0 if language == "en" else 1]
        text = pattern.format(*(translate(word, language) for word in hint.words))
        references.append(Reference(text, hint.target, kind))
    return references
