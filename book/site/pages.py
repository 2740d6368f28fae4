"""Pages that are made from data: the map and table of chapters, and the glossary."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import yaml

from book.chapters import plan
from book.site.contents import parts
from book.site.map import COMING, chapter_map

GLOSSARY = Path(__file__).parents[1] / "glossary.yml"
TABLE_HEAD = {"zh": "| | 章 | 问题 |", "en": "| | Chapter | Question |"}
SIZES = {
    "wide": (4, 720),
    "narrow": (2, 360),
}  # columns and pixels of the map; the style sheet shows one of them


def generated(language: str, chapters: Sequence[str]) -> dict[str, str]:
    """The pages of one language that are made from data, by file name; the home page includes two of them.

    Args:
        chapters: names of the chapters that can be read.
    """
    return {
        "_map.md": maps(language, chapters),
        "_table.md": table(language, chapters),
        "glossary.md": glossary(language),
    }


def maps(language: str, chapters: Sequence[str]) -> str:
    """The map of the course for wide and for narrow screens, as HTML."""
    links = {name.split("_")[0]: f"{name}.html" for name in chapters}
    drawn = [
        f'<div class="map-{size}">\n'
        f"{chapter_map(language, plan(), parts(), links, columns=columns, width=width)}\n</div>"
        for size, (columns, width) in SIZES.items()
    ]
    return "\n".join(["<figure>", *drawn, "</figure>", ""])


def table(language: str, chapters: Sequence[str]) -> str:
    """Number, title and question of every chapter, by part, as a Markdown table."""
    files = {name.split("_")[0]: f"{name}.ipynb" for name in chapters}
    lines = [TABLE_HEAD[language], "|---|---|---|"]
    starts = {part.chapters[0]: part.title[language] for part in parts()}
    for chapter in plan():
        if chapter.number in starts:
            lines.append(f"| | **{starts[chapter.number]}** | |")
        title = chapter.title[language]
        if chapter.number in files:
            title = f"[{title}]({files[chapter.number]})"
        else:
            title += f" <small>{COMING[language]}</small>"
        lines.append(f"| {chapter.number} | {title} | {chapter.question[language]} |")
    return "\n".join([*lines, ""])


def glossary(language: str) -> str:
    """The words of the course from ``glossary.yml``, in the order of the English alphabet."""
    entries = sorted(yaml.safe_load(GLOSSARY.read_text(encoding="utf-8")), key=lambda e: e["en"].casefold())
    if language == "zh":
        lines = [
            "# 术语表",
            "",
            "一个英文术语只用一种译法，首次出现时附英文，例如“词元（token）”。最后一列是容易混淆或译错的说法，只针对这个术语；其中有些词在别处是好词。",
            "",
            "| English | 中文 | 不说 |",
            "|---|---|---|",
        ]
        rows = [(entry["en"], entry["zh"], "、".join(entry["not"])) for entry in entries]
    else:
        lines = [
            "# Glossary",
            "",
            "Each English term has one Chinese rendering. The last column lists renderings to avoid for this very "
            "term; several of them are good words for something else.",
            "",
            "| English | Chinese | Not |",
            "|---|---|---|",
        ]
        rows = [(entry["en"], entry["zh"], ", ".join(entry["not"])) for entry in entries]
    return "\n".join([*lines, *(f"| {' | '.join(map(escape, row))} |" for row in rows), ""])
