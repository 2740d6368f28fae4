"""SigLIP 2 in its NaFlex form: pictures keep their shape, and many languages share one space (Tschannen et al. 2025).

A picture goes in as a list of patches, as many as it has. The rest is ``SigLIP``. SigLIP 2's models of fixed size are
that very class, with more words (``SigLIPConfig.base_patch16_224(256_000)``).
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.bidirectional_text import BidirectionalTextConfig
from vlmlearn.layers.naflex import NaFlexConfig, NaFlexTower
from vlmlearn.layers.patch_lists import PatchList, patch_list
from vlmlearn.layers.text_tower import TextConfig
from vlmlearn.models.siglip import (
    LOG_SCALE,
    LOGIT_BIAS,
    TEXT_TOWERS,
    SigLIP,
    SigLIPOutput,
    TextTowerConfig,
    check_kind,
    check_numbers,
)

VOCABULARY = 256_000  # Gemma's
Pictures = PatchList | UInt8[Tensor, "batch 3 height width"] | Float[Tensor, "batch 3 height width"]


@dataclass(frozen=True)
class SigLIP2Config:
    """What may differ between SigLIP 2's NaFlex models; the defaults are the published B/16.

    Args:
        image: the image tower. Its width is that of the shared space: pictures are not projected.
        text: the text tower: ``BidirectionalTextConfig``, as published, or CLIP's ``TextConfig``.
        pixel_mean, pixel_std: raw pixels (0–255) are standardised with these, by default to −1 … 1.
        log_scale, logit_bias: see ``SigLIPConfig``.

    Raises:
        ValueError: a deviation that is not above 0, or a scale or bias that is no finite number.
        TypeError: an image or text config without a tower.
    """

    image: NaFlexConfig = field(default_factory=NaFlexConfig)
    text: TextTowerConfig = field(default_factory=lambda: BidirectionalTextConfig(VOCABULARY))
    pixel_mean: float | int = 127.5
    pixel_std: float | int = 127.5
    log_scale: float | int = LOG_SCALE
    logit_bias: float | int = LOGIT_BIAS

    def __post_init__(self) -> None:
        check_kind(self, "image", (NaFlexConfig,))
        check_kind(self, "text", tuple(TEXT_TOWERS))
        check_numbers(self, "pixel_mean pixel_std log_scale logit_bias")
        if not self.pixel_std > 0:
            raise ValueError(
                f"SigLIP2Config: pixel_std is {self.pixel_std}, expected a number above 0 to divide pixels by"
            )

    @property
    def embedding(self) -> int:
        """Width of the shared space."""
        return self.image.width

    @classmethod
    def tiny(cls, vocabulary: int, *, eos_id: int = 2, patch: int = 8, layers: int = 4) -> "SigLIP2Config":
        """For the embedded world: pictures of 64×64 pixels and crops of them, and the text tower of
        ``CLIPConfig.tiny``, whose texts need not have one length.

        Args:
            vocabulary: number of token ids, ``len(tokenizer)``.
            eos_id: see ``TextConfig``.
            patch, layers: of the image tower. Sides of pictures are multiples of ``patch``.
        """
        image = NaFlexConfig(patch, 64 // patch, width=96, layers=layers, heads=4, hidden=192)
        text = TextConfig(vocabulary, 32, eos_id, width=96, layers=2, heads=4, hidden=192, activation="gelu")
        return cls(image, text, 101.0, 36.0)

    @classmethod
    def base_patch16_naflex(cls) -> "SigLIP2Config":
        """B/16 (375 million parameters), trained with lists of 128 to 1024 patches."""
        return cls()


class SigLIP2(SigLIP):
    """SigLIP whose image tower takes pictures of any shape.

    Texts are encoded as in ``CLIP``. Equals, with the config named after it, Hugging Face's ``Siglip2Model``.

    Args:
        config: see ``SigLIP2Config``; ``SigLIP2Config.tiny(len(tokenizer))`` for the embedded world.
    """

    config: SigLIP2Config  # type: ignore[assignment]

    def __init__(self, config: SigLIP2Config):
        nn.Module.__init__(self)  # SigLIP's own would make its image tower
        self.config = config
        self.image_tower = NaFlexTower(config.image)
        self.text_tower = TEXT_TOWERS[type(config.text)](config.text, config.embedding)
        self.log_scale = nn.Parameter(torch.tensor(float(config.log_scale)))
        self.logit_bias = nn.Parameter(torch.tensor(float(config.logit_bias)))

    def encode_image(self, images: Pictures, *, normalize: bool = True) -> Float[Tensor, "batch embedding"]:
        """Pictures as ``patch_list`` cuts them, or all of one size and uncut, to features.

        Raw bytes (uint8), or already standardised floats. The features have length one, or with
        ``normalize=False`` whatever length the tower gives them.

        Raises:
            ValueError: what ``patch_list`` and ``NaFlexTower`` reject.
        """
        if isinstance(images, Tensor):
            images = patch_list(images.unbind(), self.config.image.patch)
        patches, mask, sizes = images
        if patches.dtype == torch.uint8:
            patches = (patches.float() - self.config.pixel_mean) / self.config.pixel_std
        features = self.image_tower(patches, mask, sizes)
        return F.normalize(features, dim=-1) if normalize else features

    def forward(  # type: ignore[override]
        self, images: Pictures, ids: Int64[Tensor, "batch length"]
    ) -> SigLIPOutput:
        return SigLIPOutput(
            self.encode_image(images), self.encode_text(ids), self.log_scale.exp(), self.logit_bias
        )
