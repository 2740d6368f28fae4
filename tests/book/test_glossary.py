"""The glossary is well formed, and the chapters and messages keep to it."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from book.project import Project
from book.source import read_chapter

GLOSSARY = yaml.safe_load((Path(__file__).parents[2] / "book" / "glossary.yml").read_text(encoding="utf-8"))


def test_entries_have_the_same_three_fields():
    for entry in GLOSSARY:
        assert list(entry) == ["en", "zh", "not"], entry
        assert all(
            isinstance(entry[language], str) and entry[language].strip() for language in ("en", "zh")
        ), entry
        assert entry["not"] and all(isinstance(bad, str) for bad in entry["not"]), entry


def test_no_term_stands_twice():
    for language in ("en", "zh"):
        twice = [term for term, times in Counter(entry[language] for entry in GLOSSARY).items() if times > 1]
        assert not twice


def test_no_rendering_contains_what_it_forbids():
    for entry in GLOSSARY:
        assert not [bad for bad in entry["not"] if bad in entry["zh"]], entry


# Bad renderings of one term that are good words for something else.
GOOD_ELSEWHERE = {"合并", "回忆", "精度", "精确率", "训练前", "理由", "对齐", "小块", "校准"}
ROOT = Path(__file__).parents[2]
CHAPTERS = {name: Project().source(name).read_text("utf-8") for name in Project().names()}
CHINESE = {
    name: "\n".join(re.findall(r'lang="zh"\n(.*?)(?=\n# %%|\Z)', source, re.DOTALL))
    for name, source in CHAPTERS.items()
} | {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "vlmlearn").rglob("*.py"))}
RENDERING = {entry["en"].lower(): entry["zh"].split("（")[0] for entry in GLOSSARY}


@pytest.mark.parametrize("name", CHINESE)
def test_chinese_avoids_the_bad_renderings(name):
    bad = {word for entry in GLOSSARY for word in entry["not"]} - GOOD_ELSEWHERE
    found = [word for word in bad if word in CHINESE[name]]
    assert not found, f"{name} says {found}: see book/glossary.yml for the right words"


@pytest.mark.parametrize("name", CHINESE)
def test_a_term_with_its_english_in_brackets_is_rendered_as_in_the_glossary(name):
    for before, term in re.findall(
        r"([^\s（），。：；、]{1,20})（([A-Za-z][A-Za-z –-]*[A-Za-z])", CHINESE[name]
    ):
        expected = RENDERING.get(term.lower(), "")
        assert before.replace("*", "").endswith(expected), f"{before}（{term}）: the glossary has {expected}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_what_a_chapter_teaches_is_named_as_in_the_glossary(name):
    teaches = read_chapter(Project().source(name)).header.teaches
    missing = [t for t in teaches if RENDERING.get(t.lower(), "") not in CHINESE[name]]
    assert not missing, f"{name} teaches {missing} but never says the Chinese of the glossary"
