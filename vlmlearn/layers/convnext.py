"""ConvNeXt: a convolutional tower with the Transformer's habits (Liu et al. 2022)."""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.layers.checks import check_counts, check_images, check_known, check_side
from vlmlearn.layers.feed_forward import ACTIVATIONS, FeedForward

EPS = 1e-6  # of every norm but the last


@dataclass(frozen=True)
class ConvNeXtConfig:
    """A ConvNeXt; the defaults are ConvNeXt-T.

    Args:
        image_side: height and width of the images in pixels.
        patch: side of the first patches in pixels; each further stage halves the grid.
        widths: channels of each stage.
        blocks: blocks in each stage.
        activation: of the feed-forward networks.
        layer_scale: what each channel of a block is multiplied with at first: almost nothing, so that deep
            towers start near the identity (Touvron et al. 2021). None leaves the factors out.
        pool_eps: added to the variance in the norm of the pooled vector; transformers has 1e-12, the paper's
            code 1e-6, as in all other norms.

    Raises:
        ValueError: a number below 1, widths and blocks of different length, an unknown activation, or an image
            that the last stage's tokens do not tile.
    """

    image_side: int = 224
    patch: int = 4
    widths: tuple[int, ...] = (96, 192, 384, 768)
    blocks: tuple[int, ...] = (3, 3, 9, 3)
    activation: str = "gelu"
    layer_scale: float | None = 1e-6
    pool_eps: float = 1e-6

    def __post_init__(self) -> None:
        check_counts(self, "image_side patch")
        check_known(self, "activation", tuple(ACTIVATIONS))
        if len(self.widths) != len(self.blocks) or min(self.widths + self.blocks, default=0) < 1:
            raise ValueError(
                f"ConvNeXtConfig: widths is {self.widths}, blocks {self.blocks}: expected a number of 1 or more "
                "for each stage in both"
            )
        check_side(self, self.image_side, self.patch * 2 ** (len(self.widths) - 1))


class ConvNeXtBlock(nn.Module):
    """A 7×7 convolution in each channel alone, then a feed-forward network at each place, added to the input.

    Args:
        width: channels.
        activation, layer_scale: see ``ConvNeXtConfig``.
    """

    def __init__(self, width: int, activation: str = "gelu", layer_scale: float | None = 1e-6):
        super().__init__()
        self.look = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.feed_forward = FeedForward(width, 4 * width, activation)
        self.scale = None if layer_scale is None else nn.Parameter(torch.full((width,), layer_scale))

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        inside = self.feed_forward(self.norm(rearrange(self.look(x), "b width h w -> b h w width")))
        if self.scale is not None:
            inside = inside * self.scale
        return x + rearrange(inside, "b h w width -> b width h w")


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a grid, at each place for itself."""

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        return rearrange(super().forward(rearrange(x, "b width h w -> b h w width")), "b h w c -> b c h w")


class ConvNeXtTower(nn.Module):
    """Pixels to one vector: stages of blocks, the mean over all places, a layer norm, a projection.

    Without a projection it equals, in Hugging Face's transformers, the ``pooler_output`` of ``ConvNextModel``
    (no stochastic depth).

    Args:
        config: see ``ConvNeXtConfig``.
        embedding: width of the result; without it the pooled vector itself, as wide as the last stage.
    """

    def __init__(self, config: ConvNeXtConfig, embedding: int | None = None):
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList()
        for stage, (width, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
            patch, before = (2, config.widths[stage - 1]) if stage else (config.patch, 3)
            patches = nn.Conv2d(before, width, patch, patch)
            # The first stage normalises what it has cut, the others what they are about to cut.
            shrink = (
                (ChannelNorm(before, eps=EPS), patches) if stage else (patches, ChannelNorm(width, eps=EPS))
            )
            inside = (ConvNeXtBlock(width, config.activation, config.layer_scale) for _ in range(blocks))
            self.stages.append(nn.Sequential(*shrink, *inside))
        width = config.widths[-1]
        self.norm = nn.LayerNorm(width, eps=config.pool_eps)
        self.projection = nn.Linear(width, embedding, bias=False) if embedding else nn.Identity()

    def grid(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch width rows columns"]:
        """The last stage's channels at each place, for tasks that need to know where."""
        check_images(images, self.config.image_side)
        for stage in self.stages:
            images = stage(images)
        return images

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch embedding"]:
        return self.projection(self.norm(self.grid(images).mean((2, 3))))
