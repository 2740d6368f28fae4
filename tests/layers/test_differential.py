"""Differential attention is its formula, head by head; upstream's is compared in tests/parity."""

import math

import pytest
import torch

from tests.equality import assert_equal, shaken
from vlmlearn.layers import DifferentialAttention

WIDTH, HEADS = 24, 3
D = WIDTH // HEADS // 2  # width of one map's queries


def make(layer=1):
    torch.manual_seed(0)
    return shaken(DifferentialAttention(WIDTH, HEADS, layer))


def tokens():
    return torch.randn(2, 7, WIDTH, generator=torch.Generator().manual_seed(1))


def by_the_paper(module, x, layer):
    """One head at a time, its columns cut out of the matrices."""
    first = 0.8 - 0.6 * math.exp(-0.3 * (layer - 1))
    (q1, q2), (k1, k2) = module.query_scales, module.key_scales
    scale = torch.exp(q1 @ k1) - torch.exp(q2 @ k2) + first
    half, answers, maps = WIDTH // 2, [], []
    for head in range(HEADS):
        one, two = slice(head * D, head * D + D), slice(half + head * D, half + head * D + D)
        softmaxes = [
            torch.softmax((x @ module.query.weight[s].T) @ (x @ module.key.weight[s].T).mT / D**0.5, -1)
            for s in (one, two)
        ]
        values = torch.cat([x @ module.value.weight[s].T for s in (one, two)], -1)
        maps.append(softmaxes[0] - scale * softmaxes[1])
        answer = maps[-1] @ values
        answers.append((1 - first) * answer / (answer.square().mean(-1, keepdim=True) + 1e-5).sqrt())
    return torch.cat(answers, -1) @ module.out.weight.T, torch.stack(maps, 1)


@pytest.mark.parametrize("layer", [1, 5])
def test_it_is_the_papers_formula(layer):
    module = make(layer)
    answer, maps = by_the_paper(module, tokens(), layer)
    assert_equal(module(tokens()), answer)
    assert_equal(module.weights(tokens()), maps)


def test_rows_sum_to_what_is_left_and_may_be_negative():
    module = make()
    weights = module.weights(tokens())
    torch.testing.assert_close(weights.sum(-1), (1 - module.scale).expand(2, HEADS, 7))
    assert weights.min() < 0


def test_later_layers_subtract_more():
    scales = [DifferentialAttention(WIDTH, HEADS, layer).first for layer in (1, 2, 4, 20)]
    assert scales == sorted(scales) and scales[0] == pytest.approx(0.2) and scales[-1] < 0.8


def test_every_parameter_learns():
    module = make()
    module(tokens()).pow(3).sum().backward()
    assert all(p.grad.norm() > 1e-5 for p in module.parameters())


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="width is 12, heads 4: every head has two maps"):
        DifferentialAttention(12, 4)
    with pytest.raises(ValueError, match="layer is 0"):
        DifferentialAttention(WIDTH, HEADS, 0)
    with pytest.raises(ValueError, match=r"shape \(2, 7, 23\), expected \(batch, tokens, 24\)"):
        make()(tokens()[..., 1:])
