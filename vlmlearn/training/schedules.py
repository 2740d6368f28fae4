"""How the learning rate changes during training."""

import math


def warmup_cosine(step: int, steps: int, warmup: float = 0.05, floor: float = 0.003) -> float:
    """The factor on the learning rate at a step: a straight rise, then half a cosine down (Loshchilov & Hutter 2017).

    Args:
        step: 0 to steps - 1.
        steps: length of the training.
        warmup: the fraction of the training that the rise takes.
        floor: smallest factor.
    """
    done = step / steps
    factor = done / warmup if done < warmup else 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
    return max(factor, floor)
