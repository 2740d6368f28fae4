"""SigLIP's text tower reads every place, both ways, padding too; upstream's is compared in tests/parity."""

import pytest
import torch

from vlmlearn.layers import BidirectionalTextConfig, BidirectionalTextTower

WORDS = 30
SMALL = {"vocabulary": WORDS, "context_length": 8, "width": 16, "layers": 2, "heads": 2, "hidden": 20}
IDS = torch.tensor([[3, 5, 4, 1, 1, 1], [4, 1, 1, 1, 1, 1], [6, 3, 5, 4, 3, 2]])


def make(**changes) -> BidirectionalTextTower:
    torch.manual_seed(0)
    return BidirectionalTextTower(BidirectionalTextConfig(**SMALL | changes), embedding=12).eval()


def test_the_last_place_stands_for_the_text():
    tower = make()
    tokens = tower.transformer(tower.words(IDS) + tower.positions[:6])
    torch.testing.assert_close(tower(IDS), tower.projection(tower.norm(tokens[:, 5])))


def test_every_place_matters_padding_too():
    tower = make()
    before = tower(IDS)
    for place in range(6):
        changed = IDS.clone()
        changed[:, place] = 20
        assert (tower(changed) - before).norm(dim=1).min() > 1e-3
    assert (tower(IDS[:, :5]) - before).norm(dim=1).min() > 1e-3  # less padding, another text


def test_a_word_sees_what_comes_after_it():
    tower, seen = make(), []
    tower.transformer.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    changed = IDS.clone()
    changed[:, 4] = 20
    tower(IDS)
    tower(changed)
    assert ((seen[0] - seen[1]).abs().amax(-1) > 1e-6).all()


def test_a_text_does_not_depend_on_its_batch():
    tower = make()
    torch.testing.assert_close(tower(IDS[1:2]), tower(IDS)[1:2])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "BidirectionalTextConfig: the tower is 16 wide, heads is 3"),
        ({"vocabulary": 0}, "vocabulary is 0, expected a whole number, at least 1"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        BidirectionalTextConfig(**SMALL | changes)


@pytest.mark.bad_input
def test_texts_that_do_not_fit():
    tower = make()
    with pytest.raises(ValueError, match="texts have 9 tokens, more than 8"):
        tower(torch.ones(2, 9, dtype=torch.long))
    for wrong in (WORDS, -1):
        with pytest.raises(ValueError, match=f"token ids from .*{wrong}.* in a vocabulary of 30"):
            tower(torch.tensor([[3, wrong, 1]]))
    for shape in ((3,), (0, 4), (2, 0)):
        with pytest.raises(ValueError, match=r"expected \(batch, length\): one text goes in as ids\[None\]"):
            tower(torch.ones(shape, dtype=torch.long))
