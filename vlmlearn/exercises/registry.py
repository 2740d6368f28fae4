"""Which exercises there are.

Names are found by reading the chapters' files, and only the chapter that holds an exercise is imported: what a
notebook shows then depends on its own chapter's exercises, not on those of every other.
"""

import difflib
import importlib
import re
from functools import cache
from pathlib import Path

from vlmlearn.exercises.exercise import Exercise

DEFINITION = re.compile(r'\bExercise\(\s*(?:name=)?"(\w+)"')


@cache
def names() -> dict[str, str]:
    """The name of every exercise → its chapter, such as ``"01"``."""
    files = sorted(Path(__file__).parent.glob("chapter_*.py"))
    return {
        name: path.stem.removeprefix("chapter_")
        for path in files
        for name in DEFINITION.findall(path.read_text("utf-8"))
    }


def chapters() -> list[str]:
    """The chapters that have exercises, in order."""
    return sorted(set(names().values()))


def in_chapter(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter, in its order.

    Raises:
        ValueError: a chapter without exercises.
    """
    if chapter not in chapters():
        raise ValueError(f"chapter {chapter!r} has no exercises, expected one of {', '.join(chapters())}")
    exercises: tuple[Exercise, ...] = importlib.import_module(
        f"vlmlearn.exercises.chapter_{chapter}"
    ).EXERCISES
    return exercises


def find(name: str) -> Exercise:
    """The exercise called ``name``.

    Raises:
        KeyError: there is none.
    """
    return next(exercise for exercise in in_chapter(names()[name]) if exercise.name == name)


def nearest(name: str) -> str:
    """The known name that looks most like ``name``."""
    return difflib.get_close_matches(name.lower(), list(names()), n=1, cutoff=0)[0]
