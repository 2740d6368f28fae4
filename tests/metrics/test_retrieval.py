"""Recall@K against counting by hand, and at its edges: ties, one pair, k as large as the gallery."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vlmlearn.metrics import recall_at_k

SIZES = st.integers(1, 12)
# Few values make many ties, which is where definitions differ.
MATRICES = SIZES.flatmap(
    lambda n: arrays(np.float32, (n, n), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]))
)


def by_hand(similarity, k):
    """Sort each query's candidates with its match behind all that score the same; is it among the first k?"""
    percentages = []
    for rows in (similarity, similarity.T):
        hits = 0
        for query, row in enumerate(rows.tolist()):
            ranking = sorted(
                range(len(row)), key=lambda other, row=row, query=query: (-row[other], other == query)
            )
            hits += query in ranking[:k]
        percentages.append(100 * hits / len(rows))
    return percentages


@settings(max_examples=200, deadline=None)
@given(MATRICES, st.data())
def test_equals_counting_by_hand(matrix, data):
    k = data.draw(st.integers(1, len(matrix)))
    assert list(recall_at_k(torch.from_numpy(matrix), k)) == pytest.approx(by_hand(matrix, k))


@settings(max_examples=50, deadline=None)
@given(MATRICES)
def test_it_grows_with_k_up_to_everything(matrix):
    recalls = [recall_at_k(torch.from_numpy(matrix), k) for k in range(1, len(matrix) + 1)]
    for direction in range(2):
        values = [recall[direction] for recall in recalls]
        assert values == sorted(values) and values[0] >= 0 and values[-1] == 100


@settings(max_examples=50, deadline=None)
@given(MATRICES, st.integers(0, 2**31))
def test_order_scale_and_direction(matrix, seed):
    """Pairs in another order or scores on another scale change nothing; the transpose swaps the directions."""
    similarity = torch.from_numpy(matrix)
    order = torch.randperm(len(matrix), generator=torch.Generator().manual_seed(seed))
    expected = recall_at_k(similarity)
    assert recall_at_k(similarity[order][:, order]) == expected
    assert recall_at_k(similarity * 4 - 3) == expected
    assert recall_at_k(similarity.T) == tuple(reversed(expected))


def test_a_known_table():
    similarity = torch.tensor([[0.9, 0.1, 0.2], [0.8, 0.7, 0.1], [0.3, 0.6, 0.5]])
    first, second = recall_at_k(similarity, 1), recall_at_k(similarity, 2)
    assert first.image_to_text == pytest.approx(100 / 3) and first.text_to_image == 100
    assert second == (100, 100)


def test_the_best_and_the_worst_of_models():
    assert recall_at_k(torch.eye(5)) == (100, 100)
    assert recall_at_k(-torch.eye(5), 4) == (0, 0)


def test_a_model_that_says_the_same_of_everything_gets_nothing():
    assert recall_at_k(torch.ones(5, 5), 4) == (0, 0)
    assert recall_at_k(torch.ones(5, 5), 5) == (100, 100)


def test_one_pair_is_always_found():
    assert recall_at_k(torch.tensor([[-3.0]])) == (100, 100)


def test_chance():
    """Random scores find the match in k of N cases."""
    similarity = torch.rand(2000, 2000, generator=torch.Generator().manual_seed(0))
    assert recall_at_k(similarity, 200) == pytest.approx((10, 10), abs=2.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_floating_point(dtype):
    similarity = torch.tensor([[3.0, 1.0], [4.0, 2.0]], dtype=dtype, requires_grad=True)
    assert recall_at_k(similarity) == (50, 50)


def test_infinities_are_only_large():
    """A forbidden pair may be given minus infinity."""
    similarity = torch.tensor([[1.0, -torch.inf], [torch.inf, 0.0]])
    assert recall_at_k(similarity) == (50, 50)


@pytest.mark.bad_input
def test_bad_input_is_refused_in_words():
    for shape in ((3, 4), (4,), (2, 2, 2), (0, 0)):
        with pytest.raises(ValueError, match=r"expected \(N, N\): image i belongs to text i"):
            recall_at_k(torch.zeros(shape))
    for k in (0, 4, -1, 1.5):
        with pytest.raises(ValueError, match=f"k is {k}, expected a whole number from 1 to 3"):
            recall_at_k(torch.eye(3), k)
    with pytest.raises(ValueError, match="contains NaN"):
        recall_at_k(torch.tensor([[1.0, 0.0], [torch.nan, 1.0]]))
