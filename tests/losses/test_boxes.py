"""IoU and GIoU by hand, by counting pixels, at the edge, and their losses."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.losses import (
    box_area,
    box_iou,
    generalized_box_iou,
    giou_loss,
    iou_loss,
    paired_box_iou,
    paired_generalized_box_iou,
)

LOSSES = [iou_loss, giou_loss]


def boxes(*corners, dtype=torch.float64, grad=False) -> torch.Tensor:
    return torch.tensor(corners, dtype=dtype).reshape(-1, 4).requires_grad_(grad)


def test_by_hand():
    first = boxes((0, 0, 2, 2), (0, 0, 4, 1))
    second = boxes((1, 1, 3, 3), (0, 0, 2, 2), (4, 0, 6, 2))
    assert box_area(first).tolist() == [4, 4]
    assert box_iou(first, second).flatten().tolist() == pytest.approx([1 / 7, 1, 0, 0, 1 / 3, 0])
    # Hulls of the first row: 3 × 3, 2 × 2, 6 × 2.
    assert generalized_box_iou(first, second)[0].tolist() == pytest.approx([1 / 7 - 2 / 9, 1, -4 / 12])


def test_half_an_overlap_is_a_third():
    assert paired_box_iou(boxes((0, 0, 2, 1)), boxes((1, 0, 3, 1))).item() == pytest.approx(1 / 3)


CORNER = st.integers(0, 7)
BOX = st.tuples(CORNER, CORNER, CORNER, CORNER).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]) + 1, max(c[1], c[3]) + 1)
)


@settings(max_examples=60, deadline=None)
@given(BOX, BOX)
def test_iou_counts_pixels(one, other):
    maps = []
    for x1, y1, x2, y2 in (one, other):
        inside = torch.zeros(8, 8, dtype=torch.bool)
        inside[y1:y2, x1:x2] = True
        maps.append(inside)
    expected = (maps[0] & maps[1]).sum() / (maps[0] | maps[1]).sum()
    first, second = torch.tensor([one]), torch.tensor([other])  # integers are welcome
    iou = box_iou(first, second)
    assert iou.dtype == torch.float32
    torch.testing.assert_close(iou[0, 0], expected)
    giou = generalized_box_iou(first, second)
    assert -1 <= giou <= iou
    torch.testing.assert_close(giou, generalized_box_iou(second, first))


def test_partners_are_the_diagonal_and_the_unit_does_not_matter():
    corners = torch.rand(2, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first, second = torch.cat([corners[..., :2], corners[..., :2] + corners[..., 2:]], dim=-1)
    for paired, pairs in ((paired_box_iou, box_iou), (paired_generalized_box_iou, generalized_box_iou)):
        torch.testing.assert_close(paired(first, second), pairs(first, second).diagonal())
        torch.testing.assert_close(pairs(64 * first, 64 * second), pairs(first, second))
        shaped = paired(first.reshape(2, 3, 4), second.reshape(2, 3, 4))
        torch.testing.assert_close(shaped.flatten(), paired(first, second))


def test_far_boxes_learn_from_giou_only():
    target = boxes((10, 10, 12, 12))
    for loss, moves in ((iou_loss, False), (giou_loss, True)):
        predicted = boxes((0, 0, 2, 2), grad=True)
        loss(predicted, target).backward()
        assert (predicted.grad.abs().sum() > 1e-3) == moves
    assert giou_loss(boxes((0, 0, 2, 2)), target) > 1 == iou_loss(boxes((0, 0, 2, 2)), target)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss):
    predicted = boxes((0, 0, 2, 2), (0, 0, 4, 1), (2, 1, 3, 7), grad=True)
    target = boxes((1, 1.5, 3, 3), (0.5, 0.25, 2, 2), (0, 0, 5, 5))
    assert torch.autograd.gradcheck(lambda p: loss(p, target, reduction="none"), predicted)


@pytest.mark.parametrize("loss", LOSSES)
def test_reductions_and_no_boxes(loss):
    predicted, target = boxes((0, 0, 2, 2), (0, 0, 4, 1)), boxes((1, 1, 3, 3), (0, 0, 2, 2))
    each = loss(predicted, target, reduction="none")
    assert each.shape == (2,)
    torch.testing.assert_close(loss(predicted, target), each.mean())
    torch.testing.assert_close(loss(predicted, target, reduction="sum"), each.sum())
    nothing = torch.zeros(0, 4, requires_grad=True)
    value = loss(nothing, torch.zeros(0, 4))
    value.backward()
    assert value == 0 and nothing.grad.shape == (0, 4)
    assert box_iou(nothing, predicted.float()).shape == (0, 2)


DEGENERATE = {
    "a point on itself": [(1, 1, 1, 1), (1, 1, 1, 1)],
    "points apart": [(1, 1, 1, 1), (3, 2, 3, 2)],
    "points on a line": [(1, 1, 1, 1), (3, 1, 3, 1)],
    "a point in a box": [(1, 1, 1, 1), (0, 0, 2, 2)],
    "lines": [(0, 1, 5, 1), (2, 1, 7, 1)],
    "touching": [(0, 0, 1, 1), (1, 0, 2, 1)],
    "the same": [(0, 0, 3, 3), (0, 0, 3, 3)],
    "tiny": [(0, 0, 1e-20, 1e-20), (0, 0, 1e-20, 1e-25)],
    "small": [(0, 0, 1e-8, 1e-8), (0, 0, 2e-8, 1e-8)],
    "large": [(-9e11, -9e11, 9e11, 9e11), (-9e11, 0, 0, 1e-9)],
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("loss", LOSSES)
def test_no_nan(loss, case, dtype):
    largest = min(torch.finfo(dtype).max, 1e12)
    predicted, target = (boxes(c).clamp(-largest, largest).to(dtype) for c in DEGENERATE[case])
    predicted.requires_grad_()
    value = loss(predicted, target)
    value.backward()
    assert value.dtype == torch.promote_types(dtype, torch.float32)
    assert 0 <= value <= 2 and predicted.grad.isfinite().all()
    if case.startswith("point"):
        assert iou_loss(predicted, target) == 1


@pytest.mark.bad_input
@pytest.mark.parametrize("loss", LOSSES)
def test_bad_input(loss):
    good = boxes((0, 0, 2, 2), (0, 0, 4, 1))
    turned = boxes((0, 0, 2, 2), (5, 2, 1, 4))
    message = r"predicted has the box \(5, 2, 1, 4\) at \(1,\), expected x1 <= x2 and y1 <= y2: convert"
    with pytest.raises(ValueError, match=message):
        loss(turned, good)
    with pytest.raises(ValueError, match=r"target has the box \(5, 2, 1, 4\) at \(1,\)"):
        loss(good, turned)
    with pytest.raises(ValueError, match=r"predicted has shape \(2, 4\), target \(1, 4\), expected the same"):
        loss(good, good[:1])
    with pytest.raises(ValueError, match=r"predicted has shape \(2, 3\), expected 4 numbers last"):
        loss(good[:, :3], good[:, :3])
    with pytest.raises(ValueError, match="reduction is 'avg'"):
        loss(good, good, reduction="avg")
    for value in (math.nan, math.inf, 1e13):
        spoilt = good.clone()
        spoilt[1, 3] = value
        with pytest.raises(ValueError, match=r"predicted is .* at \(1, 3\), expected -1e\+12 to 1e\+12"):
            loss(spoilt, good)


@pytest.mark.bad_input
def test_bad_pairs():
    for pairs in (box_iou, generalized_box_iou):
        with pytest.raises(ValueError, match=r"second has shape \(1, 1, 4\), expected \(boxes, 4\): compare"):
            pairs(boxes((0, 0, 1, 1)), torch.zeros(1, 1, 4))
    with pytest.raises(ValueError, match=r"boxes has the box \(0, 1, 1, 0\)"):
        box_area(boxes((0, 1, 1, 0)))
    with pytest.raises(ValueError, match=r"boxes has shape \(\), expected 4 numbers"):
        box_area(torch.tensor(1.0))
