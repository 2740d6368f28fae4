"""Chapter 03: right answers in many styles pass, wrong ones that nobody listed do not."""

import math

import pytest
import torch
import torch.nn.functional as F

from tests.exercises.verdicts import SEEDS, pairs, verdict_of
from vlmlearn.exercises import registry
from vlmlearn.exercises.chapter_03 import (
    chunked_loss,
    initial_values,
    padding_safe_mean,
    ring_step,
    sigmoid_loss,
)
from vlmlearn.exercises.reading import most_made_at_once
from vlmlearn.losses import siglip_loss


def logits_of(image, text, scale, bias):
    return scale * image @ text.T + bias


# Right


def sigmoid_by_loop(image, text, scale, bias):
    total = 0
    for i, picture in enumerate(image):
        for j, sentence in enumerate(text):
            z = scale * (picture @ sentence) + bias
            total = total - F.logsigmoid(z if i == j else -z)
    return total / len(image)


def sigmoid_by_two_parts(image, text, scale, bias):
    z, same = logits_of(image, text, scale, bias), torch.eye(len(image)).bool()
    return -(F.logsigmoid(z[same]).sum() + F.logsigmoid(-z[~same]).sum()) / len(text)


def sigmoid_by_log_add(image, text, scale, bias):
    z = logits_of(image, text, scale, bias)
    z = torch.where(torch.eye(len(z)) == 1, -z, z)
    return torch.logaddexp(z, torch.zeros_like(z)).sum(-1).mean()


def chunks_of_rows(image, text, scale, bias, chunk):
    """Slices of an index instead of a diagonal."""
    n, costs = len(image), []
    for rows in torch.arange(n).split(chunk):
        z = logits_of(image[rows], text, scale, bias)
        signs = torch.where(rows[:, None] == torch.arange(n)[None], 1, -1)
        costs.append(-F.logsigmoid(signs * z).sum())
    return sum(costs) / n


def chunks_by_one_hot(image, text, scale, bias, chunk):
    n, total = len(image), image.new_zeros(())
    for start in range(0, n, chunk):
        rows = torch.arange(start, min(start + chunk, n))
        signs = 2 * F.one_hot(rows, n) - 1
        total = total - F.logsigmoid(signs * logits_of(image[rows], text, scale, bias)).sum() / n
    return total


def chunks_in_two_directions(image, text, scale, bias, chunk):
    """Blocks of chunk × chunk."""
    total = image.new_zeros(())
    for i, some in enumerate(image.split(chunk)):
        for j, others in enumerate(text.split(chunk)):
            z = logits_of(some, others, scale, bias)
            total = total + F.softplus(z).sum() - (z.diagonal().sum() if i == j else 0)
    return total / len(image)


def ring_as_told(image, chunks, rank, step, scale, bias):
    """What every process holds, passed on step by step."""
    world, n, _ = chunks.shape
    held = list(range(world))
    for _ in range(step):
        held = [held[r - 1] for r in range(world)]
    origin = held[rank]
    positive = torch.eye(n) if origin == rank else torch.zeros(n, n)
    z = logits_of(image, chunks[origin], scale, bias)
    return F.binary_cross_entropy_with_logits(z, positive.to(z), reduction="sum") / n / world


def map_by_einsum(probe, tokens, real):
    scores = torch.einsum("d,npd->np", probe / probe.numel() ** 0.5, tokens)
    scores = torch.where(real, scores, -torch.inf)
    exp = (scores - scores.amax(1, keepdim=True).detach()).exp()
    return torch.einsum("np,npd->nd", exp / exp.sum(1, keepdim=True), tokens)


def map_by_lowest_number(probe, tokens, real):
    scores = (tokens * probe).sum(-1) * probe.shape[0] ** -0.5
    weights = scores.masked_fill(~real, torch.finfo(scores.dtype).min).softmax(-1)
    return (weights[..., None] * tokens).sum(1)


def safe_mean_by_where(features, real):
    if not real.any(dim=1).all():
        raise ValueError("every picture needs a real patch")
    kept = torch.where(real[:, :, None], features, torch.zeros_like(features))
    return torch.einsum("npd->nd", kept) / real.sum(1)[:, None]


