"""Classification: logits and probabilities, of a picture or of every place."""

import pytest
import torch

from tests.equality import assert_equal
from tests.heads.vision.tiny import SMALL, filled, some
from vlmlearn.heads.vision import ClassificationHead


def make(**options) -> ClassificationHead:
    return filled(ClassificationHead(6, **{"num_classes": 5, **SMALL, **options}))


def test_logits_are_not_probabilities():
    answer = make()(some(2, 6, 3, 4))
    assert answer["logits"].shape == answer["probabilities"].shape == (2, 5)
    torch.testing.assert_close(answer["probabilities"], answer["logits"].softmax(1))
    assert answer["logits"].min() < 0 and (answer["logits"] - answer["probabilities"]).norm() > 0.1


@pytest.mark.parametrize(("pool", "by_hand"), [("avg", torch.mean), ("max", torch.amax)])
def test_pools(pool, by_hand):
    head, x = make(pooling_type=pool), some(2, 6, 3, 4)
    assert_equal(head(x)["logits"], head.classify(by_hand(head.trunk([x]), (2, 3))))


def test_without_pooling_every_place_gets_classes():
    x, places = some(2, 6, 3, 4), make(use_global_pooling=False)
    answer = places(x)
    assert answer["logits"].shape == (2, 5, 3, 4)
    torch.testing.assert_close(answer["probabilities"].sum(1), torch.ones(2, 3, 4))
    # the mean of the places' logits is the logit of the mean
    torch.testing.assert_close(answer["logits"].mean((2, 3)), make()(x)["logits"])


def test_a_single_class_is_a_yes_or_no():
    answer = make(num_classes=1)(some(3, 6, 2, 2))
    torch.testing.assert_close(answer["probabilities"], answer["logits"].sigmoid())
    assert answer["probabilities"].std() > 0


def test_tokens_with_attention():
    """What the guide's first example does."""
    head = make(use_attention=True, attention_type="multi_head")
    x = some(2, 6, 4, 4)
    assert_equal(head(x.flatten(2).transpose(1, 2))["logits"], head(x)["logits"])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "num_classes is 0, expected a whole number, at least 1"),
        ({"pooling_type": "average"}, "pooling_type is 'average', did you mean 'avg'"),
        ({"upsampling_factor": 2}, "no option 'upsampling_factor'"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
