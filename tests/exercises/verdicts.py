"""What the tests of the chapters' exercises share: seeds, answers as parameters, and the verdict on an answer."""

import pytest

from vlmlearn.exercises import registry
from vlmlearn.exercises.diagnose import diagnose

SEEDS = (0, 1, 2**31)


def verdict_of(name, function, seed):
    return diagnose(registry.find(name), function, seed=seed)


def pairs(table):
    """One parameter an answer, from tables of answers for each exercise."""
    return [
        pytest.param(name, function, id=f"{name}-{label}")
        for name, some in table.items()
        for label, function in (some.items() if isinstance(some, dict) else enumerate(some))
    ]
