"""CLIPs under OpenAI's names, which open_clip keeps: Vision Transformers and ResNets."""

import re
from collections.abc import Mapping
from itertools import accumulate

import torch
from torch import Tensor

# Their names and ours; a projection written as x @ matrix is our linear layer's weight, transposed.
PARTS = {
    "logit_scale": "log_scale",
    "positional_embedding": "text_tower.positions",
    "token_embedding.weight": "text_tower.words.weight",
    "ln_final.weight": "text_tower.norm.weight",
    "ln_final.bias": "text_tower.norm.bias",
    "visual.class_embedding": "image_tower.vit.class_token",
    "visual.positional_embedding": "image_tower.vit.positions",
    "visual.ln_pre.weight": "image_tower.vit.first_norm.weight",
    "visual.ln_pre.bias": "image_tower.vit.first_norm.bias",
    "visual.ln_post.weight": "image_tower.norm.weight",
    "visual.ln_post.bias": "image_tower.norm.bias",
    "visual.attnpool.positional_embedding": "image_tower.pool.positions",
}
PATCHES = {"visual.conv1.weight": "image_tower.vit.patches.weight"}
MATRICES = {
    "text_projection": "text_tower.projection.weight",
    "visual.proj": "image_tower.projection.weight",
}
NOT_WEIGHTS = (
    "attn_mask",
    "input_resolution",
    "context_length",
    "vocab_size",
)  # made or known from the shapes
BLOCK_PARTS = {
    "ln_1": "attention_norm",
    "attn.out_proj": "attention.out",
    "ln_2": "feed_forward_norm",
    "mlp.c_fc": "feed_forward.widen",
    "mlp.c_proj": "feed_forward.narrow",
}
PROJECTIONS = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "c_proj": "out"}
STEM = {"1": 0, "2": 2, "3": 4}  # their convolutions, and our places: an activation stands between two
INSIDE = {"1": "narrow", "2": "look", "3": "widen"}
BLOCK = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")
POOL = re.compile(r"visual\.attnpool\.(\w_proj)\.(weight|bias)")
STEM_LAYER = re.compile(r"visual\.(conv|bn)(\d)\.(\w+)")
STAGE_LAYER = re.compile(r"visual\.layer(\d)\.(\d+)\.(conv|bn)(\d)\.(\w+)")
SHORTCUT = re.compile(r"visual\.layer(\d)\.(\d+)\.downsample\.(0|1)\.(\w+)")


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of OpenAI's ``CLIP`` (or open_clip's) under the names of ``vlmlearn.models.CLIP``.

    Theirs packs the three maps of an attention into one matrix; ours has them apart.

    Raises:
        ValueError: a name that no such CLIP has.
    """
    first = _first_blocks(state_dict)
    # One name for two things: the only convolution of a Vision Transformer, or the first of a ResNet.
    parts = PARTS | (PATCHES if "visual.class_embedding" in state_dict else {})
    renamed: dict[str, Tensor] = {}
    for name, value in state_dict.items():
        if name in NOT_WEIGHTS:
            continue
        if name in parts:
            renamed[parts[name]] = value
        elif name in MATRICES:
            renamed[MATRICES[name]] = value.T.contiguous()
        elif block := BLOCK.fullmatch(name):
            renamed |= _block(block, value)
        else:
            renamed[_resnet(name, first)] = value
    return renamed


def _block(match: re.Match[str], value: Tensor) -> dict[str, Tensor]:
    visual, number, part, kind = match.groups()
    place = f"{'image_tower.vit' if visual else 'text_tower'}.transformer.blocks.{number}"
    if part == "attn.in_proj":
        apart = zip(("query", "key", "value"), torch.chunk(value, 3), strict=True)
        return {f"{place}.attention.{name}.{kind}": chunk.clone() for name, chunk in apart}
    if part not in BLOCK_PARTS:
        raise _unknown(match[0])
    return {f"{place}.{BLOCK_PARTS[part]}.{kind}": value}


def _resnet(name: str, first: list[int]) -> str:
    """Our name of a ResNet's tensor; ``first`` holds the number of each stage's first block."""
    if pool := POOL.fullmatch(name):
        return f"image_tower.pool.attention.{PROJECTIONS[pool[1]]}.{pool[2]}"
    if stem := STEM_LAYER.fullmatch(name):
        return f"image_tower.stem.{STEM[stem[2]]}.{'0' if stem[1] == 'conv' else '1'}.{stem[3]}"
    if shortcut := SHORTCUT.fullmatch(name):
        number = first[int(shortcut[1]) - 1] + int(shortcut[2])
        return f"image_tower.stages.{number}.shortcut.{shortcut[3]}.{shortcut[4]}"
    if layer := STAGE_LAYER.fullmatch(name):
        number = first[int(layer[1]) - 1] + int(layer[2])
        place = f"image_tower.stages.{number}.{INSIDE[layer[4]]}"
        return f"{place}.{'0' if layer[3] == 'conv' else '1'}.{layer[5]}"
    raise _unknown(name)


def _first_blocks(state_dict: Mapping[str, Tensor]) -> list[int]:
    """They count the blocks stage by stage, we go on counting."""
    found = [match for match in map(STAGE_LAYER.fullmatch, state_dict) if match]
    stages = sorted({int(match[1]) for match in found})
    counts = [len({match[2] for match in found if int(match[1]) == stage}) for stage in stages]
    return [0, *accumulate(counts)]


def _unknown(name: str) -> ValueError:
    return ValueError(
        f"the checkpoint has a tensor {name}, which no CLIP of OpenAI has: is it another model?"
    )
