"""The MAP head asks one question of all tokens it may look at; upstream's is compared in tests/parity."""

import pytest
import torch

from vlmlearn.layers import MapHead

WIDTH = 12


def make(**changes) -> MapHead:
    torch.manual_seed(0)
    head = MapHead(**{"width": WIDTH, "heads": 3, "hidden": 20} | changes)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return head


def some_tokens(batch=3, tokens=5):
    return torch.randn(batch, tokens, WIDTH, generator=torch.Generator().manual_seed(1))


def test_the_answer_passes_a_residual_network_and_the_probe_is_not_added():
    head, tokens = make(), some_tokens()
    answer = head.attention(head.probe.expand(3, 1, WIDTH), tokens)[:, 0]
    expected = answer + head.feed_forward(head.norm(answer))
    torch.testing.assert_close(head(tokens), expected)
    assert (expected - head.probe).norm() > 0.1


def test_it_equals_torchs_attention_with_packed_weights():
    head, tokens = make(), some_tokens()
    attention = head.attention
    packed = torch.nn.MultiheadAttention(WIDTH, 3, batch_first=True)
    parts = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        packed.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        packed.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        packed.out_proj.load_state_dict(attention.out.state_dict())
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [False, True, False, True, False]])
    answer = packed(head.probe.expand(3, 1, WIDTH), tokens, tokens, key_padding_mask=~mask)[0][:, 0]
    torch.testing.assert_close(head(tokens, mask), answer + head.feed_forward(head.norm(answer)))


def test_hidden_tokens_might_as_well_not_be_there():
    head, tokens = make(), some_tokens()
    mask = torch.tensor([[True, True, True, False, False]] * 3)
    torch.testing.assert_close(head(tokens, mask), head(tokens[:, :3]))
    changed = tokens.masked_fill(~mask[..., None], 7.0)
    assert torch.equal(head(changed, mask), head(tokens, mask))
    assert (head(changed) - head(tokens)).norm() > 1e-2  # without the mask they are seen


def test_the_order_of_the_tokens_does_not_matter():
    head, tokens = make(), some_tokens()
    torch.testing.assert_close(head(tokens[:, [3, 0, 4, 1, 2]]), head(tokens))


def test_every_parameter_learns():
    head = make()
    head(some_tokens()).square().sum().backward()
    for name, parameter in head.named_parameters():
        if not name.endswith("key.bias"):  # adds the same to all scores of the query
            assert parameter.grad.norm() > 1e-4, name


@pytest.mark.bad_input
def test_bad_input():
    head, tokens = make(), some_tokens()
    mask = torch.ones(3, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"mask is torch\.int64, expected bool"):
        head(tokens, mask.long())
    with pytest.raises(ValueError, match=r"shape \(3, 4\), expected \(batch, tokens\) = \(3, 5\)"):
        head(tokens, mask[:, :4])
    mask[1] = False
    with pytest.raises(ValueError, match="mask hides every token of picture 1"):
        head(tokens, mask)
    with pytest.raises(ValueError, match="width is 12, heads 5"):
        make(heads=5)
    with pytest.raises(ValueError, match="activation is 'swish'"):
        make(activation="swish")
    with pytest.raises(ValueError, match=r"context has shape \(3, 5, 11\)"):
        head(tokens[..., :11])
