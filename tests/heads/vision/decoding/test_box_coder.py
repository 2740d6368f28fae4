"""Coding and decoding are each other's inverse, and mean what the papers say."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.heads.vision.decoding import decode_deltas, decode_ltrb, encode_deltas, encode_ltrb

WEIGHTS = [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)]


def random_boxes(n: int, seed: int) -> torch.Tensor:
    """Anywhere around a picture of 64 pixels, each side at least 2."""
    draw = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=draw) * 80 - 10
    return torch.cat([corner, corner + 2 + torch.rand(n, 2, generator=draw) * 40], 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20), st.integers(0, 10**6), st.sampled_from(WEIGHTS))
def test_deltas_there_and_back(n, seed, weights):
    boxes, anchors = random_boxes(n, seed), random_boxes(n, seed + 1)
    deltas = encode_deltas(boxes, anchors, weights)
    torch.testing.assert_close(decode_deltas(deltas, anchors, weights), boxes, rtol=1e-5, atol=1e-4)
    again = encode_deltas(decode_deltas(deltas, anchors, weights), anchors, weights)
    torch.testing.assert_close(again, deltas, rtol=1e-4, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20), st.integers(0, 10**6), st.sampled_from([1.0, 4.0, 16.0]))
def test_distances_there_and_back(n, seed, stride):
    boxes, points = random_boxes(n, seed), random_boxes(n, seed + 1)[:, :2]
    distances = encode_ltrb(boxes, points, stride)
    torch.testing.assert_close(decode_ltrb(distances, points, stride), boxes, rtol=1e-5, atol=1e-4)


def test_deltas_by_hand():
    anchor = torch.tensor([[10.0, 10, 30, 50]])  # middle (20, 30), 20 wide, 40 high
    box = torch.tensor([[20.0, 10, 30, 90]])  # middle (25, 50), 10 wide, 80 high
    expected = torch.tensor([[5 / 20, 20 / 40, math.log(1 / 2), math.log(2)]])
    torch.testing.assert_close(encode_deltas(box, anchor), expected)
    weights = torch.tensor(WEIGHTS[1])
    torch.testing.assert_close(encode_deltas(box, anchor, WEIGHTS[1]), expected * weights)


def test_no_change_is_no_delta():
    anchors = random_boxes(5, 0)
    assert encode_deltas(anchors, anchors).abs().max() < 1e-6
    torch.testing.assert_close(decode_deltas(torch.zeros(5, 4), anchors), anchors)


def test_growth_stops_where_exp_would_leave_the_picture():
    anchors = torch.tensor([[0.0, 0, 16, 16]])
    wild = torch.tensor([[0.0, 0, 1000, 1000]])
    torch.testing.assert_close(decode_deltas(wild, anchors), torch.tensor([[-492.0, -492, 508, 508]]))
    torch.testing.assert_close(
        decode_deltas(wild, anchors, largest_log=math.log(2)), torch.tensor([[-8.0, -8, 24, 24]])
    )


def test_distances_by_hand():
    box, point = torch.tensor([[10.0, 20, 50, 40]]), torch.tensor([[18.0, 36]])
    assert encode_ltrb(box, point, 4).tolist() == [[2, 4, 8, 1]]
    outside = torch.tensor([[6.0, 36]])
    assert encode_ltrb(box, outside, 4).tolist() == [[-1, 4, 11, 1]]


def test_a_gradient_reaches_what_was_predicted():
    deltas, distances = torch.zeros(3, 4, requires_grad=True), torch.ones(3, 4, requires_grad=True)
    decode_deltas(deltas, random_boxes(3, 0)).square().sum().backward()
    decode_ltrb(distances, torch.rand(3, 2)).square().sum().backward()
    assert deltas.grad.abs().min() > 0 and distances.grad.abs().min() > 0


@pytest.mark.bad_input
class TestBadInput:
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 8, 8]])

    def test_corners_in_the_wrong_order(self):
        with pytest.raises(
            ValueError, match=r"row 1 of boxes is \(8, 8, 0, 0\), expected corners with x1 > x0"
        ):
            encode_deltas(torch.stack([self.boxes[0], self.boxes[1].flip(0)]), self.boxes)

    def test_an_anchor_without_area(self):
        with pytest.raises(
            ValueError, match=r"row 0 of anchors is \(0, 0, 0, 4\), expected corners with x1 > x0"
        ):
            decode_deltas(torch.zeros(1, 4), torch.tensor([[0.0, 0, 0, 4]]))

    def test_numbers(self):
        with pytest.raises(
            ValueError, match=r"deltas have shape \(3, 4\), anchors \(2, 4\), expected the same"
        ):
            decode_deltas(torch.zeros(3, 4), self.boxes)
        with pytest.raises(ValueError, match=r"points have shape \(1, 2\), but there are 2 boxes"):
            encode_ltrb(self.boxes, torch.zeros(1, 2))
        with pytest.raises(ValueError, match=r"points have shape \(2, 3\), expected \(boxes, 2\)"):
            encode_ltrb(self.boxes, torch.zeros(2, 3))
        with pytest.raises(ValueError, match=r"distances have shape \(2, 5\), expected \(boxes, 4\)"):
            decode_ltrb(torch.zeros(2, 5), torch.zeros(2, 2))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_not_finite(self, value):
        with pytest.raises(ValueError, match="deltas hold NaN or infinity"):
            decode_deltas(torch.full((2, 4), value), self.boxes)
        with pytest.raises(ValueError, match="boxes hold NaN or infinity"):
            encode_deltas(torch.full((2, 4), value), self.boxes)

    def test_whole_numbers(self):
        with pytest.raises(ValueError, match=r"boxes are torch.int64 \(2, 4\), expected floats \(boxes, 4\)"):
            encode_ltrb(self.boxes.long(), torch.zeros(2, 2))

    def test_weights(self):
        with pytest.raises(ValueError, match=r"weights is .* expected finite numbers above 0"):
            encode_deltas(self.boxes, self.boxes, (1, 1, 0, 1))
        with pytest.raises(ValueError, match=r"weights is \(1, 1\), expected four"):
            encode_deltas(self.boxes, self.boxes, (1, 1))

    def test_distances_that_cross(self):
        with pytest.raises(
            ValueError, match=r"row 1 of distances is \(1, 1, -2, 1\).*make distances positive first"
        ):
            decode_ltrb(torch.tensor([[1.0, 1, 1, 1], [1, 1, -2, 1]]), torch.zeros(2, 2))
