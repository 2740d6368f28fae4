"""The Vision Transformer: patches as tokens (Dosovitskiy et al. 2021), and the image tower that CLIP makes of it."""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.layers.checks import check_counts, check_heads, check_images, check_known, check_side
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.transformer import Transformer

POOLS = ("class", "mean")


class VisionTransformer(nn.Module):
    """Patches as tokens, learnt positions, Transformer blocks; no norm after the last block.

    Args:
        image_side: height and width of the images in pixels; a multiple of ``patch``.
        patch: side of a patch in pixels.
        width, layers, heads: of the Transformer.
        hidden: channels inside its feed-forward networks; four times the width if not given.
        activation, eps: see ``TransformerBlock``.
        patch_bias: whether the patches' linear map adds a bias (CLIP's does not).
        class_token: whether a learnt token stands in front of the patches and collects what they say.
        first_norm: whether the tokens are normalised before the first block (CLIP's are).

    Raises:
        ValueError: ``patch`` does not divide ``image_side``, or the images have another size.
    """

    def __init__(
        self,
        image_side: int = 64,
        patch: int = 8,
        width: int = 96,
        layers: int = 4,
        heads: int = 4,
        *,
        hidden: int | None = None,
        activation: str = "gelu",
        eps: float = 1e-5,
        patch_bias: bool = True,
        class_token: bool = False,
        first_norm: bool = False,
    ):
        super().__init__()
        if patch < 1 or image_side < 1 or image_side % patch:
            raise ValueError(
                f"image_side is {image_side}, patch {patch}: the patches must tile the image exactly"
            )
        self.width, self.stride, self.image_side = width, patch, image_side
        self.patches = nn.Conv2d(3, width, patch, patch, bias=patch_bias)
        self.class_token = nn.Parameter(torch.randn(width) * width**-0.5) if class_token else None
        self.positions = nn.Parameter(torch.randn((image_side // patch) ** 2 + class_token, width) * 0.02)
        self.first_norm = nn.LayerNorm(width, eps=eps) if first_norm else nn.Identity()
        self.transformer = Transformer(layers, width, heads, hidden or 4 * width, activation, eps)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], *, first: int | None = None
    ) -> Float[Tensor, "batch tokens channels"]:
        """One token for every patch, row by row; the class token, if there is one, comes first.

        ``first=1`` returns that one alone, for less work (see ``TransformerBlock``).
        """
        if images.shape[-2:] != (self.image_side, self.image_side):
            raise ValueError(
                f"images are {tuple(images.shape[-2:])} pixels, this tower has positions for "
                f"{self.image_side}×{self.image_side}: resize them"
            )
        tokens = rearrange(self.patches(images), "batch channel row column -> batch (row column) channel")
        if self.class_token is not None:
            front = repeat(self.class_token, "width -> batch 1 width", batch=len(images))
            tokens = torch.cat([front, tokens], dim=1)
        return self.transformer(self.first_norm(tokens + self.positions), first=first)


@dataclass(frozen=True)
class ViTConfig:
    """A Vision Transformer that ends in one vector a picture; the defaults are CLIP's ViT-B/32.

    Args:
        image_side: height and width of the images in pixels.
        patch: side of a patch in pixels.
        width, layers, heads, hidden: of the Transformer; ``hidden`` is the feed-forward networks'.
        activation: of the feed-forward networks: OpenAI's CLIP "quick_gelu", LAION's and ViT "gelu", SigLIP
            "gelu_tanh".
        eps: added to the variance in every layer norm: CLIP 1e-5, SigLIP 1e-6, ViT 1e-12.
        pool: what stands for the picture: "class", a token of its own, or "mean", the mean of the patches.
        patch_bias: whether the patches' linear map has a bias: CLIP no, ViT and SigLIP yes.
        first_norm: a layer norm before the first block: CLIP yes, ViT and SigLIP no.

    Raises:
        ValueError: a number below 1, an unknown activation or pool, heads that do not divide the width, or
            patches that do not tile the image.
    """

    image_side: int = 224
    patch: int = 32
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    activation: str = "quick_gelu"
    eps: float = 1e-5
    pool: str = "class"
    patch_bias: bool = False
    first_norm: bool = True

    def __post_init__(self) -> None:
        check_counts(self, "image_side patch width layers heads hidden")
        check_known(self, "activation", tuple(ACTIVATIONS))
        check_known(self, "pool", POOLS)
        check_heads(self, self.width, self.heads)
        check_side(self, self.image_side, self.patch)


class ViTTower(nn.Module):
    """Pixels to one vector: the Vision Transformer, a layer norm on the pooled token only, a projection.

    Equals, in Hugging Face's transformers, ``CLIPVisionModelWithProjection`` (Radford et al. 2021).

    Args:
        config: see ``ViTConfig``.
        embedding: width of the result; without it the pooled token itself, ``config.width`` wide.
    """

    def __init__(self, config: ViTConfig, embedding: int | None = None):
        super().__init__()
        self.config = config
        self.vit = VisionTransformer(
            config.image_side,
            config.patch,
            config.width,
            config.layers,
            config.heads,
            hidden=config.hidden,
            activation=config.activation,
            eps=config.eps,
            patch_bias=config.patch_bias,
            class_token=config.pool == "class",
            first_norm=config.first_norm,
        )
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.projection = nn.Linear(config.width, embedding, bias=False) if embedding else nn.Identity()

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch embedding"]:
        check_images(images, self.config.image_side)
        first = 1 if self.config.pool == "class" else None
        return self.projection(self.norm(self.vit(images, first=first).mean(1)))  # of one token: itself
