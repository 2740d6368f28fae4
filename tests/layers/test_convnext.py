"""ConvNeXt: a grid that halves stage by stage, blocks that start near the identity, one vector at the end."""

import pytest
import torch

from vlmlearn.layers import ConvNeXtConfig, ConvNeXtTower
from vlmlearn.layers.convnext import ConvNeXtBlock

SMALL = ConvNeXtConfig(image_side=32, widths=(6, 8, 12), blocks=(1, 2, 1))


def make(embedding: int | None = 10, **changes) -> ConvNeXtTower:
    torch.manual_seed(0)
    return ConvNeXtTower(ConvNeXtConfig(**vars(SMALL) | changes), embedding)


@pytest.mark.parametrize("embedding", [None, 10])
def test_grid_and_vector(embedding):
    tower, images = make(embedding), torch.randn(2, 3, 32, 32)
    assert tower.grid(images).shape == (2, 12, 2, 2)  # patches of 4 pixels, halved twice
    assert tower(images).shape == (2, embedding or 12)


def test_a_block_starts_near_the_identity():
    x = torch.randn(2, 6, 5, 5)
    assert (ConvNeXtBlock(6)(x) - x).abs().max() < 1e-5
    assert (ConvNeXtBlock(6, layer_scale=None)(x) - x).abs().max() > 1e-2


def test_every_parameter_learns():
    tower = make(layer_scale=0.5)
    tower(torch.randn(4, 3, 32, 32)).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad.norm() > 1e-9, name


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_side": 40}, "ConvNeXtConfig: image_side is 40, expected a multiple of 16"),
        ({"blocks": (1, 2)}, r"blocks \(1, 2\): expected a number of 1 or more for each stage"),
        ({"widths": (6, 8, 0)}, r"widths is \(6, 8, 0\)"),
        ({"activation": "swish"}, "activation is 'swish'"),
        ({"patch": 0}, "patch is 0, expected a whole number, at least 1"),
    ],
)
def test_impossible_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes)


@pytest.mark.bad_input
def test_images_that_do_not_fit():
    for shape in ((2, 3, 64, 64), (2, 1, 32, 32), (3, 32, 32)):
        with pytest.raises(ValueError, match=r"expected \(batch, 3, 32, 32\): resize them, colours first"):
            make()(torch.randn(shape))
