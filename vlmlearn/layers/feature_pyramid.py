"""A feature pyramid on a small convolutional encoder: coarse places understand, fine places know where."""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.layers.image_towers import ResidualBlock
from vlmlearn.layers.transformer import TransformerBlock

STRIDE, FINE_STRIDE, COARSE_STRIDE = 4, 2, 8  # pixels a place of each map stands for, in each direction


class Pyramid(NamedTuple):
    """``middle`` has 4 pixels a place, ``fine`` 2."""

    middle: Float[Tensor, "batch channels h w"]
    fine: Float[Tensor, "batch fine_channels h2 w2"]


class FeaturePyramid(nn.Module):
    """Pixels to two maps: what the coarse places have understood is brought back to fine ones (Lin et al. 2017).

    Args:
        image_side: height and width of the pictures in pixels, a multiple of 8.
        width: channels after the first patches; twice as many on the coarsest map.
        channels, fine_channels: of the two maps that come out.
        heads: of the attention among the coarsest places.
    """

    def __init__(self, image_side: int, width: int, channels: int, fine_channels: int, heads: int):
        super().__init__()
        fine, places = fine_channels, (image_side // COARSE_STRIDE) ** 2
        self.stem = nn.Sequential(_convolution(3, width, 6, stride=4, padding=1), ResidualBlock(width))
        self.coarse = nn.Sequential(
            _convolution(width, 2 * width, 2, stride=2), ResidualBlock(2 * width), ResidualBlock(2 * width)
        )
        self.positions = nn.Parameter(0.1 * torch.randn(places, 2 * width))
        self.block = TransformerBlock(2 * width, heads, 4 * width)
        self.lateral = nn.Conv2d(width, channels, 1)
        self.enlarge = nn.ConvTranspose2d(2 * width, channels, 2, 2)
        self.smooth = _smooth(channels)
        self.fine_lateral = nn.Conv2d(3, fine, 4, 2, 1)
        self.fine_enlarge = nn.Sequential(nn.Conv2d(channels, 4 * fine, 1), nn.PixelShuffle(2))
        self.fine_smooth = _smooth(fine)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Pyramid:
        stem = self.stem(images)
        coarse = self.coarse(stem)
        tokens = rearrange(coarse, "batch channel h w -> batch (h w) channel").float()
        with torch.autocast(tokens.device.type, enabled=False):  # half precision slows so small a block down
            tokens = self.block(tokens + self.positions)
        coarse = rearrange(tokens, "batch (h w) channel -> batch channel h w", h=coarse.shape[2])
        middle = self.smooth(self.lateral(stem) + self.enlarge(coarse))
        fine = self.fine_smooth(self.fine_lateral(images) + self.fine_enlarge(middle))
        return Pyramid(middle, fine)


def _convolution(channels: int, width: int, side: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, side, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


def _smooth(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), _convolution(channels, channels, 3, padding=1))
