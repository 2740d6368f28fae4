"""Every exercise: the reference passes, right variants pass, every mistake is named, in two languages."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from sklearn.metrics import average_precision_score

from vlmlearn.exercises import registry
from vlmlearn.exercises.diagnose import diagnose
from vlmlearn.exercises.exercise import Exercise
from vlmlearn.exercises.outcome import complaint, run, same
from vlmlearn.exercises.repair import Repair
from vlmlearn.losses.boxes import giou_loss

ALL = [e for e in map(registry.find, registry.names()) if not isinstance(e, Repair)]  # see test_repair
SEEDS = (0, 1, 2**31)
every_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.name)


def outcomes(exercise: Exercise, function, seed: int):
    return [run(function, case, exercise.parameters) for case in exercise.cases(seed)]


@every_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_reference_passes(exercise, seed):
    assert diagnose(exercise, exercise.reference, seed=seed).passed


@every_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_mistakes_return_the_right_kind_and_are_told_apart(exercise, seed):
    right = outcomes(exercise, exercise.reference, seed)
    found = {m.name: outcomes(exercise, m.function, seed) for m in exercise.mistakes}
    for name, results in found.items():
        pairs = zip(right, results, strict=True)
        kinds = [complaint(r.value, f.value, any_length=exercise.any_length) for r, f in pairs]
        assert not any(kinds), (name, kinds)
        assert not any(f.changed for f in results), name
    found["the reference"] = right
    alike = [(a, b) for a, b in itertools.combinations(found, 2) if all(map(same, found[a], found[b]))]
    assert alike == []


@every_exercise
def test_every_mistake_is_named(exercise):
    for mistake in exercise.mistakes:
        found = diagnose(exercise, mistake.function, seed=5)
        assert (found.kind, found.mistake) == ("mistake", mistake.name)
        for language in ("zh", "en"):
            assert mistake.message.text(language) in found.message.text(language)


@every_exercise
def test_texts_are_complete_in_both_languages(exercise):
    assert len(exercise.mistakes) >= 6
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes)
    texts = [m.message for m in exercise.mistakes] + list(exercise.hints)
    for message in texts + [type(message)(p.zh, p.en) for p in exercise.properties for message in texts[:1]]:
        assert any("一" <= character <= "鿿" for character in message.zh), message
        assert not any("一" <= character <= "鿿" for character in message.en), message


@every_exercise
def test_the_reference_obeys_its_properties(exercise):
    for case in exercise.cases(0):
        assert all(rule.holds(exercise.reference, *case.arguments) for rule in exercise.properties)


@every_exercise
def test_cases_depend_on_the_seed_alone(exercise):
    def numbers(seed):
        """As text: NaN differs from itself."""
        return [repr(np.asarray(a).tolist()) for case in exercise.cases(seed) for a in case.arguments]

    assert numbers(3) == numbers(3)
    assert numbers(3) != numbers(4)


def hwc_stack(images):
    return np.stack([images[:, c] for c in range(3)], axis=-1)


def sheet_by_loop(images, columns):
    images = np.moveaxis(images, 1, 3)
    rows = [np.hstack(list(images[i : i + columns])) for i in range(0, len(images), columns)]
    return np.vstack(rows)


def sheet_by_transpose(images, columns):
    count, c, h, w = images.shape
    split = images.reshape(count // columns, columns, c, h, w).transpose(0, 3, 1, 4, 2)
    return split.reshape(count // columns * h, columns * w, c)


def block_by_hand(x, attention, feed_forward):
    def normed(z):
        centred = z - z.mean(-1, keepdim=True)
        return centred / torch.sqrt(centred.pow(2).mean(-1, keepdim=True) + 1e-5)

    attended = attention(normed(x)) + x
    return feed_forward(normed(attended)) + attended


def block_by_module(x, attention, feed_forward):
    layer_norm = torch.nn.LayerNorm(x.shape[-1], elementwise_affine=False)
    middle = x + attention(layer_norm(x))
    return middle + feed_forward(layer_norm(middle))


def encode_by_padding(words, vocabulary, length):
    ids = torch.tensor([vocabulary[word] for word in ("<bos>", *words, "<eos>")])
    return F.pad(ids, (0, length - len(ids)), value=vocabulary["<pad>"])


def encode_into_full(words, vocabulary, length):
    row = torch.full((length,), vocabulary["<pad>"])
    for place, word in enumerate(["<bos>", *words, "<eos>"]):
        row[place] = vocabulary[word]
    return row


def decode_by_text(ids, words):
    text = " ".join(words[k] for k in ids).split("<eos>")[0]
    return " ".join(text.replace("<bos>", " ").replace("<pad>", " ").split())


def decode_by_mask(ids, words):
    pad, bos, eos = (words.index(word) for word in ("<pad>", "<bos>", "<eos>"))
    ended = (ids == eos).cumsum(0) > 0
    return " ".join(words[k] for k in ids[~ended & (ids != pad) & (ids != bos)].tolist())


def cosines_of_sums(embeddings, real):
    unit = F.normalize(torch.einsum("nld,nl->nd", embeddings, real.to(embeddings)), dim=1)
    return torch.mm(unit, unit.t())


def cosines_of_each(embeddings, real):
    means = torch.stack([text[keep].mean(0) for text, keep in zip(embeddings, real, strict=True)])
    return F.cosine_similarity(means[:, None], means[None], dim=-1)


def similarity_by_division(image, text):
    return torch.einsum("nd,md->nm", image, text) / (image.norm(dim=1)[:, None] * text.norm(dim=1)[None])


def similarity_by_torch(image, text):
    return F.cosine_similarity(image[:, None], text[None], dim=-1)


def loss_by_logsumexp(image, text, scale):
    image = image / image.pow(2).sum(-1, keepdim=True).sqrt()
    text = text / text.pow(2).sum(-1, keepdim=True).sqrt()
    logits = image @ text.T * scale
    both = logits.logsumexp(0) + logits.logsumexp(1) - 2 * torch.diag(logits)
    return both.mean() / 2


def loss_by_log_softmax(image, text, scale):
    logits = F.normalize(text) @ (scale * F.normalize(image)).T
    rows = sum(-logits.log_softmax(1)[i, i] for i in range(len(logits)))
    columns = sum(-logits.T.log_softmax(1)[i, i] for i in range(len(logits)))
    return (rows + columns) / (2 * len(logits))


def lse_by_slices(x, chunk):
    m = torch.full((x.shape[0],), -torch.inf, dtype=x.dtype)
    z = torch.zeros_like(m)
    for start in range(0, x.shape[1], chunk):
        part = x[:, start : start + chunk]
        new = torch.maximum(m, part.max(dim=1)[0]).detach()
        z = torch.exp(m - new) * z + torch.exp(part - new.unsqueeze(1)).sum(1)
        m = new
    return torch.log(z) + m


def lse_by_pairs(x, chunk):
    total = None
    for part in x.split(chunk, -1):
        value = part.logsumexp(-1)
        total = value if total is None else torch.logaddexp(total, value)
    return total


def recall_by_loop(similarity, k):
    n, hits = len(similarity), 0
    for i in range(n):
        hits += sum(float(similarity[i, j]) >= float(similarity[i, i]) for j in range(n) if j != i) < k
    return hits / n * 100


def recall_as_tensor(similarity, k):
    worse = (similarity < similarity.diag()[:, None]).sum(-1)
    return (worse > len(similarity) - 1 - k).float().mean() * 100


def ensemble_by_loop(features):
    vectors = []
    for sentences in features:
        mean = sum(s / s.pow(2).sum().sqrt() for s in sentences) / len(sentences)
        vectors.append(mean / mean.norm())
    return torch.stack(vectors)


def eos_by_cumsum(tokens, ids, eos_id):
    is_end = ids == eos_id
    return (tokens * (is_end & (is_end.cumsum(1) == 1))[..., None]).sum(1)


def eos_by_loop(tokens, ids, eos_id):
    return torch.stack([t[row.tolist().index(eos_id)] for t, row in zip(tokens, ids, strict=True)])


def text_attention_by_loop(query, key, real):
    weights = query.new_zeros(*real.shape, real.shape[1])
    for b, row in enumerate(real.tolist()):
        for i in range(len(row)):
            if seen := [j for j in range(i + 1) if row[j]]:
                scores = key[b, seen] @ query[b, i] / query.shape[-1] ** 0.5
                weights[b, i, seen] = scores.softmax(0)
    return weights


def text_attention_unmasked_rows(query, key, real):
    """Rows without anything to see look at everything first, and are cleared afterwards."""
    mask = real[:, None] & torch.ones(real.shape[1], real.shape[1], dtype=torch.bool).tril()
    blind = ~mask.any(-1, keepdim=True)
    scores = torch.einsum("bid,bjd->bij", query, key) / np.sqrt(query.shape[-1])
    return scores.masked_fill(~(mask | blind), -torch.inf).softmax(-1).masked_fill(blind, 0)


def text_attention_without_nan(query, key, real):
    hidden = torch.ones(real.shape[1], real.shape[1]).triu(1).bool() | ~real[:, None]
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    return scores.masked_fill(hidden, -torch.inf).softmax(-1).nan_to_num()


def precision_by_loop(scores, relevant):
    ours = [s for s, r in zip(scores.tolist(), relevant.tolist(), strict=True) if r]
    everything = scores.tolist()
    return sum(sum(o >= s for o in ours) / sum(e >= s for e in everything) for s in ours) / len(ours)


def swap_by_list(ids, article):
    words = ids.tolist()
    a = words.index(article)
    b = words.index(article, a + 1)
    return torch.tensor(words[:a] + words[b : b + 4] + words[a + 4 : b] + words[a : a + 4] + words[b + 4 :])


def swap_by_index(ids, article):
    a, b = torch.where(ids == article)[0][:2]
    order = torch.arange(len(ids))
    order[a : a + 4], order[b : b + 4] = torch.arange(b, b + 4), torch.arange(a, a + 4)
    return ids[order]


def iou_by_loop(a, b):
    return a.new_tensor([[iou_of_two(one, other) for other in b.tolist()] for one in a.tolist()]).reshape(
        len(a), len(b)
    )


def iou_of_two(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, width) * max(0, height)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union else 0.0


def iou_by_broadcasting(a, b):
    a, b = a[:, None], b[None]
    shared = (torch.min(a[..., 2:], b[..., 2:]) - torch.max(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return shared / torch.where(union == 0, 1, union)


def giou_by_row(a, b):
    shared = (torch.min(a[:, 2:], b[:, 2:]) - torch.max(a[:, :2], b[:, :2])).clamp(min=0).prod(-1)
    union = (a[:, 2:] - a[:, :2]).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1) - shared
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).prod(-1)
    return shared / union.clamp(min=1e-9) - (hull - union) / hull.clamp(min=1e-9)


def giou_by_our_loss(a, b):
    return 1 - giou_loss(a, b, reduction="none")


def focal_of_right_answers(logits, targets, alpha, gamma):
    right = torch.where(targets > 0, logits.sigmoid(), 1 - logits.sigmoid())
    weight = torch.where(targets > 0, alpha, 1 - alpha)
    cost = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (weight * (1 - right) ** gamma * cost).mean()


def focal_by_softplus(logits, targets, alpha, gamma):
    p = torch.sigmoid(logits)
    yes = alpha * (1 - p).pow(gamma) * F.softplus(-logits)
    no = (1 - alpha) * p.pow(gamma) * F.softplus(logits)
    return torch.where(targets.bool(), yes, no).mean()


def smooth_by_where(prediction, target, beta):
    d = (prediction - target).abs()
    values = torch.where(d < beta, d**2 / (2 * beta), d - beta / 2)
    return values.sum() / max(values.numel(), 1)


def smooth_by_clamping(prediction, target, beta):
    """The parabola up to beta, and slope 1 for what is beyond."""
    if not prediction.numel():
        return prediction.sum() * 0
    d = (prediction - target).abs()
    near = d.clamp(max=beta)
    return (near.square() / (2 * beta) + (d - near)).mean()


def silog_by_picking(prediction, target, lam):
    valid = target > 0
    d = prediction[valid].log() - target[valid].log()
    return (d.square().mean() - lam * d.mean().square()).sqrt()


def silog_by_where(prediction, target, lam):
    valid = target > 0
    d = torch.where(valid, prediction / torch.where(valid, target, 1), 1).log()
    n = valid.sum()
    return ((d * d).sum() / n - lam * (d.sum() / n) ** 2).sqrt()


def nms_by_shrinking(boxes, scores, threshold):
    left, kept = scores.argsort(descending=True, stable=True), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best.item())
        left = left[iou_by_broadcasting(boxes[best][None], boxes[left])[0] <= threshold]
    return torch.tensor(kept, dtype=torch.int64)


def nms_by_asking(boxes, scores, threshold):
    kept = []
    for row in sorted(range(len(scores)), key=lambda row: -scores[row].item()):
        if all(iou_of_two(boxes[k].tolist(), boxes[row].tolist()) <= threshold for k in kept):
            kept.append(row)
    return torch.tensor(kept).long()


def decoded_by_halves(deltas, anchors):
    sides = anchors[:, 2:] - anchors[:, :2]
    middle = anchors[:, :2] + sides / 2 + deltas[:, :2] * sides
    sides = sides * deltas[:, 2:].clamp(max=np.log(1000 / 16)).exp()
    return torch.cat([middle - sides / 2, middle + sides / 2], dim=1)


def decoded_one_by_one(deltas, anchors):
    rows = []
    for (tx, ty, tw, th), (x1, y1, x2, y2) in zip(deltas, anchors, strict=True):
        w, h = x2 - x1, y2 - y1
        x, y = (x1 + x2) / 2 + tx * w, (y1 + y2) / 2 + ty * h
        w, h = w * tw.clamp(max=np.log(62.5)).exp(), h * th.clamp(max=np.log(62.5)).exp()
        rows.append(torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2]))
    return torch.stack(rows) if rows else 0 * deltas


def soft_by_sums(heatmaps, temperature):
    p = (heatmaps / temperature).flatten(2).softmax(-1).view_as(heatmaps)
    x, y = (torch.arange(n, dtype=heatmaps.dtype) + 0.5 for n in (heatmaps.shape[3], heatmaps.shape[2]))
    return torch.stack([(p.sum(2) * x).sum(-1), (p.sum(3) * y).sum(-1)], dim=-1)


def soft_by_numbers(heatmaps, temperature):
    width = heatmaps.shape[-1]
    p = torch.softmax(heatmaps.flatten(2) / temperature, dim=-1)
    cell = torch.arange(p.shape[-1])
    x, y = (cell % width).to(p) + 0.5, torch.div(cell, width, rounding_mode="floor").to(p) + 0.5
    return torch.stack([p @ x, p @ y], dim=-1)


def sigmoid_by_cross_entropy(image, text, scale, bias):
    logits = scale * (image @ text.T) + bias
    labels = torch.eye(len(image), dtype=image.dtype)
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(1).mean()


def sigmoid_by_softplus(image, text, scale, bias):
    logits = torch.einsum("nd,md->nm", image, text) * scale + bias
    same = logits.diagonal()
    return (F.softplus(logits).sum() - F.softplus(same).sum() + F.softplus(-same).sum()) / image.size(0)


def start_by_logit(n, scale):
    return torch.stack([torch.tensor(scale).log(), torch.special.logit(torch.tensor(1 / n))])


def start_by_odds(n, scale):
    return torch.tensor([scale, 1 / (n - 1)]).log()


def chunks_by_split(image, text, scale, bias, chunk):
    total, first = 0.0, 0
    for part in image.split(chunk):
        logits = scale * part @ text.T + bias
        positive = torch.arange(len(part))[:, None] + first == torch.arange(len(text))
        total = total + F.binary_cross_entropy_with_logits(logits, positive.to(logits), reduction="sum")
        first += len(part)
    return total / len(image)


def chunks_of_sentences(image, text, scale, bias, chunk):
    """The sentences come in chunks instead, and the positives are mended afterwards."""
    parts = [F.softplus(scale * image @ some.T + bias).sum() for some in torch.split(text, chunk)]
    same = (image * text).sum(1) * scale + bias
    return (torch.stack(parts).sum() - same.sum()) / len(text)  # softplus(−z) − softplus(z) = −z


def ring_by_rolling(image, chunks, rank, step, scale, bias):
    for _ in range(step):
        chunks = chunks.roll(1, 0)
    z = scale * image @ chunks[rank].T + bias
    cost = F.softplus(z).sum()
    if step == 0:
        cost = cost - z.diagonal().sum()
    return cost / chunks.flatten(0, 1).shape[0]


def ring_by_branch(image, chunks, rank, step, scale, bias):
    logits = scale * image @ chunks[rank - step].T + bias
    labels = -torch.ones_like(logits)
    if step == 0:
        labels = labels + 2 * torch.eye(len(image))
    return -F.logsigmoid(labels * logits).sum(1).mean() / len(chunks)


def map_by_fused_kernel(probe, tokens, real):
    query = probe.expand(len(tokens), 1, -1)
    return F.scaled_dot_product_attention(query, tokens, tokens, attn_mask=real[:, None]).squeeze(1)


def map_by_loop(probe, tokens, real):
    rows = []
    for row, keep in zip(tokens, real, strict=True):
        weights = torch.softmax(row[keep] @ probe / np.sqrt(len(probe)), 0)
        rows.append(weights @ row[keep])
    return torch.stack(rows)


def safe_mean_by_loop(features, real):
    means = []
    for row, keep in zip(features, real, strict=True):
        if not keep.any():
            raise ValueError("no real patch")
        means.append(row[keep].mean(0))
    return torch.stack(means)


def safe_mean_by_filling(features, real):
    count = real.sum(1)
    if (count == 0).any():
        raise ValueError("a picture without a real patch")
    return features.masked_fill(~real.unsqueeze(-1), 0).sum(dim=1) / count[:, None]


VARIANTS = {
    "patchify": [  # many more of chapter 00a in test_chapter_00a
        lambda images, patch: F.unfold(images, patch, stride=patch).transpose(1, 2),
        lambda images, patch: F.pixel_unshuffle(images, patch).flatten(2).transpose(1, 2),
    ],
    "encode": [encode_by_padding, encode_into_full],
    "decode": [decode_by_text, decode_by_mask],
    "log_sum_exp": [
        lambda x: torch.logsumexp(x, dim=-1),
        lambda x: x[:, 0] - x.log_softmax(1)[:, 0],
    ],
    "cross_entropy": [
        lambda logits, labels: F.nll_loss(logits.log_softmax(-1), labels),
        lambda logits, labels: (logits - logits.gather(1, labels[:, None])).logsumexp(1).mean(),
    ],
    "cosine_matrix": [cosines_of_sums, cosines_of_each],
    "to_channels_last": [
        hwc_stack,
        lambda images: images.transpose(0, 2, 3, 1),
        lambda x: np.moveaxis(x, 1, -1),
    ],
    "contact_sheet": [
        sheet_by_loop,
        sheet_by_transpose,
        lambda images, columns: rearrange(images, "(r k) c h w -> (r h) (k w) c", k=columns).copy(),
    ],
    "attention_scores": [
        lambda query, key: einsum(query, key, "b q d, b k d -> b q k") / query.shape[2] ** 0.5,
        lambda query, key: torch.matmul(key, query.mT).mT / key.shape[-1] ** 0.5,
    ],
    "causal_mask": [
        lambda length: ~torch.triu(torch.ones(length, length), diagonal=1).bool(),
        lambda length: torch.tensor([[j <= i for j in range(length)] for i in range(length)]),
    ],
    "padded_weights": [
        lambda scores, real: torch.where(real[:, None], scores, -torch.inf).softmax(-1),
        lambda scores, real: scores.masked_fill(~real[:, None], -torch.inf).log_softmax(-1).exp(),
    ],
    "split_heads": [
        lambda x, heads: torch.stack(x.chunk(heads, dim=-1), dim=1),
        lambda x, heads: x.unflatten(-1, (heads, -1)).permute(0, 2, 1, 3),
    ],
    "merge_heads": [
        lambda x: torch.cat(list(x.unbind(1)), dim=-1),
        lambda x: x.permute(0, 2, 1, 3).flatten(2),
    ],
    "pre_norm_block": [block_by_hand, block_by_module],
    "similarity": [similarity_by_division, similarity_by_torch],
    "clip_loss": [loss_by_logsumexp, loss_by_log_softmax],
    "logit_scale": [
        lambda log_scale: torch.exp(torch.clamp(log_scale, max=float(np.log(100)))),
        lambda log_scale: torch.minimum(log_scale.exp(), torch.full_like(log_scale, 100)),
    ],
    "streaming_logsumexp": [lse_by_slices, lse_by_pairs],
    "recall_at_k": [recall_by_loop, recall_as_tensor],
    "zero_shot": [
        lambda image, classes, scale: torch.softmax(
            scale * F.cosine_similarity(image[:, None], classes[None], dim=-1), dim=1
        ),
        lambda image, classes, scale: (
            (scale * F.normalize(classes) @ F.normalize(image).T).log_softmax(0).exp().T
        ),
    ],
    "prompt_ensemble": [
        ensemble_by_loop,
        lambda features: F.normalize((features / features.norm(dim=2, keepdim=True)).sum(1)),
    ],
    "eos_pooling": [eos_by_cumsum, eos_by_loop],
    "text_attention": [text_attention_by_loop, text_attention_unmasked_rows, text_attention_without_nan],
    "average_precision": [
        precision_by_loop,
        lambda scores, relevant: float(average_precision_score(relevant.numpy(), scores.numpy())),
    ],
    "swap_objects": [swap_by_list, swap_by_index],
    "box_iou": [iou_by_loop, iou_by_broadcasting],
    "giou": [giou_by_row, giou_by_our_loss],
    "focal_loss": [focal_of_right_answers, focal_by_softplus],
    "smooth_l1": [smooth_by_where, smooth_by_clamping],
    "silog_depth_loss": [silog_by_picking, silog_by_where],
    "nms": [nms_by_shrinking, nms_by_asking],
    "decode_boxes": [decoded_by_halves, decoded_one_by_one],
    "soft_argmax": [soft_by_sums, soft_by_numbers],
    "sigmoid_loss": [sigmoid_by_cross_entropy, sigmoid_by_softplus],
    "initial_values": [start_by_logit, start_by_odds],
    "chunked_loss": [chunks_by_split, chunks_of_sentences],
    "ring_step": [ring_by_rolling, ring_by_branch],
    "map_head": [map_by_fused_kernel, map_by_loop],
    "padding_safe_mean": [safe_mean_by_loop, safe_mean_by_filling],
}


@pytest.mark.parametrize(
    ("name", "function"), [(name, function) for name, some in VARIANTS.items() for function in some]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers_written_differently_pass(name, function, seed):
    found = diagnose(registry.find(name), function, seed=seed)
    assert found.passed, str(found.message)


def test_every_exercise_has_two_variants():
    assert set(VARIANTS) == {exercise.name for exercise in ALL}
    assert all(len(some) >= 2 for some in VARIANTS.values())
