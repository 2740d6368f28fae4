"""Where things lie, and the repository's address."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
LANGUAGES = ("zh", "en")


class BuildError(ValueError):
    """A chapter cannot be built; the message names the chapter, the cell and the fix."""


@dataclass(frozen=True)
class Project:
    """A folder with ``notebooks/``, ``vlmlearn/`` and ``pyproject.toml``."""

    root: Path = HERE

    def names(self) -> list[str]:
        """Chapters in reading order, the order of their file names: 00_…, 00a_…, 01_…"""
        return sorted(path.stem for path in (self.root / "notebooks").glob("*.py"))

    def source(self, name: str) -> Path:
        return self.root / "notebooks" / f"{name}.py"

    def built(self, language: str, name: str) -> Path:
        return self.root / "notebooks" / language / f"{name}.ipynb"

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def orphans(self) -> list[Path]:
        """Built notebooks whose source is gone."""
        names = self.names()
        built: Iterable[Path] = (p for code in LANGUAGES for p in self.built(code, "").parent.glob("*.ipynb"))
        return sorted(path for path in built if path.stem not in names)

    def repository(self) -> str:
        """The address that ``pyproject.toml`` gives under ``[project.urls]``, without a slash at its end."""
        with open(self.root / "pyproject.toml", "rb") as file:
            return tomllib.load(file)["project"]["urls"]["Repository"].rstrip("/")
