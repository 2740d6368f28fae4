"""NMS equals its definition, tried box by box; so do its variants."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.heads.vision.decoding import batched_nms, nms, soft_nms

# Whole corners and thresholds in eighths, so that an overlap exactly at the threshold is exactly that in floats;
# few corners and few scores, so that identical boxes, empty boxes and ties are common.
CORNER = st.integers(0, 5)
BOX = st.tuples(CORNER, CORNER, CORNER, CORNER).map(
    lambda c: [min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])]
)
THING = st.tuples(BOX, st.sampled_from([0.0, 0.25, 0.5, 0.75]), st.integers(0, 2))
THINGS = st.lists(THING, max_size=12)
THRESHOLD = st.integers(0, 8).map(lambda eighths: eighths / 8)


def overlap(a: list[int], b: list[int]) -> Fraction:
    """IoU as an exact fraction."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(wide, 0) * max(high, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return Fraction(inter, union) if union else Fraction(0)


def by_definition(boxes: list, scores: list, groups: list, threshold: float) -> list[int]:
    """From the highest score down; drop what overlaps more than the threshold with a kept one of its group."""
    kept: list[int] = []
    for i in sorted(
        range(len(boxes)), key=lambda i: -scores[i]
    ):  # stable: of equal scores the first comes first
        rivals = [k for k in kept if groups[k] == groups[i]]
        if all(overlap(boxes[k], boxes[i]) <= Fraction(threshold) for k in rivals):
            kept.append(i)
    return kept


def tensors(things: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    boxes, scores, groups = zip(*things, strict=True) if things else ([], [], [])
    return (
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(groups, dtype=torch.int64),
    )


@settings(max_examples=150, deadline=None)
@given(THINGS, THRESHOLD)
def test_nms_is_its_definition(things, threshold):
    boxes, scores, _ = tensors(things)
    expected = by_definition(boxes.int().tolist(), scores.tolist(), [0] * len(things), threshold)
    assert nms(boxes, scores, threshold).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(THINGS, THRESHOLD)
def test_batched_nms_is_its_definition(things, threshold):
    boxes, scores, groups = tensors(things)
    expected = by_definition(boxes.int().tolist(), scores.tolist(), groups.tolist(), threshold)
    assert batched_nms(boxes, scores, groups, threshold).tolist() == expected


def test_what_was_dropped_drops_nothing():
    """A chain: each overlaps with the next only. The middle one goes, so the last one stays."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]


def test_a_long_chain_keeps_every_second_one():
    """The slowest case for answering all at once: each answer depends on the one before."""
    x = torch.arange(200.0)[:, None] * 4
    boxes = torch.cat([x, x * 0, x + 10, x * 0 + 10], 1)
    assert nms(boxes, torch.linspace(1, 0, 200), 0.4).tolist() == list(range(0, 200, 2))


def test_of_identical_boxes_with_equal_scores_the_first_stays():
    boxes = torch.tensor([[1.0, 1, 5, 5]]).repeat(4, 1)
    assert nms(boxes, torch.full((4,), 0.5), 0.5).tolist() == [0]
    assert nms(boxes, torch.full((4,), 0.5), 1.0).tolist() == [0, 1, 2, 3]  # no overlap is *more* than 1


def test_far_boxes_are_no_matter_how_far():
    """Other codes move classes apart by an offset; here a box at 1e6 costs no precision."""
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 4], [1e6, 0, 1e6 + 8, 8]])
    groups = torch.tensor([7, 7, -3])
    assert batched_nms(boxes, torch.tensor([0.5, 0.9, 0.1]), groups, 0.5).tolist() == [1, 0, 2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype):
    boxes = torch.tensor([[0.0, 0, 500, 500], [0, 0, 500, 480], [0, 0, 100, 100]]).to(dtype)
    assert nms(boxes, torch.tensor([0.5, 0.9, 0.1], dtype=dtype), 0.5).tolist() == [1, 2]


def soft_by_definition(
    boxes: list, scores: list, sigma: float, lowest: float
) -> tuple[list[int], list[float]]:
    left, now = list(range(len(boxes))), list(scores)
    places, out = [], []
    while left := [i for i in left if now[i] >= lowest]:
        best = max(left, key=lambda i: now[i])
        left.remove(best)
        places.append(best)
        out.append(now[best])
        for i in left:
            now[i] *= math.exp(-(float(overlap(boxes[best], boxes[i])) ** 2) / sigma)
    return places, out


@settings(max_examples=50, deadline=None)
@given(st.lists(BOX, max_size=8), st.sampled_from([0.1, 0.5, 2]))
def test_soft_nms_is_its_definition(boxes, sigma):
    scores = torch.linspace(0.95, 0.31, len(boxes)).double()
    got = soft_nms(torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4), scores, sigma, 0.05)
    places, expected = soft_by_definition(boxes, scores.tolist(), sigma, 0.05)
    torch.testing.assert_close(got.scores, torch.tensor(expected, dtype=torch.float64))
    assert sorted(got.places.tolist()) == sorted(places)


def test_soft_nms_leaves_a_second_object_behind_the_first():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [30, 30, 40, 40]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    kept = soft_nms(boxes, scores)
    assert kept.places.tolist() == [0, 2, 1]
    torch.testing.assert_close(kept.scores[2], 0.8 * torch.tensor(-(0.9**2) / 0.5).exp())
    assert scores.tolist() == pytest.approx([0.9, 0.8, 0.7])  # the input is not changed


@pytest.mark.bad_input
class TestBadInput:
    boxes, scores = torch.tensor([[0.0, 0, 4, 4], [1, 1, 4, 4]]), torch.tensor([0.5, 0.6])

    @pytest.mark.parametrize("threshold", [-0.1, 1.5, 50, float("nan")])
    def test_threshold(self, threshold):
        with pytest.raises(ValueError, match=f"threshold is {threshold}, expected a number from 0 to 1"):
            nms(self.boxes, self.scores, threshold)

    def test_corners(self):
        with pytest.raises(
            ValueError, match=r"row 1 of boxes is \(4, 1, 1, 4\), expected corners with x1 >= x0"
        ):
            nms(self.boxes[:, [2, 1, 0, 3]] + torch.tensor([[-4.0, 0, 4, 0], [0, 0, 0, 0]]), self.scores)

    def test_numbers(self):
        with pytest.raises(ValueError, match=r"scores have shape \(1,\), but there are 2 boxes"):
            nms(self.boxes, self.scores[:1])
        with pytest.raises(ValueError, match=r"scores have shape \(2, 3\), expected \(boxes,\)"):
            nms(self.boxes, torch.zeros(2, 3))
        with pytest.raises(ValueError, match=r"groups have shape \(3,\), but there are 2 boxes"):
            batched_nms(self.boxes, self.scores, torch.zeros(3).long())

    def test_nan(self):
        with pytest.raises(ValueError, match="scores hold NaN or infinity"):
            nms(self.boxes, torch.tensor([0.5, float("nan")]))

    def test_soft(self):
        with pytest.raises(ValueError, match="sigma is 0, expected finite numbers above 0"):
            soft_nms(self.boxes, self.scores, 0)
        with pytest.raises(ValueError, match=r"scores go down to -0\.6"):
            soft_nms(self.boxes, -self.scores)
