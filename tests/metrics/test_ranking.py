"""Average precision against scikit-learn, ties included, and at its edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from vlmlearn.metrics import average_precision, mean_average_precision

# Few values make many ties, which is where definitions differ.
FEW = st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0])
ANY = st.floats(-1e6, 1e6, width=32)


@st.composite
def rankings(draw):
    """Scores and what is relevant, something for every query."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 12)))
    scores = draw(arrays(np.float32, shape, elements=draw(st.sampled_from([FEW, ANY]))))
    relevant = draw(arrays(np.bool_, shape))
    relevant[
        np.arange(len(relevant)), draw(arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
    ] = True
    return torch.from_numpy(scores), torch.from_numpy(relevant)


@settings(max_examples=300, deadline=None)
@given(rankings())
def test_equals_scikit_learn(ranking):
    scores, relevant = ranking
    expected = [average_precision_score(r, s) for r, s in zip(relevant.numpy(), scores.numpy(), strict=True)]
    assert average_precision(scores, relevant).tolist() == pytest.approx(expected, abs=1e-12)
    assert mean_average_precision(scores, relevant) == pytest.approx(np.mean(expected), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(rankings(), st.integers(0, 2**31))
def test_only_the_order_of_scores_counts(ranking, seed):
    scores, relevant = ranking
    order = torch.randperm(scores.shape[1], generator=torch.Generator().manual_seed(seed))
    expected = average_precision(scores, relevant)
    torch.testing.assert_close(average_precision(scores[:, order], relevant[:, order]), expected)
    torch.testing.assert_close(
        average_precision(scores.double().tanh().sign() + 2 * scores.double(), relevant), expected
    )


def test_by_hand():
    """Found in places 1 and 3 of 4: (1/1 + 2/3) / 2."""
    scores = torch.tensor([[0.9, 0.5, 0.4, 0.1]])
    assert average_precision(scores, torch.tensor([[True, False, True, False]])).item() == pytest.approx(
        5 / 6
    )


def test_the_best_the_worst_and_the_one_who_says_the_same_of_everything():
    relevant = torch.tensor([[True, True, False, False]])
    assert mean_average_precision(torch.tensor([[4.0, 3.0, 2.0, 1.0]]), relevant) == 1
    worst = mean_average_precision(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), relevant)
    assert worst == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert mean_average_precision(torch.zeros(1, 4), relevant) == 0.5  # the share of what is relevant


def test_one_relevant_candidate_gives_the_reciprocal_of_its_place():
    scores = torch.rand(50, 30, generator=torch.Generator().manual_seed(0))
    relevant = torch.zeros(50, 30, dtype=torch.bool)
    relevant[:, 7] = True
    places = (scores >= scores[:, 7:8]).sum(1)
    torch.testing.assert_close(average_precision(scores, relevant), 1 / places.double())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_floating_point_and_no_gradient(dtype):
    scores = torch.tensor([[3.0, 1.0, -torch.inf]], dtype=dtype, requires_grad=True)
    result = average_precision(scores, torch.tensor([[False, True, False]]))
    assert result.tolist() == [0.5] and not result.requires_grad


@pytest.mark.bad_input
def test_bad_input_is_refused_in_words():
    yes = torch.ones(2, 3, dtype=torch.bool)
    for scores in (torch.zeros(3), torch.zeros(3, 2), torch.zeros(2, 3, 1)):
        with pytest.raises(ValueError, match=r"expected the same \(queries, candidates\)"):
            average_precision(scores, yes)
    with pytest.raises(ValueError, match="expected the same"):
        average_precision(torch.zeros(2, 0), yes[:, :0])
    with pytest.raises(ValueError, match=r"relevant is torch\.int64, expected bool"):
        average_precision(torch.zeros(2, 3), yes.long())
    with pytest.raises(ValueError, match="contain NaN"):
        average_precision(torch.full((2, 3), torch.nan), yes)
    with pytest.raises(ValueError, match="1 of 2 queries have nothing relevant"):
        average_precision(torch.zeros(2, 3), yes & torch.tensor([[True], [False]]))
