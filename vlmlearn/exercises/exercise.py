"""What an exercise is made of: a reference, cases to try it on, the mistakes people make, and hints."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from vlmlearn.messages import Message

MARKS = ("★★", "★★★", "🔧")
HINTS = 3


@dataclass(frozen=True)
class Case:
    """One call of the learner's function.

    Args:
        arguments: tensors, arrays or numbers, in the order of the parameters; the function gets copies.
        about: what is special about this case, shown when it is the one that fails.
        gradient: the parameters through which a gradient must flow.
    """

    arguments: tuple[Any, ...]
    about: Message | None = None
    gradient: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers it holds: the smallest failing case is the one shown."""
        return sum(a.size if isinstance(a, np.ndarray) else a.numel() for a in self.arguments if is_array(a))


@dataclass(frozen=True)
class Mistake:
    """A wrong version of the function, as people write it, and what to tell whoever wrote it.

    Args:
        name: how verdicts and graders call it, such as ``"one_direction"``.
        function: takes what the reference takes, returns its type and shape, never raises.
        zh, en: what went wrong, why it matters, where to look; never the line itself.
    """

    name: str
    function: Callable[..., Any]
    zh: str
    en: str

    @property
    def message(self) -> Message:
        return Message(self.zh, self.en)


@dataclass(frozen=True)
class Property:
    """Something the reference obeys, to name what fails where no listed mistake matches.

    Args:
        holds: takes the learner's function and the arguments of one case; whether the property holds there.
        zh, en: the property as a sentence.
    """

    holds: Callable[..., bool]
    zh: str
    en: str

    @property
    def message(self) -> Message:
        return Message(self.zh, self.en)


@dataclass(frozen=True)
class Exercise:
    """A function to write.

    Args:
        name: also the name of the function.
        reference: the right answer; its parameters are those a learner's function must take.
        cases: seed → calls, the same for the same seed; equal shapes and sizes for every seed.
        mistakes: at least one; no two may agree on every case.
        hints: three, from the idea to nearly the code.
        minutes: expected.
        mark: one of ``MARKS``.
        properties: tried in this order.
        demands: what right results alone do not show, such as working in chunks; checked when the values are right.
        any_length: how many rows come back is part of the answer: another number is a wrong value, no wrong shape.

    Raises:
        ValueError: no mistakes, another number of hints, or an unknown mark.
    """

    name: str
    reference: Callable[..., Any]
    cases: Callable[[int], Iterable[Case]]
    mistakes: tuple[Mistake, ...]
    hints: tuple[Message, ...]
    minutes: int
    mark: str
    properties: tuple[Property, ...] = ()
    demands: tuple[Property, ...] = ()
    any_length: bool = False

    seconds: ClassVar[float] = 10.0  # for all calls of a check together; the reference takes milliseconds

    def __post_init__(self) -> None:
        if not self.mistakes:
            raise ValueError(f"exercise {self.name!r} lists no mistakes: add those you have seen people make")
        if len(self.hints) != HINTS:
            raise ValueError(f"exercise {self.name!r} has {len(self.hints)} hints, expected {HINTS}")
        if self.mark not in MARKS:
            raise ValueError(f"exercise {self.name!r} has mark {self.mark!r}, expected one of {MARKS}")

    @property
    def parameters(self) -> list[str]:
        return list(inspect.signature(self.reference).parameters)

    @property
    def call(self) -> str:
        """How it is called: ``"clip_loss(image, text, scale)"``."""
        return f"{self.name}({', '.join(self.parameters)})"


def is_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray)
