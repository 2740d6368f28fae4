"""The feature pyramid: two maps whose places are where they should be, and far places that hear of each other."""

import pytest
import torch

from tests.equality import shaken
from vlmlearn.layers.feature_pyramid import COARSE_STRIDE, FINE_STRIDE, STRIDE, FeaturePyramid

SIDE = 32


def some_images(batch=2, side=SIDE, seed=0):
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def make(side=SIDE) -> FeaturePyramid:
    torch.manual_seed(0)
    return shaken(FeaturePyramid(side, width=8, channels=12, fine_channels=6, heads=2)).eval()


def moved_places(pyramid, images, changed):
    """Which places of the two maps another picture moves."""
    with torch.no_grad():
        before, after = pyramid(images), pyramid(changed)
    return [(a - b).abs().amax((0, 1)) > 1e-5 for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize("side", [8, 32, 40])
def test_shapes(side):
    middle, fine = make(side)(some_images(side=side))
    assert middle.shape == (2, 12, side // STRIDE, side // STRIDE)
    assert fine.shape == (2, 6, side // FINE_STRIDE, side // FINE_STRIDE)


def test_far_places_hear_of_each_other_by_attention_only():
    """One corner's pixels move the opposite corner, unless the block that compares the coarsest places is out."""
    images, pyramid = some_images(1, side=128), make(128)
    changed = images.clone()
    changed[..., :4, :4] *= -1
    assert all(moved[-1, -1] for moved in moved_places(pyramid, images, changed))
    pyramid.block = torch.nn.Identity()
    assert not any(moved[-1, -1] for moved in moved_places(pyramid, images, changed))


def test_the_finest_map_sees_single_pixels():
    """The coarse maps cut off: a pixel moves the fine places near it, and no others."""
    images, pyramid = some_images(1), make()
    for parameter in pyramid.fine_enlarge.parameters():
        parameter.data.zero_()
    changed = images.clone()
    changed[..., 13, 20] += 1
    middle, fine = moved_places(pyramid, images, changed)
    rows, columns = fine.nonzero().unbind(1)
    assert fine.any() and middle.any()
    assert (rows - 13 // FINE_STRIDE).abs().max() <= 2 and (columns - 20 // FINE_STRIDE).abs().max() <= 2


def test_a_coarse_place_reaches_its_own_middle_and_fine_places():
    """What one of the coarsest places has understood comes back to where it was seen, and to the places beside it."""
    pyramid, images = make(), some_images(1)
    for lateral in (pyramid.lateral, pyramid.fine_lateral):
        for parameter in lateral.parameters():
            parameter.data.zero_()
    pyramid.block = torch.nn.Identity()
    changed = pyramid.positions.detach().clone().view(4, 4, -1)
    changed[1, 2] += 5
    with torch.no_grad():
        before = pyramid(images)
        pyramid.positions.copy_(changed.flatten(0, 1))
        after = pyramid(images)
    for one, other, scale in zip(
        before, after, (COARSE_STRIDE // STRIDE, COARSE_STRIDE // FINE_STRIDE), strict=True
    ):
        moved = (one - other).abs().amax((0, 1)) > 1e-5
        own = moved[scale : 2 * scale, 2 * scale : 3 * scale]
        rows, columns = moved.nonzero().unbind(1)
        margin = scale - 1  # of the 3×3 convolutions
        assert own.float().mean() > 0.8
        assert rows.min() >= scale - margin and rows.max() < 2 * scale + margin
        assert columns.min() >= 2 * scale - margin and columns.max() < 3 * scale + margin


def test_pictures_of_a_batch_do_not_know_each_other():
    images, pyramid = some_images(3), make()
    with torch.no_grad():
        together = pyramid(images)
        for row in range(3):
            for whole, alone in zip(together, pyramid(images[row : row + 1]), strict=True):
                torch.testing.assert_close(whole[row : row + 1], alone, rtol=1e-4, atol=1e-5)


def test_half_precision_stays_near():
    """In bfloat16 the attention is still computed in full."""
    images, pyramid = some_images(), make()
    with torch.no_grad():
        exact = pyramid(images)
        with torch.autocast("cpu", torch.bfloat16):
            near = pyramid(images)
    for one, other in zip(exact, near, strict=True):
        assert other.dtype == torch.bfloat16
        assert (one - other.float()).norm() / one.norm() < 0.03


def test_every_parameter_learns():
    pyramid = make().train()
    middle, fine = pyramid(some_images(4))
    (middle.square().sum() + fine.square().sum()).backward()
    for name, parameter in pyramid.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all scores of a query
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-7, name
