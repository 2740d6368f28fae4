"""Bits against hand-made cases whose information is known, and at the ceiling that no estimate passes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vlmlearn.losses import clip_loss
from vlmlearn.metrics import carried_bits, retrieval_bits

MATRICES = st.integers(2, 12).flatmap(
    lambda n: arrays(np.float32, (n, n), elements=st.floats(-1, 1, width=32))
)


def test_all_none_and_half():
    assert carried_bits(0.0, 5.0) == 5
    assert carried_bits(math.log(40), math.log2(40)) == pytest.approx(0)
    assert carried_bits(math.log(2), math.log2(8)) == pytest.approx(2)  # eight answers, two left


def test_worse_than_guessing_is_negative():
    assert carried_bits(math.log(64), math.log2(8)) == pytest.approx(-3)


def test_a_noisy_channel():
    """A bit that arrives right nine times in ten; the model knows it. Exactly 1 - h(0.1) bits pass."""
    loss = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert carried_bits(loss, 1.0) == pytest.approx(0.531, abs=1e-3)


@pytest.mark.parametrize("known", [0, 1, 3, 6])
def test_retrieval_when_some_bits_are_known(known):
    """64 pairs in groups that look alike: who tells the groups apart knows log2 of their number."""
    group = torch.arange(64) % 2**known
    same = (group[:, None] == group).float()
    assert retrieval_bits(same, 100.0) == pytest.approx(known, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(MATRICES, st.floats(0.1, 100))
def test_never_above_log2_n_and_the_same_for_the_transpose(matrix, scale):
    similarity = torch.from_numpy(matrix)
    bits = retrieval_bits(similarity, scale)
    assert bits <= math.log2(len(matrix))
    assert retrieval_bits(similarity.T, scale) == pytest.approx(bits)
    order = torch.randperm(len(matrix), generator=torch.Generator().manual_seed(0))
    assert retrieval_bits(similarity[order][:, order], scale) == pytest.approx(bits)


def test_a_perfect_model_reaches_the_ceiling_and_not_more():
    assert retrieval_bits(torch.eye(1000), 1e4) == math.log2(1000)


def test_it_is_the_contrastive_loss_in_bits():
    generator = torch.Generator().manual_seed(0)
    image, text = (
        torch.nn.functional.normalize(torch.randn(32, 8, generator=generator), dim=-1) for _ in range(2)
    )
    loss = clip_loss(image, text, 7.0).item()
    assert retrieval_bits(image @ text.T, torch.tensor(7.0)) == pytest.approx(
        carried_bits(loss, 5.0), abs=1e-5
    )


def test_never_above_what_there_is_on_average():
    """Pairs that share 2 bits: with a known score, the mean estimate stays below 2, and nears it as N grows."""
    generator, means = torch.Generator().manual_seed(0), []
    for n in (2, 8, 64):
        shared = torch.randint(4, (500, n), generator=generator)
        same = (shared[:, :, None] == shared[:, None, :]).float()
        means.append(np.mean([retrieval_bits(part, 50.0) for part in same]))
    assert means == sorted(means) and 1.8 < means[-1] < 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_a_large_scale(dtype):
    assert retrieval_bits(torch.eye(16, dtype=dtype), 1e5) == 4


@pytest.mark.bad_input
class TestBadInput:
    @pytest.mark.parametrize("loss", [math.nan, math.inf, -0.1])
    def test_a_loss_that_is_none(self, loss):
        with pytest.raises(ValueError, match="expected a mean cross entropy in nats"):
            carried_bits(loss, 5.0)

    @pytest.mark.parametrize("ceiling", [0.0, -1.0, math.nan, math.inf])
    def test_a_ceiling_that_is_none(self, ceiling):
        with pytest.raises(ValueError, match="expected the bits of the answer, above 0"):
            carried_bits(1.0, ceiling)

    @pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 1), (0, 0)])
    def test_no_square_of_pairs(self, shape):
        with pytest.raises(ValueError, match=r"expected \(N, N\) with N >= 2"):
            retrieval_bits(torch.zeros(shape), 1.0)

    def test_nan(self):
        with pytest.raises(ValueError, match="NaN or infinity"):
            retrieval_bits(torch.full((3, 3), math.nan), 1.0)

    @pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
    def test_a_scale_that_is_none(self, scale):
        with pytest.raises(ValueError, match="expected a positive number"):
            retrieval_bits(torch.eye(3), scale)
