"""Patches hold the right pixels in the right order, equal a strided convolution, and go back together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vlmlearn.layers import patchify, unpatchify

small = st.integers(1, 4)


def test_a_patch_by_hand():
    """Every pixel is its own address: channel, row, column."""
    image = torch.tensor([[[100 * c + 10 * y + x for x in range(6)] for y in range(4)] for c in range(2)])
    patches = patchify(image[None], 2)
    assert patches.shape == (1, 6, 8)
    assert patches[0, 0].tolist() == [0, 1, 10, 11, 100, 101, 110, 111]
    assert patches[0, 1].tolist() == [2, 3, 12, 13, 102, 103, 112, 113]  # the next one to the right
    assert patches[0, 3].tolist() == [20, 21, 30, 31, 120, 121, 130, 131]  # the first of the second row
    assert patches.dtype == image.dtype


@given(small, small, small, small, small)
def test_there_and_back(batch, channels, rows, columns, patch):
    images = torch.rand(batch, channels, rows * patch, columns * patch)
    patches = patchify(images, patch)
    assert patches.shape == (batch, rows * columns, channels * patch * patch)
    assert torch.equal(unpatchify(patches, patch, channels, rows), images)
    if rows == columns:
        assert torch.equal(unpatchify(patches, patch, channels), images)


def test_patches_and_a_linear_layer_equal_a_strided_convolution():
    """Results, and the gradients of the pixels, of the weight and of the bias."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 10, kernel_size=8, stride=8, dtype=torch.float64)
    linear = nn.Linear(3 * 8 * 8, 10, dtype=torch.float64)
    linear.load_state_dict(
        {"weight": convolution.weight.detach().flatten(1), "bias": convolution.bias.detach()}
    )
    images = torch.randn(2, 3, 32, 48, dtype=torch.float64, requires_grad=True)
    twin = images.detach().clone().requires_grad_()
    ours, theirs = linear(patchify(images, 8)), convolution(twin).flatten(2).transpose(1, 2)
    direction = torch.randn_like(ours)
    (ours * direction).sum().backward()
    (theirs * direction).sum().backward()
    pairs = [
        (ours, theirs),
        (images.grad, twin.grad),
        (linear.weight.grad, convolution.weight.grad.flatten(1)),
        (linear.bias.grad, convolution.bias.grad),
    ]
    for result, expected in pairs:
        assert expected.norm() > 1
        assert (result - expected).norm() <= 1e-12 * expected.norm()


@pytest.mark.bad_input
def test_images_that_cannot_be_cut():
    with pytest.raises(ValueError, match=r"height is 60 pixels.* patch, 8: resize .* to 56, pad .* to 64"):
        patchify(torch.zeros(1, 3, 60, 64), 8)
    with pytest.raises(ValueError, match=r"width is 5 pixels.* patch, 8: resize .* to 8, pad .* to 8"):
        patchify(torch.zeros(1, 3, 64, 5), 8)
    with pytest.raises(ValueError, match="height is 0 pixels"):
        patchify(torch.zeros(1, 3, 0, 8), 8)
    with pytest.raises(ValueError, match=r"shape \(3, 64, 64\), expected .*image\[None\]"):
        patchify(torch.zeros(3, 64, 64), 8)
    for patch in (0, -4):
        with pytest.raises(ValueError, match=f"patch is {patch}"):
            patchify(torch.zeros(1, 3, 64, 64), patch)
        with pytest.raises(ValueError, match=f"patch is {patch}"):
            unpatchify(torch.zeros(1, 4, 12), patch)


@pytest.mark.bad_input
def test_patches_that_fill_no_image():
    with pytest.raises(ValueError, match=r"shape \(4, 12\), expected \(batch, tokens, 12\)"):
        unpatchify(torch.zeros(4, 12), 2)
    with pytest.raises(ValueError, match=r"expected \(batch, tokens, 4\) = 1 channels × 2 × 2"):
        unpatchify(torch.zeros(1, 4, 12), 2, channels=1)
    with pytest.raises(ValueError, match="5 tokens, expected a square number"):
        unpatchify(torch.zeros(1, 5, 12), 2)
    for rows in (3, 0, -1):
        with pytest.raises(ValueError, match=f"4 tokens do not fill {rows} rows"):
            unpatchify(torch.zeros(1, 4, 12), 2, rows=rows)
