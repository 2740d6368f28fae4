"""CLIP: two towers that meet in one space (Radford et al. 2021).

An image tower and a text tower each end in a vector of length one. Matching pictures and sentences are pulled
together by ``vlmlearn.losses.clip_loss``; nothing else ties the towers. The same class is the tiny CLIP of the embedded
world and the published ones: what differs stands in the config.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.checks import check_counts
from vlmlearn.layers.convnext import ConvNeXtConfig, ConvNeXtTower
from vlmlearn.layers.image_towers import GridConfig, GridTower
from vlmlearn.layers.resnet import ResNetConfig, ResNetTower
from vlmlearn.layers.text_tower import TextConfig, TextTower
from vlmlearn.layers.vit import ViTConfig, ViTTower

MAX_LOG_SCALE = math.log(100)  # the temperature never falls below 1/100 (Radford et al. 2021, section 2.5)
LOG_SCALE = math.log(1 / 0.07)
IMAGE_TOWERS: dict[type, type[nn.Module]] = {
    GridConfig: GridTower,
    ViTConfig: ViTTower,
    ResNetConfig: ResNetTower,
    ConvNeXtConfig: ConvNeXtTower,
}

ImageConfig = GridConfig | ViTConfig | ResNetConfig | ConvNeXtConfig
PerChannel = float | tuple[float, float, float]


@dataclass(frozen=True)
class CLIPConfig:
    """What may differ between CLIPs: the two towers, and the space in which they meet.

    Args:
        image: the image tower; the type chooses it: ``GridConfig`` (small, trains on a laptop), ``ViTConfig``,
            ``ResNetConfig`` or ``ConvNeXtConfig``.
        text: the text tower.
        embedding: width of the shared space.
        pixel_mean, pixel_std: raw pixels (0–255) are standardised with these: one number, or one for each of red,
            green and blue. The defaults are those of OpenAI's CLIPs.
        log_scale: initial logarithm of the scale 1/τ.

    Raises:
        ValueError: a width below 1, or a deviation that is not above 0.
        TypeError: an image config without a tower.
    """

    image: ImageConfig = field(default_factory=ViTConfig)
    text: TextConfig = field(default_factory=TextConfig)
    embedding: int = 512
    pixel_mean: PerChannel = (122.7709383, 116.7460125, 104.09373615)
    pixel_std: PerChannel = (68.5005327, 66.6321375, 70.32316305)
    log_scale: float = LOG_SCALE

    def __post_init__(self) -> None:
        check_counts(self, "embedding")
        if type(self.image) not in IMAGE_TOWERS:
            known = ", ".join(kind.__name__ for kind in IMAGE_TOWERS)
            raise TypeError(f"image is a {type(self.image).__name__}, expected one of {known}")
        deviations = self.pixel_std if isinstance(self.pixel_std, tuple) else (self.pixel_std,)
        if not min(deviations) > 0:
            raise ValueError(f"pixel_std is {self.pixel_std}, expected numbers above 0 to divide pixels by")

    @classmethod
    def tiny(
        cls,
        vocabulary: int,
        *,
        context_length: int = 32,
        eos_id: int = 2,
        image_tower: str = "cnn",
        image_side: int = 64,
        image_width: int = 32,
        text_tower: str = "transformer",
        text_width: int = 96,
        text_layers: int = 2,
        heads: int = 4,
        embedding: int = 128,
        pixel_mean: PerChannel = 101.0,
        pixel_std: PerChannel = 36.0,
        log_scale: float = LOG_SCALE,
    ) -> "CLIPConfig":
        """For the embedded world: trains from scratch in a minute on two CPU cores.

        Args:
            vocabulary: number of token ids, ``len(tokenizer)``.
            context_length, eos_id: see ``TextConfig``.
            image_tower: "cnn" or "vit".
            text_tower: "transformer" or "bag".
            image_side, image_width, text_width, text_layers: of the towers.
            heads: of the attention in both towers.
            embedding, pixel_mean, pixel_std, log_scale: see ``CLIPConfig``; the pixels' are the world's own.
        """
        image = GridConfig(image_tower, image_side, image_width, heads)
        text = TextConfig(
            vocabulary,
            context_length,
            eos_id,
            kind=text_tower,
            width=text_width,
            layers=text_layers,
            heads=heads,
            hidden=2 * text_width,
            activation="gelu",
        )
        return cls(image, text, embedding, pixel_mean, pixel_std, log_scale)

    @classmethod
    def simple(cls, vocabulary: int, *, embedding: int = 64, image_side: int = 64) -> "CLIPConfig":
        """The least that is still a CLIP, as primers have it: a small CNN averaged over the picture, one
        Transformer layer over the text. It knows what is in a picture, hardly where."""
        image = GridConfig("cnn", image_side, width=16, pool="mean")
        text = TextConfig(
            vocabulary, 32, eos_id=2, width=64, layers=1, heads=4, hidden=128, activation="gelu"
        )
        return cls(image, text, embedding, 101.0, 36.0)

    @classmethod
    def vit_base_patch32(cls) -> "CLIPConfig":
        """OpenAI's ViT-B/32 (151 million parameters)."""
        return cls()

    @classmethod
    def vit_base_patch16(cls) -> "CLIPConfig":
        """OpenAI's ViT-B/16 (150 million parameters)."""
        return cls(ViTConfig(patch=16))

    @classmethod
    def vit_large_patch14(cls) -> "CLIPConfig":
        """OpenAI's ViT-L/14 (428 million parameters)."""
        image = ViTConfig(patch=14, width=1024, layers=24, heads=16, hidden=4096)
        return cls(image, TextConfig(width=768, heads=12, hidden=3072), embedding=768)

    @classmethod
    def resnet50(cls) -> "CLIPConfig":
        """OpenAI's RN50 (102 million parameters)."""
        return cls(ResNetConfig(), embedding=1024)


