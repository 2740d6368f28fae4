"""Who found what, by hand; that scores which follow from it equal pycocotools is tested with boxes."""

import numpy as np

from vlmlearn.metrics.matching import THRESHOLDS, match, outside, surest


def matches(overlap, crowd=None, ignored=None):
    """At the lowest threshold and in one range: which findings have an object, and an ignored one."""
    overlap = np.array(overlap, dtype=np.float64)
    crowd = np.zeros(overlap.shape[1], dtype=bool) if crowd is None else np.array(crowd)
    ignored = crowd if ignored is None else np.array(ignored)
    matched, to_ignored = match(overlap, crowd, ignored[None])
    return matched[:, 0, 0].tolist(), to_ignored[:, 0, 0].tolist()


def test_the_surest_chooses_first_and_takes_what_it_overlaps_most():
    assert matches([[0.6, 0.9], [0.0, 0.8]])[0] == [True, False]
    assert matches([[0.9, 0.6], [0.0, 0.8]])[0] == [True, True]


def test_of_equal_overlaps_it_takes_the_last():
    assert matches([[0.7, 0.7], [0.0, 0.9]])[0] == [True, False]
    assert matches([[0.7, 0.7], [0.9, 0.0]])[0] == [True, True]


def test_an_overlap_larger_by_rounding_alone_is_larger():
    assert matches([[np.nextafter(0.7, 1), 0.7], [0.0, 0.9]])[0] == [True, True]


def test_an_object_that_counts_comes_before_one_that_is_ignored():
    assert matches([[0.6, 0.9]], ignored=[False, True]) == ([True], [False])
    assert matches([[0.4, 0.9]], ignored=[False, True]) == ([True], [True])
    assert matches([[0.4, 0.9], [0.4, 0.9]], ignored=[False, True]) == ([True, False], [True, False])


def test_a_crowd_is_never_used_up():
    assert matches([[0.9], [0.8], [0.4]], crowd=[True]) == ([True, True, False], [True, True, False])


def test_an_overlap_of_exactly_a_threshold_is_enough():
    matched, _ = match(THRESHOLDS[:, None].copy(), np.zeros(1, dtype=bool), np.zeros((1, 1), dtype=bool))
    assert matched[:, 0].any(0).all() and matched[0, 0].tolist() == [True] + [False] * 9


def test_a_range_includes_its_borders():
    areas, ranges = np.array([3.0, 4, 9, 10]), np.array([[4.0, 9.0], [0.0, np.inf]])
    assert outside(areas, ranges).tolist() == [[True, False, False, True], [False] * 4]


def test_the_surest_of_each_class_in_the_order_they_came():
    scores, labels = np.array([0.5, 0.9, 0.5, 0.7]), np.array([0, 0, 0, 1])
    assert surest(scores, labels, 100).tolist() == [1, 3, 0, 2]
    assert surest(scores, labels, 2).tolist() == [1, 3, 0]
    assert surest(scores, labels, 1).tolist() == [1, 3]
