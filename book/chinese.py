"""Line breaks in Chinese prose: Markdown shows one as a space, which Chinese does not have."""

import re

HAN = r"[\u3400-\u4dbf\u4e00-\u9fff]"
WIDE = r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef“”‘’…—]"  # Chinese characters and punctuation
# Bold is joined only with a character next to its mark: joined, **汉字。** would stop being bold.
ENDS_WIDE = re.compile(rf"(?:{WIDE}|{HAN}\*{{1,3}})$")
STARTS_WIDE = re.compile(rf"(?:{WIDE}|\*{{1,3}}{HAN})")
QUOTE = re.compile(r"[ \t]*(?:>[ \t]?)*")
FENCE = re.compile(r"[ \t]*(?:>[ \t]?)*(```|~~~)")


def join_lines(text: str) -> str:
    """Join two lines where the first ends and the second starts with a Chinese character or punctuation mark.

    Headings, code fences and ``$$`` blocks stay as they are; so does a hard break (two spaces, a backslash).
    """
    lines: list[str] = []
    closed_by = ""  # the mark that ends the block we are in
    joinable = False  # whether the last line may be continued
    for line in text.split("\n"):
        start = QUOTE.match(line)
        mark = start[0] if start else ""
        if joinable and _depth(mark) == _depth(lines[-1]) and STARTS_WIDE.match(line, len(mark)):
            lines[-1] += line[len(mark) :]
        else:
            lines.append(line)
        fence = FENCE.match(line)
        marks = "$$" * (line.count("$$") % 2) or (fence[1] if fence else "")
        inside = bool(closed_by)
        if marks and closed_by in ("", marks):
            closed_by = "" if closed_by else marks
        plain = not inside and not closed_by and not line.lstrip(" >").startswith("#")
        joinable = plain and ENDS_WIDE.search(line) is not None
    return "\n".join(lines)


def _depth(line: str) -> int:
    start = QUOTE.match(line)
    return start[0].count(">") if start else 0
