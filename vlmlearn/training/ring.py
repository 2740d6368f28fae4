"""The ring of SigLIP's loss at work on this machine: what it computes, what it sends, what it spares."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.nn import functional as F

from vlmlearn.losses import ring_siglip_loss, siglip_loss
from vlmlearn.training.processes import run_processes


@dataclass(frozen=True)
class RingReport:
    """What one step of ``ring_siglip_loss`` gives and takes.

    Args:
        loss, loss_alone: of the full batch: by the ring, and by ``siglip_loss`` in one process.
        gradient_error: |g − g*| / |g*|, the largest over the features of all ranks, after the mean over ranks.
        matrix_bytes: all logits of the full batch, of which the ring makes none but a chunk at a time.
        gathered_bytes: the captions of all ranks, which gathering would put on each of them.
        foreign_bytes: the captions of one other rank with their gradient, all that the ring keeps there of others.
        sent_bytes: what one rank passes on in one step, gradients included.
    """

    loss: float
    loss_alone: float
    gradient_error: float
    matrix_bytes: int
    gathered_bytes: int
    foreign_bytes: int
    sent_bytes: int


def ring_demo(pairs: int = 512, dim: int = 64, processes: int = 2, seed: int = 0) -> RingReport:
    """Share a random batch among processes, and compare their loss and gradients with those of the full batch.

    Args:
        pairs: of the full batch, a multiple of ``processes``.
        dim: width of the features.
        processes: started for this on the machine at hand.
        seed: of the features.

    Raises:
        ValueError: a number below 1, or pairs that cannot be divided evenly.
    """
    if min(pairs, dim, processes) < 1 or pairs % processes:
        raise ValueError(
            f"{pairs} pairs of width {dim} on {processes} processes: expected numbers from 1 on, "
            f"and a multiple of {processes} pairs"
        )
    found = run_processes(_compare_with_full_batch, processes, pairs, dim, seed)
    captions = pairs // processes * dim * 4
    return RingReport(
        loss=found[0]["loss"],
        loss_alone=found[0]["loss_alone"],
        gradient_error=max(its["gradient_error"] for its in found),
        matrix_bytes=pairs * pairs * 4,
        gathered_bytes=processes * captions,
        foreign_bytes=2 * captions if processes > 1 else 0,
        # W − 1 times captions and gradient, and then the gradient home
        sent_bytes=(2 * (processes - 1) + 1) * captions if processes > 1 else 0,
    )


def _compare_with_full_batch(pairs: int, dim: int, seed: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(seed)
    whole = F.normalize(torch.randn(2, pairs, dim, generator=generator), dim=-1)
    features = whole.clone().requires_grad_()
    alone = siglip_loss(features[0], features[1], 10.0, -10.0)
    (expected,) = torch.autograd.grad(alone, features)

    rank, size = dist.get_rank(), dist.get_world_size()
    own = whole.chunk(size, dim=1)[rank].clone().requires_grad_()
    loss = ring_siglip_loss(own[0], own[1], 10.0, -10.0)
    (gradient,) = torch.autograd.grad(loss, own)
    reference = expected.chunk(size, dim=1)[rank]
    error = (gradient / size - reference).norm() / reference.norm()
    return {"loss": loss.item(), "loss_alone": alone.item(), "gradient_error": error.item()}
