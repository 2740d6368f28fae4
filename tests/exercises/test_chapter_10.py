"""Chapter 10: right answers in many styles pass, wrong ones that nobody listed do not."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.exercises.verdicts import SEEDS, pairs, verdict_of
from vlmlearn.exercises.chapter_10 import box_iou, decode_boxes, focal_loss, giou, nms, smooth_l1, soft_argmax

LIMIT = math.log(1000 / 16)


# Right


def iou_of_columns(a, b):
    ax1, ay1, ax2, ay2 = (c[:, None] for c in a.T)
    bx1, by1, bx2, by2 = b.T
    width = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clip(0)
    height = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clip(0)
    both = width * height
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - both
    return torch.where(union > 0, both / union, 0)


def iou_by_relu(a, b):
    sides = F.relu(torch.min(a[:, None, 2:], b[:, 2:]) - torch.max(a[:, None, :2], b[:, :2]))
    both = sides[..., 0] * sides[..., 1]
    areas = [(x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b)]
    return both / (areas[0][:, None] + areas[1] - both).clamp(min=1e-8)


def iou_by_repetition(a, b):
    n, m = len(a), len(b)
    return torch.nan_to_num(one_iou(a.repeat_interleave(m, 0), b.repeat(n, 1))).reshape(n, m)


def one_iou(a, b):
    both = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    return both / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both)


def giou_by_columns(a, b):
    iou = box_iou(a, b).diagonal()
    union = (a[:, 2:] - a[:, :2]).prod(-1) + (b[:, 2:] - b[:, :2]).prod(-1)
    union = union / (1 + iou)  # I = iou · U and U = A + B − I
    x1, y1 = torch.min(a[:, 0], b[:, 0]), torch.min(a[:, 1], b[:, 1])
    x2, y2 = torch.max(a[:, 2], b[:, 2]), torch.max(a[:, 3], b[:, 3])
    hull = (x2 - x1) * (y2 - y1)
    return iou - (hull - union) / hull.clamp(min=1e-9)


def giou_by_masks(a, b):
    """Divide only where there is something to divide by."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).relu().prod(1)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    iou, empty = torch.zeros_like(hull), torch.zeros_like(hull)
    iou[union > 0] = shared[union > 0] / union[union > 0]
    empty[hull > 0] = 1 - union[hull > 0] / hull[hull > 0]
    return iou - empty


def giou_by_stacking(a, b):
    both = torch.stack([a, b])
    hull = (both[..., 2:].amax(0) - both[..., :2].amin(0)).prod(-1)
    shared = (both[..., 2:].amin(0) - both[..., :2].amax(0)).clamp(min=0).prod(-1)
    union = (both[..., 2:] - both[..., :2]).prod(-1).sum(0) - shared
    return shared / (union + 1e-9) - 1 + (union + 1e-9 * (hull == 0)) / (hull + 1e-9)


def focal_by_masks(logits, targets, alpha, gamma):
    yes = targets == 1
    z = torch.where(yes, logits, -logits)  # the logit of the right answer
    weight = torch.full_like(z, 1 - alpha).masked_fill(yes, alpha)
    return (-weight * torch.sigmoid(-z) ** gamma * F.logsigmoid(z)).mean()


def focal_by_exponential(logits, targets, alpha, gamma):
    cost = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return ((1 - torch.exp(-cost)) ** gamma * cost * torch.where(targets > 0, alpha, 1 - alpha)).sum() / len(
        logits.flatten()
    )


def smooth_by_torch(prediction, target, beta):
    return F.smooth_l1_loss(prediction, target, beta=beta, reduction="sum") / max(1, prediction.numel())


def smooth_by_huber(prediction, target, beta):
    if len(prediction) == 0:
        return prediction.sum()
    return F.huber_loss(prediction, target, delta=beta) / beta


def smooth_with_a_plain_zero(prediction, target, beta):
    if not len(prediction):
        return torch.tensor(0.0)
    d = (prediction - target).abs()
    near = d.clamp(max=beta)
    return (near * (d - near / 2) / beta).mean()


def silog_by_multiplying(prediction, target, lam):
    valid = (target > 0).to(target)
    d = (prediction.log() - torch.where(target > 0, target, 1).log()) * valid
    n = valid.sum()
    return torch.sqrt((d**2).sum() / n - lam / n**2 * d.sum() ** 2)


def silog_without_nan(prediction, target, lam):
    d = torch.where(target > 0, prediction.log() - target.log(), math.nan)
    return (d.square().nanmean() - lam * d.nanmean() ** 2).sqrt()


