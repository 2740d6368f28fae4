"""Published NaFlex models of SigLIP 2: what their configurations mean, the names of their tensors, and ours."""

from collections.abc import Mapping
from math import isqrt
from typing import Any

from torch import Tensor

from vlmlearn.hub import siglip
from vlmlearn.layers import NaFlexConfig
from vlmlearn.models import SigLIP2Config


def config_from_upstream(settings: Mapping[str, Any]) -> SigLIP2Config:
    """The configuration of a Hugging Face ``Siglip2Model``, as its config.json holds it, as ours.

    Pixels are scaled to −1 … 1, as for the published models; a config.json does not say.

    Raises:
        ValueError: another model, what ``vlmlearn.hub.siglip`` rejects, or positions that fill no square grid.
    """
    siglip.check_kind(settings, "siglip2")
    vision = siglip.tower(settings, "vision_config", siglip.VISION_DEFAULTS | {"num_patches": 256})
    positions = vision["num_patches"]
    if isqrt(positions) ** 2 != positions:
        raise ValueError(
            f"vision_config: num_patches is {positions}, expected a square number: 256 is 16 × 16"
        )
    image = NaFlexConfig(siglip.square(vision, "patch_size"), isqrt(positions), **siglip.transformer(vision))
    return SigLIP2Config(image, siglip.text_config(settings, image.width))


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a Hugging Face ``Siglip2Model`` under the names of ``vlmlearn.models.SigLIP2``.

    Raises:
        ValueError: as in ``vlmlearn.hub.siglip``, whose names these are.
    """
    renamed = siglip.rename(state_dict)
    return {name.replace("image_tower.vit.", "image_tower."): value for name, value in renamed.items()}
