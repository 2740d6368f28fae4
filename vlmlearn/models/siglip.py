"""SigLIP: CLIP that asks of every picture and every sentence "do you belong together?", yes or no (Zhai et al. 2023).

Two towers end in vectors of length one, as in CLIP. The loss, ``vlmlearn.losses.siglip_loss``, is another: a sigmoid
for each pair by itself, where CLIP has a softmax over the batch. It needs one number more, a bias: most pairs do not
match, and the bias says so before anything is learnt. The published models have other towers, too; what differs
stands in the config.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from vlmlearn.layers.bidirectional_text import BidirectionalTextConfig, BidirectionalTextTower
from vlmlearn.layers.checks import check_counts
from vlmlearn.layers.map_vit import MapViTConfig, MapViTTower
from vlmlearn.layers.text_tower import TextConfig, TextTower
from vlmlearn.models import clip

LOG_SCALE, LOGIT_BIAS = math.log(10), -10.0  # Zhai et al. 2023, section 3.2
TextTowerConfig = TextConfig | BidirectionalTextConfig
TEXT_TOWERS: dict[type, type[nn.Module]] = {
    TextConfig: TextTower,
    BidirectionalTextConfig: BidirectionalTextTower,
}


@dataclass(frozen=True)
class SigLIPConfig:
    """What may differ between SigLIPs; the defaults are the published B/16.

    Args:
        image: the image tower: ``MapViTConfig``, as published, or any of CLIP's.
        text: the text tower: ``BidirectionalTextConfig``, as published, or CLIP's ``TextConfig``.
        embedding: width of the shared space; that of ``MapViTConfig`` itself, which is not projected.
        pixel_mean, pixel_std: raw pixels (0–255) are standardised with these, by default to −1 … 1: one number, or
            one for each of red, green and blue.
        log_scale: initial logarithm of the scale, by which cosines are multiplied.
        logit_bias: initial bias, which is then added.

    Raises:
        ValueError: a width below 1 or other than that of the ``MapViTConfig``, a deviation that is not above 0, or a
            scale or bias that is no finite number.
        TypeError: an image or text config without a tower.
    """

    image: MapViTConfig | clip.ImageConfig = field(default_factory=MapViTConfig)
    text: TextTowerConfig = field(default_factory=BidirectionalTextConfig)
    embedding: int = 768
    pixel_mean: clip.PerChannel = 127.5
    pixel_std: clip.PerChannel = 127.5
    log_scale: float | int = LOG_SCALE
    logit_bias: float | int = LOGIT_BIAS

    def __post_init__(self) -> None:
        check_counts(self, "embedding")
        check_numbers(self, "log_scale logit_bias")
        check_kind(self, "image", (MapViTConfig, *clip.IMAGE_TOWERS))
        check_kind(self, "text", tuple(TEXT_TOWERS))
        if isinstance(self.image, MapViTConfig) and self.embedding != self.image.width:
            raise ValueError(
                f"embedding is {self.embedding}, the image tower {self.image.width} wide, expected the same: its "
                "result is not projected"
            )
        deviations = self.pixel_std if isinstance(self.pixel_std, tuple) else (self.pixel_std,)
        if not min(deviations) > 0:
            raise ValueError(f"pixel_std is {self.pixel_std}, expected numbers above 0 to divide pixels by")

    @classmethod
    def tiny(
        cls,
        vocabulary: int,
        *,
        log_scale: float | int = LOG_SCALE,
        logit_bias: float | int = LOGIT_BIAS,
        **changes: Any,
    ) -> "SigLIPConfig":
        """For the embedded world: the very towers of ``CLIPConfig.tiny``, so that nothing but the loss differs.

        Args:
            vocabulary, changes: see ``CLIPConfig.tiny``.
            log_scale, logit_bias: see ``SigLIPConfig``.
        """
        same = clip.CLIPConfig.tiny(vocabulary, **changes)
        return cls(
            same.image, same.text, same.embedding, same.pixel_mean, same.pixel_std, log_scale, logit_bias
        )

    @classmethod
    def base_patch16_224(cls, vocabulary: int = 32_000) -> "SigLIPConfig":
        """B/16 (203 million parameters); with 256,000 words SigLIP 2's of fixed size (375 million)."""
        return cls(text=BidirectionalTextConfig(vocabulary))

    @classmethod
    def so400m_patch14_384(cls) -> "SigLIPConfig":
        """So400m/14, whose shape was found by scaling laws, for images of 384 pixels (878 million parameters)."""
        image = MapViTConfig(384, 14, width=1152, layers=27, heads=16, hidden=4304)
        text = BidirectionalTextConfig(width=1152, layers=27, heads=16, hidden=4304)
        return cls(image, text, embedding=1152)


class SigLIPOutput(NamedTuple):
    """Features of length one, scale and bias: everything the loss needs."""

    image_features: Float[Tensor, "batch embedding"]
    text_features: Float[Tensor, "batch embedding"]
    logit_scale: Float[Tensor, ""]
    logit_bias: Float[Tensor, ""]


class SigLIP(clip.CLIP):
    """CLIP with a bias: two towers, a temperature, and what is added to every logit.

    Pictures and sentences are encoded as in ``CLIP``. Equals, with the configs named after them, Hugging Face's
    ``SiglipModel``.

    Args:
        config: see ``SigLIPConfig``; ``SigLIPConfig.tiny(len(tokenizer))`` for the embedded world.
    """

    # Other types than CLIP's, with all that its methods ask of them.
    config: SigLIPConfig  # type: ignore[assignment]
    text_tower: nn.Module  # type: ignore[assignment]

    def __init__(self, config: SigLIPConfig):
        nn.Module.__init__(self)  # CLIP's own would make its towers
        self.config = config
        self.image_tower = (
            MapViTTower(config.image)
            if isinstance(config.image, MapViTConfig)
            else clip.IMAGE_TOWERS[type(config.image)](config.image, config.embedding)
        )
        self.text_tower = TEXT_TOWERS[type(config.text)](config.text, config.embedding)
        self.log_scale = nn.Parameter(torch.tensor(float(config.log_scale)))
        self.logit_bias = nn.Parameter(torch.tensor(float(config.logit_bias)))

    def forward(  # type: ignore[override]
        self,
        images: UInt8[Tensor, "batch 3 side side"] | Float[Tensor, "batch 3 side side"],
        ids: Int64[Tensor, "batch length"],
    ) -> SigLIPOutput:
        return SigLIPOutput(
            self.encode_image(images), self.encode_text(ids), self.log_scale.exp(), self.logit_bias
        )


def check_kind(config: object, name: str, kinds: tuple[type, ...]) -> None:
    """Raise a ``TypeError`` where the field ``name`` is of none of the ``kinds``."""
    found = type(getattr(config, name))
    if found not in kinds:
        known = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name} is a {found.__name__}, expected one of {known}")


def check_numbers(config: object, names: str) -> None:
    """Raise a ``ValueError`` where a field named in ``names`` is no finite number."""
    for name in names.split():
        value = getattr(config, name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{type(config).__name__}: {name} is {value!r}, expected one finite number")