def safe_mean_in_place(features, real):
    if real.sum(1).min() < 1:
        raise ValueError("empty")
    kept = features.clone()
    kept[~real] = 0
    return kept.sum(1) / real.sum(1, keepdim=True).to(kept)


RIGHT = {
    "sigmoid_loss": [
        sigmoid_by_loop,
        sigmoid_by_two_parts,
        sigmoid_by_log_add,
        siglip_loss,
        lambda image, text, scale, bias: siglip_loss(image, text, scale, bias, chunk_size=2),
    ],
    "initial_values": [
        lambda n, scale: torch.tensor([math.log(scale), math.log(1 / n / (1 - 1 / n))], dtype=torch.float32),
        lambda n, scale: -torch.log(torch.tensor([1 / scale, n - 1])),
        lambda n, scale: torch.tensor([math.log(scale), -math.log1p(n - 2)]),
    ],
    "chunked_loss": [
        chunks_of_rows,
        chunks_by_one_hot,
        chunks_in_two_directions,
        lambda image, text, scale, bias, chunk: siglip_loss(image, text, scale, bias, chunk_size=chunk),
    ],
    "ring_step": [ring_as_told],
    "map_head": [map_by_einsum, map_by_lowest_number],
    "padding_safe_mean": [safe_mean_by_where, safe_mean_in_place],
}

# Wrong, and not listed


def of_logits(cost):
    return lambda image, text, scale, bias: cost(logits_of(image, text, scale, bias)) / len(image)


def signs_of(z):
    return 2 * torch.eye(len(z)) - 1


def block_cost(z):
    return -F.logsigmoid(signs_of(z) * z).sum()


def in_chunks(cost):
    def run(image, text, scale, bias, chunk):
        n = len(image)
        return (
            sum(cost(logits_of(image[k : k + chunk], text, scale, bias), k) for k in range(0, n, chunk)) / n
        )

    return run


def softened(real):
    """Padding at half weight."""
    return torch.where(real, 1.0, 0.5)


