"""Image towers turn pictures into tokens in reading order, one for each part, and say which sizes they take."""

import pytest
import torch

from vlmlearn.layers import PatchCNN, VisionTransformer
from vlmlearn.layers.image_towers import ResidualBlock


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 48), (8, 8)])
def test_cnn_gives_a_token_for_every_8_by_8_pixels(height, width):
    tower = PatchCNN(12, blocks=(1, 1)).eval()
    assert tower(torch.randn(2, 3, height, width)).shape == (2, height // 8 * width // 8, 24)
    assert (tower.width, tower.stride) == (24, 8)


@pytest.mark.parametrize(
    "tower", [PatchCNN(8, blocks=(0, 0)), VisionTransformer(32, 8, 16, layers=0, heads=2)]
)
def test_tokens_come_row_by_row(tower):
    """Without blocks a token sees its own 8×8 pixels (and the CNN a margin of one more): change the inside of
    those, and that token alone changes."""
    tower.eval()
    images = torch.randn(1, 3, 32, 32)
    for row in range(4):
        for column in range(4):
            changed = images.clone()
            changed[:, :, 8 * row + 1 : 8 * row + 7, 8 * column + 1 : 8 * column + 7] += 5 * torch.randn(
                3, 6, 6
            )
            moved = (tower(changed) - tower(images)).abs().amax((0, 2)) > 1e-6
            assert moved.nonzero().flatten().tolist() == [4 * row + column]


@pytest.mark.parametrize("training", [True, False])
def test_a_residual_block_starts_as_the_identity(training):
    block = ResidualBlock(6).train(training)
    x = torch.randn(4, 6, 5, 5).relu()
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)


def test_a_residual_block_can_leave_the_identity():
    """Starting at zero must not mean staying there: the zero weight itself gets a gradient."""
    block = ResidualBlock(6)
    block(torch.randn(4, 6, 5, 5).relu()).square().sum().backward()
    assert block.second_norm.weight.grad.abs().max() > 0


def test_every_parameter_learns():
    for tower in (PatchCNN(8), VisionTransformer(32, 8, 16, layers=2, heads=2)):
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in tower.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        tower(torch.randn(4, 3, 32, 32)).square().sum().backward()
        for name, parameter in tower.named_parameters():
            if not name.endswith("key.bias"):  # adds the same to all scores of a query
                assert parameter.grad.abs().max() > 1e-6, name


def test_memory_layout_does_not_matter():
    torch.manual_seed(0)
    images = torch.randn(2, 3, 32, 32)
    for tower in (PatchCNN(8).eval(), VisionTransformer(32, 8, 16, layers=1, heads=2)):
        torch.testing.assert_close(tower(images.to(memory_format=torch.channels_last)), tower(images))


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(64, 60\) pixels, this tower needs multiples of 8"):
        PatchCNN(8)(torch.randn(1, 3, 64, 60))
    with pytest.raises(ValueError, match=r"\(64, 64\) pixels, this tower has positions for 32×32"):
        VisionTransformer(32, 8, 16, layers=1, heads=2)(torch.randn(1, 3, 64, 64))
    for side, patch in ((60, 8), (64, 0), (0, 8)):
        with pytest.raises(ValueError, match=f"image_side is {side}, patch {patch}"):
            VisionTransformer(side, patch)
