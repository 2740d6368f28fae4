"""Our ResNet against open_clip's, which is OpenAI's: the features, every gradient, the running statistics."""

import pytest
import torch

from tests.equality import assert_equal, shaken
from tests.open_clip_resnet import load_open_clip_resnet
from vlmlearn.hub.openai_clip import rename
from vlmlearn.layers import ResNetConfig, ResNetTower

upstream = load_open_clip_resnet()
if upstream is None:
    pytest.skip("open_clip is not installed: pip install --no-deps open_clip_torch", allow_module_level=True)

SIDE, WIDTH, BLOCKS, HEADS, EMBEDDING = 64, 4, (1, 2, 2, 1), 4, 10


def our_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Through the key map of a whole CLIP, of which this is the image tower."""
    renamed = rename({f"visual.{name}": tensor for name, tensor in tensors.items()})
    return {name.removeprefix("image_tower."): tensor for name, tensor in renamed.items()}


def twins() -> tuple[ResNetTower, torch.nn.Module]:
    torch.manual_seed(0)
    theirs = shaken(upstream.ModifiedResNet(list(BLOCKS), EMBEDDING, HEADS, SIDE, WIDTH))
    for name, buffer in theirs.named_buffers():  # statistics of a fresh norm would hide a swap, too
        if name.endswith(("running_mean", "running_var")):
            buffer.add_(torch.rand_like(buffer) * 0.2)
    ours = ResNetTower(ResNetConfig(SIDE, WIDTH, BLOCKS, HEADS), EMBEDDING)
    ours.load_state_dict(our_names(theirs.state_dict()))
    return ours, theirs


@pytest.mark.parametrize("training", [True, False])
def test_results_and_gradients(training):
    ours, theirs = (model.train(training) for model in twins())
    images = torch.randn(3, 3, SIDE, SIDE, requires_grad=True)
    twin = images.detach().clone().requires_grad_()
    result, official = ours(images), theirs(twin)
    assert_equal(result, official, "features")
    direction = torch.randn_like(result)
    (result * direction).sum().backward()
    (official * direction).sum().backward()
    assert_equal(images.grad, twin.grad, "gradient of the images")
    reference = our_names({name: parameter.grad for name, parameter in theirs.named_parameters()})
    assert {*reference} == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        if name.endswith("key.bias"):  # adds the same to all scores of a query: zero up to rounding
            scale = 1e-4 * ours.get_parameter(name.replace("bias", "weight")).grad.norm()
            assert parameter.grad.norm() < scale and reference[name].norm() < scale
        else:
            assert_equal(parameter.grad, reference[name], name)
    statistics = our_names(dict(theirs.named_buffers()))
    for name, buffer in ours.named_buffers():
        if "running" in name:
            assert_equal(buffer, statistics[name], name)


def test_every_tensor_has_a_name():
    ours, theirs = twins()
    assert {*our_names(theirs.state_dict())} == {*ours.state_dict()}
