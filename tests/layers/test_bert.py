"""BERT reads whole texts, looks at no PAD, and says what is wrong with ids that it cannot read."""

import pytest
import torch

from vlmlearn.layers import Bert, BertConfig, BertEmbeddings, BertTower, causal_mask

SIZES = {"vocabulary": 30, "width": 16, "layers": 2, "heads": 2, "hidden": 32, "positions": 9}
IDS = torch.tensor([[5, 3, 9, 4], [4, 6, 0, 0]])


def make(pooler: bool = False, **changes) -> Bert:
    torch.manual_seed(0)
    return Bert(BertConfig(**SIZES | changes), pooler=pooler)


def test_a_vector_a_token_and_one_a_text():
    model = make(pooler=True)
    tokens = model(IDS)
    assert tokens.shape == (2, 4, 16)
    assert model.pool(tokens).shape == (2, 16)
    assert model.pool(tokens).abs().max() < 1


def test_a_tower_maps_the_first_token():
    torch.manual_seed(0)
    tower = BertTower(BertConfig(**SIZES), 5, bias=True)
    torch.testing.assert_close(tower(IDS), tower.projection(tower.bert(IDS)[:, 0]))
    assert BertTower(BertConfig(**SIZES), 5).projection.bias is None


def test_padding_does_not_matter():
    model = make()
    longer = torch.cat([IDS, torch.zeros(2, 3, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(longer)[:, :4], model(IDS))
    torch.testing.assert_close(model(IDS)[1, :2], model(IDS[1:, :2])[0])


def test_every_word_is_seen_by_every_other_unless_a_mask_says_no():
    model = make()
    changed = IDS.clone()
    changed[0, 3] += 1
    assert ((model(changed) - model(IDS))[0].abs().amax(1) > 1e-6).all()
    causal = causal_mask(4)
    torch.testing.assert_close(model(changed, mask=causal)[0, :3], model(IDS, mask=causal)[0, :3])


def test_token_types_are_zero_unless_given():
    model = make()
    torch.testing.assert_close(model(IDS, token_types=torch.zeros_like(IDS)), model(IDS))
    assert (model(IDS, token_types=torch.ones_like(IDS)) - model(IDS)).norm() > 1e-3
    assert make(token_types=0)(IDS).shape == (2, 4, 16)


@pytest.mark.parametrize(
    ("vocabulary", "sizes", "count"),
    [
        (30522, {}, 109_482_240),  # bert-base-uncased, pooler included
        (21128, {}, 102_267_648),  # bert-base-chinese and RoBERTa-wwm-ext
        (21128, {"width": 1024, "layers": 24, "heads": 16, "hidden": 4096}, 325_522_432),  # …-large
    ],
)
def test_as_many_parameters_as_the_published(vocabulary, sizes, count):
    with torch.device("meta"):
        model = Bert(BertConfig(vocabulary, **sizes), pooler=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.tensor([5, 3]), r"shape \(2,\)"),
        (torch.ones(1, 10, dtype=torch.long), "10 tokens, more than the 9 positions"),
        (torch.tensor([[5, 30]]), "token ids from 5 to 30"),
        (torch.tensor([[5, -1]]), "token ids from -1 to 5"),
        (torch.tensor([[5, 3], [0, 3]]), "text 1 starts with PAD"),
    ],
)
def test_bad_ids(ids, message):
    with pytest.raises(ValueError, match=message):
        make()(ids)


@pytest.mark.bad_input
def test_bad_types_and_no_pooler():
    with pytest.raises(ValueError, match="from 2 to 2"):
        make()(IDS, token_types=torch.full_like(IDS, 2))
    with pytest.raises(ValueError, match=r"token_types have shape \(1, 4\)"):
        make()(IDS, token_types=torch.zeros_like(IDS[:1]))
    with pytest.raises(ValueError, match="one type for each token"):
        BertEmbeddings(BertConfig(**SIZES, token_types=0))(IDS, torch.zeros_like(IDS))
    with pytest.raises(ValueError, match="no pooler"):
        make().pool(torch.zeros(2, 4, 16))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 0}, "layers is 0"),
        ({"heads": 3}, "heads is 3"),
        ({"activation": "tanh"}, "activation is 'tanh'"),
        ({"pad_id": 30}, "pad_id is 30, expected 0 to 29"),
    ],
)
def test_bad_config(changes, message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**SIZES | changes)
