"""Hold the chapters to their order: nothing is needed before it is taught or explained in a box."""

from collections.abc import Iterable

from book.project import BuildError
from book.source import Chapter


def check_order(chapters: Iterable[Chapter]) -> None:
    """Check ``chapters``, given in reading order.

    Raises:
        BuildError: listing each term that a chapter needs although no earlier chapter teaches it and the
            chapter itself has no box on it.
    """
    taught: set[str] = set()
    missing = []
    for chapter in chapters:
        header = chapter.header
        for term in header.needs:
            if term not in taught and term not in header.boxed:
                missing.append(f"{chapter.name} needs {term!r}, which is neither taught before nor boxed")
        taught.update(header.teaches)
    if missing:
        raise BuildError("\n".join(missing))
