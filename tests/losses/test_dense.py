"""Dense losses by hand and by their definition, with nothing to learn from, and inputs at the edge."""

import math

import pytest
import torch
import torch.nn.functional as F

from vlmlearn.losses import cross_entropy_loss, dice_loss, heatmap_mse_loss, mask_dice_loss, silog_loss

HALVES = [torch.bfloat16, torch.float16]


def random(*shape, seed=0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ids(*shape, classes=4, seed=1) -> torch.Tensor:
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(seed))


def zero_with_zero_gradients(loss, predicted) -> bool:
    loss.backward()
    return loss == 0 and predicted.grad is not None and not predicted.grad.any()


# ---------------------------------------------------------------- classes


def test_cross_entropy_smooths_over_all_classes():
    logits, target = random(5, 4), ids(5)
    labels = 0.8 * F.one_hot(target, 4) + 0.2 / 4
    expected = -(labels * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(cross_entropy_loss(logits, target, label_smoothing=0.2), expected)


def test_cross_entropy_weights_and_ignored_places():
    logits, target, weight = random(2, 4, 3, 3), ids(2, 3, 3), torch.tensor([1.0, 2.0, 0.0, 4.0])
    target[0, 1] = 255
    each = cross_entropy_loss(logits, target, weight=weight, ignore_index=255, reduction="none")
    assert each.shape == target.shape and not each[0, 1].any() and not each[target == 2].any()
    counts = weight.double()[target[target != 255]]
    loss = cross_entropy_loss(logits, target, weight=weight, ignore_index=255)
    torch.testing.assert_close(loss, each.sum() / counts.sum())
    total = cross_entropy_loss(logits, target.int(), weight=weight, ignore_index=255, reduction="sum")
    torch.testing.assert_close(total, each.sum())
    logits[0, :, 1] = 1e6  # what is there does not matter
    torch.testing.assert_close(
        loss, cross_entropy_loss(logits, target, weight=weight, ignore_index=255), rtol=0, atol=0
    )


def test_chance_costs_log_k():
    loss = cross_entropy_loss(torch.zeros(3, 4), torch.tensor([0, 1, 3], dtype=torch.uint8))
    assert loss.item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("smoothing", [0, 0.3])
@pytest.mark.parametrize("weight", [None, torch.ones(4), torch.zeros(4), torch.tensor([0.0, 1, 1, 1])])
def test_cross_entropy_of_nothing(weight, smoothing):
    for target in (torch.full((2, 3, 3), 255), torch.zeros(0, 3, 3).long()):
        logits = torch.randn(len(target), 4, 3, 3, requires_grad=True)
        loss = cross_entropy_loss(logits, target, weight=weight, label_smoothing=smoothing, ignore_index=255)
        assert zero_with_zero_gradients(loss, logits)
    if weight is not None and not weight[0]:  # places there are, of a class that does not count
        logits = torch.randn(2, 4, requires_grad=True)
        loss = cross_entropy_loss(logits, torch.zeros(2).long(), weight=weight, label_smoothing=smoothing)
        assert zero_with_zero_gradients(loss, logits)


# ---------------------------------------------------------------- masks


def test_dice_by_hand():
    """Class 0: |A| = 1.5, |B| = 2, together 1. Class 1: 0.5, 0. Class 2 is nowhere."""
    p = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.5, 0.0, 0.5]]).double()
    logits = (p + 1e-300).log().clamp(min=-600).T[None]  # (1, classes, places)
    target = torch.tensor([[0, 0, 2]])
    expected = [1 - 2 * 1 / (1.5 + 2), 0, 1 - 2 * 0.5 / (1 + 1)]
    assert dice_loss(logits, target).item() == pytest.approx(sum(expected) / 3)


def test_dice_sums_over_the_batch_first():
    logits, target = random(2, 4, 3, 3), ids(2, 3, 3)
    beside = dice_loss(torch.cat(list(logits), dim=1)[None], torch.cat(list(target))[None])
    torch.testing.assert_close(dice_loss(logits, target), beside)
    apart = (dice_loss(logits[:1], target[:1]) + dice_loss(logits[1:], target[1:])) / 2
    assert (dice_loss(logits, target) - apart).abs() > 1e-3


