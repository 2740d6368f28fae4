"""How many bits a model carries from the picture to the answer."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def carried_bits(loss: float, ceiling: float) -> float:
    """Bits about the answer that a model is shown to carry: the ceiling less the bits it still lacks.

    A cross entropy is never below the uncertainty that is left once the model has spoken, so what is removed of
    the answer's entropy is a lower bound on the information carried (Barber & Agakov 2003). With InfoNCE the
    answer is one of N candidates: at most log2 N bits can be shown, however many are carried (van den Oord et
    al. 2018, Poole et al. 2019). A model worse than guessing gets a negative number.

    Args:
        loss: mean cross entropy or InfoNCE in nats, as torch gives it, on data the model was not trained on.
        ceiling: bits in the answer: its entropy, or log2 N for InfoNCE among N.

    Returns:
        ceiling - loss / ln 2, never above the ceiling.

    Raises:
        ValueError: a loss that is negative, NaN or infinite, a ceiling that is not positive and finite.
    """
    if not (math.isfinite(loss) and loss >= 0):
        raise ValueError(
            f"loss is {loss}, expected a mean cross entropy in nats, from 0 on: a density's log-likelihood is none"
        )
    if not (math.isfinite(ceiling) and ceiling > 0):
        raise ValueError(
            f"ceiling is {ceiling}, expected the bits of the answer, above 0: for one of N that is log2 N"
        )
    return ceiling - loss / math.log(2)


def retrieval_bits(similarity: Float[Tensor, "images texts"], scale: float | Float[Tensor, ""]) -> float:
    """Bits that a dual encoder is shown to carry: ``carried_bits`` of InfoNCE, the mean of both directions.

    Image i and text i belong together. Never above log2 N: only more candidates can show more bits.

    Args:
        similarity: (N, N) cosines, one row an image and one column a text.
        scale: what they are multiplied by before the softmax, 1 / temperature.

    Returns:
        log2 N - InfoNCE / ln 2, computed in float64.

    Raises:
        ValueError: not a square matrix of at least two pairs, NaN or infinity, a scale that is not positive.
    """
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1] or len(similarity) < 2:
        raise ValueError(
            f"similarity has shape {tuple(similarity.shape)}, expected (N, N) with N >= 2: image i belongs to "
            "text i, and one pair alone leaves nothing to choose"
        )
    if not similarity.isfinite().all():
        raise ValueError("similarity contains NaN or infinity: look for a zero vector divided by its norm")
    scale = float(scale)
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale is {scale}, expected a positive number: the exponential of log_scale")
    logits = similarity.detach().double() * scale
    match = logits.diagonal()
    loss = torch.stack([torch.logsumexp(logits, dim) - match for dim in (1, 0)]).mean()
    # Rounding may leave a perfect score a hair below 0.
    return carried_bits(max(loss.item(), 0.0), math.log2(len(similarity)))
