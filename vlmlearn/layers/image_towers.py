"""Small image towers: from pixels to a grid of tokens, one for each part of the picture, and on to one vector."""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.attention import AttentionPool
from vlmlearn.layers.checks import check_counts, check_heads, check_images, check_known, check_side
from vlmlearn.layers.transformer import TransformerBlock
from vlmlearn.layers.vit import VisionTransformer

TOKEN_WIDTHS = {"cnn": 2, "vit": 3}  # channels of a token, in widths of the tower
QUERIES = 4  # learnt questions that the pool asks


class PatchCNN(nn.Module):
    """A small convolutional tower: patches, residual blocks (He et al. 2016), then halved once more.

    A patch is 4×4 pixels and sees one more pixel on each side: an edge between two patches is seen by both.

    Args:
        width: channels after the patches; twice as many come out.
        blocks: residual blocks before and after the halving.

    Raises:
        ValueError: (in ``forward``) a side is no multiple of 8.
    """

    stride = 8  # pixels a token stands for, in each direction

    def __init__(self, width: int = 32, blocks: tuple[int, int] = (1, 2)):
        super().__init__()
        self.width = 2 * width
        self.layers = nn.Sequential(
            _patches(3, width, 4, overlap=1),
            *(ResidualBlock(width) for _ in range(blocks[0])),
            _patches(width, 2 * width, 2),
            *(ResidualBlock(2 * width) for _ in range(blocks[1])),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch tokens channels"]:
        """One token for every 8×8 pixels, row by row."""
        _check_sides(images, self.stride)
        grid = self.layers(images.contiguous(memory_format=torch.channels_last))
        return rearrange(grid, "batch channel row column -> batch (row column) channel")


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions added to their input; at first zero, so the block starts as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm, self.second_norm = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        inside = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(inside)))


@dataclass(frozen=True)
class GridConfig:
    """A small tower that trains from scratch on a laptop.

    Args:
        kind: "cnn" (``PatchCNN``) or "vit" (``VisionTransformer``).
        image_side: height and width of the images in pixels; a multiple of 8.
        width: channels after the patches; a token has twice as many ("cnn") or three times ("vit").
        heads: attention heads.
        pool: how the tokens become one vector: "attention", after one more Transformer block, by four learnt
            queries; or "mean".

    Raises:
        ValueError: a number below 1, an unknown kind or pool, heads that do not divide the tokens' width, or an
            image that tokens of 8 pixels do not tile.
    """

    kind: str = "cnn"
    image_side: int = 64
    width: int = 32
    heads: int = 4
    pool: str = "attention"

    def __post_init__(self) -> None:
        check_counts(self, "image_side width heads")
        check_known(self, "kind", tuple(TOKEN_WIDTHS))
        check_known(self, "pool", ("attention", "mean"))
        check_heads(self, TOKEN_WIDTHS[self.kind] * self.width, self.heads)
        check_side(self, self.image_side, PatchCNN.stride)


class GridTower(nn.Module):
    """Pixels to one vector: grid tokens, a Transformer block to compare them, learnt queries to read.

    Args:
        config: see ``GridConfig``.
        embedding: width of the result.
    """

    def __init__(self, config: GridConfig, embedding: int):
        super().__init__()
        self.config = config
        width = TOKEN_WIDTHS[config.kind] * config.width
        if config.kind == "cnn":
            self.grid: nn.Module = PatchCNN(config.width)
        else:
            self.grid = VisionTransformer(config.image_side, PatchCNN.stride, width, heads=config.heads)
        self.block: nn.Module | None = None
        self.pool: nn.Module | None = None
        pooled = width
        if config.pool == "attention":
            pooled = QUERIES * width
            tokens = (config.image_side // PatchCNN.stride) ** 2
            self.positions = nn.Parameter(torch.randn(tokens, width) * 0.1)
            self.block = TransformerBlock(width, config.heads, 2 * width)
        self.norm = nn.LayerNorm(width)
        if config.pool == "attention":
            self.pool = AttentionPool(width, config.heads, QUERIES)
        self.projection = nn.Linear(pooled, embedding, bias=False)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch embedding"]:
        check_images(images, self.config.image_side)
        tokens = self.grid(images)
        if self.block is None or self.pool is None:
            return self.projection(self.norm(tokens).mean(1))
        return self.projection(self.pool(self.norm(self.block(tokens + self.positions))))


def _patches(channels: int, width: int, side: int, overlap: int = 0) -> nn.Sequential:
    """One vector for each side×side patch and its margin of ``overlap`` pixels: a convolution with stride ``side``."""
    convolution = nn.Conv2d(channels, width, side + 2 * overlap, side, overlap, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


def _check_sides(images: Tensor, stride: int) -> None:
    if images.shape[-2] % stride or images.shape[-1] % stride:
        raise ValueError(
            f"images are {tuple(images.shape[-2:])} pixels, this tower needs multiples of {stride}: "
            "resize or pad them"
        )
