"""Maps, tokens and scales all become maps, or a message that says what to change."""

import pytest
import torch

from tests.heads.vision.tiny import some
from vlmlearn.heads.vision.features import at_least_float32, scale_widths, to_maps


def test_a_map_stays():
    x = some(2, 6, 3, 4)
    (found,) = to_maps(x, (6,))
    assert found is x
    (found,) = to_maps([x], (6,), grid=(3, 4))
    assert found is x


def test_tokens_are_places_row_by_row():
    x = some(2, 6, 3, 4)
    tokens = x.flatten(2).transpose(1, 2)
    assert torch.equal(to_maps(tokens, (6,), grid=(3, 4))[0], x)
    square = some(2, 6, 3, 3)
    assert torch.equal(to_maps(square.flatten(2).transpose(1, 2), (6,))[0], square)


def test_scales():
    scales = [some(2, 5, 4, 4), some(2, 4, 6), some(2, 7, 2, 2)]
    maps = to_maps(scales, (5, 6, 7))
    assert [tuple(m.shape) for m in maps] == [(2, 5, 4, 4), (2, 6, 2, 2), (2, 7, 2, 2)]


def test_widths():
    assert scale_widths(6) == (6,) and scale_widths([5, 6]) == (5, 6)


def test_precision():
    assert at_least_float32(some(2).bfloat16()).dtype == torch.float32
    assert at_least_float32(some(2).double()).dtype == torch.float64


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "widths", "grid", "message"),
    [
        (some(2, 6), (6,), None, r"shape \(2, 6\), expected a map \(batch, 6, h, w\) or tokens"),
        (
            some(2, 6, 3, 4),
            (7,),
            None,
            r"expected 7 channels .* make the head with the encoder's in_channels",
        ),
        (some(2, 3, 4, 6), (6,), None, r"write \.permute\(0, 3, 1, 2\)"),
        (some(2, 6, 9), (6,), None, r"write \.transpose\(1, 2\)"),
        (some(2, 12, 6), (6,), None, r"12 tokens, which is no square: give grid"),
        (
            some(2, 10, 6),
            (6,),
            None,
            r"10 tokens, which is no square: leave the class token out, tokens\[:, 1:\]",
        ),
        (some(2, 12, 6), (6,), (3, 5), r"grid is \(3, 5\), which has 15 places, but there are 12 tokens"),
        (some(2, 12, 6), (6,), (-3, -4), r"grid is \(-3, -4\)"),
        (some(2, 6, 3, 4), (6,), (4, 3), r"grid is \(4, 3\), but the map has \(3, 4\)"),
        (some(2, 6, 0, 4), (6,), None, "there is no place to look at"),
        (some(2, 6, 3, 4).int(), (6,), None, r"torch\.int32, expected floats"),
        (some(2, 6, 3, 4), (6, 6), None, r"1 scale\(s\), expected 2, with \(6, 6\) channels: give a list"),
        ([some(2, 6, 3, 4)] * 2, (6,), None, r"2 scale\(s\), expected 1"),
        ([some(2, 9, 6)] * 2, (6, 6), (3, 3), "there are 2 scales: give maps instead"),
        (
            [some(2, 6, 2, 2), some(2, 6, 4, 4)],
            (6, 6),
            None,
            r"\(2, 2\) comes before .*\(4, 4\): put the finest",
        ),
        ([some(2, 6, 4, 4), some(3, 6, 2, 2)], (6, 6), None, "batches of 2 and 3"),
    ],
)
def test_bad_input(given, widths, grid, message):
    with pytest.raises(ValueError, match=message):
        to_maps(given, widths, grid)


@pytest.mark.bad_input
@pytest.mark.parametrize("widths", [0, [], [3, -1], [2.5]])
def test_bad_widths(widths):
    with pytest.raises(ValueError, match="in_channels is"):
        scale_widths(widths)
