"""CLIP's ResNet: it averages where others skip pixels, and attends where others average (Radford et al. 2021)."""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.attention import Attention
from vlmlearn.layers.checks import check_counts, check_heads, check_images, check_side

WIDEN = 4  # a block's result has this many times its inner channels (He et al. 2016)


@dataclass(frozen=True)
class ResNetConfig:
    """CLIP's ResNet; the defaults are its RN50.

    Args:
        image_side: height and width of the images in pixels; a multiple of 32.
        width: channels after the stem; the last stage ends with 32 times as many.
        blocks: residual blocks in each of the four stages.
        heads: of the attention that pools.

    Raises:
        ValueError: a number below 1, not four stages, an odd width, heads that do not divide the last width, or
            an image that tokens of 32 pixels do not tile.
    """

    image_side: int = 224
    width: int = 64
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    heads: int = 32

    def __post_init__(self) -> None:
        check_counts(self, "image_side width heads")
        if len(self.blocks) != 4 or min(self.blocks) < 1:
            raise ValueError(f"ResNetConfig: blocks is {self.blocks}, expected four numbers of 1 or more")
        if self.width % 2:
            raise ValueError(
                f"ResNetConfig: width is {self.width}, expected an even number: the stem starts with half of it"
            )
        check_heads(self, 32 * self.width, self.heads)
        check_side(self, self.image_side, 32)


class Bottleneck(nn.Module):
    """A residual block (He et al. 2016): 1×1, 3×3 and 1×1 convolutions added to their input.

    Where the picture is halved, a mean of 2×2 pixels does it, on both ways: a strided convolution would skip
    pixels, and fine patterns would turn into coarse ones that are not there (aliasing; Zhang 2019).

    Args:
        channels: of the input.
        width: channels inside; four times as many come out.
        stride: 2 halves height and width, 1 keeps them.
    """

    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        self.narrow = _convolution(channels, width, 1)
        self.look = _convolution(width, width, 3)
        self.widen = _convolution(width, WIDEN * width, 1)
        self.shrink = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        same = stride == 1 and channels == WIDEN * width
        self.shortcut = nn.Identity() if same else _convolution(channels, WIDEN * width, 1)
        last_norm = self.widen[1]
        assert isinstance(last_norm, nn.BatchNorm2d)
        nn.init.zeros_(last_norm.weight)  # the block starts as its shortcut

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch out h2 w2"]:
        inside = F.relu(self.look(F.relu(self.narrow(x))))
        return F.relu(self.widen(self.shrink(inside)) + self.shortcut(self.shrink(x)))


class MeanAsksPool(nn.Module):
    """Attention in place of an average: the mean of all tokens asks, and each token answers as far as it fits.

    Args:
        tokens: number of tokens, the mean not included.
        width, heads: of the attention.
        embedding: width of the answer.
    """

    def __init__(self, tokens: int, width: int, heads: int, embedding: int):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(tokens + 1, width) * width**-0.5)
        self.attention = Attention(width, heads, out_width=embedding)

    def forward(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch embedding"]:
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + self.positions
        return self.attention(tokens[:, :1], tokens)[:, 0]


class ResNetTower(nn.Module):
    """Pixels to one vector: a stem of three convolutions, four stages of blocks, a pool by attention.

    Equals ``ModifiedResNet`` of OpenAI's CLIP and of open_clip.

    Args:
        config: see ``ResNetConfig``.
        embedding: width of the result; as wide as the last stage if not given.
    """

    def __init__(self, config: ResNetConfig, embedding: int | None = None):
        super().__init__()
        self.config = config
        width, half = config.width, config.width // 2
        self.stem = nn.Sequential(
            *(_convolution(3, half, 3, stride=2), nn.ReLU()),
            *(_convolution(half, half, 3), nn.ReLU()),
            *(_convolution(half, width, 3), nn.ReLU()),
            nn.AvgPool2d(2),
        )
        self.stages = nn.Sequential()
        channels = width
        for stage, blocks in enumerate(config.blocks):
            inside = width * 2**stage
            for k in range(blocks):
                self.stages.append(Bottleneck(channels, inside, stride=2 if stage and not k else 1))
                channels = WIDEN * inside
        tokens = (config.image_side // 32) ** 2
        self.pool = MeanAsksPool(tokens, channels, config.heads, embedding or channels)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch embedding"]:
        check_images(images, self.config.image_side)
        grid = self.stages(self.stem(images))
        return self.pool(rearrange(grid, "batch channel row column -> batch (row column) channel"))


def _convolution(channels: int, width: int, side: int, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps height and width (but for the stride), and batch norm (Ioffe & Szegedy 2015)."""
    convolution = nn.Conv2d(channels, width, side, stride, padding=side // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width))
