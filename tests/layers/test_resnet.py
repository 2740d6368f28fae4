"""CLIP's ResNet: halves by averaging, pools by attention, and refuses what does not fit."""

import pytest
import torch

from vlmlearn.layers import ResNetConfig, ResNetTower
from vlmlearn.layers.resnet import Bottleneck

SMALL = ResNetConfig(image_side=64, width=4, blocks=(1, 2, 1, 1), heads=4)


def make(embedding: int | None = 10) -> ResNetTower:
    torch.manual_seed(0)
    return ResNetTower(SMALL, embedding)


@pytest.mark.parametrize("embedding", [None, 10])
def test_one_vector_a_picture(embedding):
    assert make(embedding)(torch.randn(2, 3, 64, 64)).shape == (2, embedding or 128)


def test_a_block_starts_as_its_shortcut():
    block = Bottleneck(8, 2).eval()
    x = torch.randn(2, 8, 6, 6).relu()
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)
    halving = Bottleneck(8, 2, stride=2).eval()
    means = torch.nn.functional.avg_pool2d(x, 2)
    torch.testing.assert_close(halving(x), halving.shortcut(means).relu())


def test_the_finest_pattern_does_not_alias():
    """A chequerboard of ±1 averages to nothing; a stride that skips pixels would see a plain +1."""
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    board = (1.0 - 2 * ((rows + columns) % 2)).expand(1, 4, 8, 8)
    block = Bottleneck(4, 2, stride=2).eval()
    assert block(board).abs().max() < 1e-6
    assert board[..., ::2, ::2].min() == 1


def test_the_pool_weighs_what_an_average_treats_alike():
    pool = make().pool
    tokens = torch.randn(1, 4, 128)
    assert (pool(tokens) - pool(tokens.flip(1))).norm() > 1e-3  # it knows places, too


def test_every_parameter_learns():
    tower = make().train()
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    tower(torch.randn(4, 3, 64, 64)).square().sum().backward()
    for name, parameter in tower.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all scores of a query
            assert parameter.grad.norm() > 1e-9, name


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_side": 100}, "ResNetConfig: image_side is 100, expected a multiple of 32"),
        ({"width": 5}, "width is 5, expected an even number"),
        ({"width": 0}, "width is 0, expected a whole number, at least 1"),
        ({"heads": 7}, "the tower is 2048 wide, heads is 7"),
        ({"blocks": (3, 4, 6)}, r"blocks is \(3, 4, 6\), expected four numbers"),
        ({"blocks": (3, 4, 6, 0)}, r"blocks is \(3, 4, 6, 0\), expected four numbers"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        ResNetConfig(**changes)


@pytest.mark.bad_input
def test_images_that_do_not_fit():
    for shape in ((2, 3, 32, 32), (2, 1, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match=r"expected \(batch, 3, 64, 64\): resize them, colours first"):
            make()(torch.randn(shape))
