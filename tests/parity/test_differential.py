"""Differential attention and SwiGLU against Hugging Face's transformers: results and every gradient."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import torch
from transformers import DiffLlamaConfig, LlamaConfig
from transformers.models.diffllama.modeling_diffllama import DiffLlamaAttention
from transformers.models.llama.modeling_llama import LlamaMLP

from tests.equality import assert_equal, shaken
from vlmlearn.layers import DifferentialAttention, GatedFeedForward

WIDTH, HEADS, TOKENS = 24, 3, 7


def tokens():
    x = torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(3))
    return x.requires_grad_()


def compare(ours, theirs, run_theirs, names):
    """``names``: ours → theirs (a tensor, or several that ours stacks)."""
    with torch.no_grad():
        mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
        assert mine.keys() == names.keys() and len(other) == sum(len(of) for of in names.values())
        for name, of in names.items():
            mine[name].copy_(torch.stack([other[n] for n in of]) if len(of) > 1 else other[of[0]])
    x, y = tokens(), tokens()
    result, reference = ours(x), run_theirs(y)
    assert_equal(result, reference)
    result.pow(3).sum().backward()
    reference.pow(3).sum().backward()
    assert_equal(x.grad, y.grad, "input")
    for name, of in names.items():
        gradient = torch.stack([other[n].grad for n in of]) if len(of) > 1 else other[of[0]].grad
        assert_equal(mine[name].grad, gradient, name)


def test_differential_attention_equals_diffllamas():
    config = DiffLlamaConfig(
        hidden_size=WIDTH,
        num_attention_heads=2 * HEADS,
        num_key_value_heads=2 * HEADS,
        rms_norm_eps=1e-5,
        attn_implementation="eager",
    )
    theirs = shaken(DiffLlamaAttention(config, layer_idx=2))
    still = torch.ones(1, TOKENS, WIDTH // HEADS // 2), torch.zeros(1, TOKENS, WIDTH // HEADS // 2)
    names = {
        ours: (f"{theirs}_proj.weight",)
        for ours, theirs in zip(
            ("query.weight", "key.weight", "value.weight", "out.weight"), "qkvo", strict=True
        )
    } | {"query_scales": ("lambda_q1", "lambda_q2"), "key_scales": ("lambda_k1", "lambda_k2")}
    ours = DifferentialAttention(WIDTH, HEADS, layer=3)  # they count from 0
    compare(ours, theirs, lambda x: theirs(x, still, None)[0], names)


def test_swiglu_equals_llamas():
    theirs = shaken(LlamaMLP(LlamaConfig(hidden_size=WIDTH, intermediate_size=40, num_attention_heads=2)))
    names = {"gate.weight": ("gate_proj.weight",), "widen.weight": ("up_proj.weight",)}
    names |= {"narrow.weight": ("down_proj.weight",)}
    compare(GatedFeedForward(WIDTH, 40, "swiglu", bias=False), theirs, theirs, names)
