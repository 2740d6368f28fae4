"""Attention equals PyTorch's own in results and gradients; masks leak nothing; the weights are the fast path's."""

import pytest
import torch
from torch import nn

from tests.equality import assert_equal, shaken
from vlmlearn.layers import Attention, AttentionPool

WIDTH, HEADS, BATCH, QUERIES, KEYS = 24, 4, 3, 7, 5


def official(attention: Attention) -> nn.MultiheadAttention:
    """PyTorch's module with the same weights."""
    width, context_width = attention.query.in_features, attention.key.in_features
    other = nn.MultiheadAttention(
        width, attention.heads, kdim=context_width, vdim=context_width, batch_first=True
    )
    parts = [attention.query, attention.key, attention.value]
    with torch.no_grad():
        if other.in_proj_weight is None:
            for name, part in zip("qkv", parts, strict=True):
                getattr(other, f"{name}_proj_weight").copy_(part.weight)
        else:
            other.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        other.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    other.out_proj.load_state_dict(attention.out.state_dict())
    return other


def official_gradients(other: nn.MultiheadAttention) -> dict[str, torch.Tensor]:
    """PyTorch's gradients under our names."""
    if other.in_proj_weight is None:
        weights = [getattr(other, f"{name}_proj_weight").grad for name in "qkv"]
    else:
        weights = other.in_proj_weight.grad.chunk(3)
    named = {"out.weight": other.out_proj.weight.grad, "out.bias": other.out_proj.bias.grad}
    for name, weight, bias in zip(
        ("query", "key", "value"), weights, other.in_proj_bias.grad.chunk(3), strict=True
    ):
        named |= {f"{name}.weight": weight, f"{name}.bias": bias}
    return named


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("context_width", [None, WIDTH, 10])
def test_equals_torch_in_results_and_gradients(context_width, causal):
    torch.manual_seed(0)
    attention = shaken(Attention(WIDTH, HEADS, context_width))
    other = official(attention)
    x = torch.randn(BATCH, QUERIES, WIDTH, requires_grad=True)
    context = None if context_width is None else torch.randn(BATCH, KEYS, context_width, requires_grad=True)
    twin_x = x.detach().clone().requires_grad_()
    twin_context = twin_x if context is None else context.detach().clone().requires_grad_()
    hidden = torch.ones(QUERIES, twin_context.shape[1], dtype=torch.bool).triu(1) if causal else None

    ours = attention(x, context, causal=causal)
    theirs, weights = other(twin_x, twin_context, twin_context, attn_mask=hidden, average_attn_weights=False)
    direction = torch.randn_like(ours)
    (ours * direction).sum().backward()
    (theirs * direction).sum().backward()

    assert_equal(ours, theirs)
    assert_equal(attention.weights(x, context, causal=causal), weights, "weights")
    assert_equal(x.grad, twin_x.grad, "gradient of x")
    if context is not None:
        assert_equal(context.grad, twin_context.grad, "gradient of context")
    gradients = official_gradients(other)
    for name, parameter in attention.named_parameters():
        if (
            name == "key.bias"
        ):  # adds the same to all of a query's scores: its gradient is zero up to rounding
            assert parameter.grad.norm() < 1e-4 * gradients["key.weight"].norm()
        else:
            assert_equal(parameter.grad, gradients[name], name)


def make(context_width=None, queries=QUERIES, keys=None):
    torch.manual_seed(0)
    attention = shaken(Attention(WIDTH, HEADS, context_width))
    context = None if keys is None else torch.randn(BATCH, keys, context_width or WIDTH)
    return attention, torch.randn(BATCH, queries, WIDTH), context


def by_hand(attention, x, context, **masks):
    """The definition: weights times values, heads side by side."""
    source = x if context is None else context
    values = attention.value(source).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    return attention.out((attention.weights(x, context, **masks) @ values).transpose(1, 2).flatten(2))


def masks_for(queries, keys):
    generator = torch.Generator().manual_seed(2)
    rows = torch.rand(queries, keys, generator=generator) < 0.6
    rows[:, 0] = True
    padding = torch.arange(keys) < torch.tensor([keys, 2, 1])[:, None]
    return {"none": None, "queries × keys": rows, "padding": padding[:, None, None, :]}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", ["none", "queries × keys", "padding"])
@pytest.mark.parametrize(("context_width", "keys"), [(None, None), (10, KEYS)])
def test_weights_are_those_of_the_fast_path(context_width, keys, mask, causal):
    attention, x, context = make(context_width, keys=keys)
    chosen = masks_for(QUERIES, keys or QUERIES)[mask]
    weights = attention.weights(x, context, causal=causal, mask=chosen)
    assert weights.shape == (BATCH, HEADS, QUERIES, keys or QUERIES)
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, QUERIES))
    assert_equal(
        attention(x, context, causal=causal, mask=chosen),
        by_hand(attention, x, context, causal=causal, mask=chosen),
    )
    if chosen is not None:
        assert (weights.masked_select(~chosen.expand_as(weights)) == 0).all()


def test_causal_attention_sees_nothing_of_what_comes_after():
    """By gradient: what stands at position t depends on inputs 0 to t, on all of them, on no later one."""
    attention, x, _ = make()
    x.requires_grad_()
    for position in range(QUERIES):
        (gradient,) = torch.autograd.grad(attention(x, causal=True)[:, position].square().sum(), x)
        assert (gradient[:, position + 1 :] == 0).all()
        assert (gradient[:, : position + 1].abs().amax(-1) > 0).all()


