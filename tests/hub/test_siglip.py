"""Configurations of published SigLIPs, of SigLIP 2 of fixed size, and what ours cannot be."""

import pytest
import torch

from vlmlearn.hub.families import family_of
from vlmlearn.hub.siglip import config_from_upstream, rename
from vlmlearn.layers import BidirectionalTextConfig
from vlmlearn.models import SigLIP, SigLIPConfig

SIGLIP2 = {  # what the fixed sizes of SigLIP 2 are published with
    "model_type": "siglip",
    "architectures": ["SiglipModel"],
    "text_config": {"model_type": "siglip_text_model", "vocab_size": 256_000, "projection_size": 768},
    "vision_config": {"model_type": "siglip_vision_model", "image_size": 224},
}


def test_siglip_2_of_fixed_size_is_a_siglip():
    family = family_of(SIGLIP2)
    assert (family.model, family.context_length) == ("SigLIP", 64)
    assert family.config(SIGLIP2) == SigLIPConfig.base_patch16_224(256_000)


def test_a_silent_file_is_the_first_siglip():
    assert config_from_upstream({}) == SigLIPConfig.base_patch16_224()


def test_texts_may_be_narrower_than_images():
    giant = {
        "vision_config": {"hidden_size": 1536, "num_attention_heads": 16},
        "text_config": {"hidden_size": 1152, "num_attention_heads": 16, "projection_size": 1536},
    }
    config = config_from_upstream(giant)
    assert (config.image.width, config.text.width, config.embedding) == (1536, 1152, 1536)


def test_other_words_and_lengths():
    found = config_from_upstream({"text_config": {"vocab_size": 250_000, "max_position_embeddings": 32}})
    assert found.text == BidirectionalTextConfig(250_000, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "siglip2"}, "model_type is 'siglip2', expected \"siglip\""),
        ({"vision_config": {"hidden_act": "swish"}}, "vision_config: hidden_act is 'swish', expected one of"),
        ({"text_config": {"attention_dropout": 0.1}}, r"text_config: attention_dropout is 0\.1, expected 0"),
        ({"vision_config": {"num_channels": 1}}, "num_channels is 1, expected 3"),
        ({"vision_config": {"vision_use_head": False}}, "vision_use_head is False, expected True"),
        ({"vision_config": {"image_size": [224, 192]}}, r"image_size is \[224, 192\], expected a square"),
        ({"text_config": {"projection_size": 512}}, "texts end in 512 channels, images in 768"),
        ({"vision_config": {"num_attention_heads": 7}}, "MapViTConfig: the tower is 768 wide, heads is 7"),
    ],
)
def test_what_ours_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        config_from_upstream(changes)


def test_packed_tensors_are_unpacked_and_numbers_lose_their_dimension():
    packed = rename({"vision_model.head.attention.in_proj_bias": torch.arange(6)})
    assert {name.rsplit(".", 2)[1]: value.tolist() for name, value in packed.items()} == {
        "query": [0, 1],
        "key": [2, 3],
        "value": [4, 5],
    }
    assert rename({"logit_bias": torch.tensor([-9.0])})["logit_bias"].shape == ()
    assert rename({"vision_model.embeddings.position_ids": torch.arange(3)}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "visual_projection.weight",
        "vision_model.embeddings.class_embedding",
        "text_model.encoder.layers.0.self_attn.relative.weight",
        "vision_model.head.attention.bias_k",
    ],
)
def test_unknown_tensors_are_refused(name):
    with pytest.raises(ValueError, match=f"a tensor {name}, which no SiglipModel has"):
        rename({name: torch.zeros(1)})


@pytest.mark.parametrize("name", ["logit_bias", "logit_scale"])
def test_a_bias_of_another_shape_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} has shape \(2,\), expected one number"):
        rename({name: torch.zeros(2)})


def test_a_tensor_that_is_missing_is_seen():
    model = SigLIP(SigLIPConfig.tiny(9))
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(rename({"logit_scale": torch.tensor([1.0])}))
