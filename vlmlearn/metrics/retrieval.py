"""Retrieval metrics."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Recall(NamedTuple):
    """Percentages (0–100) of queries whose match is among the k best."""

    image_to_text: float
    text_to_image: float


def recall_at_k(similarity: Float[Tensor, "images texts"], k: int = 1) -> Recall:
    """Recall@K in both directions; image i and text i belong together.

    A match counts when fewer than k others score *at least* as high: ties count against it, so that a model
    which gives the same score to everything does not look perfect.

    Args:
        similarity: any scores, higher is better, one row an image and one column a text.
        k: from 1 to the number of candidates.

    Raises:
        ValueError: not a square matrix, NaN, or k out of range.
    """
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1] or not len(similarity):
        raise ValueError(
            f"similarity has shape {tuple(similarity.shape)}, expected (N, N): image i belongs to text i, "
            "so there are as many of each"
        )
    if similarity.isnan().any():
        raise ValueError("similarity contains NaN: look for a zero vector divided by its norm")
    if k not in range(1, len(similarity) + 1):
        raise ValueError(
            f"k is {k}, expected a whole number from 1 to {len(similarity)}, the number of candidates"
        )
    match = similarity.diagonal()
    rivals_in_row = (similarity >= match[:, None]).sum(1) - 1
    rivals_in_column = (similarity >= match[None]).sum(0) - 1
    hits = [100 * float((rivals < k).double().mean()) for rivals in (rivals_in_row, rivals_in_column)]
    return Recall(*hits)
