"""The front pages say the same in both languages, and what they say is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from book.chapters import plan
from book.project import Project

ROOT = Path(__file__).parents[1]
PAGES = {"README": ("README.md", "README_EN.md"), "CONTRIBUTING": ("CONTRIBUTING.md", "CONTRIBUTING_EN.md")}
ALL_PAGES = [page for pair in PAGES.values() for page in pair]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str | None = None) -> list[str]:
    """The fenced blocks of a page, all or those in one programming language."""
    return [body for info, body in BLOCK.findall(text(page)) if language in (None, info)]


def without_language(block: str) -> str:
    """A block without what may differ between the pages: the notebooks' folder, the captions' language."""
    return re.sub(r'(?<=notebooks[/\\])(zh|en)(?=[/\\])|(?<=language=")(zh|en)(?=")', "LANGUAGE", block)


@pytest.mark.parametrize(("zh", "en"), PAGES.values(), ids=PAGES.keys())
def test_both_languages_give_the_same_commands(zh, en):
    assert [without_language(block) for block in blocks(zh)] == [
        without_language(block) for block in blocks(en)
    ]
    assert blocks(zh), "the pattern found no block at all"


@pytest.mark.parametrize(("page", "language"), [("README.md", "zh"), ("README_EN.md", "en")])
def test_a_page_opens_the_notebooks_of_its_own_language(page, language):
    opened = re.findall(r"notebooks[/\\](\w+)[/\\]", "".join(blocks(page)))
    assert opened and set(opened) == {language}


@pytest.mark.parametrize("page", ["README.md", "README_EN.md"])
def test_python_blocks_run(page, capsys):
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), {"__name__": "__main__"})
    assert "(4, 3, 64, 64)" in capsys.readouterr().out


@pytest.mark.parametrize("page", ALL_PAGES)
def test_links_lead_somewhere(page):
    links = [link for link in LINK.findall(text(page)) if not link.startswith("https://")]
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


@pytest.mark.parametrize("page", ["README.md", "README_EN.md"])
def test_notebooks_in_commands_exist(page):
    commands = "".join(blocks(page)).replace("\\", "/")
    assert not [path for path in re.findall(r"notebooks/\S+\.ipynb", commands) if not (ROOT / path).exists()]


def test_generated_parts_are_current():
    command = [sys.executable, "-m", "cogapp", "--check", "--diff", "README.md", "README_EN.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    again = "generate them anew: python -m cogapp -r README.md README_EN.md"
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{again}"


def test_every_notebook_is_in_the_plan():
    written = [name.split("_")[0] for name in Project().names()]
    assert set(written) <= {chapter.number for chapter in plan()}
    assert len(written) == len(set(written)), "two sources share a number"


@pytest.mark.parametrize("page", ["README.md", "README_EN.md"])
def test_ci_finds_the_test_command(page):
    """``.ci/run`` takes it from the page: there must be one, on one line."""
    command = r"^python3 -m venv .*\[dev\].*pytest$"
    assert len(re.findall(command, text(page), re.MULTILINE)) == 1
