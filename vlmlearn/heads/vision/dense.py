"""What heads with an answer for every pixel share: trunk, enlargement, prediction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.heads.vision.features import Grid, at_least_float32
from vlmlearn.heads.vision.head import VisionHead
from vlmlearn.heads.vision.options import HeadConfig
from vlmlearn.heads.vision.upsampling import Upsampler
from vlmlearn.layers.checks import check_counts


@dataclass(frozen=True, kw_only=True)
class DenseConfig(HeadConfig):
    """Options of heads that answer for every pixel, besides those of ``HeadConfig``.

    Args:
        upsampling_factor: how many times finer the answer is than the finest map, in each direction: any whole number
            from 1 on. The encoder's stride gives an answer for every pixel.
    """

    upsampling_factor: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "upsampling_factor")


class DenseHead(VisionHead):
    """Trunk, ``Upsampler``, and one more convolution to ``channels`` numbers a pixel."""

    config: DenseConfig

    def __init__(self, in_channels: int | Sequence[int], channels: int, **options: Any):
        super().__init__(in_channels, **options)
        self.upsample = Upsampler(self.config.upsampling_factor, self.config)
        self.predict = nn.Conv2d(self.upsample.width, channels, 1)

    def numbers(
        self, maps: list[Float[Tensor, "batch _ _ _"]], output_size: Grid | None
    ) -> Float[Tensor, "batch channels rows columns"]:
        """The raw numbers, ``upsampling_factor`` times as fine as the finest map, or resized to ``output_size``."""
        numbers = at_least_float32(self.predict(self.upsample(self.trunk(maps))))
        return numbers if output_size is None else resized(numbers, output_size)


def resized(
    x: Float[Tensor, "batch channels h w"], size: Grid
) -> Float[Tensor, "batch channels rows columns"]:
    """Bilinear; ``ValueError`` for a size below 1."""
    if min(size) < 1:
        raise ValueError(f"the output's size is {tuple(size)}, expected (rows, columns) of at least 1")
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)
