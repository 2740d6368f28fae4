"""The table of chapters on the front pages."""

import pytest

from book.chapters import clone, colab_address, plan, table
from book.project import Project


@pytest.fixture
def project(tmp_path):
    """A repository with one written chapter."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_clip_loss.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://example.org/ann/course/"\n'
    )
    return Project(tmp_path)


def test_the_plan_is_in_reading_order_in_both_languages():
    numbers = [chapter.number for chapter in plan()]
    assert numbers == sorted(set(numbers))
    assert all(set(part) == {"zh", "en"} for chapter in plan() for part in (chapter.title, chapter.question))


def test_a_written_chapter_is_linked(project):
    row = next(line for line in table("en", project).splitlines() if line.startswith("| 01 "))
    assert "[CLIP loss](notebooks/en/01_clip_loss.ipynb)" in row
    assert colab_address(project, "notebooks/en/01_clip_loss.ipynb") in row


def test_the_others_are_coming(project):
    assert sum("即将推出" in line for line in table("zh", project).splitlines()) == len(plan()) - 1


def test_addresses_come_from_pyproject(project):
    assert (
        colab_address(project, "a.ipynb")
        == "https://colab.research.google.com/github/ann/course/blob/main/a.ipynb"
    )
    assert clone(project) == "```sh\ngit clone https://example.org/ann/course\ncd course\n```"
