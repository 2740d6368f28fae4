"""Our ConvNeXt against Hugging Face's ``ConvNextModel``: the grid, the pooled vector, every gradient."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
from transformers import ConvNextConfig, ConvNextModel

from tests.equality import assert_equal, shaken
from vlmlearn.hub.convnext import convnext_config, rename_convnext
from vlmlearn.layers import ConvNeXtTower

SMALL = {"hidden_sizes": [6, 8, 12], "depths": [1, 2, 2], "num_stages": 3, "image_size": 32}
OPTIONS = {"as it is": {}, "no layer scale": {"layer_scale_init_value": 0.0}, "eps": {"layer_norm_eps": 0.1}}


@pytest.mark.parametrize("options", OPTIONS)
def test_results_and_gradients(options):
    torch.manual_seed(0)
    theirs = shaken(ConvNextModel(ConvNextConfig(**SMALL | OPTIONS[options])))
    ours = ConvNeXtTower(convnext_config(theirs.config.to_dict()))
    ours.load_state_dict(rename_convnext(theirs.state_dict()))
    images = torch.randn(3, 3, 32, 32, requires_grad=True)
    twin = images.detach().clone().requires_grad_()
    result, official = ours(images), theirs(twin)
    assert_equal(ours.grid(images), official.last_hidden_state, "grid")
    assert_equal(result, official.pooler_output, "pooled vector")
    direction = torch.randn_like(result)
    (result * direction).sum().backward()
    (official.pooler_output * direction).sum().backward()
    assert_equal(images.grad, twin.grad, "gradient of the images")
    reference = rename_convnext({name: parameter.grad for name, parameter in theirs.named_parameters()})
    assert {*reference} == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert_equal(parameter.grad, reference[name], name)
