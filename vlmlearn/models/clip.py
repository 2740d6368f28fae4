"""CLIP: two towers that meet in one space (Radford et al. 2021).

An image tower and a text tower each end in a vector of length one. Matching pictures and sentences are pulled together by
``vlmlearn.losses.clip_loss``; nothing else ties the towers.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers import AttentionPool, PatchCNN, Transformer, TransformerBlock, VisionTransformer

MAX_LOG_SCALE = math.log(100)  # the temperature never falls below 1/100 (Radford et al. 2021, section 2.5)


@dataclass(frozen=True)
class CLIPConfig:
    """What may differ between CLIPs.

    Args:
        vocabulary: number of token ids.
        context_length: longest text in tokens, first and last included.
        eos_id: the token that ends a text; its vector stands for the whole text.
        image_tower: "cnn" (patch stem and residual blocks) or "vit".
        image_side: height and width of the images in pixels.
        image_width: width of the image tower.
        text_width, text_layers, heads: of the text tower.
        text_tower: "transformer", or "bag" for the mean of the words' embeddings: a tower that cannot know their order.
        embedding: width of the shared space.
        pixel_mean, pixel_std: raw pixels (0–255) are standardised with these.
        log_scale: initial logarithm of the scale 1/τ.
    """

    vocabulary: int
    context_length: int = 32
    eos_id: int = 2
    image_tower: str = "cnn"
    image_side: int = 64
    image_width: int = 32
    text_tower: str = "transformer"
    text_width: int = 96
    text_layers: int = 2
    heads: int = 4
    embedding: int = 128
    pixel_mean: float = 110.0
    pixel_std: float = 60.0
    log_scale: float = math.log(1 / 0.07)

    @classmethod
    def tiny(cls, vocabulary: int, **changes: object) -> "CLIPConfig":
        """Trains from scratch in a minute on two CPU cores. ``changes`` are fields to set otherwise."""
        return cls(vocabulary, **changes)  # type: ignore[arg-type]


class CLIPOutput(NamedTuple):
    """Features of length one, and the scale: everything the loss needs."""

    image_features: Float[Tensor, "batch embedding"]
    text_features: Float[Tensor, "batch embedding"]
    logit_scale: Float[Tensor, ""]


class ImageTower(nn.Module):
    """Pixels to one vector: grid tokens, one Transformer block to compare them, learnt queries to read them."""

    def __init__(self, config: CLIPConfig):
        super().__init__()
        towers = {
            "cnn": lambda: PatchCNN(config.image_width),
            "vit": lambda: VisionTransformer(config.image_side, width=3 * config.image_width, heads=config.heads),
        }
        if config.image_tower not in towers:
            raise ValueError(f"image_tower is {config.image_tower!r}, expected one of {', '.join(towers)}")
        self.grid = towers[config.image_tower]()
        width, tokens = self.grid.width, (config.image_side // self.grid.stride) ** 2
        self.positions = nn.Parameter(torch.randn(tokens, width) * 0.1)
        self.block = TransformerBlock(width, config.heads, 2 * width)
        self.norm = nn.LayerNorm(width)
        self.pool = AttentionPool(width, config.heads, queries=4)
        self.projection = nn.Linear(4 * width, config.embedding, bias=False)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch embedding"]:
        tokens = self.block(self.grid(images) + self.positions)
        return self.projection(self.pool(self.norm(tokens)))


class TextTower(nn.Module):
    """Token ids to one vector: causal Transformer, then the vector at the end-of-text token, which has seen all words."""

    def __init__(self, config: CLIPConfig):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.text_width)
        self.positions = nn.Parameter(torch.randn(config.context_length, config.text_width) * 0.02)
        nn.init.normal_(self.words.weight, std=0.05)
        self.transformer = Transformer(
            config.text_layers, config.text_width, config.heads, 2 * config.text_width
        )
        self.norm = nn.LayerNorm(config.text_width)
        self.projection = nn.Linear(config.text_width, config.embedding, bias=False)

    def forward(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        end = self._first_eos(ids)
        ids = ids[:, : int(end.max()) + 1]  # what follows the last end-of-text is padding that nobody sees
        if self.config.text_tower == "bag":
            inside = torch.arange(ids.shape[1], device=ids.device) < end[:, None]
            pooled = (self.words(ids) * inside[..., None]).sum(1) / inside.sum(1, keepdim=True)
        else:
            tokens = self.transformer(self.words(ids) + self.positions[: ids.shape[1]], causal=True)
            pooled = tokens[torch.arange(len(ids), device=ids.device), end]
        return self.projection(self.norm(pooled))

    def _first_eos(self, ids: Tensor) -> Int64[Tensor, " batch"]:
        is_end = ids == self.config.eos_id
        if ids.shape[1] > self.config.context_length:
            raise ValueError(
                f"texts have {ids.shape[1]} tokens, this tower reads {self.config.context_length}: shorten the texts"
            )
        if not torch.compiler.is_compiling() and not is_end.any(1).all():
            raise ValueError(
                f"{int((~is_end.any(1)).sum())} of {len(ids)} texts lack the end-of-text id {self.config.eos_id}: "
                "encode them with the tokenizer that the config was made for"
            )
        return is_end.int().argmax(1)


class CLIP(nn.Module):
    """Two towers and a temperature.

    Args:
        config: see ``CLIPConfig``; ``CLIPConfig.tiny(len(tokenizer))`` for the embedded world.
    """

    def __init__(self, config: CLIPConfig):
        super().__init__()
        self.config = config
        self.image_tower, self.text_tower = ImageTower(config), TextTower(config)
        self.log_scale = nn.Parameter(torch.tensor(config.log_scale))

    def encode_image(
        self, images: UInt8[Tensor, "batch 3 side side"] | Float[Tensor, "batch 3 side side"]
    ) -> Float[Tensor, "batch embedding"]:
        """Raw pixels (uint8), or already standardised floats, to features of length one."""
        if images.dtype == torch.uint8:
            images = (images.float() - self.config.pixel_mean) / self.config.pixel_std
        return F.normalize(self.image_tower(images), dim=-1)

    def encode_text(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        """Token ids, ended by ``eos_id`` and padded with anything, to features of length one."""
        return F.normalize(self.text_tower(ids), dim=-1)

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
