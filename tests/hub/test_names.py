"""Configurations and names of BERT, EfficientNet, Chinese-CLIP and ALIGN: what is told apart, and what is refused."""

import pytest
import torch

from vlmlearn.hub import align, chinese_clip
from vlmlearn.hub.bert import bert_config, rename_bert
from vlmlearn.hub.efficientnet import efficientnet_config, rename_efficientnet
from vlmlearn.layers import BertConfig, EfficientNetConfig

ONE = torch.zeros(1)


def test_silent_settings_are_upstreams_own():
    assert bert_config({}) == BertConfig()
    assert efficientnet_config({}) == EfficientNetConfig.b(7)


def test_the_oldest_names_of_a_layer_norm():
    old = {"embeddings.LayerNorm.gamma": ONE, "encoder.layer.3.output.LayerNorm.beta": ONE}
    assert [*rename_bert(old)] == [
        "embeddings.norm.weight",
        "transformer.blocks.3.feed_forward_norm.bias",
    ]


def test_what_a_model_makes_itself_is_left_out():
    buffers = {"text_model.embeddings.position_ids": ONE, "text_model.embeddings.token_type_ids": ONE}
    assert chinese_clip.rename(buffers) == {} == align.rename(buffers)
    assert align.rename({"text_model.pooler.dense.weight": ONE}) == {}


@pytest.mark.parametrize(
    ("rename", "name"),
    [
        (rename_bert, "bert.embeddings.word_embeddings.weight"),
        (rename_bert, "encoder.layer.0.crossattention.self.query.weight"),
        (rename_efficientnet, "encoder.blocks.0.attention.weight"),
        (chinese_clip.rename, "text_model.pooler.attention.weight"),
        (chinese_clip.rename, "vision_model.head.weight"),
        (align.rename, "visual_projection.weight"),
        (align.rename, "vision_model.pooler.weight"),
    ],
)
def test_an_unknown_name_is_an_error(rename, name):
    with pytest.raises(ValueError, match=name.split(".", 1)[1]):
        rename({name: ONE})


@pytest.mark.parametrize(
    ("read", "settings", "message"),
    [
        (bert_config, {"hidden_act": "silu"}, "hidden_act is 'silu'"),
        (bert_config, {"position_embedding_type": "relative_key"}, "relative_key"),
        (bert_config, {"is_decoder": True}, "is_decoder True"),
        (efficientnet_config, {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        (efficientnet_config, {"pooling_type": "max"}, "pooling_type is 'max'"),
        (efficientnet_config, {"in_channels": [32, 16, 24, 40, 80, 112, 190]}, "in_channels"),
        (chinese_clip.config_from_upstream, {"model_type": "clip"}, "model_type is 'clip'"),
        (align.config_from_upstream, {"model_type": "clip"}, "model_type is 'clip'"),
        (align.config_from_upstream, {"projection_dim": 512}, "projection_dim is 512"),
    ],
)
def test_settings_that_ours_cannot_be(read, settings, message):
    with pytest.raises(ValueError, match=message):
        read(settings)
