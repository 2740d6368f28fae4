"""Read the one bilingual source of a chapter (jupytext py:percent) and refuse what cannot be built.

A source is a header, then cells. Prose stands twice, Chinese first; code stands once:

    # %% [markdown] lang="zh"
    # # 标题
    #
    # %% [markdown] lang="en"
    # # Title
    #
    # %% tags=["live"]
    #| alt-zh: 训练曲线
    #| alt-en: the training curve
    #zh 这一行注释只出现在中文版
    #en this comment appears in the English notebook only
    history = fit(model, data)

The header holds ``vlmlearn:`` with the terms the chapter ``needs`` and ``teaches``, and where wanted the
terms it explains in a box (``boxed``) and modules whose change asks for a new run although no kernel loads
them (``extra_modules``). A cell whose output depends on training is tagged ``live`` and asserts its bound.
A cell with ``exercise="name"`` holds the solution of an exercise (see ``book/exercises.py``).
"""

import ast
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import jupytext
from IPython.core.inputtransformer2 import TransformerManager

from book import exercises
from book.project import LANGUAGES, BuildError

LIVE = "live"
TAGS = {LIVE, "hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell"}
ALT = re.compile(r"^#\| *alt-(zh|en): *(\S.*)\n?", re.MULTILINE)
LAYOUT = {"lines_to_next_cell"}  # jupytext's note on blank lines, no business of ours
OPTION = re.compile(r"^#\|.*", re.MULTILINE)
COMMENT = re.compile(r"^[ \t]*#(zh|en) .*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Header:
    """What a chapter says about itself: lists of terms, and modules to watch."""

    needs: tuple[str, ...]
    teaches: tuple[str, ...]
    boxed: tuple[str, ...] = ()
    extra_modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prose:
    """A piece of prose in both languages."""

    text: dict[str, str]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """A code cell: its source without alt lines, its alt texts by language, the exercise it holds.

    The ``source`` of an exercise is the stub that readers get; ``solution`` is the cell with the answer.
    """

    source: str
    alt: dict[str, str]
    tags: tuple[str, ...]
    where: str
    exercise: str | None = None
    solution: str | None = None

    @property
    def live(self) -> bool:
        return LIVE in self.tags

    @property
    def program(self) -> str:
        """The code without the comments of either language: what is run, and what decides on a new run."""
        return _without_comments(self.source)

    @property
    def solved_program(self) -> str:
        """The code with the exercise's solution, without the comments of either language."""
        return _without_comments(self.solution or self.source)

    def in_language(self, language: str) -> str:
        """The code with the ``#zh`` or ``#en`` comments of ``language`` as ordinary comments."""

        return _in_language(self.source, language)

    def solution_in(self, language: str) -> str:
        """The code with the exercise's solution, with the comments of ``language``."""
        return _in_language(self.solution or self.source, language)


@dataclass(frozen=True)
class Chapter:
    """A chapter as its author wrote it."""

    name: str
    header: Header
    cells: tuple[Prose | Code, ...]

    @property
    def code(self) -> list[Code]:
        return [cell for cell in self.cells if isinstance(cell, Code)]


def read_chapter(path: Path) -> Chapter:
    """Read and check the source at ``path``.

    Raises:
        BuildError: naming chapter and cell, when the header holds an unknown key, a cell an unknown language,
            tag or option, the languages do not pair up, or a live cell asserts nothing.
    """
    notebook = jupytext.read(path, fmt="py:percent")
    name = path.stem
    header = _header(name, notebook.metadata)
    for number, cell in enumerate(notebook.cells, 1):
        _check_cell(_where(name, number, cell.source), cell)
    chapter = Chapter(name, header, _pair(name, notebook.cells))
    first = chapter.cells[0] if chapter.cells else None
    if not isinstance(first, Prose) or not all(text.startswith("# ") for text in first.text.values()):
        raise BuildError(f"{name}: the first cell must be the title in both languages, '# …'")
    for code in chapter.code:
        if code.live and not _asserts(code):
            raise BuildError(f"{code.where}: a live cell must hold an assert on the bound that prose quotes")
    return chapter


def _header(name: str, metadata: dict[str, Any]) -> Header:
    if unknown := set(metadata) - {"jupytext", "kernelspec", "language_info", "vlmlearn"}:
        raise BuildError(f"{name}: unknown header key {min(unknown)!r}, known is 'vlmlearn'")
    given = metadata.get("vlmlearn", {})
    known = [field.name for field in fields(Header)]
    if unknown := set(given) - set(known):
        raise BuildError(f"{name}: unknown header key {min(unknown)!r} under vlmlearn, known are {known}")
    for key in ("needs", "teaches"):
        if key not in given:
            raise BuildError(
                f"{name}: the header has no {key!r} under vlmlearn: list terms or write {key}: []"
            )
    for key, value in given.items():
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BuildError(f"{name}: header key {key!r} holds {value!r}, expected a list of words")
    return Header(**{key: tuple(value) for key, value in given.items()})


def _check_cell(where: str, cell: Any) -> None:
    if cell.cell_type == "raw":
        raise BuildError(f"{where}: a raw cell, or an unknown header key outside of 'jupyter'")
    allowed = {"tags", "lang"} if cell.cell_type == "markdown" else {"tags", "exercise"}
    if unknown := set(cell.metadata) - allowed - LAYOUT:
        raise BuildError(f"{where}: unknown cell key {min(unknown)!r} on a {cell.cell_type} cell")
    if unknown := set(cell.metadata.get("tags", [])) - TAGS:
        raise BuildError(f"{where}: unknown tag {min(unknown)!r}, known are {sorted(TAGS)}")
    if cell.cell_type == "markdown" and cell.metadata.get("lang") not in LANGUAGES:
        found = cell.metadata.get("lang")
        raise BuildError(f'{where}: unknown lang {found!r}, every prose cell carries lang="zh" or lang="en"')
    if cell.cell_type == "code" and (option := OPTION.search(ALT.sub("", cell.source))):
        raise BuildError(
            f"{where}: unknown option {option[0]!r}, known are '#| alt-zh: …' and '#| alt-en: …'"
        )


def _pair(name: str, cells: list[Any]) -> tuple[Prose | Code, ...]:
    languages = [cell.metadata["lang"] for cell in cells if cell.cell_type == "markdown"]
    if languages.count("zh") != languages.count("en"):
        raise BuildError(f"{name}: {languages.count('zh')} prose cells in zh, {languages.count('en')} in en")
    paired: list[Prose | Code] = []
    numbered = iter(enumerate(cells, 1))
    for number, cell in numbered:
        where, tags = _where(name, number, cell.source), tuple(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            following = cells[number].source if number < len(cells) else None  # number counts from 1
            paired.append(_code(cell, tags, where, following))
            continue
        _, twin = next(numbered, (0, None))
        if twin is None or (cell.metadata["lang"], twin.metadata.get("lang")) != LANGUAGES:
            raise BuildError(f"{where}: not a zh cell followed by its en twin")
        if tags != tuple(twin.metadata.get("tags", [])):
            raise BuildError(f"{where}: its en twin has other tags")
        paired.append(Prose({"zh": cell.source, "en": twin.source}, tags))
    return tuple(paired)


def _code(cell: Any, tags: tuple[str, ...], where: str, following: str | None) -> Code:
    source, alt = ALT.sub("", cell.source), dict(ALT.findall(cell.source))
    name = cell.metadata.get("exercise")
    if name is None:
        if exercises.MARK.search(source):
            raise BuildError(f'{where}: a solution in a cell that is no exercise: write # %% exercise="name"')
        return Code(source, alt, tags, where)
    if problem := exercises.complaint(source, name, following):
        raise BuildError(f"{where}: {problem}")
    return Code(exercises.stub(source), alt, tags, where, name, exercises.solved(source))


def _without_comments(source: str) -> str:
    return COMMENT.sub("", source).rstrip()


def _in_language(source: str, language: str) -> str:
    def keep(comment: re.Match[str]) -> str:
        return comment[0].replace(f"#{language} ", "# ", 1) if comment[1] == language else ""

    return COMMENT.sub(keep, source).rstrip()


def _where(name: str, number: int, source: str) -> str:
    lines = source.strip().splitlines() or [""]
    return f"{name}, cell {number} ({lines[0][:50]!r})"


def _asserts(code: Code) -> bool:
    python = TransformerManager().transform_cell(code.program)  # turns %magic into Python
    try:
        return any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(python)))
    except SyntaxError as error:
        raise BuildError(f"{code.where}: {error}") from None
