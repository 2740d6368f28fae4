"""ALIGN's loss: CLIP's, but nobody is quite sure that the partner is the right one."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from vlmlearn.losses.checks import check_pairs, check_scale


def align_loss(
    image_features: Float[Tensor, "batch dim"],
    text_features: Float[Tensor, "batch dim"],
    logit_scale: float | int | Float[Tensor, ""],
    *,
    smoothing: float | int = 0.1,
) -> Float[Tensor, ""]:
    """The mean of the cross entropies picture → caption and caption → picture with label smoothing, in nats.

    A label is 1 − ``smoothing`` at the partner, and ``smoothing`` spread evenly over the whole batch, so that captions
    of the web which fit no picture, or fit several, do not push the cosines apart without end.

    Args:
        image_features: unit vectors, row i matches row i of ``text_features``.
        text_features: unit vectors.
        logit_scale: factor on the cosines, 1/τ; learnt if it is a tensor.
        smoothing: 0 is ``clip_loss``.

    Raises:
        ValueError: as ``clip_loss``, or ``smoothing`` outside 0 … 1.

    Jia et al. 2021, equations 1 and 2, which have the sum in place of the mean, and section 5. Equals the loss of
    Hugging Face's ``AlignModel``.
    """
    check_pairs(image_features, text_features)
    check_scale(logit_scale)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is {smoothing}, expected a share from 0 to 1: ALIGN has 0.1")
    precise = torch.promote_types(image_features.dtype, torch.float32)
    with torch.autocast(image_features.device.type, enabled=False):
        logits = logit_scale * image_features.to(precise) @ text_features.to(precise).T
        partner = torch.arange(len(logits), device=logits.device)
        to_text = F.cross_entropy(logits, partner, label_smoothing=smoothing)
        to_image = F.cross_entropy(logits.T, partner, label_smoothing=smoothing)
    return (to_text + to_image) / 2
