"""How the learning rate changes during training."""

import math


def warmup_cosine(step: int, steps: int, warmup: float = 0.05, floor: float = 0.003) -> float:
    """The factor on the learning rate: a straight rise, then half a cosine down (Loshchilov & Hutter 2017).

    Args:
        step: 0 to steps - 1.
        steps: length of the training.
        warmup: the fraction of the training that the rise takes.
        floor: smallest factor.

    Raises:
        ValueError: a step outside the training, or a warmup outside 0 to 1.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step is {step}, expected 0 to {steps - 1}: there are {steps} steps")
    if not 0 <= warmup <= 1:
        raise ValueError(f"warmup is {warmup}, expected a fraction of the training from 0 to 1")
    done = step / steps
    factor = (
        done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
    )
    return max(factor, floor)
