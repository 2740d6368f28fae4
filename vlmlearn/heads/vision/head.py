"""What all vision heads have in common."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.heads.vision.features import Features, Grid, scale_widths, to_maps
from vlmlearn.heads.vision.options import HeadConfig, make_config
from vlmlearn.heads.vision.trunk import Trunk


class VisionHead(nn.Module):
    """A head reads what an encoder made of pictures: a map, tokens, or a list of scales.

    Args:
        in_channels: the encoder's channels; for a list of scales one number each, the finest first.
        options: the fields of the head's config, such as ``hidden_dim=64``.

    Raises:
        ValueError: an unknown option or one out of its range; (in ``forward``) features that do not fit, see
            ``to_maps``.
    """

    config_class: ClassVar[type[HeadConfig]]
    config: HeadConfig

    def __init__(self, in_channels: int | Sequence[int], **options: Any):
        super().__init__()
        self.config = make_config(self.config_class, options)
        self.in_channels = scale_widths(in_channels)
        self.trunk = Trunk(self.in_channels, self.config)

    def maps(self, features: Features, grid: Grid | None) -> list[Float[Tensor, "batch _ _ _"]]:
        """The features as maps, checked."""
        return to_maps(features, self.in_channels, grid)


def class_probabilities(
    logits: Float[Tensor, "batch classes *space"],
) -> Float[Tensor, "batch classes *space"]:
    """They sum to 1 over the classes; of a single class, which would always get 1, the sigmoid."""
    return logits.sigmoid() if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def start_at(predict: nn.Conv2d, prior: float) -> None:
    """Set the bias so that an untrained layer's logits say about ``prior``: rare things start as rare."""
    assert predict.bias is not None
    nn.init.constant_(predict.bias, math.log(prior / (1 - prior)))
