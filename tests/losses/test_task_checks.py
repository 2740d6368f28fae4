"""What the task losses ask of their inputs, and the reductions."""

import math

import pytest
import torch

from vlmlearn.losses.task_checks import (
    check_class_ids,
    check_number,
    check_same_shape,
    check_values,
    precise,
    reduce_loss,
    share,
)

pytestmark = pytest.mark.bad_input


def test_reductions():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert reduce_loss(values, "mean") == 3 and reduce_loss(values, "sum") == 9
    assert reduce_loss(values, "none") is values
    with pytest.raises(
        ValueError, match="reduction is 'average', expected one of mean, sum, none: did you mean"
    ):
        reduce_loss(values, "average")
    with pytest.raises(ValueError, match="did you mean 'mean'"):
        reduce_loss(values, "means")


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nothing_to_reduce_is_zero(reduction):
    values = torch.zeros(0, 4, requires_grad=True)
    loss = reduce_loss(values, reduction)
    loss.backward()
    assert loss == 0 and values.grad.shape == (0, 4)


def test_a_share_of_nothing_is_zero_with_zero_gradients():
    part, whole = (torch.tensor([1.0, 0.0, 3.0], requires_grad=True) for _ in range(2))
    share(part, whole).sum().backward()
    assert share(part, whole).tolist() == [1, 0, 1]
    assert part.grad.tolist() == pytest.approx([1, 0, 1 / 3])
    assert whole.grad.tolist() == pytest.approx([-1, 0, -1 / 3])
    assert share(part, whole, smallest=2.0).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.bool]
)
def test_ranges(dtype):
    tensor = torch.tensor([[0, 1], [1, 1]]).to(dtype)
    check_values("mask", tensor)
    check_values("mask", tensor, 0, 1)
    with pytest.raises(ValueError, match=r"mask is 0 at \(0, 0\), expected 0.5 to 1: mend it"):
        check_values("mask", tensor, 0.5, 1, fix="mend it")
    if tensor.is_floating_point():
        for value in (math.nan, math.inf, -math.inf):
            tensor[1, 0] = value
            with pytest.raises(
                ValueError, match=rf"mask is {value:g} at \(1, 0\), expected -1e\+12 to 1e\+12"
            ):
                check_values("mask", tensor)


def test_numbers_and_shapes():
    check_number("gamma", 0, 0, 1, "")
    for value in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=f"gamma is {value}, expected 0 to 1: so"):
            check_number("gamma", value, 0, 1, "so")
    with pytest.raises(ValueError, match=r"a has shape \(2, 1\), b \(2,\), expected the same: resize"):
        check_same_shape("a", torch.zeros(2, 1), "b", torch.zeros(2))


def test_precision():
    wide = [precise(torch.ones(1, dtype=d)).dtype for d in (torch.bfloat16, torch.long, torch.float64)]
    assert wide == [torch.float32, torch.float32, torch.float64]


def test_class_ids():
    logits, target = torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8)
    target[1, 2, 3] = 255
    assert check_class_ids(target, logits, 255).sum() == 31
    message = r"target is 255 at \(1, 2, 3\), expected a class from 0 to 2 or ignore_index -100: .*=255"
    with pytest.raises(ValueError, match=message):
        check_class_ids(target, logits, -100)
    with pytest.raises(ValueError, match=r"target is -1 at \(0,\), expected a class from 0 to 2"):
        check_class_ids(torch.tensor([-1]), torch.zeros(1, 3), -100)
    with pytest.raises(ValueError, match=r"target has shape \(2, 2, 2\), logits \(2, 3, 4, 4\), .* resize"):
        check_class_ids(target[:, ::2, ::2], logits, 255)
    with pytest.raises(ValueError, match=r"target is torch\.float32, expected integers: pass class ids"):
        check_class_ids(target.float(), logits, 255)
