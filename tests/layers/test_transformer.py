"""Blocks equal ``torch.nn.TransformerEncoderLayer`` in results and gradients, with the norm before or after."""

import pytest
import torch
from torch import nn

from tests.equality import assert_equal, shaken
from vlmlearn.layers import Transformer, TransformerBlock, causal_mask
from vlmlearn.layers.feed_forward import ACTIVATIONS

WIDTH, HEADS, HIDDEN, BATCH, TOKENS = 24, 4, 40, 3, 7


def by_official_name(block: TransformerBlock, of: str) -> dict[str, torch.Tensor]:
    """The block's parameters (of="data") or their gradients (of="grad") under PyTorch's names."""
    attention = block.attention
    parts = (attention.query, attention.key, attention.value)
    names = {
        "self_attn.in_proj_weight": [part.weight for part in parts],
        "self_attn.in_proj_bias": [part.bias for part in parts],
        "self_attn.out_proj.weight": [attention.out.weight],
        "self_attn.out_proj.bias": [attention.out.bias],
    }
    layers = {
        "norm1": block.attention_norm,
        "norm2": block.feed_forward_norm,
        "linear1": block.feed_forward.widen,
        "linear2": block.feed_forward.narrow,
    }
    for name, layer in layers.items():
        names |= {f"{name}.weight": [layer.weight], f"{name}.bias": [layer.bias]}
    return {name: torch.cat([getattr(p, of) for p in parameters]) for name, parameters in names.items()}


def official(block: TransformerBlock, activation: str, eps: float) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(
        WIDTH,
        HEADS,
        HIDDEN,
        dropout=0.0,
        activation=ACTIVATIONS[activation],
        layer_norm_eps=eps,
        batch_first=True,
        norm_first=block.norm == "pre",
    )
    layer.load_state_dict(by_official_name(block, "data"))
    return layer


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("seen", ["all", "causal", "real"])
@pytest.mark.parametrize(("activation", "eps"), [("gelu", 1e-5), ("quick_gelu", 1e-5), ("relu", 0.1)])
def test_block_equals_torch_in_results_and_gradients(activation, eps, seen, norm):
    torch.manual_seed(0)
    block = shaken(TransformerBlock(WIDTH, HEADS, HIDDEN, activation, eps, norm))
    layer = official(block, activation, eps)
    x = torch.randn(BATCH, TOKENS, WIDTH, requires_grad=True)
    twin = x.detach().clone().requires_grad_()
    real = torch.arange(TOKENS) < torch.tensor([TOKENS, 4, 1])[:, None]
    masks = {"causal": {"causal": True}, "real": {"mask": real[:, None, None, :]}}
    official_masks = {"causal": {"src_mask": ~causal_mask(TOKENS)}, "real": {"src_key_padding_mask": ~real}}
    ours, theirs = block(x, **masks.get(seen, {})), layer(twin, **official_masks.get(seen, {}))
    direction = torch.randn_like(ours)
    (ours * direction).sum().backward()
    (theirs * direction).sum().backward()
    assert_equal(ours, theirs)
    assert_equal(x.grad, twin.grad, "gradient of x")
    gradients = by_official_name(block, "grad")
    for name, parameter in layer.named_parameters():
        assert_equal(gradients[name], parameter.grad, name)
    assert len(gradients) == len(list(layer.parameters()))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_stack_equals_a_torch_encoder_with_padding(norm):
    torch.manual_seed(0)
    stack = shaken(Transformer(3, WIDTH, HEADS, HIDDEN, "gelu_tanh", eps=1e-6, norm=norm))
    x = torch.randn(BATCH, TOKENS, WIDTH)
    padded = torch.arange(TOKENS) >= torch.tensor([TOKENS, 4, 1])[:, None]
    expected = x
    for block in stack.blocks:
        expected = official(block, "gelu_tanh", 1e-6)(expected, src_key_padding_mask=padded)
    result = stack(x, mask=~padded[:, None, None, :])
    for k, length in enumerate((TOKENS, 4, 1)):
        assert_equal(result[k, :length], expected[k, :length])


def test_the_norm_comes_before_unless_said_otherwise():
    """And after a post-norm block every token is normalised: the mean 0, the mean square 1."""
    assert TransformerBlock(WIDTH, HEADS, HIDDEN).norm == "pre"
    block = TransformerBlock(WIDTH, HEADS, HIDDEN, norm="post")
    result = block(100 * torch.randn(BATCH, TOKENS, WIDTH))
    torch.testing.assert_close(result.mean(-1), torch.zeros(BATCH, TOKENS), rtol=0, atol=1e-5)
    torch.testing.assert_close(result.square().mean(-1), torch.ones(BATCH, TOKENS), rtol=0, atol=1e-3)


def test_unknown_norm():
    for make in (TransformerBlock, lambda *sizes, norm: Transformer(2, *sizes, norm=norm)):
        with pytest.raises(ValueError, match=r"norm is 'middle', expected .pre. .* or .post."):
            make(WIDTH, HEADS, HIDDEN, norm="middle")


def test_a_causal_stack_sees_nothing_of_what_comes_after():
    torch.manual_seed(0)
    stack = shaken(Transformer(2, WIDTH, HEADS, HIDDEN))
    x = torch.randn(BATCH, TOKENS, WIDTH, requires_grad=True)
    for position in range(TOKENS):
        (gradient,) = torch.autograd.grad(stack(x, causal=True)[:, position].square().sum(), x)
        assert (gradient[:, position + 1 :] == 0).all()
        assert (gradient[:, : position + 1].abs().amax(-1) > 0).all()


def test_causality_and_padding_together():
    """A text padded on the left: a word sees the words before it, none after it, and no padding."""
    torch.manual_seed(0)
    stack = shaken(Transformer(2, WIDTH, HEADS, HIDDEN))
    x = torch.randn(1, TOKENS, WIDTH)
    seen = (torch.arange(TOKENS) >= 2)[None, None, None]
    torch.testing.assert_close(stack(x, causal=True, mask=seen)[:, 2:], stack(x[:, 2:], causal=True))
    assert stack(x, causal=True, mask=seen).isfinite().all()  # the padding itself, which sees nothing, too


def test_no_blocks_change_nothing():
    x = torch.randn(2, 3, WIDTH)
    assert Transformer(0, WIDTH, HEADS, HIDDEN)(x) is x


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_the_first_tokens_alone(norm, causal, layers):
    """Results and gradients as if all had been computed."""
    torch.manual_seed(0)
    stack = Transformer(layers, 12, 3, 20, norm=norm)
    x = torch.randn(2, 6, 12)
    results = []
    for read in (lambda x: stack(x, causal=causal, first=2), lambda x: stack(x, causal=causal)[:, :2]):
        stack.zero_grad()
        entering = x.clone().requires_grad_()
        result = read(entering)
        assert result.shape == (2, 2, 12)
        result.square().sum().backward()
        results.append([result, entering.grad, *(p.grad for p in stack.parameters())])
    for alone, of_all in zip(*results, strict=True):
        torch.testing.assert_close(alone, of_all, rtol=1e-4, atol=1e-5)
