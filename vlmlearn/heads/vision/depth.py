"""Depth: how far every pixel is, and how sure the head is of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vlmlearn.heads.vision.dense import DenseConfig, DenseHead
from vlmlearn.heads.vision.features import Features, Grid
from vlmlearn.heads.vision.options import make_config
from vlmlearn.layers.checks import check_counts

NEAR_ENOUGH = math.log(1.25)  # "right" is a factor of at most 1.25 away, as in the metric δ < 1.25
LARGEST_LOG_SCALE = 4.0  # keeps the confidence strictly between 0 and 1 in float32


@dataclass(frozen=True, kw_only=True)
class DepthEstimationConfig(DenseConfig):
    """Options of ``DepthEstimationHead``, besides those of ``DenseConfig``.

    Args:
        output_channels: depths for every pixel, usually 1.
        min_depth, max_depth: the range of depths, in the unit of the labels.
        use_log_depth: whether the head moves in ratios within the range (half-way between 1 and 100 is 10) or in
            differences (50.5).

    Raises:
        ValueError: a range that is empty or does not begin above 0.
    """

    output_channels: int = 1
    min_depth: float | int = 0.1
    max_depth: float | int = 100.0
    use_log_depth: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "output_channels")
        if not 0 < self.min_depth < self.max_depth < math.inf:
            raise ValueError(
                f"{type(self).__name__}: min_depth is {self.min_depth}, max_depth {self.max_depth}, expected "
                "0 < min_depth < max_depth, finite"
            )


class DepthEstimationHead(DenseHead):
    """Depth and a learnt confidence for every pixel.

    The head predicts a Laplace distribution of log-depth: its middle, which is the depth, and its scale b, how far
    off the head expects to be (Kendall & Gal 2017, section 3). ``laplace_depth_loss`` trains both. The confidence is
    the probability, under that distribution, that the depth is right to a factor of 1.25: 1 - exp(-log 1.25 / b).
    Averaged over pixels, an honest confidence equals the share that the metric δ < 1.25 counts.

    Args:
        in_channels, options: see ``VisionHead`` and ``DepthEstimationConfig``.
    """

    config_class = DepthEstimationConfig
    config: DepthEstimationConfig

    def __init__(self, in_channels: int | Sequence[int], **options: Any):
        channels = make_config(DepthEstimationConfig, options).output_channels
        super().__init__(in_channels, 2 * channels, **options)

    def forward(
        self, features: Features, *, grid: Grid | None = None, output_size: Grid | None = None
    ) -> dict[str, Float[Tensor, "batch output_channels rows columns"]]:
        """Features as in ``to_maps``.

        Args:
            output_size: rows and columns of the answer, if other than ``upsampling_factor`` times the finest map's.

        Returns:
            ``depth``, from ``min_depth`` to ``max_depth``; ``confidence``, above 0 and below 1; ``log_scale``, log b,
            between -4 and 4: all (batch, output_channels, rows, columns).
        """
        place, scale = self.numbers(self.maps(features, grid), output_size).chunk(2, dim=1)
        low, high = self.config.min_depth, self.config.max_depth
        share = place.sigmoid()
        depth = low * (high / low) ** share if self.config.use_log_depth else low + (high - low) * share
        log_scale = LARGEST_LOG_SCALE * torch.tanh(scale / LARGEST_LOG_SCALE)
        return {
            "depth": depth.clamp(low, high),  # the last digit of the arithmetic
            "confidence": -torch.expm1(-NEAR_ENOUGH * torch.exp(-log_scale)),
            "log_scale": log_scale,
        }
