"""Colours that can be told apart, pairs that add up, and outlines whose distances are right."""

import numpy as np
import pytest

from vlmlearn.world.shapes import (
    ALL_PAIRS,
    COLORS,
    EXTENT,
    GRID,
    HELD_OUT_PAIRS,
    RADIUS,
    RGB,
    SEEN_PAIRS,
    SHAPES,
    SIZES,
    TRIANGLE,
    distance_tables,
)

AXIS = (np.arange(GRID) / (GRID - 1) * 2 - 1) * EXTENT
STEP = AXIS[1] - AXIS[0]


@pytest.fixture(scope="module")
def tables():
    return dict(zip(SHAPES, distance_tables(), strict=True))


def test_forty_pairs_are_seen_and_eight_are_not():
    assert (len(ALL_PAIRS), len(SEEN_PAIRS), len(HELD_OUT_PAIRS)) == (48, 40, 8)
    assert sorted([*SEEN_PAIRS, *HELD_OUT_PAIRS]) == list(ALL_PAIRS)


def test_every_shape_and_every_colour_is_seen_and_held_out():
    """A never-seen pair is made of a shape and a colour that training does show, each often."""
    shapes, colors = HELD_OUT_PAIRS // len(COLORS), HELD_OUT_PAIRS % len(COLORS)
    assert sorted(colors) == list(range(len(COLORS))) and set(shapes) == set(range(len(SHAPES)))
    assert (
        np.bincount(SEEN_PAIRS // len(COLORS)).min() >= 6 and np.bincount(SEEN_PAIRS % len(COLORS)).min() >= 5
    )


def test_colours_differ_and_are_colours():
    assert RGB.shape == (len(COLORS), 3) and RGB.min() >= 0 and RGB.max() <= 1
    apart = np.abs(RGB[:, None] - RGB[None]).max(-1) + np.eye(len(COLORS))
    assert apart.min() > 0.2


def test_sizes_differ_by_more_than_perspective_and_jitter():
    """Within one picture row, a small object is always smaller than a large one."""
    assert len(RADIUS) == len(SIZES) and RADIUS[0] * 1.07 < RADIUS[1] * 0.93


def test_tables_are_rounded_float32(tables):
    table = distance_tables()
    assert table.shape == (len(SHAPES), GRID, GRID) and table.dtype == np.float32
    np.testing.assert_array_equal(table, np.round(table.astype(np.float64), 4).astype(np.float32))


def test_each_shape_lies_inside_its_window(tables):
    """Painting cuts a window around the centre: no outline may reach beyond 1.25 radii."""
    x, y = np.meshgrid(AXIS, AXIS)
    for name, table in tables.items():
        assert np.hypot(x, y)[table <= 0].max() < 1.25, name
        assert (table[[0, -1]] > 0.1).all() and (table[:, [0, -1]] > 0.1).all(), name


def test_a_distance_never_changes_faster_than_its_place(tables):
    """From one grid point to the next it changes by at most the step between them."""
    for name, table in tables.items():
        for axis in (0, 1):
            assert np.abs(np.diff(table, axis=axis)).max() <= STEP + 2e-4, name


def test_areas(tables):
    """The share of grid points inside, against the areas from geometry."""
    w, r = 0.32, 1.02
    star = 10 * 0.5 * 1.2 * 0.54 * np.sin(np.pi / 5)
    expected = {
        "circle": np.pi * 0.9**2,
        "square": (2 * 0.78) ** 2,
        "triangle": 0.5 * 1.6 * 2.0,
        "star": star,
        "cross": 2 * (2 * w) * (2 * r) - (2 * w) ** 2,
        "ring": np.pi * (0.96**2 - 0.48**2),
    }
    for name, table in tables.items():
        assert (table < 0).sum() * STEP**2 == pytest.approx(expected[name], rel=0.02), name


@pytest.mark.parametrize("shape", ["square", "triangle", "star", "cross"])
def test_polygon_distances_against_brute_force(tables, shape):
    """The distance to an outline is that to the nearest of very many points on it."""
    table = tables[shape]
    x, y = np.meshgrid(AXIS, AXIS)
    edge = (
        np.abs(table) < 1e-3 + STEP / 2
    )  # grid points beside the outline: close to it, so points *of* it, nearly
    on_outline = np.stack([x[edge], y[edge]], 1)
    some = np.random.default_rng(0).integers(0, GRID, (200, 2))
    where = np.stack([AXIS[some[:, 1]], AXIS[some[:, 0]]], 1)
    nearest = np.linalg.norm(where[:, None] - on_outline[None], axis=-1).min(1)
    assert np.abs(np.abs(table[some[:, 0], some[:, 1]]) - nearest).max() < 1.5 * STEP


def test_the_triangle_is_told_apart_by_its_apex(tables):
    apex, right, left = TRIANGLE
    assert np.linalg.norm(apex) > np.linalg.norm(right) == np.linalg.norm(left)
    for corner in TRIANGLE:
        row, column = (np.abs(AXIS - corner[1]).argmin(), np.abs(AXIS - corner[0]).argmin())
        assert abs(tables["triangle"][row, column]) < STEP
