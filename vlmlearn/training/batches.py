"""Endless shuffled batches from tensors held in memory."""

from collections.abc import Iterator

import torch
from torch import Tensor


def shuffled_batches(*tensors: Tensor, batch_size: int, seed: int) -> Iterator[tuple[Tensor, ...]]:
    """Rows of the tensors, batch by batch, reshuffled whenever all have been used.

    Args:
        tensors: all with the same number of rows.
        batch_size: rows in a batch; at most the number of rows. A shorter last batch is dropped.
        seed: the same seed gives the same batches.

    Raises:
        ValueError: no tensors, their lengths differ, or a batch needs more rows than there are.
    """
    if not tensors or any(t.ndim == 0 for t in tensors):
        raise ValueError(
            f"{len(tensors)} tensors, expected one or more, each with a first dimension of examples"
        )
    lengths = [len(t) for t in tensors]
    if len(set(lengths)) != 1:
        raise ValueError(
            f"the tensors have {lengths} rows, expected the same number: one row of each is one example"
        )
    if not 1 <= batch_size <= lengths[0]:
        raise ValueError(f"batch_size is {batch_size}, expected 1 to {lengths[0]}, the number of examples")
    return _shuffled(tensors, batch_size, torch.Generator().manual_seed(seed))


def _shuffled(
    tensors: tuple[Tensor, ...], size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, ...]]:
    while True:
        order = torch.randperm(len(tensors[0]), generator=generator)
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            yield tuple(t[rows] for t in tensors)
