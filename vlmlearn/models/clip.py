"""CLIP: two towers that meet in one space (Radford et al. 2021).

An image tower and a text tower each end in a vector of length one. Matching pictures and sentences are pulled
together by ``vlmlearn.losses.clip_loss``; nothing else ties the towers.
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
IMAGE_TOWERS = {"cnn": 2, "vit": 3}  # channels of the tokens, in image widths
TEXT_TOWERS = ("transformer", "bag")
STRIDE = PatchCNN.stride  # pixels a token stands for, in each direction


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
        text_tower: "transformer", or "bag" for the mean of the words' embeddings: a tower that cannot know
            their order.
        embedding: width of the shared space.
        pixel_mean, pixel_std: raw pixels (0–255) are standardised with these; the defaults are the world's own.
        log_scale: initial logarithm of the scale 1/τ.

    Raises:
        ValueError: an unknown tower, a width that the heads do not divide, an image that patches do not tile,
            a number below 1, or ``eos_id`` outside the vocabulary.
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
    pixel_mean: float = 101.0
    pixel_std: float = 36.0
    log_scale: float = math.log(1 / 0.07)

    def __post_init__(self) -> None:
        for name, known in (("image_tower", IMAGE_TOWERS), ("text_tower", TEXT_TOWERS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}")
        counts = "vocabulary context_length image_side image_width text_width text_layers heads embedding"
        for name in counts.split():
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if not 0 <= self.eos_id < self.vocabulary:
            raise ValueError(
                f"eos_id is {self.eos_id}, expected 0 to {self.vocabulary - 1}, an id of the vocabulary"
            )
        grid_width = IMAGE_TOWERS[self.image_tower] * self.image_width
        for name, width in (("the image tower", grid_width), ("the text tower", self.text_width)):
            if width % self.heads:
                raise ValueError(
                    f"{name} is {width} wide, heads is {self.heads}: the heads share the width, "
                    "so it must be a multiple"
                )
        if self.image_side % STRIDE:
            raise ValueError(f"image_side is {self.image_side}, expected a multiple of {STRIDE}: resize them")
        if not self.pixel_std > 0:
            raise ValueError(f"pixel_std is {self.pixel_std}, expected a number above 0 to divide pixels by")

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
    """Pixels to one vector: grid tokens, a Transformer block to compare them, learnt queries to read."""

    def __init__(self, config: CLIPConfig):
        super().__init__()
        towers = {
            "cnn": lambda: PatchCNN(config.image_width),
            "vit": lambda: VisionTransformer(
                config.image_side, STRIDE, IMAGE_TOWERS["vit"] * config.image_width, heads=config.heads
            ),
        }
        self.grid = towers[config.image_tower]()
        self.image_side = config.image_side
        width, tokens = self.grid.width, (config.image_side // self.grid.stride) ** 2
        self.positions = nn.Parameter(torch.randn(tokens, width) * 0.1)
        self.block = TransformerBlock(width, config.heads, 2 * width)
        self.norm = nn.LayerNorm(width)
        self.pool = AttentionPool(width, config.heads, queries=4)
        self.projection = nn.Linear(4 * width, config.embedding, bias=False)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch embedding"]:
        side = self.image_side
        if images.shape[1:] != (3, side, side):
            raise ValueError(
                f"images have shape {tuple(images.shape)}, expected (batch, 3, {side}, {side}): "
                "resize them, colours first"
            )
        tokens = self.block(self.grid(images) + self.positions)
        return self.projection(self.pool(self.norm(tokens)))


class TextTower(nn.Module):
    """Token ids to one vector: causal Transformer, then the vector at the text's end, which has seen all."""

    def __init__(self, config: CLIPConfig):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.text_width)
        nn.init.normal_(self.words.weight, std=0.05)
        if config.text_tower == "transformer":
            self.positions = nn.Parameter(torch.randn(config.context_length, config.text_width) * 0.02)
            self.transformer = Transformer(
                config.text_layers, config.text_width, config.heads, 2 * config.text_width
            )
        self.norm = nn.LayerNorm(config.text_width)
        self.projection = nn.Linear(config.text_width, config.embedding, bias=False)

    def forward(self, ids: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch embedding"]:
        end = self._first_eos(ids)
        ids = ids[:, : int(end.max()) + 1]  # what follows the last end-of-text is padding that nobody sees
        place = torch.arange(ids.shape[1], device=ids.device)
        ids = ids.masked_fill(place > end[:, None], self.config.eos_id)  # shorter texts' padding: any number
        self._check_ids(ids)
        if self.config.text_tower == "bag":
            pooled = self._mean_of_words(ids, place < end[:, None])
        else:
            tokens = self.transformer(self.words(ids) + self.positions[: ids.shape[1]], causal=True)
            pooled = tokens[torch.arange(len(ids), device=ids.device), end]
        return self.projection(self.norm(pooled))

    def _mean_of_words(self, ids: Tensor, inside: Tensor) -> Float[Tensor, "batch width"]:
        """Sorted first: the last bits of a sum depend on its order, of which this tower must know nothing."""
        nothing = self.config.vocabulary
        words = ids.masked_fill(~inside, nothing).sort(dim=1).values
        inside = words < nothing
        total = (self.words(words.clamp(max=nothing - 1)) * inside[..., None]).sum(1)
        return total / inside.sum(1, keepdim=True)

    def _check_ids(self, ids: Tensor) -> None:
        if torch.compiler.is_compiling():
            return
        if not 0 <= int(ids.min()) <= int(ids.max()) < self.config.vocabulary:
            raise ValueError(
                f"token ids from {int(ids.min())} to {int(ids.max())} in a vocabulary of "
                f"{self.config.vocabulary}: make the config with the tokenizer's length"
            )
        if self.config.text_tower == "bag" and (ids[:, 0] == self.config.eos_id).any():
            raise ValueError(
                "a text ends before its first word, and a bag without words has no mean: drop it"
            )

    def _first_eos(self, ids: Tensor) -> Int64[Tensor, " batch"]:
        if ids.ndim != 2 or not len(ids):
            raise ValueError(
                f"ids have shape {tuple(ids.shape)}, expected (batch, length) with a text or more"
            )
        is_end = ids == self.config.eos_id
        if ids.shape[1] > self.config.context_length:
            raise ValueError(
                f"texts have {ids.shape[1]} tokens, more than {self.config.context_length}: shorten them"
            )
        if not torch.compiler.is_compiling() and not is_end.any(1).all():
            raise ValueError(
                f"{int((~is_end.any(1)).sum())} of {len(ids)} texts lack the end-of-text id "
                f"{self.config.eos_id}: encode them with the tokenizer that the config was made for"
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
        self,
        images: UInt8[Tensor, "batch 3 side side"] | Float[Tensor, "batch 3 side side"],
        *,
        normalize: bool = True,
    ) -> Float[Tensor, "batch embedding"]:
        """Raw pixels (uint8), or already standardised floats, to features.

        They have length one, or with ``normalize=False`` whatever length the tower gives them.
        """
        if images.dtype == torch.uint8:
            images = (images.float() - self.config.pixel_mean) / self.config.pixel_std
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
