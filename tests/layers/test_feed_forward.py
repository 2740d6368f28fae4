"""The feed-forward network is two linear layers around the named non-linearity."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vlmlearn.layers import FeedForward
from vlmlearn.layers.feed_forward import ACTIVATIONS

X = torch.linspace(-8, 8, 401, dtype=torch.float64)


def test_quick_gelu_is_its_formula():
    expected = X / (1 + torch.exp(-1.702 * X))
    torch.testing.assert_close(ACTIVATIONS["quick_gelu"](X), expected)


def test_gelu_is_x_times_the_normal_distribution():
    torch.testing.assert_close(ACTIVATIONS["gelu"](X), X * torch.distributions.Normal(0.0, 1.0).cdf(X))


def test_gelu_tanh_is_its_formula():
    inside = (2 / torch.pi) ** 0.5 * (X + 0.044715 * X**3)
    torch.testing.assert_close(ACTIVATIONS["gelu_tanh"](X), 0.5 * X * (1 + torch.tanh(inside)))


def test_the_gelus_are_close_but_not_the_same():
    """Weights trained with one still run with another, a little worse: a mistake that raises no error."""
    gelu = ACTIVATIONS["gelu"](X)
    assert 1e-5 < (ACTIVATIONS["gelu_tanh"](X) - gelu).abs().max() < 1e-3
    assert 0.01 < (ACTIVATIONS["quick_gelu"](X) - gelu).abs().max() < 0.03


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equals_two_linear_layers(activation):
    torch.manual_seed(0)
    layer = FeedForward(6, 10, activation)
    x = torch.randn(2, 3, 6, requires_grad=True)
    expected = F.linear(
        ACTIVATIONS[activation](F.linear(x, layer.widen.weight, layer.widen.bias)),
        layer.narrow.weight,
        layer.narrow.bias,
    )
    torch.testing.assert_close(layer(x), expected)
    assert isinstance(layer.widen, nn.Linear) and layer.widen.out_features == 10
    assert layer(x[0, 0]).shape == (6,)  # any number of leading dimensions


def test_unknown_activation():
    with pytest.raises(ValueError, match="'swish', expected one of gelu, gelu_tanh, quick_gelu, relu"):
        FeedForward(6, 10, "swish")
