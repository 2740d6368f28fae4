"""A configuration or a tensor that our ConvNeXt cannot hold is refused by name."""

import pytest
import torch

from vlmlearn.hub.convnext import convnext_config, rename_convnext
from vlmlearn.layers import ConvNeXtConfig


def test_a_silent_configuration_is_convnext_tiny():
    assert convnext_config({}) == ConvNeXtConfig(pool_eps=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act is 'relu', expected 'gelu'"),
        ({"drop_path_rate": 0.1}, r"drop_path_rate is 0\.1, expected 0"),
        ({"num_channels": 1}, "num_channels is 1, expected 3"),
    ],
)
def test_other_networks_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        convnext_config(changes)


@pytest.mark.parametrize("name", ["classifier.weight", "encoder.stages.0.layers.0.attention.weight"])
def test_unknown_tensors_are_refused(name):
    with pytest.raises(ValueError, match=f"a tensor {name}, which no ConvNeXt has"):
        rename_convnext({name: torch.zeros(1)})
