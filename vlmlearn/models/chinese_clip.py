"""Chinese-CLIP: CLIP that reads Chinese, because BERT reads for it (Yang et al. 2022).

The image tower is CLIP's own and starts from CLIP's weights. The text tower is RoBERTa-wwm-ext, a BERT that had read
much Chinese before: every character sees every other, and CLS, the first token, stands for the text, where CLIP
reads from left to right and takes the last. The loss is CLIP's, ``vlmlearn.losses.clip_loss``.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.bert import BertConfig, BertTower
from vlmlearn.layers.checks import check_counts
from vlmlearn.layers.resnet import ResNetConfig, ResNetTower
from vlmlearn.layers.vit import ViTConfig, ViTTower
from vlmlearn.models.clip import LOG_SCALE, MAX_LOG_SCALE, CLIPOutput

VOCABULARY = 21128  # of bert-base-chinese, one piece a character
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ChineseCLIPConfig:
    """What may differ between Chinese-CLIPs; the defaults are ViT-B/16.

    Args:
        image: the image tower, as CLIP's: ``ViTConfig`` or ``ResNetConfig``.
        text: the text tower.
        embedding: width of the shared space.
        pixel_mean, pixel_std: raw pixels (0–255) are standardised with these, one for each of red, green and
            blue; the defaults are CLIP's.
        log_scale: initial logarithm of the scale 1/τ.

    Raises:
        ValueError: a width below 1, or a deviation that is not above 0.
    """

    image: ViTConfig | ResNetConfig = field(default_factory=lambda: ViTConfig(patch=16))
    text: BertConfig = field(default_factory=lambda: BertConfig(VOCABULARY))
    embedding: int = 512
    pixel_mean: Triple = (122.7709383, 116.7460125, 104.09373615)
    pixel_std: Triple = (68.5005327, 66.6321375, 70.32316305)
    log_scale: float = LOG_SCALE

    def __post_init__(self) -> None:
        check_counts(self, "embedding")
        if not min(self.pixel_std) > 0:
            raise ValueError(
                f"ChineseCLIPConfig: pixel_std is {self.pixel_std}, expected numbers above 0 to divide pixels by"
            )

    @classmethod
    def tiny(cls, vocabulary: int, *, image_side: int = 64) -> "ChineseCLIPConfig":
        """For the embedded world: a ViT with patches of 8 pixels and a BERT of two layers."""
        image = ViTConfig(image_side, patch=8, width=96, layers=4, heads=4, hidden=384)
        text = BertConfig(vocabulary, width=96, layers=2, heads=4, hidden=192, positions=64)
        return cls(image, text, embedding=128)

    @classmethod
    def resnet50(cls) -> "ChineseCLIPConfig":
        """RN50 and RBT3, a RoBERTa of three layers (77 million parameters)."""
        return cls(ResNetConfig(), BertConfig(VOCABULARY, layers=3), embedding=1024)

    @classmethod
    def vit_base_patch16(cls) -> "ChineseCLIPConfig":
        """ViT-B/16 and RoBERTa-base (188 million parameters)."""
        return cls()

    @classmethod
    def vit_large_patch14(cls, image_side: int = 224) -> "ChineseCLIPConfig":
        """ViT-L/14 and RoBERTa-base (406 million parameters), for images of 224 or 336 pixels."""
        image = ViTConfig(image_side, patch=14, width=1024, layers=24, heads=16, hidden=4096)
        return cls(image, embedding=768)

    @classmethod
    def vit_huge_patch14(cls) -> "ChineseCLIPConfig":
        """ViT-H/14 and RoBERTa-large (958 million parameters)."""
        image = ViTConfig(patch=14, width=1280, layers=32, heads=16, hidden=5120)
        text = BertConfig(VOCABULARY, width=1024, layers=24, heads=16, hidden=4096)
        return cls(image, text, embedding=1024)


class ChineseCLIP(nn.Module):
    """Two towers and a temperature.

    Equals Hugging Face's ``ChineseCLIPModel`` with the same weights and no dropout, and Chinese-CLIP's own code.

    Args:
        config: see ``ChineseCLIPConfig``.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: ChineseCLIPConfig):
        super().__init__()
        self.config = config
        image = config.image
        self.image_tower: nn.Module = (
            ViTTower(image, config.embedding)
            if isinstance(image, ViTConfig)
            else ResNetTower(image, config.embedding)
        )
        self.text_tower = BertTower(config.text, config.embedding)
        self.log_scale = nn.Parameter(torch.tensor(config.log_scale))
        for name in ("pixel_mean", "pixel_std"):
            self.register_buffer(name, torch.tensor(getattr(config, name))[:, None, None], persistent=False)

    def encode_image(
        self,
        images: UInt8[Tensor, "batch 3 side side"] | Float[Tensor, "batch 3 side side"],
        *,
        normalize: bool = True,
    ) -> Float[Tensor, "batch embedding"]:
        """Raw pixels (uint8), or already standardised floats, to features.

        They have length one, or with ``normalize=False`` whatever length the tower gives them.

        Raises:
            ValueError: neither bytes nor floats, or another size than the config's.
        """
        if images.dtype == torch.uint8:
            images = (images - self.pixel_mean) / self.pixel_std
        features = self.image_tower(images)
        return F.normalize(features, dim=-1) if normalize else features

    def encode_text(
        self, ids: Int64[Tensor, "batch length"], *, normalize: bool = True
    ) -> Float[Tensor, "batch embedding"]:
        """Token ids, CLS first and PAD last, to features, as in ``encode_image``.

        Raises:
            ValueError: an id outside the vocabulary, more tokens than positions, or PAD at the start.
        """
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
        """Keep the scale at 100 or below: after every optimizer step, as in ``CLIP``."""
        self.log_scale.clamp_(max=MAX_LOG_SCALE)
