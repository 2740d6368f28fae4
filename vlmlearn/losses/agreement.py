"""Before processes share a batch: do all of them have the same idea of it? And what if one does not answer?

A process that stops alone leaves the others waiting. So bad input on one rank is told to all, and all stop.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

Fact = str | int | float | bool

# What must be the same on every rank, and what to do where it is not.
SAME_START = "wrap the model in DistributedDataParallel, or start from the same seed everywhere"
SAME_FREEZING = "freeze the same tower on every rank, and use no_grad on all ranks or none"
FIXES = {
    "number of pairs": "give every rank as many, for instance with drop_last=True",
    "width": "run the same model on every rank",
    "dtype": "use the same precision on every rank",
    "loss": "call the same one, with the same options, on every rank",
    "logit_scale": SAME_START,
    "logit_bias": SAME_START,
    "gradient of image_features": SAME_FREEZING,
    "gradient of text_features": SAME_FREEZING,
}
NEARLY = 1e-4  # unlike processors may round exp(log_scale) in other ways


def check_group(group: dist.ProcessGroup | None) -> dist.ProcessGroup:
    """The group to talk to: ``group``, or all processes.

    Raises:
        RuntimeError: ``torch.distributed`` is not initialised.
        ValueError: this process is no member.
    """
    if not dist.is_available() or not dist.is_initialized():
        raise RuntimeError(
            "torch.distributed is not initialised: call torch.distributed.init_process_group first, "
            "or use clip_loss or siglip_loss in a single process"
        )
    group = dist.group.WORLD if group is None else group
    if not isinstance(group, dist.ProcessGroup) or dist.get_rank(group) < 0:
        raise ValueError("this process is no member of the group: call the loss on its members only")
    return group


def describe(
    loss: str, image_features: Tensor, text_features: Tensor, numbers: Mapping[str, Tensor | float | int]
) -> dict[str, Fact]:
    """What all ranks must agree on."""
    return {
        "loss": loss,
        "number of pairs": len(image_features),
        "width": image_features.shape[1],
        "dtype": str(image_features.dtype),
        **{name: float(torch.as_tensor(number).detach()) for name, number in numbers.items()},
        **{
            f"gradient of {name}": features.requires_grad and torch.is_grad_enabled()
            for name, features in (("image_features", image_features), ("text_features", text_features))
        },
    }


def agree(group: dist.ProcessGroup, check: Callable[[], dict[str, Fact]]) -> None:
    """Run ``check`` on every rank, and go on only if none raised and all returned the same.

    Raises:
        ValueError: on every rank, if one raised or two differ; what ``check`` raised, where it did.
        ConnectionError, TimeoutError: see ``reaching``.
    """
    problem: Exception | None = None
    found: dict[str, Fact] = {}
    try:
        found = check()
    except Exception as error:
        problem = error
    reports: list[tuple[str | None, dict[str, Fact]]] = [(None, {})] * group.size()
    try:
        with reaching(group):
            dist.all_gather_object(reports, (None if problem is None else str(problem), found), group=group)
    finally:
        if problem is not None:
            raise problem

    for rank, (message, _) in enumerate(reports):
        if message is not None:
            raise ValueError(f"rank {rank} of {group.size()} stopped, so this one does, too: {message}")
    for name in found:
        values = [report[name] for _, report in reports]
        other = next((rank for rank, its in enumerate(values) if _differ(its, values[0])), None)
        if other is not None:
            raise ValueError(
                f"{name} is {values[0]} on rank 0 and {values[other]} on rank {other}, "
                f"expected the same: {FIXES[name]}"
            )


@contextmanager
def reaching(group: dist.ProcessGroup) -> Iterator[None]:
    """Say in plain words that the other ranks cannot be reached.

    Raises:
        TimeoutError: none answered within the time-out of the group.
        ConnectionError: one is gone.
    """
    try:
        yield
    except RuntimeError as error:
        rank, size = dist.get_rank(group), group.size()
        others = ", ".join(str(other) for other in range(size) if other != rank)
        late = re.search("timed? ?out", str(error), re.IGNORECASE) is not None
        raise (TimeoutError if late else ConnectionError)(
            f"rank {rank} of {size} waited for rank {others}: "
            + ("time-out, no answer" if late else "the connection was lost")
            + ". One stopped, or does not call the same loss: look for the first error among them; if it is only slow, "
            f"pass a longer timeout to init_process_group. The backend says: {error}"
        ) from error


def _differ(one: Fact, other: Fact) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return not math.isclose(one, other, rel_tol=NEARLY)
    return one != other
