"""Published CLIPs: what their configurations mean, the names of their tensors, and ours.

Two families of names are in use: those of Hugging Face's ``CLIPModel``, and those of OpenAI's code, which open_clip
keeps. CLIP's ResNets exist only under the latter.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vlmlearn.layers import TextConfig, ViTConfig
from vlmlearn.models import CLIPConfig

# What upstream assumes where a config.json is silent: ViT-B/32.
SHARED_DEFAULTS: dict[str, Any] = {
    "num_hidden_layers": 12,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "attention_dropout": 0.0,
    "dropout": 0.0,  # in older files
}
VISION_DEFAULTS = SHARED_DEFAULTS | {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_channels": 3,
    "image_size": 224,
    "patch_size": 32,
}
TEXT_DEFAULTS = SHARED_DEFAULTS | {
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_attention_heads": 8,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "eos_token_id": 49407,
}
FIXED = {"num_channels": 3, "attention_dropout": 0, "dropout": 0}
ACTIVATIONS = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}

# Hugging Face's names and ours. The norm before the first block is spelt like this upstream, too.
PARTS = {
    "logit_scale": "log_scale",
    "visual_projection.weight": "image_tower.projection.weight",
    "vision_model.embeddings.class_embedding": "image_tower.vit.class_token",
    "vision_model.embeddings.patch_embedding.weight": "image_tower.vit.patches.weight",
    "vision_model.embeddings.position_embedding.weight": "image_tower.vit.positions",
    "vision_model.pre_layrnorm.weight": "image_tower.vit.first_norm.weight",
    "vision_model.pre_layrnorm.bias": "image_tower.vit.first_norm.bias",
    "vision_model.post_layernorm.weight": "image_tower.norm.weight",
    "vision_model.post_layernorm.bias": "image_tower.norm.bias",
    "text_projection.weight": "text_tower.projection.weight",
    "text_model.embeddings.token_embedding.weight": "text_tower.words.weight",
    "text_model.embeddings.position_embedding.weight": "text_tower.positions",
    "text_model.final_layer_norm.weight": "text_tower.norm.weight",
    "text_model.final_layer_norm.bias": "text_tower.norm.bias",
}
TOWERS = {"vision_model": "image_tower.vit", "text_model": "text_tower"}
BLOCK_PARTS = {
    "layer_norm1": "attention_norm",
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.out_proj": "attention.out",
    "layer_norm2": "feed_forward_norm",
    "mlp.fc1": "feed_forward.widen",
    "mlp.fc2": "feed_forward.narrow",
}
BLOCK = re.compile(r"(vision_model|text_model)\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def config_from_upstream(settings: Mapping[str, Any]) -> CLIPConfig:
    """The configuration of a Hugging Face ``CLIPModel``, as its config.json holds it, as ours.

    Pixels are standardised with the numbers of OpenAI's CLIPs, which a config.json does not hold.

    Raises:
        ValueError: another model, or a CLIP that ours cannot be: dropout, grey images, an unknown activation,
            patches or images that are not square, several ends of text.
    """
    kind = settings.get("model_type", "clip")
    if kind != "clip":
        raise ValueError(f'model_type is {kind!r}, expected "clip": load it with the class of that name')
    vision = _part(settings, "vision_config", VISION_DEFAULTS)
    text = _part(settings, "text_config", TEXT_DEFAULTS)
    eos_id = text["eos_token_id"]
    if not isinstance(eos_id, int):
        raise ValueError(f"text_config: eos_token_id is {eos_id!r}, expected one whole number")
    return CLIPConfig(
        image=ViTConfig(
            image_side=_square(vision, "image_size"),
            patch=_square(vision, "patch_size"),
            **_transformer(vision),
        ),
        text=TextConfig(
            vocabulary=text["vocab_size"],
            context_length=text["max_position_embeddings"],
            eos_id=eos_id,
            end="highest"
            if eos_id == 2
            else "first",  # 2 was written by mistake; upstream then looks elsewhere
            **_transformer(text),
        ),
        embedding=_given(settings, "projection_dim", 512),
        log_scale=_given(settings, "logit_scale_init_value", 2.6592),
    )


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a Hugging Face ``CLIPModel`` under the names of ``vlmlearn.models.CLIP``.

    Raises:
        ValueError: a name that no such CLIP has.
    """
    renamed = {}
    for name, value in state_dict.items():
        if name.endswith(".position_ids"):  # counted, so our model makes them itself
            continue
        block = BLOCK.fullmatch(name)
        if name in PARTS:
            renamed[PARTS[name]] = value
        elif block and block[3] in BLOCK_PARTS:
            place = f"{TOWERS[block[1]]}.transformer.blocks.{block[2]}"
            renamed[f"{place}.{BLOCK_PARTS[block[3]]}.{block[4]}"] = value
        else:
            raise ValueError(
                f"the checkpoint has a tensor {name}, which no CLIPModel has: is it another model? Names that start "
                'with "visual." or "transformer." are OpenAI\'s: take vlmlearn.hub.openai_clip'
            )
    return renamed


def _part(settings: Mapping[str, Any], name: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """The settings of one tower. Older files hold them twice; upstream goes by the ones called ``_dict``."""
    given = settings.get(f"{name}_dict")
    found = defaults | dict(given if given is not None else settings.get(name) or {})
    for option, value in FIXED.items():
        if option in found and found[option] != value:
            raise ValueError(f"{name}: {option} is {found[option]!r}, expected {value}: ours has no other")
    if found["hidden_act"] not in ACTIVATIONS:
        raise ValueError(
            f"{name}: hidden_act is {found['hidden_act']!r}, expected one of {', '.join(ACTIVATIONS)}"
        )
    return found


def _transformer(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "width": found["hidden_size"],
        "layers": found["num_hidden_layers"],
        "heads": found["num_attention_heads"],
        "hidden": found["intermediate_size"],
        "activation": ACTIVATIONS[found["hidden_act"]],
        "eps": found["layer_norm_eps"],
    }


def _square(found: Mapping[str, Any], name: str) -> int:
    value = found[name]
    sides = {value} if isinstance(value, int) else {*value}
    if len(sides) != 1:
        raise ValueError(f"vision_config: {name} is {value!r}, expected a square")
    return int(sides.pop())


def _given(settings: Mapping[str, Any], name: str, default: Any) -> Any:
    return default if settings.get(name) is None else settings[name]
