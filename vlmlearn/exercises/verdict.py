"""What a check has found, and how it looks: HTML in a notebook, text in a terminal."""

import re
from dataclasses import dataclass
from html import escape

from vlmlearn.messages import Message

SIGNS = {"passed": "✓", "not_attempted": "○"}
COLOURS = {"passed": "#0072B2", "not_attempted": "#888888"}  # told apart by their signs, too
WRONG, WRONG_COLOUR = "✗", "#D55E00"
CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, repr=False)
class Verdict:
    """The result of a check.

    Args:
        exercise: its name, as asked for.
        kind: ``"passed"``, ``"not_attempted"``, ``"mistake"``, ``"raised"``, ``"shape"``, ``"gradient"``, …
        message: what was shown.
        mistake: the name of the recognised mistake.
    """

    exercise: str
    kind: str
    message: Message
    mistake: str | None = None

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    @property
    def attempted(self) -> bool:
        return self.kind != "not_attempted"

    def __repr__(self) -> str:
        mistake = f", mistake={self.mistake!r}" if self.mistake else ""
        return f"Verdict({self.exercise!r}, {self.kind!r}{mistake})"

    def _ipython_display_(self) -> None:
        """Nothing: the check has shown it already, and a cell often ends in the check."""


def verdict(
    exercise: str,
    kind: str,
    title: Message,
    body: Message | None = None,
    detail: Message | None = None,
    mistake: str | None = None,
) -> Verdict:
    """Put a verdict together.

    Args:
        title: a few words.
        body: sentences; `` `code` `` is set as code.
        detail: lines to be shown as they are: the learner's line, a small case.
    """
    sign = SIGNS.get(kind, WRONG)
    texts = {}
    for language in ("zh", "en"):
        head = f"{sign} {exercise}{'：' if language == 'zh' else ': '}{title.text(language)}"
        lines = body.text(language) if body else ""
        shown = detail.text(language) if detail else ""
        texts[language] = "\n".join(filter(None, [head, lines, _indent(shown)]))
        texts[f"html_{language}"] = _html(kind, head, lines, shown)
    return Verdict(exercise, kind, Message(**texts), mistake)


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _html(kind: str, head: str, body: str, detail: str) -> str:
    parts = [f"<b>{escape(head)}</b>"]
    parts += [
        f'<div style="margin-top:4px">{CODE.sub(_code, escape(line))}</div>' for line in body.splitlines()
    ]
    if detail:
        parts.append(f'<pre style="margin:6px 0 0;white-space:pre-wrap">{escape(detail)}</pre>')
    colour = COLOURS.get(kind, WRONG_COLOUR)
    style = f"border-left:4px solid {colour};padding:4px 12px;margin:4px 0;text-align:left;line-height:1.5"
    return f'<div style="{style}">{"".join(parts)}</div>'


def _code(found: re.Match[str]) -> str:
    return f"<code>{found[1]}</code>"
