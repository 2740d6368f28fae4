"""What all heads share."""

import pytest
import torch
from torch import nn

from tests.heads.vision.tiny import SMALL, some
from vlmlearn.heads.vision import DetectionHead
from vlmlearn.heads.vision.head import class_probabilities, start_at


def test_probabilities():
    logits = some(2, 4, 3)
    torch.testing.assert_close(class_probabilities(logits), logits.exp() / logits.exp().sum(1, keepdim=True))
    one = some(2, 1, 3)
    torch.testing.assert_close(class_probabilities(one), one.sigmoid())


def test_a_rare_thing_starts_as_rare():
    layer = nn.Conv2d(3, 2, 1)
    start_at(layer, 0.01)
    torch.testing.assert_close(layer.bias.sigmoid(), torch.full((2,), 0.01))


def test_half_precision_inside_float32_outside():
    head = DetectionHead(6, num_classes=3, **SMALL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = head(some(2, 6, 3, 3))
    assert all(value.dtype == torch.float32 for value in answer.values())
    answer = head.double()(some(2, 6, 3, 3).double())
    assert all(value.dtype == torch.float64 for value in answer.values())


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="in_channels is 0"):
        DetectionHead(0)
    with pytest.raises(
        ValueError, match=r"DetectionConfig has no option 'num_class', did you mean 'num_classes'\?; it has"
    ):
        DetectionHead(4, num_class=3)
