"""IoU against torchmetrics and scikit-learn, depth errors against scikit-learn, and both at their edges."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, mean_absolute_percentage_error, root_mean_squared_error
from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_jaccard_index

from vlmlearn.metrics import confusion_matrix, depth_errors, mean_iou


@st.composite
def maps(draw):
    """Predicted and target classes; some classes are absent from one or both, some pixels ignored."""
    num_classes = draw(st.integers(2, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(0,), (1,), (3, 3), (2, 4, 5), (2, 16, 16)]))
    there = [generator.choice(num_classes, generator.integers(1, num_classes + 1)) for _ in range(2)]
    predicted, target = (generator.choice(classes, shape) for classes in there)
    ignore_index = draw(st.sampled_from([None, 0, 1, 255, -100]))
    if ignore_index is not None:
        target[generator.random(shape) < draw(st.sampled_from([0, 0.3, 1]))] = ignore_index
    return torch.from_numpy(predicted), torch.from_numpy(target), num_classes, ignore_index


@settings(max_examples=200, deadline=None)
@given(maps())
def test_equals_torchmetrics_and_scikit_learn(case):
    predicted, target, num_classes, ignore_index = case
    confusion = confusion_matrix(*case)
    settings = {"num_classes": num_classes, "ignore_index": ignore_index, "validate_args": False}
    assert confusion.equal(multiclass_confusion_matrix(predicted, target, **settings))
    result = mean_iou(confusion, ignore_index)
    kept = target != ignore_index if ignore_index is not None else torch.ones_like(target, dtype=torch.bool)
    predicted, target = predicted[kept], target[kept]
    present = sorted(({*predicted.tolist()} | {*target.tolist()}) - {ignore_index})
    assert [at for at, iou in enumerate(result.per_class) if iou is not None] == present
    if not present:
        assert result.mean is None
        return
    exact = jaccard_score(target, predicted, labels=present, average=None, zero_division=0)
    assert [result.per_class[at] for at in present] == pytest.approx(exact, abs=1e-12)
    assert result.mean == pytest.approx(np.mean(exact), abs=1e-12)
    # torchmetrics divides in float32.
    theirs = multiclass_jaccard_index(*case[:2], average="macro", **settings).item()
    assert result.mean == pytest.approx(theirs, abs=1e-6)


def test_batches_add_up():
    generator = torch.Generator().manual_seed(0)
    predicted, target = torch.randint(0, 3, (2, 4, 8, 8), generator=generator)
    parts = [confusion_matrix(p, t, 3) for p, t in zip(predicted, target, strict=True)]
    assert sum(parts).equal(confusion_matrix(predicted, target, 3))


def test_iou_by_hand():
    confusion = confusion_matrix(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 255]), 3, 255)
    assert confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert mean_iou(confusion) == (0.5, (0.5, 0.5, None))


def test_bytes_as_the_world_has_them_are_classes_too():
    classes = torch.tensor([[0, 5], [5, 1]], dtype=torch.uint8)
    assert mean_iou(confusion_matrix(classes, classes, 6)).mean == 1


def test_nothing_to_compare_has_no_iou():
    ignored = torch.full((2, 2), 255)
    assert mean_iou(confusion_matrix(ignored, ignored, 2, ignore_index=255)) == (None, (None, None))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 7, 100]), st.sampled_from([0.0, 0.3]))
def test_depth_errors_equal_scikit_learn(seed, pixels, holes):
    generator = np.random.default_rng(seed)
    target = generator.uniform(0.5, 10, pixels) * (generator.random(pixels) >= holes)
    target[0] = 1
    predicted = generator.uniform(0.5, 10, pixels)
    valid = target > 0
    result = depth_errors(*map(torch.from_numpy, (predicted, target, valid)))
    t, p = target[valid], predicted[valid]
    assert result.abs_rel == pytest.approx(mean_absolute_percentage_error(t, p), abs=1e-12)
    assert result.rmse == pytest.approx(root_mean_squared_error(t, p), abs=1e-12)
    deltas = [np.mean((p < 1.25**k * t) & (t < 1.25**k * p)) for k in (1, 2, 3)]
    assert result[2:] == pytest.approx(deltas, abs=1e-12)


def test_depth_by_hand():
    """Off by 1 of 4 and by 6 of 2; a ratio of exactly 1.25 is not below it."""
    result = depth_errors(torch.tensor([[5.0, 8.0]]), torch.tensor([[4.0, 2.0]]))
    assert result == (pytest.approx((0.25 + 3) / 2), pytest.approx(math.sqrt(37 / 2)), 0, 0.5, 0.5)


def test_perfect_depth_in_bfloat16_and_no_valid_pixel():
    depth = torch.tensor([2.0, 3.0], dtype=torch.bfloat16, requires_grad=True)
    assert depth_errors(depth, depth) == (0, 0, 1, 1, 1)
    assert depth_errors(depth, depth, torch.zeros(2, dtype=torch.bool)) == (None,) * 5
    assert depth_errors(depth[:0], depth[:0]) == (None,) * 5


def test_holes_may_hold_anything():
    target, predicted = torch.tensor([2.0, torch.nan, 0.0]), torch.tensor([2.0, -1.0, torch.inf])
    assert depth_errors(predicted, target, target > 0) == (0, 0, 1, 1, 1)


@pytest.mark.bad_input
def test_bad_classes_are_refused_in_words():
    zeros = torch.zeros(2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match=r"predicted has shape \(2, 1\), target \(2, 2\)"):
        confusion_matrix(zeros[:, :1], zeros, 2)
    with pytest.raises(
        ValueError, match=r"target has classes from 255 to 255, expected 0 to 1: .* ignore_index"
    ):
        confusion_matrix(zeros, zeros + 255, 2)
    with pytest.raises(ValueError, match="predicted has classes from -1 to -1"):
        confusion_matrix(zeros - 1, zeros, 2)
    with pytest.raises(ValueError, match=r"predicted is torch\.float32, expected whole numbers"):
        confusion_matrix(zeros.float(), zeros, 2)
    with pytest.raises(ValueError, match="num_classes is 0"):
        confusion_matrix(zeros, zeros, 0)
    for wrong in (zeros[:, :1], zeros.float(), zeros[0]):
        with pytest.raises(ValueError, match=r"expected whole numbers of shape \(classes, classes\)"):
            mean_iou(wrong)
    with pytest.raises(ValueError, match="a count of -1"):
        mean_iou(zeros - 1)


@pytest.mark.bad_input
def test_bad_depth_is_refused_in_words():
    depth = torch.ones(2, 2)
    for wrong in (depth * 0, -depth, depth * torch.nan, depth * torch.inf):
        with pytest.raises(ValueError, match=r"predicted is .* at the first of 4 valid pixels"):
            depth_errors(wrong, depth)
        with pytest.raises(ValueError, match=r"target is .* valid=target > 0"):
            depth_errors(depth, wrong)
    with pytest.raises(ValueError, match="expected the same: drop the channel"):
        depth_errors(depth[None], depth)
    with pytest.raises(ValueError, match=r"valid is torch\.int64, expected bool"):
        depth_errors(depth, depth, torch.ones(2, 2, dtype=torch.long))
