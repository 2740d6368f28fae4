"""Keypoints: one heat map for each kind of point."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from vlmlearn.heads.vision.dense import DenseConfig, DenseHead
from vlmlearn.heads.vision.features import Features, Grid
from vlmlearn.heads.vision.head import start_at
from vlmlearn.heads.vision.options import make_config
from vlmlearn.layers.checks import check_counts

PRIOR = 0.1  # an untrained head is sure of little (Law & Deng 2018, CornerNet, section 4.1)


@dataclass(frozen=True, kw_only=True)
class KeypointConfig(DenseConfig):
    """Options of ``KeypointHead``, besides those of ``DenseConfig``.

    Args:
        num_classes: kinds of points: 17 joints in COCO, the 3 corners of a triangle.
    """

    num_classes: int = 17

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "num_classes")


class KeypointHead(DenseHead):
    """How likely every kind of point is at every pixel; several of a kind may be in one picture.

    Args:
        in_channels, options: see ``VisionHead`` and ``KeypointConfig``.
    """

    config_class = KeypointConfig
    config: KeypointConfig

    def __init__(self, in_channels: int | Sequence[int], **options: Any):
        super().__init__(in_channels, make_config(KeypointConfig, options).num_classes, **options)
        start_at(self.predict, PRIOR)

    def forward(
        self, features: Features, *, grid: Grid | None = None, output_size: Grid | None = None
    ) -> dict[str, Float[Tensor, "batch num_classes rows columns"]]:
        """Features as in ``to_maps``.

        Args:
            output_size: rows and columns of the answer, if other than ``upsampling_factor`` times the finest map's.

        Returns:
            ``logits`` (batch, num_classes, rows, columns), for ``heatmap_focal_loss`` or, if a point occurs once a
            picture, ``soft_argmax``; and ``heatmaps``, their sigmoid, for ``top_peaks``.
        """
        logits = self.numbers(self.maps(features, grid), output_size)
        return {"logits": logits, "heatmaps": logits.sigmoid()}
