"""Our Chinese-CLIP against Hugging Face's ``ChineseCLIPModel``: features, loss, every gradient.

Nothing is downloaded: the models are made from small configurations, and both sides get the same random weights.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
from transformers import ChineseCLIPConfig as UpstreamConfig
from transformers import ChineseCLIPModel

from tests.equality import assert_equal, shaken
from vlmlearn.hub.chinese_clip import config_from_upstream, rename
from vlmlearn.losses import clip_loss
from vlmlearn.models import ChineseCLIP, ChineseCLIPConfig

WORDS, LENGTH, BATCH, SIDE = 40, 9, 4, 24
VISION = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": SIDE,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "vocab_size": WORDS,
    "max_position_embeddings": 12,
}


def twins(dtype=torch.float32, vision=None, text=None) -> tuple[ChineseCLIP, ChineseCLIPModel]:
    torch.manual_seed(0)
    found = {
        "vision_config": VISION | (vision or {}),
        "text_config": TEXT | (text or {}),
        "projection_dim": 12,
    }
    theirs = shaken(ChineseCLIPModel(UpstreamConfig(**found)).eval()).to(dtype)
    # What is published is config.json and tensors: ours is made from those.
    ours = ChineseCLIP(config_from_upstream(theirs.config.to_dict())).eval().to(dtype)
    ours.load_state_dict(rename(theirs.state_dict()))
    return ours, theirs


def inputs(dtype=torch.float32, pad=0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, and texts of several lengths, PAD after them."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=generator, dtype=dtype)
    ids = torch.full((BATCH, LENGTH), pad)
    for row, length in zip(ids, (2, LENGTH, 5, 1), strict=True):
        row[:length] = torch.randint(4, WORDS, (length,), generator=generator)
    return images, ids


OPTIONS = {
    "published": {},
    "other": {
        "vision": {"hidden_act": "gelu", "layer_norm_eps": 1e-3},
        "text": {"hidden_act": "relu", "layer_norm_eps": 1e-3, "type_vocab_size": 3, "pad_token_id": 3},
    },
}


@pytest.mark.parametrize("options", OPTIONS)
def test_features_loss_and_gradients(options):
    ours, theirs = twins(**OPTIONS[options])
    pad = ours.config.text.pad_id
    images, ids = inputs(pad=pad)
    mine = ours(images, ids)
    official = theirs(
        input_ids=ids, pixel_values=images, attention_mask=(ids != pad).long(), return_loss=True
    )
    assert_equal(mine.image_features, official.image_embeds, "image features")
    assert_equal(mine.text_features, official.text_embeds, "text features")
    assert_equal(
        mine.logit_scale * mine.image_features @ mine.text_features.T, official.logits_per_image, "logits"
    )
    loss = clip_loss(*mine)
    assert_equal(loss, official.loss, "loss")
    loss.backward()
    official.loss.backward()
    reference = rename({name: parameter.grad for name, parameter in theirs.named_parameters()})
    assert {*reference} == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        if name.endswith("key.bias"):  # adds the same to all scores of a query: zero up to rounding
            scale = 1e-4 * ours.get_parameter(name.replace("bias", "weight")).grad.norm()
            assert parameter.grad.norm() < scale and reference[name].norm() < scale
        else:
            assert_equal(parameter.grad, reference[name], name)


def test_the_loss_in_double_precision():
    ours, theirs = twins(torch.float64)
    images, ids = inputs(torch.float64)
    mask = (ids != 0).long()
    official = theirs(input_ids=ids, pixel_values=images, attention_mask=mask, return_loss=True).loss
    assert official > 0.1 and abs(clip_loss(*ours(images, ids)) - official) <= 1e-10


def test_features_of_other_lengths():
    """Before they are normalised, and of the images alone and the texts alone."""
    ours, theirs = twins()
    images, ids = inputs()
    official = theirs.get_text_features(ids, attention_mask=(ids != 0).long()).pooler_output
    assert_equal(ours.encode_text(ids, normalize=False), official, "text")
    official = theirs.get_image_features(images).pooler_output
    assert_equal(ours.encode_image(images, normalize=False), official, "image")


def test_the_mask_matters():
    """Without the mask theirs is another text: the equality above is no accident."""
    ours, theirs = twins()
    _, ids = inputs()
    unmasked = theirs.get_text_features(ids).pooler_output
    assert (ours.encode_text(ids, normalize=False) - unmasked).norm() > 1e-2 * unmasked.norm()


# What the config.json of the published models says beyond upstream's defaults.
LARGE_VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
HUGE_VISION = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 16,
    "num_hidden_layers": 32,
}
LARGE_TEXT = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
}
PUBLISHED = {
    "base": (ChineseCLIPConfig.vit_base_patch16(), {"patch_size": 16}, {}, 512),
    "large": (ChineseCLIPConfig.vit_large_patch14(), LARGE_VISION | {"patch_size": 14}, {}, 768),
    "336": (
        ChineseCLIPConfig.vit_large_patch14(336),
        LARGE_VISION | {"patch_size": 14, "image_size": 336},
        {},
        768,
    ),
    "huge": (ChineseCLIPConfig.vit_huge_patch14(), HUGE_VISION | {"patch_size": 14}, LARGE_TEXT, 1024),
}


@pytest.mark.parametrize("size", PUBLISHED)
def test_presets_are_the_published_models(size):
    preset, vision, text, width = PUBLISHED[size]
    found = {"vision_config": vision, "text_config": {"vocab_size": 21128} | text, "projection_dim": width}
    read = config_from_upstream({"model_type": "chinese_clip", "logit_scale_init_value": 2.6592} | found)
    assert (read.image, read.text, read.embedding) == (preset.image, preset.text, preset.embedding)
    assert read.log_scale == pytest.approx(preset.log_scale, abs=1e-4)
    with torch.device("meta"):
        ours, theirs = ChineseCLIP(preset), ChineseCLIPModel(UpstreamConfig(**found))
    shapes = {name: value.shape for name, value in rename(theirs.state_dict()).items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