def test_masked_keys_get_no_gradient():
    attention, x, context = make(10, keys=KEYS)
    context.requires_grad_()
    seen = torch.arange(KEYS) < 3
    attention(x, context, mask=seen).square().sum().backward()
    assert (context.grad[:, 3:] == 0).all() and (context.grad[:, :3].abs().amax(-1) > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_query_that_may_look_at_nothing_gets_zero_not_nan(dtype):
    attention, x, _ = make()
    attention, x = attention.to(dtype), x.to(dtype).requires_grad_()
    mask = torch.ones(QUERIES, QUERIES, dtype=torch.bool)
    mask[2] = False
    result, weights = attention(x, mask=mask), attention.weights(x, mask=mask)
    torch.testing.assert_close(result[:, 2], attention.out.bias.expand(BATCH, -1))
    assert (weights[:, :, 2] == 0).all()
    (result.sum() + weights.square().sum()).backward()
    for gradient in [x.grad, *(p.grad for p in attention.parameters())]:
        assert gradient.isfinite().all()


def test_order_of_the_context_does_not_matter():
    attention, x, context = make(keys=KEYS)
    torch.testing.assert_close(attention(x, context), attention(x, context.flip(1)))


def test_pool_reads_tokens_with_learnt_queries():
    torch.manual_seed(0)
    pool = shaken(AttentionPool(WIDTH, HEADS, queries=3))
    tokens = torch.randn(BATCH, KEYS, WIDTH)
    pooled = pool(tokens)
    assert pooled.shape == (BATCH, 3 * WIDTH)
    expected = pool.attention(pool.queries.expand(BATCH, -1, -1), tokens)
    torch.testing.assert_close(pooled.unflatten(1, (3, WIDTH)), expected)
    torch.testing.assert_close(pool(tokens.flip(1)), pooled)  # a set of tokens, not a sequence
    pooled[:, WIDTH : 2 * WIDTH].sum().backward()
    assert (pool.queries.grad[[0, 2]] == 0).all() and pool.queries.grad[1].norm() > 0


@pytest.mark.parametrize("heads", [5, 0, -1])
def test_heads_must_divide_the_width(heads):
    with pytest.raises(ValueError, match=f"width is 24, heads {heads}"):
        Attention(WIDTH, heads)


@pytest.mark.bad_input
@pytest.mark.parametrize("method", ["__call__", "weights"])
def test_bad_input_is_refused_in_words(method):
    attention, x, context = make(10, keys=KEYS)
    run = getattr(attention, method)
    with pytest.raises(ValueError, match=r"x has shape \(3, 24\), expected \(batch, tokens, 24\)"):
        run(x[:, 0], context)
    with pytest.raises(ValueError, match=r"context has shape \(3, 7, 24\), expected \(batch, tokens, 10\)"):
        run(x)
    with pytest.raises(ValueError, match="x has a batch of 3, context of 1"):
        run(x, context[:1])
    with pytest.raises(ValueError, match=r"mask is torch.float32, expected bool"):
        run(x, context, mask=torch.ones(QUERIES, KEYS))
    for shape in ((BATCH, KEYS), (QUERIES, 4), (2, 1, 1, KEYS), (1, 1, 1, 1, 1)):
        with pytest.raises(ValueError, match=r"does not broadcast to .* = \(3, 4, 7, 5\)"):
            run(x, context, mask=torch.ones(shape, dtype=torch.bool))


@pytest.mark.bad_input
@pytest.mark.parametrize("method", ["__call__", "weights"])
def test_masks_in_the_manner_of_torch_are_turned_round(method):
    attention, x, _ = make()
    run = getattr(attention, method)
    hidden = torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1)
    for wrong in (hidden, hidden.expand(BATCH, 1, QUERIES, QUERIES)):
        with pytest.raises(ValueError, match=r"True exactly above the diagonal.*write ~mask"):
            run(x, mask=wrong)
    torch.testing.assert_close(run(x, mask=~hidden), run(x, causal=True))
    with pytest.raises(ValueError, match="mask == 0 if it holds 0 and -inf"):
        run(x, mask=nn.Transformer.generate_square_subsequent_mask(QUERIES))


def test_masks_that_only_resemble_one_turned_round_are_taken():
    attention, x, _ = make()
    hidden = torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1)
    for mask in (
        hidden.T,
        hidden.logical_or(torch.eye(QUERIES, dtype=torch.bool)),
        hidden[:1],
        hidden[:, :1],
    ):
        assert attention(x, mask=mask).isfinite().all()
    assert attention(x[:, :1], mask=hidden[:1, :1]).isfinite().all()  # one token: nothing is told apart


@pytest.mark.bad_input
def test_attention_with_a_mask_compiles():
    attention, x, _ = make()
    compiled = torch.compile(attention, fullgraph=True, backend="eager")
    mask = torch.ones(QUERIES, QUERIES, dtype=torch.bool).tril()
    torch.testing.assert_close(compiled(x, mask=mask), attention(x, mask=mask))


def test_the_result_may_have_a_width_of_its_own():
    torch.manual_seed(0)
    attention, x = Attention(12, 3, out_width=5), torch.randn(2, 4, 12)
    same = Attention(12, 3)
    same.load_state_dict(attention.state_dict() | {"out.weight": torch.eye(12), "out.bias": torch.zeros(12)})
    torch.testing.assert_close(attention(x), attention.out(same(x)))
    assert attention(x).shape == (2, 4, 5)
