"""The learning rate rises in a straight line, falls in half a cosine, and never reaches zero."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmlearn.training import warmup_cosine


def test_known_points():
    """1,000 steps, 100 of them warm-up: half-way up, the top, half-way down, near the end."""
    factors = [warmup_cosine(step, 1000, warmup=0.1) for step in (50, 100, 550, 999)]
    assert factors == pytest.approx([0.5, 1.0, 0.5, 0.003], abs=1e-9)


def test_the_rise_is_straight_and_the_fall_a_cosine():
    factors = [warmup_cosine(step, 200, warmup=0.25, floor=0.0) for step in range(200)]
    assert factors[:50] == pytest.approx([step / 50 for step in range(50)])
    assert factors[50:] == pytest.approx([(1 + math.cos(math.pi * k / 150)) / 2 for k in range(150)])


@given(st.integers(1, 3000), st.floats(0, 1), st.floats(0, 0.5))
def test_shape(steps, warmup, floor):
    factors = [warmup_cosine(step, steps, warmup, floor) for step in range(steps)]
    assert all(floor <= factor <= 1 for factor in factors)
    top = max(range(steps), key=factors.__getitem__)
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert top <= warmup * steps + 1


def test_without_warmup_it_starts_at_the_top():
    assert warmup_cosine(0, 10, warmup=0.0) == 1.0


@pytest.mark.parametrize(("step", "steps"), [(-1, 10), (10, 10), (0, 0)])
def test_steps_outside_the_training(step, steps):
    with pytest.raises(ValueError, match=f"step is {step}, expected 0 to {steps - 1}"):
        warmup_cosine(step, steps)


@pytest.mark.parametrize("warmup", [-0.1, 1.1, 5.0, math.nan])
def test_warmup_is_a_fraction(warmup):
    with pytest.raises(ValueError, match="expected a fraction of the training from 0 to 1"):
        warmup_cosine(0, 10, warmup)
