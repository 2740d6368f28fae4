"""Anchors stand where feature maps have their cells, in the order in which predictions come."""

import pytest
import torch

from vlmlearn.heads.vision.decoding import anchor_boxes, anchor_sides, cell_centres, pyramid_anchors


def test_centres_are_the_middles_of_the_cells_row_by_row():
    assert cell_centres(2, 3, 4).tolist() == [[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]


def test_centres_go_in_the_order_of_a_flattened_feature_map():
    height, width, stride = 3, 5, 8.0
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    feature_map = torch.stack([columns, rows])[None]
    flat = feature_map.flatten(2)[0].T
    torch.testing.assert_close(cell_centres(height, width, stride), (flat + 0.5) * stride)


def test_an_anchor_has_the_area_of_its_size_and_the_ratio_of_height_to_width():
    sides = anchor_sides([8, 16], [0.5, 1, 2])
    width, height = sides.T
    torch.testing.assert_close(width * height, torch.tensor([64.0, 64, 64, 256, 256, 256]))
    torch.testing.assert_close(height / width, torch.tensor([0.5, 1, 2, 0.5, 1, 2]))


def test_every_cell_has_all_anchors_around_its_middle():
    boxes = anchor_boxes(2, 3, 4, sizes=[8, 16], ratios=[0.5, 1, 2]).unflatten(0, (6, 6))
    middle, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    torch.testing.assert_close(middle, cell_centres(2, 3, 4)[:, None].expand(-1, 6, -1))
    torch.testing.assert_close(sides, anchor_sides([8, 16], [0.5, 1, 2]).expand(6, -1, -1))


def test_a_pyramid_is_its_levels_one_after_the_other():
    levels = pyramid_anchors([(4, 4), (2, 2)], [16, 32], [16, [32, 40]])
    assert [len(level) for level in levels] == [4 * 4 * 3, 2 * 2 * 6]
    torch.testing.assert_close(levels[0], anchor_boxes(4, 4, 16, [16]))
    torch.testing.assert_close(levels[1], anchor_boxes(2, 2, 32, [32, 40]))


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("size", [(0, 3), (3, -1)])
    def test_no_cells(self, size):
        with pytest.raises(ValueError, match="expected at least 1 each"):
            cell_centres(*size, 4)

    @pytest.mark.parametrize("stride", [0, -4, float("nan"), float("inf")])
    def test_stride(self, stride):
        with pytest.raises(ValueError, match=f"stride is {stride}, expected finite numbers above 0"):
            cell_centres(2, 2, stride)

    @pytest.mark.parametrize(("sizes", "ratios"), [([], [1]), ([8], []), ([-8], [1]), ([8], [1, 0])])
    def test_sides(self, sizes, ratios):
        with pytest.raises(ValueError, match=r"(sizes|ratios) is .*expected finite numbers above 0"):
            anchor_sides(sizes, ratios)

    def test_levels(self):
        with pytest.raises(ValueError, match="2 shapes, 1 strides and 2 sizes, expected one of each a level"):
            pyramid_anchors([(4, 4), (2, 2)], [16], [16, 32])