def silog_by_quotient(prediction, target, lam):
    d = torch.log((target / prediction)[target > 0])
    return (d.var(correction=0) + (1 - lam) * d.mean() ** 2) ** 0.5


def nms_by_flags(boxes, scores, threshold):
    """In numpy, with flags."""
    iou = box_iou(boxes, boxes).numpy()
    gone, kept = np.zeros(len(scores), bool), []
    for i in np.argsort(-scores.numpy(), kind="stable"):
        if not gone[i]:
            kept.append(i)
            gone |= iou[i] > threshold
    return torch.from_numpy(np.array(kept, dtype=np.int64))


def nms_by_highest(boxes, scores, threshold):
    left, kept = list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda row: scores[row].item())
        kept.append(best)
        left = [r for r in left if r != best and box_iou(boxes[[best]], boxes[[r]]).item() <= threshold]
    return torch.tensor(kept, dtype=torch.long)


def decoded_by_columns(deltas, anchors):
    x1, y1, x2, y2 = anchors.unbind(1)
    tx, ty, tw, th = deltas.unbind(1)
    w, h = x2 - x1, y2 - y1
    cx, cy = (x1 + x2) / 2 + tx * w, (y1 + y2) / 2 + ty * h
    w, h = w * torch.clamp(tw, max=LIMIT).exp(), h * torch.clamp(th, max=LIMIT).exp()
    return torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1)


def decoded_by_minimum(deltas, anchors):
    low, high = anchors.chunk(2, -1)
    size = high - low
    limit = torch.full_like(deltas[:, 2:], LIMIT)
    half = 0.5 * size * torch.exp(torch.minimum(deltas[:, 2:], limit))
    middle = low + (0.5 + deltas[:, :2]) * size
    return torch.hstack([middle - half, middle + half])


def soft_by_einsum(heatmaps, temperature):
    b, k, h, w = heatmaps.shape
    p = F.softmax(heatmaps.reshape(b, k, h * w) / temperature, dim=2).reshape(b, k, h, w)
    x, y = (torch.arange(0.5, n, dtype=heatmaps.dtype) for n in (w, h))
    return torch.stack([torch.einsum("bkhw,w->bk", p, x), torch.einsum("bkhw,h->bk", p, y)], 2)


def soft_by_grid(heatmaps, temperature):
    h, w = heatmaps.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    places = torch.stack([columns, rows], -1).flatten(0, 1).to(heatmaps) + 0.5
    return torch.softmax(heatmaps.flatten(2) / temperature, -1) @ places


def soft_by_marginals(heatmaps, temperature):
    """log-sum-exp along one axis first, a softmax along the other after."""
    z = heatmaps / temperature
    across, down = z.logsumexp(2).softmax(-1), z.logsumexp(3).softmax(-1)
    numbers = [torch.arange(p.shape[-1]).to(p) + 0.5 for p in (across, down)]
    return torch.stack([across @ numbers[0], down @ numbers[1]], -1)


RIGHT = {
    "box_iou": [iou_of_columns, iou_by_relu, iou_by_repetition],
    "giou": [giou_by_columns, giou_by_masks, giou_by_stacking],
    "focal_loss": [focal_by_masks, focal_by_exponential],
    "smooth_l1": [smooth_by_torch, smooth_by_huber, smooth_with_a_plain_zero],
    "silog_depth_loss": [silog_by_multiplying, silog_without_nan, silog_by_quotient],
    "nms": [nms_by_flags, nms_by_highest],
    "decode_boxes": [decoded_by_columns, decoded_by_minimum],
    "soft_argmax": [soft_by_einsum, soft_by_grid, soft_by_marginals],
}

# Wrong, and not listed


def picked(prediction, target):
    valid = target > 0
    return prediction[valid], target[valid]


