"""Instance segmentation: boxes, classes, and for each object the pixels that are its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.heads.vision.dense import resized
from vlmlearn.heads.vision.detection import PRIOR, AnchorTower, DetectionConfig
from vlmlearn.heads.vision.features import Features, Grid, at_least_float32
from vlmlearn.heads.vision.head import VisionHead
from vlmlearn.heads.vision.trunk import ConvBlock
from vlmlearn.layers.checks import check_counts

SPOT = 4  # fixed prototypes, from which a round spot anywhere can be mixed
SHARPNESS = 8.0  # an untrained spot fades within half of the picture


@dataclass(frozen=True, kw_only=True)
class InstanceSegmentationConfig(DetectionConfig):
    """Options of ``InstanceSegmentationHead``, besides those of ``DetectionConfig``.

    Args:
        num_instances: how many anchors of each picture get a mask: those that are surest of a class.
        mask_size: rows and columns of the masks, which cover the whole picture.
        num_prototypes: learnt maps that all masks of a picture are mixed from.
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

    Prototypes are maps of the whole picture; an anchor's mask is their sum with the anchor's coefficients, through a
    sigmoid. Two equal objects get equal coefficients, and so each the mask of both. Therefore four more prototypes are
    fixed, 1, x, y and x² + y², with which every anchor makes a round spot around its own place, as sharp as it likes:
    -sharpness · distance². What is far from the anchor is not its own (after Tian et al. 2020, CondInst, which tells
    every object's network where it is).

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
        self.mixture = AnchorTower(config.num_prototypes + 1, config.num_anchors, config)
        self.prototypes = nn.Sequential(
            ConvBlock(config.hidden_dim, config),
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
            first; ``coefficients`` (batch, anchors, num_prototypes + 4); ``prototypes`` (batch, num_prototypes + 4,
            *mask_size).

        Raises:
            ValueError: see ``to_maps``; fewer anchors than ``num_instances``.
        """
        x = self.trunk(self.maps(features, grid))
        classes = self.classes(x)
        instances = self._surest(classes)
        coefficients = self._coefficients(x)
        prototypes = at_least_float32(self.prototypes(resized(x, self.config.mask_size)))
        fixed = spot_prototypes(coordinates(*self.config.mask_size, like=prototypes))
        prototypes = torch.cat([prototypes, repeat(fixed, "k h w -> batch k h w", batch=len(x))], dim=1)
        return {
            "classifications": classes,
            "regressions": self.boxes(x),
            "instance_masks": mask_logits(prototypes, coefficients_of(coefficients, instances)).sigmoid(),
            "instances": instances,
            "coefficients": coefficients,
            "prototypes": prototypes,
        }

    def _coefficients(self, x: Tensor) -> Tensor:
        """Learnt ones between -1 and 1, as YOLACT's, and those of the anchor's spot."""
        mixture, sharpness = self.mixture(x).split([self.config.num_prototypes, 1], dim=-1)
        places = rearrange(coordinates(x.shape[2], x.shape[3], like=mixture), "two h w -> (h w) two")
        places = repeat(places, "cell two -> (cell anchor) two", anchor=self.config.num_anchors)
        spot = spot_coefficients(SHARPNESS * F.softplus(sharpness[..., 0]), places)
        return torch.cat([torch.tanh(mixture), spot], dim=-1)

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


def coordinates(rows: int, columns: int, like: Float[Tensor, "..."]) -> Float[Tensor, "2 rows columns"]:
    """x and y of the middle of every cell; the picture reaches from -1 to 1 both ways."""
    y, x = (
        2 * (torch.arange(n, device=like.device, dtype=like.dtype) + 0.5) / n - 1 for n in (rows, columns)
    )
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))


def spot_prototypes(places: Float[Tensor, "2 h w"]) -> Float[Tensor, "4 h w"]:
    """1, x, y and x² + y²."""
    return torch.stack([torch.ones_like(places[0]), *places, places.square().sum(0)])


def spot_coefficients(
    sharpness: Float[Tensor, "batch anchors"], places: Float[Tensor, "anchors 2"]
) -> Float[Tensor, "batch anchors 4"]:
    """Those that make -sharpness · |p - place|² = sharpness · (-|place|² + 2 place·p - |p|²) of the prototypes."""
    ones = torch.ones_like(places[:, :1])
    return sharpness[..., None] * torch.cat([-places.square().sum(1, keepdim=True), 2 * places, -ones], dim=1)
