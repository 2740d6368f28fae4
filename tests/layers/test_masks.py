"""Masks hide what comes later and what is padding; a mean over real tokens sees those alone."""

import pytest
import torch

from tests.equality import assert_equal, shaken
from vlmlearn.layers import Attention, causal_mask, masked_mean, padding_mask

IDS = torch.tensor([[5, 3, 9, 0], [4, 0, 0, 0], [7, 1, 2, 6]])
WIDTH = 12


def test_causal_mask_by_hand():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert causal_mask(1).tolist() == [[True]]


def test_padding_mask_by_hand():
    mask = padding_mask(IDS)
    assert mask.shape == (3, 1, 1, 4) and mask.dtype == torch.bool
    assert mask[0, 0, 0].tolist() == [True, True, True, False]
    assert mask[1, 0, 0].tolist() == [True, False, False, False]
    assert padding_mask(IDS, pad_id=9)[0, 0, 0].tolist() == [True, True, False, True]
    assert torch.equal(padding_mask(IDS.to(torch.int32)), mask)


def attention_and_tokens():
    torch.manual_seed(0)
    return shaken(Attention(WIDTH, 3)), torch.randn(3, 4, WIDTH)


def test_a_causal_mask_is_causal_attention():
    attention, x = attention_and_tokens()
    assert_equal(attention(x, mask=causal_mask(4)), attention(x, causal=True))
    assert_equal(attention.weights(x, mask=causal_mask(4)), attention.weights(x, causal=True))


def test_a_padded_text_reads_as_without_its_padding():
    attention, x = attention_and_tokens()
    padded = attention(x, mask=padding_mask(IDS))
    for k, length in enumerate((3, 1, 4)):
        assert_equal(padded[k, :length], attention(x[k : k + 1, :length])[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_masked_mean_is_the_mean_of_the_real_tokens(dtype):
    tokens = torch.randn(3, 4, WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)
    tokens[0, 3] = torch.nan  # what stands at PAD does not matter
    mean = masked_mean(tokens, IDS != 0)
    assert mean.dtype == dtype
    for k, length in enumerate((3, 1, 4)):
        torch.testing.assert_close(mean[k], tokens[k, :length].mean(0))


def test_masked_mean_of_large_numbers_in_half_precision():
    tokens = torch.full((1, 100, 2), 60000.0, dtype=torch.float16)
    mean = masked_mean(tokens, torch.ones(1, 100, dtype=torch.bool))
    torch.testing.assert_close(mean, tokens[:, 0], rtol=1e-2, atol=0)


def test_padding_gets_no_gradient():
    tokens = torch.randn(3, 4, WIDTH, requires_grad=True)
    real = IDS != 0
    masked_mean(tokens, real).sum().backward()
    assert (tokens.grad[~real] == 0).all()
    torch.testing.assert_close(tokens.grad[0, :3], torch.full((3, WIDTH), 1 / 3))


@pytest.mark.bad_input
def test_masks_and_means_compile():
    tokens = torch.randn(3, 4, WIDTH)

    def pool(ids, tokens):
        return masked_mean(tokens, padding_mask(ids)[:, 0, 0])

    compiled = torch.compile(pool, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(IDS, tokens), pool(IDS, tokens))


@pytest.mark.bad_input
def test_bad_input_of_the_masks():
    for length in (0, -2):
        with pytest.raises(ValueError, match=f"length is {length}"):
            causal_mask(length)
    with pytest.raises(ValueError, match=r"shape \(4,\), expected \(batch, length\).*ids\[None\]"):
        padding_mask(IDS[0])
    for wrong in (IDS.float(), IDS != 0):
        with pytest.raises(ValueError, match=f"ids are {wrong.dtype}, expected whole numbers"):
            padding_mask(wrong)
    with pytest.raises(ValueError, match=r"text 1 consists of nothing but PAD \(id 0\): check pad_id"):
        padding_mask(torch.tensor([[1, 2], [0, 0]]))


@pytest.mark.bad_input
def test_bad_input_of_the_mean():
    tokens, real = torch.randn(3, 4, WIDTH), IDS != 0
    with pytest.raises(ValueError, match=r"of shape \(3, 4\), expected vectors"):
        masked_mean(tokens[..., 0], real)
    with pytest.raises(ValueError, match=r"tokens are torch.int64"):
        masked_mean(tokens.long(), real)
    with pytest.raises(ValueError, match=r"real is torch.float32, expected bool"):
        masked_mean(tokens, real.float())
    for wrong in (real[:, :3], real[:2], padding_mask(IDS)):
        with pytest.raises(ValueError, match=r"expected \(batch, tokens\) = \(3, 4\).*\[:, 0, 0\]"):
            masked_mean(tokens, wrong)
    with pytest.raises(ValueError, match="text 2 has no real token: is the mask the wrong way round"):
        masked_mean(tokens, ~real)
