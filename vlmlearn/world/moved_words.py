"""The same moves for sentences alone: texts that were made before their picture was mirrored or recoloured."""

import re
from collections.abc import Iterable

from vlmlearn.world.recolor import permuted_colors
from vlmlearn.world.shapes import COLORS
from vlmlearn.world.words import check_language, translate

_ENGLISH_SIDE = re.compile(r"\b(left|right)(most)?\b")
_CHINESE_SIDES = str.maketrans("左右", "右左")


def mirror_words(texts: Iterable[str], language: str = "en") -> list[str]:
    """Left for right and right for left, in captions, questions and referring expressions of the world.

    Raises:
        ValueError: unknown language.
    """
    check_language(language)
    if language == "zh":
        return [text.translate(_CHINESE_SIDES) for text in texts]
    other = {"left": "right", "right": "left"}
    return [_ENGLISH_SIDE.sub(lambda found: other[found[1]] + (found[2] or ""), text) for text in texts]


def recolor_words(texts: Iterable[str], order: tuple[int, ...], language: str = "en") -> list[str]:
    """Every colour by its name once the channels are in another order (see ``permute_channels``).

    Args:
        order: new channel k is the old channel order[k].

    Raises:
        ValueError: unknown language, a wrong order, a text with a colour that has no name then.
    """
    check_language(language)
    names = {
        translate(old, language): None if new is None else translate(COLORS[new], language)
        for old, new in zip(COLORS, permuted_colors(order), strict=True)
    }
    boundary = r"\b" if language == "en" else ""
    pattern = re.compile(f"{boundary}({'|'.join(names)}){boundary}")

    def renamed(found: re.Match[str]) -> str:
        name = names[found[0]]
        if name is None:
            raise ValueError(
                f"{found[0]!r} has no name once the channels are in the order {order}: leave out {found.string!r}, or "
                "choose another order"
            )
        return name

    return [pattern.sub(renamed, text) for text in texts]
