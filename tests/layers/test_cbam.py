"""CBAM is the paper's three equations, written out."""

import pytest
import torch

from tests.equality import assert_equal, shaken
from vlmlearn.layers import CBAM

WIDTH = 32


def some_map():
    return torch.randn(2, WIDTH, 5, 6, generator=torch.Generator().manual_seed(0))


def by_the_paper(block, x):
    """Equations 2 and 3, one picture, channel and place at a time."""
    widen, narrow = block.channels.widen, block.channels.narrow

    def small(vector):
        return narrow.weight @ (widen.weight @ vector + widen.bias).clamp(min=0) + narrow.bias

    pictures = []
    for picture in x:
        flat = picture.flatten(1)
        weights = torch.sigmoid(small(flat.mean(1)) + small(flat.max(1).values))
        picture = picture * weights[:, None, None]
        glance = torch.stack([picture.mean(0), picture.max(0).values])
        margin = block.places.kernel_size[0] // 2
        padded = torch.nn.functional.pad(glance, [margin] * 4)
        places = padded.unfold(1, 2 * margin + 1, 1).unfold(2, 2 * margin + 1, 1)
        picture = picture * torch.sigmoid((places * block.places.weight[0, :, None, None]).sum((0, 3, 4)))
        pictures.append(picture)
    return torch.stack(pictures)


@pytest.mark.parametrize("kernel", [3, 7])
def test_it_is_the_papers_equations(kernel):
    block = shaken(CBAM(WIDTH, reduction=4, kernel=kernel))
    assert_equal(block(some_map()), by_the_paper(block, some_map()))


def test_weights_lie_between_0_and_1():
    block, x = shaken(CBAM(WIDTH)), some_map()
    channels, places = block.channel_weights(x), block.place_weights(x)
    assert channels.shape == (2, WIDTH) and places.shape == (2, 1, 5, 6)
    for weights in (channels, places):
        assert weights.min() > 0 and weights.max() < 1 and weights.std() > 0


def test_every_parameter_learns():
    block = CBAM(WIDTH)
    block(some_map()).square().sum().backward()
    assert all(p.grad.norm() > 1e-5 for p in block.parameters())


def test_a_narrow_map_keeps_a_way_through():
    assert CBAM(8).channels.widen.out_features == 4
    assert CBAM(256).channels.widen.out_features == 16


def test_bad_input():
    with pytest.raises(ValueError, match="kernel is 6, expected an odd number"):
        CBAM(WIDTH, kernel=6)
    with pytest.raises(ValueError, match="reduction is 0"):
        CBAM(WIDTH, reduction=0)
