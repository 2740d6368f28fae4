"""Optimizers: AdamW for vectors and embeddings, Muon for weight matrices."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Momentum whose every update is made orthogonal (Jordan et al. 2024, "Muon").

    The update of a weight matrix usually has a few large directions and many small ones. Muon replaces all
    its singular values by about one, so the small directions learn as fast as the large. ``torch.optim.Muon``
    does the same in bfloat16, which gives other results on other machines; this one stays in the weights' own
    precision.

    Args:
        params: matrices, or convolution weights, which are seen as (out, everything else).
        lr: size of each update.
        momentum: share of the running mean kept (Nesterov).
        weight_decay: shrinks the weights by lr * weight_decay a step.

    Raises:
        ValueError: a parameter with fewer than two dimensions.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ):
        weights = list(params)
        for weight in weights:
            if isinstance(weight, Tensor) and weight.ndim < 2:
                raise ValueError(
                    f"a parameter has shape {tuple(weight.shape)}, expected a matrix: give vectors to AdamW"
                )
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every weight that has a gradient; returns what ``closure`` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            # Small matrices one by one would leave the processor waiting: those of one shape go together.
            by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape[weight.flatten(1).shape].append(weight)
            for (rows, columns), weights in by_shape.items():
                ahead = torch.stack([self._ahead(weight, group["momentum"]) for weight in weights])
                size = group["lr"] * max(1, rows / columns) ** 0.5
                for weight, update in zip(weights, orthogonalize(ahead), strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(update.view_as(weight), alpha=size)
        return loss

    def _ahead(self, weight: Tensor, momentum: float) -> Tensor:
        """The gradient's running mean, one step ahead (Nesterov), as a matrix."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight)
        state["mean"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(state["mean"], momentum).flatten(1)


def orthogonalize(
    matrices: Float[Tensor, "batch rows columns"], steps: int = 5
) -> Float[Tensor, "batch rows columns"]:
    """About the nearest orthogonal matrix, by a quintic iteration on each singular value.

    Those above 1% of the matrix's norm end between 0.6 and 1.25, smaller ones between zero and that:
    a direction that is missing stays so.
    """
    a, b, c = 3.4445, -4.7750, 2.0315  # Jordan et al. 2024: the steepest start that still ends near one
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def make_optimizers(
    model: nn.Module, *, learning_rate: float, matrix_learning_rate: float | None, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Muon for the weights of linear and convolution layers, AdamW for everything else that is trainable.

    Args:
        learning_rate: AdamW's.
        matrix_learning_rate: Muon's; None leaves the matrices to AdamW as well.
        weight_decay: of matrices and embeddings; biases, norms and scalars are not decayed.

    Raises:
        ValueError: nothing in the model is trainable.
    """
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("the model has no trainable parameter: unfreeze some with requires_grad_(True)")
    matrices: dict[int, Tensor] = {}
    if matrix_learning_rate is not None:
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.requires_grad:
                matrices[id(module.weight)] = module.weight
    tied = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices = {key: weight for key, weight in matrices.items() if key not in tied}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in matrices]
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=learning_rate,
        betas=(0.9, 0.98),
    )
    if not matrices:
        return [adamw]
    return [Muon(matrices.values(), lr=matrix_learning_rate or 0.0, weight_decay=weight_decay), adamw]
