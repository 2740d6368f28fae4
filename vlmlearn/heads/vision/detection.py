"""Detection: what is at every place, and where its box ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.heads.vision.features import Features, Grid, at_least_float32
from vlmlearn.heads.vision.head import VisionHead, start_at
from vlmlearn.heads.vision.options import HeadConfig
from vlmlearn.heads.vision.trunk import ConvBlock
from vlmlearn.layers.checks import check_counts

PRIOR = (
    0.01  # an untrained head says "one object in a hundred anchors" (Lin et al. 2017, RetinaNet, section 4.1)
)


@dataclass(frozen=True, kw_only=True)
class DetectionConfig(HeadConfig):
    """Options of ``DetectionHead``, besides those of ``HeadConfig``.

    Args:
        num_classes: kinds of objects; each has its own yes or no, so there is no class for the background.
        num_anchors: predictions at every place: as many as ``anchor_boxes`` makes, or 1 for a detector that goes by
            centres.
        bbox_dims: numbers that describe a box.
    """

    num_classes: int = 80
    num_anchors: int = 9
    bbox_dims: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "num_classes num_anchors bbox_dims")


class DetectionHead(VisionHead):
    """For every anchor of every place of the finest map its classes and its box (RetinaNet, FCOS, CenterNet).

    Classes and boxes come from two convolutional towers on the same trunk.

    Args:
        in_channels, options: see ``VisionHead`` and ``DetectionConfig``.
    """

    config_class = DetectionConfig
    config: DetectionConfig

    def __init__(self, in_channels: int | Sequence[int], **options: Any):
        super().__init__(in_channels, **options)
        config = self.config
        self.classes = AnchorTower(config.num_classes, config.num_anchors, config, PRIOR)
        self.boxes = AnchorTower(config.bbox_dims, config.num_anchors, config)

    def forward(
        self, features: Features, *, grid: Grid | None = None
    ) -> dict[str, Float[Tensor, "batch anchors _"]]:
        """Features as in ``to_maps``.

        Returns:
            ``classifications`` (batch, anchors, num_classes), logits for ``sigmoid_focal_loss``, and ``regressions``
            (batch, anchors, bbox_dims), with anchors = h · w · num_anchors: row by row, the anchors of a
            place together, as ``anchor_boxes`` counts them. Regressions are plain numbers, which the loss gives their
            meaning: ``decode_deltas`` reads them as shifts of anchors, ``decode_ltrb``, after a softplus, as distances.
        """
        x = self.trunk(self.maps(features, grid))
        return {"classifications": self.classes(x), "regressions": self.boxes(x)}


class AnchorTower(nn.Module):
    """A map to ``numbers`` for each anchor of each place.

    Args:
        numbers: per anchor.
        num_anchors: per place.
        config: the head's options.
        prior: if given, the probability that an untrained tower's numbers, as logits, stand for.
    """

    def __init__(self, numbers: int, num_anchors: int, config: HeadConfig, prior: float | None = None):
        super().__init__()
        self.num_anchors = num_anchors
        self.block = ConvBlock(config.hidden_dim, config)
        self.predict = nn.Conv2d(config.hidden_dim, num_anchors * numbers, 1)
        if prior is not None:
            start_at(self.predict, prior)

    def forward(self, x: Float[Tensor, "batch hidden h w"]) -> Float[Tensor, "batch anchors numbers"]:
        cells = "batch (anchor number) h w -> batch (h w anchor) number"
        return at_least_float32(rearrange(self.predict(self.block(x)), cells, anchor=self.num_anchors))