def test_dice_ignores():
    logits, target = random(1, 4, 2, 3).requires_grad_(), ids(1, 2, 3)
    target[0, 1] = 9
    loss = dice_loss(logits, target, ignore_index=9)
    torch.testing.assert_close(loss, dice_loss(logits[:, :, :1], target[:, :1]))
    loss.backward()
    assert logits.grad[:, :, 0].any() and not logits.grad[:, :, 1].any()
    # A class may be what is ignored.
    target = torch.tensor([[0, 1, 2]])
    torch.testing.assert_close(
        dice_loss(logits[..., 0, :], target, ignore_index=0), dice_loss(logits[..., 0, 1:], target[:, 1:])
    )


@pytest.mark.parametrize("smooth", [0, 1])
def test_dice_of_nothing(smooth):
    for target in (torch.full((2, 3, 3), 255), torch.zeros(0, 3, 3).long()):
        logits = torch.randn(len(target), 4, 3, 3, requires_grad=True)
        loss = dice_loss(logits, target, ignore_index=255, smooth=smooth)
        assert zero_with_zero_gradients(loss, logits)
    logits = torch.zeros(0, 5, 5, requires_grad=True)
    assert zero_with_zero_gradients(mask_dice_loss(logits, torch.zeros(0, 5, 5), smooth=smooth), logits)


def test_mask_dice_by_hand():
    logits = torch.tensor([[0.0, 0, 0, 0], [math.log(3), 0, 0, -math.log(3)]])
    masks = torch.tensor([[True, True, False, False], [True, False, False, False]])
    each = mask_dice_loss(logits, masks, reduction="none")
    assert each.tolist() == pytest.approx([1 - (2 * 1 + 1) / (2 + 2 + 1), 1 - (1.5 + 1) / (2 + 1 + 1)])
    assert mask_dice_loss(logits, masks.long()).item() == pytest.approx(each.mean().item())
    plain = mask_dice_loss(logits, masks.float(), smooth=0, reduction="sum").item()
    assert plain == pytest.approx(2 - 2 * 1 / 4 - 2 * 0.75 / 3)


# ---------------------------------------------------------------- depth


def test_silog_by_hand():
    predicted, target = torch.tensor([1.0, math.e, math.e**2]), torch.ones(3)  # d = 0, −1, −2
    for focus, square in ((0, 5 / 3), (0.5, 5 / 3 - 0.5), (1, 5 / 3 - 1)):
        loss = silog_loss(predicted, target, variance_focus=focus)
        assert loss.item() == pytest.approx(math.sqrt(square))


def test_only_lambda_1_ignores_a_common_factor():
    predicted, target = random(2, 5).exp(), random(2, 5, seed=1).exp()
    for focus, ignores in ((1, True), (0.5, False)):
        once, twice = (silog_loss(k * predicted, target, variance_focus=focus) for k in (1, 2))
        assert ((once - twice).abs() < 1e-12) == ignores
    all_wrong = silog_loss(3 * target, target)
    assert all_wrong.item() == pytest.approx(math.sqrt(0.5) * math.log(3))


def test_silog_counts_valid_pixels():
    predicted, target = random(2, 3, 3).exp().requires_grad_(), random(2, 3, 3, seed=1).exp()
    target[0] = 0
    loss = silog_loss(predicted, target)
    torch.testing.assert_close(loss, silog_loss(predicted[1], target[1]))
    loss.backward()
    assert not predicted.grad[0].any() and predicted.grad[1].all()
    target[0] = math.nan
    torch.testing.assert_close(loss, silog_loss(predicted, target, valid=~target.isnan()))
    predicted = predicted.detach().clone()
    predicted[0] = -1  # as little as the target there
    torch.testing.assert_close(loss.detach(), silog_loss(predicted, target, valid=~target.isnan()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, *HALVES])
