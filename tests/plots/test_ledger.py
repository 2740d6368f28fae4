"""The ledger of bits, from results made for the occasion."""

import json
import re

import pytest

from vlmlearn import plots
from vlmlearn.training.recipes import record
from vlmlearn.training.recipes.ledger import ledger_line

NAME = {"told": "name", "bits": 5.32, "language": 0.26, "ceiling": 5.32, "carried": [5.0, 5.1, 5.2]}
ASKED = {"told": "color_asked", "bits": 2.9, "language": 0.1, "ceiling": 2.9, "carried": [-0.04, 0.0, 0.01]}
CAPTION = {"told": "caption", "bits": 17.889, "language": 73.6, "ceiling": 9.966, "carried": [9.3, 9.4, 9.6]}
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    """Results of five chapters, one of them without a line, and figures that belong to no chapter."""
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    lines = {
        "01": CAPTION,
        "00b": ASKED,
        "00a": NAME,
        "00c": None,
        "02": {**CAPTION, "carried": [1.0, 1.0, 1.0]},
    }
    for chapter, line in lines.items():
        values = {"chapter": chapter} | ({"ledger": line} if line else {})
        (tmp_path / f"{chapter}.json").write_text(json.dumps(values))
    (tmp_path / "benchmarks.json").write_text("{}")
    return tmp_path


def cells(message, language):
    """The table's rows without markup."""
    html = message.mime_data(language)["text/html"]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_the_lines_up_to_the_chapter_in_reading_order():
    head, *rows = cells(plots.bit_ledger("01"), "en")
    assert head == [
        *("chapter", "what is told of a picture", "bits in it", "from language alone"),
        *("the model carries", "most it could show", "lost"),
    ]
    assert rows == [
        ["00a", "the name of its one object", "5.3", "0.3", "5.1 (5.0–5.2)", "5.3", "0.2"],
        ["00b", "the colour asked about", "2.9", "0.1", "0.0 (0.0–0.0)", "2.9", "2.9"],
        ["01", "its whole caption", "17.9", "73.6", "9.4 (9.3–9.6)", "10.0", "0.5"],
    ]
    assert [row[0] for row in cells(plots.bit_ledger("00a"), "en")[1:]] == ["00a"]


def test_the_languages_show_the_same_numbers_and_only_their_own_words():
    message = plots.bit_ledger("01")
    zh, en = cells(message, "zh"), cells(message, "en")
    assert [row[1] for row in zh[1:]] == ["唯一物体的名字", "问到的颜色", "整句描述"]
    for row, same in zip(zh[1:], en[1:], strict=True):
        assert [re.sub(r"[（）() ]", "", cell) for cell in row[2:]] == [
            re.sub(r"[() ]", "", cell) for cell in same[2:]
        ]
    for shown in message.mime_data("en").values():
        assert not CHINESE.search(shown)
    for shown in message.mime_data("zh").values():
        words = re.findall("[A-Za-z]+", re.sub("<[^>]*>", "", shown))
        assert set(words) <= {"a", "b", "N", "log"}


def test_the_last_line_stands_out():
    message = plots.bit_ledger("01")
    html = message.mime_data("en")["text/html"]
    assert html.count("bold") == 1 and '<tr style="font-weight:bold"><td style="text-align:left">01' in html
    marked = [line for line in message.text("en").splitlines() if line.startswith("→")]
    assert len(marked) == 1 and marked[0].startswith("→ 01 ")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_columns_line_up_in_a_terminal(language):
    def places(text):
        return sum(2 if CHINESE.match(letter) else 1 for letter in text)

    _, *lines, _ = plots.bit_ledger("01").text(language).splitlines()
    starts = [places(line[: re.search(r" (?:5\.3|2\.9|17\.9)", line).start()]) for line in lines]
    assert len(set(starts)) == 1


def test_it_says_how_to_read_it():
    message = plots.bit_ledger("01")
    for language, words in {"zh": ("从图里看不出", "log₂ N"), "en": ("not in the picture", "log₂ N")}.items():
        for shown in message.mime_data(language).values():
            assert all(word in shown for word in words)


def test_worse_than_guessing_is_shown_as_it_is(results):
    line = ledger_line(told="name", bits=5.3, language=0.0, ceiling=5.3, carried=[-1.2, -1.0, -0.8])
    (results / "03.json").write_text(json.dumps({"ledger": line}))
    assert cells(plots.bit_ledger("03"), "en")[-1][4:] == ["−1.0 (−1.2–−0.8)", "5.3", "6.3"]


@pytest.mark.bad_input
class TestBadInput:
    def test_no_name_of_a_chapter(self):
        with pytest.raises(ValueError, match="chapter is '1', expected two digits"):
            plots.bit_ledger("1")

    def test_a_chapter_without_results(self):
        with pytest.raises(ValueError, match="no results for chapter '07'"):
            plots.bit_ledger("07")

    def test_a_chapter_without_a_line(self):
        with pytest.raises(ValueError, match="the results of chapter '00c' hold no line"):
            plots.bit_ledger("00c")
