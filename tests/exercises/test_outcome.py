"""Texts as results, and lists and dictionaries as arguments; numbers are tested with the exercises."""

import pytest
import torch

from vlmlearn.exercises.exercise import Case
from vlmlearn.exercises.outcome import complaint, has_nan, run, same_values


@pytest.mark.parametrize(
    ("value", "what"),
    [("a ring", None), ("", None), (["a"], "type"), (None, "type"), (torch.ones(2), "type")],
)
def test_a_text_is_wanted(value, what):
    assert complaint("a red ring", value) == what


def test_the_number_of_rows_may_be_part_of_the_answer():
    expected = torch.zeros(2, 3)
    assert complaint(expected, torch.zeros(5, 3)) == "shape"
    assert complaint(expected, torch.zeros(5, 3), any_length=True) is None
    assert complaint(expected, torch.zeros(5, 4), any_length=True) == "shape"
    assert complaint(expected, torch.zeros(5), any_length=True) == "shape"
    assert complaint(torch.tensor(0), torch.tensor(0), any_length=True) is None


def test_a_text_is_not_a_number():
    assert complaint(1.0, "1.0") == "type"
    assert complaint(torch.ones(2), "1 1") == "type"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a ring", "a ring", True),
        ("a ring", "a  ring", False),
        ("", " ", False),
        ("1", 1, False),
        (1, "1", False),
    ],
)
def test_texts_are_the_same_letter_by_letter(one, other, same):
    assert same_values(one, other) is same


def test_a_text_holds_no_nan():
    assert not has_nan("nan")


def grows(words, ids):
    words.append("<eos>")
    ids["<eos>"] = 2
    return " ".join(words)


def test_a_changed_list_or_dictionary_is_noticed():
    case = Case((["a", "ring"], {"a": 0, "ring": 1}))
    assert run(grows, case, ["words", "ids"]).changed == ("words", "ids")
    assert case.arguments == (["a", "ring"], {"a": 0, "ring": 1})
    assert run(lambda words, ids: " ".join([*words, "<eos>"]), case, ["words", "ids"]).changed == ()


@pytest.mark.parametrize("as_given", [lambda x: x, lambda x: x.numpy()])
def test_nan_in_an_argument_is_no_change(as_given):
    case = Case((as_given(torch.tensor([1.0, float("nan")])),))
    assert run(lambda x: x + 1, case, ["x"]).changed == ()

    def clears(x):
        x[1] = 0
        return x

    def spoils(x):
        x[0] = float("nan")
        return x

    assert run(clears, case, ["x"]).changed == run(spoils, case, ["x"]).changed == ("x",)
