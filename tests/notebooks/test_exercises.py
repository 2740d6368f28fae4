"""Every solution in a chapter passes its check on its own, without the chapter's training; no stub does."""

import pytest

from book.project import Project
from book.source import read_chapter
from vlmlearn.exercises import check, registry

PROJECT = Project()
CELLS = [
    (name, cell)
    for name in PROJECT.names()
    for cell in read_chapter(PROJECT.source(name)).code
    if cell.exercise
]
every_exercise = pytest.mark.parametrize(("name", "cell"), CELLS, ids=[cell.exercise for _, cell in CELLS])


def answer(program: str, exercise: str):
    names: dict = {}
    exec(compile(program, f"<{exercise}>", "exec"), names)
    return names[exercise]


@every_exercise
def test_the_solution_passes_on_other_seeds_too(name, cell, monkeypatch):
    monkeypatch.setenv("VLMLEARN_STRICT", "1")
    for seed in (0, 1):
        assert check(cell.exercise, answer(cell.solved_program, cell.exercise), seed=seed).passed


@every_exercise
def test_the_stub_counts_as_not_attempted(name, cell):
    found = check(cell.exercise, answer(cell.program, cell.exercise))
    assert (found.passed, found.attempted) == (False, False)
    assert "SOLUTION" not in cell.source


def test_every_exercise_stands_in_its_chapter():
    assert [(name.split("_")[0], cell.exercise) for name, cell in CELLS] == [
        (c, n) for n, c in registry.names().items()
    ]
