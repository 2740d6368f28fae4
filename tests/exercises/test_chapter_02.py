"""Chapter 02: right answers in many styles pass, wrong ones that nobody listed do not."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.exercises.verdicts import SEEDS, pairs, verdict_of
from vlmlearn.exercises import registry
from vlmlearn.exercises.chapter_02 import swap_objects
from vlmlearn.heads.retrieval import ensemble_prompts
from vlmlearn.metrics import average_precision as package_precision
from vlmlearn.world import Tokenizer, sample_scenes, swapped_captions


def unit(x):
    return x / x.pow(2).sum(-1, keepdim=True).sqrt()


# Right


def zero_shot_one_by_one(image, classes, scale):
    rows = []
    for picture in image:
        cosines = torch.stack([F.cosine_similarity(picture, c, dim=0) for c in classes])
        exp = torch.exp(scale * (cosines - cosines.max()))
        rows.append(exp / exp.sum())
    return torch.stack(rows)


def ensemble_by_running_sum(features):
    total = 0
    for k in range(features.size(1)):
        total = total + F.normalize(features[:, k], dim=1)
    return total / torch.linalg.norm(total, dim=-1, keepdim=True)


def eos_by_gather(tokens, ids, eos_id):
    place = torch.where(ids == eos_id, torch.arange(ids.shape[1]), ids.shape[1]).amin(1)
    return tokens.gather(1, place[:, None, None].expand(-1, 1, tokens.shape[-1])).squeeze(1)


def eos_by_numpy(tokens, ids, eos_id):
    return tokens[range(len(ids)), np.argmax(ids.numpy() == eos_id, axis=1)]


def attention_by_fused_kernel(query, key, real):
    """Values of the identity return the weights."""
    length = real.shape[1]
    mask = torch.ones(length, length).tril().bool() & real[:, None]
    one = torch.eye(length, dtype=query.dtype).expand(len(real), -1, -1)
    return F.scaled_dot_product_attention(query, key, one, attn_mask=mask) * mask.any(-1, keepdim=True)


def attention_by_adding(query, key, real):
    scores = torch.baddbmm(torch.zeros((), dtype=query.dtype), query, key.mT, alpha=query.shape[-1] ** -0.5)
    hidden = ~torch.ones(real.shape[1], real.shape[1]).tril().bool() | ~real[:, None]
    weights = (scores + hidden * -1e9).softmax(-1)
    return torch.where(hidden, 0, weights)


def precision_by_tie_groups(scores, relevant):
    found = seen = total = 0
    for level in sorted(set(scores.tolist()), reverse=True):
        group = scores == level
        new = int((group & relevant).sum())
        found, seen = found + new, seen + int(group.sum())
        total += new * found / seen
    return total / int(relevant.sum())


def swap_by_tuple_of_copies(ids, article):
    a, b = [k for k, word in enumerate(ids) if word == article][:2]
    out = ids.clone()
    out[a : a + 4], out[b : b + 4] = out[b : b + 4].clone(), out[a : a + 4].clone()
    return out


def swap_by_concatenation(ids, article):
    a, b = (ids == article).nonzero().flatten()[:2]
    return torch.cat([ids[:a], ids[b : b + 4], ids[a + 4 : b], ids[a : a + 4], ids[b + 4 :]])


def swap_words_without_article(ids, article):
    """The articles are equal, so they may stay."""
    a, b = (ids == article).nonzero()[:2, 0] + 1
    out = ids.clone()
    out[a : a + 3], out[b : b + 3] = ids[b : b + 3], ids[a : a + 3]
    return out


RIGHT = {
    "zero_shot": [
        zero_shot_one_by_one,
        lambda image, classes, scale: nn.Softmax(1)(
            torch.einsum("id,cd->ic", unit(image), scale * unit(classes))
        ),
    ],
    "prompt_ensemble": [
        ensemble_by_running_sum,
        lambda features: unit(unit(features).mean(dim=-2)),
        lambda features: F.normalize(torch.einsum("ctd->cd", F.normalize(features, dim=2)), dim=1),
    ],
    "eos_pooling": [
        eos_by_gather,
        eos_by_numpy,
        lambda tokens, ids, eos_id: torch.stack(
            [t[(row == eos_id).nonzero()[0, 0]] for t, row in zip(tokens, ids, strict=True)]
        ),
    ],
    "text_attention": [attention_by_fused_kernel, attention_by_adding],
    "average_precision": [
        precision_by_tie_groups,
        lambda scores, relevant: package_precision(scores[None], relevant[None])[0],
    ],
    "swap_objects": [swap_by_tuple_of_copies, swap_by_concatenation, swap_words_without_article],
}

# Wrong, and not listed


def precision_without_last(scores, relevant):
    places = sorted(range(len(scores)), key=lambda i: -float(scores[i]))
    precisions = [
        sum(bool(relevant[j]) for j in places[: k + 1]) / (k + 1)
        for k in range(len(places))
        if relevant[places[k]]
    ]
    return sum(precisions[:-1] or precisions) / max(1, len(precisions) - 1)


def swap_in_relation_too(ids, article):
    a, b = (ids == article).nonzero()[:2, 0].tolist()
    return torch.cat([ids[:a], ids[a + 4 : b], ids[b : b + 4], ids[a : a + 4], ids[b + 4 :]])


def masked(mask):
    def run(query, key, real):
        visible = mask(real)
        scores = query @ key.mT / query.shape[-1] ** 0.5
        return scores.masked_fill(~visible, torch.finfo(scores.dtype).min).softmax(-1) * visible

    return run


def tril(real, k=0):
    return torch.ones(real.shape[1], real.shape[1]).tril(k).bool()


WRONG = {
    "zero_shot": {
        "squared scale": lambda image, classes, scale: (scale**2 * unit(image) @ unit(classes).T).softmax(1),
        "absolute": lambda image, classes, scale: (scale * (unit(image) @ unit(classes).T).abs()).softmax(1),
        "distance": lambda image, classes, scale: (-scale * torch.cdist(unit(image), unit(classes))).softmax(
            1
        ),
        "even": lambda image, classes, scale: torch.full(
            (len(image), len(classes)), 1 / len(classes), dtype=image.dtype
        ),
        "twice": lambda image, classes, scale: (scale * unit(image) @ unit(classes).T).softmax(1).softmax(1),
        "root of dim": lambda image, classes, scale: (
            scale * unit(image) @ unit(classes).T / image.shape[1] ** 0.5
        ).softmax(1),
        "transposed": lambda image, classes, scale: (scale * unit(classes) @ unit(image).T).softmax(0),
        "bound of 50": lambda image, classes, scale: (
            min(scale, 50.0) * unit(image) @ unit(classes).T
        ).softmax(1),
    },
    "prompt_ensemble": {
        "weighted": lambda features: unit(unit(features).cumsum(1).mean(1)),
        "half": lambda features: unit(unit(features)[:, : max(1, features.shape[1] // 2)].mean(1)),
        "over classes": lambda features: unit(unit(features).mean(1) - unit(features).mean((0, 1))),
        "softmax": lambda features: unit(features).mean(1).softmax(-1),
        "square root": lambda features: unit((features / features.norm(dim=-1, keepdim=True).sqrt()).mean(1)),
        "all alike": lambda features: unit(unit(features).mean((0, 1))).expand(len(features), -1).clone(),
    },
    "eos_pooling": {
        "largest": lambda tokens, ids, eos_id: tokens.amax(1),
        "second": lambda tokens, ids, eos_id: tokens[:, min(1, tokens.shape[1] - 1)],
        "lowest id": lambda tokens, ids, eos_id: tokens[torch.arange(len(ids)), ids.argmin(1)],
        "normalised": lambda tokens, ids, eos_id: F.normalize(eos_by_gather(tokens, ids, eos_id), dim=-1),
        "others' place": lambda tokens, ids, eos_id: eos_by_gather(tokens, ids.flip(0), eos_id),
    },
    "text_attention": {
        "window": masked(lambda real: tril(real) & ~tril(real, -3) & real[:, None]),
        "first always": masked(
            lambda real: (tril(real) & real[:, None]) | (torch.arange(real.shape[1]) == 0)
        ),
        "self always": masked(lambda real: (tril(real) & real[:, None]) | torch.eye(real.shape[1]).bool()),
        "by length": masked(
            lambda real: tril(real) & (torch.arange(real.shape[1]) < real.sum(1, keepdim=True))[:, None]
        ),
        "flipped": masked(lambda real: tril(real) & real.flip(1)[:, None]),
        "all texts": masked(lambda real: (tril(real) & real.all(0)).expand(len(real), -1, -1)),
        "minus thirty": lambda query, key, real: (
            (query @ key.mT / query.shape[-1] ** 0.5)
            .masked_fill(~(tril(real) & real[:, None]), -30.0)
            .softmax(-1)
        ),
        "minus a hundred, then zeros": lambda query, key, real: (
            (query @ key.mT / query.shape[-1] ** 0.5)
            .masked_fill(~(tril(real) & real[:, None]), -100.0)
            .softmax(-1)
            * (tril(real) & real[:, None])
        ),
    },
    "average_precision": {
        "last left out": precision_without_last,
        "squared": lambda scores, relevant: precision_by_tie_groups(scores, relevant) ** 2,
        "best only": lambda scores, relevant: float(relevant[scores.argmax()]),
        "irrelevant": lambda scores, relevant: (
            precision_by_tie_groups(scores, ~relevant) if (~relevant).any() else 1.0
        ),
        "absolute": lambda scores, relevant: precision_by_tie_groups(scores.abs(), relevant),
        "always one": lambda scores, relevant: 1.0,
        "rounded": lambda scores, relevant: precision_by_tie_groups((100 * scores).round(), relevant),
    },
    "swap_objects": {
        "order of relation": swap_in_relation_too,
        "rolled": lambda ids, article: ids.roll(1),
        "article after BOS": lambda ids, article: (
            swap_objects(ids, int(ids[1])) if (ids == ids[1]).sum() > 1 else ids.clone()
        ),
        "sorted": lambda ids, article: ids.sort().values,
        "articles gone": lambda ids, article: torch.where(ids == article, 0, swap_objects(ids, article)),
        "without padding": lambda ids, article: swap_objects(ids, article)[: int((ids != 0).sum())],
    },
}


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


def test_the_tuple_swap_of_views_is_the_listed_mistake():
    """As people write it: right for lists, wrong for tensors."""

    def swap(ids, article):
        a, b = (ids == article).nonzero()[:2, 0].tolist()
        out = ids.clone()
        out[a : a + 4], out[b : b + 4] = out[b : b + 4], out[a : a + 4]
        return out

    assert verdict_of("swap_objects", swap, 0).mistake == "second_twice"


def test_writing_into_the_caption_itself_is_said():
    def swap(ids, article):
        a, b = (ids == article).nonzero()[:2, 0].tolist()
        ids[a : a + 4], ids[b : b + 4] = ids[b : b + 4].clone(), ids[a : a + 4].clone()
        return ids

    assert verdict_of("swap_objects", swap, 0).kind == "changed_input"


@pytest.mark.parametrize(("language", "article"), [("en", "a"), ("zh", "一个")])
def test_the_swap_is_that_of_the_world(language, article):
    scenes, tokenizer = sample_scenes(200, objects=(2, 4)), Tokenizer()
    true, false, usable = swapped_captions(scenes, "relation", language)
    assert usable.all()
    article = int(tokenizer.encode(article)[0, 1])
    swapped = torch.stack([swap_objects(ids, article) for ids in tokenizer.encode(true)])
    assert torch.equal(swapped, tokenizer.encode(false))


def test_the_package_is_equal():
    exercise = registry.find("prompt_ensemble")
    for case in exercise.cases(0):
        ours = exercise.reference(*case.arguments)
        torch.testing.assert_close(ensemble_prompts(*case.arguments), ours.float(), atol=1e-5, rtol=1e-5)
    exercise = registry.find("average_precision")
    for scores, relevant in (case.arguments for case in exercise.cases(0)):
        expected = float(package_precision(scores[None], relevant[None])[0])
        assert math.isclose(exercise.reference(scores, relevant), expected, abs_tol=1e-12)
