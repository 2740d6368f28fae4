"""What chosen places say is what a loop over the places finds."""

import pytest
import torch
from torch.nn import functional as F

from tests.heads.vision.tiny import SMALL, filled, some
from vlmlearn.heads.vision import InstanceSegmentationHead
from vlmlearn.heads.vision.reading import boxes_at, masks_at, peaks_of, rows_at

STRIDE, SIDE = 4, 5
CELLS = torch.tensor([[0, 7, 24], [3, 3, 12]])  # a place may be asked for twice


def test_rows_are_those_of_the_places():
    values = some(2, 25, 6)
    rows = rows_at(values, CELLS)
    assert rows.shape == (2, 3, 6)
    for picture in range(2):
        for k, cell in enumerate(CELLS[picture]):
            assert torch.equal(rows[picture, k], values[picture, cell])


def test_boxes_reach_from_the_places_middle():
    regressions = some(2, 25, 4)
    boxes = boxes_at(regressions, CELLS, STRIDE)
    for picture in range(2):
        for k, cell in enumerate(CELLS[picture].tolist()):
            x, y = (cell % SIDE + 0.5) * STRIDE, (cell // SIDE + 0.5) * STRIDE
            left, top, right, bottom = (STRIDE * F.softplus(regressions[picture, cell])).tolist()
            expected = torch.tensor([x - left, y - top, x + right, y + bottom])
            torch.testing.assert_close(boxes[picture, k], expected)


def test_boxes_pass_a_gradient_to_their_places_alone():
    regressions = some(2, 25, 4).requires_grad_()
    boxes_at(regressions, CELLS, STRIDE).square().sum().backward()
    for picture in range(2):
        touched = regressions.grad[picture].abs().amax(1).nonzero().flatten().tolist()
        assert touched == sorted(set(CELLS[picture].tolist()))


@pytest.mark.parametrize("side", [5, 20])
def test_masks_are_mixed_at_the_places_and_enlarged(side):
    head = InstanceSegmentationHead(
        6, num_classes=2, num_anchors=1, num_instances=2, mask_size=(10, 10), num_prototypes=3, **SMALL
    )
    answer = filled(head).eval()(some(2, 6, SIDE, SIDE))
    masks = masks_at(answer, CELLS, side)
    assert masks.shape == (2, 3, side, side)
    for picture in range(2):
        for k, cell in enumerate(CELLS[picture]):
            mixed = torch.einsum(
                "k,khw->hw", answer["coefficients"][picture, cell], answer["prototypes"][picture]
            )
            expected = F.interpolate(mixed[None, None], size=(side, side), mode="bilinear")[0, 0]
            torch.testing.assert_close(masks[picture, k], expected, rtol=1e-4, atol=1e-4)


def test_peaks_are_those_of_the_class_maps():
    logits = torch.full((2, 25, 3), -4.0)
    logits[0, 7, 1], logits[0, 8, 1], logits[0, 24, 2] = 3.0, 2.0, 1.0  # 8 stands beside a higher one
    logits[1, 0, 0] = 0.5
    peaks = peaks_of(logits, 2)
    assert peaks.cells[0].tolist() == [7, 24] and peaks.classes[0].tolist() == [1, 2]
    assert peaks.cells[1, 0] == 0 and peaks.classes[1, 0] == 0
    torch.testing.assert_close(peaks.scores[0], torch.tensor([3.0, 1.0]).sigmoid())


def test_nothing_asked_nothing_said():
    none = torch.zeros(2, 0, dtype=torch.int64)
    assert boxes_at(some(2, 25, 4), none, STRIDE).shape == (2, 0, 4)
    assert rows_at(some(2, 25, 6), none).shape == (2, 0, 6)