@pytest.mark.parametrize("focus", [0, 0.5, 1])
@pytest.mark.parametrize("factor", [1, 1.5, 1 + 2**-7])
def test_silog_of_a_perfect_or_evenly_wrong_answer(focus, factor, dtype):
    """A root's slope at 0 is infinite, and rounding may make a variance negative."""
    target = torch.tensor([0.1, 0.3, 7.7, 1234.5], dtype=dtype)
    predicted = (factor * target).requires_grad_()
    loss = silog_loss(predicted, target, variance_focus=focus)
    loss.backward()
    assert loss.isfinite() and predicted.grad.isfinite().all()
    if factor == 1:
        assert loss == 0 and not predicted.grad.any()


# ---------------------------------------------------------------- heat maps


def test_heat_maps_are_weighted_by_visibility():
    predicted, target = random(2, 3, 4, 4).requires_grad_(), random(2, 3, 4, 4, seed=1)
    each = (predicted - target).square().mean((2, 3))
    torch.testing.assert_close(heatmap_mse_loss(predicted, target), each.mean())
    visible = torch.tensor([[True, False, True], [False, False, True]])
    torch.testing.assert_close(heatmap_mse_loss(predicted, target, visible), each[visible].mean())
    weights = torch.tensor([[1, 0, 2], [0, 0, 1]])
    expected = (each * weights).sum() / 4
    torch.testing.assert_close(heatmap_mse_loss(predicted, target, weights), expected)


def test_no_visible_keypoint():
    predicted = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = heatmap_mse_loss(predicted, torch.zeros(2, 3, 4, 4), torch.zeros(2, 3))
    assert zero_with_zero_gradients(loss, predicted)
    for visible in (None, torch.ones(0, 3)):
        predicted = torch.zeros(0, 3, 4, 4, requires_grad=True)
        assert zero_with_zero_gradients(
            heatmap_mse_loss(predicted, torch.zeros(0, 3, 4, 4), visible), predicted
        )


# ---------------------------------------------------------------- all

LOGITS, TARGET, MASKS = random(2, 3, 4, 4), ids(2, 4, 4, classes=3), ids(2, 3, 4, 4, classes=2).double()
WEIGHT = torch.tensor([0.5, 0.0, 2.0])
ALL = {
    "cross entropy": lambda x: cross_entropy_loss(x, TARGET, weight=WEIGHT, label_smoothing=0.1),
    "dice": lambda x: dice_loss(x, TARGET),
    "dice, smooth": lambda x: dice_loss(x, TARGET, smooth=1),
    "mask dice": lambda x: mask_dice_loss(x, MASKS),
    "mask dice, plain": lambda x: mask_dice_loss(x, MASKS, smooth=0),
    "silog": lambda x: silog_loss(x.exp() if x.abs().max() < 9 else x.abs() + 1e-9, MASKS),
    "heat maps": lambda x: heatmap_mse_loss(x, MASKS),
}


@pytest.mark.parametrize("loss", ALL)
def test_gradients(loss):
    assert torch.autograd.gradcheck(ALL[loss], LOGITS.clone().requires_grad_())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, *HALVES])
@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("scale", [1, 1e3, 1e4, 1e11])
def test_finite_in_finite_out(loss, dtype, scale):
    x = (LOGITS * scale).to(dtype)
    if not x.isfinite().all():
        x = (LOGITS * 1e4).to(dtype)  # float16 ends at 65504
    x.requires_grad_()
    value = ALL[loss](x)
    value.backward()
    assert value.isfinite() and value.dtype == torch.promote_types(dtype, torch.float32)
    assert x.grad.isfinite().all() and x.grad.dtype == dtype
    if scale == 1 and dtype in HALVES:
        torch.testing.assert_close(value.double(), ALL[loss](LOGITS), rtol=2e-2, atol=2e-2)


