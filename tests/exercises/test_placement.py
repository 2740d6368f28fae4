"""The placement quiz names the chapters to skip, and what it says stands in the notebook as well."""

import re

import pytest

from book.project import Project
from vlmlearn.exercises import placement
from vlmlearn.exercises.placement import RIGHT

KEY = "".join(RIGHT.values())


def test_ten_right_answers_skip_every_on_ramp_chapter():
    found = placement(KEY.upper()[:4] + " " + KEY[4:])
    assert found.en.count("skip it") == found.zh.count("可以跳过") == 3
    assert "worth" not in found.en and "4/4" in found.en and "2/2" in found.zh


def test_ten_open_answers_skip_none():
    found = placement("-" * 10)
    assert found.en.count("worth reading") == found.zh.count("值得一读") == 3
    assert "questions 1, 2, 3, 4" in found.en and "第 9、10 题" in found.zh


@pytest.mark.parametrize("wrong", range(10))
def test_one_wrong_answer_asks_for_its_chapter_alone(wrong):
    other = "b" if KEY[wrong] == "a" else "a"
    found = placement(KEY[:wrong] + other + KEY[wrong + 1 :])
    (line,) = [line for line in found.en.splitlines() if "worth reading" in line]
    assert line.startswith("00a" if wrong < 4 else "00b" if wrong < 8 else "00c")
    assert line.endswith(f"question {wrong + 1}.")


@pytest.mark.bad_input
@pytest.mark.parametrize("answers", ["", "abc", "a" * 11, "abcdabcdae", "1234123412"])
def test_what_is_no_set_of_answers_is_refused(answers):
    with pytest.raises(ValueError, match="expected 10 letters"):
        placement(answers)


def test_the_page_gives_the_same_answers_to_those_who_cannot_run_it():
    source = Project().source("00_start").read_text("utf-8")
    for word in ("正确答案", "Right answers"):
        shown = re.search(rf"{word}[：:] ?\**([a-d ]+)", source)
        assert shown and shown[1].replace(" ", "") == KEY
