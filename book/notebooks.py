"""Build the notebooks of both languages from their one source: ``python -m book.notebooks [NAME …]``.

``notebooks/NAME.py`` becomes ``notebooks/zh/NAME.ipynb`` and ``notebooks/en/NAME.ipynb``. A chapter is run
once for both, and only when something its outputs depend on has changed (``book/fingerprint.py``); otherwise
its stored outputs are put under the new prose. ``--check`` writes nothing and fails when a notebook is not
what a build would write; ``--force`` runs every chapter named.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from book.execute import run
from book.fingerprint import changes, fingerprint
from book.localise import SETUP_TAG, localise, setup_code
from book.order import check_order
from book.outputs import check_outputs, normalised
from book.project import LANGUAGES, BuildError, Project
from book.source import Chapter, read_chapter


@dataclass(frozen=True)
class Stored:
    """The outputs and the fingerprint of an earlier build."""

    outputs: list[list[dict[str, Any]]]
    fingerprint: dict[str, Any]


def read_stored(chapter: Chapter, project: Project) -> Stored | None:
    """What the Chinese notebook of an earlier build holds, or ``None`` where there is none that fits."""
    path = project.built("zh", chapter.name)
    if not path.exists():
        return None
    notebook = nbformat.read(path, as_version=4)
    cells = [
        c for c in notebook.cells if c.cell_type == "code" and SETUP_TAG not in c.metadata.get("tags", [])
    ]
    mark = notebook.metadata.get("vlmlearn", {}).get("fingerprint")
    if mark is None or len(cells) != len(chapter.code):
        return None
    return Stored([normalised(cell.outputs) for cell in cells], mark)


def reasons_to_run(chapter: Chapter, project: Project) -> list[str]:
    """What changed since the outputs of ``chapter`` were made; empty when they can be reused."""
    stored = read_stored(chapter, project)
    if stored is None:
        return ["everything, it was never run or has other cells now"]
    return changes(chapter, project, stored.fingerprint, stored.outputs)


def build(name: str, project: Project, *, force: bool = False) -> bool:
    """Build one chapter in both languages; whether it was run.

    Raises:
        BuildError: when the chapter breaks a rule or fails; the notebooks of the earlier build then stay.
    """
    chapter = read_chapter(project.source(name))
    stored = None if force or reasons_to_run(chapter, project) else read_stored(chapter, project)
    result = stored or _run(chapter, project)
    for language, text in _texts(chapter, result, project).items():
        _write(project.built(language, name), text)
    return stored is None


def stale(name: str, project: Project) -> str | None:
    """Why the notebooks of a chapter are not what a build would write, or ``None`` when they are."""
    try:
        chapter = read_chapter(project.source(name))
        if changed := reasons_to_run(chapter, project):
            return f"{name}: to be run again, changed: {', '.join(changed)}"
        stored = read_stored(chapter, project)
        assert stored is not None  # else there were reasons to run
        texts = _texts(chapter, stored, project)
    except BuildError as error:
        return str(error)
    paths = [project.built(language, name) for language in LANGUAGES]
    differing = [p for p, text in zip(paths, texts.values(), strict=True) if _content(p) != text.encode()]
    if differing:
        return f"{name}: to be rebuilt, differs: {', '.join(map(project.relative, differing))}"
    return None


def check(names: Sequence[str], project: Project) -> list[str]:
    """Everything that keeps the notebooks of ``names`` from being current, one line each."""
    problems = [problem for name in names if (problem := stale(name, project))]
    problems += [f"{project.relative(path)}: its source is gone" for path in project.orphans()]
    try:
        check_order([read_chapter(project.source(name)) for name in project.names()])
    except BuildError as error:
        problems += [line for line in str(error).split("\n") if line not in problems]
    return problems


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """The command line; returns the exit status."""
    project = project or Project()
    options = _parser().parse_args(arguments)
    names = options.names or project.names()
    if unknown := set(names) - set(project.names()):
        print(f"no chapter {min(unknown)!r}, there are: {', '.join(project.names())}", file=sys.stderr)
        return 2
    if options.check:
        problems = check(names, project)
        print("\n".join(problems) or f"{len(names)} chapters are current")
        return 1 if problems else 0
    failed = 0
    for name in names:
        start = time.perf_counter()
        try:
            how = "run" if build(name, project, force=options.force) else "outputs reused"
        except BuildError as error:
            print(error, file=sys.stderr)
            failed += 1
        else:
            print(f"{name}: {how}, {time.perf_counter() - start:.1f} s", flush=True)
    return 1 if failed else 0


def _run(chapter: Chapter, project: Project) -> Stored:
    result = run(chapter, project, setup_code(project, "zh"))
    if result.setup:
        raise BuildError(f"{chapter.name}: its setup cell should be silent but showed {result.setup}")
    mark = fingerprint(chapter, project, result.modules, result.data, result.outputs)
    return Stored(result.outputs, mark)


def _texts(chapter: Chapter, stored: Stored, project: Project) -> dict[str, str]:
    for code, outputs in zip(chapter.code, stored.outputs, strict=True):
        check_outputs(code, outputs)
    return {
        language: localise(chapter, stored.outputs, language, project, stored.fingerprint)
        for language in LANGUAGES
    }


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, so that nobody ever meets half a notebook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(text, "utf-8")
    os.replace(new, path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m book.notebooks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="chapters, such as 01_clip_loss; by default all"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, list the notebooks that are stale"
    )
    parser.add_argument(
        "--force", action="store_true", help="run even where the stored outputs could be reused"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