WRONG = {
    "sigmoid_loss": {
        "squared": of_logits(lambda z: (signs_of(z) - z.tanh()).square().sum()),
        "hinge": of_logits(lambda z: (1 - signs_of(z) * z).relu().sum()),
        "first column": of_logits(lambda z: -F.logsigmoid((2 * (torch.arange(len(z)) == 0) - 1) * z).sum()),
        "shifted": of_logits(lambda z: -F.logsigmoid((2 * torch.eye(len(z)).roll(1, 0) - 1) * z).sum()),
        "bias twice": lambda image, text, scale, bias: sigmoid_loss(image, text, scale, 2 * bias),
        "no bias gradient": lambda image, text, scale, bias: sigmoid_loss(image, text, scale, bias.detach()),
        "no scale gradient": lambda image, text, scale, bias: sigmoid_loss(image, text, scale.item(), bias),
        "divided by n - 1": lambda image, text, scale, bias: (
            sigmoid_loss(image, text, scale, bias) * len(image) / max(1, len(image) - 1)
        ),
        "hardest negative": of_logits(
            lambda z: (
                F.softplus(-z.diagonal()).sum() + F.softplus((z - 1e4 * torch.eye(len(z))).amax(1)).sum()
            )
        ),
        "absolute": of_logits(lambda z: block_cost(z.abs())),
        "in bits": of_logits(lambda z: block_cost(z) / math.log(2)),
    },
    "initial_values": {
        "both scale": lambda n, scale: torch.tensor([math.log(scale), -math.log(n - 1) * scale]),
        "root": lambda n, scale: torch.tensor([math.log(scale), -math.log(n - 1) / 2]),
        "n + 1": lambda n, scale: torch.tensor([math.log(scale), -math.log(n + 1)]),
        "zero": lambda n, scale: torch.zeros(2),
        "two faults": lambda n, scale: torch.tensor([scale, -math.log(n)]),
        "a tuple": lambda n, scale: (math.log(scale), -math.log(n - 1)),
        "float64": lambda n, scale: initial_values(n, scale).double(),
    },
    "chunked_loss": {
        "offset one too far": in_chunks(
            lambda z, k: (
                -F.logsigmoid(
                    torch.where(torch.arange(z.shape[1]) == torch.arange(len(z))[:, None] + k + 1, 1, -1) * z
                ).sum()
            )
        ),
        "a positive a row chunk": in_chunks(
            lambda z, k: -F.logsigmoid(torch.where(torch.arange(z.shape[1]) == k, 1, -1) * z).sum()
        ),
        "all own positive": in_chunks(
            lambda z, k: (
                -F.logsigmoid(
                    torch.where((torch.arange(z.shape[1]) // len(z)) == k // len(z), 1, -1) * z
                ).sum()
            )
        ),
        "largest chunk": lambda image, text, scale, bias, chunk: torch.stack(
            [
                sigmoid_loss(a, b, scale, bias)
                for a, b in zip(image.split(chunk), text.split(chunk), strict=True)
            ]
        ).amax(),
        "chunk ignored": lambda image, text, scale, bias, chunk: sigmoid_loss(image, text, scale, bias),
        "whole matrix cut": lambda image, text, scale, bias, chunk: (
            -sum(
                part.sum()
                for part in F.logsigmoid(signs_of(image) * logits_of(image, text, scale, bias)).split(chunk)
            )
            / len(image)
        ),
        "labels of the whole": lambda image, text, scale, bias, chunk: (
            -sum(
                F.logsigmoid(s * logits_of(some, text, scale, bias)).sum()
                for s, some in zip(signs_of(image).split(chunk), image.split(chunk), strict=True)
            )
            / len(image)
        ),
    },
    "ring_step": {
        "mirrored": lambda image, chunks, rank, step, scale, bias: ring_step(
            image, chunks.flip(0), rank, step, scale, bias
        ),
        "twice the steps": lambda image, chunks, rank, step, scale, bias: ring_step(
            image, chunks, rank, 2 * step, scale, bias
        ),
        "rolled partners": lambda image, chunks, rank, step, scale, bias: ring_step(
            image, chunks.roll(1, 1), rank, step, scale, bias
        ),
        "own images everywhere": lambda image, chunks, rank, step, scale, bias: ring_step(
            chunks[rank], chunks, rank, step, scale, bias
        ),
        "a share a step": lambda image, chunks, rank, step, scale, bias: (
            ring_step(image, chunks, rank, step, scale, bias) / (step + 1)
        ),
        "sender's order": lambda image, chunks, rank, step, scale, bias: ring_step(
            image, chunks, step, rank, scale, bias
        ),
    },
    "map_head": {
        "half of padding": lambda probe, tokens, real: (
            ((tokens @ probe / len(probe) ** 0.5).exp() * softened(real)).softmax(1)[..., None] * tokens
        ).sum(1),
        "squared": lambda probe, tokens, real: map_by_einsum(2 * probe, tokens, real),
        "negative": lambda probe, tokens, real: map_by_einsum(-probe, tokens, real),
        "first patch": lambda probe, tokens, real: tokens[:, 0],
        "sum": lambda probe, tokens, real: (tokens * real[..., None]).sum(1),
        "probe alone": lambda probe, tokens, real: probe.expand(len(tokens), -1).clone(),
        "minus ten": lambda probe, tokens, real: (
            (tokens @ probe / len(probe) ** 0.5).masked_fill(~real, -10.0).softmax(1)[..., None] * tokens
        ).sum(1),
    },
    "padding_safe_mean": {
        "median": lambda features, real: torch.stack(
            [row[keep].median(0).values for row, keep in zip(features, real, strict=True)]
        ),
        "first real": lambda features, real: features[torch.arange(len(real)), real.int().argmax(1)],
        "root": lambda features, real: (
            torch.where(real[..., None], features, 0).sum(1) / real.sum(1, keepdim=True).sqrt()
        ),
        "whole batch clean": lambda features, real: safe_mean_by_where(features, real).nan_to_num(),
        "clamped": lambda features, real: safe_mean_by_where(features.clamp(-1, 1), real),
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


@pytest.mark.parametrize("wrong", ["chunk ignored", "whole matrix cut", "labels of the whole"])
def test_a_whole_matrix_is_seen_whatever_its_value(wrong):
    found = verdict_of("chunked_loss", WRONG["chunked_loss"][wrong], 0)
    assert found.kind == "property" and "larger than chunk × N" in found.message.en


def test_what_is_made_is_counted():
    x = torch.ones(4, 6)
    assert most_made_at_once(lambda x: x.T[:2].flatten(), x) == 8
    assert most_made_at_once(lambda x: x.add_(1)[1:].T, x) == 0
    assert most_made_at_once(lambda x, k: [x[0] * k, torch.zeros(k, 2)], x, 5) == 10
    assert most_made_at_once(lambda x: (x.sum(0), x @ x.T), x) == 16
    assert bool((x == 1).all())


def returning(value):
    """Right, but for a picture without a real patch."""

    def run(features, real):
        if real.any(1).all():
            return padding_safe_mean(features, real)
        if isinstance(value, type):
            raise value("no patch")
        return torch.full_like(features[:, 0], value)

    return run


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "you return NaN"),
        (0.0, "you still return a vector"),
        (IndexError, "something other than a `ValueError`"),
        (AssertionError, "something other than a `ValueError`"),
    ],
)
def test_a_picture_without_patches_has_to_raise(value, words):
    found = verdict_of("padding_safe_mean", returning(value), 0)
    assert found.kind == "property" and words in found.message.en
    assert verdict_of("padding_safe_mean", returning(ValueError), 0).passed


def test_without_a_check_the_empty_picture_is_told():
    def mean(features, real):
        return torch.where(real[..., None], features, 0).sum(1) / real.sum(1, keepdim=True)

    assert "you return NaN" in verdict_of("padding_safe_mean", mean, 0).message.en


@pytest.mark.parametrize("seed", SEEDS)
def test_features_that_are_normalised_again_are_told(seed):
    def loss(image, text, scale, bias):
        return sigmoid_loss(F.normalize(image, dim=-1), text, scale, bias)

    assert verdict_of("sigmoid_loss", loss, seed).kind == "gradient"


@pytest.mark.parametrize("filled", [-30.0, -200.0, -500.0])
def test_any_fixed_score_for_padding_is_recognised(filled):
    def pool(probe, tokens, real):
        scores = tokens @ probe / len(probe) ** 0.5
        return (scores.masked_fill(~real, filled).softmax(1)[..., None] * tokens).sum(1)

    assert verdict_of("map_head", pool, 0).mistake == "filled_too_high"


@pytest.mark.parametrize("n", [2, 3, 64, 1000])
def test_the_bias_of_chance_costs_least(n):
    bias = initial_values(n, 10.0)[1].double()

    def loss(bias):
        return F.softplus(-bias) + (n - 1) * F.softplus(bias)

    assert loss(bias) < min(loss(bias - 0.1), loss(bias + 0.1))
    expected = n * math.log(n) - (n - 1) * math.log(n - 1) if n > 1 else 0
    assert loss(bias).item() == pytest.approx(expected)
    assert loss(bias).item() <= math.log(n) + 1


def test_the_package_is_equal():
    for image, text, scale, bias in (case.arguments for case in registry.find("sigmoid_loss").cases(0)):
        torch.testing.assert_close(
            sigmoid_loss(image, text, scale, bias), siglip_loss(image, text, scale, bias)
        )
    for *arguments, chunk in (case.arguments for case in registry.find("chunked_loss").cases(0)):
        ours = chunked_loss(*arguments, chunk)
        torch.testing.assert_close(ours, siglip_loss(*arguments, chunk_size=chunk))


@pytest.mark.parametrize(("world", "n"), [(1, 3), (2, 4), (3, 2), (5, 1)])
def test_the_steps_of_the_ring_add_up_to_the_loss_of_the_batch(world, n):
    image, text = F.normalize(torch.randn(2, world, n, 4, dtype=torch.float64), dim=-1)
    scale, bias = torch.tensor(5.0).double(), torch.tensor(-2.0).double()
    parts = [
        ring_step(image[rank], text, rank, step, scale, bias)
        for rank in range(world)
        for step in range(world)
    ]
    whole = sigmoid_loss(image.flatten(0, 1), text.flatten(0, 1), scale, bias)
    torch.testing.assert_close(torch.stack(parts).sum(), whole)
