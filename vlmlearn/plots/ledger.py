"""The bit ledger: what there is to tell of a picture, and how much of it each chapter's model carries."""

import re
import statistics
import unicodedata
from html import escape
from typing import Any

from vlmlearn.messages import Message
from vlmlearn.training.recipes import record
from vlmlearn.training.recipes.ledger import ledger_line

_CHAPTER = re.compile(r"\d\d[a-z]?")
_TOLD = {
    "zh": {"caption": "整句描述", "name": "唯一物体的名字", "color_asked": "问到的颜色"},
    "en": {
        "caption": "its whole caption",
        "name": "the name of its one object",
        "color_asked": "the colour asked about",
    },
}
_HEAD = {
    "zh": ("章", "说了图里的什么", "其中的比特", "语言自带", "模型传递", "最多能显出", "丢失"),
    "en": (
        "chapter",
        "what is told of a picture",
        "bits in it",
        "from language alone",
        "the model carries",
        "most it could show",
        "lost",
    ),
}
_HOW_TO_READ = {
    "zh": (
        "单位是比特。“其中的比特”由世界的规则精确算出；先提哪个物体、后提哪个，从图里看不出，不计入。"
        "“模型传递”是事先记录的三个随机种子的平均（最小–最大）。从 N 个候选里选一个，无论模型懂多少，"
        "最多只能显出 log₂ N 比特；“丢失”是本可显出而没有显出的部分。"
    ),
    "en": (
        "In bits. What is in it is exact, from the rules of the world; the order in which objects are mentioned "
        "is not in the picture and is not counted. What the model carries is the mean of three recorded seeds "
        "(smallest–largest). A choice among N shows at most log₂ N bits, whatever the model knows; lost is what "
        "could have been shown and was not."
    ),
}


def bit_ledger(chapter: str) -> Message:
    """The recorded lines of all chapters up to this one, as a table in both languages; the last stands out.

    What is lost is the ceiling less the mean of what is carried.

    Args:
        chapter: such as "01"; chapters before it that have no line are left out.

    Raises:
        ValueError: no chapter's name, or one whose results hold no line.
    """
    if not _CHAPTER.fullmatch(chapter):
        raise ValueError(f'chapter is {chapter!r}, expected two digits and perhaps a letter: "01", "00a"')
    if "ledger" not in record.load_results(chapter):
        raise ValueError(
            f"the results of chapter {chapter!r} hold no line of the ledger: its recipe's run() returns one under "
            '"ledger", made with ledger_line'
        )
    names = sorted(path.stem for path in record.RESULTS.glob("*.json") if _CHAPTER.fullmatch(path.stem))
    found = {name: record.load_results(name) for name in names if name <= chapter}
    lines = {name: ledger_line(**results["ledger"]) for name, results in found.items() if "ledger" in results}
    rows = {language: [_row(name, line, language) for name, line in lines.items()] for language in _HEAD}
    return Message(
        zh=_text(rows["zh"], "zh"),
        en=_text(rows["en"], "en"),
        html_zh=_html(rows["zh"], "zh"),
        html_en=_html(rows["en"], "en"),
    )


def _row(chapter: str, line: dict[str, Any], language: str) -> tuple[str, ...]:
    carried, told = line["carried"], _TOLD[language][line["told"]]
    mean = statistics.mean(carried)
    spread = f"{_number(mean)} ({_number(min(carried))}–{_number(max(carried))})"
    if language == "zh":
        spread = spread.replace(" (", "（").replace(")", "）")
    bits, supplied, ceiling = (_number(line[key]) for key in ("bits", "language", "ceiling"))
    return chapter, told, bits, supplied, spread, ceiling, _number(line["ceiling"] - mean)


def _number(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}".replace("-", "−")  # + 0.0: no minus before a zero


def _text(rows: list[tuple[str, ...]], language: str) -> str:
    """Columns of equal width on the screen, where a Chinese character takes two places."""
    table = [_HEAD[language], *rows]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    ]
    marked = [f"  {line}" for line in lines[:-1]] + [f"→ {lines[-1]}"]
    return "\n".join([*marked, _HOW_TO_READ[language]])


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _html(rows: list[tuple[str, ...]], language: str) -> str:
    head = "".join(
        f'<th scope="col" style="{_cell(k)}">{escape(t)}</th>' for k, t in enumerate(_HEAD[language])
    )
    body = ""
    for row in rows:
        style = ' style="font-weight:bold"' if row is rows[-1] else ""
        cells = "".join(f'<td style="{_cell(k)}">{escape(text)}</td>' for k, text in enumerate(row))
        body += f"<tr{style}>{cells}</tr>"
    return (
        f'<div lang="{language}" style="overflow-x:auto">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f'<p style="font-size:12px;line-height:1.5;text-align:left">{escape(_HOW_TO_READ[language])}</p></div>'
    )


def _cell(column: int) -> str:
    """Words to the left, numbers to the right."""
    return f"text-align:{'left' if column < 2 else 'right'}"
