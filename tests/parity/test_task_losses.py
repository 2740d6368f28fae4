"""The losses of the task heads against torch's and transformers', or a plain formula: values and gradients, 1e-10."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from transformers.loss import loss_for_object_detection as upstream
from transformers.models.glpn.modeling_glpn import SiLogLoss

from vlmlearn.losses import (
    box_area,
    box_iou,
    cross_entropy_loss,
    dice_loss,
    generalized_box_iou,
    giou_loss,
    heatmap_focal_loss,
    heatmap_mse_loss,
    iou_loss,
    mask_dice_loss,
    sigmoid_focal_loss,
    silog_loss,
    smooth_l1_loss,
)


def random(*shape, seed=0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ids(*shape, classes=4, seed=1) -> torch.Tensor:
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(seed))


def assert_same(ours: Callable, theirs: Callable, x: torch.Tensor) -> None:
    """Equal results, and equal gradients of a random weighting of them."""
    results, gradients = [], []
    for function in (ours, theirs):
        leaf = x.clone().requires_grad_()
        result = function(leaf)
        (result * (2 + random(*result.shape, seed=9).tanh())).sum().backward()
        results.append(result)
        gradients.append(leaf.grad)
    for mine, reference in (results, gradients):
        assert mine.shape == reference.shape and reference.norm() > 1e-3
        assert (mine - reference).norm() <= 1e-10 * reference.norm()


# ---------------------------------------------------------------- boxes


def boxes(count: int, seed: int) -> torch.Tensor:
    corners = random(count, 4, seed=seed).sigmoid()
    return torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:]], dim=1) * 64


FIRST, SECOND = boxes(7, 0), boxes(5, 1)


def test_area():
    assert_same(box_area, upstream.box_area, FIRST)


def test_all_pairs():
    assert (upstream.box_iou(FIRST, SECOND)[0] == 0).any()  # some are apart
    assert_same(lambda x: box_iou(x, SECOND), lambda x: upstream.box_iou(x, SECOND)[0], FIRST)
    assert_same(lambda x: box_iou(FIRST, x), lambda x: upstream.box_iou(FIRST, x)[0], SECOND)
    for position in (0, 1):
        pair = [FIRST, SECOND]

        def at(function, x, position=position, pair=pair):
            return function(*[x if k == position else box for k, box in enumerate(pair)])

        assert_same(
            lambda x, at=at: at(generalized_box_iou, x),
            lambda x, at=at: at(upstream.generalized_box_iou, x),
            pair[position],
        )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_partners(reduction):
    def reduced(values):
        return values if reduction == "none" else getattr(values, reduction)()

    predicted, target = FIRST[:5], SECOND
    for ours, pairs in (
        (iou_loss, lambda *boxes: upstream.box_iou(*boxes)[0]),
        (giou_loss, upstream.generalized_box_iou),
    ):
        assert_same(
            lambda x, ours=ours: ours(x, target, reduction=reduction),
            lambda x, pairs=pairs: reduced(1 - pairs(x, target).diagonal()),
            predicted,
        )


@pytest.mark.parametrize("beta", [0, 0.1, 1.0, 3.0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_smooth_l1(beta, reduction):
    target = random(7, 4, seed=1)
    options = {"beta": beta, "reduction": reduction}
    assert_same(
        lambda x: smooth_l1_loss(x, target, **options),
        lambda x: F.smooth_l1_loss(x, target, **options),
        random(7, 4),
    )


# ---------------------------------------------------------------- yes or no


@pytest.mark.parametrize("gamma", [0, 1.5, 2])
@pytest.mark.parametrize("alpha", [0.25, 1, -1, None])
@pytest.mark.parametrize("soft", [False, True])
def test_focal(alpha, gamma, soft):
    target = random(3, 8, seed=1).sigmoid() if soft else ids(3, 8, classes=2).double()
    theirs = {"num_boxes": 3, "alpha": -1 if alpha is None else alpha, "gamma": gamma}
    assert_same(
        lambda x: sigmoid_focal_loss(x, target, alpha=alpha, gamma=gamma),
        lambda x: upstream.sigmoid_focal_loss(
            x, target, **theirs
        ),  # the mean over a row, the sum over rows / 3
        3 * random(3, 8),
    )


def test_mask_dice():
    target = ids(3, 6, 5, classes=2)
    assert_same(
        lambda x: mask_dice_loss(x, target),
        lambda x: upstream.dice_loss(x, target.flatten(1), num_boxes=3),
        random(3, 6, 5),
    )


@pytest.mark.parametrize("alpha, beta", [(2, 4), (1, 3.5)])
def test_heat_map_focal(alpha, beta):
    heat = random(2, 3, 6, 6, seed=1).sigmoid()
    heat[0, 1, 2, 3] = heat[1, 2, 0, 0] = 1

    def plain(logits):
        p = logits.sigmoid()
        yes = (1 - p) ** alpha * p.log() * (heat == 1)
        no = (1 - heat) ** beta * p**alpha * (1 - p).log() * (heat < 1)
        return -(yes.sum() + no.sum()) / 2

    assert_same(lambda x: heatmap_focal_loss(x, heat, alpha=alpha, beta=beta), plain, random(2, 3, 6, 6))


# ---------------------------------------------------------------- every pixel


@pytest.mark.parametrize("shape", [(6,), (2, 5), (2, 3, 4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, torch.tensor([1, 0.2, 3, 0], dtype=torch.float64)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(shape, smoothing, weight, reduction):
    target = ids(*shape)
    target.view(-1)[1] = 255
    options = {
        "weight": weight,
        "label_smoothing": smoothing,
        "ignore_index": 255,
        "reduction": reduction,
    }
    assert_same(
        lambda x: cross_entropy_loss(x, target, **options),
        lambda x: F.cross_entropy(x, target, **options),
        random(shape[0], 4, *shape[1:]),
    )


@pytest.mark.parametrize("smooth", [0, 1.0])
@pytest.mark.parametrize("ignored", [False, True])
def test_dice(smooth, ignored):
    """segmentation_models_pytorch's formula for several classes, written out: importing it needs torchvision."""
    target = ids(2, 5, 6, classes=3)  # the fourth class is nowhere
    if ignored:
        target[0, 2] = 255

    def plain(logits):
        losses = []
        valid = target != 255
        for k, p in enumerate(logits.softmax(1).unbind(1)):
            both, sizes = (p * (target == k)).sum(), (p * valid).sum() + (target == k).sum()
            losses.append((1 - (2 * both + smooth) / (sizes + smooth)) * (target == k).any())
        return sum(losses) / 4

    assert_same(lambda x: dice_loss(x, target, smooth=smooth, ignore_index=255), plain, random(2, 4, 5, 6))


@pytest.mark.parametrize("focus", [0, 0.5, 0.85, 1])
def test_silog(focus):
    target = random(2, 5, 6, seed=1).exp()
    target[0, 2] = 0
    theirs = SiLogLoss(lambd=focus)
    assert_same(
        lambda x: silog_loss(x, target, variance_focus=focus),
        lambda x: theirs(x, target),
        random(2, 5, 6).exp(),
    )


def test_heat_map_mse():
    target, visibility = random(2, 3, 6, 5, seed=1), random(2, 3, seed=2).abs()
    weights = visibility[..., None, None].expand_as(target)
    assert_same(
        lambda x: heatmap_mse_loss(x, target, visibility),
        lambda x: F.mse_loss(x, target, weight=weights),
        random(2, 3, 6, 5),
    )
    assert_same(lambda x: heatmap_mse_loss(x, target), lambda x: F.mse_loss(x, target), random(2, 3, 6, 5))
