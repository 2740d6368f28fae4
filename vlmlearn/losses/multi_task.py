"""Several tasks, one model: how much the loss of each counts in the sum.

All three take the losses of a batch by name and return what ``training.fit`` asks for: a dict with the scalar "loss"
to minimise, the parts, and the weights where they are learnt.

    model.balance = UncertaintyWeights({"depth": "regression", "classes": "classification"})
    fit(model, batches, lambda model, batch: model.balance(task_losses(model, batch)), config)
"""

import difflib
from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.losses.task_checks import LARGEST, check_number, precise

KINDS = {"regression": 0.5, "classification": 1.0}  # the factor of exp(-s): L/2σ² and L/σ²
SMALLEST = 1e-12  # of a first loss and of a mean gradient: less is no measure
LARGEST_LOG_VARIANCE = 50.0  # exp(50) times any loss stays inside float32


class FixedWeights(nn.Module):
    """The sum of the losses, each times a weight that does not change.

    Args:
        weights: one for each task, from 0 upwards.

    Raises:
        ValueError: no task, a task named "loss" or "weight_…", a weight below 0 or not finite.
    """

    weights: Tensor

    def __init__(self, weights: Mapping[str, float | int]):
        super().__init__()
        self.tasks = _check_tasks(weights)
        for task, weight in weights.items():
            check_number(f"the weight of {task!r}", weight, 0, LARGEST, "0 leaves a task out of the sum")
        self.register_buffer("weights", torch.tensor([float(weights[task]) for task in self.tasks]))

    def forward(self, losses: Mapping[str, Float[Tensor, ""]]) -> dict[str, Float[Tensor, ""]]:
        """Losses by task → "loss", and the losses as they came.

        Raises:
            ValueError: other tasks than at the start, or a loss that is no finite scalar.
        """
        return {"loss": (self.weights * _stack(losses, self.tasks)).sum(), **losses}


class UncertaintyWeights(nn.Module):
    """Each task learns how noisy it is, and noisy ones count less: e^{−s} L / 2 + s / 2 with s = log σ², learnt.

    Where L is the negative logarithm of a softmax, e^{−s} L + s / 2. Of a loss that stays, s finds the logarithm:
    s = log L, or log 2L for a classification. So the "loss" may well fall below 0.

    Args:
        kinds: "regression" or "classification" for each task. Make the module a part of the model, so that its
            ``log_variances``, all 0 at first, are trained.

    Raises:
        ValueError: no task, a task named "loss" or "weight_…", another kind.

    Kendall, Gal & Cipolla 2018, equations 7 and 10.
    """

    scale: Tensor

    def __init__(self, kinds: Mapping[str, str]):
        super().__init__()
        self.tasks = _check_tasks(kinds)
        for task, kind in kinds.items():
            if kind not in KINDS:
                near = difflib.get_close_matches(str(kind), KINDS, n=1, cutoff=0)[0]
                raise ValueError(
                    f"the kind of {task!r} is {kind!r}, expected one of {', '.join(KINDS)}: "
                    f"did you mean {near!r}?"
                )
        self.log_variances = nn.Parameter(torch.zeros(len(self.tasks)))
        self.register_buffer("scale", torch.tensor([KINDS[kinds[task]] for task in self.tasks]))

    def forward(self, losses: Mapping[str, Float[Tensor, ""]]) -> dict[str, Float[Tensor, ""]]:
        """Losses by task → "loss", the losses as they came, and "weight_…" for each: the factor it now has.

        Raises:
            ValueError: other tasks than at the start, a loss that is no finite scalar from 0 upwards, a log-variance
                beyond ±50.
        """
        values = _stack(losses, self.tasks, low=0.0)
        log_variances = precise(self.log_variances)
        for task, value in zip(self.tasks, log_variances.tolist(), strict=True):
            name, fix = (
                f"the log-variance of {task!r}",
                "leave out a task whose loss stays 0, or train slower",
            )
            check_number(name, value, -LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE, fix)
        weights = self.scale * torch.exp(-log_variances)
        total = (weights * values + log_variances / 2).sum()
        return {"loss": total, **losses, **_named_weights(self.tasks, weights)}