@pytest.mark.bad_input
def test_bad_classes():
    for loss in (cross_entropy_loss, dice_loss):
        with pytest.raises(ValueError, match=r"target has shape \(2, 2, 2\), .* resize the logits"):
            loss(LOGITS, TARGET[:, ::2, ::2])
        with pytest.raises(ValueError, match=r"target is 3 at \(0, 0, 0\), expected a class from 0 to 2"):
            loss(LOGITS, torch.full_like(TARGET, 3))
        with pytest.raises(ValueError, match="logits is nan"):
            loss(LOGITS / 0 * 0, TARGET)
    with pytest.raises(ValueError, match=r"logits have 1 class, .* use mask_dice_loss"):
        dice_loss(LOGITS[:, :1], TARGET * 0)
    with pytest.raises(ValueError, match=r"weight has shape \(2,\), expected \(3,\)"):
        cross_entropy_loss(LOGITS, TARGET, weight=torch.ones(2))
    with pytest.raises(ValueError, match=r"weight is -1 at \(1,\)"):
        cross_entropy_loss(LOGITS, TARGET, weight=torch.tensor([0.0, -1, 0]))
    with pytest.raises(ValueError, match=r"label_smoothing is 1\.5, expected 0 to 1"):
        cross_entropy_loss(LOGITS, TARGET, label_smoothing=1.5)
    with pytest.raises(ValueError, match="did you mean 'none'"):
        cross_entropy_loss(LOGITS, TARGET, reduction="non")
    with pytest.raises(ValueError, match="smooth is -1"):
        dice_loss(LOGITS, TARGET, smooth=-1)


@pytest.mark.bad_input
def test_bad_masks_and_maps():
    for loss in (mask_dice_loss, heatmap_mse_loss):
        with pytest.raises(
            ValueError, match=r"target has shape \(2, 3, 2, 4\), .* expected the same: resize"
        ):
            loss(LOGITS, MASKS[:, :, ::2])
    with pytest.raises(ValueError, match=r"target is 2 at .* a mask is 1 inside and 0 outside"):
        mask_dice_loss(LOGITS, MASKS * 2)
    with pytest.raises(ValueError, match="smooth is nan"):
        mask_dice_loss(LOGITS, MASKS, smooth=math.nan)
    with pytest.raises(ValueError, match="did you mean 'sum'"):
        mask_dice_loss(LOGITS, MASKS, reduction="summ")
    with pytest.raises(ValueError, match=r"visibility has shape \(3,\), expected \(2, 3\): one weight"):
        heatmap_mse_loss(LOGITS, MASKS, torch.ones(3))
    with pytest.raises(ValueError, match=r"visibility is -1 at \(0, 0\)"):
        heatmap_mse_loss(LOGITS, MASKS, -torch.ones(2, 3))
    with pytest.raises(ValueError, match="predicted is inf"):
        heatmap_mse_loss(LOGITS.abs() / 0, MASKS)


@pytest.mark.bad_input
def test_bad_depth():
    depth = torch.ones(2, 3)
    hole = depth.clone()
    hole[1, 1] = 0
    with pytest.raises(ValueError, match=r"valid predicted is 0 at \(4,\), .* through exp or softplus"):
        silog_loss(hole, depth)
    silog_loss(depth, hole)
    for value in (0.0, -1.0, math.nan, math.inf):
        hole[1, 1] = value
        with pytest.raises(ValueError, match=r"valid target is .* at \(4,\), .* out of valid"):
            silog_loss(depth, hole, valid=torch.ones(2, 3, dtype=torch.bool))
    hole[1, 1] = math.nan
    with pytest.raises(ValueError, match=r"target is nan at \(1, 1\), .* mark pixels without a depth with 0"):
        silog_loss(depth, hole)
    for valid in (None, torch.zeros(2, 3, dtype=torch.bool)):
        with pytest.raises(ValueError, match="no pixel is valid, expected at least one: leave"):
            silog_loss(depth, 0 * depth, valid=valid)
    with pytest.raises(ValueError, match=r"valid has shape \(3,\), predicted \(2, 3\)"):
        silog_loss(depth, depth, valid=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"variance_focus is 2, expected 0 to 1"):
        silog_loss(depth, depth, variance_focus=2)
