"""The contrastive losses of one batch that lies on several processes, each with the features of its own pairs.

A pair's rivals lie elsewhere, so features must travel, and so must their gradients: what rank 1 does with the captions
of rank 0 belongs to the gradient of rank 0. There are two ways:

* ``gathered_clip_loss``: everybody gets everybody's features. A softmax needs whole rows.
* ``ring_siglip_loss``: captions go round in a ring, and each process meets one foreign chunk at a time. No logit of
  SigLIP needs another one, so a chunk is finished when it is passed on.

**What comes back, with W processes.** The value is the loss of the full batch, the same on every rank. The gradients
are those of the sum of what the W ranks return, which is W times the full batch's; each rank gets those of its own
features. ``DistributedDataParallel`` then takes the mean of the weights' gradients over the ranks, which is exactly
the full batch's. Without it, add up the gradients of shared weights and divide by W yourself.
"""

from typing import Any, Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from vlmlearn.losses.agreement import agree, check_group, describe, reaching
from vlmlearn.losses.checks import check_pairs, check_scale
from vlmlearn.losses.sigmoid import add_rows, check_bias


def gathered_clip_loss(
    image_features: Float[Tensor, "batch dim"],
    text_features: Float[Tensor, "batch dim"],
    logit_scale: float | int | Float[Tensor, ""],
    *,
    rows: Literal["local", "global"] = "local",
    group: dist.ProcessGroup | None = None,
) -> Float[Tensor, ""]:
    """``clip_loss`` of the full batch. Every rank of ``group`` must call it, and call backward if it has gradients.

    Backward adds up what all ranks ask of a feature and hands it to the rank that made it. Without this, features
    would learn W times too slowly (``rows="global"``) or in a wrong direction (``rows="local"``), and the value of
    the loss would show nothing of it.

    Args:
        image_features: unit vectors of this rank's pairs, as many on every rank.
        text_features: unit vectors.
        logit_scale: factor on the cosines, already exponentiated, the same on every rank.
        rows: "local": a rank compares its own pictures with all captions and its own captions with all pictures,
            2N²/W logits. "global": every rank repeats all 2N². Values, and gradients after the mean, are the same.
        group: the processes that share the batch; None is all of them.

    Returns:
        The loss of the full batch, the same on every rank; for its gradients see the head of this file.

    Raises:
        RuntimeError: ``torch.distributed`` is not initialised.
        ValueError: what ``clip_loss`` raises, on every rank even if one alone has the bad input; ranks that differ
            in the number of pairs, width, dtype, scale, options, or in what needs a gradient.
        TimeoutError: another rank did not answer within the time-out of the group.
        ConnectionError: another rank is gone.

    Radford et al. 2021. Equals open_clip's ``ClipLoss(gather_with_grad=True)`` with either ``local_loss``.
    """
    group = check_group(group)

    def check() -> dict[str, Any]:
        check_pairs(image_features, text_features)
        check_scale(logit_scale)
        if rows not in ("local", "global"):
            raise ValueError(f"rows is {rows!r}, expected 'local' or 'global'")
        numbers = {"logit_scale": logit_scale}
        return describe(f"gathered_clip_loss, {rows} rows", image_features, text_features, numbers)

    agree(group, check)
    precise = torch.promote_types(image_features.dtype, torch.float32)
    with torch.autocast(image_features.device.type, enabled=False):
        images, texts = gather_rows(torch.stack([image_features, text_features]).to(precise), group)
        own = slice(None)
        if rows == "local":
            first = dist.get_rank(group) * len(image_features)
            own = slice(first, first + len(image_features))
        partner = torch.arange(len(images), device=images.device)[own]
        to_text = F.cross_entropy(logit_scale * images[own] @ texts.T, partner)
        to_image = F.cross_entropy(logit_scale * texts[own] @ images.T, partner)
        loss = (to_text + to_image) / 2
        return _MeanOfRanks.apply(loss, group) if rows == "local" else loss


def ring_siglip_loss(
    image_features: Float[Tensor, "batch dim"],
    text_features: Float[Tensor, "batch dim"],
    logit_scale: float | int | Float[Tensor, ""],
    logit_bias: float | int | Float[Tensor, ""],
    *,
    chunk_size: int = 256,
    group: dist.ProcessGroup | None = None,
) -> Float[Tensor, ""]:
    """``siglip_loss`` of the full batch, which is gathered nowhere. Every rank of ``group`` must call it.

    Pictures stay. Captions are passed on W − 1 times, and their gradient travels with them: whoever compares them adds
    a share, and one more step takes it home. So every message is sent in the forward pass, none in the backward. A
    rank holds one foreign chunk, and another while it arrives.

    Args:
        image_features: unit vectors of this rank's pairs, as many on every rank.
        text_features: unit vectors.
        logit_scale: factor on the cosines, already exponentiated, the same on every rank.
        logit_bias: added to every logit, the same on every rank.
        chunk_size: pictures compared at once, as in ``siglip_loss``.
        group: the processes that share the batch; None is all of them.

    Returns:
        The loss of the full batch, the same on every rank; for its gradients see the head of this file. All ranks
        must multiply it by the same before backward, and there are no gradients of gradients.

    Raises:
        RuntimeError: ``torch.distributed`` is not initialised.
        ValueError: what ``siglip_loss`` raises, on every rank even if one alone has the bad input; ranks that differ
            in the number of pairs, width, dtype, scale, bias, or in what needs a gradient.
        TimeoutError: another rank did not answer within the time-out of the group.
        ConnectionError: another rank is gone.

    Zhai et al. 2023, section 3.3. Equals ``open_clip.loss.SigLipLoss``, which sends the gradients back separately.
    """
    group = check_group(group)

    def check() -> dict[str, Any]:
        check_pairs(image_features, text_features)
        check_scale(logit_scale)
        check_bias(logit_bias)
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}, expected at least 1: try 256")
        numbers = {"logit_scale": logit_scale, "logit_bias": logit_bias}
        return describe("ring_siglip_loss", image_features, text_features, numbers)

    agree(group, check)
    precise = torch.promote_types(image_features.dtype, torch.float32)
    with torch.autocast(image_features.device.type, enabled=False):
        image, text = image_features.to(precise), text_features.to(precise)
        scale = torch.as_tensor(logit_scale, dtype=precise, device=image.device)
        bias = torch.as_tensor(logit_bias, dtype=precise, device=image.device)
        return _Ring.apply(image, text, scale, bias, chunk_size, torch.is_grad_enabled(), group)


