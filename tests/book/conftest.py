"""The site, built once for all tests that look at it."""

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from book.project import Project
from book.site.build import build


@dataclass(frozen=True)
class Site:
    """A folder with a built site, and how long the build took in seconds."""

    root: Path
    seconds: float

    def pages(self) -> list[Path]:
        """Every HTML page of both books."""
        found = (path for code in ("zh", "en") for path in (self.root / code).rglob("*.html"))
        return sorted(path for path in found if "_static" not in path.parts)  # the theme's templates


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Site:
    """Built by the very function behind ``python -m book.site``; a warning of Sphinx would fail it."""
    if importlib.util.find_spec("jupyter_book") is None:
        pytest.skip('Jupyter Book is not installed: pip install -c constraints.txt -e ".[book]"')
    out = tmp_path_factory.mktemp("site") / "site"
    start = time.perf_counter()
    build(out, Project())
    return Site(out, time.perf_counter() - start)