WRONG = {
    "box_iou": {
        "root": lambda a, b: box_iou(a, b).sqrt(),
        "rounded": lambda a, b: (100 * box_iou(a, b)).round() / 100,
        "square boxes": lambda a, b: box_iou(a.clone().index_copy(1, torch.tensor([3]), a[:, 3:] + 1), b),
        "small ones dropped": lambda a, b: F.threshold(box_iou(a, b), 0.3, 0),
        "first box": lambda a, b: box_iou(a[:1].expand_as(a), b),
    },
    "giou": {
        "twice the penalty": lambda a, b: 2 * giou(a, b) - box_iou(a, b).diagonal(),
        "first with all": lambda a, b: giou(a, b[:1].expand_as(b)),
        "no gradient of b": lambda a, b: giou(a, b.detach()),
        "only the penalty": lambda a, b: giou(a, b) - box_iou(a, b).diagonal(),
    },
    "focal_loss": {
        "gamma plus one": lambda logits, targets, alpha, gamma: focal_loss(logits, targets, alpha, gamma + 1),
        "smoothed": lambda logits, targets, alpha, gamma: focal_loss(
            logits, 0.9 * targets + 0.05, alpha, gamma
        ),
        "squared": lambda logits, targets, alpha, gamma: (logits.sigmoid() - targets).square().mean(),
        "in bits": lambda logits, targets, alpha, gamma: (
            focal_loss(logits, targets, alpha, gamma) / math.log(2)
        ),
    },
    "smooth_l1": {
        "root": lambda prediction, target, beta: smooth_l1(prediction, target, beta).sqrt(),
        "first box": lambda prediction, target, beta: smooth_l1(prediction[:1], target[:1], beta),
        "beta twice": lambda prediction, target, beta: smooth_l1(prediction, target, 2 * beta),
        "largest": lambda prediction, target, beta: (
            (prediction - target).abs().amax() if len(target) else prediction.sum()
        ),
        "relative": lambda prediction, target, beta: smooth_l1(prediction / target, target / target, beta),
    },
    "silog_depth_loss": {
        "median": lambda prediction, target, lam: (
            picked(prediction, target)[0].log() - picked(prediction, target)[1].log()
        ).median(),
        "log1p": lambda prediction, target, lam: silog_by_quotient(
            prediction + 1, target + (target > 0), lam
        ),
        "inverse": lambda prediction, target, lam: (
            (1 / picked(prediction, target)[0] - 1 / picked(prediction, target)[1]).square().mean().sqrt()
        ),
        "far enough": lambda prediction, target, lam: silog_by_quotient(
            prediction, target * (target > 1), lam
        ),
        "one root of the pictures' mean": lambda prediction, target, lam: (
            torch.stack(
                [
                    silog_by_quotient(p, t, lam) ** 2
                    for p, t in zip(prediction, target, strict=True)
                    if t.amax() > 0
                ]
            )
            .mean()
            .sqrt()
        ),
        "infinity": lambda prediction, target, lam: silog_by_quotient(prediction, target, lam) * math.inf,
    },
    "nms": {
        "half the threshold": lambda boxes, scores, threshold: nms(boxes, scores, threshold / 2),
        "boolean": lambda boxes, scores, threshold: torch.ones(len(scores), dtype=torch.bool),
        "scores": lambda boxes, scores, threshold: scores[nms(boxes, scores, threshold)],
        "boxes": lambda boxes, scores, threshold: boxes[nms(boxes, scores, threshold)],
        "one short": lambda boxes, scores, threshold: nms(boxes, scores, threshold)[:-1],
        "one more": lambda boxes, scores, threshold: torch.cat(
            [nms(boxes, scores, threshold), torch.tensor([0])]
        ),
        "nothing kept": lambda boxes, scores, threshold: torch.zeros(0, dtype=torch.int64),
        "from one": lambda boxes, scores, threshold: nms(boxes, scores, threshold) + 1,
        "from behind": lambda boxes, scores, threshold: nms(boxes, scores, threshold) - len(boxes),
        "absolute scores": lambda boxes, scores, threshold: nms(boxes, scores.abs(), threshold),
        "above minus one": lambda boxes, scores, threshold: nms(boxes, scores, threshold)[
            scores[nms(boxes, scores, threshold)] > -1
        ],
        "whole pixels": lambda boxes, scores, threshold: nms(boxes.round(), scores, threshold),
    },
    "decode_boxes": {
        "inside": lambda deltas, anchors: decode_boxes(deltas, anchors).clamp(min=0),
        "scaled": lambda deltas, anchors: decode_boxes(
            deltas * torch.tensor([0.1, 0.1, 0.2, 0.2]).to(deltas), anchors
        ),
        "whole pixels": lambda deltas, anchors: decode_boxes(deltas, anchors).round(),
        "anchors": lambda deltas, anchors: anchors.clone(),
        "square": lambda deltas, anchors: decode_boxes(deltas[:, [0, 1, 2, 2]], anchors),
        "tanh": lambda deltas, anchors: decode_boxes(deltas.tanh(), anchors),
    },
    "soft_argmax": {
        "squared": lambda heatmaps, temperature: soft_argmax(heatmaps, temperature).square(),
        "mean of points": lambda heatmaps, temperature: (
            soft_argmax(heatmaps, temperature).mean(1, keepdim=True).expand(-1, heatmaps.shape[1], -1).clone()
        ),
        "root of temperature": lambda heatmaps, temperature: soft_argmax(heatmaps, temperature**0.5),
        "mirrored": lambda heatmaps, temperature: soft_argmax(heatmaps.flip(3), temperature),
        "middle": lambda heatmaps, temperature: soft_argmax(0 * heatmaps, temperature),
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
    assert found.attempted and not found.passed and found.kind != "raised", str(found.message)


def in_place(boxes, scores, threshold):
    kept = nms(boxes, scores, threshold)
    scores[kept] = -1
    return kept


@pytest.mark.parametrize(
    ("name", "function", "changed"),
    [
        ("nms", in_place, "scores"),
        ("box_iou", lambda a, b: box_iou(a.add_(1), b.add_(1)), "a"),
        ("decode_boxes", lambda deltas, anchors: decode_boxes(deltas, anchors.mul_(2)), "anchors"),
        ("soft_argmax", lambda heatmaps, temperature: soft_argmax(heatmaps.sub_(1), temperature), "heatmaps"),
    ],
)
def test_a_changed_input_is_told(name, function, changed):
    found = verdict_of(name, function, 0)
    assert found.kind == "changed_input" and f"`{changed}`" in found.message.en


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("box_iou", lambda a, b: box_iou(a, b).float()),
        ("giou", lambda a, b: giou(a.float(), b.float())),
        ("decode_boxes", lambda deltas, anchors: decode_boxes(deltas, anchors).double()),
        ("soft_argmax", lambda heatmaps, temperature: soft_argmax(heatmaps.float(), temperature)),
        ("nms", lambda boxes, scores, threshold: nms(boxes, scores, threshold).int()),
    ],
)
def test_another_dtype_is_told(name, function):
    assert verdict_of(name, function, 0).kind == "dtype"


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("giou", lambda a, b: giou(a.detach(), b)),
        (
            "focal_loss",
            lambda logits, targets, alpha, gamma: focal_loss(logits.detach(), targets, alpha, gamma),
        ),
        ("silog_depth_loss", lambda prediction, target, lam: silog_by_quotient(prediction.data, target, lam)),
        ("decode_boxes", lambda deltas, anchors: decode_boxes(deltas.detach(), anchors)),
    ],
)
def test_a_lost_gradient_is_told(name, function):
    assert verdict_of(name, function, 0).kind == "lost_gradient"


