"""Figures: what they draw, looked up in the axes."""

import matplotlib
import pytest
import torch

from vlmlearn import plots
from vlmlearn.training import History

matplotlib.use("Agg")


def test_colours_differ_in_grey_and_for_colour_blind_readers():
    grey = [
        0.299 * int(c[1:3], 16) + 0.587 * int(c[3:5], 16) + 0.114 * int(c[5:], 16) for c in plots.COLORS[:4]
    ]
    assert min(abs(a - b) for i, a in enumerate(grey) for b in grey[:i]) > 5


def test_the_heat_map_shows_cosines_on_one_scale_and_small_matrices_with_numbers():
    with plots.figure(columns=2) as (_, (left, right)):
        plots.similarity_heatmap(left, torch.eye(8), "cosines")
        plots.similarity_heatmap(right, 30 * torch.randn(40, 40))
        assert (
            left.images[0].get_clim() == (-1, 1) and len(left.texts) == 64 and left.get_title() == "cosines"
        )
        assert right.images[0].get_clim()[1] > 1 and not right.texts


def test_the_curve_shows_the_history_and_chance():
    history = History([0, 10, 20], {"loss": [4.8, 2.0, 1.0]}, 1.0)
    with plots.figure() as (_, [axes]):
        plots.training_curve(axes, history, chance=4.85)
        assert axes.lines[0].get_ydata().tolist() == [4.8, 2.0, 1.0]
        assert axes.lines[1].get_ydata() == [4.85, 4.85]


def test_the_spread_shows_every_seed_the_mean_and_the_live_run():
    with plots.figure() as (_, [axes]):
        plots.recorded_spread(axes, ["1", "7"], {"R@1": [[1.0, 3.0], [4.0, 6.0]]}, live=("7", 5.5))
        assert axes.lines[0].get_ydata().tolist() == [2.0, 5.0]
        assert [len(points.get_offsets()) for points in axes.collections] == [2, 2, 1]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "7"]


def test_a_figure_is_closed_after_it_is_shown():
    before = matplotlib.pyplot.rcParams["axes.grid"]
    with plots.figure():
        assert matplotlib.pyplot.rcParams["axes.grid"]
    assert matplotlib.pyplot.rcParams["axes.grid"] == before


@pytest.mark.bad_input
def test_a_live_setting_that_was_not_recorded():
    with pytest.raises(ValueError), plots.figure() as (_, [axes]):
        plots.recorded_spread(axes, ["1"], {"R@1": [[1.0]]}, live=("2", 5.0))
