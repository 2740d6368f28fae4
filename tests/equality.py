"""How a test shows that our code equals a reference: per tensor, against one that is not zero."""

import torch
from torch import nn


def shaken(module: nn.Module) -> nn.Module:
    """Noise on every parameter: a fresh norm is the identity, and a forgotten bias of zero would not show."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return module


def assert_equal(ours: torch.Tensor, reference: torch.Tensor, name: str = "result") -> None:
    assert reference.norm() > 1e-3, f"{name}: the reference is zero, so equality says nothing"
    assert ours.shape == reference.shape, name
    assert (ours - reference).norm() / reference.norm() <= 1e-5, name
