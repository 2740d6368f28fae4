"""Published EfficientNets: what their configurations mean, the names of their tensors, and ours."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vlmlearn.layers import EfficientNetConfig, Stage

# What upstream assumes where a config.json is silent: EfficientNet-B7.
DEFAULTS: dict[str, Any] = {
    "num_channels": 3,
    "width_coefficient": 2.0,
    "depth_coefficient": 3.1,
    "depth_divisor": 8,
    "kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
    "in_channels": [32, 16, 24, 40, 80, 112, 192],
    "out_channels": [16, 24, 40, 80, 112, 192, 320],
    "depthwise_padding": [],
    "strides": [1, 2, 2, 2, 1, 2, 1],
    "num_block_repeats": [1, 2, 2, 3, 3, 4, 1],
    "expand_ratios": [1, 6, 6, 6, 6, 6, 6],
    "squeeze_expansion_ratio": 0.25,
    "hidden_act": "swish",
    "pooling_type": "mean",
    "batch_norm_eps": 0.001,
    "batch_norm_momentum": 0.99,
    "drop_connect_rate": 0.2,
}
FIXED = {"num_channels": (3,), "hidden_act": ("swish", "silu"), "pooling_type": ("mean",)}
PARTS = {
    "embeddings.convolution": "stem.convolution",
    "embeddings.batchnorm": "stem.norm",
    "encoder.top_conv": "top.convolution",
    "encoder.top_bn": "top.norm",
}
BLOCK_PARTS = {
    "expansion.expand_conv": "widen.convolution",
    "expansion.expand_bn": "widen.norm",
    "depthwise_conv.depthwise_conv": "depthwise.convolution",
    "depthwise_conv.depthwise_norm": "depthwise.norm",
    "squeeze_excite.reduce": "excitation.squeeze",
    "squeeze_excite.expand": "excitation.excite",
    "projection.project_conv": "narrow.convolution",
    "projection.project_bn": "narrow.norm",
}


def efficientnet_config(settings: Mapping[str, Any]) -> EfficientNetConfig:
    """The configuration of a Hugging Face ``EfficientNetModel`` or ``AlignVisionModel``, as ours.

    ``batch_norm_momentum`` is TensorFlow's, the share of the old statistics; ours, PyTorch's, is the new batch's.

    Raises:
        ValueError: a network that ours cannot be: another activation or pool, or stages that do not fit.
    """
    found = DEFAULTS | dict(settings)
    for name, known in FIXED.items():
        if found[name] not in known:
            raise ValueError(f"{name} is {found[name]!r}, expected {known[0]!r}: ours knows nothing else")
    if list(found["in_channels"]) != [32, *found["out_channels"][:-1]]:
        raise ValueError(
            f"in_channels are {found['in_channels']}, out_channels {found['out_channels']}: expected each stage to "
            "take what the one before it gives, the first one 32"
        )
    columns = ("kernel_sizes", "strides", "expand_ratios", "out_channels", "num_block_repeats")
    return EfficientNetConfig(
        width_factor=float(found["width_coefficient"]),
        depth_factor=float(found["depth_coefficient"]),
        stages=tuple(Stage(*row) for row in zip(*(found[name] for name in columns), strict=True)),
        divisor=found["depth_divisor"],
        squeeze=float(found["squeeze_expansion_ratio"]),
        square_padding=tuple(found["depthwise_padding"]),
        eps=found["batch_norm_eps"],
        momentum=round(1 - found["batch_norm_momentum"], 6),
        drop_connect=float(found["drop_connect_rate"]),
    )


def rename_efficientnet(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of an ``EfficientNetModel`` or ``AlignVisionModel`` under the names of ``EfficientNet``.

    Raises:
        ValueError: a name that no EfficientNet has.
    """
    renamed = {}
    for name, value in state_dict.items():
        part, _, kind = name.rpartition(".")
        block = re.fullmatch(r"encoder\.blocks\.(\d+)\.(.+)", part)
        known = BLOCK_PARTS.get(block[2]) if block else PARTS.get(part)
        if known is None:
            raise ValueError(
                f"the checkpoint has a tensor {name}, which no EfficientNet has: is it another model?"
            )
        renamed[f"blocks.{block[1]}.{known}.{kind}" if block else f"{known}.{kind}"] = value
    return renamed
