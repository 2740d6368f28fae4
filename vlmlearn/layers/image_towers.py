"""Image towers: from pixels to a grid of tokens, one for each part of the picture."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.transformer import Transformer


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


class VisionTransformer(nn.Module):
    """Patches as tokens, learnt positions, Transformer blocks (Dosovitskiy et al. 2021).

    Args:
        image_side: height and width of the images in pixels; a multiple of ``patch``.
        patch: side of a patch in pixels.
        width, layers, heads: of the Transformer.

    Raises:
        ValueError: ``patch`` does not divide ``image_side``, or the images have another size.
    """

    def __init__(
        self, image_side: int = 64, patch: int = 8, width: int = 96, layers: int = 4, heads: int = 4
    ):
        super().__init__()
        if patch < 1 or image_side < 1 or image_side % patch:
            raise ValueError(
                f"image_side is {image_side}, patch {patch}: the patches must tile the image exactly"
            )
        self.width, self.stride, self.image_side = width, patch, image_side
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.randn((image_side // patch) ** 2, width) * 0.02)
        self.transformer = Transformer(layers, width, heads, 4 * width)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch tokens channels"]:
        """One token for every patch, row by row."""
        if images.shape[-2:] != (self.image_side, self.image_side):
            raise ValueError(
                f"images are {tuple(images.shape[-2:])} pixels, this tower has positions for "
                f"{self.image_side}×{self.image_side}: resize them"
            )
        tokens = rearrange(self.patches(images), "batch channel row column -> batch (row column) channel")
        return self.transformer(tokens + self.positions)


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
