"""A small picture classifier: from pixels to one score (logit) for each name."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PictureClassifier(nn.Module):
    """Four strided convolutions, the strongest answer of each channel over the picture, a linear layer.

    The first convolution cuts the picture into 4×4 patches that overlap by half; each further one joins 3×3
    of the patches before it (batch norm: Ioffe & Szegedy 2015).

    Args:
        classes: number of names.
        width: channels after the first convolution; four times as many at the end.

    Raises:
        ValueError: fewer than one class or channel, or (in ``forward``) pictures that are not floating point.
    """

    def __init__(self, classes: int, width: int = 16):
        super().__init__()
        if classes < 1 or width < 1:
            raise ValueError(f"classes is {classes}, width {width}: expected at least 1 of each")
        widths = (3, width, 2 * width, 4 * width, 4 * width)
        self.layers = nn.Sequential()
        for k, (before, after) in enumerate(pairwise(widths)):
            side = 4 if k == 0 else 3
            self.layers.append(nn.Conv2d(before, after, side, stride=2, padding=1, bias=False))
            self.layers.extend([nn.BatchNorm2d(after), nn.ReLU()])
        self.head = nn.Linear(widths[-1], classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of pictures whose pixels are 0 to 1."""
        if not images.is_floating_point():
            raise ValueError(
                f"images are {images.dtype}, expected floating point from 0 to 1: write images.float() / 255"
            )
        grid = self.layers(images.contiguous(memory_format=torch.channels_last))
        return self.head(grid.amax(dim=(2, 3)))
