"""Semantic segmentation: a class for every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.heads.vision.dense import DenseConfig, DenseHead, resized
from vlmlearn.heads.vision.features import Features, Grid, at_least_float32
from vlmlearn.heads.vision.head import class_probabilities
from vlmlearn.heads.vision.options import make_config
from vlmlearn.layers.checks import check_counts


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig(DenseConfig):
    """Options of ``SegmentationHead``, besides those of ``DenseConfig``.

    Args:
        num_classes: the background counts if the labels count it; a single class is a yes or no.
        use_skip_connections: whether every scale that comes in, be it one or several, also votes for
            classes by itself; the votes, enlarged, are added (Long et al. 2015, FCN, section 4.2).
    """

    num_classes: int = 21
    use_skip_connections: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "num_classes")


class SegmentationHead(DenseHead):
    """Classes for every pixel.

    Args:
        in_channels, options: see ``VisionHead`` and ``SegmentationConfig``.
    """

    config_class = SegmentationConfig
    config: SegmentationConfig

    def __init__(self, in_channels: int | Sequence[int], **options: Any):
        classes = make_config(SegmentationConfig, options).num_classes
        super().__init__(in_channels, classes, **options)
        voting = self.in_channels if self.config.use_skip_connections else ()
        self.votes = nn.ModuleList(nn.Conv2d(width, classes, 1, bias=False) for width in voting)

    def forward(
        self, features: Features, *, grid: Grid | None = None, output_size: Grid | None = None
    ) -> dict[str, Float[Tensor, "batch num_classes rows columns"]]:
        """Features as in ``to_maps``.

        Args:
            output_size: rows and columns of the answer, if other than ``upsampling_factor`` times the finest map's.

        Returns:
            ``logits`` (batch, num_classes, rows, columns), for ``cross_entropy_loss``, and ``masks``, their softmax
            over the classes (of a single class their sigmoid).
        """
        maps = self.maps(features, grid)
        logits = self.numbers(maps, output_size)
        size = logits.shape[2], logits.shape[3]
        for vote, scale in zip(self.votes, maps, strict=False):
            logits = logits + resized(at_least_float32(vote(scale)), size)
        return {"logits": logits, "masks": class_probabilities(logits)}
