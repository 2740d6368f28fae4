"""What the package says to a learner, in Chinese and in English.

A :class:`Message` holds its text in both languages and shows the one chosen with :func:`set_language`. In a
notebook both travel along in the output's metadata under the key ``"vlmlearn"``, so that one run of a chapter
serves both languages: the builder of the notebooks swaps the shown text without running the chapter again.

    >>> set_language("zh")
    >>> print(Message(zh="形状不对", en="wrong shape"))
    形状不对
"""

import sys
from dataclasses import dataclass
from typing import Any

LANGUAGES = ("zh", "en")
METADATA_KEY = "vlmlearn"

_language = "en"


def set_language(language: str) -> None:
    """Choose the language of everything the package says: ``"zh"`` or ``"en"`` (the default).

    Raises:
        ValueError: for any other language.
    """
    global _language
    _language = _known(language)


def get_language() -> str:
    """The language in use, ``"zh"`` or ``"en"``."""
    return _language


@dataclass(frozen=True)
class Message:
    """One thing to say, in both languages; ``str(message)`` is its text in the current one.

    Args:
        zh, en: plain text, never empty.
        html_zh, html_en: the same with markup for notebooks; both or neither.

    Raises:
        ValueError: when a text is missing, or the markup of one language only is given.
    """

    zh: str
    en: str
    html_zh: str | None = None
    html_en: str | None = None

    def __post_init__(self) -> None:
        for language in LANGUAGES:
            if not getattr(self, language).strip():
                raise ValueError(f"no text for {language!r} in {self!r}: write it in both languages")
        if (self.html_zh is None) != (self.html_en is None):
            given, missing = ("zh", "en") if self.html_en is None else ("en", "zh")
            raise ValueError(f"the message has html_{given} but no html_{missing}: give both or neither")

    def __str__(self) -> str:
        return self.text()

    def text(self, language: str | None = None) -> str:
        """The plain text in ``language``, by default the current one.

        Raises:
            ValueError: for a language other than ``"zh"`` and ``"en"``.
        """
        return self.mime_data(language)["text/plain"]

    def mime_data(self, language: str | None = None) -> dict[str, str]:
        """What a notebook shows in ``language``: mime type → content (``text/html`` only with markup).

        Raises:
            ValueError: for a language other than ``"zh"`` and ``"en"``.
        """
        chinese = (_language if language is None else _known(language)) == "zh"
        data = {"text/plain": self.zh if chinese else self.en}
        html = self.html_zh if chinese else self.html_en
        if html is not None:
            data["text/html"] = html
        return data

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """Called by Jupyter: the current language as data, both as metadata."""
        both = {language: self.mime_data(language) for language in LANGUAGES}
        return both[_language], {METADATA_KEY: both}


def show(message: Message) -> None:
    """Show ``message`` below the notebook cell that runs, or print its text where there is no notebook."""
    ipython = sys.modules.get("IPython")  # loaded whenever a notebook runs; a script is spared the import
    if ipython is not None and ipython.get_ipython() is not None:
        from IPython.display import display

        display(message)
    else:
        print(message)


def _known(language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"unknown language {language!r}: choose one of {', '.join(map(repr, LANGUAGES))}")
    return language
