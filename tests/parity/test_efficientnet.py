"""Our EfficientNet against Hugging Face's ``EfficientNetModel`` and ``AlignVisionModel``: the grid, the gradients, and
what training does to the batch norms' running statistics."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import AlignVisionConfig, AlignVisionModel, EfficientNetConfig, EfficientNetModel

from tests.equality import assert_equal, shaken
from vlmlearn.hub.efficientnet import efficientnet_config, rename_efficientnet
from vlmlearn.layers import EfficientNet

# Every kind of block: with and without widening, both kernels, both strides, repeated and not.
SETTINGS = {
    "width_coefficient": 0.5,
    "depth_coefficient": 1.4,
    "kernel_sizes": [3, 5, 3],
    "in_channels": [32, 16, 24],
    "out_channels": [16, 24, 40],
    "strides": [1, 2, 2],
    "num_block_repeats": [1, 1, 2],
    "expand_ratios": [1, 6, 4],
    "drop_connect_rate": 0.0,
}
# Blocks whose last bias only 1×1 convolutions read: of a constant they make a constant, which their batch norm takes
# away in training, so that the bias has no gradient but rounding.
TAKEN_AWAY = {"align": (1, 2, 3), "top": (1, 2, 3, 4, 5, 6)}
UPSTREAM = {"align": (AlignVisionConfig, AlignVisionModel), "top": (EfficientNetConfig, EfficientNetModel)}


def twins(kind: str, **changes) -> tuple[EfficientNet, nn.Module]:
    """Their network with noise on every parameter and every running statistic, and ours with the same."""
    torch.manual_seed(0)
    config_class, model_class = UPSTREAM[kind]
    settings = (
        SETTINGS | changes | {"hidden_dim": 640}
    )  # 1280 times the width; it is also the side of their pool
    theirs = shaken(model_class(config_class(**settings)))
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.4)  # theirs start so small that nothing arrives at the end
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    ours = EfficientNet(efficientnet_config(settings), top=kind == "top")
    ours.load_state_dict(rename_efficientnet(theirs.state_dict()))
    return ours, theirs


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("padding", [[], [2, 4], [4]])  # blocks 2 and 4 have stride 2
@pytest.mark.parametrize("side", [32, 33, 47])
@pytest.mark.parametrize("kind", UPSTREAM)
def test_grid_and_gradients(kind, side, padding, mode):
    ours, theirs = twins(kind, depthwise_padding=padding)
    for model in (ours, theirs):
        model.train(mode == "train")
    images = torch.randn(3, 3, side, side, requires_grad=True)
    twin = images.detach().clone().requires_grad_()
    grid, reference = ours(images), theirs(twin)
    assert_equal(grid, reference.last_hidden_state, "grid")
    assert_equal(grid.mean((2, 3)), reference.pooler_output, "pooled")

    direction = torch.randn_like(grid)
    (grid * direction).sum().backward()
    (reference.last_hidden_state * direction).sum().backward()
    assert_equal(images.grad, twin.grad, "gradient of the images")
    gradients = rename_efficientnet({name: parameter.grad for name, parameter in theirs.named_parameters()})
    assert {*gradients} == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        if mode == "train" and name in [f"blocks.{k}.narrow.norm.bias" for k in TAKEN_AWAY[kind]]:
            scale = ours.get_parameter(name.replace("bias", "weight")).grad.norm()
            assert parameter.grad.norm() < 1e-4 * scale and gradients[name].norm() < 1e-4 * scale
        else:
            assert_equal(parameter.grad, gradients[name], name)


@pytest.mark.parametrize("kind", UPSTREAM)
def test_running_statistics(kind):
    """Theirs use a momentum of 0.99 (a slip, see ``EfficientNet``), and PyTorch's own 0.1 where a block widens."""
    for momentum, part in ((0.99, "all but widen"), (0.1, "widen")):
        ours, theirs = twins(kind)
        for module in ours.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = momentum
        for _ in range(3):
            images = torch.randn(4, 3, 32, 32)
            ours.train()(images)
            theirs.train()(images)
        reference = rename_efficientnet(dict(theirs.named_buffers()))
        buffers = dict(ours.named_buffers())
        assert {*buffers} == {*reference}
        checked = [name for name in buffers if (".widen." in name) == (part == "widen")]
        assert len(checked) >= 9
        for name in checked:
            assert_equal(buffers[name].float(), reference[name].float(), name)


@pytest.mark.parametrize("kind", UPSTREAM)
def test_as_many_parameters_as_b7(kind):
    config_class, model_class = UPSTREAM[kind]
    with torch.device("meta"):
        theirs = model_class(config_class())
        ours = EfficientNet(efficientnet_config({}), top=kind == "top")
    shapes = {name: value.shape for name, value in rename_efficientnet(theirs.state_dict()).items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == shapes


def test_what_the_padding_does_matters():
    """The other padding is seen: the equality above is no accident."""
    ours, theirs = twins("align")
    images = torch.randn(2, 3, 32, 32)
    expected = theirs.eval()(images).last_hidden_state
    other = EfficientNet(replace(ours.config, square_padding=(2,))).eval()
    other.load_state_dict(ours.state_dict())
    assert (other(images) - expected).norm() > 1e-3 * expected.norm()
