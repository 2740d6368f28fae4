"""From a learner's function to a verdict, in an order that names the first thing to look at."""

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from vlmlearn.exercises import say, say_repair
from vlmlearn.exercises.errors import own_line
from vlmlearn.exercises.exercise import Exercise
from vlmlearn.exercises.limits import OutOfTime, captured_output, time_limit
from vlmlearn.exercises.outcome import (
    Outcome,
    complaint,
    different_gradients,
    has_nan,
    run,
    same,
    same_values,
)
from vlmlearn.exercises.registry import in_chapter, names
from vlmlearn.exercises.repair import Repair
from vlmlearn.exercises.rerun import own_session, prepare, rerun
from vlmlearn.exercises.verdict import Verdict


def diagnose(exercise: Exercise, function: Any, *, seed: int = 0, seconds: float | None = None) -> Verdict:
    """Try ``function`` on the exercise's cases of ``seed`` and say what is wrong with it, if anything.

    An exercise has its own limit of time; ``seconds`` sets another. Everything the function prints is kept back;
    its first characters are shown with the verdict. Only an interrupt by the user leaves this function as an
    exception.
    """
    limit = exercise.seconds if seconds is None else seconds
    if (unfit := _unfit(exercise, function)) is not None:
        return unfit
    session = own_session() if isinstance(exercise, Repair) else nullcontext()
    with session, captured_output() as printed:
        if isinstance(exercise, Repair):
            prepare(exercise, seed)
        try:
            with time_limit(limit):
                found = _try(exercise, function, seed)
        except OutOfTime:
            found = _out_of_time(exercise, limit)
        except RecursionError as error:
            found = say.recursion(exercise, own_line(error, function))
        except (Exception, SystemExit) as error:
            found = say.raised(exercise, error, own_line(error, function))
    return say.with_output(found, printed)


def _unfit(exercise: Exercise, function: Any) -> Verdict | None:
    """Say so where ``function`` cannot be called as the exercise asks."""
    if inspect.isclass(function):
        return say.not_a_function(exercise, "class", function)
    if not callable(function):
        return say.not_a_function(exercise, "value", function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return say.not_a_function(exercise, "generator", function)
    if inspect.iscoroutinefunction(function):
        return say.not_a_function(exercise, "coroutine", function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C do not tell
        return None
    theirs = list(signature.parameters)
    try:
        signature.bind(*exercise.parameters)
        swapped = sorted(theirs) == sorted(exercise.parameters) and theirs != exercise.parameters
    except TypeError:
        swapped = True
    if not swapped:
        return None
    other = _answers_another(exercise, function, 0, exercise.seconds)
    return other or say.other_parameters(exercise, str(signature))


def _out_of_time(exercise: Exercise, seconds: float) -> Verdict:
    if isinstance(exercise, Repair):
        return say_repair.out_of_time(exercise, seconds)
    return say.out_of_time(exercise, seconds)


def _try(exercise: Exercise, function: Callable[..., Any], seed: int) -> Verdict:
    if isinstance(exercise, Repair):
        return rerun(exercise, function, seed)
    parameters, cases = exercise.parameters, tuple(exercise.cases(seed))
    found: list[Outcome] = []
    for case in cases:
        try:
            outcome = run(function, case, parameters)
        except NotImplementedError as error:
            if (
                found or own_line(error, function) is None or "not implemented for" in str(error)
            ):  # PyTorch's own, about a dtype
                raise
            return say.not_attempted(exercise)
        if not found and (outcome.value is None or outcome.value is ... or outcome.value is NotImplemented):
            return say.not_attempted(exercise)
        found.append(outcome)
    expected = [run(exercise.reference, case, parameters) for case in cases]
    for case, wanted, got in zip(cases, expected, found, strict=True):
        if got.changed:
            return say.changed_input(exercise, got.changed)
        if what := complaint(wanted.value, got.value, any_length=exercise.any_length):
            return say.other_kind(exercise, what, wanted.value, got.value, case)
    if all(map(same, expected, found)):
        ignored = (
            d for d in exercise.demands if not all(d.holds(function, *case.arguments) for case in cases)
        )
        return next((say.ignored_demand(exercise, demand) for demand in ignored), say.passed(exercise))
    for mistake in exercise.mistakes:
        if all(same(run(mistake.function, c, parameters), f) for c, f in zip(cases, found, strict=True)):
            return say.recognised(exercise, mistake)
    return _unlisted(exercise, function, seed, expected, found)


def _unlisted(
    exercise: Exercise, function: Callable[..., Any], seed: int, expected: list[Outcome], found: list[Outcome]
) -> Verdict:
    """No listed mistake: gradients, NaN, another exercise's answer, a property, the smallest failing case."""
    cases = tuple(exercise.cases(seed))
    wrong = [
        i for i, (e, f) in enumerate(zip(expected, found, strict=True)) if not same_values(e.value, f.value)
    ]
    if not wrong:
        names_ = {n: None for e, f in zip(expected, found, strict=True) for n in different_gradients(e, f)}
        lost = [n for n in names_ if any(f.gradients.get(n, 0) is None for f in found)]
        return say.lost_gradient(exercise, lost) if lost else say.wrong_gradient(exercise, list(names_))
    smallest = min(wrong, key=lambda i: cases[i].size)
    for i in sorted(wrong, key=lambda i: cases[i].size):
        if has_nan(found[i].value) and not has_nan(expected[i].value):
            return say.nan(exercise, cases[i])
    if (other := _answers_another(exercise, function, seed, None)) is not None:
        return other
    shown = (cases[smallest], expected[smallest].value, found[smallest].value)
    for rule in exercise.properties:
        for case in sorted(cases, key=lambda case: case.size):
            if not rule.holds(function, *case.arguments):
                return say.broken_property(exercise, rule, *shown)
    return say.wrong_values(exercise, len(wrong), len(cases), *shown)


def _answers_another(
    exercise: Exercise, function: Callable[..., Any], seed: int, seconds: float | None
) -> Verdict | None:
    """Whether the function is the right answer to another exercise of the chapter."""
    for other in in_chapter(names()[exercise.name]) if exercise.name in names() else ():
        if other.name == exercise.name or isinstance(other, Repair):
            continue
        try:
            inspect.signature(function).bind(*other.parameters)
            if seconds is None:
                right = _all_same(other, function, seed)
            else:
                with captured_output(), time_limit(seconds):
                    right = _all_same(other, function, seed)
        except (Exception, SystemExit, OutOfTime) as error:
            if seconds is None and isinstance(error, OutOfTime):
                raise  # the time of the whole check is up
            continue
        if right:
            return say.another_answer(exercise, other)
    return None


def _all_same(exercise: Exercise, function: Callable[..., Any], seed: int) -> bool:
    for case in exercise.cases(seed):
        wanted = run(exercise.reference, case, exercise.parameters)
        got = run(function, case, exercise.parameters)
        if complaint(wanted.value, got.value, any_length=exercise.any_length) or not same(wanted, got):
            return False
    return True
