"""Our BERT against Hugging Face's ``BertModel``: every token, the pooled vector and every gradient."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: no request, whatever happens

import pytest
import torch
import transformers

from tests.equality import assert_equal, shaken
from vlmlearn.hub.bert import rename_bert
from vlmlearn.layers import Bert, BertConfig

IDS = torch.tensor([[5, 3, 9, 4, 2, 8, 1], [4, 6, 2, 7, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0]])
TYPES = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]])
TINY = BertConfig(vocabulary=30, width=24, layers=3, heads=4, hidden=40, positions=9)


def twins(attention: str = "eager") -> tuple[Bert, transformers.BertModel]:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=40,
        max_position_embeddings=9,
    )
    config._attn_implementation = attention
    theirs = shaken(transformers.BertModel(config)).eval()  # no dropout
    ours = Bert(TINY, pooler=True)
    ours.load_state_dict(rename_bert(theirs.state_dict()))
    return ours, theirs


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("types", [None, TYPES])
def test_tokens_pooled_and_gradients(attention, types):
    ours, theirs = twins(attention)
    tokens = ours(IDS, token_types=types)
    pooled = ours.pool(tokens)
    reference = theirs(IDS, attention_mask=(IDS != 0).long(), token_type_ids=types)
    assert_equal(tokens, reference.last_hidden_state, "tokens")  # those of PAD, too
    assert_equal(pooled, reference.pooler_output, "pooled")

    first, second = torch.randn_like(tokens), torch.randn_like(pooled)
    ((tokens * first).sum() + (pooled * second).sum()).backward()
    ((reference.last_hidden_state * first).sum() + (reference.pooler_output * second).sum()).backward()
    gradients = rename_bert({name: parameter.grad for name, parameter in theirs.named_parameters()})
    assert {*gradients} == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        if name.endswith("attention.key.bias"):  # the same to all scores of a query: zero up to rounding
            scale = ours.get_parameter(name.replace("bias", "weight")).grad.norm()
            assert parameter.grad.norm() < 1e-4 * scale and gradients[name].norm() < 1e-4 * scale
        else:
            assert_equal(parameter.grad, gradients[name], name)
    assert not ours.embeddings.words.weight.grad[0].any()  # PAD's vector does not learn


def test_without_padding_no_mask_is_needed():
    ours, theirs = twins()
    assert_equal(ours(IDS[:1]), theirs(IDS[:1]).last_hidden_state)


def test_half_a_model_needs_no_pooler():
    _, theirs = twins()
    kept = {name: value for name, value in theirs.state_dict().items() if not name.startswith("pooler.")}
    Bert(TINY).load_state_dict(rename_bert(kept))
