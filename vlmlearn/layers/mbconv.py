"""MBConv, the block of MobileNets and EfficientNets: spatial looks are cheap when each channel looks alone.

A 1×1 convolution widens, a depthwise one looks around in each channel, squeeze and excitation weigh the channels by
a glance at the whole picture, and another 1×1 convolution narrows again.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class MBConv(nn.Module):
    """Widen, look around, weigh the channels, narrow (Sandler et al. 2018; Tan & Le 2019, section 4).

    Args:
        channels, out: channels in and out.
        kernel, stride, square_padding: of the depthwise convolution, see ``ConvNorm``.
        expand: how many times wider it is inside.
        squeezed: channels inside squeeze and excitation.
        residual: whether the input is added to the result.
        drop: probability, in training, that an example's result is its input alone.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int,
        expand: int,
        squeezed: int,
        *,
        square_padding: bool = False,
        residual: bool = False,
        drop: float = 0.0,
    ):
        super().__init__()
        inside = channels * expand
        self.widen = ConvNorm(channels, inside, 1) if expand > 1 else nn.Identity()
        self.depthwise = ConvNorm(inside, inside, kernel, stride, inside, square_padding)
        self.excitation = SqueezeExcitation(inside, squeezed)
        self.narrow = ConvNorm(inside, out, 1, activation=False)
        self.residual, self.drop = residual, drop

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch out rows columns"]:
        inside = self.narrow(self.excitation(self.depthwise(self.widen(x))))
        if not self.residual:
            return inside
        if self.training and self.drop:  # what stays is enlarged: its mean is that of evaluation
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            inside = inside * kept / (1 - self.drop)
        return x + inside


class SqueezeExcitation(nn.Module):
    """The channels' means over the picture decide how much each channel counts (Hu et al. 2018)."""

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h w"]:
        means = x.mean((2, 3), keepdim=True)
        return x * self.excite(F.silu(self.squeeze(means))).sigmoid()


class ConvNorm(nn.Module):
    """Convolution, batch norm and, if wanted, swish (``F.silu``).

    With stride 2 the padding is one pixel less on the left and at the top, unless ``square_padding``.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        square_padding: bool = False,
        activation: bool = True,
    ):
        super().__init__()
        half, lopsided = kernel // 2, stride == 2 and not square_padding
        self.padding = (half - 1, half, half - 1, half) if lopsided else None
        self.convolution = nn.Conv2d(
            channels, out, kernel, stride, 0 if lopsided else half, groups=groups, bias=False
        )
        self.norm, self.activation = nn.BatchNorm2d(out), activation

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch out rows columns"]:
        if self.padding is not None:
            x = F.pad(x, self.padding)
        x = self.norm(self.convolution(x))
        return F.silu(x) if self.activation else x
