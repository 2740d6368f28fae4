"""Instance segmentation: boxes, classes, and for each object the pixels that are its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, repeat
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from vlmlearn.heads.vision.dense import resized
from vlmlearn.heads.vision.detection import PRIOR, AnchorTower, DetectionConfig
from vlmlearn.heads.vision.features import Features, Grid, at_least_float32
from vlmlearn.heads.vision.head import VisionHead
from vlmlearn.heads.vision.trunk import ConvBlock
from vlmlearn.layers.checks import check_counts


@dataclass(frozen=True, kw_only=True)
class InstanceSegmentationConfig(DetectionConfig):
    """Options of ``InstanceSegmentationHead``, besides those of ``DetectionConfig``.

    Args:
        num_instances: how many anchors of each picture get a mask: those that are surest of a class.
        mask_size: rows and columns of the masks, which cover the whole picture.
        num_prototypes: maps that all masks of a picture are mixed from.
    """

    num_instances: int = 100
    mask_size: tuple[int, int] = (28, 28)
    num_prototypes: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "num_instances num_prototypes")
        if len(self.mask_size) != 2 or min(self.mask_size) < 1:
            raise ValueError(
                f"{type(self).__name__}: mask_size is {self.mask_size}, expected (rows, columns) of at least 1"
            )


class InstanceSegmentationHead(VisionHead):
    """A detector whose anchors also say how to mix their mask from shared prototypes (Bolya et al. 2019, YOLACT).

    The prototypes are maps of the whole picture, made from the trunk's map and the coordinates of every place (Liu et
    al. 2018, CoordConv), without which two equal objects would get equal prototypes. An object's mask is a sum of
    prototypes with the coefficients of its anchor, through a sigmoid.

    Train the detector as any other, and the masks at the anchors that answer for objects, with binary cross
    entropy or ``mask_dice_loss``:

        out = head(features)
        logits = mask_logits(out["prototypes"], coefficients_of(out["coefficients"], anchors))

    where ``anchors`` (batch, objects) holds the anchor of each object. ``instance_masks`` shows what the head
    is surest of, and is for looking; ``prototype_masks`` makes masks of chosen boxes, cut to the box.

    Args:
        in_channels, options: see ``VisionHead`` and ``InstanceSegmentationConfig``.
    """

    config_class = InstanceSegmentationConfig
    config: InstanceSegmentationConfig

    def __init__(self, in_channels: int | Sequence[int], **options: Any):
        super().__init__(in_channels, **options)
        config = self.config
        self.classes = AnchorTower(config.num_classes, config.num_anchors, config, PRIOR)
        self.boxes = AnchorTower(config.bbox_dims, config.num_anchors, config)
        self.coefficients = AnchorTower(config.num_prototypes, config.num_anchors, config)
        self.prototypes = nn.Sequential(
            ConvBlock(config.hidden_dim + 2, config),
            ConvBlock(config.hidden_dim, config),
            nn.Conv2d(config.hidden_dim, config.num_prototypes, 1),
        )

    def forward(
        self, features: Features, *, grid: Grid | None = None
    ) -> dict[str, Shaped[Tensor, "batch ..."]]:
        """Features as in ``to_maps``.

        Returns:
            ``classifications`` and ``regressions`` as of ``DetectionHead``; ``instance_masks`` (batch, num_instances,
            *mask_size), probabilities, of the ``instances`` (batch, num_instances), the anchors' numbers, surest
            first; ``coefficients`` (batch, anchors, num_prototypes), from -1 to 1; ``prototypes`` (batch,
            num_prototypes, *mask_size).

        Raises:
            ValueError: see ``to_maps``; fewer anchors than ``num_instances``.
        """
        x = self.trunk(self.maps(features, grid))
        classes, coefficients = self.classes(x), torch.tanh(self.coefficients(x))
        prototypes = at_least_float32(self.prototypes(with_coordinates(resized(x, self.config.mask_size))))
        instances = self._surest(classes)
        masks = mask_logits(prototypes, coefficients_of(coefficients, instances)).sigmoid()
        return {
            "classifications": classes,
            "regressions": self.boxes(x),
            "instance_masks": masks,
            "instances": instances,
            "coefficients": coefficients,
            "prototypes": prototypes,
        }

    def _surest(self, classes: Tensor) -> Tensor:
        if classes.shape[1] < self.config.num_instances:
            raise ValueError(
                f"num_instances is {self.config.num_instances}, but there are only {classes.shape[1]} anchors, "
                f"{self.config.num_anchors} a place: take fewer instances, more anchors or a finer map"
            )
        return classes.detach().amax(-1).topk(self.config.num_instances).indices


def mask_logits(
    prototypes: Float[Tensor, "batch prototypes h w"], coefficients: Float[Tensor, "batch objects prototypes"]
) -> Float[Tensor, "batch objects h w"]:
    """One mask for each row of coefficients: the prototypes' sum with these weights."""
    return at_least_float32(
        einsum(coefficients, prototypes, "batch object k, batch k h w -> batch object h w")
    )


def coefficients_of(
    coefficients: Float[Tensor, "batch anchors prototypes"], anchors: Shaped[Tensor, "batch objects"]
) -> Float[Tensor, "batch objects prototypes"]:
    """The rows of the given anchors, which are counted from 0."""
    return coefficients.gather(1, repeat(anchors, "batch object -> batch object k", k=coefficients.shape[2]))


def with_coordinates(x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels_and_2 h w"]:
    """Two more channels: row and column of each place, from -1 to 1."""
    sides = (torch.linspace(-1, 1, n, device=x.device, dtype=x.dtype) for n in x.shape[2:])
    places = torch.stack(torch.meshgrid(*sides, indexing="ij"))
    return torch.cat([x, repeat(places, "two h w -> batch two h w", batch=len(x))], dim=1)
