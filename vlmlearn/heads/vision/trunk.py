"""The part that all heads share: scales become one map, and its places may look at each other and think."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from vlmlearn.heads.vision.options import HeadConfig
from vlmlearn.layers.attention import Attention
from vlmlearn.layers.cbam import CBAM
from vlmlearn.layers.differential import DifferentialAttention
from vlmlearn.layers.feed_forward import ACTIVATIONS
from vlmlearn.layers.gated import make_feed_forward
from vlmlearn.layers.norms import Norm


class Trunk(nn.Module):
    """One or several scales to one map of ``hidden_dim`` channels, as fine as the finest.

    A 1×1 convolution brings each scale to the same width. Attention and feed-forward network, where asked for, work on
    the coarsest scale, where places are few (as Zhao et al. 2024, RT-DETR). Then every finer scale is added to
    the enlarged coarser one, and a 3×3 convolution smooths the sum: a feature pyramid (Lin et al. 2017), of which
    the finest level is kept.

    Args:
        widths: channels of the scales, the finest first.
        config: the head's options.
    """

    def __init__(self, widths: tuple[int, ...], config: HeadConfig):
        super().__init__()
        hidden = config.hidden_dim
        self.laterals = nn.ModuleList(nn.Conv2d(width, hidden, 1, bias=False) for width in widths)
        self.first = NormActivation(hidden, config)
        self.body = nn.Sequential()
        if config.use_attention:
            self.body.append(Residual(_attention(config), config))
        if config.use_ffn:
            inside = hidden * config.ffn_expansion_factor
            self.body.append(
                Residual(make_feed_forward(config.ffn_type, hidden, inside, config.activation_type), config)
            )
        self.smooth = ConvBlock(hidden, config) if len(widths) > 1 else nn.Identity()
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, maps: list[Float[Tensor, "batch _ _ _"]]) -> Float[Tensor, "batch hidden h w"]:
        """The maps of ``to_maps``."""
        *finer, coarsest = (lateral(scale) for lateral, scale in zip(self.laterals, maps, strict=True))
        x = self.body(self.first(coarsest))
        for scale in reversed(finer):
            x = scale + F.interpolate(x, size=scale.shape[2:])
        return self.dropout(self.smooth(x))


class Residual(nn.Module):
    """x + inside(norm(x)); what reads tokens gets the places of the map row by row.

    Args:
        inside: keeps the shape of what it gets: maps if it is a ``CBAM``, tokens otherwise.
        config: the head's options.
    """

    def __init__(self, inside: nn.Module, config: HeadConfig):
        super().__init__()
        self.norm, self.inside = Norm(config.normalization_type, config.hidden_dim), inside
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, x: Float[Tensor, "batch hidden h w"]) -> Float[Tensor, "batch hidden h w"]:
        y = self.norm(x)
        if isinstance(self.inside, CBAM):
            y = self.inside(y)
        else:
            y = self.inside(rearrange(y, "batch channel h w -> batch (h w) channel"))
            y = rearrange(y, "batch (h w) channel -> batch channel h w", h=x.shape[2])
        return x + self.dropout(y)


class NormActivation(nn.Module):
    """The chosen norm, then the chosen activation."""

    def __init__(self, width: int, config: HeadConfig):
        super().__init__()
        self.norm, self.activation = (
            Norm(config.normalization_type, width),
            ACTIVATIONS[config.activation_type],
        )

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        return self.activation(self.norm(x))


class ConvBlock(nn.Sequential):
    """A 3×3 convolution from ``width`` channels to ``hidden_dim``, norm, activation."""

    def __init__(self, width: int, config: HeadConfig):
        convolution = nn.Conv2d(
            width, config.hidden_dim, 3, padding=1, bias=False
        )  # the norm takes any bias away
        super().__init__(convolution, NormActivation(config.hidden_dim, config))


def _attention(config: HeadConfig) -> nn.Module:
    if config.attention_type == "cbam":
        return CBAM(config.hidden_dim)
    kind = Attention if config.attention_type == "multi_head" else DifferentialAttention
    return kind(config.hidden_dim, config.num_heads)
