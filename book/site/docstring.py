"""Docstrings in Google's layout as Markdown."""

import re
import textwrap

SECTIONS = {
    "Args": "参数",
    "Attributes": "属性",
    "Examples": "例子",
    "Example": "例子",
    "Raises": "错误",
    "Returns": "返回",
    "Warns": "警告",
    "Yields": "产生",
}
SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):$")
ENTRY = re.compile(r"^(\*{0,2}\w[\w., *]*): (.*)$", re.DOTALL)
NAMED = ("Args", "Attributes", "Raises", "Warns")  # their entries start with a name; the others are prose
ROLE = re.compile(r":\w+:(`[^`]+`)")
CODE = re.compile(r"(``.+?``|`[^`]+`)", re.DOTALL)
SPECIAL = re.compile(r"([\\*_\[\]<>$~|])")


def as_markdown(text: str, language: str) -> str:
    """A docstring, cleaned of its indentation, as Markdown.

    Words stay as they are, with nothing but ```` ``code`` ```` taken for markup; indented blocks become code.
    ``Args:`` and its like become a heading, in ``language``, with a list.
    """
    written = []
    for block in _blocks(text):
        head, _, body = block.partition("\n")
        if match := SECTION.match(head):
            written.append(f"**{match[1] if language == 'en' else SECTIONS[match[1]]}**")
            written += _section(match[1], textwrap.dedent(body))
        else:
            written.append(_paragraph(block))
    return "\n\n".join(filter(None, written))


def escape(text: str) -> str:
    """Text in which Markdown sees no markup but code."""
    pieces = CODE.split(ROLE.sub(r"`\1`", text))
    return "".join(piece if k % 2 else SPECIAL.sub(r"\\\1", piece) for k, piece in enumerate(pieces))


def _blocks(text: str) -> list[str]:
    """What empty lines separate; what is indented after a section's heading belongs to it."""
    blocks: list[str] = []
    for block in filter(str.strip, re.split(r"\n[ ]*\n", text)):
        in_section = blocks and SECTION.match(blocks[-1].split("\n")[0])
        if blocks and block.startswith("    ") and (in_section or blocks[-1].startswith("    ")):
            blocks[-1] += f"\n\n{block}"
        else:
            blocks.append(block.strip("\n"))
    return blocks


def _section(section: str, body: str) -> list[str]:
    if section not in NAMED:
        return [_paragraph(block) for block in _blocks(body)]
    entries: list[str] = []
    for line in body.split("\n"):
        if entries and (line.startswith(" ") or not line):
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line)
    return ["\n".join(f"- {_entry(entry)}" for entry in entries)]


def _entry(entry: str) -> str:
    match = ENTRY.match(entry)
    if match is None:
        return escape(entry)
    named = ", ".join(f"`{name.strip()}`" for name in match[1].split(","))
    return f"{named}: {escape(match[2])}"


def _paragraph(block: str) -> str:
    if block.startswith("    "):
        code = textwrap.dedent(block)
        return f"```{'pycon' if code.startswith('>>>') else 'text'}\n{code}\n```"
    return escape(block)
