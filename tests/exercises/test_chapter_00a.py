"""Chapter 00a: answers as learners write them, right ones in many styles, wrong ones that no list foresaw."""

import math
from itertools import groupby

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from vlmlearn.exercises import chapter_00a, registry
from vlmlearn.exercises.diagnose import diagnose

SEEDS = (0, 1, 2**31)


def patches_by_loop(images, patch):
    places = range(0, images.shape[-1], patch)
    squares = [images[:, :, y : y + patch, x : x + patch].flatten(1) for y in places for x in places]
    return torch.stack(squares, dim=1)


def patches_by_permute(images, patch):
    b, c, side, _ = images.shape
    n = side // patch
    return images.reshape(b, c, n, patch, n, patch).permute(0, 2, 4, 1, 3, 5).reshape(b, n * n, -1)


def patches_by_convolution(images, patch):
    numbers = 3 * patch * patch
    kernel = torch.eye(numbers, dtype=images.dtype).view(numbers, 3, patch, patch)
    return F.conv2d(images, kernel, stride=patch).flatten(2).transpose(1, 2)


def patches_by_views(images, patch):
    cut = images.unfold(2, patch, patch).unfold(3, patch, patch)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def encode_into_full(words, vocabulary, length):
    row = torch.full((length,), vocabulary["<pad>"])
    row[0] = vocabulary["<bos>"]
    for place, word in enumerate(words, 1):
        row[place] = vocabulary[word]
    row[len(words) + 1] = vocabulary["<eos>"]
    return row


def encode_by_numpy(words, vocabulary, length):
    marked = ["<bos>", *words, "<eos>"]
    marked += ["<pad>"] * (length - len(marked))
    return torch.from_numpy(np.array([vocabulary[word] for word in marked]))


def encode_by_padding(words, vocabulary, length):
    ids = torch.tensor(list(map(vocabulary.__getitem__, ["<bos>", *words, "<eos>"])))
    return F.pad(ids, (0, length - len(ids)), value=vocabulary["<pad>"])


def decode_by_index(ids, words):
    row = [int(k) for k in ids]
    end = words.index("<eos>")
    row = row[: row.index(end)] if end in row else row
    return " ".join([words[k] for k in row if words[k] not in ("<bos>", "<pad>")])


def decode_by_text(ids, words):
    text = " ".join(words[k] for k in ids)
    return " ".join(text.split("<eos>")[0].replace("<bos>", " ").replace("<pad>", " ").split())


def decode_by_mask(ids, words):
    pad, bos, eos = (words.index(word) for word in ("<pad>", "<bos>", "<eos>"))
    ended = (ids == eos).cumsum(0) > 0
    return " ".join(words[k] for k in ids[~ended & (ids != pad) & (ids != bos)].tolist())


def lse_by_keepdim(x):
    m = x.max(dim=-1, keepdim=True).values
    return (torch.log(torch.sum(torch.exp(x - m), dim=-1, keepdim=True)) + m).squeeze(-1)


def lse_with_constant_maximum(x):
    m = x.detach().amax(1)
    return ((x.T - m).T).exp().sum(1).log() + m


def lse_by_pairs(x):
    total = x[:, 0]
    for column in x.T[1:]:
        total = torch.logaddexp(total, column)
    return total


def lse_by_rows(x):
    return torch.stack([row.max() + torch.log(torch.exp(row - row.max()).sum()) for row in x])


def loss_by_indices(logits, labels):
    shifted = logits - logits.max(dim=1, keepdim=True)[0]
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -log_p[torch.arange(len(labels)), labels].mean()


def loss_by_one_hot(logits, labels):
    one_hot = torch.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return -(one_hot * logits.log_softmax(-1)).sum() / len(logits)


def loss_by_loop(logits, labels):
    losses = [torch.logsumexp(row, 0) - row[k] for row, k in zip(logits, labels, strict=True)]
    return sum(losses) / len(losses)


