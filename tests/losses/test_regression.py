"""Smooth L1 by hand, its limits, Huber's loss, and inputs at the edge."""

import math

import pytest
import torch
import torch.nn.functional as F

from vlmlearn.losses import smooth_l1_loss


def test_by_hand():
    predicted = torch.tensor([0.5, 2.0, -3.0])
    each = smooth_l1_loss(predicted, torch.zeros(3), beta=2, reduction="none")
    assert each.tolist() == [0.0625, 1.0, 2.0]
    assert smooth_l1_loss(predicted, torch.zeros(3, dtype=torch.long), beta=2, reduction="sum") == 3.0625


@pytest.mark.parametrize("beta", [0, 0.0, 1e-300])
def test_beta_0_is_l1(beta):
    predicted = torch.tensor([0.0, 2.0, -3.0], requires_grad=True)
    loss = smooth_l1_loss(predicted, torch.zeros(3), beta=beta, reduction="sum")
    loss.backward()
    assert loss == 5 and predicted.grad.tolist() == [0, 1, -1]


def test_huber_is_beta_times_as_large():
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    for beta in (0.1, 0.5, 2.0):
        huber = F.huber_loss(x, torch.zeros_like(x), delta=beta)
        torch.testing.assert_close(huber, beta * smooth_l1_loss(x, torch.zeros_like(x), beta=beta))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("beta", [0, 1e-30, 1, 1e12])
def test_no_nan(beta, dtype):
    largest = 6e4 if dtype == torch.float16 else 9e11
    predicted = torch.tensor([0.0, 1.0, largest, -largest], dtype=dtype, requires_grad=True)
    loss = smooth_l1_loss(predicted, torch.tensor([0, 1, -largest, -largest], dtype=dtype), beta=beta)
    loss.backward()
    assert loss.isfinite() and loss.dtype == torch.float32 and predicted.grad.isfinite().all()


def test_no_objects():
    predicted = torch.zeros(0, 4, requires_grad=True)
    loss = smooth_l1_loss(predicted, torch.zeros(0, 4))
    loss.backward()
    assert loss == 0 and predicted.grad.shape == (0, 4)


@pytest.mark.bad_input
def test_bad_input():
    x = torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"target has shape \(4,\), predicted \(2, 4\), expected the same"):
        smooth_l1_loss(x, x[0])
    for beta in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"beta is {beta}, expected 0 to .*: it is the distance"):
            smooth_l1_loss(x, x, beta=beta)
    with pytest.raises(ValueError, match="target is nan"):
        smooth_l1_loss(x, x / 0)
    with pytest.raises(ValueError, match="did you mean 'mean'"):
        smooth_l1_loss(x, x, reduction="men")
