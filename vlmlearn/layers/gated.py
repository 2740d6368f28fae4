"""Gated feed-forward networks: half of the inside decides how much of the other half passes."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.layers.feed_forward import FeedForward

GATES = {"glu": F.sigmoid, "swiglu": F.silu}
FEED_FORWARDS = ("mlp", *GATES)


class GatedFeedForward(nn.Module):
    """narrow(gate(a) · b), where a and b are two linear views of the same input (Dauphin et al. 2017; Shazeer 2020).

    A multiplication of two views: a plain network only adds. SwiGLU equals ``LlamaMLP`` of Hugging Face's
    transformers, which has no bias. With as much ``hidden`` it has half as many weights again as ``FeedForward``.

    Args:
        width: channels in and out.
        hidden: channels in between, of each view.
        kind: "glu" (the gate is a sigmoid) or "swiglu" (x · sigmoid(x)).
        bias: whether the linear maps add a bias.

    Raises:
        ValueError: unknown kind.
    """

    def __init__(self, width: int, hidden: int, kind: str = "swiglu", *, bias: bool = True):
        super().__init__()
        if kind not in GATES:
            raise ValueError(f"kind is {kind!r}, expected one of {', '.join(GATES)}")
        self.gate, self.widen = nn.Linear(width, hidden, bias), nn.Linear(width, hidden, bias)
        self.narrow = nn.Linear(hidden, width, bias)
        self.activation = GATES[kind]

    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        return self.narrow(self.activation(self.gate(x)) * self.widen(x))


def make_feed_forward(kind: str, width: int, hidden: int, activation: str = "gelu") -> nn.Module:
    """The network of that name: "mlp" (with ``activation``), "glu" or "swiglu" (which bring their own).

    Raises:
        ValueError: unknown kind or activation.
    """
    if kind not in FEED_FORWARDS:
        raise ValueError(f"feed-forward network is {kind!r}, expected one of {', '.join(FEED_FORWARDS)}")
    if kind == "mlp":
        return FeedForward(width, hidden, activation)
    return GatedFeedForward(width, hidden, kind)
