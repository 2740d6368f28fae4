"""The chapters as a picture: an SVG drawn from the plan, with links, readable on light and dark pages.

●  Getting started            a part: its title, and below it one card a chapter
│  ┌──────┐ ┌──────┐
│  │00    │ │00a   │          filled: there to read; dashed: still to come
│  └──────┘ └──────┘
●  Contrastive learning
"""

from collections.abc import Mapping, Sequence
from html import escape
from unicodedata import east_asian_width

from book.chapters import Planned
from book.site.contents import Part

CARD_HEIGHT = 66  # with a title of two lines, the usual case
GAP = 10
MARGIN = 30  # left of the cards, for the line that joins the parts
TITLE_HEIGHT = 34
FONT = 13
LINE = 17  # between two lines of a card
NAME = {"zh": "课程地图", "en": "Map of the course"}
READY = {"zh": "可以读", "en": "ready"}
COMING = {"zh": "即将推出", "en": "coming"}


def chapter_map(
    language: str,
    chapters: Sequence[Planned],
    parts: Sequence[Part],
    links: Mapping[str, str],
    *,
    columns: int,
    width: int,
) -> str:
    """The map as one ``<svg>`` element without empty lines, so that it can stand inside Markdown.

    Args:
        links: the address of each chapter that can be read, by its number.
        columns: cards side by side.
        width: of the picture, in pixels at which its letters have their natural size.
    """
    planned = {chapter.number: chapter for chapter in chapters}
    card = (width - MARGIN - (columns - 1) * GAP) / columns
    drawn, stations, top = [], [], 4.0
    for part in parts:
        stations.append(top + 16)
        drawn.append(
            f'<text class="part" x="{MARGIN}" y="{top + 21:g}">{escape(part.title[language])}</text>'
        )
        top += TITLE_HEIGHT
        for start in range(0, len(part.chapters), columns):
            row = [planned[number] for number in part.chapters[start : start + columns]]
            longest = max(len(_title(chapter, language, card)) for chapter in row)
            height = CARD_HEIGHT + LINE * max(0, longest - 2)
            for column, chapter in enumerate(row):
                box = (MARGIN + column * (card + GAP), top, card, height)
                drawn.append(_card(chapter, language, links.get(chapter.number), box))
            top += height + GAP
        top += 6
    line = f'<path class="line" d="M10 {stations[0]:g}V{stations[-1]:g}"/>'
    dots = [f'<circle class="dot" cx="10" cy="{y:g}" r="6"/>' for y in stations]
    head = (
        f'<svg class="chapter-map columns-{columns}" viewBox="0 0 {width} {top:g}" role="group" '
        f'aria-label="{escape(alt(language, chapters, parts, links))}" xmlns="http://www.w3.org/2000/svg">'
    )
    return "\n".join([head, f"<title>{NAME[language]}</title>", line, *dots, *drawn, "</svg>"])


def alt(language: str, chapters: Sequence[Planned], parts: Sequence[Part], links: Mapping[str, str]) -> str:
    """The map in words: every part with its chapters, and which of them can be read."""
    titles = {chapter.number: chapter.title[language] for chapter in chapters}
    colon, comma, stop, opening, closing = "：，。（）" if language == "zh" else (": ", ", ", ". ", " (", ")")

    def name(number: str) -> str:
        state = READY if number in links else COMING
        return f"{number} {titles[number]}{opening}{state[language]}{closing}"

    told = [part.title[language] + colon + comma.join(map(name, part.chapters)) for part in parts]
    return f"{NAME[language]}{stop}{stop.join(told)}{stop}".strip()


def wrap(text: str, width: float) -> list[str]:
    """Break ``text`` into lines of at most ``width`` ems: between words, or between Chinese characters."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line and _ems(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def _title(chapter: Planned, language: str, width: float) -> list[str]:
    return wrap(chapter.title[language], (width - 16) / FONT)


def _card(chapter: Planned, language: str, link: str | None, box: tuple[float, float, float, float]) -> str:
    x, y, width, height = box
    lines = _title(chapter, language, width)
    text = "".join(
        f'<tspan x="{x + 9:g}" y="{y + 36 + k * LINE:g}">{escape(line)}</tspan>'
        for k, line in enumerate(lines)
    )
    state = READY if link else COMING
    card = (
        f"<title>{escape(chapter.question[language])}</title>"
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="7"/>'
        f'<text class="number" x="{x + 9:g}" y="{y + 18:g}">{chapter.number}</text>'
        f'<text class="state" x="{x + width - 9:g}" y="{y + 18:g}">{state[language]}</text>'
        f'<text class="title">{text}</text>'
    )
    if link:
        return f'<a class="ready" href="{escape(link)}">{card}</a>'
    return f'<g class="coming">{card}</g>'


def _pieces(text: str) -> list[str]:
    """What must stay on one line: a Latin word with the space after it, or one Chinese character."""
    found: list[str] = []
    for character in text:
        last = found[-1][-1] if found else " "
        in_word = not _wide(character) and not _wide(last) and last not in " –"
        if found and (in_word or character in "，。？！：；、）"):  # no line starts with these
            found[-1] += character
        else:
            found.append(character)
    return found


def _ems(text: str) -> float:
    return sum(1.0 if _wide(character) else 0.55 for character in text)


def _wide(character: str) -> bool:
    return east_asian_width(character) in "WF"
