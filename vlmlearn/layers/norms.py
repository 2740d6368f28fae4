"""Four norms under one roof, for maps (batch, channels, h, w) and for tokens (batch, tokens, channels) alike."""

import math

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

NORMS = ("layer_norm", "batch_norm", "rms_norm", "group_norm")
GROUP = 8  # channels a group shares: 32 groups at 256 channels, as in Wu & He 2018


class Norm(nn.Module):
    """Numbers of about size one, by the chosen statistics; a map and its tokens, row by row, get the same result.

    - "layer_norm" (Ba et al. 2016): mean and variance over the channels of one position.
    - "rms_norm" (Zhang & Sennrich 2019): the same without the mean, so only the size is divided away.
    - "group_norm" (Wu & He 2018): over all positions of one picture, for every 8 channels or so.
    - "batch_norm" (Ioffe & Szegedy 2015): over all positions of all pictures, for every channel; in evaluation the
      averages remembered from training.

    Equals ``torch.nn.LayerNorm``, ``RMSNorm``, ``GroupNorm`` and ``BatchNorm1d`` / ``BatchNorm2d``.

    Args:
        kind: one of the four.
        width: channels.
        eps: added to the variance, or to the mean square.

    Raises:
        ValueError: unknown kind; (in ``forward``) another rank or number of channels, or batch norm in training
            with a single value a channel.
    """

    def __init__(self, kind: str, width: int, eps: float = 1e-5):
        super().__init__()
        if kind not in NORMS:
            raise ValueError(f"norm is {kind!r}, expected one of {', '.join(NORMS)}")
        self.kind, self.width = kind, width
        self.norm: nn.Module
        if kind == "layer_norm":
            self.norm = nn.LayerNorm(width, eps=eps)
        elif kind == "rms_norm":
            self.norm = nn.RMSNorm(width, eps=eps)
        elif kind == "group_norm":
            self.norm = nn.GroupNorm(math.gcd(width, max(1, width // GROUP)), width, eps=eps)
        else:
            self.norm = nn.BatchNorm2d(width, eps=eps)

    def forward(self, x: Float[Tensor, "batch *shape"]) -> Float[Tensor, "batch *shape"]:
        """(batch, width, h, w) or (batch, tokens, width); the result has the same shape."""
        dim = {4: 1, 3: 2}.get(x.ndim)
        if dim is None or x.shape[dim] != self.width:
            raise ValueError(
                f"x has shape {tuple(x.shape)}, expected a map (batch, {self.width}, h, w) or tokens "
                f"(batch, tokens, {self.width})"
            )
        if self.kind in ("layer_norm", "rms_norm"):
            return self.norm(x) if dim == 2 else self.norm(x.movedim(1, -1)).movedim(-1, 1)
        if self.kind == "batch_norm" and self.training and x.numel() == self.width:
            raise ValueError(
                f"batch norm in training got one value a channel (x has shape {tuple(x.shape)}), whose variance is "
                "zero: take a batch of 2 or more, call .eval(), or choose another norm"
            )
        if dim == 1:
            return self.norm(x)
        return rearrange(
            self.norm(rearrange(x, "batch token channel -> batch channel token 1")),
            "batch channel token 1 -> batch token channel",
        )
