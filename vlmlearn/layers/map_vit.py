"""SigLIP's image tower: a Vision Transformer without a class token, read by a MAP head (Zhai et al. 2023)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.layers.checks import check_counts, check_heads, check_images, check_known
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.map_head import MapHead
from vlmlearn.layers.vit import VisionTransformer


@dataclass(frozen=True)
class MapViTConfig:
    """A Vision Transformer that ends in a MAP head; the defaults are those of SigLIP's B/16.

    Args:
        image_side: height and width of the images in pixels. What is left at the right and below, where patches do
            not tile the image, is not looked at: of 384 pixels, patches of 14 see 378.
        patch: side of a patch in pixels.
        width, layers, heads, hidden: of the Transformer and of the head; ``hidden`` is the feed-forward networks'.
        activation: of the feed-forward networks.
        eps: added to the variance in every layer norm.

    Raises:
        ValueError: a number below 1, an unknown activation, heads that do not divide the width, or a patch larger
            than the image.
    """

    image_side: int = 224
    patch: int = 16
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    activation: str = "gelu_tanh"
    eps: float = 1e-6

    def __post_init__(self) -> None:
        check_counts(self, "image_side patch width layers heads hidden")
        check_known(self, "activation", tuple(ACTIVATIONS))
        check_heads(self, self.width, self.heads)
        if self.patch > self.image_side:
            raise ValueError(
                f"MapViTConfig: patch is {self.patch}, image_side {self.image_side}: a patch must fit in"
            )


class MapViTTower(nn.Module):
    """Pixels to one vector: the Vision Transformer, a layer norm on every token, the MAP head. No projection follows.

    Equals, in Hugging Face's transformers, ``SiglipVisionModel`` with the same weights.

    Args:
        config: see ``MapViTConfig``; the result is ``config.width`` wide.
    """

    def __init__(self, config: MapViTConfig):
        super().__init__()
        self.config = config
        self.seen = config.image_side - config.image_side % config.patch
        self.vit = VisionTransformer(
            self.seen,
            config.patch,
            config.width,
            config.layers,
            config.heads,
            hidden=config.hidden,
            activation=config.activation,
            eps=config.eps,
        )
        self.norm = nn.LayerNorm(config.width, eps=config.eps)
        self.head = MapHead(config.width, config.heads, config.hidden, config.activation, config.eps)

    def forward(self, images: Float[Tensor, "batch 3 side side"]) -> Float[Tensor, "batch width"]:
        check_images(images, self.config.image_side)
        return self.head(self.norm(self.vit(images[..., : self.seen, : self.seen])))
