"""Our SigLIP against Hugging Face's ``SiglipModel``: features, loss, every gradient.

Nothing is downloaded: the models are made from small configurations, and both sides get the same random weights.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
from transformers import SiglipConfig as UpstreamConfig
from transformers import SiglipModel

from tests.equality import assert_equal, shaken
from vlmlearn.hub.siglip import config_from_upstream, rename
from vlmlearn.losses import siglip_loss
from vlmlearn.models import SigLIP, SigLIPConfig

WORDS, LENGTH, BATCH = 40, 9, 4
VISION = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 24,
    "patch_size": 8,
}
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "vocab_size": WORDS,
    "max_position_embeddings": LENGTH,
    "projection_size": 24,
}
OPTIONS = {
    "published": {},
    "patches that do not tile": {"vision": {"image_size": 30}},  # as 14 does not tile 384
    "other": {
        "vision": {"hidden_act": "gelu", "layer_norm_eps": 1e-3, "patch_size": 6},
        "text": {"hidden_act": "relu", "layer_norm_eps": 1e-3},
    },
}


def twins(dtype=torch.float32, vision=None, text=None) -> tuple[SigLIP, SiglipModel]:
    torch.manual_seed(0)
    found = {"vision_config": VISION | (vision or {}), "text_config": TEXT | (text or {})}
    theirs = shaken(SiglipModel(UpstreamConfig(**found)).eval()).to(dtype)
    with torch.no_grad():
        theirs.logit_scale.fill_(1.5)  # theirs start at 0
        theirs.logit_bias.fill_(-2.0)
    # What is published is config.json and tensors: ours is made from those.
    ours = SigLIP(config_from_upstream(theirs.config.to_dict())).eval().to(dtype)
    ours.load_state_dict(rename(theirs.state_dict()))
    return ours, theirs


def inputs(dtype=torch.float32, batch=BATCH, side=24, length=LENGTH) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, and texts of several lengths, the end of text (1) after them."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(batch, 3, side, side, generator=generator, dtype=dtype)
    ids = torch.full((batch, length), 1)
    for row, words in zip(ids, (2, length, 5, 1), strict=False):
        row[:words] = torch.randint(2, WORDS, (min(words, length),), generator=generator)
    return images, ids


@pytest.mark.parametrize("batch", [2, BATCH])
@pytest.mark.parametrize("options", OPTIONS)
def test_features_loss_and_gradients(options, batch):
    ours, theirs = twins(**OPTIONS[options])
    images, ids = inputs(batch=batch, side=ours.config.image.image_side)
    mine = ours(images, ids)
    official = theirs(input_ids=ids, pixel_values=images, return_loss=True)
    assert_equal(mine.image_features, official.image_embeds, "image features")
    assert_equal(mine.text_features, official.text_embeds, "text features")
    logits = mine.logit_scale * mine.image_features @ mine.text_features.T + mine.logit_bias
    assert_equal(logits, official.logits_per_image, "logits")
    loss = siglip_loss(*mine)
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
    official = theirs(input_ids=ids, pixel_values=images, return_loss=True).loss
    assert official > 0.1 and abs(siglip_loss(*ours(images, ids)) - official) <= 1e-10


@pytest.mark.parametrize("length", [1, 5, LENGTH])
def test_features_of_other_lengths(length):
    """Before they are normalised, of the images alone and the texts alone, of several numbers of tokens."""
    ours, theirs = twins()
    images, ids = inputs(length=length)
    official = theirs.get_text_features(ids).pooler_output
    assert_equal(ours.encode_text(ids, normalize=False), official, "text")
    official = theirs.get_image_features(images).pooler_output
    assert_equal(ours.encode_image(images, normalize=False), official, "image")


# What the config.json of the published models says beyond upstream's defaults.
SO400M = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
}
PUBLISHED = {
    "base": (SigLIPConfig.base_patch16_224(), {}, {}),
    "SigLIP 2": (SigLIPConfig.base_patch16_224(256_000), {}, {"vocab_size": 256_000}),
    "so400m": (
        SigLIPConfig.so400m_patch14_384(),
        SO400M | {"image_size": 384, "patch_size": 14},
        SO400M,
    ),
}


@pytest.mark.parametrize("size", PUBLISHED)
def test_presets_are_the_published_models(size):
    preset, vision, text = PUBLISHED[size]
    found = {"vision_config": vision, "text_config": text}
    assert config_from_upstream({"model_type": "siglip"} | found) == preset
    with torch.device("meta"):
        ours, theirs = SigLIP(preset), SiglipModel(UpstreamConfig(**found))
    shapes = {name: value.shape for name, value in rename(theirs.state_dict()).items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes
