"""MBConv: the sides that come out, the residual, drop connect, and a glance at the whole picture."""

import pytest
import torch

from vlmlearn.layers.mbconv import ConvNorm, MBConv, SqueezeExcitation


@pytest.mark.parametrize("expand", [1, 4])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("side", "stride", "out"), [(8, 1, 8), (8, 2, 4), (7, 1, 7), (7, 2, 3)])
def test_sides(side, stride, out, kernel, expand):
    block = MBConv(6, 10, kernel, stride, expand, squeezed=2)
    assert block(torch.randn(2, 6, side, side)).shape == (2, 10, out, out)


def test_square_padding_keeps_half_of_an_odd_side_rounded_up():
    assert MBConv(6, 6, 3, 2, 1, 2, square_padding=True)(torch.randn(2, 6, 7, 7)).shape[-1] == 4


@pytest.mark.parametrize(("square", "first_seen"), [(False, 0), (True, -1)])
def test_where_a_strided_window_starts(square, first_seen):
    """The first window of a 3×3 kernel covers pixels 0, 1, 2, or −1, 0, 1 with square padding."""
    layer = ConvNorm(1, 1, 3, 2, square_padding=square).eval()
    images = torch.zeros(1, 1, 6, 6, requires_grad=True)
    layer(images)[0, 0, 0, 0].backward()
    seen = images.grad[0, 0, 0].nonzero().flatten().tolist()
    assert seen == [x for x in range(first_seen, first_seen + 3) if x >= 0]


def test_the_residual_is_added():
    block = MBConv(6, 6, 3, 1, 4, 2, residual=True).eval()
    x = torch.randn(2, 6, 5, 5)
    inside = block(x) - x
    block.residual = False
    torch.testing.assert_close(inside, block(x))


def test_drop_connect_leaves_out_whole_examples_and_keeps_the_mean():
    torch.manual_seed(0)
    block = MBConv(6, 6, 3, 1, 2, 2, residual=True, drop=0.25)
    x = torch.randn(400, 6, 4, 4)
    with torch.no_grad():
        inside = block(x) - x
        block.drop = 0.0
        expected = block(x) - x
    dropped = inside.flatten(1).abs().amax(1) < 1e-6
    assert 0.15 < dropped.float().mean() < 0.35
    torch.testing.assert_close(inside[~dropped], expected[~dropped] / 0.75, rtol=1e-4, atol=1e-5)
    block.drop = 0.25
    torch.testing.assert_close(block.eval()(x), block.eval()(x))  # never in evaluation


def test_excitation_sees_the_means_alone():
    torch.manual_seed(0)
    layer = SqueezeExcitation(4, 2)
    x = torch.rand(1, 4, 3, 3) + 0.5
    shuffled = x.flatten(2)[:, :, torch.randperm(9)].view_as(x)
    torch.testing.assert_close((layer(x) / x).mean((2, 3)), (layer(shuffled) / shuffled).mean((2, 3)))
    assert ((layer(x) / x) < 1).all()
