"""The focal losses by hand, at their limits, and where a plain formula gives NaN."""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from vlmlearn.losses import heatmap_focal_loss, sigmoid_focal_loss


def random(*shape, seed=0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_one_question_by_hand():
    logit = torch.tensor([math.log(3)])  # p = 3/4
    assert sigmoid_focal_loss(logit, torch.ones(1)).item() == pytest.approx(0.25 / 16 * -math.log(0.75))
    no = 0.75 * (9 / 16) * -math.log(0.25)
    assert sigmoid_focal_loss(logit, torch.zeros(1)).item() == pytest.approx(no)


@pytest.mark.parametrize("alpha", [None, -1, -1.0])
def test_gamma_0_without_alpha_is_the_cross_entropy(alpha):
    logits, target = random(20) * 4, (random(20, seed=1) > 0).double()
    for answers in (target, target * 0.8 + 0.1):
        loss = sigmoid_focal_loss(logits, answers, alpha=alpha, gamma=0)
        torch.testing.assert_close(loss, F.binary_cross_entropy_with_logits(logits, answers))


def test_easy_answers_lose_their_weight():
    logits = torch.tensor([4.0, 0.0])
    plain, focal = (
        sigmoid_focal_loss(logits, torch.ones(2), alpha=None, gamma=g, reduction="none") for g in (0, 2)
    )
    assert focal[1] / plain[1] == pytest.approx(0.25) and focal[0] / plain[0] < 1e-3


def test_reductions_types_of_target_and_no_questions():
    logits, target = random(3, 4), random(3, 4, seed=1) > 0
    each = sigmoid_focal_loss(logits, target, reduction="none")
    assert each.shape == (3, 4)
    torch.testing.assert_close(sigmoid_focal_loss(logits, target.long()), each.mean())
    torch.testing.assert_close(sigmoid_focal_loss(logits, target.float(), reduction="sum"), each.sum())
    nothing = torch.zeros(0, 5, requires_grad=True)
    loss = sigmoid_focal_loss(nothing, torch.zeros(0, 5))
    loss.backward()
    assert loss == 0


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5.5])
def test_gradients(gamma):
    logits, target = (random(8) * 3).requires_grad_(), random(8, seed=1).sigmoid()
    target[:3] = torch.tensor([0, 1, 0.5])
    assert torch.autograd.gradcheck(lambda x: sigmoid_focal_loss(x, target, gamma=gamma), logits)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("gamma", [0, 0.1, 0.5, 2, 1e6])
def test_certain_answers_stay_finite(gamma, dtype):
    largest = 6e4 if dtype == torch.float16 else 9e11
    logits = torch.tensor([-largest, -200.0, -20, 0, 20, 200, largest], dtype=dtype)
    for answer in (0.0, 0.3, 1.0):
        for loss in (
            lambda x, y: sigmoid_focal_loss(x, y, gamma=gamma),
            lambda x, y: heatmap_focal_loss(x, y, alpha=gamma, beta=gamma),
        ):
            x = logits.clone().requires_grad_()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a heat map without a peak
                value = loss(x, torch.full_like(x, answer))
            value.backward()
            assert value.isfinite() and x.grad.isfinite().all()
            assert value.dtype == torch.promote_types(dtype, torch.float32)


def gaussian(*centres, size=9) -> torch.Tensor:
    y, x = torch.meshgrid(*2 * [torch.arange(size).double()], indexing="ij")
    maps = [torch.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 4) for cx, cy in centres]
    return torch.stack([torch.zeros(size, size).double(), *maps]).amax(0)[None, None]


def test_heat_map_by_hand():
    logits = torch.tensor([math.log(3), math.log(3), 0.0])  # p = 3/4, 3/4, 1/2
    heat = torch.tensor([1.0, 0.5, 0.0])
    parts = (-math.log(0.75) / 16, -math.log(0.25) * 0.5**4 * 9 / 16, -math.log(0.5) / 4)
    assert heatmap_focal_loss(logits, heat).item() == pytest.approx(sum(parts))


def test_heat_map_is_divided_by_the_peaks():
    logits = random(1, 1, 9, 9)
    one = heatmap_focal_loss(logits, gaussian((2, 3)))
    both = heatmap_focal_loss(logits.repeat(2, 1, 1, 1), gaussian((2, 3)).repeat(2, 1, 1, 1))
    torch.testing.assert_close(one, both)
    assert torch.autograd.gradcheck(
        lambda x: heatmap_focal_loss(x, gaussian((2, 3), (7, 7))), logits.requires_grad_()
    )


def test_without_a_peak_all_is_background():
    """No object teaches too: nothing is here. No maps teach nothing."""
    logits = random(1, 1, 9, 9).requires_grad_()
    loss = heatmap_focal_loss(logits, torch.zeros_like(logits))
    p = logits.sigmoid()
    torch.testing.assert_close(loss, -(p**2 * torch.log(1 - p)).sum())
    loss.backward()
    assert (logits.grad > 0).all()
    assert heatmap_focal_loss(torch.zeros(0, 2, 4, 4), torch.zeros(0, 2, 4, 4)) == 0


def test_centres_between_pixels_warn():
    with pytest.warns(UserWarning, match=r"the highest place .* is 0.93\d*, expected exactly 1 .* round"):
        heatmap_focal_loss(random(1, 1, 9, 9), gaussian((2.5, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heatmap_focal_loss(random(1, 1, 9, 9), gaussian((2, 3)))


@pytest.mark.bad_input
def test_bad_input():
    x, y = torch.zeros(4), torch.ones(4)
    for loss in (sigmoid_focal_loss, heatmap_focal_loss):
        with pytest.raises(ValueError, match=r"has shape \(3,\), logits \(4,\), expected the same: resize"):
            loss(x, y[:3])
        with pytest.raises(ValueError, match=r"is 2 at \(0,\), expected 0 to 1"):
            loss(x, 2 * y)
        with pytest.raises(ValueError, match=r"logits is nan at \(0,\)"):
            loss(x / 0, y)
    with pytest.raises(ValueError, match=r"gamma is -1, expected 0 to .*: RetinaNet has 2"):
        sigmoid_focal_loss(x, y, gamma=-1)
    for alpha in (-0.5, 1.5):
        with pytest.raises(ValueError, match=f"alpha is {alpha}, expected 0 to 1: .* None or -1"):
            sigmoid_focal_loss(x, y, alpha=alpha)
    with pytest.raises(ValueError, match="did you mean 'sum'"):
        sigmoid_focal_loss(x, y, reduction="sums")
    with pytest.raises(ValueError, match="alpha is -1"):
        heatmap_focal_loss(x, y, alpha=-1)
    with pytest.raises(ValueError, match="beta is -4"):
        heatmap_focal_loss(x, y, beta=-4)
