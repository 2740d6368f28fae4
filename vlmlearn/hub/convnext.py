"""Published ConvNeXts: what their configurations mean, the names of their tensors, and ours."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vlmlearn.layers import ConvNeXtConfig

# What upstream assumes where a config.json is silent: ConvNeXt-T.
DEFAULTS: dict[str, Any] = {
    "num_channels": 3,
    "patch_size": 4,
    "hidden_sizes": [96, 192, 384, 768],
    "depths": [3, 3, 9, 3],
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "layer_scale_init_value": 1e-6,
    "drop_path_rate": 0.0,
    "image_size": 224,
}
FIXED = {"num_channels": 3, "hidden_act": "gelu", "drop_path_rate": 0}
PARTS = {
    "embeddings.patch_embeddings": "stages.0.0",
    "embeddings.layernorm": "stages.0.1",
    "layernorm": "norm",
}
BLOCK_PARTS = {
    "dwconv": "look",
    "layernorm": "norm",
    "pwconv1": "feed_forward.widen",
    "pwconv2": "feed_forward.narrow",
}
BEFORE_BLOCKS = 2  # in each stage of ours: a norm and the patches
LAYER = re.compile(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.(\w+)")
SHRINK = re.compile(r"encoder\.stages\.(\d+)\.downsampling_layer\.(0|1)")


def convnext_config(settings: Mapping[str, Any]) -> ConvNeXtConfig:
    """The configuration of a Hugging Face ``ConvNextModel``, as ours.

    Raises:
        ValueError: a network that ours cannot be: another activation, grey images, stochastic depth.
    """
    found = DEFAULTS | dict(settings)
    for name, known in FIXED.items():
        if found[name] != known:
            raise ValueError(f"{name} is {found[name]!r}, expected {known!r}: ours has no other")
    return ConvNeXtConfig(
        image_side=found["image_size"],
        patch=found["patch_size"],
        widths=tuple(found["hidden_sizes"]),
        blocks=tuple(found["depths"]),
        layer_scale=found["layer_scale_init_value"] or None,
        pool_eps=found["layer_norm_eps"],
    )


def rename_convnext(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a ``ConvNextModel`` under the names of ``vlmlearn.layers.ConvNeXtTower``.

    Raises:
        ValueError: a name that no ConvNeXt has.
    """
    return {_our_name(name): value for name, value in state_dict.items()}


def _our_name(name: str) -> str:
    part, _, kind = name.rpartition(".")
    if part in PARTS:
        return f"{PARTS[part]}.{kind}"
    if shrink := SHRINK.fullmatch(part):
        return f"stages.{shrink[1]}.{shrink[2]}.{kind}"
    if scale := re.fullmatch(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.layer_scale_parameter", name):
        return f"stages.{scale[1]}.{int(scale[2]) + BEFORE_BLOCKS}.scale"
    layer = LAYER.fullmatch(part)
    if layer is None or layer[3] not in BLOCK_PARTS:
        raise ValueError(f"the checkpoint has a tensor {name}, which no ConvNeXt has: is it another model?")
    return f"stages.{layer[1]}.{int(layer[2]) + BEFORE_BLOCKS}.{BLOCK_PARTS[layer[3]]}.{kind}"
