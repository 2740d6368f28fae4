"""Published SigLIPs: what their configurations mean, the names of their tensors, and ours.

SigLIP 2's models of fixed size are published as SigLIPs, too, with a larger vocabulary.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vlmlearn.hub.clip import ACTIVATIONS, BLOCK_PARTS
from vlmlearn.layers import BidirectionalTextConfig, MapViTConfig
from vlmlearn.models import SigLIPConfig

# What upstream assumes where a config.json is silent: B/16.
DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "attention_dropout": 0.0,
}
VISION_DEFAULTS = DEFAULTS | {"num_channels": 3, "patch_size": 16, "vision_use_head": True}
TEXT_DEFAULTS = DEFAULTS | {"vocab_size": 32_000, "max_position_embeddings": 64, "projection_size": None}
FIXED = {"num_channels": 3, "attention_dropout": 0, "vision_use_head": True}

# Upstream's names and ours.
NUMBERS = {"logit_scale": "log_scale", "logit_bias": "logit_bias"}
PARTS = {
    "vision_model.embeddings.patch_embedding.weight": "image_tower.vit.patches.weight",
    "vision_model.embeddings.patch_embedding.bias": "image_tower.vit.patches.bias",
    "vision_model.embeddings.position_embedding.weight": "image_tower.vit.positions",
    "vision_model.post_layernorm.weight": "image_tower.norm.weight",
    "vision_model.post_layernorm.bias": "image_tower.norm.bias",
    "vision_model.head.attention.out_proj.weight": "image_tower.head.attention.out.weight",
    "vision_model.head.attention.out_proj.bias": "image_tower.head.attention.out.bias",
    "vision_model.head.layernorm.weight": "image_tower.head.norm.weight",
    "vision_model.head.layernorm.bias": "image_tower.head.norm.bias",
    "vision_model.head.mlp.fc1.weight": "image_tower.head.feed_forward.widen.weight",
    "vision_model.head.mlp.fc1.bias": "image_tower.head.feed_forward.widen.bias",
    "vision_model.head.mlp.fc2.weight": "image_tower.head.feed_forward.narrow.weight",
    "vision_model.head.mlp.fc2.bias": "image_tower.head.feed_forward.narrow.bias",
    "text_model.embeddings.token_embedding.weight": "text_tower.words.weight",
    "text_model.embeddings.position_embedding.weight": "text_tower.positions",
    "text_model.final_layer_norm.weight": "text_tower.norm.weight",
    "text_model.final_layer_norm.bias": "text_tower.norm.bias",
    "text_model.head.weight": "text_tower.projection.weight",
    "text_model.head.bias": "text_tower.projection.bias",
}
PROBE = "vision_model.head.probe"
PACKED = re.compile(r"vision_model\.head\.attention\.in_proj_(weight|bias)")
TOWERS = {"vision_model": "image_tower.vit", "text_model": "text_tower"}
BLOCK = re.compile(r"(vision_model|text_model)\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def config_from_upstream(settings: Mapping[str, Any]) -> SigLIPConfig:
    """The configuration of a Hugging Face ``SiglipModel``, as its config.json holds it, as ours.

    Pixels are scaled to −1 … 1, as for all published models; a config.json does not say.

    Raises:
        ValueError: another model, or a SigLIP that ours cannot be: dropout, grey images, no MAP head, an unknown
            activation, patches or images that are not square, texts and images of different width.
    """
    check_kind(settings, "siglip")
    vision = tower(settings, "vision_config", VISION_DEFAULTS | {"image_size": 224})
    image = MapViTConfig(square(vision, "image_size"), square(vision, "patch_size"), **transformer(vision))
    return SigLIPConfig(image, text_config(settings, image.width), embedding=image.width)


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a Hugging Face ``SiglipModel`` under the names of ``vlmlearn.models.SigLIP``.

    Upstream keeps the head's query, key and value in one tensor, scale and bias in vectors of one number.

    Raises:
        ValueError: a name that no such SigLIP has, or a scale or bias that is not one number.
    """
    renamed = {}
    for name, value in state_dict.items():
        if name.endswith(".position_ids"):  # counted, so our model makes them itself
            continue
        block, packed = BLOCK.fullmatch(name), PACKED.fullmatch(name)
        if name in PARTS:
            renamed[PARTS[name]] = value
        elif name in NUMBERS:
            if value.numel() != 1:
                raise ValueError(f"{name} has shape {tuple(value.shape)}, expected one number")
            renamed[NUMBERS[name]] = value.reshape(())
        elif name == PROBE:
            renamed["image_tower.head.probe"] = value.reshape(-1)
        elif packed:
            for part, values in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[f"image_tower.head.attention.{part}.{packed[1]}"] = values
        elif block and block[3] in BLOCK_PARTS:
            place = f"{TOWERS[block[1]]}.transformer.blocks.{block[2]}"
            renamed[f"{place}.{BLOCK_PARTS[block[3]]}.{block[4]}"] = value
        else:
            raise ValueError(
                f"the checkpoint has a tensor {name}, which no SiglipModel has: is it another model?"
            )
    return renamed


def check_kind(settings: Mapping[str, Any], expected: str) -> None:
    """Raise a ``ValueError`` where the settings are another model's."""
    kind = settings.get("model_type", expected)
    if kind != expected:
        raise ValueError(
            f'model_type is {kind!r}, expected "{expected}": load it with the class of that name'
        )


def tower(settings: Mapping[str, Any], name: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one tower.

    Raises:
        ValueError: an option or an activation that ours lacks.
    """
    found = {**defaults, **(settings.get(name) or {})}
    for option, value in FIXED.items():
        if option in found and found[option] != value:
            raise ValueError(f"{name}: {option} is {found[option]!r}, expected {value}: ours has no other")
    if found["hidden_act"] not in ACTIVATIONS:
        raise ValueError(
            f"{name}: hidden_act is {found['hidden_act']!r}, expected one of {', '.join(ACTIVATIONS)}"
        )
    return found


def text_config(settings: Mapping[str, Any], image_width: int) -> BidirectionalTextConfig:
    """The text tower, which ends in the width of the image tower.

    Raises:
        ValueError: what ``tower`` rejects, or another width.
    """
    text = tower(settings, "text_config", TEXT_DEFAULTS)
    width = text["hidden_size"] if text["projection_size"] is None else text["projection_size"]
    if width != image_width:
        raise ValueError(
            f"texts end in {width} channels, images in {image_width}: expected as many, for images are not projected"
        )
    return BidirectionalTextConfig(text["vocab_size"], text["max_position_embeddings"], **transformer(text))


def transformer(found: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes of a Transformer under our names."""
    return {
        "width": found["hidden_size"],
        "layers": found["num_hidden_layers"],
        "heads": found["num_attention_heads"],
        "hidden": found["intermediate_size"],
        "activation": ACTIVATIONS[found["hidden_act"]],
        "eps": found["layer_norm_eps"],
    }


def square(found: Mapping[str, Any], name: str) -> int:
    """A side that may be given twice.

    Raises:
        ValueError: two different sides.
    """
    sides = {found[name]} if isinstance(found[name], int) else {*found[name]}
    if len(sides) != 1:
        raise ValueError(f"vision_config: {name} is {found[name]!r}, expected a square")
    return int(sides.pop())
