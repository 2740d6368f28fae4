"""Sides and ninths of the picture, on positions chosen by hand."""

from dataclasses import replace

import numpy as np

from vlmlearn.world.relations import cells, relations
from vlmlearn.world.scenes import sample_scenes


def placed(*points: tuple[float, float]):
    x, y = np.full((2, 1, 4), 0.5, np.float32)
    for k, (px, py) in enumerate(points):
        x[0, k], y[0, k] = px, py
    return replace(sample_scenes(1), count=np.array([len(points)]), x=x, y=y)


def test_cells():
    assert cells(placed((0.1, 0.1), (0.5, 0.1), (0.9, 0.1), (0.1, 0.5))).tolist() == [[0, 1, 2, 3]]
    assert cells(placed((0.5, 0.5), (0.9, 0.9), (1.0, 1.0), (0.0, 0.0))).tolist() == [[4, 8, 8, 0]]


def test_relations():
    side = relations(placed((0.2, 0.5), (0.8, 0.6), (0.7, 0.1)))[0]
    assert side[0, 1] == 0  # left, although also a little above
    assert side[1, 0] == 1
    assert side[2, 1] == 2
    assert side[1, 2] == 3


def test_on_the_diagonal_left_and_right_win():
    side = relations(placed((0.25, 0.25), (0.5, 0.5)))[0]
    assert (side[0, 1], side[1, 0]) == (0, 1)


def test_the_relation_from_the_other_side_is_the_opposite():
    scenes = sample_scenes(500)
    opposite = np.array([1, 0, 3, 2])
    side = relations(scenes)
    both = scenes.present[:, :, None] & scenes.present[:, None, :] & ~np.eye(4, dtype=bool)
    assert (opposite[side] == side.transpose(0, 2, 1))[both].all()
