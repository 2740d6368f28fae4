"""The text tower reads up to a text's end and no further, however the end is found."""

import pytest
import torch

from vlmlearn.layers import TextConfig, TextTower

WORDS, EOS = 30, 7
SMALL = {
    "vocabulary": WORDS,
    "context_length": 8,
    "eos_id": EOS,
    "width": 16,
    "layers": 2,
    "heads": 2,
    "hidden": 20,
}
IDS = torch.tensor([[3, 5, 4, EOS, 0, 0], [4, EOS, 0, 0, 0, 0], [6, 3, 5, 4, 3, EOS]])


def make(**changes) -> TextTower:
    torch.manual_seed(0)
    return TextTower(TextConfig(**SMALL | changes), embedding=12).eval()


def test_the_two_ways_to_find_the_end_agree_where_the_end_has_the_highest_id():
    torch.testing.assert_close(make(end="first")(IDS), make(end="highest")(IDS))


def test_with_highest_the_end_need_not_be_eos():
    """OpenAI's rule: whatever the configuration calls the end, the highest id stands for the text."""
    tower = make(end="highest", eos_id=2)
    torch.testing.assert_close(tower(IDS), make(end="first")(IDS))
    above = IDS.masked_fill(IDS == 0, 20)  # padding above the end: the first of it is read
    moved = (tower(above) - tower(IDS)).norm(dim=1) > 1e-3
    assert moved.tolist() == [True, True, False]


@pytest.mark.parametrize("padding", [0, EOS, 20, -100, 10**9])
def test_with_first_padding_may_be_anything(padding):
    tower = make(end="first")
    torch.testing.assert_close(tower(IDS.masked_fill(IDS == 0, padding)), tower(IDS))


def test_with_highest_padding_that_equals_the_end_is_not_read():
    tower = make(end="highest")
    torch.testing.assert_close(tower(IDS.masked_fill(IDS == 0, EOS)), tower(IDS))


@pytest.mark.parametrize("end", ["first", "highest"])
def test_padding_learns_nothing(end):
    tower = make(end=end)
    tower(IDS)[:, 0].sum().backward()
    assert tower.words.weight.grad[0].norm() == 0
    assert tower.words.weight.grad[EOS].norm() > 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "rnn"}, "TextConfig: kind is 'rnn', expected one of transformer, bag"),
        ({"end": "last"}, "TextConfig: end is 'last', expected one of first, highest"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"heads": 3}, "the tower is 16 wide, heads is 3"),
        ({"hidden": 0}, "hidden is 0, expected a whole number, at least 1"),
        ({"eos_id": WORDS}, "eos_id is 30, expected 0 to 29"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        TextConfig(**SMALL | changes)


@pytest.mark.bad_input
def test_texts_that_do_not_fit():
    tower = make()
    with pytest.raises(ValueError, match="1 of 2 texts lack the end-of-text id 7"):
        tower(torch.tensor([[3, EOS], [3, 4]]))
    with pytest.raises(ValueError, match="texts have 9 tokens, more than 8"):
        tower(torch.full((2, 9), EOS))
    for wrong in (WORDS, -1):
        with pytest.raises(ValueError, match=f"token ids from .*{wrong}.* in a vocabulary of 30"):
            tower(torch.tensor([[3, wrong, EOS]]))
    with pytest.raises(ValueError, match=r"token ids from 3 to 30 in a vocabulary of 30"):
        make(end="highest")(torch.tensor([[3, WORDS, EOS]]))
    with pytest.raises(ValueError, match=r"ids have shape \(3,\), expected \(batch, length\)"):
        tower(torch.tensor([3, 4, EOS]))
