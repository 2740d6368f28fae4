"""Batch norm over the batch of all processes: else each normalizes by the pictures that it happens to hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.losses.agreement import check_group
from vlmlearn.losses.distributed import gather_rows


@contextmanager
def shared_batch_norm(model: nn.Module, group: dist.ProcessGroup | None = None) -> Iterator[None]:
    """While it lasts, every ``nn.BatchNorm2d`` in training mode takes mean and variance over all ranks.

    Args:
        model: as before when the context ends.
        group: the processes that share the batch, as many pictures on each; None is all of them.

    Raises:
        RuntimeError: ``torch.distributed`` is not initialised.
        ValueError: a norm without weights, running statistics or a momentum.

    Equals ``torch.nn.SyncBatchNorm``, which needs a GPU.
    """
    group = check_group(group)
    norms = {name: norm for name, norm in model.named_modules() if isinstance(norm, nn.BatchNorm2d)}
    for name, norm in norms.items():
        if not (norm.affine and norm.track_running_stats and norm.momentum is not None):
            raise ValueError(
                f"{name} is {norm}, expected a batch norm with weights, running statistics and a momentum: "
                "use the defaults of nn.BatchNorm2d"
            )
    try:
        for norm in norms.values():
            norm.forward = partial(_normalize, norm, group)  # type: ignore[method-assign]
        yield
    finally:
        for norm in norms.values():
            del norm.forward


def _normalize(
    norm: nn.BatchNorm2d, group: dist.ProcessGroup, x: Float[Tensor, "batch channels h w"]
) -> Float[Tensor, "batch channels h w"]:
    if not norm.training:
        return nn.BatchNorm2d.forward(norm, x)
    variances, means = torch.var_mean(x, dim=(0, 2, 3), correction=0)
    means, variances = gather_rows(torch.stack([means, variances])[:, None], group)
    mean = means.mean(0)
    # As many pictures everywhere, so: variance within the ranks, and between them.
    variance = variances.mean(0) + (means - mean).square().mean(0)

    count = group.size() * x.numel() // x.shape[1]
    with torch.no_grad():
        assert norm.num_batches_tracked is not None and norm.running_mean is not None
        assert norm.running_var is not None and norm.momentum is not None
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)
    factor = norm.weight * (variance + norm.eps).rsqrt()
    offset = norm.bias - mean * factor
    return x * factor[:, None, None] + offset[:, None, None]
