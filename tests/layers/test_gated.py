"""Gated networks are their formulas; upstream's is compared in tests/parity."""

import pytest
import torch
from torch.nn import functional as F

from tests.equality import assert_equal, shaken
from vlmlearn.layers import FeedForward, GatedFeedForward, make_feed_forward


def x():
    return torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(0))


def test_glu_is_torchs():
    layer = shaken(GatedFeedForward(6, 10, "glu"))
    inside = F.glu(torch.cat([layer.widen(x()), layer.gate(x())], dim=-1))
    assert_equal(layer(x()), layer.narrow(inside))


def test_swiglu_is_its_formula():
    layer = shaken(GatedFeedForward(6, 10, "swiglu"))
    gate = layer.gate(x())
    assert_equal(layer(x()), layer.narrow(gate / (1 + torch.exp(-gate)) * layer.widen(x())))


def test_without_bias_there_are_three_matrices_and_nothing_else():
    layer = GatedFeedForward(6, 10, "swiglu", bias=False)
    assert not layer(torch.zeros(1, 6)).any()
    assert sum(p.numel() for p in layer.parameters()) == 3 * 6 * 10


def test_made_by_name():
    assert isinstance(make_feed_forward("mlp", 6, 10, "relu"), FeedForward)
    torch.manual_seed(0)
    glu = make_feed_forward("glu", 6, 10)
    torch.manual_seed(0)
    swiglu = make_feed_forward("swiglu", 6, 10)
    assert (glu(x()) - swiglu(x())).norm() > 1e-3  # the same weights, another gate


def test_every_parameter_learns():
    for kind in ("glu", "swiglu"):
        layer = GatedFeedForward(6, 10, kind)
        layer(x()).square().sum().backward()
        assert all(p.grad.norm() > 1e-4 for p in layer.parameters())


def test_bad_input():
    with pytest.raises(ValueError, match="kind is 'mlp', expected one of glu, swiglu"):
        GatedFeedForward(6, 10, "mlp")
    with pytest.raises(ValueError, match="network is 'geglu', expected one of mlp, glu, swiglu"):
        make_feed_forward("geglu", 6, 10)
    with pytest.raises(ValueError, match="activation is 'swish'"):
        make_feed_forward("mlp", 6, 10, "swish")
