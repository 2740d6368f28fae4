"""Batches use every row once before any twice, keep rows together, and depend on nothing but the seed."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmlearn.training import shuffled_batches


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.data(), st.integers(0, 2**31))
def test_each_round_uses_a_row_at_most_once_and_all_that_fit(rows, data, seed):
    size = data.draw(st.integers(1, rows))
    numbers = torch.arange(rows)
    batches = shuffled_batches(numbers, numbers * 10, batch_size=size, seed=seed)
    for _ in range(3):
        epoch = list(islice(batches, rows // size))
        used = torch.cat([first for first, _ in epoch])
        assert len(used.unique()) == len(used) == rows // size * size
        for first, second in epoch:
            assert torch.equal(first * 10, second) and len(first) == size


def first_rows(seed, count=6):
    return [
        rows.tolist()
        for (rows,) in islice(shuffled_batches(torch.arange(50), batch_size=20, seed=seed), count)
    ]


def test_the_same_seed_gives_the_same_batches_whatever_else_is_random():
    torch.manual_seed(1)
    once = first_rows(seed=3)
    torch.manual_seed(2)
    assert first_rows(seed=3) == once
    assert first_rows(seed=4) != once
    assert len({tuple(rows) for rows in once}) == len(once)  # every round has another order


def test_it_never_disturbs_the_global_generator():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first_rows(seed=3)
    assert torch.equal(torch.rand(3), expected)


def test_tensors_of_any_shape_and_type():
    images, ids = torch.zeros(5, 3, 8, 8, dtype=torch.uint8), torch.arange(5)
    batch = next(shuffled_batches(images, ids, batch_size=2, seed=0))
    assert [(t.shape, t.dtype) for t in batch] == [((2, 3, 8, 8), torch.uint8), ((2,), torch.int64)]


def test_bad_input_is_refused_at_once():
    """When it is called, not when the first batch is taken: the error then names the right line."""
    with pytest.raises(ValueError, match=r"\[3, 4\] rows, expected the same number"):
        shuffled_batches(torch.zeros(3), torch.zeros(4), batch_size=2, seed=0)
    for size in (0, 4, -1):
        with pytest.raises(ValueError, match=f"batch_size is {size}, expected 1 to 3"):
            shuffled_batches(torch.zeros(3), batch_size=size, seed=0)
    with pytest.raises(ValueError, match="0 tensors, expected one or more"):
        shuffled_batches(batch_size=1, seed=0)
    with pytest.raises(ValueError, match="a first dimension of examples"):
        shuffled_batches(torch.tensor(3.0), batch_size=1, seed=0)
