"""The plan of the course, ``chapters.yml``, and the table of it that the front pages show."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from book.project import Project

COMING = {"zh": "（即将推出）", "en": " (coming)"}
HEAD = {"zh": "| | 章 | 问题 | |", "en": "| | Chapter | Question | |"}


@dataclass(frozen=True)
class Planned:
    """One chapter of the plan: its number, and title and question by language."""

    number: str
    title: dict[str, str]
    question: dict[str, str]


def plan() -> list[Planned]:
    """Every chapter, written or not, in reading order."""
    rows = yaml.safe_load((Path(__file__).parent / "chapters.yml").read_text(encoding="utf-8"))
    languages = ("zh", "en")
    return [
        Planned(
            row["number"],
            {code: row[code][0] for code in languages},
            {code: row[code][1] for code in languages},
        )
        for row in rows
    ]


def table(language: str, project: Project | None = None) -> str:
    """The chapters as a Markdown table: links to those that exist, the others marked as coming."""
    project = project or Project()
    written = {name.split("_")[0]: name for name in project.names()}
    lines = [HEAD[language], "|---|---|---|---|"]
    for chapter in plan():
        title, colab = chapter.title[language], ""
        if name := written.get(chapter.number):
            path = project.built(language, name).relative_to(project.root).as_posix()
            title = f"[{title}]({path})"
            colab = f"[![Colab](book/images/colab.svg)]({colab_address(project, path)})"
        else:
            title += COMING[language]
        lines.append(f"| {chapter.number} | {title} | {chapter.question[language]} | {colab} |")
    return "\n".join(lines)


def colab_address(project: Project, path: str) -> str:
    """Where Colab opens the notebook at ``path`` of the repository."""
    owner_and_name = urlsplit(project.repository()).path
    return f"https://colab.research.google.com/github{owner_and_name}/blob/main/{path}"


def clone(project: Project | None = None) -> str:
    """The commands that fetch the repository and enter it, as a Markdown code block."""
    address = (project or Project()).repository()
    return f"```sh\ngit clone {address}\ncd {address.rsplit('/', 1)[1]}\n```"
