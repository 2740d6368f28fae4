"""Masks say which tokens count: True means "look here", False "not here"."""

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor


def causal_mask(length: int, device: torch.device | str | None = None) -> Bool[Tensor, "length length"]:
    """A text is read from left to right: row q is True at itself and at what comes before, (queries, keys).

    ``Attention(…)(x, mask=causal_mask(n))`` equals ``Attention(…)(x, causal=True)``. PyTorch's own
    ``nn.MultiheadAttention`` wants the opposite, True where a query may *not* look: ``~causal_mask(n)``.

    Raises:
        ValueError: ``length`` below 1.
    """
    if length < 1:
        raise ValueError(f"length is {length}, expected a number of tokens, 1 or more: try x.shape[1]")
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def padding_mask(ids: Shaped[Tensor, "batch length"], pad_id: int = 0) -> Bool[Tensor, "batch 1 1 length"]:
    """True where a token is real, False where it is PAD; ready for ``Attention(…)(x, mask=…)``.

    The two ones broadcast over heads and queries: no query looks at PAD. The same mask for ``masked_mean`` is
    ``ids != pad_id``.

    Args:
        ids: whole numbers, one row a text.
        pad_id: the id of PAD.

    Raises:
        ValueError: ids that are no whole numbers or no rows, or a text of nothing but PAD.
    """
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise ValueError(f"ids are {ids.dtype}, expected whole numbers: make the mask before the embedding")
    if ids.ndim != 2:
        raise ValueError(
            f"ids have shape {tuple(ids.shape)}, expected (batch, length): one text goes in as ids[None]"
        )
    real = ids != pad_id
    _check_not_empty(real, f"consists of nothing but PAD (id {pad_id}): check pad_id, or leave the text out")
    return real[:, None, None, :]


def masked_mean(
    tokens: Float[Tensor, "batch tokens width"], real: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, "batch width"]:
    """The mean over the real tokens of each text; what stands at PAD does not matter, not even NaN.

    Args:
        tokens: one vector a token.
        real: True where a token counts, e.g. ``ids != pad_id``.

    Raises:
        ValueError: other shapes, a mask that is not boolean, or a text without a single real token.
    """
    if tokens.ndim != 3 or not tokens.is_floating_point():
        raise ValueError(
            f"tokens are {tokens.dtype} of shape {tuple(tokens.shape)}, expected vectors (batch, tokens, width): "
            "embed the ids first"
        )
    if real.dtype != torch.bool:
        raise ValueError(f"real is {real.dtype}, expected bool, True at a real token: write ids != pad_id")
    if real.shape != tokens.shape[:2]:
        raise ValueError(
            f"real has shape {tuple(real.shape)}, expected (batch, tokens) = {tuple(tokens.shape[:2])}: "
            "of a mask for attention take padding_mask(ids)[:, 0, 0]"
        )
    _check_not_empty(real, "has no real token: is the mask the wrong way round? True must mean a real token")
    # Half precision holds the mean, but not always the sum.
    precise = torch.promote_types(tokens.dtype, torch.float32)
    total = tokens.masked_fill(~real[:, :, None], 0).sum(1, dtype=precise)
    return (total / real.sum(1, keepdim=True)).to(tokens.dtype)


def _check_not_empty(real: Bool[Tensor, "batch tokens"], complaint: str) -> None:
    if torch.compiler.is_compiling():  # the values are not known yet
        return
    empty = (~real.any(1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"text {empty[0]} {complaint}")
