"""Pictures side by side, looked up in the figure."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from vlmlearn import plots

matplotlib.use("Agg")


def test_each_picture_stands_under_its_title(monkeypatch):
    white, black = np.full((32, 64, 3), 255, np.uint8), torch.zeros(32, 32, 3)
    seen = []
    monkeypatch.setattr(plt, "show", lambda: seen.extend(plt.gcf().axes))
    plots.side_by_side({"white": white, "black": black})
    assert [axis.get_title() for axis in seen] == ["white", "black"]
    assert (seen[0].images[0].get_array() == white).all() and (seen[1].images[0].get_array() == 0).all()


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(
        ValueError, match=r"'a' has shape \(3, 32, 32\), expected \(height, width, 3\): rearrange"
    ):
        plots.side_by_side({"a": torch.zeros(3, 32, 32)})
    with pytest.raises(ValueError, match="empty"):
        plots.side_by_side({})