class CLIPOutput(NamedTuple):
    """Features of length one, and the scale: everything the loss needs."""

    image_features: Float[Tensor, "batch embedding"]
    text_features: Float[Tensor, "batch embedding"]
    logit_scale: Float[Tensor, ""]


class CLIP(nn.Module):
    """Two towers and a temperature.

    Equals, with the configs named after them, OpenAI's CLIPs and Hugging Face's ``CLIPModel``.

    Args:
        config: see ``CLIPConfig``; ``CLIPConfig.tiny(len(tokenizer))`` for the embedded world.
    """

    def __init__(self, config: CLIPConfig):
        super().__init__()
        self.config = config
        self.image_tower = IMAGE_TOWERS[type(config.image)](config.image, config.embedding)
        self.text_tower = TextTower(config.text, config.embedding)
        self.log_scale = nn.Parameter(torch.tensor(config.log_scale))

    def encode_image(
        self,
        images: UInt8[Tensor, "batch 3 side side"] | Float[Tensor, "batch 3 side side"],
        *,
        normalize: bool = True,
    ) -> Float[Tensor, "batch embedding"]:
        """Raw pixels (uint8), or already standardised floats, to features.

        They have length one, or with ``normalize=False`` whatever length the tower gives them.
        """
        if images.dtype == torch.uint8:
            images = (images.float() - self._channels("pixel_mean")) / self._channels("pixel_std")
        elif not images.is_floating_point():
            raise ValueError(
                f"images are {images.dtype}, expected raw uint8 or standardised floats: convert them"
            )
        features = self.image_tower(images)
        return F.normalize(features, dim=-1) if normalize else features

    def encode_text(
        self, ids: Int64[Tensor, "batch length"], *, normalize: bool = True
    ) -> Float[Tensor, "batch embedding"]:
        """Token ids, ended by ``eos_id`` and padded with anything, to features, as in ``encode_image``."""
        features = self.text_tower(ids)
        return F.normalize(features, dim=-1) if normalize else features

    def forward(
        self,
        images: UInt8[Tensor, "batch 3 side side"] | Float[Tensor, "batch 3 side side"],
        ids: Int64[Tensor, "batch length"],
    ) -> CLIPOutput:
        return CLIPOutput(self.encode_image(images), self.encode_text(ids), self.log_scale.exp())

    @torch.no_grad()
    def clamp_scale_(self) -> None:
        """Keep the scale at 100 or below. Call it after every optimizer step, not inside the loss:
        a clamp inside the loss has no gradient beyond its bound, so the scale could not come back."""
        self.log_scale.clamp_(max=MAX_LOG_SCALE)

    def _channels(self, name: str) -> float | Float[Tensor, "3 1 1"]:
        value = getattr(self.config, name)
        if isinstance(value, tuple):
            return torch.tensor(value, device=self.log_scale.device)[:, None, None]
        return value