def loss_by_gaps(logits, labels):
    return (logits - logits.gather(1, labels.unsqueeze(1))).logsumexp(1).mean()


def cosines_by_loop(embeddings, real):
    means = torch.stack([text[keep].mean(0) for text, keep in zip(embeddings, real, strict=True)])
    return torch.stack([torch.stack([F.cosine_similarity(a, b, dim=0) for b in means]) for a in means])


def cosines_of_sums(embeddings, real):
    total = torch.einsum("nld,nl->nd", embeddings, real.to(embeddings))
    total = total / total.pow(2).sum(1, keepdim=True).sqrt()
    return torch.mm(total, total.t())


def cosines_of_full_length(embeddings, real):
    """Division by the full length, not by the number of words, changes no direction."""
    mean = embeddings.masked_fill(~real.unsqueeze(-1), 0).mean(dim=1)
    return F.normalize(mean, dim=1) @ F.normalize(mean, dim=1).T


def cosines_after_product(embeddings, real):
    mean = torch.where(real[:, :, None], embeddings, 0).sum(1) / real.sum(1)[:, None]
    scores, norms = mean @ mean.T, mean.norm(dim=1)
    return scores / (norms[:, None] * norms[None, :])


RIGHT = {
    "patchify": [
        patches_by_loop,
        patches_by_permute,
        patches_by_convolution,
        patches_by_views,
        lambda images, patch: F.unfold(images, patch, stride=patch).transpose(1, 2),
        lambda images, patch: F.pixel_unshuffle(images, patch).flatten(2).transpose(1, 2),
        lambda images, patch: rearrange(images, "b c (y h) (x w) -> b (y x) (c h w)", h=patch, w=patch),
    ],
    "encode": [encode_into_full, encode_by_numpy, encode_by_padding],
    "decode": [decode_by_index, decode_by_text, decode_by_mask],
    "log_sum_exp": [
        lse_by_keepdim,
        lse_with_constant_maximum,
        lse_by_pairs,
        lse_by_rows,
        lambda x: torch.logsumexp(x, dim=-1),
        lambda x: x[:, 0] - x.log_softmax(1)[:, 0],
    ],
    "cross_entropy": [
        loss_by_indices,
        loss_by_one_hot,
        loss_by_loop,
        loss_by_gaps,
        lambda logits, labels: F.cross_entropy(logits, labels),
    ],
    "cosine_matrix": [cosines_by_loop, cosines_of_sums, cosines_of_full_length, cosines_after_product],
}


def in_place(words, vocabulary, length):
    words.insert(0, "<bos>")
    words.append("<eos>")
    return torch.tensor([vocabulary[w] for w in words] + [vocabulary["<pad>"]] * (length - len(words)))


def encode_twice_ended(words, vocabulary, length):
    row = encode_into_full(words, vocabulary, length)
    row[-1] = vocabulary["<eos>"]
    return row


def until_eos(ids, words):
    said = [words[k] for k in ids.tolist()]
    return said[: said.index("<eos>")] if "<eos>" in said else said


def decode_between_ends(ids, words):
    said = until_eos(ids, words)
    while said and said[0] in ("<bos>", "<pad>"):
        said.pop(0)
    while said and said[-1] in ("<bos>", "<pad>"):
        said.pop()
    return " ".join(said)


def decode_from_bos(ids, words):
    said = [words[k] for k in ids.tolist()]
    said = said[said.index("<bos>") + 1 :] if "<bos>" in said else said
    said = said[: said.index("<eos>")] if "<eos>" in said else said
    return " ".join(w for w in said if w != "<pad>")


def decode_ignoring_eos_in_front(ids, words):
    said = [words[k] for k in ids.tolist() if words[k] not in ("<bos>", "<pad>")]
    end = said.index("<eos>") if "<eos>" in said else len(said)
    return " ".join(said[:end] or said[1:])


