"""What a repair is made of: a training run with one planted fault, told by its score whether it is mended."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from vlmlearn.exercises.exercise import Case, Exercise
from vlmlearn.messages import Message


@dataclass(frozen=True)
class Trial:
    """How one run of the learner's function went.

    Args:
        score: percent right on data that training has not seen.
        answers: what the model says about that data; two functions that train alike give equal answers.
        losses: as the function returned them, as far as they are numbers.
    """

    score: float
    answers: Tensor
    losses: tuple[float, ...] = ()


class TooManySteps(Exception):
    """The function trains for much longer than it was told to."""


def no_cases(seed: int) -> Iterable[Case]:
    """A repair is tried by training, not on cases."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Repair(Exercise):
    """A function that trains, handed out with a fault in it.

    It has passed when the trained model reaches the bound, however the learner has mended it. The planted fault and
    the mistakes are recognised by a run of a few steps, which leaves equal models behind.

    Args:
        planted: the function as the notebook hands it out.
        trial: (function, seed, brief) → how its training went; a brief one takes a few steps. It is called on a
            seeded generator and a single thread; neither reaches the learner's session.
        measure: what the score is called.
        bound: the score from which the fault counts as gone.
        before: about what the planted fault leaves, to compare with.
        guess: what guessing gives.
        symptom: how the planted fault shows, without a digit that may differ between machines.
    """

    cases: Callable[[int], Iterable[Case]] = no_cases
    planted: Callable[..., Any]
    trial: Callable[[Callable[..., Any], int, bool], Trial]
    measure: Message
    bound: int
    before: int
    guess: int
    symptom: Message

    seconds: ClassVar[float] = 60.0


def run(
    function: Callable[..., Any],
    model: nn.Module,
    *data: Tensor,
    steps: int,
    counted: nn.Module | None = None,
) -> tuple[float, ...]:
    """Let ``function`` train ``model`` on copies of ``data``, and return the losses that it returns.

    Args:
        counted: the part of the model whose calls are counted, by default all of it.

    Raises:
        TooManySteps: more than twice as many calls as steps, each of them with gradients.
    """
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += torch.is_grad_enabled()

    handle = (counted or model).register_forward_hook(count)
    try:
        returned = function(model, *(tensor.clone() for tensor in data), steps)
    finally:
        handle.remove()
    if calls > 2 * steps:
        raise TooManySteps
    model.eval()
    return _numbers(returned)


def _numbers(returned: Any) -> tuple[float, ...]:
    """The losses help to say what the curve looks like; nothing else depends on them."""
    try:
        return tuple(float(loss) for loss in returned)
    except (TypeError, ValueError, RuntimeError):
        return ()
