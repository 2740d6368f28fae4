"""CLIP's contrastive loss: find your partner among all N captions, and among all N pictures.

Every picture is compared with every caption. Row i of the N×N logits asks which caption belongs to picture i,
column j asks which picture belongs to caption j, and both answers stand on the diagonal:

    L = s · I Tᵀ        loss = ½ mean_i (logsumexp_j L_ij − L_ii)  +  ½ mean_j (logsumexp_i L_ij − L_jj)

There are two ways to compute it here. ``_whole_matrix`` is the definition, in three lines: read it first. It
keeps several N×N matrices for the backward pass, about 4 GB at N = 16,384. ``_Streaming`` gives the same
number and the same gradients from a few rows of L at a time, and is faster at that size.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vlmlearn.losses.checks import check_pairs, check_scale


def clip_loss(
    image_features: Float[Tensor, "batch dim"],
    text_features: Float[Tensor, "batch dim"],
    logit_scale: float | int | Float[Tensor, ""],
    *,
    chunk_size: int | None = None,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE: the mean of the cross entropies picture → caption and caption → picture, in nats.

    The sums run in float32 (float64 for float64 features), also under autocast: near 100 a bfloat16 logit
    would be rounded to a multiple of 0.5. The loss has that dtype, each gradient the dtype of its input.

    Args:
        image_features: unit vectors, row i matches row i of ``text_features``.
        text_features: unit vectors.
        logit_scale: factor on the cosines, 1/temperature, already exponentiated; learnt if it is a tensor.
        chunk_size: pictures compared at once; memory grows with batch · chunk_size instead of batch²;
            256 suits large batches. None takes the whole matrix, and alone allows gradients of gradients.

    Returns:
        The loss, log(batch) when nothing is known and 0 when every pair is certain.

    Raises:
        ValueError: features that are not 2-D, empty, not floating point, not finite, or that disagree in
            batch, width, dtype or device; a scale that is not one number above 0; ``chunk_size`` below 1.

    Warns:
        UserWarning: features that are not unit vectors, rounding apart.

    Radford et al. 2021, figure 3. Equals ``open_clip.loss.ClipLoss``.
    """
    check_pairs(image_features, text_features)
    check_scale(logit_scale)
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}, expected at least 1: try 256, or None for no chunks")

    precise = torch.promote_types(image_features.dtype, torch.float32)
    with torch.autocast(image_features.device.type, enabled=False):
        image, text = image_features.to(precise), text_features.to(precise)
        scale = torch.as_tensor(logit_scale, dtype=precise, device=image.device)
        if chunk_size is None:
            return _whole_matrix(image, text, scale)
        return _Streaming.apply(image, text, scale, min(chunk_size, len(image)))


def _whole_matrix(
    image: Float[Tensor, "batch dim"], text: Float[Tensor, "batch dim"], scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    logits = scale * image @ text.T
    partner = torch.arange(len(image), device=image.device)
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2


class _Streaming(torch.autograd.Function):
    """The same loss from one chunk of rows of L at a time; no N×N matrix ever exists.

    **Rows are easy.** A chunk holds whole rows, so the softmax over a row is known at once.

    **Columns arrive in pieces.** For each column j we carry the largest logit so far, m_j, and the sum so far
    relative to it, z_j = Σ exp(L_ij − m_j). When a chunk raises the maximum to m'_j, the old sum is rescaled:

        z_j ← z_j · exp(m_j − m'_j) + Σ_{i in chunk} exp(L_ij − m'_j)        logsumexp_i L_ij = m_j + log z_j

    Every exponent is ≤ 0 and one in each column is 0, so nothing overflows and z_j ≥ 1. (Cosines never exceed
    1, so it is tempting to subtract the scale s everywhere and carry no maximum. But L − s reaches −2s, and
    above a scale of about 44 exp(−2s) leaves the range of float32: a column's sum becomes 0, its log −∞.)

    **Backward computes the logits again**, which is cheaper than keeping them. With P the softmax over rows
    and Q the softmax over columns, Q_ij = exp(L_ij − m_j) / z_j,

        G = ∂loss/∂L = (P + Q − 2·identity) / 2N
        ∂loss/∂I = s · G T        ∂loss/∂T = s · Gᵀ I        ∂loss/∂s = Σ_ij G_ij (I Tᵀ)_ij = Σ (G T) ⊙ I

    This is the running softmax of Milakov and Gimelshein 2018, and the bargain of FlashAttention (Dao et al.
    2022): more arithmetic for less memory traffic.
    """

    @staticmethod
    def forward(
        ctx: Any,
        image: Float[Tensor, "batch dim"],
        text: Float[Tensor, "batch dim"],
        scale: Float[Tensor, ""],
        chunk_size: int,
    ) -> Float[Tensor, ""]:
        count = len(image)
        buffers = image.new_empty(2, chunk_size, count)  # reused by every chunk: the only large memory
        row_loss, diagonal = image.new_empty(2, count)
        column_max = image.new_full((count,), -math.inf)
        column_sum = image.new_zeros(count)

        for start in range(0, count, chunk_size):
            rows = slice(start, start + chunk_size)
            logits, scratch = buffers[:, : len(image[rows])]
            torch.mm(scale * image[rows], text.T, out=logits)
            diagonal[rows] = logits.diagonal(start)  # row k of the chunk is row start + k of L

            torch.log_softmax(logits, dim=1, out=scratch)
            row_loss[rows] = -scratch.diagonal(start)

            new_max = torch.maximum(column_max, logits.amax(dim=0))
            column_sum *= torch.exp(column_max - new_max)
            column_sum += logits.sub_(new_max).exp_().sum(dim=0)
            column_max = new_max

        # In this order, m_j − L_jj is exactly 0 for a confident pair, whose tiny loss is then log z_j alone.
        column_loss = column_max - diagonal + column_sum.log()
        ctx.chunk_size = chunk_size
        ctx.save_for_backward(image, text, scale, column_max, column_sum)
        return (row_loss + column_loss).mean() / 2

    @staticmethod
    def backward(ctx: Any, grad_loss: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True; once_differentiable would drop that graph in silence
            raise RuntimeError("clip_loss with chunk_size has no gradients of gradients: use chunk_size=None")
        image, text, scale, column_max, column_sum = ctx.saved_tensors
        needs_image, needs_text, needs_scale, _ = ctx.needs_input_grad
        count = len(image)
        buffers = image.new_empty(2, ctx.chunk_size, count)
        column_weight = 1 / column_sum
        grad_image = torch.empty_like(image) if needs_image or needs_scale else None
        grad_text = torch.zeros_like(text) if needs_text else None

        # Autocast may be on again here; it does not touch operations in place or with out=.
        for start in range(0, count, ctx.chunk_size):
            rows = slice(start, start + ctx.chunk_size)
            logits, grad_logits = buffers[:, : len(image[rows])]
            scaled_image = scale * image[rows]
            torch.mm(scaled_image, text.T, out=logits)

            torch.softmax(logits, dim=1, out=grad_logits)
            grad_logits.addcmul_(logits.sub_(column_max).exp_(), column_weight)
            grad_logits.diagonal(start).sub_(2)

            if grad_image is not None:
                torch.mm(grad_logits, text, out=grad_image[rows])
            if grad_text is not None:
                grad_text.addmm_(grad_logits.T, scaled_image)

        factor = grad_loss / (2 * count)
        grad_scale = None
        if grad_image is not None:
            grad_scale = factor * (grad_image * image).sum()
            grad_image *= factor * scale
        if grad_text is not None:
            grad_text *= factor
        return grad_image, grad_text, grad_scale, None
