"""Named random numbers: pure functions, evenly spread, unrelated between names, seeds, spaces and indices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.world.random import Draws, _mix

SEEDS = st.integers(0, 2**64 - 1)
INDICES = st.lists(st.integers(0, 2**62), min_size=1, max_size=8)


def draws(seed=0, space="train", indices=range(20_000)) -> Draws:
    return Draws(seed, space, np.array(indices, np.int64))


def test_mix_is_splitmix64():
    """The first outputs of the published generator for seed 0 (Vigna's splitmix64.c)."""
    state = np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert _mix(state).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@settings(max_examples=50, deadline=None)
@given(SEEDS, INDICES, st.integers(0, 7), st.sampled_from([(), (3,), (2, 5)]))
def test_the_same_alone_and_in_any_batch(seed, indices, which, shape):
    together = draws(seed, indices=indices).bits("x", shape)
    which %= len(indices)
    assert together.shape == (len(indices), *shape) and together.dtype == np.uint64
    np.testing.assert_array_equal(together[which], draws(seed, indices=[indices[which]]).bits("x", shape)[0])
    np.testing.assert_array_equal(together[::-1], draws(seed, indices=indices[::-1]).bits("x", shape))


def test_a_longer_shape_begins_with_the_same_numbers():
    np.testing.assert_array_equal(draws().bits("x", (7,))[:, :3], draws().bits("x", (3,)))


@pytest.mark.parametrize(
    "other",
    [draws(seed=1).bits("x"), draws(space="val").bits("x"), draws().bits("y")],
    ids=["seed", "space", "name"],
)
def test_another_seed_space_or_name_shares_no_number(other):
    here = draws().bits("x")
    assert not np.isin(here, other).any()
    agreeing_bits = 64 - np.bitwise_count(here ^ other) if hasattr(np, "bitwise_count") else None
    if agreeing_bits is not None:
        assert abs(agreeing_bits.mean() - 32) < 0.2


def test_no_number_comes_twice():
    assert len(np.unique(draws().bits("x", (16,)))) == 20_000 * 16


def test_uniform_is_even_and_independent_along_both_axes():
    values = draws().uniform("x", (4,), -1.0, 3.0)
    assert values.dtype == np.float32 and values.min() >= -1 and values.max() <= 3
    share = np.histogram(values, 20, (-1, 3))[0] / values.size
    assert np.abs(share - 1 / 20).max() < 0.003
    neighbours = np.corrcoef(np.stack([*values.T, np.roll(values[:, 0], 1)]))
    assert np.abs(neighbours - np.eye(5)).max() < 0.03


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(1, 2**31))
def test_integers_stay_below_their_bound(seed, bound):
    values = draws(seed, indices=range(64)).integers("x", bound, (4,))
    assert values.dtype == np.int64 and values.shape == (64, 4) and 0 <= values.min() <= values.max() < bound


def test_integers_are_even():
    share = np.bincount(draws().integers("x", 6, (4,)).ravel()) / 80_000
    assert np.abs(share - 1 / 6).max() < 0.006


def test_bell_has_its_mean_and_spread():
    values = draws().bell("x", (4,), std=2.5)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 0.03 and abs(values.std() / 2.5 - 1) < 0.01
    assert abs((np.abs(values) < 2.5).mean() - 0.674) < 0.02  # 0.683 for a true normal distribution
    assert np.abs(values).max() <= 2.5 * 12**0.5
