"""The outputs of a cell: brought into one form, swapped between languages, held to the rules.

What strict outputs (of cells not tagged ``live``) may not hold, because it differs from run to run or from
machine to machine; the patterns look at the text a reader sees, without markup:

- timings: a number with a unit of time (``3.1 s``, ``20 ms``, ``5 分钟``), a rate (``it/s``), clock, date;
- addresses: ``at 0x7f…``, as in the text of an object without a ``__repr__``;
- paths: two or more parts after a slash at the start of a word, ``C:\\``, ``~/``, ``file://``;
- more than three decimals: the last bits of a float are the machine's own.
"""

import copy
import re
from typing import Any

from book.project import LANGUAGES, BuildError
from book.source import Code

KEY = "vlmlearn"  # where vlmlearn.messages keeps both languages
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
STRICT = {
    "a timing": re.compile(
        r"\d\s*(?:[nµμum]?s|sec|secs|seconds?|mins|minutes?|hours?)\b"
        r"|\d\s*(?:[毫微纳]?秒|分钟|小时)|\w/s\b|\b\d{1,2}:\d{2}:\d{2}\b|\b20\d\d-\d\d-\d\d\b"
    ),
    "an address": re.compile(r"\bat 0x[0-9a-fA-F]+"),
    "a path": re.compile(r"(?<![\w.:/<)\]}~])/[\w.~-]+/[\w.~-]+|\b[A-Za-z]:\\|(?<!\w)~/|\bfile://"),
    "more than three decimals": re.compile(r"\d\.\d{4,}"),
}
FIX = {
    "a timing": "leave it to recorded results, or tag the cell live",
    "an address": "print what the object holds",
    "a path": "print its last part, path.name",
    "more than three decimals": "round, or torch.set_printoptions(precision=3)",
}
NOT_SEEN = re.compile(r"(?s)<(style|script)\b.*?</\1>|<[^>]*>")
PICTURE_WITHOUT_ALT = re.compile(r"<img\b(?![^>]*\balt\s*=)[^>]*>", re.IGNORECASE)


def normalised(outputs: list[Any]) -> list[dict[str, Any]]:
    """A copy of ``outputs`` as dictionaries, the neighbouring pieces of a stream joined into one."""
    joined: list[dict[str, Any]] = []
    for output in copy.deepcopy(outputs):
        piece = dict(output)
        if joined and piece["output_type"] == "stream" and joined[-1].get("name") == piece["name"]:
            joined[-1]["text"] += piece["text"]
        else:
            joined.append(piece)
    return joined


def in_language(outputs: list[dict[str, Any]], language: str, alt: dict[str, str]) -> list[dict[str, Any]]:
    """``outputs`` as a reader of ``language`` sees them: messages swapped, pictures with their alt text."""
    swapped = copy.deepcopy(outputs)
    for output in swapped:
        both = output.get("metadata", {}).get(KEY)
        if both:
            output["data"] = copy.deepcopy(both[language])
        for picture in _pictures(output):
            output["metadata"][picture] = {**output["metadata"].get(picture, {}), "alt": alt[language]}
    return swapped


def check_outputs(code: Code, outputs: list[dict[str, Any]]) -> None:
    """Hold the outputs of a cell to the rules, in both languages.

    Raises:
        BuildError: naming chapter and cell, for stderr and errors, a picture without alt text or alt text
            without a picture, and in a strict cell for anything that is listed at the top of this file.
    """
    for output in outputs:
        if output["output_type"] == "error":
            raise BuildError(f"{code.where}: raised {output['ename']}: {output['evalue']}")
        if output.get("name") == "stderr":
            raise BuildError(f"{code.where}: wrote to stderr: {output['text'].strip()[:300]}")
    if any(_pictures(output) for output in outputs):
        for language in LANGUAGES:
            if language not in code.alt:
                raise BuildError(f"{code.where}: shows a picture: give it '#| alt-{language}: …'")
    elif code.alt:
        raise BuildError(f"{code.where}: has alt text but shows no picture, does it end with plt.show()?")
    for language in LANGUAGES:
        for text in map(_html, in_language(outputs, language, code.alt)):
            if picture := PICTURE_WITHOUT_ALT.search(text):
                raise BuildError(f"{code.where}: picture without alt= in HTML: {picture[0][:80]}")
        if not code.live:
            _check_strict(code, in_language(outputs, language, code.alt))


def _check_strict(code: Code, outputs: list[dict[str, Any]]) -> None:
    for text in map(visible_text, outputs):
        for what, pattern in STRICT.items():
            if found := pattern.search(text):
                line = text[text.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0]
                raise BuildError(f"{code.where}: its output holds {what}, {line.strip()[:80]!r}: {FIX[what]}")


def visible_text(output: dict[str, Any]) -> str:
    """What a reader sees of an output that is text, without markup."""
    data = output.get("data", {})
    texts = [
        output.get("text", ""),
        *(data.get(f"text/{kind}", "") for kind in ("plain", "markdown", "latex")),
    ]
    return "\n".join([*texts, NOT_SEEN.sub(" ", _html(output))])


def _html(output: dict[str, Any]) -> str:
    return output.get("data", {}).get("text/html", "")


def _pictures(output: dict[str, Any]) -> list[str]:
    return [kind for kind in PICTURES if kind in output.get("data", {})]
