"""Batch norm over several processes; two of them meet in test_distributed, where a whole model trains."""

import pytest
import torch
from torch import nn

from tests.equality import assert_equal, shaken
from vlmlearn.training.batch_norm import shared_batch_norm

X = torch.randn(6, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1


def test_alone_it_is_torchs(group_of_one):
    ours, reference = (shaken(nn.Sequential(nn.BatchNorm2d(3))) for _ in range(2))
    inputs = [X.clone().requires_grad_() for _ in range(2)]
    with shared_batch_norm(ours):
        results = [model(x) for model, x in zip((ours, reference), inputs, strict=True)]
    for result in results:
        result.pow(3).sum().backward()
    assert_equal(*results)
    assert_equal(inputs[0].grad, inputs[1].grad)
    for weight, expected in zip(ours.parameters(), reference.parameters(), strict=True):
        assert_equal(weight.grad, expected.grad)
    for name, buffer in ours.named_buffers():
        assert_equal(buffer.double(), reference.get_buffer(name).double(), name)


def test_in_evaluation_and_afterwards_it_is_the_norm_itself(group_of_one):
    model = shaken(nn.Sequential(nn.BatchNorm2d(3))).eval()
    before = model(X)
    with shared_batch_norm(model):
        assert torch.equal(model(X), before)
    assert "forward" not in vars(model[0])


def test_norms_that_it_does_not_know(group_of_one):
    model = nn.Sequential(nn.BatchNorm2d(3, affine=False))
    with pytest.raises(ValueError, match=r"0 is BatchNorm2d.*use the defaults of"), shared_batch_norm(model):
        pass


def test_without_a_group():
    with pytest.raises(RuntimeError, match="not initialised"), shared_batch_norm(nn.BatchNorm2d(3)):
        pass
