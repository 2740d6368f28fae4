"""Peaks are where a look at every neighbour finds them; the soft middle is right to a fraction of a cell."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.heads.vision.decoding import local_peaks, soft_argmax, top_peaks


def is_peak(heat: torch.Tensor, row: int, column: int) -> bool:
    """The definition, cell by cell."""
    around = heat[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return bool(heat[row, column] > 0 and heat[row, column] >= around.max())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_peaks_by_definition(batch, classes, height, width, seed):
    draw = torch.Generator().manual_seed(seed)
    heat = torch.randint(0, 6, (batch, classes, height, width), generator=draw) / 5  # many ties
    found = local_peaks(heat)
    for b in range(batch):
        for c in range(classes):
            for row in range(height):
                for column in range(width):
                    assert found[b, c, row, column] == is_peak(heat[b, c], row, column)


def test_the_top_peaks_of_all_classes_from_the_highest_down():
    heat = torch.zeros(2, 2, 4, 5)
    heat[0, 1, 2, 3], heat[0, 0, 0, 0], heat[0, 0, 0, 1] = (
        0.9,
        0.7,
        0.6,
    )  # the last stands beside a higher one
    heat[1, 0, 3, 4] = 0.5
    peaks = top_peaks(heat, 2)
    torch.testing.assert_close(peaks.scores, torch.tensor([[0.9, 0.7], [0.5, 0.0]]))
    assert peaks.classes[0].tolist() == [1, 0] and peaks.cells[0].tolist() == [2 * 5 + 3, 0]
    assert peaks.classes[1, 0] == 0 and peaks.cells[1, 0] == 3 * 5 + 4


def test_all_cells_can_be_asked_for():
    heat = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert top_peaks(heat, 18).scores.shape == (1, 18)


@settings(max_examples=30, deadline=None)
@given(st.floats(3, 9), st.floats(3, 7), st.floats(0.8, 1.2))
def test_soft_argmax_finds_the_middle_of_a_bell_between_the_cells(x, y, width):
    columns, rows = torch.arange(12) + 0.5, torch.arange(10) + 0.5
    logits = -((columns - x) ** 2 + (rows[:, None] - y) ** 2) / (2 * (width * 0.7) ** 2)
    torch.testing.assert_close(soft_argmax(logits), torch.tensor([x, y]), atol=0.02, rtol=0)


def test_temperature_reaches_from_the_highest_cell_to_the_maps_middle():
    maps = torch.randn(3, 4, 6, 9, generator=torch.Generator().manual_seed(0))
    best = maps.flatten(-2).argmax(-1)
    cold = soft_argmax(maps, 1e-3)
    torch.testing.assert_close(cold, torch.stack([best % 9 + 0.5, best // 9 + 0.5], -1), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        soft_argmax(maps, 1e6), torch.tensor([4.5, 3]).expand(3, 4, 2), atol=1e-3, rtol=0
    )


def test_a_flat_map_has_its_middle_and_a_gradient():
    flat = torch.zeros(5, 7, requires_grad=True)
    middle = soft_argmax(flat)
    torch.testing.assert_close(middle.detach(), torch.tensor([3.5, 2.5]))
    middle[0].backward()
    assert (flat.grad[:, 0] < 0).all() and (flat.grad[:, -1] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_only_the_last_rounding(dtype):
    maps = torch.randn(2, 64, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    torch.testing.assert_close(soft_argmax(maps), soft_argmax(maps.float()).to(dtype))


@pytest.mark.bad_input
class TestBadInput:
    def test_logits_instead_of_probabilities(self):
        with pytest.raises(
            ValueError, match=r"heat maps reach from -1 to 2, expected probabilities .* sigmoid\(\)"
        ):
            top_peaks(torch.tensor([[[[-1.0, 2]]]]), 1)

    def test_nan(self):
        with pytest.raises(ValueError, match="expected probabilities from 0 to 1"):
            local_peaks(torch.full((1, 1, 2, 2), float("nan")))
        with pytest.raises(ValueError, match="heat_maps hold NaN or infinity"):
            soft_argmax(torch.full((2, 2), float("nan")))

    @pytest.mark.parametrize("k", [0, 9])
    def test_k(self, k):
        with pytest.raises(ValueError, match=f"k is {k}, expected 1 to 8: there are 2 maps of 4 cells"):
            top_peaks(torch.zeros(1, 2, 2, 2), k)

    def test_shapes(self):
        with pytest.raises(
            ValueError, match=r"heat has shape \(2, 2\), expected \(batch, classes, height, width\)"
        ):
            local_peaks(torch.zeros(2, 2))
        with pytest.raises(ValueError, match=r"heat_maps have shape \(3,\), expected \(..., height, width\)"):
            soft_argmax(torch.zeros(3))

    @pytest.mark.parametrize("temperature", [0, -1])
    def test_temperature(self, temperature):
        with pytest.raises(
            ValueError, match=f"temperature is {temperature}, expected finite numbers above 0"
        ):
            soft_argmax(torch.zeros(2, 2), temperature)
