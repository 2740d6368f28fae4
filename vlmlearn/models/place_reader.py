"""One Transformer block that reads a picture: a word asks for a place, patches answer with a colour."""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from vlmlearn.layers import TransformerBlock, patchify

MIXING = ("attention", "mean", "none")


class PlaceReader(nn.Module):
    """Which colour has the object at a place? The word for the place and the picture's patches are one sequence.

    Args:
        places: number of words that can ask.
        answers: number of colours.
        side: of the pictures in pixels.
        patch: side of a patch in pixels.
        width, heads: of the block.
        mixing: how a token learns of the others: "attention"; "mean", every token looks at all of them
            alike; "none", only at itself.
        positions: whether each place in the sequence has a learnt vector of its own.

    Raises:
        ValueError: an unknown mixing, or (from the layers) a patch that does not tile the picture.
    """

    def __init__(
        self,
        places: int = 9,
        answers: int = 8,
        *,
        side: int = 64,
        patch: int = 8,
        width: int = 48,
        heads: int = 4,
        mixing: str = "attention",
        positions: bool = True,
    ):
        super().__init__()
        if mixing not in MIXING:
            raise ValueError(f"mixing is {mixing!r}, expected one of {', '.join(MIXING)}")
        if patch < 1 or side % patch:
            raise ValueError(f"side is {side}, patch {patch}: the patches must tile the picture exactly")
        self.patch, self.mixing = patch, mixing
        self.word = nn.Embedding(places, width)
        self.patches = nn.Linear(3 * patch**2, width)
        length = 1 + (side // patch) ** 2
        self.positions = nn.Parameter(0.1 * torch.randn(length, width)) if positions else None
        self.block = TransformerBlock(width, heads, 4 * width)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, answers)

    def forward(
        self, images: UInt8[Tensor, "batch 3 side side"], places: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch answers"]:
        """Logits of the colours, read off the word's token after the block."""
        x = self.tokens(images, places)
        if self.mixing == "attention":
            x = self.block(x)
        elif self.mixing == "none":
            x = self.block(x, mask=torch.eye(x.shape[1], dtype=torch.bool, device=x.device))
        else:
            attention = self.block.attention
            mean = attention.value(self.block.attention_norm(x)).mean(dim=1, keepdim=True)
            x = x + attention.out(mean)
            x = x + self.block.feed_forward(self.block.feed_forward_norm(x))
        return self.head(self.norm(x[:, 0]))

    def tokens(
        self, images: UInt8[Tensor, "batch 3 side side"], places: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch tokens width"]:
        """The sequence that enters the block: the word first, then the patches row by row."""
        patches = self.patches(patchify(images.float() / 127.5 - 1, self.patch))
        x = torch.cat([self.word(places)[:, None], patches], dim=1)
        return x if self.positions is None else x + self.positions

    def weights(
        self, images: UInt8[Tensor, "batch 3 side side"], places: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch heads row column"]:
        """How much the word looks at each patch, head by head; what it keeps for itself is left out."""
        inside = self.block.attention_norm(self.tokens(images, places))
        rows = images.shape[-1] // self.patch
        return self.block.attention.weights(inside)[:, :, 0, 1:].unflatten(-1, (rows, rows))
