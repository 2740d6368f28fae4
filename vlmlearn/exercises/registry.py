"""Which exercises there are.

Names are found by reading the files of the chapters, chapter_NN.py and repair_NN.py, and only those of the chapter
that holds an exercise are imported: what a notebook shows then depends on its own chapter's exercises, not on those
of every other.
"""

import difflib
import importlib
import re
from functools import cache
from pathlib import Path

from vlmlearn.exercises.exercise import Exercise

DEFINITION = re.compile(r'\b(?:Exercise|Repair)\(\s*(?:name=)?"(\w+)"')


@cache
def names() -> dict[str, str]:
    """The name of every exercise → its chapter, such as ``"01"``."""
    return {
        name: path.stem.split("_", 1)[1]
        for path in _files()
        for name in DEFINITION.findall(path.read_text("utf-8"))
    }


def _files() -> list[Path]:
    """chapter_NN.py and repair_NN.py of every chapter, in order."""
    found = [p for kind in ("chapter", "repair") for p in Path(__file__).parent.glob(f"{kind}_*.py")]
    return sorted(found, key=lambda path: path.stem.split("_", 1)[::-1])


def chapters() -> list[str]:
    """The chapters that have exercises, in order."""
    return sorted(set(names().values()))


def in_chapter(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter, in its order; its repair comes last.

    Raises:
        ValueError: a chapter without exercises.
    """
    if chapter not in chapters():
        raise ValueError(f"chapter {chapter!r} has no exercises, expected one of {', '.join(chapters())}")
    modules = [path.stem for path in _files() if path.stem.split("_", 1)[1] == chapter]
    return tuple(
        exercise
        for module in modules
        for exercise in importlib.import_module(f"vlmlearn.exercises.{module}").EXERCISES
    )


def find(name: str) -> Exercise:
    """The exercise called ``name``.

    Raises:
        KeyError: there is none.
    """
    return next(exercise for exercise in in_chapter(names()[name]) if exercise.name == name)


def nearest(name: str) -> str:
    """The known name that looks most like ``name``."""
    return difflib.get_close_matches(name.lower(), list(names()), n=1, cutoff=0)[0]
