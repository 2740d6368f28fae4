"""From a mended training function to a verdict: a few steps tell known faults, a short training gives the score."""

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from vlmlearn.exercises import say_repair
from vlmlearn.exercises.repair import Repair, TooManySteps, Trial
from vlmlearn.exercises.verdict import Verdict

ALIKE = 1e-3  # of the largest answer: the same training written differently differs in its last bits


def prepare(repair: Repair, seed: int) -> None:
    """Draw the data and load what training needs, before the clock runs.

    A limit of time that ends an import midway would leave half a module behind.
    """
    _trial(repair, repair.reference, seed, brief=True)


def rerun(repair: Repair, function: Callable[..., Any], seed: int) -> Verdict:
    """Train with ``function`` and say whether the fault is gone. What it raises is passed on."""
    try:
        brief = _trial(repair, function, seed, brief=True)
        if _alike(brief, _trial(repair, repair.planted, seed, brief=True)):
            return say_repair.still_planted(repair)
        if _alike(brief, _trial(repair, lambda *_: None, seed, brief=True)):
            return say_repair.untrained(repair)
        known = (m for m in repair.mistakes if _alike(brief, _trial(repair, m.function, seed, brief=True)))
        mistake = next(known, None)
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


def _alike(one: Trial, other: Trial) -> bool:
    """Whether both runs left the same model."""
    a, b = one.answers, other.answers
    if not torch.equal(a.isfinite(), b.isfinite()):
        return False
    a, b = a[a.isfinite()], b[b.isfinite()]
    return not len(a) or bool((a - b).abs().max() <= ALIKE * b.abs().max())


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
