"""The one training loop: a fixed number of steps, a learning rate that rises and falls, and a record."""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from vlmlearn.training.optimizers import make_optimizers
from vlmlearn.training.schedules import warmup_cosine

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Args:
        steps: optimizer steps. Fixed, not timed: the same program does the same work on every machine.
        learning_rate: AdamW's, for embeddings, norms and biases.
        matrix_learning_rate: Muon's, for weight matrices; None trains them with AdamW too.
        weight_decay: of matrices and embeddings.
        warmup: fraction of the steps in which the learning rate rises.
        max_grad_norm: longer gradients are shortened to this; None leaves them.
        precision: "float32", or "bfloat16" for autocast.
        log_every: steps between two records.

    Raises:
        ValueError: a number out of range, or an unknown precision.
    """

    steps: int
    learning_rate: float = 5e-3
    matrix_learning_rate: float | None = 0.03
    weight_decay: float = 0.05
    warmup: float = 0.05
    max_grad_norm: float | None = 1.0
    precision: str = "float32"
    log_every: int = 10

    def __post_init__(self) -> None:
        if self.steps < 1 or self.log_every < 1:
            raise ValueError(
                f"steps is {self.steps}, log_every {self.log_every}: expected at least 1 of each"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected one of {', '.join(PRECISIONS)}")
        for name in ("learning_rate", "matrix_learning_rate", "weight_decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value}, expected a finite number from 0 on")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup is {self.warmup}, expected a fraction of the training from 0 to 1")
        if self.max_grad_norm is not None and not self.max_grad_norm > 0:
            raise ValueError(
                f"max_grad_norm is {self.max_grad_norm}, expected above 0, or None to leave gradients"
            )


@dataclass
class History:
    """What was recorded: ``history.values["loss"][i]`` is the value at step ``history.steps[i]``."""

    steps: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def record(self, step: int, named: Mapping[str, Tensor]) -> None:
        """Add scalars at a step; ``ValueError`` unless they have the same names every time."""
        if self.steps and set(named) != set(self.values):
            raise ValueError(
                f"step {step} has {sorted(named)}, the steps before {sorted(self.values)}: "
                "return the same names from the loss at every step"
            )
        self.steps.append(step)
        for name, value in named.items():
            self.values.setdefault(name, []).append(float(value.detach()))

    def last(self, name: str = "loss", count: int = 10) -> float:
        """The mean of the last ``count`` records of a value."""
        if name not in self.values:
            raise ValueError(f"{name!r} was not recorded, expected one of {', '.join(self.values)}")
        if count < 1:
            raise ValueError(f"count is {count}, expected at least 1 record to take the mean of")
        tail = self.values[name][-count:]
        return sum(tail) / len(tail)


def fit(
    model: nn.Module,
    batches: Iterable[Any],
    loss: Callable[[Any, Any], Tensor | Mapping[str, Tensor]],
    config: TrainConfig,
    *,
    after_step: Callable[[], None] | None = None,
    device: torch.device | str | None = None,
) -> History:
    """Train ``model`` in place and say what happened.

    Args:
        model: its trainable parameters are optimized; it is moved to ``device``, and left in evaluation mode.
        batches: at least ``config.steps`` batches: tensors, or tuples, lists and dicts of them.
        loss: (model, batch) to a scalar, or to a dict whose "loss" is optimized and whose other scalars are
            recorded.
        config: see ``TrainConfig``.
        after_step: called after every optimizer step, for instance to clamp a temperature.
        device: where to train; by default where the model is.

    Raises:
        ValueError: nothing is trainable, the batches run out, or the loss is no finite scalar that depends on
            the trainable parameters (the message names the step; the step's update is not made).
    """
    if device is None:
        device = next((p.device for p in model.parameters()), "cpu")
    device = torch.device(device)
    model.to(device).train()
    optimizers = make_optimizers(
        model,
        learning_rate=config.learning_rate,
        matrix_learning_rate=config.matrix_learning_rate,
        weight_decay=config.weight_decay,
    )
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    peaks = [group["lr"] for group in groups]
    weights = [weight for group in groups for weight in group["params"]]
    history, source, start = History(), iter(batches), time.perf_counter()

    quiet = bool(os.environ.get("TQDM_DISABLE"))  # which the bar of notebooks does not read by itself
    with tqdm(total=config.steps, desc="training", unit="step", disable=quiet) as bar:
        for step in range(config.steps):
            factor = warmup_cosine(step, config.steps, config.warmup)
            for group, peak in zip(groups, peaks, strict=True):
                group["lr"] = peak * factor
            batch = _next_batch(source, step, config.steps)
            with _autocast(device, config.precision):
                named = _as_dict(loss(model, _to(batch, device)))
            _check_loss(named["loss"], step)
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            named["loss"].backward()
            if config.max_grad_norm is not None:
                nn.utils.clip_grad_norm_(weights, config.max_grad_norm)
            for optimizer in optimizers:
                optimizer.step()
            if after_step is not None:
                after_step()
            if step % config.log_every == 0 or step == config.steps - 1:
                history.record(step, named)
                bar.set_postfix(loss=f"{history.values['loss'][-1]:.3f}")
            bar.update()
    history.seconds = time.perf_counter() - start
    model.eval()
    return history


def _next_batch(source: Any, step: int, steps: int) -> Any:
    try:
        return next(source)
    except StopIteration:
        raise ValueError(
            f"the batches ran out after {step} of {steps} steps: "
            "pass an endless iterator such as shuffled_batches"
        ) from None


def _as_dict(result: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {"loss": result} if isinstance(result, Tensor) else dict(result)
    if "loss" not in named:
        raise ValueError(
            f"loss returned only {sorted(named)}, expected a scalar, or a dict with a scalar 'loss'"
        )
    for name, value in named.items():
        if not isinstance(value, Tensor) or value.ndim:
            came = (
                f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
            )
            raise ValueError(f"loss returned a {name!r} {came}, expected a scalar tensor: take the mean")
    return named


def _check_loss(loss: Tensor, step: int) -> None:
    if not loss.requires_grad:
        raise ValueError(
            f"the loss at step {step} does not depend on a trainable parameter: "
            "look for detach(), item() or no_grad() on its way"
        )
    if not torch.isfinite(loss):
        raise ValueError(
            f"the loss is {float(loss.detach())} at step {step}: lower the learning rates, or look for a "
            "logarithm of zero or an overflowing exponential in the loss"
        )


def _autocast(device: torch.device, precision: str) -> Any:
    return nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: _to(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        moved = [_to(value, device) for value in batch]
        is_named = hasattr(batch, "_fields")  # a named tuple takes its values one by one
        return type(batch)(*moved) if is_named else type(batch)(moved)
    return batch
