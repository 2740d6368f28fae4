"""Call a function on a case, and compare what came back: values, and gradients where they matter."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlmlearn.exercises.exercise import Case, is_array

# Relative to the largest value, plus absolute: right answers sum in another order, or in another precision.
TOLERANCE = {torch.float64: (1e-6, 1e-8), torch.float32: (1e-4, 1e-4)}
EXACT = (0.0, 0.0)


@dataclass(frozen=True)
class Outcome:
    """What a function returned on one case, and what it did to get there.

    Args:
        value: as returned.
        gradients: parameter → gradient of a fixed weighted sum of the value, ``None`` where none arrived.
        changed: the parameters whose arguments the call has changed.
    """

    value: Any
    gradients: dict[str, Tensor | None] = field(default_factory=dict)
    changed: tuple[str, ...] = ()


def run(function: Callable[..., Any], case: Case, parameters: list[str]) -> Outcome:
    """Call ``function`` once for its value and, where the case asks for gradients, once more for those."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = _copies(case)
        value = function(*given)
        changed = tuple(
            name
            for name, before, after in zip(parameters, case.arguments, given, strict=True)
            if not _untouched(before, after)
        )
        if changed or not case.gradient or not isinstance(value, Tensor):
            return Outcome(value, changed=changed)
        if value.device != given[0].device:  # complained about anyway
            return Outcome(value)
        leaves = dict(zip(parameters, _copies(case), strict=True))
        for name in case.gradient:
            leaves[name].requires_grad_()
        return Outcome(
            value, _gradients(function(*leaves.values()), [leaves[n] for n in case.gradient], case)
        )


def complaint(expected: Any, value: Any, *, any_length: bool = False) -> str | None:
    """In which respect ``value`` is not the kind of thing expected: type, shape, dtype or device.

    Args:
        any_length: its first axis may be longer or shorter.
    """
    if isinstance(expected, float):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        return None if number or (is_array(value) and value.ndim == 0) else "type"
    if not isinstance(value, type(expected)):
        return "type"
    if isinstance(expected, str):
        return None
    free = int(any_length and value.ndim > 0)
    if value.ndim != expected.ndim or tuple(value.shape[free:]) != tuple(expected.shape[free:]):
        return "shape"
    if value.dtype != expected.dtype:
        return "dtype"
    if isinstance(value, Tensor) and value.device != expected.device:
        return "device"
    return None


def same(one: Outcome, other: Outcome, *, values_only: bool = False) -> bool:
    """Whether both agree; two results that overflowed agree, whether they ended as infinity or NaN."""
    if not same_values(one.value, other.value):
        return False
    if values_only:
        return True
    return one.gradients.keys() == other.gradients.keys() and not different_gradients(one, other)


def different_gradients(expected: Outcome, found: Outcome) -> list[str]:
    """The parameters whose gradients differ."""
    return [
        name
        for name, gradient in expected.gradients.items()
        if not _same_gradients(gradient, found.gradients.get(name))
    ]


def same_values(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    a, b = as_tensor(one), as_tensor(other)
    if a.shape != b.shape:
        return False
    relative, absolute = TOLERANCE.get(a.dtype, EXACT)
    a, b = a.double(), b.double()
    finite = a.isfinite()
    if not torch.equal(finite, b.isfinite()):
        return False
    a, b = a[finite], b[finite]
    bound = absolute + (relative * a.abs().max().item() if len(a) else 0)
    return bool(((a - b).abs() <= bound).all())


def has_nan(value: Any) -> bool:
    return not isinstance(value, str) and bool(as_tensor(value).isnan().any())


def as_tensor(value: Any) -> Tensor:
    """A result as a tensor on the CPU, outside of any graph."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    return torch.tensor(float(value), dtype=torch.float64)


def _copies(case: Case) -> list[Any]:
    return [a.clone() if isinstance(a, Tensor) else copy.deepcopy(a) for a in case.arguments]


def _untouched(before: Any, after: Any) -> bool:
    if isinstance(before, list | dict):
        return repr(before) == repr(after)  # what they hold need not have a plain ==
    if not is_array(before):
        return True
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    equal = (before == after) | ((before != before) & (after != after))  # NaN differs from itself
    return bool(equal.all()) and not getattr(after, "requires_grad", False)


def _gradients(value: Any, leaves: list[Tensor], case: Case) -> dict[str, Tensor | None]:
    if not isinstance(value, Tensor) or not value.requires_grad or not value.is_floating_point():
        return dict.fromkeys(case.gradient)
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(value.shape, generator=generator, dtype=torch.float64).to(value) + 0.5
    found = torch.autograd.grad((value * weights).sum(), leaves, allow_unused=True)
    return dict(zip(case.gradient, found, strict=True))


def _same_gradients(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:  # beyond a bound, say, no graph is as good as a gradient of zero
        known = one if other is None else other
        return known is None or not bool(known.any())
    return same_values(one, other)
