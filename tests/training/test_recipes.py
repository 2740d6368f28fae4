"""Recorded results: complete, and made by the code as it stands. They are never re-run here."""

import importlib
import json
from types import ModuleType

import pytest

from vlmlearn.training.recipes import record
from vlmlearn.training.recipes.source import source_hash

CHAPTERS = sorted(p.stem for p in record.RESULTS.glob("[0-9]*.json"))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_results_are_those_of_the_code_as_it_stands(chapter):
    recipe = importlib.import_module(f"vlmlearn.training.recipes.chapter_{chapter}")
    stored = record.load_results(chapter)["source_hash"]
    assert stored == record.recipe_hash(recipe), f"run python -m vlmlearn.training.recipes {chapter} again"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_results_say_how_they_came_about(chapter):
    results = record.load_results(chapter)
    assert {"command", "machine", "date", "seconds", "settings"} <= set(results)
    assert {"cpu", "cores", "threads", "torch"} <= set(results["machine"])
    assert len(results["settings"]["seeds"]) >= 3


def a_recipe(run):
    recipe = ModuleType("recipe")
    recipe.run, recipe.SOURCES = run, ("training.schedules",)
    return recipe


def test_results_are_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    recipe = a_recipe(lambda: {"settings": {}, "score": 1.5})
    path = record.save_results("99", recipe, threads=1)
    assert json.loads(path.read_text())["score"] == 1.5 == record.load_results("99")["score"]
    assert [p.name for p in tmp_path.iterdir()] == ["99.json"]


def test_a_recipe_that_fails_leaves_the_old_results(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    (tmp_path / "99.json").write_text("{}")
    with pytest.raises(ZeroDivisionError):
        record.save_results("99", a_recipe(lambda: 1 / 0), threads=1)
    assert (tmp_path / "99.json").read_text() == "{}"


def test_unknown_results_say_how_to_record_them():
    with pytest.raises(ValueError, match=r"no results for chapter '77'.*recipes 77"):
        record.load_results("77")


def test_the_hash_sees_code_and_nothing_else(tmp_path):
    def digest(code, **options):
        path = tmp_path / "module.py"
        path.write_text(code)
        return source_hash([path], tmp_path, **options)

    code = "def f(x):\n    '''Doc.'''\n    return x + 1\n"
    assert digest(code) == digest("# why\ndef f(x):\n    return (x + 1)\n") != digest(code.replace("1", "2"))
    error = "def f(x):\n    if x:\n        raise ValueError('{}')\n"
    assert digest(error.format("a")) != digest(error.format("b"))
    same = [digest(error.format(text), with_errors=False) for text in "ab"]
    assert same[0] == same[1]
