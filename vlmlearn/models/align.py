"""ALIGN: a convolutional tower and BERT, on captions that nobody cleaned (Jia et al. 2021).

CLIP chose its pairs with care. ALIGN took almost every picture of the web with the text found beside it, and let the
number of pairs, 1.8 billion, make up for the noise. Its loss is CLIP's with softened labels,
``vlmlearn.losses.align_loss``.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.bert import BertConfig, BertTower
from vlmlearn.layers.efficientnet import EfficientNet, EfficientNetConfig, Stage
from vlmlearn.models.clip import CLIPOutput

MIN_TEMPERATURE = 0.01  # the bound that CLIP sets; ALIGN itself has none


@dataclass(frozen=True)
class AlignConfig:
    """What may differ between ALIGNs; the defaults are the published rebuild by Kakao Brain.

    Args:
        image: the image tower. Its last channels are the shared space: pictures are not projected.
        text: the text tower.
        pixel_mean, pixel_std: raw pixels (0–255) are standardised with these, by default to −1 … 1.
        temperature: initial τ, by which cosines are divided.

    Raises:
        ValueError: a deviation or a temperature that is not above 0.
    """

    image: EfficientNetConfig = field(default_factory=lambda: EfficientNetConfig.b(7))
    text: BertConfig = field(default_factory=BertConfig)
    pixel_mean: float = 127.5
    pixel_std: float = 127.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("pixel_std", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"AlignConfig: {name} is {getattr(self, name)}, expected a number above 0 to divide by"
                )

    @property
    def embedding(self) -> int:
        """Width of the shared space."""
        return self.image.width

    @classmethod
    def tiny(cls, vocabulary: int) -> "AlignConfig":
        """For the embedded world: an EfficientNet of five blocks and a BERT of two layers."""
        stages = (Stage(3, 1, 1, 16, 1), Stage(3, 2, 4, 24, 1), Stage(5, 2, 4, 48, 2), Stage(3, 1, 4, 128, 1))
        image = EfficientNetConfig(stages=stages, drop_connect=0.0)
        text = BertConfig(vocabulary, width=96, layers=2, heads=4, hidden=192, positions=64)
        return cls(image, text)

    @classmethod
    def base(cls) -> "AlignConfig":
        """EfficientNet-B7 and BERT-base, for images of 289 pixels (172 million parameters)."""
        return cls()


class ALIGN(nn.Module):
    """Two towers and a temperature.

    Equals Hugging Face's ``AlignModel`` with the same weights, no dropout and no drop connect.

    Args:
        config: see ``AlignConfig``.
    """

    def __init__(self, config: AlignConfig):
        super().__init__()
        self.config = config
        self.image_tower = EfficientNet(config.image)
        self.text_tower = BertTower(config.text, config.embedding, bias=True)
        self.temperature = nn.Parameter(torch.tensor(config.temperature))

    def encode_image(
        self,
        images: UInt8[Tensor, "batch 3 height width"] | Float[Tensor, "batch 3 height width"],
        *,
        normalize: bool = True,
    ) -> Float[Tensor, "batch embedding"]:
        """Raw pixels (uint8), or already standardised floats, of any size, to features.

        They are the mean over the image tower's grid, of length one unless ``normalize=False``.

        Raises:
            ValueError: neither bytes nor floats, or not three colours.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images have shape {tuple(images.shape)}, expected (batch, 3, height, width): colours first"
            )
        if images.dtype == torch.uint8:
            images = (images.float() - self.config.pixel_mean) / self.config.pixel_std
        elif not images.is_floating_point():
            raise ValueError(
                f"images are {images.dtype}, expected raw uint8 or standardised floats: convert them"
            )
        features = self.image_tower(images).mean((2, 3))
        return F.normalize(features, dim=-1) if normalize else features

    def encode_text(
        self, ids: Int64[Tensor, "batch length"], *, normalize: bool = True
    ) -> Float[Tensor, "batch embedding"]:
        """Token ids, CLS first and PAD last, to features of length one unless ``normalize=False``.

        Raises:
            ValueError: an id outside the vocabulary, more tokens than positions, or PAD at the start.
        """
        features = self.text_tower(ids)
        return F.normalize(features, dim=-1) if normalize else features

    def forward(
        self,
        images: UInt8[Tensor, "batch 3 height width"] | Float[Tensor, "batch 3 height width"],
        ids: Int64[Tensor, "batch length"],
    ) -> CLIPOutput:
        """As CLIP: its scale is 1/τ here."""
        return CLIPOutput(self.encode_image(images), self.encode_text(ids), 1 / self.temperature)

    @torch.no_grad()
    def clamp_scale_(self) -> None:
        """Keep the scale 1/τ at 100 or below, and τ above 0: after every optimizer step, as in ``CLIP``."""
        self.temperature.clamp_(min=MIN_TEMPERATURE)
