"""``check``: the one function a notebook calls."""

import os
from typing import Any

from vlmlearn.exercises import record, registry, say
from vlmlearn.exercises.diagnose import diagnose
from vlmlearn.exercises.verdict import Verdict
from vlmlearn.messages import show


def check(name: str, function: Any, *, seed: int = 0, seconds: float | None = None) -> Verdict:
    """Show what is right or wrong with ``function`` as an answer to the exercise ``name``, and return it.

    Args:
        name: such as ``"clip_loss"``; for an unknown one the nearest is offered.
        function: the learner's; called on copies of the cases, with its output kept back.
        seed: other cases for another seed.
        seconds: after which it is stopped, by default 10, or 60 for a repair, which trains.

    Raises:
        AssertionError: anything but a pass, where the environment variable ``VLMLEARN_STRICT`` is 1.
    """
    if str(name) in registry.names():
        found = diagnose(registry.find(name), function, seed=seed, seconds=seconds)
        record.note(found)
    else:
        found = say.unknown(str(name), registry.nearest(str(name)))
    if os.environ.get("VLMLEARN_STRICT") == "1":
        assert found.passed, str(found.message)
    show(found.message)
    return found
