"""The modality gap on clouds whose gap is known, against definitions written otherwise, and at its edges."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from vlmlearn.metrics import modality_gap


@st.composite
def clouds(draw):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    n, m, dim = (draw(st.integers(low, 12)) for low in (1, 1, 2))
    shift = draw(st.sampled_from([0.0, 0.3, 3.0]))
    return torch.randn(n, dim, generator=generator) + shift, torch.randn(m, dim, generator=generator) - shift


@settings(max_examples=100, deadline=None)
@given(clouds())
def test_equals_definitions_written_otherwise(pair):
    image, text = (F.normalize(x.double(), dim=1) for x in pair)
    gap = modality_gap(*pair)
    everything, kind = torch.cat([image, text]), np.array([0] * len(image) + [1] * len(text))
    torch.testing.assert_close(gap.vector, image.mean(0) - text.mean(0))
    assert gap.length == pytest.approx(math.dist(image.mean(0).tolist(), text.mean(0).tolist()))
    # Of all variance, that of each vector's mean of its own kind.
    own = torch.where(torch.from_numpy(kind)[:, None] == 0, image.mean(0), text.mean(0))
    if everything.var(0, correction=0).sum() > 1e-12:
        explained = own.var(0, correction=0).sum() / everything.var(0, correction=0).sum()
        assert gap.explained == pytest.approx(float(explained), abs=1e-9)
    if gap.length > 1e-6:
        to_image, to_text = ((everything - x.mean(0)).norm(dim=1) for x in (image, text))
        right = torch.where(torch.from_numpy(kind) == 0, to_image < to_text, to_text < to_image)
        assert gap.separated == pytest.approx(100 * float(right.double().mean()))


@settings(max_examples=50, deadline=None)
@given(clouds(), st.integers(0, 2**31))
def test_rotations_and_lengths_change_nothing(pair, seed):
    image, text = pair
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(image.shape[1], image.shape[1], generator=generator).double()).Q
    stretch = 0.1 + 9 * torch.rand(len(image), 1, generator=generator)
    before, after = (
        modality_gap(image, text),
        modality_gap((image * stretch).double() @ turn, text.double() @ turn),
    )
    torch.testing.assert_close(after.vector, before.vector @ turn, rtol=1e-4, atol=1e-5)
    assert after.length == pytest.approx(before.length, abs=1e-5)
    assert after.explained == pytest.approx(before.explained, abs=1e-5)


def test_the_same_vectors_have_no_gap():
    same = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    gap = modality_gap(same, same)
    assert gap.length == gap.explained == 0 and gap.separated == 0


def test_opposite_points():
    gap = modality_gap(torch.tensor([[1.0, 0.0]] * 3), torch.tensor([[-2.0, 0.0]]))
    assert gap.vector.tolist() == [2, 0]
    assert (gap.length, gap.explained, gap.separated) == (2, 1, 100)


def test_all_in_one_point():
    gap = modality_gap(torch.ones(2, 3), torch.ones(4, 3))
    assert (gap.length, gap.explained, gap.separated) == (0, 0, 0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1e-4, 1.0, 6e4])
def test_any_floating_point_and_no_gradient(dtype, size):
    image = torch.tensor([[size, 0.0]], dtype=dtype, requires_grad=True)
    gap = modality_gap(image, torch.tensor([[0.0, size]], dtype=dtype))
    assert gap.length == pytest.approx(math.sqrt(2)) and not gap.vector.requires_grad


@pytest.mark.bad_input
def test_bad_input_is_refused_in_words():
    good = torch.eye(3)
    for bad in (torch.eye(4), torch.ones(3), torch.zeros(0, 3)):
        with pytest.raises(ValueError, match="in one shared space"):
            modality_gap(good, bad)
        with pytest.raises(ValueError, match="in one shared space"):
            modality_gap(bad, good)
    with pytest.raises(ValueError, match="text features contain NaN or infinity"):
        modality_gap(good, good * math.inf)
    with pytest.raises(ValueError, match="1 of 3 image features are zero vectors"):
        modality_gap(good * torch.tensor([[1.0], [0.0], [1.0]]), good)
