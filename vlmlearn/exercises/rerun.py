"""From a mended training function to a verdict: a few steps tell known faults, a short training gives the score."""

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlmlearn.exercises import say_repair
from vlmlearn.exercises.repair import Repair, TooManySteps, Trial
from vlmlearn.exercises.verdict import Verdict

ALIKE = 1e-2  # of what training changed: the same training written differently differs in its last bits
UNMOVED = 1e-6  # of the largest answer


def prepare(repair: Repair, seed: int) -> None:
    """Draw the data and load what training needs, before the clock runs.

    A limit of time that ends an import midway would leave half a module behind.
    """
    _trial(repair, repair.reference, seed, brief=True)


def rerun(repair: Repair, function: Callable[..., Any], seed: int) -> Verdict:
    """Train with ``function`` and say whether the fault is gone. What it raises is passed on."""
    try:
        start = _trial(repair, lambda *_: None, seed, brief=True)
        brief = _trial(repair, function, seed, brief=True)
        if _close(brief.answers, start.answers, UNMOVED * start.answers.abs().max().item()):
            return say_repair.untrained(repair)
        if alike(brief, _trial(repair, repair.planted, seed, brief=True), start):
            return say_repair.still_planted(repair)
        known = repair.mistakes
        found = (m for m in known if alike(brief, _trial(repair, m.function, seed, brief=True), start))
        mistake = next(found, None)
        trial = _trial(repair, function, seed, brief=False)
    except TooManySteps:
        return say_repair.too_many_steps(repair)
    if mistake is not None:
        return say_repair.recognised(repair, mistake, trial)
    if not bool(trial.answers.isfinite().all()):
        return say_repair.nan(repair)
    return (
        say_repair.mended(repair, trial) if trial.score >= repair.bound else say_repair.wanting(repair, trial)
    )


def _trial(repair: Repair, function: Callable[..., Any], seed: int, *, brief: bool) -> Trial:
    torch.default_generator.manual_seed(seed)  # of the CPU alone: torch.manual_seed would reach every device
    random.seed(seed)
    np.random.seed(seed % 2**32)
    return repair.trial(function, seed, brief)


def alike(one: Trial, other: Trial, start: Trial) -> bool:
    """Whether both runs, from the same ``start``, left the same model."""
    change = (other.answers - start.answers).nan_to_num(0, 0, 0).abs().max().item()
    return _close(one.answers, other.answers, ALIKE * change)


def _close(a: Tensor, b: Tensor, bound: float) -> bool:
    finite = a.isfinite()
    if not torch.equal(finite, b.isfinite()):
        return False
    return bool(((a - b)[finite].abs() <= bound).all())


@contextmanager
def own_session() -> Iterator[None]:
    """One thread and generators of our own; the learner's are afterwards as they were.

    It stands around the limit of time, which could otherwise interrupt the putting back.
    """
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.set_num_threads(1)
            torch.set_default_dtype(torch.float32)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        random.setstate(python)
        np.random.set_state(numpy)
