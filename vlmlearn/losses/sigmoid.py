"""SigLIP's loss: N² questions to answer with yes or no, each one on its own.

Every picture is compared with every caption, as in ``clip_loss``, but no softmax ties a row or a column together.
Each of the N×N logits asks "do these two belong together?", and the answer is yes on the diagonal, no elsewhere:

    L = s · I Tᵀ + b        loss = −(1/N) Σ_ij log sigmoid(±L_ij), + where i = j, − elsewhere

The sum is divided by N, not by N²: each pair counts once, with all its N − 1 rivals. The bias b is learnt. It starts
at −10, where the answer is no everywhere, because nearly all answers are no.

There are two ways to compute it here. ``_whole_matrix`` is the definition: read it first. ``_Streaming`` gives the
same number and the same gradients from a few rows of L at a time. ``ring_siglip_loss`` spreads it over processes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vlmlearn.losses.checks import LARGEST_FACTOR, check_pairs, check_scale


def siglip_loss(
    image_features: Float[Tensor, "batch dim"],
    text_features: Float[Tensor, "batch dim"],
    logit_scale: float | int | Float[Tensor, ""],
    logit_bias: float | int | Float[Tensor, ""],
    *,
    chunk_size: int | None = None,
) -> Float[Tensor, ""]:
    """The binary cross entropies of all N² pairs of picture and caption, summed and divided by N, in nats.

    The sums run in float32 (float64 for float64 features), also under autocast. The loss has that dtype, each
    gradient the dtype of its input.

    Args:
        image_features: unit vectors, row i matches row i of ``text_features``.
        text_features: unit vectors.
        logit_scale: factor on the cosines, already exponentiated; learnt if it is a tensor. SigLIP starts at 10.
        logit_bias: added to every logit; learnt if it is a tensor. SigLIP starts at −10; 0 makes the first steps
            of a large batch correct nothing but the many answers that should be no.
        chunk_size: pictures compared at once; memory grows with batch · chunk_size instead of batch²;
            256 suits large batches. The gradients are then computed along with the value. None takes the whole
            matrix, and alone allows gradients of gradients.

    Returns:
        The loss; batch · log 2 when every logit is 0, and 0 when every answer is certain.

    Raises:
        ValueError: features that are not 2-D, empty, not floating point, not finite, or that disagree in
            batch, width, dtype or device; a scale that is not one number above 0; a bias that is not one
            finite number; ``chunk_size`` below 1.

    Warns:
        UserWarning: features that are not unit vectors, rounding apart.

    Zhai et al. 2023, algorithm 1. Equals ``open_clip.loss.SigLipLoss``, and big_vision's loss.
    """
    check_pairs(image_features, text_features)
    check_scale(logit_scale)
    check_bias(logit_bias)
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}, expected at least 1: try 256, or None for no chunks")

    precise = torch.promote_types(image_features.dtype, torch.float32)
    with torch.autocast(image_features.device.type, enabled=False):
        image, text = image_features.to(precise), text_features.to(precise)
        scale = torch.as_tensor(logit_scale, dtype=precise, device=image.device)
        bias = torch.as_tensor(logit_bias, dtype=precise, device=image.device)
        if chunk_size is None:
            return _whole_matrix(image, text, scale, bias)
        return _Streaming.apply(
            image, text, scale, bias, min(chunk_size, len(image)), torch.is_grad_enabled()
        )


def check_bias(logit_bias: float | int | Float[Tensor, ""]) -> None:
    """Check the number that is added to every logit: a number, or a tensor without dimensions, finite.

    Raises:
        ValueError: a tensor with dimensions, or a value that is NaN, infinite, or beyond ±1e12.
    """
    if isinstance(logit_bias, Tensor) and logit_bias.ndim != 0:
        raise ValueError(
            f"logit_bias has shape {tuple(logit_bias.shape)}, expected a float or a 0-d tensor: "
            "make the parameter with torch.tensor(-10.0), not torch.tensor([-10.0])"
        )
    if torch.compiler.is_compiling():
        return
    value = logit_bias.item() if isinstance(logit_bias, Tensor) else logit_bias
    if not -LARGEST_FACTOR < value < LARGEST_FACTOR:
        raise ValueError(
            f"logit_bias is {value:g}, expected a finite number: SigLIP starts at -10; "
            "NaN or infinity often comes from too high a learning rate"
        )


def _whole_matrix(
    image: Float[Tensor, "batch dim"],
    text: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    logits = scale * image @ text.T + bias
    answer = 2 * torch.eye(len(image), dtype=logits.dtype, device=logits.device) - 1  # +1 yes, −1 no
    return -F.logsigmoid(answer * logits).sum() / len(image)


class _Streaming(torch.autograd.Function):
    """The same loss from one chunk of rows of L at a time; no N×N matrix ever exists.

    No logit needs to know another one. So a chunk is finished when it is left: while it is at hand, its share of
    the gradients is computed too, and backward only multiplies. (``clip_loss`` must see all chunks before the
    softmax of a column is known, so it computes its logits twice.)
    """

    @staticmethod
    def forward(
        ctx: Any,
        image: Float[Tensor, "batch dim"],
        text: Float[Tensor, "batch dim"],
        scale: Float[Tensor, ""],
        bias: Float[Tensor, ""],
        chunk_size: int,
        recording: bool,
    ) -> Float[Tensor, ""]:
        needs_image, needs_text, needs_scale, needs_bias = (recording and n for n in ctx.needs_input_grad[:4])
        grad_image = torch.zeros_like(image) if needs_image or needs_scale else None
        grad_text = torch.zeros_like(text) if needs_text else None
        loss, grad_bias = add_rows(image, text, scale, bias, chunk_size, True, grad_image, grad_text)
        grad_scale = (grad_image * image).sum() if grad_image is not None and needs_scale else None

        count = len(image)
        if grad_image is not None:
            grad_image *= scale / count
        if grad_text is not None:
            grad_text *= scale / count
        ctx.save_for_backward(
            grad_image if needs_image else None,
            grad_text,
            grad_scale / count if grad_scale is not None else None,
            grad_bias / count if needs_bias else None,
        )
        return loss / count

    @staticmethod
    def backward(ctx: Any, grad_loss: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True; once_differentiable would drop that graph in silence
            raise RuntimeError(
                "siglip_loss with chunk_size has no gradients of gradients: use chunk_size=None"
            )
        gradients = (None if saved is None else grad_loss * saved for saved in ctx.saved_tensors)
        return *gradients, None, None


def add_rows(
    image: Float[Tensor, "pictures dim"],
    text: Float[Tensor, "captions dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    chunk_size: int,
    partners: bool,
    grad_image: Float[Tensor, "pictures dim"] | None,
    grad_text: Float[Tensor, "captions dim"] | None,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Ask all pictures about all captions, a chunk of pictures at a time.

    With softplus(x) = log(1 + eˣ) = −log sigmoid(−x), and G = ∂(Σ softplus)/∂L,

        no:   softplus(L_ij),  G_ij = sigmoid(L_ij)         yes:   softplus(−L_ij),  G_ij = −sigmoid(−L_ij)

    So the sign of a logit that expects yes is turned first, and the sign of its slope afterwards: computing
    sigmoid(L) − 1 instead would round a confident pair's slope away.

    Args:
        chunk_size: rows of L that exist at once.
        partners: whether picture i belongs to caption i. False: no two belong together.
        grad_image: G T is added to it; times ``scale`` it is the gradient. None: not wanted.
        grad_text: Gᵀ I is added to it; times ``scale`` it is the gradient. None: not wanted.

    Returns:
        The sum of all losses, and the sum of G, which is its gradient by the bias.
    """
    rows_at_once = min(chunk_size, len(image))
    buffers = image.new_empty(2, rows_at_once, len(text))  # reused by every chunk: the only large memory
    loss, slope, zero = image.new_zeros(3).unbind()

    for start in range(0, len(image), rows_at_once):
        rows = slice(start, start + rows_at_once)
        logits, scratch = buffers[:, : len(image[rows])]
        scaled_image = scale * image[rows]
        torch.mm(scaled_image, text.T, out=logits)
        logits += bias
        if partners:
            logits.diagonal(start).neg_()  # row k of the chunk is row start + k of L
        loss += torch.logaddexp(logits, zero, out=scratch).sum()

        slopes = logits.sigmoid_()
        if partners:
            slopes.diagonal(start).neg_()
        slope += slopes.sum()
        if grad_image is not None:
            grad_image[rows].addmm_(slopes, text)
        if grad_text is not None:
            # Of the plain pictures: the scale of the caller is multiplied in once, at the end.
            grad_text.addmm_(slopes.T, image[rows])
    return loss, slope