def test_a_wrong_number_of_boxes_is_shown_with_its_case():
    found = verdict_of("nms", WRONG["nms"]["one short"], 0)
    assert found.kind in ("property", "values") and "expected" in found.message.en


def test_transposed_overlaps_are_told():
    found = verdict_of("box_iou", lambda a, b: box_iou(b, a), 0)
    assert found.kind == "shape" and "Just the other way round" in found.message.en


def test_one_exercise_in_the_place_of_another_is_told():
    found = verdict_of("silog_depth_loss", smooth_by_torch, 0)
    assert found.kind == "other_exercise" and "smooth_l1" in found.message.en


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_that_were_filtered_are_told(seed):
    def above_zero(boxes, scores, threshold):
        kept = nms(boxes, scores, threshold)
        return kept[scores[kept] > 0]

    assert verdict_of("nms", above_zero, seed).mistake == "zeroed_scores"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_sign_is_told(seed):
    def distances(prediction, target, lam):
        p, t = picked(prediction, target)
        d = (p.log() - t.log()).abs()
        return (d.square().mean() - lam * d.mean().square()).sqrt()

    assert verdict_of("silog_depth_loss", distances, seed).mistake == "sign_lost"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "share",
    [
        lambda part, whole: torch.where(whole > 0, part / whole, 0),
        lambda part, whole: (part / whole).nan_to_num(),
    ],
)
def test_nan_gradients_of_boxes_without_area_are_told(share, seed):
    def guarded_after(a, b):
        shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
        hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
        union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
        return share(shared, union) - share(hull - union, hull)

    found = verdict_of("giou", guarded_after, seed)
    assert found.kind == "property" and "`torch.where` computes both" in found.message.en
    assert "先护住分母" in found.message.zh
