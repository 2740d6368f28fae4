"""Heads and features small enough for tests."""

import zlib

import torch
from torch import nn

from vlmlearn.heads.vision.options import HeadConfig

SMALL = {"hidden_dim": 8, "num_heads": 2}
# kind of input: in_channels, and features of two pictures
KINDS = ("map", "tokens", "pyramid")
CHANNELS = {"map": 6, "tokens": 6, "pyramid": (5, 6, 7)}


def some(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def features(kind: str, batch: int = 2):
    """The finest map has 3 rows and columns."""
    if kind == "map":
        return some(batch, 6, 3, 3)
    if kind == "tokens":
        return some(batch, 9, 6)
    return [some(batch, 5, 3, 3), some(batch, 6, 2, 3, seed=1), some(batch, 7, 2, 2, seed=2)]


def filled(module: nn.Module) -> nn.Module:
    """Every parameter becomes a function of its own name and shape.

    So two heads that share a layer share its weights, and an option that adds or takes away another layer is what
    their answers differ by, not the order in which random numbers were drawn.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = some(*parameter.shape, seed=zlib.crc32(name.encode()))
            norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(noise * 0.2 + 1 if norm else noise * 0.4)
    return module


def numbers(answer: dict[str, torch.Tensor]) -> torch.Tensor:
    """All that a head says, in one row."""
    return torch.cat([value.flatten().to(torch.float32) for value in answer.values()])


def config(**options) -> HeadConfig:
    return HeadConfig(**{**SMALL, **options})
