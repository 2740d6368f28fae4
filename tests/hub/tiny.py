"""Tiny models of upstream with random weights, saved as published ones are."""

import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import pre_tokenizers
from torch import nn
from transformers import (
    AlignConfig,
    AlignModel,
    BertTokenizer,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    CLIPTokenizer,
    GemmaTokenizer,
    Siglip2Config,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipModel,
    SiglipTokenizer,
)
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from tests.equality import shaken
from tests.hub.vocabularies import gemma, spiece

SIDE, CONTEXT = 32, 16
SQUARE = {"height": SIDE, "width": SIDE}
TOWER = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3}
TEXTS = ["a red dog", "two dogs!", "红色的圆"]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz!红色的圆狗"


def clip() -> CLIPModel:
    ids = {"bos_token_id": 514, "eos_token_id": 515, "pad_token_id": 515}
    text = TOWER | {"vocab_size": 516, "max_position_embeddings": CONTEXT} | ids
    vision = TOWER | {"image_size": SIDE, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=20))


def chinese_clip() -> ChineseCLIPModel:
    text = TOWER | {"vocab_size": len(bert_vocabulary()), "max_position_embeddings": CONTEXT}
    vision = TOWER | {"image_size": SIDE, "patch_size": 8}
    return ChineseCLIPModel(ChineseCLIPConfig(text_config=text, vision_config=vision, projection_dim=20))


def align() -> AlignModel:
    text = TOWER | {"vocab_size": len(bert_vocabulary()), "max_position_embeddings": CONTEXT}
    vision = {
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "kernel_sizes": [3, 5],
        "in_channels": [32, 16],
        "out_channels": [16, 24],
        "strides": [1, 2],
        "num_block_repeats": [1, 2],
        "expand_ratios": [1, 4],
    }
    model = AlignModel(AlignConfig(text_config=text, vision_config=vision, projection_dim=24))
    for module in model.modules():  # or all pictures look alike to the freshly made network
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.6)
    return model


def siglip(words: int | None = None) -> SiglipModel:
    text = TOWER | {"vocab_size": words or len(siglip_tokenizer()), "max_position_embeddings": CONTEXT}
    vision = TOWER | {"image_size": SIDE, "patch_size": 8}
    return numbered(SiglipModel(SiglipConfig(text_config=text, vision_config=vision)))


def siglip2_fixed() -> SiglipModel:
    """SigLIP 2's models of fixed size are published as SigLIPs with more words."""
    return siglip(len(gemma_tokenizer()))


def siglip2() -> Siglip2Model:
    text = TOWER | {"vocab_size": len(gemma_tokenizer()), "max_position_embeddings": CONTEXT}
    vision = TOWER | {"num_patches": 16, "patch_size": 8}
    return numbered(Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)))


def numbered(model: SiglipModel | Siglip2Model) -> SiglipModel | Siglip2Model:
    """With scale and bias as after training; they start at 0."""
    with torch.no_grad():
        model.logit_scale.fill_(1.5)
        model.logit_bias.fill_(-2.0)
    return model


@cache
def siglip_tokenizer() -> SiglipTokenizer:
    path = Path(tempfile.mkdtemp()) / "spiece.model"
    path.write_bytes(spiece(TEXTS, vocab_size=60))
    return SiglipTokenizer(str(path), model_max_length=CONTEXT, model_input_names=["input_ids"])


@cache
def gemma_tokenizer(kind: type = Siglip2Tokenizer) -> Siglip2Tokenizer:
    return gemma(TEXTS, kind=kind, model_input_names=["input_ids"])


def clip_tokenizer() -> CLIPTokenizer:
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*characters, *(f"{character}</w>" for character in characters), "re", "red</w>"]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: k for k, piece in enumerate(pieces)}
    return CLIPTokenizer(vocabulary, [("r", "e"), ("re", "d</w>")])


def bert_vocabulary() -> dict[str, int]:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS]
    pieces += [f"##{character}" for character in CHARACTERS] + ["red", "dog"]
    return {piece: k for k, piece in enumerate(pieces)}


def bert_tokenizer() -> BertTokenizer:
    return BertTokenizer(bert_vocabulary())


class Parts(NamedTuple):
    """What makes one family, and how its classes read it back."""

    model: Callable[[], Any]
    tokenizer: Callable[[], Any]
    images: Any


PARTS = {
    "clip": Parts(
        clip, clip_tokenizer, CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SQUARE)
    ),
    "chinese_clip": Parts(
        chinese_clip, bert_tokenizer, ChineseCLIPImageProcessorPil(size=SQUARE, do_center_crop=False)
    ),
    "align": Parts(
        align,
        bert_tokenizer,
        EfficientNetImageProcessorPil(
            size={"height": 40, "width": 40},
            crop_size=SQUARE,
            do_center_crop=True,
            do_normalize=False,
            include_top=False,
            resample=2,
            rescale_factor=1 / 127.5,
            rescale_offset=True,
        ),
    ),
    "siglip": Parts(siglip, siglip_tokenizer, SiglipImageProcessorPil(size=SQUARE)),
    "siglip2_fixed": Parts(
        siglip2_fixed,
        lambda: gemma_tokenizer(GemmaTokenizer),
        SiglipImageProcessorPil(size=SQUARE, resample=2),
    ),
    "siglip2": Parts(siglip2, gemma_tokenizer, Siglip2ImageProcessorPil(patch_size=8, max_num_patches=21)),
}


def save(family: str, folder: Path, **options) -> None:
    """All the files of a checkpoint; ``options`` are those of ``save_pretrained``."""
    parts = PARTS[family]
    torch.manual_seed(0)
    shaken(parts.model()).save_pretrained(folder, **options)
    parts.tokenizer().save_pretrained(folder)
    parts.images.save_pretrained(folder)


def edit_json(path: Path, **changes) -> None:
    """Settings changed in a file; ``None`` takes one out."""
    settings = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({name: value for name, value in settings.items() if value is not None}))
