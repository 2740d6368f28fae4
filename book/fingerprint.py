"""What a chapter's outputs depend on: when none of it changed, they are reused and nothing is run."""

import ast
import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from book.project import BuildError, Project
from book.source import Chapter
from vlmlearn.training.recipes.source import syntax

GONE = "gone"
Outputs = list[list[dict[str, Any]]]  # of each code cell


def fingerprint(
    chapter: Chapter, project: Project, modules: list[str], data: list[str], outputs: Outputs
) -> dict[str, Any]:
    """The hashes of all that the outputs of ``chapter`` depend on, kept in the built notebook's metadata.

    Args:
        modules: the modules of ``vlmlearn`` that its kernel loaded.
        data: the data files that it read, relative to the package's folder.
        outputs: the Chinese outputs of each code cell; their own hash tells when someone strips or edits them.

    Returns:
        ``code`` (without alt texts and the comments of one language), ``torch`` (version without local
        suffix), ``outputs``, ``modules``, ``data`` and ``extra_modules`` (name → hash; of a module, of its
        syntax tree without docstrings).

    Raises:
        BuildError: when an ``extra_modules`` entry of the header does not exist.
    """
    package = project.root / "vlmlearn"
    extra = {name: _module_hash(project.root, name) for name in chapter.header.extra_modules}
    if missing := [name for name, value in extra.items() if value == GONE]:
        raise BuildError(f"{chapter.name}: no module {missing[0]!r}, named in the header's extra_modules")
    return {
        "code": _short_hash("\0".join(code.program for code in chapter.code).encode()),
        "torch": version("torch").split("+")[0],
        "outputs": _outputs_hash(outputs),
        "modules": {name: _module_hash(project.root, name) for name in modules},
        "data": {name: _data_hash(package / name) for name in data},
        "extra_modules": extra,
    }


def changes(chapter: Chapter, project: Project, stored: dict[str, Any], outputs: Outputs) -> list[str]:
    """What differs today from the fingerprint ``stored`` with ``outputs``; empty when nothing does."""
    today = fingerprint(chapter, project, list(stored["modules"]), list(stored["data"]), outputs)
    changed = [key for key in ("code", "torch", "outputs") if today[key] != stored.get(key)]
    for group in ("modules", "data", "extra_modules"):
        names = sorted(today[group].keys() | stored[group].keys())
        changed += [name for name in names if today[group].get(name) != stored[group].get(name)]
    return changed


def _module_hash(root: Path, name: str) -> str:
    path = root.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return _short_hash(syntax(ast.parse(candidate.read_text("utf-8"))).encode())
    return _short_hash(b"") if path.is_dir() else GONE  # a folder without __init__.py holds no code


def _data_hash(path: Path) -> str:
    return _short_hash(path.read_bytes()) if path.is_file() else GONE


def _outputs_hash(outputs: Outputs) -> str:
    shown = [[output.get("data", output.get("text")) for output in cell] for cell in outputs]
    return _short_hash(json.dumps(shown, sort_keys=True).encode())


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
