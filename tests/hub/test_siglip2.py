"""Configurations of SigLIP 2's NaFlex models, and what ours cannot be."""

import pytest
import torch

from vlmlearn.hub.families import family_of
from vlmlearn.hub.siglip2 import config_from_upstream, rename
from vlmlearn.layers import NaFlexConfig
from vlmlearn.models import SigLIP2Config

PUBLISHED = {
    "model_type": "siglip2",
    "architectures": ["Siglip2Model"],
    "text_config": {"model_type": "siglip2_text_model", "vocab_size": 256_000, "projection_size": 768},
    "vision_config": {"model_type": "siglip2_vision_model", "num_patches": 256},
}


def test_the_published_file():
    family = family_of(PUBLISHED)
    assert (family.model, family.context_length) == ("SigLIP2", 64)
    assert family.config(PUBLISHED) == SigLIP2Config.base_patch16_naflex()


def test_other_grids_and_patches():
    found = config_from_upstream({"vision_config": {"num_patches": 49, "patch_size": [14, 14]}})
    assert found.image == NaFlexConfig(14, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "siglip"}, "model_type is 'siglip', expected \"siglip2\""),
        ({"vision_config": {"num_patches": 250}}, "num_patches is 250, expected a square number"),
        ({"vision_config": {"vision_use_head": False}}, "vision_use_head is False, expected True"),
        ({"text_config": {"projection_size": 512}}, "texts end in 512 channels, images in 768"),
    ],
)
def test_what_ours_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        config_from_upstream(changes)


def test_names_are_siglips_less_one_level():
    found = rename(
        {"vision_model.encoder.layers.3.mlp.fc1.bias": torch.zeros(1), "logit_scale": torch.ones(1)}
    )
    assert [*found] == ["image_tower.transformer.blocks.3.feed_forward.widen.bias", "log_scale"]
    with pytest.raises(ValueError, match="a tensor vision_model"):
        rename({"vision_model.embeddings.class_embedding": torch.zeros(1)})