def gather_rows(
    own: Float[Tensor, "kinds batch dim"], group: dist.ProcessGroup
) -> Float[Tensor, "kinds all dim"]:
    """The rows of all ranks, in the order of the ranks. Backward adds up what all ranks ask of a row.

    Args:
        own: as many rows on every rank; of several kinds, which travel together.
        group: all its members must call this, and backward if it has gradients.

    Raises:
        ConnectionError, TimeoutError: another rank is gone, or did not answer in time.
    """
    return _Gather.apply(own, group)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, own: Float[Tensor, "kinds batch dim"], group: dist.ProcessGroup
    ) -> Float[Tensor, "kinds all dim"]:
        ctx.group = group
        everyone = own.new_empty(group.size(), *own.shape)
        with reaching(group):
            dist.all_gather(list(everyone), own.contiguous(), group=group)
        return rearrange(everyone, "rank kinds batch dim -> kinds (rank batch) dim")

    @staticmethod
    def backward(ctx: Any, gradient: Float[Tensor, "kinds all dim"]) -> tuple[Tensor | None, ...]:
        _refuse_second_order("gathered_clip_loss")
        everyone = gradient.clone(memory_format=torch.contiguous_format)
        with reaching(ctx.group):
            dist.all_reduce(everyone, group=ctx.group)
        return everyone.chunk(ctx.group.size(), dim=1)[dist.get_rank(ctx.group)], None


class _MeanOfRanks(torch.autograd.Function):
    """The mean of one number over the ranks; its gradient, that of the sum over ranks, is one for each of them."""

    @staticmethod
    def forward(ctx: Any, value: Float[Tensor, ""], group: dist.ProcessGroup) -> Float[Tensor, ""]:
        mean = value / group.size()
        with reaching(group):
            dist.all_reduce(mean, group=group)
        return mean

    @staticmethod
    def backward(ctx: Any, grad_loss: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        return grad_loss, None


class _Ring(torch.autograd.Function):
    """Value and gradients in one journey round the ring."""

    @staticmethod
    def forward(
        ctx: Any,
        image: Float[Tensor, "batch dim"],
        text: Float[Tensor, "batch dim"],
        scale: Float[Tensor, ""],
        bias: Float[Tensor, ""],
        chunk_size: int,
        recording: bool,
        group: dist.ProcessGroup,
    ) -> Float[Tensor, ""]:
        needs_image, needs_text, needs_scale, needs_bias = (recording and n for n in ctx.needs_input_grad[:4])
        grad_image = torch.zeros_like(image) if needs_image or needs_scale else None
        # What travels: the captions and, where it is wanted, their gradient so far.
        cargo = torch.stack([text, torch.zeros_like(text)] if needs_text else [text])
        loss, slope = image.new_zeros(()), image.new_zeros(())
        for step in range(group.size()):
            if step > 0:
                cargo = _pass_on(cargo, group)
            captions, grad_text = cargo[0], cargo[1] if needs_text else None
            more_loss, more_slope = add_rows(
                image, captions, scale, bias, chunk_size, step == 0, grad_image, grad_text
            )
            loss += more_loss
            slope += more_slope
        grad_text = _pass_on(cargo[1], group) if needs_text else None  # home

        loss /= len(image) * group.size()
        with reaching(group):
            dist.all_reduce(loss, group=group)
        # The full batch divides by W · batch, and the ranks return it W times: what is left is the batch.
        grad_scale = (grad_image * image).sum() if grad_image is not None and needs_scale else None
        saved = (
            grad_image * scale if grad_image is not None and needs_image else None,
            grad_text * scale if grad_text is not None else None,
            grad_scale,
            slope if needs_bias else None,
        )
        ctx.save_for_backward(*(None if gradient is None else gradient / len(image) for gradient in saved))
        return loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Float[Tensor, ""]) -> tuple[Tensor | None, ...]:
        _refuse_second_order("ring_siglip_loss")
        gradients = (None if saved is None else grad_loss * saved for saved in ctx.saved_tensors)
        return *gradients, None, None, None


def _pass_on(cargo: Tensor, group: dist.ProcessGroup) -> Tensor:
    """Hand something to the next rank, and return what the rank before hands over."""
    size = group.size()
    if size == 1:
        return cargo
    rank = dist.get_rank(group)
    before, after = (dist.get_global_rank(group, other % size) for other in (rank - 1, rank + 1))
    arriving = torch.empty_like(cargo)
    with reaching(group):
        send = dist.P2POp(dist.isend, cargo, after, group)
        receive = dist.P2POp(dist.irecv, arriving, before, group)
        for work in dist.batch_isend_irecv([send, receive]):
            work.wait()
    return arriving


def _refuse_second_order(name: str) -> None:
    if torch.is_grad_enabled():  # create_graph=True; once_differentiable would drop that graph in silence
        raise RuntimeError(f"{name} has no gradients of gradients: use the loss of a single process")