class GradNorm(nn.Module):
    """All tasks pull at the shared layers with gradients of one length, those that lag behind a little harder.

        G_i = ‖∇_W w_i L_i‖          how hard task i pulls at the weights W
        r_i = L_i / L_i(0), divided by its mean over the tasks: above 1 for a task that lags behind
        Σ |G_i − mean(G) r_i^α|      the loss of the weights w, which always sum to the number of tasks

    The weights take one step after every training batch, by themselves, in log w and in units of mean(G): so none
    becomes negative, and the unit of a loss does not matter. (The paper steps in w.) In evaluation they rest.

    Args:
        tasks: their names.
        alpha: how much harder those pull that lag behind; 0: all the same.
        learning_rate: the largest change of log w in a step is this times the number of tasks.

    Raises:
        ValueError: no task, a task named twice, "loss" or "weight_…", ``alpha`` outside 0 … 100, ``learning_rate``
            outside 0 … 1.

    Chen et al. 2018, equations 1 and 2, algorithm 1. L_i(0) is a task's first loss above 0; until each task has had
    one, the weights stay 1.
    """

    weights: Tensor
    first: Tensor

    def __init__(self, tasks: Iterable[str], *, alpha: float | int = 1.5, learning_rate: float | int = 0.025):
        super().__init__()
        self.tasks = _check_tasks(tasks)
        check_number("alpha", alpha, 0, 100, "the paper has 0.12 to 1.5; 0 gives all tasks equal gradients")
        check_number(
            "learning_rate", learning_rate, 0, 1, "it is the relative change of a weight, often 0.025"
        )
        self.alpha, self.learning_rate = float(alpha), float(learning_rate)
        self.register_buffer("weights", torch.ones(len(self.tasks)))
        self.register_buffer("first", torch.zeros(len(self.tasks)))

    def forward(
        self, losses: Mapping[str, Float[Tensor, ""]], shared: Float[Tensor, "..."] | None = None
    ) -> dict[str, Float[Tensor, ""]]:
        """Losses by task → "loss", the losses as they came, and "weight_…" for each: the factor it now has.

        Args:
            shared: W, the weight of the last layer that all tasks share. Needed in training only.

        Raises:
            ValueError: other tasks than at the start, a loss that is no finite scalar from 0 upwards; in training
                no ``shared``, or a loss that does not depend on it.
        """
        values = _stack(losses, self.tasks, low=0.0)
        weights = self.weights.clone()  # this batch's; the step below is for the next one
        if self.training and torch.is_grad_enabled():
            self._step(values.detach(), gradient_norms({task: losses[task] for task in self.tasks}, shared))
        total = (weights * values).sum()
        return {"loss": total, **losses, **_named_weights(self.tasks, weights)}

    def _step(self, losses: Float[Tensor, "tasks"], norms: Float[Tensor, "tasks"]) -> None:
        self.first.copy_(self.first.where(self.first > 0, losses.where(losses > SMALLEST, 0)))
        pulls = self.weights * norms
        if not self.first.all() or pulls.mean() < SMALLEST:
            return  # a task has not begun yet, or none pulls: there is nothing to compare
        rates = losses / self.first
        targets = pulls.mean() * (rates / rates.mean()) ** self.alpha
        slopes = torch.sign(pulls - targets) * pulls  # d/dlog w of |w·norm − target|, the target held fixed
        stepped = self.weights * torch.exp(-self.learning_rate * slopes / pulls.mean())
        self.weights.copy_(stepped * len(self.tasks) / stepped.sum())


def gradient_norms(
    losses: Mapping[str, Float[Tensor, ""]], shared: Float[Tensor, "..."] | None
) -> Float[Tensor, "tasks"]:
    """The length of each loss's gradient at the shared weights; the graphs are kept for the backward pass.

    Raises:
        ValueError: no shared weights, a loss that does not depend on them, a gradient that is not finite.
    """
    if shared is None or not shared.requires_grad:
        raise ValueError(
            f"shared is {'None' if shared is None else 'frozen'}, expected the trainable weight of the last layer "
            "that all tasks share: pass for instance shared=model.neck.weight"
        )
    norms = []
    for task, loss in losses.items():
        gradient = None
        if loss.requires_grad:
            (gradient,) = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
        if gradient is None:
            raise ValueError(
                f"the loss of {task!r} does not depend on the shared weights: pass a layer that every task runs "
                "through; where a batch has no labels for a task, a sum over no places still depends on it"
            )
        norms.append(torch.linalg.vector_norm(precise(gradient)))
        check_number(
            f"the gradient's norm of {task!r}", norms[-1].item(), 0, LARGEST, "look for an exploding loss"
        )
    return torch.stack(norms)


def _check_tasks(tasks: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tasks, str):
        raise ValueError(f"the tasks are the text {tasks!r}, expected several names: pass [{tasks!r}]")
    names = tuple(tasks)
    taken = [name for name in names if name == "loss" or name.startswith("weight_")]
    if not names or len(set(names)) < len(names) or taken:
        raise ValueError(
            f"the tasks are {list(names)}, expected at least one, each once, and none named 'loss' or 'weight_…': "
            "the results have these names"
        )
    return names


def _stack(
    losses: Mapping[str, Tensor], tasks: tuple[str, ...], low: float = -LARGEST
) -> Float[Tensor, "tasks"]:
    if set(losses) != set(tasks):
        raise ValueError(
            f"losses of {sorted(losses)} came, expected {sorted(tasks)}: return every task from every batch, "
            "and 0 where it has no labels"
        )
    for task, loss in losses.items():
        if not isinstance(loss, Tensor) or loss.ndim:
            came = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise ValueError(f"the loss of {task!r} is {came}, expected a scalar tensor: take the mean")
    values = torch.stack([precise(losses[task]) for task in tasks])
    for task, value in zip(tasks, values.tolist(), strict=True):
        fix = "NaN often comes from too high a learning rate, a loss below 0 from a swapped sign"
        check_number(f"the loss of {task!r}", value, low, LARGEST, fix)
    return values


def _named_weights(tasks: tuple[str, ...], weights: Float[Tensor, "tasks"]) -> dict[str, Float[Tensor, ""]]:
    return {f"weight_{task}": weight for task, weight in zip(tasks, weights.detach().unbind(), strict=True)}
