"""CBAM: which channels matter, then which places (Woo et al. 2018)."""

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.layers.feed_forward import FeedForward

NARROWEST = 4  # channels left inside the first half, lest a single ReLU that is off cut a narrow map from it


class CBAM(nn.Module):
    """Weigh the channels, then the places, each by numbers from 0 to 1 (Woo et al. 2018, equations 1 to 3).

    Channels: mean and maximum over the picture go through the same small network, and the sum of its two answers
    through a sigmoid. Places: mean and maximum over the channels, side by side, go through one convolution and a
    sigmoid. As in the paper's equations; its published code adds a batch norm after the convolution.

    Args:
        width: channels.
        reduction: how many times fewer channels the small network has inside (never fewer than 4).
        kernel: side of the convolution, odd.

    Raises:
        ValueError: a reduction below 1, or an even kernel.
    """

    def __init__(self, width: int, reduction: int = 16, kernel: int = 7):
        super().__init__()
        if reduction < 1:
            raise ValueError(f"reduction is {reduction}, expected 1 or more: it divides the channels")
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(
                f"kernel is {kernel}, expected an odd number: an even one would shift the picture"
            )
        self.channels = FeedForward(width, max(width // reduction, NARROWEST), "relu")
        self.places = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        x = x * self.channel_weights(x)[:, :, None, None]
        return x * self.place_weights(x)

    def channel_weights(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width"]:
        """Between 0 and 1, for every channel of a picture."""
        mean, most = (reduce(x, "batch channel h w -> batch channel", how) for how in ("mean", "max"))
        return torch.sigmoid(self.channels(mean) + self.channels(most))

    def place_weights(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch 1 h w"]:
        """Between 0 and 1, for every place of a picture."""
        mean, most = (reduce(x, "batch channel h w -> batch 1 h w", how) for how in ("mean", "max"))
        return torch.sigmoid(self.places(torch.cat([mean, most], dim=1)))
