"""The glossary is well formed: one good rendering a term, and bad ones that can be avoided."""

from collections import Counter
from pathlib import Path

import yaml

GLOSSARY = yaml.safe_load((Path(__file__).parents[2] / "book" / "glossary.yml").read_text(encoding="utf-8"))


def test_entries_have_the_same_three_fields():
    for entry in GLOSSARY:
        assert list(entry) == ["en", "zh", "not"], entry
        assert all(
            isinstance(entry[language], str) and entry[language].strip() for language in ("en", "zh")
        ), entry
        assert entry["not"] and all(isinstance(bad, str) for bad in entry["not"]), entry


def test_no_term_stands_twice():
    for language in ("en", "zh"):
        twice = [term for term, times in Counter(entry[language] for entry in GLOSSARY).items() if times > 1]
        assert not twice


def test_no_rendering_contains_what_it_forbids():
    for entry in GLOSSARY:
        assert not [bad for bad in entry["not"] if bad in entry["zh"]], entry
