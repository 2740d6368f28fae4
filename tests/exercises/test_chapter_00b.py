"""Chapter 00b: right answers in many styles pass, wrong ones that nobody listed do not."""

import math

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from vlmlearn.exercises import registry
from vlmlearn.exercises.diagnose import diagnose
from vlmlearn.exercises.verdict import Verdict

SEEDS = (0, 1, 2**31)
INF = math.inf


def norm(x, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], eps=eps)


def keep(scores, mask, value=-INF):
    return scores.masked_fill(~mask, value)


# Right


def scores_by_loop(query, key):
    rows = [
        [[torch.dot(q, k) / math.sqrt(len(q)) for k in keys] for q in queries]
        for queries, keys in zip(query, key, strict=True)
    ]
    return torch.stack([torch.stack([torch.stack(row) for row in text]) for text in rows])


def scores_shared_between_both(query, key):
    root = query.size(-1) ** 0.25
    return torch.bmm(query / root, (key / root).mT)


def mask_by_loop(length):
    mask = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        mask[i, : i + 1] = True
    return mask


def mask_by_comparison(length):
    place = torch.arange(length)
    return place[None] <= place[:, None]


def weights_by_hand(scores, real):
    mask = real.unsqueeze(1)
    largest = torch.where(mask, scores, -INF).amax(-1, keepdim=True)
    exp = torch.where(mask, (torch.where(mask, scores, largest) - largest).exp(), 0)
    return exp / exp.sum(-1, keepdim=True)


def weights_text_by_text(scores, real):
    weights = torch.zeros_like(scores)
    for b in range(len(scores)):
        weights[b][:, real[b]] = scores[b][:, real[b]].softmax(-1)
    return weights


def weights_by_adding(scores, real):
    hidden = torch.zeros(real.shape, dtype=scores.dtype).masked_fill(real.logical_not(), -INF)
    return F.softmax(scores + hidden[:, None], dim=2)


def weights_by_large_constant(scores, real):
    return torch.softmax(scores + (~real)[:, None] * -1e9, -1)


def weights_by_lowest(scores, real):
    return torch.softmax(keep(scores, real[:, None], torch.finfo(scores.dtype).min), -1)


def weights_by_fused_kernel(scores, real):
    # Queries @ keys are the scores where the keys are the unit vectors; values of the identity return the weights.
    one = torch.eye(scores.shape[-1], dtype=scores.dtype).expand(len(scores), -1, -1)
    return F.scaled_dot_product_attention(scores, one, one, attn_mask=real[:, None], scale=1.0)


