"""Assignment equals its rules, tried anchor by anchor; centre targets stand where the objects are."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.heads.vision.decoding import (
    BACKGROUND,
    IGNORED,
    anchor_boxes,
    assign_anchors,
    centre_cells,
    error_radius,
    gaussian_heat_maps,
)
from vlmlearn.losses.boxes import box_iou
from vlmlearn.world import render, sample_scenes

CORNER = st.integers(0, 6)
BOX = st.tuples(CORNER, CORNER, st.integers(1, 4), st.integers(1, 4)).map(
    lambda c: [c[0], c[1], c[0] + c[2], c[1] + c[3]]
)
BOXES = st.lists(BOX, max_size=6).map(lambda boxes: torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))


def by_rules(
    anchors: torch.Tensor, boxes: torch.Tensor, low: float, high: float, low_quality: bool
) -> list[int]:
    iou = box_iou(anchors, boxes).tolist()
    assigned = []
    for row in iou:
        most = max(range(len(row)), key=row.__getitem__, default=-1)
        answer = IGNORED
        if not row or row[most] < low:
            answer = BACKGROUND
        elif row[most] >= high:
            answer = most
        for b in range(len(row) if low_quality else 0):
            best = max(other[b] for other in iou)
            if best > 0 and row[b] == best:
                answer = most
        assigned.append(answer)
    return assigned


@settings(max_examples=100, deadline=None)
@given(BOXES, BOXES, st.sampled_from([(0.3, 0.7), (0.4, 0.5), (0.5, 0.5), (0, 1)]), st.booleans())
def test_anchors_are_assigned_by_the_rules(anchors, boxes, thresholds, low_quality):
    got = assign_anchors(anchors, boxes, *thresholds, low_quality=low_quality)
    assert got.dtype == torch.int64 and got.tolist() == by_rules(anchors, boxes, *thresholds, low_quality)


def test_by_hand():
    anchors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 20], [40, 40, 50, 50], [0, 0, 10, 45]])
    boxes = torch.tensor([[0.0, 0, 10, 11], [44, 40, 64, 50]])
    assert assign_anchors(anchors, boxes, low_quality=False).tolist() == [0, 0, BACKGROUND, BACKGROUND]
    # Anchor 2 covers a quarter of the union with box 1, but no anchor covers more.
    assert assign_anchors(anchors, boxes).tolist() == [0, 0, 1, BACKGROUND]
    assert assign_anchors(anchors, boxes, 0.2, 0.7).tolist() == [0, IGNORED, 1, IGNORED]


def test_an_object_that_no_anchor_touches_makes_no_example():
    anchors, far = anchor_boxes(2, 2, 8, [8], [1]), torch.tensor([[60.0, 60, 64, 64]])
    assert (assign_anchors(anchors, far) == BACKGROUND).all()


def test_nothing_to_find_and_nothing_to_find_it():
    assert assign_anchors(torch.rand(3, 4).cumsum(1), torch.zeros(0, 4)).tolist() == [BACKGROUND] * 3
    assert assign_anchors(torch.zeros(0, 4), torch.rand(3, 4).cumsum(1)).tolist() == []


def test_every_object_of_the_world_gets_an_anchor():
    scenes = sample_scenes(50)
    anchors = anchor_boxes(16, 16, 4, [12, 20], [1])
    for boxes, count in zip(torch.from_numpy(render(scenes).boxes), scenes.count, strict=True):
        assigned = assign_anchors(anchors, boxes[:count])
        assert set(range(count)) <= set(assigned.tolist())


def test_the_centre_cell_holds_the_middle():
    boxes = torch.tensor([[0.0, 0, 8, 8], [10, 2, 14, 6], [8, 24, 16, 32]])
    assert centre_cells(boxes, 8, 8, 4).tolist() == [1 * 8 + 1, 1 * 8 + 3, 7 * 8 + 3]
    assert centre_cells(torch.zeros(0, 4), 8, 8, 4).tolist() == []


@settings(max_examples=60, deadline=None)
@given(st.floats(2, 60), st.floats(2, 60), st.floats(0.05, 0.95))
def test_a_box_that_is_off_by_the_radius_overlaps_enough_and_by_more_does_not(width, height, overlap):
    radius = float(error_radius(torch.tensor([[width, height]], dtype=torch.float64), overlap))

    def worst(r: float) -> float:
        true = torch.tensor([[0, 0, width, height]], dtype=torch.float64)
        moves = torch.tensor([[r, r, r, r], [r, r, -r, -r], [-r, -r, r, r]], dtype=torch.float64)
        moved = true + moves
        moved = moved[(moved[:, 2:] >= moved[:, :2]).all(1)]
        return float(box_iou(true, moved).min())

    assert worst(radius) >= overlap - 1e-9
    assert worst(radius * 1.01) < overlap


def test_heat_is_a_bell_around_each_objects_cell_on_its_classs_map():
    boxes = torch.tensor([[8.0, 8, 24, 24], [40, 40, 48, 56]])
    maps = gaussian_heat_maps(boxes, torch.tensor([2, 0]), 3, 16, 16, 4)
    assert maps.shape == (3, 16, 16) and not maps[1].any()
    assert (maps == 1).nonzero().tolist() == [[0, 12, 11], [2, 4, 4]]
    sigma = (2 * float(error_radius(torch.tensor([[4.0, 4.0]]))) + 1) / 6
    for row, column in [(4, 5), (6, 4), (7, 8)]:
        squared = (row - 4) ** 2 + (column - 4) ** 2
        assert float(maps[2, row, column]) == pytest.approx(math.exp(-squared / (2 * sigma**2)), rel=1e-5)


def test_where_two_bells_meet_the_higher_counts():
    boxes = torch.tensor([[0.0, 0, 16, 16], [12, 0, 28, 16]])
    both = gaussian_heat_maps(boxes, torch.tensor([0, 0]), 1, 8, 8, 4)
    alone = [gaussian_heat_maps(box[None], torch.tensor([0]), 1, 8, 8, 4) for box in boxes]
    torch.testing.assert_close(both, torch.maximum(*alone))


def test_nothing_makes_a_cold_map():
    assert not gaussian_heat_maps(torch.zeros(0, 4), torch.zeros(0).long(), 2, 4, 4, 4).any()


@pytest.mark.bad_input
class TestBadInput:
    box = torch.tensor([[0.0, 0, 8, 8]])

    def test_thresholds(self):
        with pytest.raises(ValueError, match=r"low is 0.7 and high 0.3, expected low <= high"):
            assign_anchors(self.box, self.box, 0.7, 0.3)
        with pytest.raises(ValueError, match="high is 70, expected a number from 0 to 1"):
            assign_anchors(self.box, self.box, 0.3, 70)

    def test_corners(self):
        with pytest.raises(ValueError, match=r"row 0 of anchors is .* expected corners with x1 >= x0"):
            assign_anchors(self.box.flip(1), self.box)

    def test_a_middle_outside(self):
        with pytest.raises(
            ValueError, match=r"the middle of box 0 is in column 1, row 1 of a map with 1 columns and 4"
        ):
            centre_cells(self.box, 4, 1, 4)

    @pytest.mark.parametrize("number", [-1, 3])
    def test_classes(self, number):
        with pytest.raises(ValueError, match=f"classes reach from {number} to {number}, expected 0 to 2"):
            gaussian_heat_maps(self.box, torch.tensor([number]), 3, 4, 4, 4)

    def test_one_class_each(self):
        with pytest.raises(ValueError, match=r"classes have shape \(2,\), but there are 1 boxes"):
            gaussian_heat_maps(self.box, torch.tensor([0, 1]), 3, 4, 4, 4)

    @pytest.mark.parametrize("overlap", [0, 1.2])
    def test_overlap(self, overlap):
        with pytest.raises(ValueError, match=f"overlap is {overlap}, expected"):
            error_radius(torch.ones(1, 2), overlap)
