"""Average precision: how early a ranking shows everything that is relevant, not only the first of it."""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor


def average_precision(
    scores: Float[Tensor, "queries candidates"], relevant: Bool[Tensor, "queries candidates"]
) -> Float64[Tensor, " queries"]:
    """Average precision of each query: the mean, over its relevant candidates, of the precision at their place.

    Candidates with equal scores share one place, the last of theirs, so that the result does not depend on the
    order in which a sort leaves them. Equal to scikit-learn's ``average_precision_score``.

    Args:
        scores: higher is better.
        relevant: what should be found; at least one a query.

    Returns:
        (queries,) shares from 0 to 1, computed in float64.

    Raises:
        ValueError: shapes that differ, no candidate, NaN, a query for which nothing is relevant.
    """
    if scores.ndim != 2 or scores.shape != relevant.shape or not scores.numel():
        raise ValueError(
            f"scores have shape {tuple(scores.shape)}, relevant {tuple(relevant.shape)}: expected the same "
            "(queries, candidates) for both; one query is scores[None]"
        )
    if relevant.dtype != torch.bool:
        raise ValueError(f"relevant is {relevant.dtype}, expected bool: compare labels with ==")
    if scores.isnan().any():
        raise ValueError("scores contain NaN: look for a zero vector divided by its norm")
    wanted = relevant.sum(1)
    if not wanted.all():
        raise ValueError(
            f"{int((wanted == 0).sum())} of {len(wanted)} queries have nothing relevant, and an average over "
            "nothing has no value: leave them out"
        )
    ranked, order = (-scores.detach().double()).sort(dim=1)
    found = relevant.gather(1, order)
    # How many candidates score at least as high: the place of the last one with the same score.
    place = torch.searchsorted(ranked, ranked, right=True)
    precision = found.cumsum(1).gather(1, place - 1) / place.double()
    return (precision * found).sum(1) / wanted


def mean_average_precision(
    scores: Float[Tensor, "queries candidates"], relevant: Bool[Tensor, "queries candidates"]
) -> float:
    """mAP: the mean of ``average_precision`` over the queries, a share from 0 to 1; takes and raises the same."""
    return float(average_precision(scores, relevant).mean())
