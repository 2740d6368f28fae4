"""Options are checked, unpack, and survive JSON."""

import dataclasses
import json

import pytest

from vlmlearn.heads.vision import DetectionHead, HeadConfig, InstanceSegmentationConfig
from vlmlearn.heads.vision.options import make_config, nearest


def test_a_config_unpacks_and_does_not_change():
    config = HeadConfig(hidden_dim=12)
    assert dict(config) == dataclasses.asdict(config)
    assert HeadConfig(**config) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.hidden_dim = 8


def test_json_there_and_back():
    config = InstanceSegmentationConfig(mask_size=(7, 9), dropout_rate=0.25, use_ffn=True)
    again = InstanceSegmentationConfig.from_json(config.to_json())
    assert again == config and again.mask_size == (7, 9)
    assert json.loads(config.to_json())["mask_size"] == [7, 9]


def test_nearest():
    assert nearest("atention", ["attention", "ffn"]) == ", did you mean 'attention'?"
    assert nearest("zzz", ["attention", "ffn"]) == ""


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_dims": 8}, "no option 'hidden_dims', did you mean 'hidden_dim'"),
        ({"hidden_dim": 0}, "hidden_dim is 0, expected a whole number"),
        ({"normalization_type": "layer"}, "normalization_type is 'layer', did you mean 'layer_norm'"),
        ({"activation_type": "swish"}, "activation_type is 'swish'.* expected one of gelu"),
        ({"attention_type": "multihead"}, "did you mean 'multi_head'"),
        ({"ffn_type": "swi_glu"}, "did you mean 'swiglu'"),
        ({"ffn_expansion_factor": 1.5}, "ffn_expansion_factor is 1.5"),
        ({"dropout_rate": 1.0}, "dropout_rate is 1.0, expected 0 or more and below 1"),
        ({"use_attention": True, "hidden_dim": 12}, "needs a hidden_dim that is a multiple of 8"),
        (
            {"use_attention": True, "hidden_dim": 24, "attention_type": "differential"},
            "differential attention needs a hidden_dim that is a multiple of 16",
        ),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        make_config(HeadConfig, options)
    with pytest.raises(ValueError, match=message):
        DetectionHead(4, **options)


def test_heads_of_an_attention_that_is_not_used_do_not_matter():
    HeadConfig(hidden_dim=12)
    HeadConfig(hidden_dim=12, use_attention=True, attention_type="cbam")


@pytest.mark.bad_input
def test_json_of_something_else():
    with pytest.raises(ValueError, match="holds a list, expected an object"):
        HeadConfig.from_json("[1]")
    with pytest.raises(ValueError, match="no option 'width'"):
        HeadConfig.from_json('{"width": 3}')
