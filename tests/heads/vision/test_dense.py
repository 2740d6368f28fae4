"""Heads that answer for every pixel: any factor, any size."""

import pytest
import torch
from torch.nn import functional as F

from tests.heads.vision.tiny import SMALL, filled, some
from vlmlearn.heads.vision.dense import DenseConfig, DenseHead, resized


class Plain(DenseHead):
    config_class = DenseConfig


def make(factor=2) -> Plain:
    return filled(Plain(6, 3, upsampling_factor=factor, **SMALL))


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 6, 8, 14])
def test_as_many_times_finer(factor):
    assert make(factor).numbers([some(2, 6, 2, 3)], None).shape == (2, 3, 2 * factor, 3 * factor)


def test_any_other_size_is_a_resize():
    head, x = make(), [some(2, 6, 2, 3)]
    expected = F.interpolate(head.numbers(x, None), size=(7, 5), mode="bilinear")
    torch.testing.assert_close(head.numbers(x, (7, 5)), expected)
    torch.testing.assert_close(head.numbers(x, (4, 6)), head.numbers(x, None))


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match=r"the output's size is \(0, 3\), expected \(rows, columns\)"):
        resized(some(1, 2, 3, 3), (0, 3))
    with pytest.raises(ValueError, match="upsampling_factor is 0, expected a whole number"):
        make(0)
    with pytest.raises(ValueError, match=r"upsampling_factor is 2\.0"):
        make(2.0)
