"""What nbval misses in the built notebooks: builds that are stale, outputs nobody can read, languages that differ."""

import ast
import re
from itertools import pairwise

import nbformat
import pytest

from book.notebooks import stale
from book.order import check_order
from book.outputs import PICTURE_WITHOUT_ALT, PICTURES, in_language
from book.project import LANGUAGES, Project
from book.source import read_chapter

PROJECT = Project()
NAMES = PROJECT.names()
BUILT = [name for name in NAMES if all(PROJECT.built(language, name).exists() for language in LANGUAGES)]
CHANGE_OF_LANGUAGE = re.compile(r'vlmlearn\.set_language\("(zh|en)"\)')
FENCED = re.compile(r"^[ \t>]*(```|~~~).*?^[ \t>]*\1", re.MULTILINE | re.DOTALL)

every_chapter = pytest.mark.parametrize("name", BUILT)
every_notebook = pytest.mark.parametrize(
    ("language", "name"), [(code, name) for name in BUILT for code in LANGUAGES]
)


def read(language: str, name: str):
    return nbformat.read(PROJECT.built(language, name), as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NAMES)
def test_is_what_a_build_would_write(name):
    assert stale(name, PROJECT) is None, "run: python -m book.notebooks"


def test_every_built_notebook_has_a_source():
    assert PROJECT.orphans() == []


def test_nothing_is_needed_before_it_is_taught():
    check_order([read_chapter(PROJECT.source(name)) for name in NAMES])


@every_notebook
def test_is_valid_and_was_run(language, name):
    notebook = read(language, name)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@every_notebook
def test_no_output_is_stripped(language, name):
    cells = code_cells(read(language, name))
    silent = [cell.source for cell in cells if shows_something(cell.source) and not cell.outputs]
    assert silent == []
    assert any(cell.outputs for cell in cells)


@every_notebook
def test_no_warning_and_no_error(language, name):
    for cell in code_cells(read(language, name)):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source


@every_notebook
def test_every_picture_has_alt_text(language, name):
    for cell in code_cells(read(language, name)):
        for output in cell.outputs:
            for picture in set(PICTURES) & set(output.get("data", {})):
                assert output.metadata[picture]["alt"], cell.source
                assert cell.metadata.mystnb.image.alt == output.metadata[picture]["alt"]
            assert not PICTURE_WITHOUT_ALT.search(output.get("data", {}).get("text/html", "")), cell.source


@every_notebook
def test_no_mark_of_the_source_is_left(language, name):
    for cell in code_cells(read(language, name)):
        assert not re.search(r"^\s*#(\||zh |en )", cell.source, re.MULTILINE), cell.source


@every_chapter
def test_both_languages_run_the_same_program(name):
    chinese, english = (code_cells(read(language, name)) for language in LANGUAGES)
    assert [program(cell) for cell in chinese] == [program(cell) for cell in english]
    assert [cell.metadata.get("tags") for cell in chinese] == [cell.metadata.get("tags") for cell in english]


@every_chapter
def test_both_languages_show_the_same_outputs(name):
    chinese, english = (code_cells(read(language, name)) for language in LANGUAGES)
    for one, other in zip(chinese, english, strict=True):
        for language in LANGUAGES:
            alt = {language: "the same"}
            assert in_language(one.outputs, language, alt) == in_language(other.outputs, language, alt), (
                one.source
            )


@every_chapter
def test_both_languages_have_the_same_outline(name):
    chinese, english = (outline(read(language, name)) for language in LANGUAGES)
    assert chinese == english


@every_notebook
def test_headings_go_down_one_level_at_a_time_below_one_title(language, name):
    levels = outline(read(language, name))
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels)), levels


@every_chapter
def test_header_is_kept(name):
    header = read_chapter(PROJECT.source(name)).header
    for language in LANGUAGES:
        about = read(language, name).metadata.vlmlearn
        assert (about.language, about.source) == (language, f"notebooks/{name}.py")
        for key in ("needs", "teaches", "boxed"):
            assert about[key] == list(getattr(header, key))


def shows_something(source: str) -> bool:
    """Whether a cell prints or plots on its top level, whatever its last expression is."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a magic
        return False
    calls = [s.value.func for s in statements if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    return any(ast.unparse(function) in ("print", "plt.show", "show", "display") for function in calls)


def program(cell) -> str:
    """The code of a cell without its comments, and without the choice of language."""
    source = CHANGE_OF_LANGUAGE.sub("vlmlearn.set_language(…)", cell.source)
    return re.sub(r"^\s*#.*\n?", "", source, flags=re.MULTILINE).rstrip()


def outline(notebook) -> list[int]:
    """The levels of all headings, in order."""
    prose = [FENCED.sub("", cell.source) for cell in notebook.cells if cell.cell_type == "markdown"]
    return [len(mark) for text in prose for mark in re.findall(r"^(#{1,6}) ", text, re.MULTILINE)]
