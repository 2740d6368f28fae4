"""The parts of the course: which chapters belong together, for the side bar and the map."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from book.chapters import plan
from book.project import LANGUAGES, BuildError


@dataclass(frozen=True)
class Part:
    """A run of chapters with a title in each language; ``chapters`` are their numbers."""

    title: dict[str, str]
    chapters: tuple[str, ...]


def parts() -> list[Part]:
    """All chapters of the plan, grouped as ``parts.yml`` says: each part names its first chapter.

    Raises:
        BuildError: a part starts with a chapter that is not in the plan, or not in its order.
    """
    rows = yaml.safe_load((Path(__file__).parent / "parts.yml").read_text(encoding="utf-8"))
    numbers = [chapter.number for chapter in plan()]
    starts = [row["first"] for row in rows]
    if unknown := [start for start in starts if start not in numbers]:
        raise BuildError(f"parts.yml: chapter {unknown[0]!r} is not in chapters.yml")
    places = [numbers.index(start) for start in starts]
    if places != sorted(places) or places[0] != 0:
        raise BuildError(
            f"parts.yml: parts start at {starts}, expected the order of chapters.yml from its first"
        )
    ends = [*places[1:], len(numbers)]
    return [
        Part({code: row[code] for code in LANGUAGES}, tuple(numbers[place:end]))
        for row, place, end in zip(rows, places, ends, strict=True)
    ]
