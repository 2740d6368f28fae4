"""Masks fill their boxes, and nothing else."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.heads.vision.decoding import inside_boxes, paste_masks, prototype_masks

BOX = torch.tensor([[2.0, 3, 10, 9]])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_inside_is_where_a_cells_middle_is_inside():
    boxes = torch.tensor([[0.6, 0, 2.5, 2], [1.0, 1, 1, 1], [-5, -5, 50, 50]])
    inside = inside_boxes(boxes, 3, 4)
    for n, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        for row in range(3):
            for column in range(4):
                expected = x0 <= column + 0.5 < x1 and y0 <= row + 0.5 < y1
                assert inside[n, row, column] == expected
    assert inside.sum((1, 2)).tolist() == [2, 0, 12]


def test_inside_a_coarse_map():
    assert inside_boxes(torch.tensor([[8.0, 0, 32, 16]]), 4, 4, stride=8).nonzero()[:, 1:].tolist() == [
        [row, column] for row in (0, 1) for column in (1, 2, 3)
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20), st.integers(0, 12), st.integers(1, 11), st.integers(1, 8), st.integers(1, 7))
def test_in_a_box_with_whole_corners_it_is_interpolation(x, y, wide, high, cells):
    masks = draw(1, cells, cells + 1, seed=x + 31 * y)
    box = torch.tensor([[x, y, x + wide, y + high]]).float()
    pasted = paste_masks(masks, box, 20, 31)
    stretched = F.interpolate(masks[None], (high, wide), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(pasted[:, y : y + high, x : x + wide], stretched, atol=1e-5, rtol=0)
    pasted[:, y : y + high, x : x + wide] = 0
    assert not pasted.any()


def test_a_full_mask_fills_its_box_and_each_mask_goes_to_its_own():
    boxes = torch.tensor([[0.0, 0, 5, 5], [3, 2, 8.4, 9.7], [-4, -4, 3, 3], [6, 6, 30, 30]])
    pasted = paste_masks(torch.ones(4, 28, 28), boxes, 12, 16)
    torch.testing.assert_close(pasted, inside_boxes(boxes, 12, 16).float())


def test_a_box_beyond_the_picture_shows_the_part_of_its_mask_that_is_in():
    half = torch.zeros(1, 2, 2)
    half[..., 1] = 1  # the right half
    whole = paste_masks(half, torch.tensor([[4.0, 0, 12, 8]]), 8, 16)
    cut = paste_masks(half, torch.tensor([[-4.0, 0, 4, 8]]), 8, 16)
    torch.testing.assert_close(cut[..., :4], whole[..., 8:12])


def test_boxes_without_area_and_no_boxes():
    empty = paste_masks(torch.ones(2, 4, 4), torch.tensor([[3.0, 3, 3, 8], [2, 2, 2, 2]]), 8, 8)
    assert empty.isfinite().all() and not empty.any()
    assert paste_masks(torch.ones(0, 4, 4), torch.zeros(0, 4), 8, 9).shape == (0, 8, 9)
    assert prototype_masks(draw(3, 8, 8), torch.zeros(0, 3), torch.zeros(0, 4)).shape == (0, 8, 8)


def test_a_gradient_reaches_the_small_mask():
    masks = draw(1, 4, 4).requires_grad_()
    paste_masks(masks, BOX, 16, 16).sum().backward()
    assert (masks.grad > 0).all()


def test_prototypes_are_mixed_and_cut():
    prototypes, coefficients = torch.randn(3, 6, 8), torch.randn(2, 3)
    boxes = torch.tensor([[0.0, 0, 16, 12], [4, 4, 8, 8]])
    masks = prototype_masks(prototypes, coefficients, boxes, stride=2)
    for n in range(2):
        mixed = sum(coefficients[n, k] * prototypes[k] for k in range(3))
        torch.testing.assert_close(masks[n], mixed.sigmoid() * inside_boxes(boxes, 6, 8, 2)[n])
    assert (masks[0] > 0).all() and (masks[1] > 0).sum() == 4


@pytest.mark.bad_input
class TestBadInput:
    def test_boxes(self):
        with pytest.raises(
            ValueError, match=r"row 0 of boxes is \(10, 3, 2, 9\), expected corners with x1 >= x0"
        ):
            paste_masks(torch.ones(1, 4, 4), torch.tensor([[10.0, 3, 2, 9]]), 8, 8)

    def test_numbers(self):
        with pytest.raises(ValueError, match=r"masks have shape \(2, 4, 4\), but there are 1 boxes"):
            paste_masks(torch.ones(2, 4, 4), BOX, 8, 8)
        with pytest.raises(ValueError, match=r"coefficients have shape \(1, 2\), but there are 3 prototypes"):
            prototype_masks(torch.zeros(3, 8, 8), torch.zeros(1, 2), BOX)

    def test_logits(self):
        with pytest.raises(ValueError, match="masks reach from -3 to -3, expected probabilities from 0 to 1"):
            paste_masks(torch.full((1, 4, 4), -3.0), BOX, 8, 8)

    def test_shapes(self):
        with pytest.raises(ValueError, match=r"masks have shape \(4, 4\), expected"):
            paste_masks(torch.ones(4, 4), BOX, 8, 8)
        with pytest.raises(ValueError, match=r"prototypes have shape \(1, 3, 8, 8\).*one picture at a time"):
            prototype_masks(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3), BOX)
        with pytest.raises(ValueError, match="height is 0 and width 8"):
            paste_masks(torch.ones(1, 4, 4), BOX, 0, 8)

    def test_nan(self):
        with pytest.raises(ValueError, match="coefficients hold NaN"):
            prototype_masks(torch.zeros(3, 8, 8), torch.full((1, 3), float("nan")), BOX)
