"""Configurations of published CLIPs, old and new, and what ours cannot be."""

import pytest
import torch

from vlmlearn.hub.clip import config_from_upstream, rename
from vlmlearn.layers import TextConfig, ViTConfig
from vlmlearn.models import CLIP, CLIPConfig

OLD_BASE = {  # the form of the oldest files: everything twice, the end of text by mistake 2
    "model_type": "clip",
    "projection_dim": 512,
    "logit_scale_init_value": 2.6592,
    "text_config": {"hidden_size": 512, "eos_token_id": 2, "dropout": 0.0, "torch_dtype": None},
    "text_config_dict": None,
    "vision_config": {"patch_size": 16, "image_size": 224},
    "vision_config_dict": {"patch_size": 32},
}
LARGE = {
    "projection_dim": 768,
    "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "patch_size": 14,
    },
}


def without_scale(config: CLIPConfig) -> tuple:
    return config.image, config.text, config.embedding, config.pixel_mean, config.pixel_std


def test_presets_are_what_the_published_files_say():
    assert without_scale(config_from_upstream({})) == without_scale(CLIPConfig.vit_base_patch32())
    assert without_scale(config_from_upstream(LARGE)) == without_scale(CLIPConfig.vit_large_patch14())
    base16 = {"vision_config": {"patch_size": 16}}
    assert without_scale(config_from_upstream(base16)) == without_scale(CLIPConfig.vit_base_patch16())


def test_old_files():
    config = config_from_upstream(OLD_BASE)
    assert config.image == ViTConfig()  # what is called _dict counts
    assert config.text == TextConfig(eos_id=2, end="highest")
    assert config.log_scale == 2.6592


def test_a_side_may_be_given_twice():
    assert config_from_upstream({"vision_config": {"patch_size": [16, 16]}}).image.patch == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "siglip"}, "model_type is 'siglip', expected \"clip\""),
        ({"vision_config": {"hidden_act": "swish"}}, "vision_config: hidden_act is 'swish', expected one of"),
        ({"text_config": {"attention_dropout": 0.1}}, r"text_config: attention_dropout is 0\.1, expected 0"),
        ({"vision_config": {"num_channels": 1}}, "num_channels is 1, expected 3"),
        ({"vision_config": {"image_size": [224, 192]}}, r"image_size is \[224, 192\], expected a square"),
        ({"text_config": {"eos_token_id": [1, 2]}}, r"eos_token_id is \[1, 2\], expected one whole number"),
        ({"text_config": {"eos_token_id": 60000}}, "eos_id is 60000, expected 0 to 49407"),
        ({"vision_config": {"num_attention_heads": 7}}, "ViTConfig: the tower is 768 wide, heads is 7"),
        ({"vision_config": {"patch_size": 30}}, "image_side is 224, expected a multiple of 30"),
    ],
)
def test_what_ours_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        config_from_upstream(changes)


def test_counted_places_are_no_tensors():
    assert rename({"text_model.embeddings.position_ids": torch.arange(3)}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "visual.conv1.weight",
        "text_model.encoder.layers.0.self_attn.relative.weight",
        "vision_model.encoder.layers.0.lambda_1",
        "vision_model.embeddings.patch_embedding.bias",
    ],
)
def test_unknown_tensors_are_refused(name):
    with pytest.raises(ValueError, match=f"a tensor {name}, which no CLIPModel has"):
        rename({name: torch.zeros(1)})


def test_a_tensor_that_is_missing_is_seen():
    model = CLIP(CLIPConfig(ViTConfig(16, 8, 8, 1, 2, 8), TextConfig(9, 5, 3, width=8, layers=1, heads=2)))
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(rename({"logit_scale": torch.tensor(1.0)}))