def flat_strided(images, patch):
    return torch.cat(
        [images[:, :, y::patch, x::patch].flatten(2) for y in range(patch) for x in range(patch)], 1
    ).transpose(1, 2)


def by_channel(log_p, labels):
    return -log_p[labels % len(labels), labels].mean()


def partly_constant(x):
    m = x.amax(1)
    return (x - m.detach()[:, None]).exp().sum(1).log() + m


def mean_of(embeddings, real):
    return (embeddings * real[..., None]).sum(1) / real.sum(1, keepdim=True)


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def product(x):
    return x @ x.T


right = chapter_00a
WRONG = {
    "patchify": [
        flat_strided,
        lambda images, patch: right.patchify(images, patch).flip(1),
        lambda images, patch: right.patchify(images, patch).flip(2),
        lambda images, patch: right.patchify(images.flip(2), patch),
        lambda images, patch: right.patchify(images.flip(3), patch),
        lambda images, patch: right.patchify(images.roll(1, 3), patch),
        lambda images, patch: right.patchify(images / 255, patch),
        lambda images, patch: right.patchify(images.mean(1, keepdim=True).expand_as(images), patch),
        lambda images, patch: right.patchify(images, patch).detach(),
        lambda images, patch: right.patchify(images.flip(0), patch),
        lambda images, patch: right.patchify(images, patch).transpose(1, 2),
        lambda images, patch: F.pixel_shuffle(F.pixel_unshuffle(images, patch), patch).reshape(
            len(images), -1, 3 * patch**2
        ),
        lambda images, patch: right.patchify(images - images.mean(), patch),
    ],
    "encode": [
        in_place,
        encode_twice_ended,
        lambda words, vocabulary, length: right.encode(words, vocabulary, length).float(),
        lambda words, vocabulary, length: right.encode(words, vocabulary, length).int(),
        lambda words, vocabulary, length: right.encode(words, vocabulary, length).flip(0),
        lambda words, vocabulary, length: right.encode(words, vocabulary, length) + 1,
        lambda words, vocabulary, length: right.encode(words, vocabulary, length) - 1,
        lambda words, vocabulary, length: right.encode(words[:-1], vocabulary, length),
        lambda words, vocabulary, length: right.encode(words, vocabulary, length).sort().values,
        lambda words, vocabulary, length: right.encode(words, vocabulary, length)[None],
        lambda words, vocabulary, length: right.encode(words, vocabulary, length).tolist(),
        lambda words, vocabulary, length: right.encode(words, vocabulary, len(words) + 2),
        lambda words, vocabulary, length: right.encode(words, {**vocabulary, "<pad>": -100}, length),
        lambda words, vocabulary, length: right.encode(words, {**vocabulary, "<bos>": 1}, length),
        lambda words, vocabulary, length: right.encode(words, {**vocabulary, "<eos>": 2}, length),
        lambda words, vocabulary, length: (
            right.encode(words, vocabulary, length) != vocabulary["<pad>"]
        ).long(),
    ],
    "decode": [
        lambda ids, words: right.decode(ids, words) + ".",
        lambda ids, words: right.decode(ids, words).capitalize(),
        lambda ids, words: right.decode(ids, words).split(),
        lambda ids, words: right.decode(ids, words).replace(" ,", ","),
        lambda ids, words: ", ".join(right.decode(ids, words).split()),
        lambda ids, words: "\n".join(right.decode(ids, words).split()),
        lambda ids, words: right.decode(ids.flip(0), words),
        lambda ids, words: right.decode(ids[:-1], words),
        lambda ids, words: right.decode(ids[1:], words) if len(ids) > 4 else "",
        lambda ids, words: " ".join(sorted(right.decode(ids, words).split())),
        lambda ids, words: " ".join(words[k] for k in ids.tolist()[1:-1]),
        lambda ids, words: " ".join(w for w in map(words.__getitem__, ids.tolist()) if w.isalpha()),
        lambda ids, words: " ".join(words[k] for k in sorted(set(ids.tolist())) if "<" not in words[k]),
        lambda ids, words: right.decode(ids, words).encode(),
        lambda ids, words: " ".join(w for w in until_eos(ids, words) if not w.startswith("<")),
        lambda ids, words: " ".join(until_eos(ids, words)).replace("<bos>", "").replace("<pad>", "").strip(),
        lambda ids, words: " ".join(w for w, _ in groupby(right.decode(ids, words).split())),
        lambda ids, words: right.decode(torch.tensor([*ids.tolist()[1:], *ids.tolist()[:1]]), words),
        decode_between_ends,
        decode_from_bos,
        decode_ignoring_eos_in_front,
    ],
    "log_sum_exp": [
        partly_constant,
        lambda x: right.log_sum_exp(x).detach(),
        lambda x: right.log_sum_exp(x)[:, None],
        lambda x: right.log_sum_exp(x.float()),
        lambda x: right.log_sum_exp(x.abs()),
        lambda x: right.log_sum_exp(x - x.mean(1, keepdim=True)),
        lambda x: -right.log_sum_exp(-x),
        lambda x: right.log_sum_exp(x).exp(),
        lambda x: right.log_sum_exp(x / 2) * 2,
        lambda x: right.log_sum_exp(x).flip(0),
        lambda x: right.log_sum_exp(x[:, :-1]) if x.shape[1] > 1 else x[:, 0],
        lambda x: x.clamp(max=700).exp().sum(1).log(),
        lambda x: (x.exp().sum(1) + 1e-30).log(),
        lambda x: x.nan_to_num().exp().nan_to_num(1e300).sum(1).log(),
        lambda x: x.amax(1) + math.log(x.shape[1]),
        lambda x: (x / 100).exp().sum(1).log() * 100,
        lambda x: x.sum(1),
        lambda x: right.log_sum_exp(x) + 1e-3,
    ],
    "cross_entropy": [
        lambda logits, labels: right.cross_entropy(logits, labels).detach(),
        lambda logits, labels: right.cross_entropy(logits, labels)[None],
        lambda logits, labels: right.cross_entropy(logits, labels).item(),
        lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.1),
        lambda logits, labels: F.cross_entropy(logits, labels, reduction="none").amax(),
        lambda logits, labels: F.cross_entropy(logits, labels, reduction="none").median(),
        lambda logits, labels: F.cross_entropy(logits.log_softmax(1).exp() * 2, labels),
        lambda logits, labels: F.cross_entropy(-logits, labels),
        lambda logits, labels: F.cross_entropy(logits.abs(), labels),
        lambda logits, labels: F.cross_entropy(F.normalize(logits), labels),
        lambda logits, labels: F.cross_entropy(logits, labels.flip(0)),
        lambda logits, labels: F.cross_entropy(logits.clamp(-50, 50), labels),
        lambda logits, labels: F.cross_entropy(logits, labels).clamp(max=100),
        lambda logits, labels: F.cross_entropy(logits, logits.argmax(1)),
        lambda logits, labels: F.multi_margin_loss(logits, labels),
        lambda logits, labels: F.cross_entropy(logits, labels).exp(),
        lambda logits, labels: F.cross_entropy(logits[:1], labels[:1]),
        lambda logits, labels: -(logits.softmax(1) + 1e-12).log()[torch.arange(len(labels)), labels].mean(),
        lambda logits, labels: by_channel(logits.log_softmax(1), labels),
        lambda logits, labels: -logits.double().softmax(1).log().to(logits).gather(1, labels[:, None]).mean(),
    ],
    "cosine_matrix": [
        lambda embeddings, real: right.cosine_matrix(embeddings, real).detach(),
        lambda embeddings, real: right.cosine_matrix(embeddings, real).square(),
        lambda embeddings, real: right.cosine_matrix(embeddings, real).clamp(min=0),
        lambda embeddings, real: right.cosine_matrix(embeddings, real).abs(),
        lambda embeddings, real: right.cosine_matrix(embeddings, real).softmax(1),
        lambda embeddings, real: right.cosine_matrix(embeddings, real).triu(),
        lambda embeddings, real: right.cosine_matrix(embeddings, real).acos(),
        lambda embeddings, real: right.cosine_matrix(embeddings, real.flip(1)),
        lambda embeddings, real: right.cosine_matrix(embeddings, real.flip(0)),
        lambda embeddings, real: right.cosine_matrix(embeddings.abs(), real),
        lambda embeddings, real: product(unit(mean_of(embeddings - embeddings.mean(), real))),
        lambda embeddings, real: product(unit(mean_of(embeddings, real)).softmax(1)),
        lambda embeddings, real: product(mean_of(embeddings, real) / mean_of(embeddings, real).amax()),
        lambda embeddings, real: product(unit((embeddings * real[..., None]).square().sum(1))),
        lambda embeddings, real: product(unit((embeddings * real[..., None]).prod(1))),
        lambda embeddings, real: product(unit((embeddings * real[..., None]).amax(1))),
        lambda embeddings, real: product(unit(embeddings.median(1).values)),
        lambda embeddings, real: torch.cdist(mean_of(embeddings, real), mean_of(embeddings, real)),
        lambda embeddings, real: torch.corrcoef(mean_of(embeddings, real)).reshape(len(real), -1),
    ],
}


