"""EfficientNet: a convolutional image tower whose depth and width grow together (Tan & Le 2019)."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from vlmlearn.layers.checks import check_counts
from vlmlearn.layers.mbconv import ConvNorm, MBConv

STEM, TOP = 32, 1280  # channels after the first convolution and after the last, before scaling
# Factors of width and depth of B0 to B7.
FACTORS = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1))


@dataclass(frozen=True)
class Stage:
    """Blocks of one width; the first of them changes the width and, with stride 2, halves the sides."""

    kernel: int
    stride: int
    expand: int
    channels: int
    repeats: int


STAGES = (  # Tan & Le 2019, table 1
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)


def scaled_channels(channels: int, factor: float, divisor: int = 8) -> int:
    """Channels times ``factor``, rounded to a multiple of ``divisor``, but never by more than a tenth down."""
    wanted = channels * factor
    rounded = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * wanted else rounded


@dataclass(frozen=True)
class EfficientNetConfig:
    """What differs between EfficientNets; the defaults are B0.

    Args:
        width_factor, depth_factor: more channels and more blocks.
        stages: from the picture's side to the end.
        divisor: channels are multiples of it.
        squeeze: width inside squeeze and excitation, as a share of the channels that enter a block.
        square_padding: which blocks of stride 2 pad all sides alike, the first block being 0; the others pad
            one pixel less on the left and at the top, as TensorFlow does where the sides are even.
        eps, momentum: of the batch norms; ``momentum`` is the share of a new batch in the running statistics.
        drop_connect: in training, the last block leaves out its own part with nearly this probability,
            earlier blocks with proportionally less (Huang et al. 2016).

    Raises:
        ValueError: a stride other than 1 and 2, an even kernel, or a number out of its range.
    """

    width_factor: float = 1.0
    depth_factor: float = 1.0
    stages: tuple[Stage, ...] = STAGES
    divisor: int = 8
    squeeze: float = 0.25
    square_padding: tuple[int, ...] = ()
    eps: float = 1e-3
    momentum: float = 0.01
    drop_connect: float = 0.2

    def __post_init__(self) -> None:
        check_counts(self, "divisor")
        if not (self.width_factor > 0 and self.depth_factor > 0 and 0 <= self.drop_connect < 1):
            raise ValueError(
                f"EfficientNetConfig: width_factor is {self.width_factor}, depth_factor {self.depth_factor}, "
                f"drop_connect {self.drop_connect}: expected factors above 0 and a probability below 1"
            )
        if not self.stages:
            raise ValueError("EfficientNetConfig: there are no stages, expected one or more")
        for stage in self.stages:
            if stage.stride not in (1, 2) or stage.kernel % 2 == 0:
                raise ValueError(f"{stage}: expected a stride of 1 or 2 and an odd kernel")

    @classmethod
    def b(cls, size: int, *, drop_connect: float = 0.2) -> "EfficientNetConfig":
        """EfficientNet-B0 to B7 by their number."""
        if size not in range(len(FACTORS)):
            raise ValueError(f"there is no EfficientNet-B{size}, expected 0 to {len(FACTORS) - 1}")
        return cls(*FACTORS[size], drop_connect=drop_connect)

    @property
    def width(self) -> int:
        """Channels of the grid, without ``top``."""
        return scaled_channels(self.stages[-1].channels, self.width_factor, self.divisor)


class EfficientNet(nn.Module):
    """Pixels to a grid of features, 32 times smaller in each direction with the usual stages.

    Equals ``AlignVisionModel`` (``top=False``) and ``EfficientNetModel`` (``top=True``) of Hugging Face's
    transformers with the same weights and no drop connect. Two of their habits are not taken over: they hand
    TensorFlow's batch-norm momentum, 0.99, to PyTorch, whose momentum is the other share, 0.01; and where drop
    connect leaves out a whole block, they leave out single numbers.

    Args:
        config: see ``EfficientNetConfig``.
        top: whether a last 1×1 convolution widens to ``TOP`` channels (times the width factor), for a classifier.
    """

    def __init__(self, config: EfficientNetConfig, *, top: bool = False):
        super().__init__()
        self.config = config
        channels = scaled_channels(STEM, config.width_factor, config.divisor)
        self.stem, self.blocks = ConvNorm(3, channels, 3, stride=2), nn.ModuleList()
        repeats = [math.ceil(config.depth_factor * stage.repeats) for stage in config.stages]
        for stage, count in zip(config.stages, repeats, strict=True):
            for repeat in range(count):
                index = len(self.blocks)
                out = scaled_channels(stage.channels, config.width_factor, config.divisor)
                block = MBConv(
                    channels,
                    out,
                    stage.kernel,
                    1 if repeat else stage.stride,
                    stage.expand,
                    squeezed=max(1, int(channels * config.squeeze)),
                    square_padding=index in config.square_padding,
                    residual=repeat > 0,
                    drop=config.drop_connect * index / sum(repeats),
                )
                self.blocks.append(block)
                channels = out
        widest = scaled_channels(TOP, config.width_factor, config.divisor)
        self.top = ConvNorm(channels, widest, 1) if top else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = config.eps, config.momentum

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Pictures of any sides; the mean over rows and columns is then a picture's vector."""
        x = self.stem(images)
        for block in self.blocks:
            x = block(x)
        return self.top(x)
