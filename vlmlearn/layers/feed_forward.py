"""The feed-forward half of a Transformer block: the same two-layer network at every position."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    # CLIP's: Hendrycks & Gimpel 2016, section 2; the sigmoid overwrites its input, which nobody needs any more
    "quick_gelu": lambda x: x * (1.702 * x).sigmoid_(),
    "relu": F.relu,
}


class FeedForward(nn.Module):
    """Widen, apply a non-linearity, narrow again (Vaswani et al. 2017, section 3.3).

    Args:
        width: channels in and out.
        hidden: channels in between.
        activation: "gelu", "gelu_tanh", "quick_gelu" or "relu".

    Raises:
        ValueError: unknown activation.
    """

    def __init__(self, width: int, hidden: int, activation: str = "gelu"):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}, expected one of {', '.join(ACTIVATIONS)}")
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        return self.narrow(self.activation(self.widen(x)))
