"""The Laplace loss is the negative log likelihood of log-depth, and best where the scale is the mean error."""

import pytest
import torch

from tests.equality import assert_equal
from vlmlearn.losses import laplace_depth_loss


def some(seed=0, shape=(2, 1, 4, 5)):
    generator = torch.Generator().manual_seed(seed)
    depth, target = (torch.rand(shape, generator=generator) * 8 + 1 for _ in range(2))
    return depth, torch.randn(shape, generator=generator), target


def test_it_is_the_negative_log_likelihood():
    depth, log_scale, target = some()
    expected = -torch.distributions.Laplace(depth.log(), log_scale.exp()).log_prob(target.log()).mean()
    assert_equal(laplace_depth_loss(depth, log_scale, target), expected)


def test_the_best_scale_is_the_mean_error():
    depth, _, target = some()
    mean = (depth.log() - target.log()).abs().mean().log()
    best, less, more = (
        laplace_depth_loss(depth, (mean + shift).expand_as(depth), target) for shift in (0, -0.1, 0.1)
    )
    assert best < less and best < more


def test_only_valid_pixels_count():
    depth, log_scale, target = some()
    valid = torch.rand(depth.shape, generator=torch.Generator().manual_seed(1)) > 0.5
    expected = laplace_depth_loss(depth[valid], log_scale[valid], target[valid])
    torch.testing.assert_close(laplace_depth_loss(depth, log_scale, target, valid=valid), expected)
    holes = target.masked_fill(~valid, 0)
    torch.testing.assert_close(laplace_depth_loss(depth, log_scale, holes), expected)


def test_gradients_reach_both_and_no_target():
    depth, log_scale, target = (x.requires_grad_() for x in some())
    laplace_depth_loss(depth, log_scale, target).backward()
    assert depth.grad.norm() > 0 and log_scale.grad.norm() > 0 and target.grad is None
    half = [x.detach().bfloat16() for x in (depth, log_scale, target)]
    assert laplace_depth_loss(*half).dtype == torch.float32


@pytest.mark.bad_input
def test_bad_input():
    depth, log_scale, target = some()
    with pytest.raises(ValueError, match=r"log_scale has shape \(2, 1, 4, 4\)"):
        laplace_depth_loss(depth, log_scale[..., 1:], target)
    with pytest.raises(ValueError, match=r"target has shape \(1, 1, 4, 5\)"):
        laplace_depth_loss(depth, log_scale, target[:1])
    with pytest.raises(ValueError, match="no pixel is valid"):
        laplace_depth_loss(depth, log_scale, torch.zeros_like(target))
    with pytest.raises(ValueError, match="valid depth"):
        laplace_depth_loss(depth - 20, log_scale, target)
    with pytest.raises(ValueError, match="log_scale"):
        laplace_depth_loss(depth, log_scale * float("nan"), target)