def split_by_view(x, heads):
    batch, tokens, width = x.size()
    return x.view(batch, tokens, heads, width // heads).transpose(1, 2)


def merge_by_view(x):
    batch, heads, tokens, channels = x.size()
    return x.transpose(1, 2).contiguous().view(batch, tokens, heads * channels)


def block_of_two_learnt_norms(x, attention, feed_forward):
    first, second = (nn.LayerNorm(x.shape[-1], dtype=x.dtype) for _ in range(2))
    for layer_norm, half in ((first, attention), (second, feed_forward)):
        x = x + half(layer_norm(x))
    return x


def block_by_raw_moments(x, attention, feed_forward):
    def normed(z):
        mean = z.mean(dim=2, keepdim=True)
        return (z - mean) * torch.rsqrt(z.var(dim=2, keepdim=True, unbiased=False) + 1e-5)

    x = torch.add(x, attention(normed(x)))
    return torch.add(x, feed_forward(normed(x)))


RIGHT = {
    "attention_scores": [
        scores_by_loop,
        scores_shared_between_both,
        lambda query, key: torch.einsum("bqd,bkd->bqk", query, key) * query.shape[-1] ** -0.5,
        lambda query, key: (query[:, :, None] * key[:, None]).sum(-1) / torch.tensor(key.shape[-1]).sqrt(),
    ],
    "causal_mask": [
        mask_by_loop,
        mask_by_comparison,
        lambda length: torch.ones(length, length).cumsum(1) <= torch.arange(1, length + 1)[:, None],
        lambda length: nn.Transformer.generate_square_subsequent_mask(length) == 0,
    ],
    "padded_weights": [
        weights_by_hand,
        weights_text_by_text,
        weights_by_adding,
        weights_by_large_constant,
        weights_by_lowest,
        weights_by_fused_kernel,
        lambda scores, real: keep(scores, real[:, None].expand_as(scores), -1e9).softmax(-1),
    ],
    "split_heads": [
        split_by_view,
        lambda x, heads: torch.stack(x.split(x.shape[-1] // heads, -1)).transpose(0, 1),
        lambda x, heads: x.mT.reshape(len(x), heads, -1, x.shape[1]).mT,
        lambda x, heads: rearrange(x, "b n (h c) -> b h n c", h=heads).contiguous(),
    ],
    "merge_heads": [
        merge_by_view,
        lambda x: torch.cat([x[:, h] for h in range(x.shape[1])], 2),
        lambda x: rearrange(x, "b h n c -> b n (h c)"),
        lambda x: x.mT.flatten(1, 2).mT,
    ],
    "pre_norm_block": [
        block_of_two_learnt_norms,
        block_by_raw_moments,
        lambda x, attention, feed_forward: (
            (y := x + attention(norm(x))) + feed_forward(F.layer_norm(y, (y.shape[-1],)))
        ),
    ],
}

# Wrong, and not listed


def mask_with_hole(length):
    mask = torch.ones(length, length).tril().bool()
    mask[-1, 0] = length == 1
    return mask


def tempered(scores, real):
    return keep(scores / scores.shape[-1] ** 0.5, real[:, None]).softmax(-1)


def redistributed(scores, real):
    kept = scores.softmax(-1) * real[:, None]
    return kept + (1 - kept.sum(-1, keepdim=True)) * real[:, None] / real.sum(-1)[:, None, None]


def without_last(scores, real):
    pad = ~real
    pad[:, -1] = False
    return scores.masked_fill(pad[:, None], -INF).softmax(-1)


def cut(x, heads):
    return len(x), heads, x.shape[1], x.shape[2] // heads


def halves(first, second, *, one=True, two=True):
    def run(x, attention, feed_forward):
        x = one * x + attention(first(x))
        return two * x + feed_forward(second(x))

    return run


def once_normed(x, attention, feed_forward):
    x = norm(x)
    return (x := x + attention(x)) + feed_forward(norm(x))


def second_on_stream(x, attention, feed_forward):
    x = norm(x + attention(norm(x)))
    return x + feed_forward(x)


def add_normed(x, attention, feed_forward):
    x = norm(x) + attention(norm(x))
    return norm(x) + feed_forward(norm(x))


def no_path(x, attention, feed_forward):
    y = x + attention(norm(x)).detach()
    return y + feed_forward(norm(y))


WRONG = {
    "attention_scores": {
        "squared": lambda query, key: query @ key.mT / query.shape[-1] ** 2,
        "multiplied by d": lambda query, key: query @ key.mT * query.shape[-1],
        "cube root": lambda query, key: query @ key.mT / query.shape[-1] ** (1 / 3),
        "one off": lambda query, key: query @ key.mT / (query.shape[-1] + 1) ** 0.5,
        "one side of two": lambda query, key: (query / query.shape[-1] ** 0.25) @ key.mT,
        "rounded root": lambda query, key: query @ key.mT / int(query.shape[-1] ** 0.5),
        "softmax over queries": lambda query, key: (query @ key.mT / query.shape[-1] ** 0.5).softmax(1),
        "log softmax": lambda query, key: (query @ key.mT / query.shape[-1] ** 0.5).log_softmax(-1),
        "causal": lambda query, key: keep(
            query @ key.mT / query.shape[-1] ** 0.5, torch.ones(query.shape[1], key.shape[1]).tril().bool()
        ),
        "negative": lambda query, key: -query @ key.mT / query.shape[-1] ** 0.5,
        "absolute": lambda query, key: (query @ key.mT).abs() / query.shape[-1] ** 0.5,
        "clamped": lambda query, key: (query @ key.mT / query.shape[-1] ** 0.5).clamp(-1, 1),
        "normalised keys": lambda query, key: query @ F.normalize(key, dim=-1).mT / query.shape[-1] ** 0.5,
        "spread of the batch": lambda query, key: query @ key.mT / (query @ key.mT).std(correction=0),
        "keys cut off": lambda query, key: query @ key.detach().mT / query.shape[-1] ** 0.5,
        "numbers only": lambda query, key: (
            torch.tensor((query @ key.mT).tolist(), dtype=query.dtype) / query.shape[-1] ** 0.5
        ),
        "square only": lambda query, key: (
            torch.stack([(query * key.roll(-s, 1)).sum(-1) for s in range(query.shape[1])], -1).gather(
                2,
                (
                    (torch.arange(query.shape[1])[None] - torch.arange(query.shape[1])[:, None])
                    % query.shape[1]
                ).expand(len(query), -1, -1),
            )
            / query.shape[-1] ** 0.5
        ),
        "as floats": lambda query, key: query.float() @ key.float().mT / query.shape[-1] ** 0.5,
    },
    "causal_mask": {
        "first always": lambda length: torch.eye(length).bool() | (torch.arange(length) == 0),
        "hole": mask_with_hole,
        "window of three": lambda length: torch.ones(length, length).tril().triu(-2).bool(),
        "upside down": lambda length: torch.ones(length, length).tril().flip(0).bool(),
        "both flipped": lambda length: torch.ones(length, length).tril().flip(0, 1).bool(),
        "polarity and offset": lambda length: torch.ones(length, length).triu(2).bool(),
        "two leak": lambda length: torch.ones(length, length).tril(2).bool(),
        "future only": lambda length: torch.ones(length, length).triu(1).bool().T,
        "rows shifted": lambda length: torch.ones(length, length).tril().roll(1, 0).bool(),
        "every second": lambda length: (
            torch.ones(length, length).tril() * (torch.arange(length) % 2 == 0)
        ).bool(),
        "first row all": lambda length: (
            torch.ones(length, length).tril().bool() | (torch.arange(length)[:, None] == 0)
        ),
        "half": lambda length: (
            torch.ones(length, length).tril().bool()
            & (torch.arange(length) >= torch.arange(length)[:, None] // 2)
        ),
        "floats": lambda length: torch.ones(length, length).tril(),
        "minus infinity": lambda length: torch.full((length, length), -INF).triu(1),
        "whole numbers": lambda length: torch.ones(length, length).tril().long(),
        "right up to four": lambda length: torch.ones(length, length).tril().triu(-4).bool(),
        "window of eight": lambda length: torch.ones(length, length).tril().triu(-7).bool(),
        "window of sixteen": lambda length: torch.ones(length, length).tril().triu(-15).bool(),
        "short of one token": lambda length: (
            torch.ones(length, length).tril().bool() if length > 1 else torch.zeros(1, 1, dtype=torch.bool)
        ),
    },
    "padded_weights": {
        "minus one": lambda scores, real: keep(scores, real[:, None], -1.0).softmax(-1),
        "minus fifty": lambda scores, real: keep(scores, real[:, None], -50.0).softmax(-1),
        "minus a hundred": lambda scores, real: keep(scores, real[:, None], -100.0).softmax(-1),
        "a hundred less": lambda scores, real: (scores - 100 * ~real[:, None]).softmax(-1),
        "smallest of the row": lambda scores, real: torch.where(
            real[:, None], scores, scores.amin(-1, keepdim=True)
        ).softmax(-1),
        "smallest less ten": lambda scores, real: keep(scores, real[:, None], scores.min() - 10).softmax(-1),
        "minus ten thousand": lambda scores, real: keep(scores, real[:, None], -1e4).softmax(-1),
        "lowest of a half": lambda scores, real: keep(
            scores, real[:, None], torch.finfo(torch.float16).min
        ).softmax(-1),
        "smallest less fifty": lambda scores, real: keep(
            scores, real[:, None], scores.min().item() - 50
        ).softmax(-1),
        "one maximum": lambda scores, real: (
            (w := (keep(scores, real[:, None]) - keep(scores, real[:, None]).amax()).exp())
            / w.sum(-1, keepdim=True)
        ),
        "tempered": tempered,
        "redistributed": redistributed,
        "last PAD forgotten": without_last,
        "mask of the last text": lambda scores, real: keep(scores, real[-1]).softmax(-1),
        "masks joined": lambda scores, real: keep(scores, real.all(0)).softmax(-1),
        "any mask": lambda scores, real: keep(scores, real.any(0)).softmax(-1),
        "from the front": lambda scores, real: keep(scores, real.cumprod(1).bool()[:, None]).softmax(-1),
        "reversed": lambda scores, real: keep(scores, real.flip(1)[:, None]).softmax(-1),
        "sigmoid": lambda scores, real: keep(scores, real[:, None]).sigmoid(),
        "largest only": lambda scores, real: F.one_hot(
            keep(scores, real[:, None]).argmax(-1), scores.shape[-1]
        ).to(scores.dtype),
        "NaN replaced": lambda scores, real: keep(scores, ~real[:, None]).softmax(-1).nan_to_num(),
        "queries, NaN replaced": lambda scores, real: keep(scores, real[:, :, None]).softmax(-1).nan_to_num(),
        "both, NaN replaced": lambda scores, real: (
            keep(scores, real[:, None] & real[:, :, None]).softmax(-1).nan_to_num()
        ),
        "either": lambda scores, real: keep(scores, real[:, None] | real[:, :, None]).softmax(-1),
        "clamped sum": lambda scores, real: (
            (w := scores.softmax(-1) * real[:, None]) / w.sum(-1, keepdim=True).clamp(min=1e-6)
        ),
        "all subtracted": lambda scores, real: (
            (w := (scores - scores.amax(-1, keepdim=True)).exp() * real[:, None]) / w.sum(-1, keepdim=True)
        ),
        "count divides": lambda scores, real: (
            (scores.softmax(-1) * real[:, None]) / real.sum(-1)[:, None, None]
        ),
        "no graph": lambda scores, real: keep(scores.detach(), real[:, None]).softmax(-1),
        "only square": lambda scores, real: (
            keep(scores, real[:, None].expand(-1, scores.shape[2], -1)[:, : scores.shape[2]].clone())
            .softmax(-1)
            .reshape(len(scores), scores.shape[2], -1)
        ),
        "float64 always": lambda scores, real: keep(scores.double(), real[:, None]).softmax(-1),
    },
    "split_heads": {
        "channels reversed": lambda x, heads: split_by_view(x, heads).flip(-1),
        "tokens reversed": lambda x, heads: split_by_view(x, heads).flip(2),
        "heads rolled": lambda x, heads: split_by_view(x, heads).roll(1, 1),
        "mean for all": lambda x, heads: split_by_view(x, heads).mean(1, keepdim=True).expand(cut(x, heads)),
        "last for all": lambda x, heads: split_by_view(x, heads)[:, -1:].expand(cut(x, heads)),
        "divided by heads": lambda x, heads: split_by_view(x, heads) / heads,
        "normalised": lambda x, heads: F.normalize(split_by_view(x, heads), dim=-1),
        "permuted wrong": lambda x, heads: (
            x.unflatten(-1, (heads, -1)).permute(0, 2, 3, 1).reshape(cut(x, heads))
        ),
        "tokens dealt": lambda x, heads: (
            rearrange(x, "b n (h c) -> b h (n c)", h=heads).unflatten(-1, (-1, x.shape[1])).mT
        ),
        "interleaved by steps": lambda x, heads: torch.stack([x[..., h::heads] for h in range(heads)], 1),
        "one axis too early": lambda x, heads: x.unflatten(-1, (heads, -1)),
        "cut off": lambda x, heads: split_by_view(x.detach(), heads),
        "batch reversed": lambda x, heads: split_by_view(x, heads).flip(0),
    },
    "merge_heads": {
        "channels reversed": lambda x: merge_by_view(x.flip(-1)),
        "tokens reversed": lambda x: merge_by_view(x).flip(1),
        "all reversed": lambda x: merge_by_view(x).flip(-1),
        "summed": lambda x: x.sum(1).repeat(1, 1, x.shape[1]),
        "largest": lambda x: x.amax(1).repeat(1, 1, x.shape[1]),
        "last repeated": lambda x: x[:, -1].repeat(1, 1, x.shape[1]),
        "stacked last": lambda x: torch.stack(list(x.unbind(1)), -1).flatten(2),
        "joined along tokens": lambda x: torch.cat(list(x.unbind(1)), 1).reshape(len(x), x.shape[2], -1),
        "each channel repeated": lambda x: x[:, 0].repeat_interleave(x.shape[1], -1),
        "channels in front": lambda x: x.permute(0, 3, 1, 2).reshape(len(x), x.shape[2], -1),
        "averaged": lambda x: x.mean(1),
        "cut off": lambda x: merge_by_view(x.detach()),
        "root of heads": lambda x: merge_by_view(x) / x.shape[1] ** 0.5,
    },
    "pre_norm_block": {
        "only the first half on the stream": once_normed,
        "only the second half on the stream": second_on_stream,
        "normed residuals": add_normed,
        "input twice": lambda x, attention, feed_forward: (
            x + (y := x + attention(norm(x))) + feed_forward(norm(y))
        ),
        "sandwich": halves(norm, lambda x: norm(norm(x) + 1)),
        "post-norm inside": lambda x, attention, feed_forward: (
            (y := norm(x + attention(norm(x)))) + feed_forward(y)
        ),
        "one residual of the input": lambda x, attention, feed_forward: (
            x + feed_forward(norm(attention(norm(x))))
        ),
        "composed": lambda x, attention, feed_forward: x + feed_forward(attention(norm(x))),
        "averaged": lambda x, attention, feed_forward: (
            (y := (x + attention(norm(x))) / 2) + feed_forward(norm(y))
        ),
        "scaled by two": lambda x, attention, feed_forward: (
            (y := 2 * x + attention(norm(x))) + feed_forward(norm(y))
        ),
        "length one": halves(*[lambda x: F.normalize(x, dim=-1)] * 2),
        "softmax for norm": halves(*[lambda x: x.softmax(-1)] * 2),
        "std without eps": halves(*[lambda x: (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True)] * 2),
        "eps 1e-6": halves(*[lambda x: norm(x, 1e-6)] * 2),
        "eps 1e-12": halves(*[lambda x: norm(x, 1e-12)] * 2),
        "eps 1e-3": halves(*[lambda x: norm(x, 1e-3)] * 2),
        "one norm for the batch": halves(
            *[lambda x: (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()] * 2
        ),
        "attention cut off": no_path,
        "norm in between only": halves(lambda x: x, norm, two=False),
        "in place": lambda x, attention, feed_forward: x.add_(attention(norm(x))) + feed_forward(norm(x)),
    },
}


def pairs(table):
    return [
        pytest.param(name, function, id=f"{name}-{key}")
        for name, some in table.items()
        for key, function in (some.items() if isinstance(some, dict) else enumerate(some))
    ]


def verdict_of(name, function, seed) -> Verdict:
    return diagnose(registry.find(name), function, seed=seed)


@pytest.mark.parametrize(("name", "function"), pairs(RIGHT))
@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers_in_other_styles_pass(name, function, seed):
    found = verdict_of(name, function, seed)
    assert found.passed, str(found.message)


@pytest.mark.parametrize(("name", "function"), pairs(WRONG))
@pytest.mark.parametrize("seed", SEEDS)
def test_further_mistakes_do_not_pass(name, function, seed):
    found = verdict_of(name, function, seed)
    assert found.attempted and not found.passed


def test_padding_that_gets_next_to_nothing_is_told():
    def nearly(scores, real):
        return scores.masked_fill(~real[:, None], scores.min().item() - 50).softmax(-1)

    assert "not exactly 0" in verdict_of("padded_weights", nearly, 0).message.en


def test_keys_of_other_texts_are_told():
    def summed(query, key):
        return torch.einsum("bqd,ckd->bqk", query, key) / query.shape[-1] ** 0.5

    found = verdict_of("attention_scores", summed, 0)
    assert "do not depend on the others in the batch" in found.message.en