def each(answers):
    return [pytest.param(n, f, id=f"{n}-{i}") for n, some in answers.items() for i, f in enumerate(some)]


@pytest.mark.parametrize(("name", "function"), each(RIGHT))
@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers_pass(name, function, seed):
    found = diagnose(registry.find(name), function, seed=seed)
    assert found.passed, str(found.message)


@pytest.mark.parametrize(("name", "function"), each(WRONG))
@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_answers_do_not_pass(name, function, seed):
    found = diagnose(registry.find(name), function, seed=seed)
    assert found.attempted and not found.passed
    assert len(found.message.zh) < 1500 and len(found.message.en) < 1500


def test_changing_the_list_of_words_is_told():
    found = diagnose(registry.find("encode"), in_place)
    assert found.kind == "changed_input" and "`words`" in found.message.en


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [
        ("log_sum_exp", lambda x: (x.exp().sum(1) + 1e-9).log(), "finite numbers give a finite result"),
        (
            "decode",
            lambda ids, words: " ".join(str(k) for k in ids.tolist()),
            "BOS, one word and EOS give that word",
        ),
        (
            "cosine_matrix",
            lambda embeddings, real: right.cosine_matrix(embeddings, real).abs(),
            "a cosine may be negative",
        ),
    ],
)
def test_the_broken_property_is_the_one_that_helps(name, function, said):
    found = diagnose(registry.find(name), function)
    assert said in found.message.en


def test_an_unlisted_text_is_shown_beside_the_right_one():
    found = diagnose(registry.find("decode"), lambda ids, words: chapter_00a.decode(ids, words) + ".")
    assert found.kind == "property"
    assert "expected  'ring'\nreturned  'ring.'" in found.message.en.replace("    ", "")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("log_sum_exp", (torch.zeros(2, 48),)),
        ("cross_entropy", (torch.zeros(2, 48), torch.tensor([0, 47]))),
    ],
)
def test_knowing_nothing_among_48(name, arguments):
    assert getattr(chapter_00a, name)(*arguments).mean().item() == pytest.approx(math.log(48), abs=1e-5)


def test_patches_and_a_linear_layer_equal_a_convolution():
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    kernel = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    by_convolution = F.conv2d(images, kernel, stride=4).flatten(2).transpose(1, 2)
    torch.testing.assert_close(chapter_00a.patchify(images, 4) @ kernel.flatten(1).T, by_convolution)
