"""Any whole factor, exactly, and in the right place."""

import pytest
import torch

from tests.heads.vision.tiny import config, filled, some
from vlmlearn.heads.vision.upsampling import Upsampler, prime_factors


@pytest.mark.parametrize("factor", [*range(1, 17), 32])
def test_exactly_as_many_times(factor):
    upsample = Upsampler(factor, config())
    result = upsample(some(2, 8, 2, 3))
    assert result.shape == (2, upsample.width, 2 * factor, 3 * factor)
    assert len(upsample.steps) == 3 * len(prime_factors(factor))


def test_what_is_in_a_place_stays_there():
    """One place changes its own p×p pixels and those of its neighbours, which the 3×3 convolution looks at."""
    upsample = filled(Upsampler(5, config()))
    x = some(1, 8, 6, 6)
    changed = x.clone()
    changed[0, :, 0, 0] += 1
    moved = ((upsample(changed) - upsample(x)).abs() > 1e-6).any(1)[0]
    assert moved[:10, :10].all() and moved.sum() == 100


def test_pixels_of_one_place_differ():
    result = filled(Upsampler(3, config()))(some(1, 8, 1, 1))
    assert result.flatten(2).std(2).min() > 0.01


def test_channels_shrink_to_a_floor():
    assert Upsampler(8, config(hidden_dim=256)).width == 32
    assert Upsampler(64, config(hidden_dim=256)).width == 16
    assert Upsampler(4, config()).width == 8  # never more than there were


def test_prime_factors():
    for number in range(1, 200):
        factors = prime_factors(number)
        assert torch.tensor([1, *factors]).prod() == number
        assert all(f > 1 and all(f % d for d in range(2, f)) for f in factors)


@pytest.mark.bad_input
def test_bad_input():
    with pytest.raises(ValueError, match="upsampling_factor is 0, expected a whole number, at least 1"):
        Upsampler(0, config())
