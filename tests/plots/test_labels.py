"""Drawings of what the world knows, looked up in the axes."""

import matplotlib
import numpy as np
import pytest

from vlmlearn import plots
from vlmlearn.world import depth_maps, render, sample_scenes, semantic_masks

matplotlib.use("Agg")
TRIANGLE = 7  # scene of the training split with four objects, one of them a triangle


def test_six_views_of_one_picture():
    scene = sample_scenes([TRIANGLE])
    picture = render(scene)
    with plots.figure(11, 2.1, columns=6) as (_, axes):
        plots.scene_labels(axes, scene, picture)
        image, boxes, instances, classes, depth, points = axes
        for axis in (image, boxes, points):
            assert (axis.images[0].get_array() == picture.images[0].transpose(1, 2, 0)).all()
        assert len(boxes.patches) == len(boxes.texts) == len(instances.texts) == 4
        x0, y0, x1, y1 = picture.boxes[0, 2]
        assert boxes.patches[2].get_bbox().extents == pytest.approx((x0 - 0.5, y0 - 0.5, x1 - 0.5, y1 - 0.5))
        assert (instances.images[0].get_array() == picture.instances[0]).all()
        assert (classes.images[0].get_array() == semantic_masks(scene, picture.instances)[0]).all()
        assert [text.get_text() for text in classes.texts] == ["cross", "triangle", "star", "ring"]
        assert np.allclose(depth.images[0].get_array(), depth_maps(scene, picture.instances)[0])
        assert np.isfinite([line.get_xdata() for line in points.lines]).sum() == 3


def test_the_table_counts_pairs_and_crosses_out_those_that_never_occur():
    scenes = sample_scenes(500)
    with plots.figure() as (_, [axes]):
        plots.pair_table(axes, scenes, "train")
        shown = [text.get_text() for text in axes.texts]
    assert len(shown) == 48 and shown.count("×") == 8
    assert sum(int(text) for text in shown if text != "×") == scenes.count.sum()


@pytest.mark.bad_input
def test_more_than_one_scene():
    scenes = sample_scenes(2)
    with (
        plots.figure(columns=6) as (_, axes),
        pytest.raises(ValueError, match="6 axes, 2 scenes, 2 pictures"),
    ):
        plots.scene_labels(axes, scenes, render(scenes))
