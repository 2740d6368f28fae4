"""The exercises of chapter 10: overlap of boxes, losses of dense heads, and from numbers to boxes and places."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property
from vlmlearn.heads.vision.decoding import box_coder, peaks
from vlmlearn.heads.vision.decoding.nms import nms as suppress
from vlmlearn.losses import boxes as overlap
from vlmlearn.losses.dense import silog_loss
from vlmlearn.losses.focal import sigmoid_focal_loss
from vlmlearn.losses.regression import smooth_l1_loss
from vlmlearn.messages import Message


def box_iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Intersection over union of every box of ``a`` with every box of ``b``."""
    return overlap.box_iou(a, b)


def giou(a: Float[Tensor, "n 4"], b: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
    """Generalised IoU of each box with the box in the same row."""
    return overlap.paired_generalized_box_iou(a, b)


def focal_loss(
    logits: Float[Tensor, "n classes"], targets: Float[Tensor, "n classes"], alpha: float, gamma: float
) -> Float[Tensor, ""]:
    """Mean over all entries of the cross entropy, weighted by α and by how wrong the answer is."""
    return sigmoid_focal_loss(logits, targets, alpha=alpha, gamma=gamma)


def smooth_l1(
    prediction: Float[Tensor, "n 4"], target: Float[Tensor, "n 4"], beta: float
) -> Float[Tensor, ""]:
    """Mean over all numbers of a parabola that becomes a straight line at ``beta``; 0 without any."""
    return smooth_l1_loss(prediction, target, beta=beta)


def silog_depth_loss(
    prediction: Float[Tensor, "batch h w"], target: Float[Tensor, "batch h w"], lam: float
) -> Float[Tensor, ""]:
    """√(E[d²] − λ E[d]²) over the pixels with a depth, d being the difference of logarithms."""
    return silog_loss(prediction, target, variance_focus=lam)


def nms(boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], threshold: float) -> Int64[Tensor, " kept"]:
    """Rows of the boxes that no better kept box overlaps by more than ``threshold``, best first."""
    return suppress(boxes, scores, threshold)


def decode_boxes(deltas: Float[Tensor, "n 4"], anchors: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """Corners of the boxes that (tx, ty, tw, th) make of their anchors."""
    return box_coder.decode_deltas(deltas, anchors)


def soft_argmax(
    heatmaps: Float[Tensor, "batch points h w"], temperature: float
) -> Float[Tensor, "batch points 2"]:
    """Mean place (x, y) of each heat map's softmax, in cells."""
    return peaks.soft_argmax(heatmaps, temperature)


# Cases


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _boxes(generator: torch.Generator, n: int) -> Tensor:
    """Boxes in a picture of 64 by 40, all corners between two pixels."""
    start = _uniform(generator, n, 2) * torch.tensor([38.0, 22.0])
    return torch.cat([start, start + 4 + _uniform(generator, n, 2) * torch.tensor([22.0, 14.0])], 1)


def _near(generator: torch.Generator, *rows: tuple[float | int, ...]) -> Tensor:
    """These boxes, each corner moved by less than half a pixel: they lie to each other as was planned."""
    return torch.tensor(rows, dtype=torch.float64) + 0.4 * _uniform(generator, len(rows), 4)


def _exactly(*rows: tuple[float | int, ...]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def _none(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64)


FLOAT32 = Message("float32 的输入。", "Input in float32.")
APART = Message("两个框不相交。", "The boxes do not meet.")
INSIDE = Message("一个框在另一个里面。", "One box lies inside the other.")
TOUCHING = Message("两个框只有一条边挨着。", "The boxes touch along an edge.")
POINTS = Message("有的框面积是 0。", "Some boxes have no area.")
RELATIVE = Message(
    "坐标在 0 到 1 之间，是图片边长的几分之几。", "Coordinates are shares of the picture, from 0 to 1."
)
NO_BOXES = Message("一个框也没有。", "There are no boxes.")
ITSELF = Message("框和它自己。", "A box and itself.")


def _many_with_many(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    yield Case((_near(generator, (3, 2, 15, 9)), _near(generator, (8, 4, 18, 14))))
    yield Case((_boxes(generator, 2), _boxes(generator, 3)))
    around = _near(generator, (20, 15, 33, 30), (22, 1, 30, 6), (3, 20, 9, 28), (11, 3, 15, 8))
    yield Case((_near(generator, (2, 3, 10, 9)), around), APART)
    yield Case((_near(generator, (1, 1, 30, 12)), _near(generator, (5, 3, 11, 6))), INSIDE)
    yield Case((_exactly((0, 0, 8, 6)), _exactly((8, 0, 13, 6), (2, 6, 8, 9))), TOUCHING)
    same = _boxes(generator, 3)
    yield Case((same, same.clone()), ITSELF)
    flat = _exactly((5, 5, 5, 5), (3, 2, 3, 9), (0, 0, 10, 10))
    yield Case((flat, torch.cat([flat[:2], _exactly((2, 2, 2, 8), (0, 0, 8, 10))])), POINTS)
    yield Case((_none(0, 4), _boxes(generator, 3)), NO_BOXES)
    yield Case((_boxes(generator, 2), _none(0, 4)), NO_BOXES)
    many = _boxes(generator, 5), _boxes(generator, 7)
    yield Case(many)
    yield Case(tuple(boxes.float() for boxes in many), FLOAT32)
    yield Case(tuple(boxes.float() / 64 for boxes in many), RELATIVE)


def _one_with_one(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("a", "b")
    yield Case((_near(generator, (3, 2, 15, 9)), _near(generator, (8, 4, 18, 14))), None, gradient)
    yield Case((_near(generator, (8, 4, 18, 14)), _near(generator, (3, 2, 15, 9))), None, gradient)
    yield Case((_boxes(generator, 3), _boxes(generator, 3)), None, gradient)
    first = _near(generator, (2, 3, 10, 9), (2, 3, 10, 9), (30, 20, 38, 29), (2, 3, 10, 9))
    second = _near(generator, (20, 15, 33, 30), (22, 4, 30, 8), (3, 22, 9, 28), (11, 3, 15, 8))
    yield Case((first, second), APART, gradient)
    yield Case((_near(generator, (1, 1, 30, 12)), _near(generator, (5, 3, 11, 6))), INSIDE, gradient)
    yield Case((_exactly((0, 0, 8, 6), (0, 0, 8, 6)), _exactly((8, 0, 13, 6), (2, 6, 8, 9))), TOUCHING)
    same = _boxes(generator, 2)
    yield Case((same, same.clone()), ITSELF)
    flat = _exactly((5, 5, 5, 5), (3, 2, 3, 9), (2, 2, 2, 8), (0, 0, 10, 10))
    yield Case((flat, _exactly((5, 5, 5, 5), (3, 2, 3, 9), (7, 3, 7, 6), (4, 4, 4, 4))), POINTS)
    yield Case((_none(0, 4), _none(0, 4)), NO_BOXES)
    many = _boxes(generator, 6), _boxes(generator, 6)
    yield Case(tuple(boxes.float() for boxes in many), FLOAT32, gradient)
    yield Case(tuple(boxes.float() / 64 for boxes in many), RELATIVE, gradient)


def _questions(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("logits",)
    background = Message("全是背景，没有一个目标。", "All background, no object.")
    for rows, alpha, gamma, about in (
        ([[1]], 0.25, 2.0, None),
        ([[0]], 0.25, 2.0, background),
        ([[1, 0, 0], [0, 0, 1]], 0.25, 2.0, None),
        ([[1, 0], [0, 0], [0, 1], [1, 1]], 0.6, 1.0, None),
        ([[0, 0, 0], [0, 1, 0]], 0.25, 0.0, Message("γ = 0。", "γ is 0.")),
        ([[0, 0, 0, 0], [0, 0, 0, 0]], 0.4, 3.0, background),
        ([[1, 0, 1], [0, 0, 0], [1, 0, 0]], 0.25, 1.5, None),
    ):
        targets = torch.tensor(rows, dtype=torch.float64)
        yield Case((1.5 * _normal(generator, *targets.shape), targets, alpha, gamma), about, gradient)
    logits = _normal(generator, 3, 4).float()
    targets = torch.tensor([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1]])
    yield Case((logits, targets, 0.25, 2.0), FLOAT32, gradient)
    sure = torch.where(targets[:, :3] > 0, 110.0, -110.0) + logits[:, :3]
    right = Message(
        "float32，logit 在 ±110 附近，答案全对。", "float32, logits near ±110, all of them right."
    )
    wrong = Message(
        "float32，logit 在 ±110 附近，有几个答错了。", "float32, logits near ±110, some of them wrong."
    )
    yield Case((sure, targets[:, :3], 0.25, 2.0), right, gradient)
    sure = sure * torch.tensor([[1.0, 1, -1], [-1, 1, 1], [1, 1, 1]])
    yield Case((sure, targets[:, :3], 0.25, 2.0), wrong, gradient)


def _distances(seed: int) -> Iterator[Case]:
    """Differences below and above ``beta`` with either sign, in every case."""
    generator, gradient = _generator(seed), ("prediction",)

    def case(shares: list[list[float | int]], beta: float) -> tuple[Tensor, Tensor, float]:
        target = 3 * _normal(generator, len(shares), 4)
        noisy = torch.tensor(shares, dtype=torch.float64) * (1 + 0.2 * _uniform(generator, len(shares), 4))
        return target + noisy * beta, target, beta

    yield Case(case([[0.3, -0.6, 1.8, -2.4]], 1.0), None, gradient)
    yield Case(case([[0.5, -0.2, 3.0, -1.5], [0.1, 4.0, -0.7, -6.0]], 0.11), None, gradient)
    yield Case(case([[0.5, 0.2, -0.4, -0.7]], 2.5), Message("全都小于 β。", "All below β."), gradient)
    yield Case(
        case([[2, -3, 4, -5], [1.5, 6, -2, 8]], 0.5), Message("全都大于 β。", "All above β."), gradient
    )
    yield Case(case([[0.3, -0.4, 5, -0.1], [0.2, 3, -2, 0.6], [-9, 0.1, 1.3, -0.8]], 3.0), None, gradient)
    right = _normal(generator, 2, 4)
    yield Case((right, right.clone(), 0.5), Message("预测完全正确。", "A perfect prediction."), gradient)
    empty = Message("这批图里没有目标。", "A batch without objects.")
    # in float32, so that a plain `torch.tensor(0.0)` is as good an answer as any
    yield Case((_none(0, 4).float(), _none(0, 4).float(), 1.0), empty, gradient)
    prediction, target, beta = case([[0.3, -0.6, 1.8, -2.4], [2, -0.7, 0.9, -4]], 0.25)
    yield Case((prediction.float(), target.float(), beta), FLOAT32, gradient)


def _depths(seed: int) -> Iterator[Case]:
    """Depths of 2 to 30 metres, and once below 1; 0 and −1 stand where nothing was measured."""
    generator, gradient = _generator(seed), ("prediction",)
    hole = Message("有的像素没有测到深度。", "Some pixels have no depth.")
    whole = Message("有一张图一个深度也没有。", "One of the pictures has no depth at all.")
    for rows, lam, shift, about in (
        ([[[1, 1]]], 0.5, 0.2, None),
        ([[[1, 1], [1, 1]]], 0.85, 0.3, None),
        ([[[1, 1, 1], [0, 1, 0]], [[1, 0, 1], [1, 1, 1]]], 0.5, 0.3, hole),
        ([[[1, 1], [1, 1]], [[1, 0], [1, 1]]], 0.85, -0.4, hole),
        (
            [[[1, -1, 1], [1, 0, 1]], [[1, 1, 1], [-1, -1, 1]]],
            0.6,
            0.2,
            Message("没测到的是 0 或 −1。", "Missing depths are 0 or −1."),
        ),
        ([[[1, 1], [1, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]], 0.5, 0.4, whole),
        ([[[0, 0, 1], [0, 0, 0]]], 0.5, 0.3, Message("只有一个像素有深度。", "A single pixel has a depth.")),
        ([[[1, 1, 1], [1, 0, 1]]], 0.0, -0.5, Message("λ = 0。", "λ is 0.")),
        ([[[1, 1, 0], [1, 1, 1]]], 1.0, 0.3, Message("λ = 1。", "λ is 1.")),
    ):
        valid = torch.tensor(rows, dtype=torch.float64)
        depth = 2 + 28 * _uniform(generator, *valid.shape)
        prediction = (
            depth
            * (
                shift * (1 + _uniform(generator, *valid.shape)) + 0.15 * _normal(generator, *valid.shape)
            ).exp()
        )
        yield Case((prediction, torch.where(valid > 0, depth, valid), lam), about, gradient)
        if len(valid) == 2:
            kept = prediction.float(), torch.where(valid > 0, depth, valid).float(), lam
    yield Case(kept, FLOAT32, gradient)
    depth = 0.1 + 0.8 * _uniform(generator, 1, 2, 3)
    near = Message("深度都不到 1 米。", "All depths are below 1 metre.")
    prediction = depth * (0.3 + 0.3 * _uniform(generator, 1, 2, 3)).exp()
    valid = torch.tensor([[[1, 1, 0], [1, 1, 1]]]) > 0
    yield Case((prediction, torch.where(valid, depth, 0), 0.5), near, gradient)
    depth = 2 + 28 * _uniform(generator, 1, 2, 2)
    mixed = Message("有的像素预测远了，有的近了。", "Some pixels are predicted too far away, some too near.")
    apart = torch.tensor([[[0.3, -0.4], [0.25, -0.1]]]) * (1 + 0.2 * _uniform(generator, 1, 2, 2))
    yield Case((depth * apart.exp(), depth, 0.7), mixed, gradient)


def _candidates(seed: int) -> Iterator[Case]:
    generator = _generator(seed)

    def noisy(*scores: float) -> Tensor:
        return torch.tensor(scores, dtype=torch.float64) + 0.04 * _uniform(generator, len(scores))

    chain = ((0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10))
    yield Case((_boxes(generator, 1), noisy(0.7), 0.5), Message("只有一个框。", "A single box."))
    pair = _near(generator, (2, 3, 14, 12), (4, 4, 16, 12), (30, 5, 44, 20))
    yield Case((pair, noisy(0.3, 0.8, 0.5), 0.5))
    chained = Message(
        "一串框，每个只和相邻的重叠。", "A chain of boxes that overlap with their neighbours alone."
    )
    yield Case((_near(generator, *chain), noisy(0.9, 0.8, 0.7), 0.3), chained)
    yield Case((_near(generator, *chain), noisy(0.5, 0.9, 0.7), 0.3), chained)
    yield Case((_near(generator, *chain), noisy(0.7, 0.5, 0.9), 0.3), chained)
    longer = (*chain, (12, 0, 22, 10), (16, 0, 26, 10))
    yield Case((_near(generator, *longer), noisy(0.5, 0.9, 0.8, 0.7, 0.6), 0.3), chained)
    edge = _exactly((3, 5, 5, 6), (3, 5, 4, 6), (20, 8, 28, 16), (20, 8, 28, 12))
    tie = Message("交并比正好等于阈值。", "The IoU equals the threshold.")
    yield Case((edge, noisy(0.9, 0.8, 0.3, 0.5), 0.5), tie)
    equal = Message("有两个分数相同。", "Two scores are equal.")
    level = noisy(0.6)
    yield Case((pair, torch.cat([level, level, noisy(0.3)]), 0.5), equal)
    small = _near(generator, (0, 0, 30, 20), (4, 4, 9, 8), (12, 3, 18, 9))
    yield Case(
        (small, noisy(0.9, 0.8, 0.7), 0.3), Message("小框在大框里面。", "Small boxes inside a large one.")
    )
    flat = _exactly((5, 5, 5, 5), (5, 5, 5, 5), (3, 2, 3, 9), (3, 2, 3, 9))
    yield Case((flat, noisy(0.4, 0.6, 0.9, 0.2), 0.5), POINTS)
    diagonal = _near(generator, (0, 0, 6, 6), (14, 14, 20, 20), (30, 1, 36, 7))
    yield Case((diagonal, noisy(0.4, 0.9, 0.6), 0.3), APART)
    yield Case((_none(0, 4), _none(0), 0.5), NO_BOXES)
    logits = Message("分数是 logit，有正有负。", "Scores are logits, some of them negative.")
    alone = (40, 20, 48, 28)  # kept, with a score between −1 and 0
    yield Case((_near(generator, *longer, alone), noisy(-2.0, -0.5, 1.5, -3.0, 0.4, -0.3), 0.3), logits)
    low = Message("所有的分数都很低。", "All scores are low.")
    yield Case((_near(generator, *longer), noisy(0.02, 0.17, 0.12, 0.07, 0.22) / 2, 0.3), low)
    for n, threshold in ((9, 0.1), (12, 0.4), (14, 0.7)):
        yield Case(
            (
                _boxes(generator, n),
                torch.randperm(n, generator=generator).double() / n + noisy(0.0),
                threshold,
            )
        )
    boxes, scores = _boxes(generator, 10).float(), _uniform(generator, 10).float()
    yield Case((boxes, scores, 0.3), FLOAT32)
    yield Case((boxes / 64, scores, 0.3), RELATIVE)


def _deltas(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("deltas",)
    for n in (1, 3, 6):
        yield Case((0.5 * _normal(generator, n, 4), _boxes(generator, n)), None, gradient)
    still = Message("增量都是 0：框就是锚框。", "All deltas are 0: the box is the anchor.")
    yield Case((_none(2, 4), _boxes(generator, 2)), still, gradient)
    large = Message("tw、th 很大。", "tw and th are large.")
    deltas = _exactly((0.2, -0.3, 6, 0.4), (-0.1, 0.5, -0.2, 9)) + 0.1 * _normal(generator, 2, 4)
    yield Case((deltas, _boxes(generator, 2)), large, gradient)
    small = Message("tw、th 很小。", "tw and th are far below 0.")
    deltas = _exactly((0.2, -0.3, -6, 0.4), (-0.1, 0.5, -0.2, -5)) + 0.1 * _normal(generator, 2, 4)
    yield Case((deltas, _boxes(generator, 2)), small, gradient)
    far = Message("框离锚框很远。", "The box is far from its anchor.")
    deltas = _exactly((6, -7, 0.3, 0.1), (-8, 5, 0.2, -0.4)) + 0.1 * _normal(generator, 2, 4)
    yield Case((deltas, _boxes(generator, 2)), far, gradient)
    yield Case((_none(0, 4), _none(0, 4)), NO_BOXES, gradient)
    deltas, anchors = 0.5 * _normal(generator, 4, 4), _boxes(generator, 4)
    yield Case((deltas.float(), anchors.float()), FLOAT32, gradient)
    wild = Message("float32，没训练过的网络说 tw = 200。", "float32, an untrained network says tw = 200.")
    deltas = deltas.float() + torch.tensor([[0.0, 0, 200, 0], [0, 0, 0, 120], [0, 0, 0, 0], [0, 0, 0, 0]])
    yield Case((deltas, anchors.float()), wild, gradient)


def _heat(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("heatmaps",)
    for shape, temperature in (
        ((1, 1, 2, 3), 1.0),
        ((1, 2, 3, 2), 0.5),
        ((2, 1, 4, 4), 2.0),
        ((2, 3, 3, 5), 1.0),
        ((3, 2, 5, 4), 0.7),
    ):
        yield Case((1.5 * _normal(generator, *shape), temperature), None, gradient)
    even = Message("每一格都一样高。", "All cells are equally high.")
    yield Case((_none(1, 2, 3, 4) + _normal(generator, 1, 2, 1, 1), 1.0), even, gradient)
    yield Case((_normal(generator, 1, 1, 1, 4), 1.0), Message("只有一行。", "A single row."), gradient)
    maps = _normal(generator, 2, 2, 4, 6).float()
    yield Case((maps, 1.0), FLOAT32, gradient)
    yield Case(
        (maps + 500, 0.8),
        Message("float32，logit 都在 500 附近。", "float32, all logits near 500."),
        gradient,
    )
    peak = Message("float32，一格比别的高出很多。", "float32, one cell far above the rest.")
    yield Case((60 * maps, 0.3), peak, gradient)


# What mistakes share


class _Measured(NamedTuple):
    """Areas of two boxes, of what they share, and of the smallest box around both."""

    a: Tensor
    b: Tensor
    shared: Tensor
    hull: Tensor

    @property
    def union(self) -> Tensor:
        return self.a + self.b - self.shared


def _area(low: Tensor, high: Tensor, more: float = 0.0, least: float = 0.0) -> Tensor:
    return (high - low + more).clamp(min=least).prod(-1)


def _measured(a: Tensor, b: Tensor, more: float = 0.0, least: float = 0.0) -> _Measured:
    (low_a, high_a), (low_b, high_b) = a.split(2, -1), b.split(2, -1)
    low, high = torch.maximum(low_a, low_b), torch.minimum(high_a, high_b)
    return _Measured(
        _area(low_a, high_a, more),
        _area(low_b, high_b, more),
        _area(low, high, more, least),
        _area(torch.minimum(low_a, low_b), torch.maximum(high_a, high_b), more),
    )


def _share(part: Tensor, whole: Tensor) -> Tensor:
    some = whole > 0
    return torch.where(some, part / torch.where(some, whole, 1), 0)


def _iou(m: _Measured) -> Tensor:
    return _share(m.shared, m.union)


def _penalty(m: _Measured) -> Tensor:
    return _share(m.hull - m.union, m.hull)


def _giou(m: _Measured) -> Tensor:
    return _iou(m) - _penalty(m)


Pair = Callable[[Tensor, Tensor], Tensor]


def _of(function: Callable[[_Measured], Tensor], more: float = 0.0, least: float = 0.0) -> Pair:
    """A function of the areas of two boxes in the same place."""
    return lambda a, b: function(_measured(a, b, more, least))


def _read(function: Pair, reading: Callable[[Tensor], Tensor]) -> Pair:
    """The function of boxes that are read in another way."""
    return lambda a, b: function(reading(a), reading(b))


OVERLAP = _of(_iou)


def _each(function: Pair) -> Pair:
    """The function of every box of ``a`` with every box of ``b``."""
    return lambda a, b: function(a[:, None], b[None])


def _from_sizes(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


def _from_middles(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def _by_axis(boxes: Tensor) -> Tensor:
    """As though x1, x2, y1, y2 were given."""
    return boxes[..., [0, 2, 1, 3]]


def _along(function: Pair, axis: int) -> Pair:
    """The function of what remains of boxes along one axis: all are one pixel wide along the other."""

    def flat(boxes: Tensor) -> Tensor:
        return torch.stack(
            [0 * boxes[..., 0], boxes[..., axis], 0 * boxes[..., 0] + 1, boxes[..., 2 + axis]], -1
        )

    return _read(function, flat)


def _absolute(a: Tensor, b: Tensor) -> Tensor:
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    m = _measured(a, b)._replace(shared=(high - low).abs().prod(-1))
    return _iou(m)


def _unclamped(a: Tensor, b: Tensor) -> _Measured:
    return _measured(a, b, least=-math.inf)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """DIoU: the middles' distance instead of the empty part."""
    (low_a, high_a), (low_b, high_b) = a.split(2, -1), b.split(2, -1)
    diagonal = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).square().sum(-1)
    middles = ((low_a + high_a - low_b - high_b) / 2).square().sum(-1)
    return OVERLAP(a, b) - _share(middles, diagonal)


def _with_hull(hull: Callable[[Tensor, Tensor], Tensor]) -> Pair:
    """GIoU with another enclosing box, whose corners are given."""

    def run(a: Tensor, b: Tensor) -> Tensor:
        around = hull(a, b)
        m = _measured(a, b)._replace(hull=_area(around[..., :2], around[..., 2:]))
        return _iou(m) - _share(m.hull - m.union, m.hull)

    return run


Entries = Callable[[Tensor, Tensor], Tensor]


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def _right(logits: Tensor, targets: Tensor) -> Tensor:
    """Probability of the right answer."""
    p = logits.sigmoid()
    return p * targets + (1 - p) * (1 - targets)


def _modulated(right: Tensor, gamma: float) -> Tensor:
    return (1 - right) ** gamma


def _balanced(targets: Tensor, alpha: float) -> Tensor:
    return alpha * targets + (1 - alpha) * (1 - targets)


def _mean(values: Tensor, targets: Tensor) -> Tensor:
    return values.mean()


def _focal(
    cost: Entries = _cross_entropy,
    modulated: Callable[[Tensor, float], Tensor] = _modulated,
    balanced: Callable[[Tensor, float], Tensor] = _balanced,
    reduce: Entries = _mean,
    right: Entries = _right,
) -> Callable[[Tensor, Tensor, float, float], Tensor]:
    """The focal loss with one of its parts replaced."""

    def run(logits: Tensor, targets: Tensor, alpha: float, gamma: float) -> Tensor:
        weight = balanced(targets, alpha) * modulated(right(logits, targets), gamma)
        return reduce(weight * cost(logits, targets), targets)

    return run


def _softmax_right(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.softmax(-1)
    return p * targets + (1 - p) * (1 - targets)


def _clamped_logarithm(logits: Tensor, targets: Tensor) -> Tensor:
    return -_right(logits, targets).clamp(1e-6, 1 - 1e-6).log()


Elements = Callable[[Tensor, float], Tensor]


def _smooth(d: Tensor, beta: float) -> Tensor:
    return torch.where(d.abs() < beta, d.square() / (2 * beta), d.abs() - beta / 2)


def _average(values: Tensor) -> Tensor:
    """0 for no values."""
    return values.sum() / max(values.numel(), 1)


def _elements(values: Elements, reduce: Callable[[Tensor], Tensor] = _average) -> Callable[..., Tensor]:
    """A function of each difference for itself."""
    return lambda prediction, target, beta: reduce(values(prediction - target, beta))


def _by_branch(near: Elements, far: Elements) -> Elements:
    return lambda d, beta: torch.where(d.abs() < beta, near(d, beta), far(d, beta))


def _parabola(d: Tensor, beta: float) -> Tensor:
    return d.square() / (2 * beta)


def _arm(d: Tensor, beta: float) -> Tensor:
    return d.abs() - beta / 2


def _logarithms(prediction: Tensor, target: Tensor) -> Tensor:
    """Differences of logarithms at the valid pixels."""
    valid = target > 0
    return prediction[valid].log() - target[valid].log()


def _silog(d: Tensor, lam: float) -> Tensor:
    return (d.square().mean() - lam * d.mean().square()).sqrt()


def _of_differences(cost: Callable[[Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """A function of the differences at the valid pixels."""
    return lambda prediction, target, lam: cost(_logarithms(prediction, target), lam)


def _depth(differences: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Right but for the differences."""
    return lambda prediction, target, lam: _silog(differences(prediction, target), lam)


def _zero_where_invalid(prediction: Tensor, target: Tensor) -> Tensor:
    valid = target > 0
    return torch.where(valid, prediction.log() - torch.where(valid, target, 1).log(), 0)


def _second_by_all(prediction: Tensor, target: Tensor, lam: float) -> Tensor:
    d = _zero_where_invalid(prediction, target)
    return (_logarithms(prediction, target).square().mean() - lam * d.mean().square()).sqrt()


def _by_picture(prediction: Tensor, target: Tensor, lam: float) -> Tensor:
    """The mean over pictures of each one's loss; those without depth are left out."""
    pairs = [(p, t) for p, t in zip(prediction, target, strict=True) if (t > 0).any()]
    return torch.stack([_silog(_logarithms(p, t), lam) for p, t in pairs]).mean()


def _order(scores: Tensor) -> Tensor:
    return scores.sort(descending=True, stable=True).indices


def _greedy(
    boxes: Tensor,
    threshold: float,
    iou: Pair = OVERLAP,
    drops: Callable[[Tensor, float], Tensor] = torch.gt,
    by: str = "kept",
) -> list[int]:
    """Rows of sorted boxes that stay; what may drop a box: those kept, all before it, the first or the last kept."""
    kept: list[int] = []
    for row, box in enumerate(boxes):
        rivals = {"kept": kept, "seen": list(range(row)), "first": kept[:1], "last": kept[-1:]}[by]
        if not rivals or not bool(drops(iou(boxes[rivals], box), threshold).any()):
            kept.append(row)
    return kept


def _suppressed(order: Callable[[Tensor], Tensor] = _order, **how: object) -> Callable[..., Tensor]:
    """NMS in another order, or with other rules of what drops a box."""

    def run(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
        rows = order(scores)
        return rows[torch.tensor(_greedy(boxes[rows], threshold, **how), dtype=torch.int64)]  # type: ignore[arg-type]

    return run


def _one_a_group(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The best of each set of boxes that hang together through overlaps."""
    order = _order(scores)
    linked = _each(OVERLAP)(boxes[order], boxes[order]) > threshold
    linked |= torch.eye(len(boxes), dtype=torch.bool)
    for _ in range(len(boxes)):
        linked = (linked.double() @ linked.double()) > 0
    return order[~linked.tril(-1).any(1)]


def _until_zero(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Dropped boxes get a score of 0, and the loop ends where nothing above 0 is left."""
    left, kept = scores.clone(), []
    while len(left) and left.max() > 0:
        best = int(left.argmax())
        kept.append(best)
        left[OVERLAP(boxes, boxes[best]) > threshold] = 0
        left[best] = 0
    return torch.tensor(kept, dtype=torch.int64)


def _above_threshold(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    kept = nms(boxes, scores, threshold)
    return kept[scores[kept] > threshold]


def _rows_of(boxes: Tensor, rows: Tensor) -> bool:
    """Whether these are different rows of the boxes; what is asked of rows next can then be looked up."""
    return len(rows.unique()) == len(rows) and bool(((rows >= 0) & (rows < len(boxes))).all())


MOST = box_coder.LARGEST_LOG


def _parts(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Middle, width and height."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def _grown(growth: Tensor) -> Tensor:
    return growth.clamp(max=MOST).exp()


def _corners(middle: Tensor, sides: Tensor) -> Tensor:
    return torch.cat([middle - sides / 2, middle + sides / 2], 1)


def _decoded(
    middle: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = lambda shift, middle, sides, new: (
        middle + shift * sides
    ),
    grown: Callable[[Tensor], Tensor] = _grown,
    corners: Pair = _corners,
    parts: Callable[[Tensor], tuple[Tensor, Tensor]] = _parts,
    order: tuple[int, ...] = (0, 1, 2, 3),
) -> Pair:
    """Decoding with one step replaced."""

    def run(deltas: Tensor, anchors: Tensor) -> Tensor:
        (shift, growth), (old, sides) = deltas[:, list(order)].split(2, 1), parts(anchors)
        new = sides * grown(growth)
        return corners(middle(shift, old, sides, new), new)

    return run


def _softmax(logits: Tensor) -> Tensor:
    return logits.flatten(2).softmax(-1).view_as(logits)


def _places(weights: Tensor, start: float = 0.5) -> Tensor:
    """Sums of x and y over all cells, weighted."""
    x = torch.arange(weights.shape[3], dtype=weights.dtype) + start
    y = torch.arange(weights.shape[2], dtype=weights.dtype) + start
    return torch.stack([(weights.sum(2) * x).sum(-1), (weights.sum(3) * y).sum(-1)], -1)


def _placed(weights: Callable[[Tensor], Tensor], start: float = 0.5) -> Callable[[Tensor, float], Tensor]:
    """With other weights than the softmax over all cells."""
    return lambda heatmaps, temperature: _places(weights(heatmaps / temperature), start)


def _after(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, float], Tensor]:
    """Right, but for something done to the result; it is told width and height."""

    def run(heatmaps: Tensor, temperature: float) -> Tensor:
        size = torch.tensor([heatmaps.shape[3], heatmaps.shape[2]], dtype=heatmaps.dtype)
        return change(soft_argmax(heatmaps, temperature), size)

    return run


def _of_the_highest(heatmaps: Tensor) -> Tensor:
    best = F.one_hot(heatmaps.flatten(2).argmax(-1), heatmaps[0, 0].numel())
    return best.view_as(heatmaps).to(heatmaps)


def _unshifted(logits: Tensor) -> Tensor:
    exp = logits.exp()
    return exp / exp.sum((2, 3), keepdim=True)


def _mean_number(heatmaps: Tensor, temperature: float) -> Tensor:
    """The mean of the cells' numbers, then split into column and row."""
    weights = _softmax(heatmaps / temperature).flatten(2)
    width = heatmaps.shape[3]
    number = (weights * torch.arange(weights.shape[2], dtype=weights.dtype)).sum(-1)
    return torch.stack([number % width, (number / width).floor()], -1) + 0.5


def _by_height(heatmaps: Tensor, temperature: float) -> Tensor:
    """Row and column of a cell's number found with the height in the place of the width."""
    weights, height = _softmax(heatmaps / temperature).flatten(2), heatmaps.shape[2]
    cells = torch.arange(weights.shape[2])
    places = torch.stack([cells % height, cells // height], -1).to(weights) + 0.5
    return weights @ places


def _marginals(heatmaps: Tensor, temperature: float) -> Tensor:
    """Logits summed along rows and columns before the softmax."""
    logits = heatmaps / temperature
    across, down = logits.sum(2).softmax(-1), logits.sum(3).softmax(-1)
    x, y = (torch.arange(w.shape[-1], dtype=w.dtype) + 0.5 for w in (across, down))
    return torch.stack([(across * x).sum(-1), (down * y).sum(-1)], -1)


def _close(a: Tensor, b: Tensor) -> bool:
    return bool(torch.allclose(a, b, rtol=1e-4, atol=1e-4))


def _has_finite_gradients(function: Pair, a: Tensor, b: Tensor) -> bool:
    """Whether no gradient of the sum is NaN or ∞; where none arrives at all is another matter."""
    a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
    total = function(a, b).sum()
    if not total.requires_grad:  # of no boxes
        return True
    arrived = torch.autograd.grad(total, (a, b), allow_unused=True)
    return all(gradient is None or bool(gradient.isfinite().all()) for gradient in arrived)


def _inclusive_areas(a: Tensor, b: Tensor) -> Tensor:
    more = _measured(a, b, more=1.0)
    return _iou(_measured(a, b)._replace(a=more.a, b=more.b))


def _inclusive_shared(a: Tensor, b: Tensor) -> Tensor:
    return _iou(_measured(a, b)._replace(shared=_measured(a, b, more=1.0).shared))


WIDTHS = (
    "把框当成了 (x, y, 宽, 高)。题目给的是两个角 (x1, y1, x2, y2)：宽是 x2 − x1。",
    "The boxes were read as (x, y, width, height). They are two corners, (x1, y1, x2, y2): the width is x2 − x1.",
)
MIDDLES = (
    "把框当成了 (中心 x, 中心 y, 宽, 高)。题目给的是两个角 (x1, y1, x2, y2)。",
    "The boxes were read as (middle x, middle y, width, height). They are two corners, (x1, y1, x2, y2).",
)
PLUS_ONE = (
    "宽和高多加了 1。那是“两端像素都算在内”的老约定；这里 x2、y2 是最后一个像素**之后**的位置，宽就是 x2 − x1。",
    "Width and height have 1 added. That is the old convention of inclusive pixels; here x2 and y2 lie one past the last pixel, and the width is x2 − x1.",
)
NEGATIVE = (
    "两个框不相交时，交集的宽或高是负数，没有截到 0。两个都是负数时更糟：乘积又成了正的。",
    "Where boxes do not meet, the width or height of the intersection is negative and has to stop at 0. Worse when both are: their product is positive again.",
)
SHARED_TWICE = (
    "并集没有减去交集：重叠的那一块算了两次，框和自己的交并比只有 1/2。",
    "The union still counts the overlap twice: subtract the intersection once. As it is, a box has an IoU of 1/2 with itself.",
)
NO_AREA = (
    "两个框面积都是 0 时，0 除以 0 得到 NaN。标注里真有这样的框，一个就够毁掉整批的平均。这里规定为 0。",
    "For two boxes without an area you divide 0 by 0 and get NaN. Real labels hold such boxes, and one is enough to ruin a mean. Let it be 0.",
)
ONE_AREA = (
    "分子分母都加了一个小数，面积为 0 的两个框就得了 1，不管隔多远都是。只护住分母，让结果是 0。",
    "A small number was added above and below the line, so two boxes without an area get 1, however far apart. Guard the denominator alone; the result is then 0.",
)

BOX_IOU = Exercise(
    "box_iou",
    box_iou,
    _many_with_many,
    mistakes=(
        Mistake("inclusive_pixels", _each(_of(_iou, more=1.0)), *PLUS_ONE),
        Mistake(
            "inclusive_areas",
            _each(_inclusive_areas),
            zh="算面积时宽和高多加了 1，算交集时没有加：框和自己的交并比不到 1。两处都不加。",
            en="Areas have 1 added to width and height, the intersection has not: a box has less than 1 with itself. Add it in neither place.",
        ),
        Mistake(
            "inclusive_intersection",
            _each(_inclusive_shared),
            zh="算交集时宽和高多加了 1，算面积时没有加：只挨着一条边的框也算重叠了。两处都不加。",
            en="The intersection has 1 added to width and height, areas have not: boxes that merely touch come out as overlapping. Add it in neither place.",
        ),
        Mistake("negative_sides", _each(_of(_iou, least=-math.inf)), *NEGATIVE),
        Mistake(
            "clamped_after_the_product",
            _each(lambda a, b: _iou((m := _unclamped(a, b))._replace(shared=m.shared.clamp(min=0)))),
            zh="先乘后截：宽和高都是负数时，乘积是正的，截不掉，斜着分开的两个框就“重叠”了。宽和高要各自先截到 0。",
            en="The product was taken first and clamped afterwards. A negative width times a negative height is positive and stays, so boxes apart in both directions *overlap*. Clamp each "
            "side first.",
        ),
        Mistake(
            "absolute_sides",
            _each(_absolute),
            zh="交集的宽和高取了绝对值：两个框隔得越远，“交集”越大。负的要变成 0。",
            en="The sides of the intersection became absolute values: the farther apart two boxes are, the more they *share*. Negative ones have to become 0.",
        ),
        Mistake("overlap_counted_twice", _each(_of(lambda m: _share(m.shared, m.a + m.b))), *SHARED_TWICE),
        Mistake(
            "smaller_area",
            _each(_of(lambda m: _share(m.shared, torch.minimum(m.a, m.b)))),
            zh="除以了较小的面积：大框里的任何小框都得 1，框住整张图就处处满分。要除以并集。",
            en="Divided by the smaller area: any box inside a larger one gets 1, and a box around the whole picture is always perfect. Divide by the union.",
        ),
        Mistake(
            "larger_area",
            _each(_of(lambda m: _share(m.shared, torch.maximum(m.a, m.b)))),
            zh="除以了较大的面积。要除以并集：两个框一共盖住的部分。",
            en="Divided by the larger area. Divide by the union, all that the two cover together.",
        ),
        Mistake(
            "dice",
            _each(_of(lambda m: _share(2 * m.shared, m.a + m.b))),
            zh="这是 Dice 系数，2I/(A+B)，总是比交并比高。分母要并集，分子不乘 2。",
            en="That is the Dice coefficient, 2I/(A+B), which is never below the IoU. Take the union below and no 2 above.",
        ),
        Mistake(
            "share_of_a",
            _each(_of(lambda m: _share(m.shared, m.a))),
            zh="除以了 `a` 的面积：那是 `a` 有多少被盖住，换一下 a、b 就变了。要除以并集。",
            en="Divided by the area of `a`: that is how much of `a` is covered and changes when a and b change places. Divide by the union.",
        ),
        Mistake(
            "share_of_b",
            _each(_of(lambda m: _share(m.shared, m.b))),
            zh="除以了 `b` 的面积：那是 `b` 有多少被盖住。要除以并集。",
            en="Divided by the area of `b`: that is how much of `b` is covered. Divide by the union.",
        ),
        Mistake(
            "divided_by_hull",  # the product of the IoU along x and that along y is the same
            _each(_of(lambda m: _share(m.shared, m.hull))),
            zh="除以了包住两个框的最小矩形（横竖两个方向各算交并比再相乘，也是它）。那里面有一部分两个框都没盖住：并集不是矩形，它是面积之和减去交集。",
            en="Divided by the smallest rectangle around both, as does whoever multiplies the IoU along x by that along y. Part of it is covered by neither: a union is no rectangle, but the sum of areas minus the intersection.",
        ),
        Mistake(
            "hull_over_union",
            _each(_of(lambda m: _share(m.hull, m.union))),
            zh="`max` 和 `min` 用反了，得到的是包住两个框的框，不是交集。交集从较**大**的左上角开始，到较**小**的右下角为止。",
            en="`max` and `min` are exchanged, which gives the box around both. An intersection begins at the *larger* of the left upper corners and ends at the *smaller* of the others.",
        ),
        Mistake(
            "intersection",
            _each(_of(lambda m: m.shared)),
            zh="这是交集的面积，还没有除以并集。",
            en="That is the area of the intersection; divide it by the union.",
        ),
        Mistake(
            "loss",
            _each(_of(lambda m: 1 - _iou(m))),
            zh="这是 1 − 交并比，也就是损失。题目要交并比本身。",
            en="That is 1 − IoU, the loss. The IoU itself is asked for.",
        ),
        Mistake(
            "generalised",
            _each(_of(_giou)),
            zh="这是 GIoU，下一题才要。交并比没有负数。",
            en="That is the GIoU of the next exercise. An IoU is never negative.",
        ),
        Mistake(
            "horizontal_only",
            _each(_along(OVERLAP, 0)),
            zh="只看了 x 方向。上下错开的两个框并不重叠。",
            en="Only x was looked at. Boxes above each other do not overlap.",
        ),
        Mistake("sizes", _each(_read(OVERLAP, _from_sizes)), *WIDTHS),
        Mistake("middles", _each(_read(OVERLAP, _from_middles)), *MIDDLES),
        Mistake(
            "columns_exchanged",
            _each(_read(OVERLAP, _by_axis)),
            zh="坐标的次序看错了：是 (x1, y1, x2, y2)，不是 (x1, x2, y1, y2)。",
            en="Other columns: the order is (x1, y1, x2, y2) and not (x1, x2, y1, y2).",
        ),
        Mistake(
            "whole_pixels",
            _each(_read(OVERLAP, lambda boxes: boxes.floor())),
            zh="坐标取了整。框的角可以落在两个像素之间，相对坐标取整以后全是 0。",
            en="Coordinates were rounded down. Corners may lie between pixels, and shares of the picture all become 0.",
        ),
        Mistake("nan_without_area", _each(_of(lambda m: m.shared / m.union)), *NO_AREA),
        Mistake("one_without_area", _each(_of(lambda m: (m.shared + 1e-9) / (m.union + 1e-9))), *ONE_AREA),
        Mistake(
            "one_added_below",
            _each(_of(lambda m: m.shared / (m.union + 1))),
            zh="为了不除以 0，分母加了 1。坐标是像素时看不大出来，坐标在 0 到 1 之间时面积本来就不到 1，结果全错了。",
            en="1 was added below the line against a division by 0. In pixels that hardly shows; with coordinates from 0 to 1 areas are below 1 themselves, and all is wrong.",
        ),
    ),
    properties=(
        Property(
            lambda function, a, b: _close(function(a, b), function(b, a).T),
            zh="a、b 互换，结果转置。",
            en="exchanging a and b transposes the result.",
        ),
        Property(
            lambda function, a, b: _close(function(a, a).diagonal(), (_area(a[:, :2], a[:, 2:]) > 0).to(a)),
            zh="框和自己的交并比是 1（面积为 0 的框是 0）。",
            en="a box has an IoU of 1 with itself, or 0 without an area.",
        ),
        Property(
            lambda function, a, b: _close(function(a + 7, b + 7), function(a, b)),
            zh="两个框一起平移，结果不变。",
            en="moving both boxes alike changes nothing.",
        ),
        Property(
            lambda function, a, b: _close(function(3 * a, 3 * b), function(a, b)),
            zh="图片放大，结果不变。",
            en="enlarging the picture changes nothing.",
        ),
    ),
    hints=(
        Message(
            "交集也是一个框。它的左上角在哪里？右下角呢？两个框不相交时，它的宽和高会怎样？",
            "The intersection is a box, too. Where is its left upper corner, and where the other? What becomes of its sides when the boxes do not meet?",
        ),
        Message(
            "左上角取两个里较大的，右下角取较小的，宽和高各自截到 0。并集 = 面积之和 − 交集。成对比较用广播：`a[:, None]` 和 `b[None]`。",
            "Take the larger of the left upper corners and the smaller of the others; each side stops at 0. The union is the sum of areas minus the intersection. `a[:, None]` and `b[None]` compare all with all.",
        ),
        Message(
            "`low = torch.maximum(a[:, None, :2], b[None, :, :2])`，右下角同理用 `minimum`；`(high - low).clamp(min=0).prod(-1)` 是交集。最后护住分母：并集为 0 时结果是 0。",
            "`low = torch.maximum(a[:, None, :2], b[None, :, :2])`, likewise `high` with `minimum`; `(high - low).clamp(min=0).prod(-1)` is the intersection. Guard the denominator: without a union the result is 0.",
        ),
    ),
    minutes=15,
    mark="★★",
)

GIOU = Exercise(
    "giou",
    giou,
    _one_with_one,
    mistakes=(
        Mistake(
            "iou",
            OVERLAP,
            zh="这是交并比：不相交的框都得 0，不管远近，梯度也是 0，框学不会靠过来。还要减去外框里空着的比例。",
            en="That is the IoU: boxes that do not meet get 0, near or far, and no gradient pulls them closer. Subtract the empty share of the box around both.",
        ),
        Mistake(
            "divided_by_union",
            _of(lambda m: _iou(m) - _share(m.hull - m.union, m.union)),
            zh="空着的部分除以了并集。要除以外框：这样它才在 0 到 1 之间，GIoU 才不会低于 −1。",
            en="The empty part was divided by the union. Divide it by the enclosing box: only then is it a share, and the GIoU never below −1.",
        ),
        Mistake(
            "intersection_as_hull",
            _of(lambda m: _iou(m) - _share(m.shared - m.union, m.shared)),
            zh="外框用的是交集的两个角：`max` 和 `min` 没有换过来。包住两个框，要取较小的左上角和较大的右下角。",
            en="The enclosing box has the corners of the intersection: `max` and `min` have to change places. Around both boxes the left upper corner is the smaller one, the other the larger.",
        ),
        Mistake(
            "hull_from_a_to_b",
            _with_hull(lambda a, b: torch.cat([torch.minimum(a[..., :2], b[..., :2]), b[..., 2:]], -1)),
            zh="外框的右下角总是取了 `b` 的。`a` 伸得更远时就包不住了：要取较大的。",
            en="The enclosing box always ends where `b` ends. Where `a` reaches farther it does not enclose: take the larger corner.",
        ),
        Mistake(
            "hull_of_a_start",
            _with_hull(lambda a, b: torch.cat([a[..., :2], torch.maximum(a[..., 2:], b[..., 2:])], -1)),
            zh="外框的左上角总是取了 `a` 的。`b` 更靠左上时就包不住了：要取较小的。",
            en="The enclosing box always begins where `a` begins. Where `b` begins earlier it does not enclose: take the smaller corner.",
        ),
        Mistake(
            "larger_box_as_hull",
            _of(lambda m: _iou(m) - _share(torch.maximum(m.a, m.b) - m.union, torch.maximum(m.a, m.b))),
            zh="外框用的是两个框里较大的那个，它未必包得住另一个。",
            en="The larger of both boxes was taken for the enclosing one; it need not enclose the other.",
        ),
        Mistake(
            "sum_of_areas_as_hull",
            _of(lambda m: _iou(m) - _share(m.shared, m.a + m.b)),
            zh="外框的面积用的是两个面积之和。外框是包住两个框的最小**矩形**，隔得越远越大。",
            en="The sum of both areas was taken for the enclosing box. That is the smallest *rectangle* around both and grows with their distance.",
        ),
        Mistake(
            "penalty_added",
            _of(lambda m: _iou(m) + _penalty(m)),
            zh="符号反了：空着的比例加了上去，隔得越远分数越高。",
            en="The sign is wrong: the empty share was added, and boxes farther apart score higher.",
        ),
        Mistake(
            "intersection_subtracted",
            _of(lambda m: _iou(m) - _share(m.hull - m.shared, m.hull)),
            zh="外框里减去的是交集。空着的是两个框都没盖住的，要减去并集。",
            en="The intersection was subtracted from the enclosing box. Empty is what neither box covers: subtract the union.",
        ),
        Mistake(
            "full_share",
            _of(lambda m: _iou(m) - _share(m.union, m.hull)),
            zh="减去的是盖住的比例，应当减去空着的。框和自己会得 0，而不是 1。",
            en="The covered share was subtracted instead of the empty one: a box gets 0 with itself and not 1.",
        ),
        Mistake(
            "loss",
            _of(lambda m: 1 - _giou(m)),
            zh="这是 1 − GIoU，也就是损失。题目要 GIoU 本身。",
            en="That is 1 − GIoU, the loss. The GIoU itself is asked for.",
        ),
        Mistake(
            "halved",
            _of(lambda m: (1 + _giou(m)) / 2),
            zh="结果压到了 0 到 1 之间。GIoU 从 −1 到 1，不要再变换。",
            en="The result was squeezed into 0 to 1. GIoU runs from −1 to 1; leave it there.",
        ),
        Mistake(
            "clamped_at_zero",
            _of(lambda m: _giou(m).clamp(min=0)),
            zh="负数截成了 0：不相交的框又没有了梯度，GIoU 白算了。",
            en="What was negative became 0: boxes that do not meet are without a gradient again, and nothing is gained over IoU.",
        ),
        Mistake(
            "only_apart",
            _of(lambda m: torch.where(m.shared > 0, _iou(m), _giou(m))),
            zh="只有不相交时才减。相交的框，外框里也有空着的，同样要减。",
            en="The empty share was subtracted only where boxes do not meet. Boxes that overlap leave some of the enclosing box empty, too.",
        ),
        Mistake(
            "distance",
            _distance,
            zh="这是 DIoU：减去的是两个中心的距离（平方，除以对角线的平方）。GIoU 减的是外框里空着的面积。",
            en="That is DIoU, which subtracts the squared distance of the middles over the squared diagonal. GIoU subtracts the empty area of the enclosing box.",
        ),
        Mistake("negative_sides", _of(_giou, least=-math.inf), *NEGATIVE),
        Mistake(
            "overlap_counted_twice",
            _of(lambda m: _share(m.shared, m.a + m.b) - _share(m.hull - m.a - m.b, m.hull)),
            *SHARED_TWICE,
        ),
        Mistake("inclusive_pixels", _of(_giou, more=1.0), *PLUS_ONE),
        Mistake("sizes", _read(_of(_giou), _from_sizes), *WIDTHS),
        Mistake("middles", _read(_of(_giou), _from_middles), *MIDDLES),
        Mistake(
            "columns_exchanged",
            _read(_of(_giou), _by_axis),
            zh="坐标的次序看错了：是 (x1, y1, x2, y2)，不是 (x1, x2, y1, y2)。",
            en="Other columns: the order is (x1, y1, x2, y2) and not (x1, x2, y1, y2).",
        ),
        Mistake(
            "nan_without_area", _of(lambda m: m.shared / m.union - (m.hull - m.union) / m.hull), *NO_AREA
        ),
        Mistake(
            "hull_detached",
            _of(lambda m: _iou(m) - _share(m.hull.detach() - m.union, m.hull.detach())),
            zh="数值对，外框却断了梯度：不相交的框正是靠它靠过来的。",
            en="Right values, but no gradient passes the enclosing box, which is what pulls distant boxes together.",
        ),
    ),
    properties=(
        Property(
            lambda function, a, b: _close(function(a, b), function(b, a)),
            zh="a、b 互换，结果不变（对称）。",
            en="exchanging a and b changes nothing (symmetry).",
        ),
        Property(
            lambda function, a, b: _close(function(a, a), (_area(a[:, :2], a[:, 2:]) > 0).to(a)),
            zh="框和自己的 GIoU 是 1（面积为 0 的框是 0）。",
            en="a box has a GIoU of 1 with itself, or 0 without an area.",
        ),
        Property(
            lambda function, a, b: bool(((function(a, b) >= -1.0001) & (function(a, b) <= 1.0001)).all()),
            zh="结果在 −1 到 1 之间。",
            en="results lie between −1 and 1.",
        ),
        Property(
            lambda function, a, b: bool((function(a, b) <= OVERLAP(a, b) + 1e-4).all()),
            zh="GIoU 不会超过交并比。",
            en="GIoU is never above IoU.",
        ),
        Property(
            lambda function, a, b: _close(function(3 * a + 5, 3 * b + 5), function(a, b)),
            zh="两个框一起平移、放大，结果不变。",
            en="moving and enlarging both boxes alike changes nothing.",
        ),
    ),
    demands=(
        Property(
            lambda function, a, b: _has_finite_gradients(function, a, b),
            zh="有的框没有面积，那里的梯度是 NaN 或 ∞，一步就毁掉所有权重。`torch.where` 两边都要算：0/0 没有选中，反向传播时却照样得出 NaN。先护住分母，再做除法。",
            en="Where boxes have no area a gradient is NaN or ∞, and one step ruins all weights. `torch.where` computes both of its sides: 0/0 is not picked, yet it makes a NaN on the way back. Guard the denominator first and divide after.",
        ),
    ),
    hints=(
        Message(
            "先算交并比，同一行对同一行。再想象一个刚好包住两个框的矩形：里面有多少是空的？",
            "Begin with the IoU, row by row. Then imagine the rectangle that just encloses both boxes: how much of it is empty?",
        ),
        Message(
            "外框的左上角取较小的，右下角取较大的，与交集正好相反。减去 (外框 − 并集) / 外框。",
            "The enclosing box has the smaller left upper corner and the larger other one, just opposite to the intersection. Subtract (enclosing − union) / enclosing.",
        ),
        Message(
            "`hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1)`；两个分母都用 `.clamp(min=1e-9)` 护住。",
            "`hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1)`; guard both denominators with `.clamp(min=1e-9)`.",
        ),
    ),
    minutes=20,
    mark="★★",
)

FOCAL_LOSS = Exercise(
    "focal_loss",
    focal_loss,
    _questions,
    mistakes=(
        Mistake(
            "cross_entropy",
            lambda logits, targets, alpha, gamma: _cross_entropy(logits, targets).mean(),
            zh="这是普通的交叉熵，α 和 γ 都没有用上：几千个容易的背景会淹没几个目标。",
            en="That is plain cross entropy without α and γ: thousands of easy background answers drown a few objects.",
        ),
        Mistake(
            "no_gamma",
            _focal(modulated=lambda right, gamma: torch.ones_like(right)),
            zh="没有用上 γ：答得很有把握的背景照样占满损失。",
            en="γ is not used: background that is answered with confidence still fills the loss.",
        ),
        Mistake(
            "no_alpha",
            _focal(balanced=lambda targets, alpha: torch.ones_like(targets)),
            zh="没有用上 α。",
            en="α is not used.",
        ),
        Mistake(
            "alpha_for_all",
            _focal(balanced=lambda targets, alpha: alpha * torch.ones_like(targets)),
            zh="所有答案都乘了 α，那只是换了学习率。α 是“是”的权重，“否”的是 1 − α。",
            en="Everything was multiplied by α, which is but another learning rate. α is the weight of yes; no has 1 − α.",
        ),
        Mistake(
            "alpha_exchanged",
            _focal(balanced=lambda targets, alpha: _balanced(1 - targets, alpha)),
            zh="α 和 1 − α 用反了：“是”的权重是 α，“否”的是 1 − α。",
            en="α and 1 − α are exchanged: yes weighs α, and no 1 − α.",
        ),
        Mistake(
            "alpha_for_yes_only",
            _focal(balanced=lambda targets, alpha: alpha * targets + (1 - targets)),
            zh="“否”的权重还是 1，应当是 1 − α。",
            en="No still weighs 1; it should be 1 − α.",
        ),
        Mistake(
            "right_probability",
            _focal(modulated=lambda right, gamma: right**gamma),
            zh="调制因子反了：答得越对，权重越大。要的是 (1 − 正确答案的概率)^γ。",
            en="The factor is turned round: the better the answer, the more it counts. It is (1 − probability of the right answer)^γ.",
        ),
        Mistake(
            "one_minus_p_for_all",
            _focal(right=lambda logits, targets: logits.sigmoid()),
            zh="所有答案都用了 (1 − p)^γ。答案是“否”时，正确答案的概率是 1 − p，因子应当是 p^γ。",
            en="(1 − p)^γ was used throughout. Where the answer is no, the right one has the probability 1 − p, and the factor is p^γ.",
        ),
        Mistake(
            "p_for_all",
            _focal(right=lambda logits, targets: 1 - logits.sigmoid()),
            zh="所有答案都用了 p^γ。答案是“是”时，因子应当是 (1 − p)^γ。",
            en="p^γ was used throughout. Where the answer is yes, the factor is (1 − p)^γ.",
        ),
        Mistake(
            "gamma_as_factor",
            _focal(modulated=lambda right, gamma: gamma * (1 - right)),
            zh="γ 乘上去了。它是指数。",
            en="γ was multiplied. It is an exponent.",
        ),
        Mistake(
            "one_minus_power",
            _focal(modulated=lambda right, gamma: 1 - right**gamma),
            zh="括号放错了：是 (1 − p)^γ，不是 1 − p^γ。",
            en="Misplaced parentheses: (1 − p)^γ and not 1 − p^γ.",
        ),
        Mistake(
            "gamma_fixed",
            lambda logits, targets, alpha, gamma: _focal()(logits, targets, alpha, 2.0),
            zh="γ 写死成了 2。",
            en="γ is fixed at 2.",
        ),
        Mistake(
            "alpha_fixed",
            lambda logits, targets, alpha, gamma: _focal()(logits, targets, 0.25, gamma),
            zh="α 写死成了 0.25。",
            en="α is fixed at 0.25.",
        ),
        Mistake(
            "sum",
            _focal(reduce=lambda values, targets: values.sum()),
            zh="求了和。这里要对所有位置、所有类别求平均。",
            en="Summed. The mean over all places and classes is asked for.",
        ),
        Mistake(
            "sum_of_classes",
            _focal(reduce=lambda values, targets: values.sum(1).mean()),
            zh="对类别求了和，只对行求了平均。这里两样都平均。",
            en="Summed over classes and averaged over rows only. Average over both.",
        ),
        Mistake(
            "divided_by_objects",
            _focal(reduce=lambda values, targets: values.sum() / targets.sum().clamp(min=1)),
            zh="除以了目标的个数。RetinaNet 是这样做的，这道题要对所有数求平均。",
            en="Divided by the number of objects, as RetinaNet does. This exercise asks for the mean over all numbers.",
        ),
        Mistake(
            "divided_by_weights",
            lambda logits, targets, alpha, gamma: (
                _focal(reduce=lambda values, targets: values.sum())(logits, targets, alpha, gamma)
                / _balanced(targets, alpha).sum()
            ),
            zh="除以了 α 权重的和。要除以个数。",
            en="Divided by the sum of the α weights. Divide by how many numbers there are.",
        ),
        Mistake(
            "objects_only",
            _focal(reduce=lambda values, targets: (values * targets).mean()),
            zh="只算了答案是“是”的。没有“否”，到处都说“是”就满分了。",
            en="Only entries with the answer yes count. Without the others, a model that always says yes is perfect.",
        ),
        Mistake(
            "background_only",
            _focal(reduce=lambda values, targets: (values * (1 - targets)).mean()),
            zh="只算了答案是“否”的。",
            en="Only entries with the answer no count.",
        ),
        Mistake(
            "softmax",
            _focal(cost=lambda logits, targets: -_softmax_right(logits, targets).log(), right=_softmax_right),
            zh="类别之间做了 softmax。每个类别是一道独立的判断题，一个位置可以全答“否”：用 sigmoid。",
            en="A softmax over the classes was taken. Each class is a question for itself, and a place may answer no to all: take the sigmoid.",
        ),
        Mistake(
            "sigmoid_twice",
            lambda logits, targets, alpha, gamma: _focal()(logits.sigmoid(), targets, alpha, gamma),
            zh="sigmoid 做了两次：带 `with_logits` 的函数自己会做。",
            en="The sigmoid was taken twice: a function `with_logits` takes it itself.",
        ),
        Mistake(
            "underflow",
            lambda logits, targets, alpha, gamma: (
                -(
                    alpha * targets * (1 - logits.sigmoid()) ** gamma * logits.sigmoid().log()
                    + (1 - alpha) * (1 - targets) * logits.sigmoid() ** gamma * (1 - logits.sigmoid()).log()
                ).mean()
            ),
            zh="先取 sigmoid，再取对数：logit 到了 ±110，概率在 float32 里成了 0，对数是 −∞，乘以 0 就是 NaN。两步要合成一步。",
            en="Sigmoid first, logarithm after: at a logit of ±110 a probability is 0 in float32, its logarithm −∞, and times 0 that is NaN. One function does both.",
        ),
        Mistake(
            "clamped_probability",
            _focal(cost=_clamped_logarithm),
            zh="概率截到了 1e-6 以内才取对数：错得离谱的答案没有了梯度，偏偏最该改的是它们。用从 logit 直接算的函数。",
            en="Probabilities were clamped before the logarithm: answers that are wildly wrong get no gradient, and they need it most. Use a function of the logits.",
        ),
        Mistake(
            "negative",
            lambda logits, targets, alpha, gamma: -focal_loss(logits, targets, alpha, gamma),
            zh="少了负号，或者多了一个：损失应当是正的。",
            en="A minus too many or too few: a loss is positive.",
        ),
        Mistake(
            "weights_detached",
            _focal(modulated=lambda right, gamma: _modulated(right.detach(), gamma)),
            zh="数值对，可调制因子被当成了常数（`detach`）。因子里也有梯度。",
            en="Right values, but the factor is treated as a constant (`detach`). It has a gradient, too.",
        ),
    ),
    properties=(
        Property(
            lambda function, logits, targets, alpha, gamma: _close(
                2 * function(logits, targets, 0.5, 0.0), _cross_entropy(logits, targets).mean()
            ),
            zh="γ = 0、α = 0.5 时，就是交叉熵的一半。",
            en="with γ at 0 and α at 0.5 it is half the cross entropy.",
        ),
        Property(
            lambda function, logits, targets, alpha, gamma: _close(
                function(-logits, 1 - targets, 1 - alpha, gamma), function(logits, targets, alpha, gamma)
            ),
            zh="把“是”和“否”对调（logit 变号，α 换成 1 − α），损失不变。",
            en="exchanging yes and no (the logits change sign, α becomes 1 − α) leaves the loss alone.",
        ),
        Property(
            lambda function, logits, targets, alpha, gamma: _close(
                function(0 * logits, torch.ones_like(targets), alpha, gamma),
                logits.new_tensor(alpha * 0.5**gamma * math.log(2)),
            ),
            zh="logit 都是 0、答案都是“是”时，损失是 α·0.5^γ·ln 2。",
            en="with all logits 0 and yes throughout, the loss is α·0.5^γ·ln 2.",
        ),
    ),
    hints=(
        Message(
            "每个数是一道判断题。先写出它的交叉熵，再乘两个权重：一个看答案是“是”还是“否”，一个看答得有多错。",
            "Every number is a yes-or-no question. Write its cross entropy, then multiply by two weights: one for whether the answer is yes, one for how wrong it is.",
        ),
        Message(
            "正确答案的概率：答案是“是”就是 p，是“否”就是 1 − p。第二个权重是 (1 − 它)^γ。交叉熵用从 logit 直接算的函数。",
            "The probability of the right answer is p for yes and 1 − p for no. The second weight is (1 − that)^γ. For the cross entropy take a function of the logits.",
        ),
        Message(
            '`right = torch.where(targets > 0, p, 1 - p)`，`weight` 同样用 `torch.where` 在 `alpha` 和 `1 - alpha` 之间选；`F.binary_cross_entropy_with_logits(..., reduction="none")`，三者相乘再平均。',
            '`right = torch.where(targets > 0, p, 1 - p)`, and the same way a weight of `alpha` or `1 - alpha`; `F.binary_cross_entropy_with_logits(..., reduction="none")`; multiply the three and average.',
        ),
    ),
    minutes=20,
    mark="★★",
)

SMOOTH_L1 = Exercise(
    "smooth_l1",
    smooth_l1,
    _distances,
    mistakes=(
        Mistake(
            "l1",
            _elements(lambda d, beta: d.abs()),
            zh="这是 L1：离目标再近，梯度也还是 ±1，框会一直抖。小于 β 的要用抛物线。",
            en="That is L1, whose gradient stays ±1 however near the target, so boxes keep trembling. Below β it is a parabola.",
        ),
        Mistake(
            "squared",
            _elements(lambda d, beta: d.square()),
            zh="这是平方误差：一个错得离谱的框就会盖过所有别的。大于 β 的要用直线。",
            en="That is the squared error: one box that is far off outweighs all others. Above β it is a straight line.",
        ),
        Mistake(
            "parabola_everywhere",
            _elements(_parabola),
            zh="处处都用了抛物线。大于 β 的要用直线。",
            en="It is a parabola everywhere. Above β it should be a straight line.",
        ),
        Mistake(
            "huber",
            _elements(lambda d, beta: beta * _smooth(d, beta)),
            zh="这是 Huber 损失，正好多乘了一个 β：β 一改，直线的斜率也跟着变。抛物线要除以 β，直线的斜率总是 1。",
            en="That is Huber's loss, β times what is asked for: its slope changes with β. Divide the parabola by β, and the line has slope 1 for every β.",
        ),
        Mistake(
            "beta_ignored",
            _elements(lambda d, beta: _smooth(d, 1.0)),
            zh="β 写死成了 1。",
            en="β is fixed at 1.",
        ),
        Mistake(
            "switch_at_one",
            _elements(lambda d, beta: torch.where(d.abs() < 1, _parabola(d, beta), _arm(d, beta))),
            zh="在 1 处换成直线，而不是 β 处：两段接不上。",
            en="The line begins at 1 and not at β, where the two pieces do not meet.",
        ),
        Mistake(
            "switch_at_one_over_beta",
            _elements(lambda d, beta: torch.where(d.abs() < 1 / beta, _parabola(d, beta), _arm(d, beta))),
            zh="在 1/β 处换成了直线。有的代码用 σ，转折在 1/σ²；这里的转折就在 β。",
            en="The line begins at 1/β. Some code has a σ and switches at 1/σ²; here it is at β itself.",
        ),
        Mistake(
            "sign_kept",
            _elements(lambda d, beta: torch.where(d < beta, _parabola(d, beta), _arm(d, beta))),
            zh="比较时没有取绝对值：负的差再大也当成小的，用了抛物线。",
            en="The comparison lacks an absolute value: a negative difference, however large, counts as small and gets the parabola.",
        ),
        Mistake(
            "branches_exchanged",
            _elements(_by_branch(_arm, _parabola)),
            zh="两段用反了：近处是抛物线，远处是直线。",
            en="The two pieces are exchanged: a parabola near 0, a line far away.",
        ),
        Mistake(
            "no_half_in_the_parabola",
            _elements(_by_branch(lambda d, beta: d.square() / beta, _arm)),
            zh="抛物线少了 1/2：在 β 处是 β，直线在那里是 β/2，接不上。",
            en="The parabola lacks its 1/2: at β it is β and the line β/2, a jump.",
        ),
        Mistake(
            "parabola_not_divided",
            _elements(_by_branch(lambda d, beta: d.square() / 2, _arm)),
            zh="抛物线没有除以 β：只有 β = 1 时才接得上。",
            en="The parabola is not divided by β: the pieces meet only for β = 1.",
        ),
        Mistake(
            "parabola_over_beta_squared",
            _elements(_by_branch(lambda d, beta: d.square() / (2 * beta**2), _arm)),
            zh="抛物线除以了 β²，应当是 β。",
            en="The parabola was divided by β²; it should be β.",
        ),
        Mistake(
            "parabola_times_beta",
            _elements(_by_branch(lambda d, beta: beta * d.square() / 2, _arm)),
            zh="抛物线乘了 β，应当除以它。",
            en="The parabola was multiplied by β; divide instead.",
        ),
        Mistake(
            "line_not_lowered",
            _elements(_by_branch(_parabola, lambda d, beta: d.abs())),
            zh="直线没有降下来：在 β 处从 β/2 跳到了 β。",
            en="The line was not lowered: at β it jumps from β/2 to β.",
        ),
        Mistake(
            "line_lowered_by_a_half",
            _elements(_by_branch(_parabola, lambda d, beta: d.abs() - 0.5)),
            zh="直线降了 0.5，应当是 β/2：只有 β = 1 时才对。",
            en="The line was lowered by 0.5 instead of β/2, which is right for β = 1 only.",
        ),
        Mistake(
            "line_lowered_by_beta",
            _elements(_by_branch(_parabola, lambda d, beta: d.abs() - beta)),
            zh="直线降了 β，应当是 β/2：在转折处它成了 0。",
            en="The line was lowered by β instead of β/2: where it begins it is 0.",
        ),
        Mistake(
            "line_without_absolute",
            _elements(_by_branch(_parabola, lambda d, beta: d - beta / 2)),
            zh="直线那一段少了绝对值：负的差给出负的损失。",
            en="The line lacks an absolute value: negative differences give negative losses.",
        ),
        Mistake(
            "clamped",
            _elements(lambda d, beta: _parabola(d.clamp(-beta, beta), beta)),
            zh="把差截到了 ±β：远处没有了梯度，错得最多的框学不到东西。",
            en="Differences were clamped to ±β: far away there is no gradient, and the boxes that are most wrong learn nothing.",
        ),
        Mistake(
            "pseudo_huber",
            _elements(lambda d, beta: beta * ((1 + (d / beta).square()).sqrt() - 1)),
            zh="这是一条类似的光滑曲线（pseudo-Huber），不是两段拼成的。",
            en="That is a similar smooth curve (pseudo-Huber) and not the one made of two pieces.",
        ),
        Mistake(
            "sum",
            _elements(_smooth, lambda values: values.sum()),
            zh="求了和。框越多，损失越大，学习率就得跟着变；要平均。",
            en="Summed: more boxes give a larger loss and would need another learning rate. Take the mean.",
        ),
        Mistake(
            "sum_of_coordinates",
            _elements(_smooth, lambda values: 4 * _average(values)),
            zh="四个坐标求了和，只对框求了平均。这里对所有数求平均。",
            en="The four coordinates were summed and only the boxes averaged. Average over all numbers.",
        ),
        Mistake(
            "one_choice_for_all",
            _elements(
                lambda d, beta: _parabola(d, beta) if d.numel() and d.abs().mean() < beta else _arm(d, beta)
            ),
            zh="整批一起选了一段。每个数各选各的，用 `torch.where`。",
            en="One piece was chosen for the whole batch. Every number chooses for itself, with `torch.where`.",
        ),
        Mistake(
            "nan_without_objects",
            _elements(_smooth, lambda values: values.mean()),
            zh="没有目标的一批里，`mean` 对着零个数，得到 NaN，一步就毁掉全部权重。没有数时返回 0。",
            en="In a batch without objects, `mean` of no numbers is NaN, and one step ruins all weights. Return 0 where there are none.",
        ),
        Mistake(
            "detached",
            _elements(lambda d, beta: _smooth(d.detach(), beta) + 0 * d),
            zh="数值对，梯度断了：框学不到东西。",
            en="Right values, but no gradient arrives: boxes could not learn.",
        ),
    ),
    properties=(
        Property(
            lambda function, prediction, target, beta: _close(
                function(prediction, target, beta), function(target, prediction, beta)
            ),
            zh="预测和目标互换，损失不变。",
            en="exchanging prediction and target leaves the loss alone.",
        ),
        Property(
            lambda function, prediction, target, beta: (
                not target.numel()
                or _close(function(target + beta, target, beta), target.new_tensor(beta / 2))
            ),
            zh="差都是 β 时，损失是 β/2。",
            en="where all differences are β, the loss is β/2.",
        ),
        Property(
            lambda function, prediction, target, beta: _close(
                function(2 * prediction, 2 * target, 2 * beta), 2 * function(prediction, target, beta)
            ),
            zh="单位换成一半大（数和 β 都乘 2），损失也乘 2。",
            en="in units half as large (numbers and β times 2) the loss is twice as large.",
        ),
    ),
    hints=(
        Message(
            "每个差各选一段：小于 β 是抛物线，否则是直线。在 β 处，两段的高度和斜率都要接上。",
            "Every difference chooses its piece: a parabola below β, else a line. At β both must agree in height and in slope.",
        ),
        Message(
            "抛物线 d²/(2β) 在 β 处高 β/2、斜率 1；所以直线是 |d| − β/2。最后平均，小心一个数也没有的时候。",
            "The parabola d²/(2β) has height β/2 and slope 1 at β, so the line is |d| − β/2. Then the mean; beware of no numbers at all.",
        ),
        Message(
            "`d = (prediction - target).abs()`；`torch.where(d < beta, d**2 / (2 * beta), d - beta / 2)`；求和，除以 `max(d.numel(), 1)`。",
            "`d = (prediction - target).abs()`; `torch.where(d < beta, d**2 / (2 * beta), d - beta / 2)`; sum, and divide by `max(d.numel(), 1)`.",
        ),
    ),
    minutes=10,
    mark="★★",
)

SILOG_DEPTH_LOSS = Exercise(
    "silog_depth_loss",
    silog_depth_loss,
    _depths,
    mistakes=(
        Mistake(
            "logarithm_of_missing",
            lambda prediction, target, lam: _silog((prediction.log() - target.log()) * (target > 0), lam),
            zh="先取对数，后乘掩码：没有深度的地方 log 0 = −∞，−∞ × 0 = NaN。掩码要在取对数之前用，用选取，不用乘。",
            en="The logarithm came first and the mask was multiplied after: where depth is missing, log 0 = −∞, and −∞ × 0 = NaN. Mask before the logarithm, by picking and not by multiplying.",
        ),
        Mistake(
            "nonzero_taken_for_valid",
            lambda prediction, target, lam: _silog(
                prediction[target != 0].log() - target[target != 0].log(), lam
            ),
            zh="只去掉了 0。没测到的也可能是 −1，负数的对数是 NaN：有效的是大于 0 的。",
            en="Only 0 was left out. A missing depth may be −1 as well, and its logarithm is NaN: valid is what lies above 0.",
        ),
        Mistake(
            "missing_raised",
            _depth(lambda prediction, target: prediction.log() - target.clamp(min=1e-3).log()),
            zh="没测到的换成了一个很小的深度，照样算了进去：网络会去学“那里就在眼前”。要去掉它们。",
            en="Missing depths were raised to a tiny number and counted: the network would learn that everything there is right in front of it. Leave them out.",
        ),
        Mistake(
            "divided_by_all",
            _depth(_zero_where_invalid),
            zh="没测到的地方填了 0，平均却除以了所有像素：洞越多，损失越小。只除以有效的个数。",
            en="Missing places count as 0 and the means divide by all pixels: the more holes, the smaller the loss. Divide by the number of valid ones.",
        ),
        Mistake(
            "second_divided_by_all",
            _second_by_all,
            zh="E[d²] 除以了有效的个数，E[d] 却除以了所有像素。两个平均要在同样的像素上。",
            en="E[d²] divides by the valid pixels and E[d] by all. Both means belong to the same pixels.",
        ),
        Mistake(
            "mean_over_pictures",
            _by_picture,
            zh="每张图各算一个损失再平均。这里整批的有效像素放在一起算。",
            en="One loss for each picture, then their mean. Here all valid pixels of the batch go together.",
        ),
        Mistake(
            "no_root",
            _of_differences(lambda d, lam: d.square().mean() - lam * d.mean().square()),
            zh="没有开方。",
            en="The square root is missing.",
        ),
        Mistake(
            "lambda_ignored",
            _of_differences(lambda d, lam: _silog(d, 0.0)),
            zh="没有减去 λ E[d]²：这是对数的均方根误差，整体偏远偏近全都要罚。",
            en="λ E[d]² was not subtracted: that is the root mean square of logarithms, with full punishment for a common factor.",
        ),
        Mistake(
            "variance",
            _of_differences(lambda d, lam: _silog(d, 1.0)),
            zh="λ 写死成了 1：这是标准差，整体差一个倍数完全不罚。",
            en="λ is fixed at 1: that is the standard deviation, which ignores a common factor altogether.",
        ),
        Mistake(
            "half",
            _of_differences(lambda d, lam: _silog(d, 0.5)),
            zh="λ 写死成了 0.5。",
            en="λ is fixed at 0.5.",
        ),
        Mistake(
            "lambda_of_bts",
            _of_differences(lambda d, lam: _silog(d, 0.85)),
            zh="λ 写死成了 0.85，那是 BTS 的取值。",
            en="λ is fixed at 0.85, its value in BTS.",
        ),
        Mistake(
            "one_minus_lambda",
            _of_differences(lambda d, lam: _silog(d, 1 - lam)),
            zh="用成了 1 − λ：λ = 1 时应当完全不管整体的倍数。",
            en="1 − λ was used for λ: at λ = 1 a common factor should not matter at all.",
        ),
        Mistake(
            "lambda_squared",
            _of_differences(lambda d, lam: _silog(d, lam**2)),
            zh="λ 也平方了：是 λ·(E d)²，不是 (λ·E d)²。",
            en="λ was squared along: it is λ·(E d)² and not (λ·E d)².",
        ),
        Mistake(
            "mean_of_squares_twice",
            _of_differences(lambda d, lam: ((1 - lam) * d.square().mean()).sqrt()),
            zh="两项都是平方的平均。第二项要先平均再平方：E[d]² 不是 E[d²]。",
            en="Both terms are means of squares. In the second the mean comes first and is then squared: E[d]² is not E[d²].",
        ),
        Mistake(
            "mean_not_squared",
            _of_differences(lambda d, lam: (d.square().mean() - lam * d.mean()).sqrt()),
            zh="减去的是 λ·E[d]，没有平方。",
            en="λ·E[d] was subtracted without its square.",
        ),
        Mistake(
            "mean_added",
            _of_differences(lambda d, lam: _silog(d, -lam)),
            zh="符号反了：E[d]² 要减去，加上去反而更怪罪整体的倍数。",
            en="The sign is wrong: E[d]² is subtracted; added, it punishes a common factor even more.",
        ),
        Mistake(
            "sign_lost",
            _of_differences(lambda d, lam: _silog(d.abs(), lam)),
            zh="对 d 先取了绝对值。E[d] 问的是整体偏远还是偏近：有远有近时要互相抵消，符号不能丢。",
            en="d lost its sign in an absolute value. E[d] asks whether all is too far or too near: where some is too far and some too near the two cancel.",
        ),
        Mistake(
            "absolute",
            _of_differences(lambda d, lam: d.abs().mean()),
            zh="这是对数的平均绝对误差。",
            en="That is the mean absolute error of logarithms.",
        ),
        Mistake(
            "summed",
            _of_differences(lambda d, lam: (d.square().sum() - lam * d.sum().square() / len(d)).sqrt()),
            zh="求了和，没有除以像素的个数。",
            en="Summed and not divided by the number of pixels.",
        ),
        Mistake(
            "sample_variance",
            _of_differences(lambda d, lam: (d.var() + (1 - lam) * d.mean().square()).sqrt()),
            zh="`var` 默认除以 n − 1，只有一个像素时是 NaN。要除以 n：`correction=0`。",
            en="`var` divides by n − 1 unless told otherwise and is NaN for a single pixel. Divide by n, with `correction=0`.",
        ),
        Mistake(
            "base_ten",
            _of_differences(lambda d, lam: _silog(d / math.log(10), lam)),
            zh="对数用了 10 为底。要自然对数。",
            en="The logarithms have base 10. Take natural ones.",
        ),
        Mistake(
            "no_logarithm",
            _depth(lambda prediction, target: prediction[target > 0] - target[target > 0]),
            zh="没有取对数：差是以米计的，远处的一点点误差盖过了近处的一切。对数把倍数变成了差。",
            en="No logarithm: differences are in metres, and small errors far away outweigh all that is near. Logarithms turn factors into differences.",
        ),
        Mistake(
            "prediction_taken_for_logarithm",
            _depth(lambda prediction, target: prediction[target > 0] - target[target > 0].log()),
            zh="预测没有取对数。这里的 `prediction` 已经是深度（米），两边都要取。",
            en="The prediction has no logarithm. `prediction` is a depth in metres already, so take it on both sides.",
        ),
        Mistake(
            "logarithm_of_distance",
            _depth(lambda prediction, target: (prediction - target)[target > 0].abs().log1p()),
            zh="先减后取对数。要先各自取对数，再相减。",
            en="Subtracted first, logarithm after. Take each logarithm first, then subtract.",
        ),
        Mistake(
            "relative",
            _depth(lambda prediction, target: prediction[target > 0] / target[target > 0] - 1),
            zh="这是相对误差，不是对数之差：偏远一倍和偏近一半不再一样重。",
            en="That is the relative error and no difference of logarithms: twice as far and half as far no longer weigh the same.",
        ),
        Mistake(
            "ten_times",
            _of_differences(lambda d, lam: 10 * _silog(d, lam)),
            zh="乘了 10。BTS 的代码里有这个 10，公式里没有。",
            en="Multiplied by 10, as the code of BTS does. The formula has no 10.",
        ),
        Mistake(
            "mean_detached",
            _of_differences(lambda d, lam: (d.square().mean() - lam * d.mean().detach().square()).sqrt()),
            zh="数值对，但 E[d] 被当成了常数，梯度不对：整体的倍数又要全罚了。",
            en="Right values, but E[d] is treated as a constant, and a common factor is punished in full again.",
        ),
    ),
    properties=(
        Property(
            lambda function, prediction, target, lam: _close(
                function(torch.where(target > 0, prediction, prediction + 9), target, lam),
                function(prediction, target, lam),
            ),
            zh="没有深度的地方，预测是什么都不影响结果。",
            en="where depth is missing, it does not matter what is predicted.",
        ),
        Property(
            lambda function, prediction, target, lam: _close(
                function(2 * prediction, 2 * target, lam), function(prediction, target, lam)
            ),
            zh="米换成别的单位，结果不变。",
            en="in other units than metres the result is the same.",
        ),
        Property(
            lambda function, prediction, target, lam: (
                int((target > 0).sum()) < 2
                or _close(function(3 * prediction, target, 1.0), function(prediction, target, 1.0))
            ),
            zh="λ = 1 时，预测整体乘一个数，结果不变。",
            en="with λ at 1, multiplying all predictions by one number changes nothing.",
        ),
        Property(
            lambda function, prediction, target, lam: _close(
                function(torch.where(target > 0, 2 * target, 1), target, 0.0),
                prediction.new_tensor(math.log(2)),
            ),
            zh="预测处处是真值的两倍、λ = 0 时，结果是 ln 2。",
            en="with predictions twice the truth and λ at 0 the result is ln 2.",
        ),
    ),
    hints=(
        Message(
            "先挑出有深度的像素，别的再也不碰。然后只有一串数 d，两个平均。",
            "Pick the pixels with a depth first, and never touch the others again. Then there is one list d, and two means of it.",
        ),
        Message(
            "d 是两个对数的差。一个是平方的平均，一个是平均的平方；第二个乘 λ，从第一个里减去，最后开方。",
            "d is the difference of two logarithms. One term is the mean of squares, the other the square of the mean; subtract λ times the second from the first and take the root.",
        ),
        Message(
            "先挑选，再取对数：`valid = target > 0`；`d = prediction[valid].log() - target[valid].log()`；`(d.square().mean() - lam * d.mean().square()).sqrt()`。",
            "Pick first, take logarithms after: `valid = target > 0`; `d = prediction[valid].log() - target[valid].log()`; `(d.square().mean() - lam * d.mean().square()).sqrt()`.",
        ),
    ),
    minutes=15,
    mark="★★",
)

NMS = Exercise(
    "nms",
    nms,
    _candidates,
    mistakes=(
        Mistake(
            "dropped_boxes_drop",
            _suppressed(by="seen"),
            zh="被去掉的框还在去掉别人。一串框里，第二个被第一个去掉了，第三个只和第二个重叠，它应当留下：只有**留下的**框能去掉别的。",
            en="Boxes that were dropped still drop others. In a chain, the second falls to the first, and the third, which overlaps with the second alone, should stay: only boxes that are *kept* "
            "drop others.",
        ),
        Mistake(
            "one_a_group",
            _one_a_group,
            zh="每一群连在一起的框只留了一个。首尾不相交的框不该互相去掉，哪怕中间有别的框连着。",
            en="Of each group of boxes that hang together only one stays. Boxes that do not meet must not drop each other, even with others in between.",
        ),
        Mistake(
            "best_alone_drops",
            _suppressed(by="first"),
            zh="只有分数最高的那个框在去掉别人。留下的每一个框都要跟后面的比：少了一层循环。",
            en="Only the very best box drops others. Every kept box has to be compared with those after it: a loop is missing.",
        ),
        Mistake(
            "last_kept_alone_drops",
            _suppressed(by="last"),
            zh="每个框只跟刚留下的那一个比。要跟所有留下的比。",
            en="A box is compared only with the one kept last. Compare it with all that are kept.",
        ),
        Mistake(
            "equal_dropped",
            _suppressed(drops=torch.ge),
            zh="交并比正好等于阈值的也去掉了。题目说**大于**阈值才去掉。",
            en="Boxes whose IoU equals the threshold were dropped. Drop only what lies *above* it.",
        ),
        Mistake(
            "far_ones_dropped",
            _suppressed(drops=torch.lt),
            zh="比较反了：去掉的是不重叠的，留下的全是重复的。",
            en="The comparison is turned round: what does not overlap was dropped, and duplicates stay.",
        ),
        Mistake(
            "order_of_rows",
            _suppressed(order=lambda scores: torch.arange(len(scores))),
            zh="没有按分数排序：按给定的次序，先来的去掉后来的，好框可能被差框去掉。",
            en="Boxes were not sorted by score: whoever comes first drops those after it, and a poor box may drop a good one.",
        ),
        Mistake(
            "worst_first",
            _suppressed(order=lambda scores: scores.sort(stable=True).indices),
            zh="从分数最低的开始了：`argsort` 默认从小到大。",
            en="It begins with the lowest score: `argsort` goes upwards unless told otherwise.",
        ),
        Mistake(
            "last_of_equals_first",
            _suppressed(order=lambda scores: scores.sort(stable=True).indices.flip(0)),
            zh="分数相同的，后来的排到了前面。从小到大排好再倒过来，就会这样；要 `descending=True, stable=True`。",
            en="Of equal scores the later one came first, as happens when an upward order is flipped. Use `descending=True, stable=True`.",
        ),
        Mistake(
            "rows_in_order",
            lambda boxes, scores, threshold: nms(boxes, scores, threshold).sort().values,
            zh="留下的框是对的，但按行号排了。要按分数从高到低。",
            en="The right boxes, but in the order of rows. The highest score comes first.",
        ),
        Mistake(
            "places_after_sorting",
            lambda boxes, scores, threshold: torch.tensor(
                _greedy(boxes[_order(scores)], threshold), dtype=torch.int64
            ),
            zh="返回的是排序之后的名次，不是原来的行号。要用排序的下标换回去。",
            en="These are places after sorting and not rows of `boxes`. Look them up in the order.",
        ),
        Mistake(
            "all_kept",
            lambda boxes, scores, threshold: _order(scores),
            zh="只排了序，一个也没有去掉。",
            en="Boxes were sorted, and none dropped.",
        ),
        Mistake(
            "best_only",
            lambda boxes, scores, threshold: _order(scores)[:1],
            zh="只留下了一个。图里可以有好几个物体。",
            en="Only one box was kept. A picture may show several objects.",
        ),
        Mistake(
            "threshold_on_scores",
            _above_threshold,
            zh="分数低于阈值的也去掉了。这个阈值只管交并比，分数的门槛是另一回事。",
            en="Boxes whose scores lie below the threshold were dropped as well. It is about IoU; a limit on scores is another matter.",
        ),
        Mistake(
            "zeroed_scores",
            _until_zero,
            zh="分数不大于 0 的框全都丢了：也许你把它们筛掉了，也许你把去掉的框的分数改成 0，循环到没有正分数为止。分数可以是负的 logit。",
            en="All boxes with a score of 0 or less are lost: they were filtered out, or dropped boxes got a score of 0 and the loop ended where none was above 0. Scores may be negative logits.",
        ),
        Mistake(
            "half",
            lambda boxes, scores, threshold: nms(boxes, scores, 0.5),
            zh="阈值写死成了 0.5。",
            en="The threshold is fixed at 0.5.",
        ),
        Mistake(
            "smaller_area",
            _suppressed(iou=_of(lambda m: _share(m.shared, torch.minimum(m.a, m.b)))),
            zh="除以了较小的面积：大框里的小物体都被去掉了。要交并比。",
            en="Divided by the smaller area: small objects inside a large box were dropped. Use the IoU.",
        ),
        Mistake(
            "overlap_counted_twice",
            _suppressed(iou=_of(lambda m: _share(m.shared, m.a + m.b))),
            *SHARED_TWICE,
        ),
        Mistake("negative_sides", _suppressed(iou=_of(_iou, least=-math.inf)), *NEGATIVE),
        Mistake("inclusive_pixels", _suppressed(iou=_of(_iou, more=1.0)), *PLUS_ONE),
        Mistake("sizes", _suppressed(iou=_read(OVERLAP, _from_sizes)), *WIDTHS),
        Mistake("middles", _suppressed(iou=_read(OVERLAP, _from_middles)), *MIDDLES),
        Mistake(
            "generalised",
            _suppressed(iou=_of(_giou)),
            zh="用的是 GIoU。它比交并比低，该去掉的会留下来。",
            en="GIoU was used. It lies below the IoU, so boxes stay that should go.",
        ),
        Mistake(
            "nan_drops",
            _suppressed(iou=_of(lambda m: m.shared / m.union), drops=lambda iou, t: ~(iou <= t)),
            zh="面积为 0 的框，交并比是 0/0 = NaN，而“NaN ≤ 阈值”不成立，于是被当成重叠去掉了。先让交并比是 0。",
            en="For boxes without an area the IoU is 0/0 = NaN. *NaN ≤ threshold* is false, so they were dropped as overlapping. Let the IoU be 0 there.",
        ),
        Mistake(
            "horizontal_only",
            _suppressed(iou=_along(OVERLAP, 0)),
            zh="重叠只看了 x 方向：上下排列的两个物体，只剩下一个。",
            en="Only overlap along x counts: of two objects above each other one is lost.",
        ),
    ),
    properties=(
        Property(
            lambda function, boxes, scores, threshold: _rows_of(boxes, function(boxes, scores, threshold)),
            zh="行号从 0 到 N − 1，不出现两次。",
            en="rows are numbers from 0 to N − 1, and none appears twice.",
        ),
        Property(
            lambda function, boxes, scores, threshold: (
                not bool(scores[function(boxes, scores, threshold)].diff().gt(0).any())
            ),
            zh="留下的框按分数从高到低排列。",
            en="kept boxes are sorted by score, the highest first.",
        ),
        Property(
            lambda function, boxes, scores, threshold: (
                not len(scores) or bool((scores[function(boxes, scores, threshold)] == scores.max()).any())
            ),
            zh="分数最高的框总是留下。",
            en="the box with the highest score always stays.",
        ),
        Property(
            lambda function, boxes, scores, threshold: (
                not bool(
                    _each(OVERLAP)(*[boxes[function(boxes, scores, threshold)]] * 2)
                    .triu(1)
                    .gt(threshold)
                    .any()
                )
            ),
            zh="留下的框两两之间，交并比不超过阈值。",
            en="no two kept boxes have an IoU above the threshold.",
        ),
        Property(
            lambda function, boxes, scores, threshold: function(boxes, scores, 1.0).numel() == len(scores),
            zh="阈值是 1 时，一个也不去掉。",
            en="with a threshold of 1 nothing is dropped.",
        ),
    ),
    hints=(
        Message(
            "按分数从高到低，一个一个看。一个框留不留，只取决于已经**留下**的那些框。",
            "Go through the boxes from the highest score down. Whether one stays depends only on those *kept* so far.",
        ),
        Message(
            "先 `argsort`，降序。循环：取剩下的第一个，留下它；算它和其余的交并比；只让交并比不超过阈值的继续剩下。",
            "`argsort`, descending. Then in a loop: keep the first of those left, take its IoU with the rest, and let only those stay in the list whose IoU is not above the threshold.",
        ),
        Message(
            "`while len(left): best, rest = left[0], left[1:]`；`left = rest[iou(boxes[best], boxes[rest]) <= threshold]`；`left` 里放原来的行号，最后 `torch.tensor(kept, dtype=torch.int64)`。",
            "`while len(left): best, rest = left[0], left[1:]`; `left = rest[iou(boxes[best], boxes[rest]) <= threshold]`. `left` holds rows of `boxes`; end with `torch.tensor(kept, dtype=torch.int64)`.",
        ),
    ),
    minutes=25,
    mark="★★★",
    any_length=True,
)

DECODE_BOXES = Exercise(
    "decode_boxes",
    decode_boxes,
    _deltas,
    mistakes=(
        Mistake(
            "no_exponential",
            _decoded(grown=lambda growth: growth),
            zh="没有取指数：宽是 w·tw，tw 为 0 时框就没有了，为负时左右颠倒。是 w·exp(tw)。",
            en="The exponential is missing: with w·tw a delta of 0 leaves no box, and a negative one turns it inside out. It is w·exp(tw).",
        ),
        Mistake(
            "linear",
            _decoded(grown=lambda growth: 1 + growth.clamp(max=MOST)),
            zh="用的是 1 + tw。tw 很小时差不多，tw < −1 时宽成了负数。是 exp(tw)。",
            en="1 + tw was used, which is close for small tw and gives negative widths below −1. It is exp(tw).",
        ),
        Mistake(
            "base_two",
            _decoded(grown=lambda growth: torch.exp2(growth.clamp(max=MOST))),
            zh="用的是 2 的幂。要 e 的指数。",
            en="Powers of 2 were used. It is the exponential with base e.",
        ),
        Mistake(
            "not_clamped",
            _decoded(grown=lambda growth: growth.exp()),
            zh="tw、th 没有设上限：没训练过的网络说 200，exp(200) 在 float32 里是 ∞，接着就是 NaN。",
            en="tw and th have no upper end: an untrained network says 200, exp(200) is ∞ in float32, and NaN follows.",
        ),
        Mistake(
            "clamped_after_exponential",
            _decoded(grown=lambda growth: growth.exp().clamp(max=1000 / 16)),
            zh="数值对，可上限设在取指数之后：float32 里 exp(200) 已经是 ∞，它的梯度 0 × ∞ 是 NaN。先截断，再取指数。",
            en="Right values, but the limit comes after the exponential: in float32 exp(200) is ∞ already, and its gradient 0 × ∞ is NaN. Clamp first.",
        ),
        Mistake(
            "clamped_at_the_ratio",
            _decoded(grown=lambda growth: growth.clamp(max=1000 / 16).exp()),
            zh="上限设成了 62.5 本身。62.5 是倍数，tw 的上限是它的对数，4.135。",
            en="The limit is 62.5 itself. That is the factor; the limit of tw is its logarithm, 4.135.",
        ),
        Mistake(
            "clamped_on_both_sides",
            _decoded(grown=lambda growth: growth.clamp(-MOST, MOST).exp()),
            zh="下限也截了。tw 很小只会得到很窄的框，不会溢出，不用管。",
            en="There is a lower end as well. A small tw only gives a narrow box, nothing overflows, so leave it.",
        ),
        Mistake(
            "all_clamped",
            lambda deltas, anchors: decode_boxes(deltas.clamp(max=MOST), anchors),
            zh="tx、ty 也截了。上限只是为了指数，tx、ty 不取指数。",
            en="tx and ty were clamped as well. The limit is there for the exponential, which they do not see.",
        ),
        Mistake(
            "middle_and_sides",
            _decoded(corners=lambda middle, sides: torch.cat([middle, sides], 1)),
            zh="返回的是 (中心, 宽, 高)，还没有换成两个角。",
            en="The result is (middle, width, height); turn it into two corners.",
        ),
        Mistake(
            "corner_and_sides",
            _decoded(corners=lambda middle, sides: torch.cat([middle - sides / 2, sides], 1)),
            zh="后两个数还是宽和高，要的是右下角。",
            en="The last two numbers are still width and height; the right lower corner is asked for.",
        ),
        Mistake(
            "whole_sides",
            _decoded(corners=lambda middle, sides: torch.cat([middle - sides, middle + sides], 1)),
            zh="从中心向两边各走了整个宽，框大了一倍。各走一半。",
            en="From the middle you went a whole width in either direction: the box is twice as large. Go half of it.",
        ),
        Mistake(
            "from_the_middle",
            _decoded(corners=lambda middle, sides: torch.cat([middle, middle + sides], 1)),
            zh="把中心当成了左上角。左上角在中心往左上半个框的地方。",
            en="The middle was taken for the left upper corner, which lies half a box up and left of it.",
        ),
        Mistake(
            "corner_for_middle",
            _decoded(parts=lambda anchors: (anchors[:, :2], anchors[:, 2:] - anchors[:, :2])),
            zh="锚框的左上角当成了中心。增量是从**中心**算起的。",
            en="The anchor's left upper corner was taken for its middle. Deltas count from the *middle*.",
        ),
        Mistake(
            "corner_moved",
            lambda deltas, anchors: torch.cat(
                [
                    anchors[:, :2] + deltas[:, :2] * _parts(anchors)[1],
                    anchors[:, :2] + (deltas[:, :2] + _grown(deltas[:, 2:])) * _parts(anchors)[1],
                ],
                1,
            ),
            zh="移动的是左上角，框从那里长大。移动的应当是中心，向四面一起长大。",
            en="The left upper corner was moved and the box grown from there. Move the middle, and let it grow in all directions.",
        ),
        Mistake(
            "anchors_as_middles",
            _decoded(parts=lambda anchors: (anchors[:, :2], anchors[:, 2:])),
            zh="把锚框当成了 (中心, 宽, 高)。它给的是两个角。",
            en="Anchors were read as (middle, width, height). They are two corners.",
        ),
        Mistake(
            "anchors_as_sizes",
            _decoded(parts=lambda anchors: (anchors[:, :2] + anchors[:, 2:] / 2, anchors[:, 2:])),
            zh="把锚框当成了 (x, y, 宽, 高)。它给的是两个角，宽是 x2 − x1。",
            en="Anchors were read as (x, y, width, height). They are two corners; the width is x2 − x1.",
        ),
        Mistake(
            "inclusive_pixels",
            _decoded(parts=lambda anchors: (_parts(anchors)[0], _parts(anchors)[1] + 1)),
            *PLUS_ONE,
        ),
        Mistake(
            "shift_in_pixels",
            _decoded(middle=lambda shift, middle, sides, new: middle + shift),
            zh="tx、ty 直接当成了像素。它们的单位是锚框的宽和高：要乘上去。",
            en="tx and ty were taken for pixels. Their units are the anchor's width and height: multiply.",
        ),
        Mistake(
            "shift_in_new_sides",
            _decoded(middle=lambda shift, middle, sides, new: middle + shift * new),
            zh="tx、ty 乘的是**新**的宽和高。要乘锚框原来的。",
            en="tx and ty were multiplied by the *new* sides. Multiply by the anchor's own.",
        ),
        Mistake(
            "shift_in_other_sides",
            _decoded(middle=lambda shift, middle, sides, new: middle + shift * sides.flip(1)),
            zh="tx 乘了高，ty 乘了宽。x 配宽，y 配高。",
            en="tx was multiplied by the height and ty by the width. x goes with the width, y with the height.",
        ),
        Mistake(
            "shift_subtracted",
            _decoded(middle=lambda shift, middle, sides, new: middle - shift * sides),
            zh="移动的方向反了。",
            en="The box moved the other way.",
        ),
        Mistake(
            "shift_left_out",
            _decoded(middle=lambda shift, middle, sides, new: middle),
            zh="没有用上 tx、ty。",
            en="tx and ty are not used.",
        ),
        Mistake(
            "sigmoid_shift",
            _decoded(middle=lambda shift, middle, sides, new: middle + (shift.sigmoid() - 0.5) * sides),
            zh="tx、ty 先取了 sigmoid，那是 YOLO 的做法。Faster R-CNN 直接用。",
            en="tx and ty went through a sigmoid, as in YOLO. Faster R-CNN takes them as they are.",
        ),
        Mistake(
            "shift_exchanged",
            _decoded(order=(1, 0, 2, 3)),
            zh="tx 和 ty 用反了。",
            en="tx and ty are exchanged.",
        ),
        Mistake(
            "growth_exchanged",
            _decoded(order=(0, 1, 3, 2)),
            zh="tw 和 th 用反了。",
            en="tw and th are exchanged.",
        ),
        Mistake(
            "growth_first",
            _decoded(order=(2, 3, 0, 1)),
            zh="四个数的次序反了：先是 tx、ty，后是 tw、th。",
            en="The order of the four is turned round: tx and ty come first, tw and th after.",
        ),
        Mistake(
            "added_to_corners",
            lambda deltas, anchors: anchors + deltas * _parts(anchors)[1].repeat(1, 2),
            zh="四个增量直接加到了两个角上。前两个移动中心，后两个改变大小。",
            en="The four deltas were added to the corners. Two of them move the middle, two change the size.",
        ),
        Mistake(
            "growth_detached",
            _decoded(grown=lambda growth: _grown(growth.detach())),
            zh="数值对，tw、th 却收不到梯度：框的大小学不会。",
            en="Right values, but no gradient reaches tw and th: the size could not be learnt.",
        ),
    ),
    properties=(
        Property(
            lambda function, deltas, anchors: _close(function(0 * deltas, anchors), anchors),
            zh="增量都是 0 时，框就是锚框。",
            en="with all deltas 0 the box is the anchor.",
        ),
        Property(
            lambda function, deltas, anchors: _close(
                _parts(function(deltas * torch.tensor([1.0, 1, 0, 0]).to(deltas), anchors))[1],
                _parts(anchors)[1],
            ),
            zh="tw、th 为 0 时，宽和高不变。",
            en="with tw and th at 0, width and height stay.",
        ),
        Property(
            lambda function, deltas, anchors: _close(
                _parts(function(deltas * torch.tensor([0.0, 0, 1, 1]).to(deltas), anchors))[0],
                _parts(anchors)[0],
            ),
            zh="tx、ty 为 0 时，中心不动。",
            en="with tx and ty at 0, the middle stays.",
        ),
        Property(
            lambda function, deltas, anchors: _close(
                function(deltas, anchors + 7), function(deltas, anchors) + 7
            ),
            zh="锚框平移，框也跟着平移。",
            en="where the anchor moves, the box moves along.",
        ),
    ),
    hints=(
        Message(
            "先把锚框换成中心、宽、高；移动中心，改变宽高；再换回两个角。",
            "Turn the anchor into middle, width and height; move the middle and stretch the sides; turn it back into corners.",
        ),
        Message(
            "中心移动 tx·w、ty·h（锚框的 w、h），宽高乘 exp(tw)、exp(th)。取指数之前先设上限 ln(1000/16)。",
            "The middle moves by tx·w and ty·h, with the anchor's w and h; sides are multiplied by exp(tw) and exp(th). Before the exponential comes the limit ln(1000/16).",
        ),
        Message(
            "`sides = anchors[:, 2:] - anchors[:, :2]`，`middle = anchors[:, :2] + sides / 2`；`deltas[:, 2:].clamp(max=math.log(1000 / 16)).exp()`；最后 `torch.cat([middle - sides / 2, middle + sides / 2], 1)`。",
            "`sides = anchors[:, 2:] - anchors[:, :2]`, `middle = anchors[:, :2] + sides / 2`; `deltas[:, 2:].clamp(max=math.log(1000 / 16)).exp()`; at the end `torch.cat([middle - sides / 2, middle + sides / 2], 1)`.",
        ),
    ),
    minutes=15,
    mark="★★",
)

SOFT_ARGMAX = Exercise(
    "soft_argmax",
    soft_argmax,
    _heat,
    mistakes=(
        Mistake(
            "rows_first",
            _after(lambda places, size: places.flip(-1)),
            zh="返回的是 (y, x)。热力图的下标先行后列，坐标却是先 x 后 y。",
            en="The result is (y, x). A heat map is indexed row first, but coordinates have x first.",
        ),
        Mistake(
            "corners_of_cells",
            _after(lambda places, size: places - 0.5),
            zh="差了半格：用的是格子的左上角 0、1、2……。格子的中心在 0.5、1.5、2.5，换成像素时半格就是半个步长。",
            en="Half a cell off: 0, 1, 2 … are corners. The middles of cells are at 0.5, 1.5, 2.5 …, and in pixels half a cell is half a stride.",
        ),
        Mistake(
            "from_one",
            _after(lambda places, size: places + 0.5),
            zh="差了半格：格子从 1 数起了。第一格的中心在 0.5。",
            en="Half a cell off: cells were counted from 1. The middle of the first is 0.5.",
        ),
        Mistake(
            "highest_cell",
            _placed(_of_the_highest),
            zh="取了最高的那一格（argmax）。它没有梯度，而且最好也只准到一格；要加权平均。",
            en="The highest cell was taken (argmax). It has no gradient and is exact to one cell at best; take the weighted mean.",
        ),
        Mistake(
            "rounded",
            _after(lambda places, size: places.floor() + 0.5),
            zh="取整到了格子，小数部分和梯度都没有了。",
            en="Rounded to a cell, which loses the fraction and the gradient.",
        ),
        Mistake(
            "softmax_of_rows",
            _placed(lambda logits: logits.softmax(3)),
            zh="softmax 只沿 x 做：每一行的权重各自加起来是 1，总和就是行数。两根轴要一起：先展平。",
            en="The softmax runs along x only: every row has weights that sum to 1, and all together to the number of rows. Both axes belong in it: flatten first.",
        ),
        Mistake(
            "softmax_of_columns",
            _placed(lambda logits: logits.softmax(2)),
            zh="softmax 只沿 y 做：每一列的权重各自加起来是 1。两根轴要一起：先展平。",
            en="The softmax runs along y only: every column has weights that sum to 1. Both axes belong in it: flatten first.",
        ),
        Mistake(
            "mean_of_row_softmax",
            _placed(lambda logits: logits.softmax(3) / logits.shape[2]),
            zh="每一行各做 softmax 再平均：y 永远在正中间，因为每一行一样重。",
            en="A softmax for each row, then their mean: y is always the middle, since all rows weigh the same.",
        ),
        Mistake(
            "two_softmaxes",
            lambda heatmaps, temperature: torch.stack(
                [
                    _places((heatmaps / temperature).softmax(3) / heatmaps.shape[2])[..., 0],
                    _places((heatmaps / temperature).softmax(2) / heatmaps.shape[3])[..., 1],
                ],
                -1,
            ),
            zh="x、y 各用了一个沿单轴的 softmax，再对另一根轴平均：没有热度的行和有热度的行一样重。",
            en="x and y each got a softmax along one axis, averaged over the other: rows without any heat weigh as much as those with it.",
        ),
        Mistake(
            "logits_summed_first",
            _marginals,
            zh="先把 logit 沿行、沿列加起来，再做 softmax。要先 softmax，再把概率加起来：logit 的和是概率的积。",
            en="Logits were summed along rows and columns before the softmax. Take the softmax first and sum probabilities: summing logits multiplies them.",
        ),
        Mistake(
            "softmax_over_points",
            _placed(lambda logits: logits.flatten(1).softmax(-1).view_as(logits)),
            zh="softmax 把各个关键点的热力图混在了一起。每张热力图各自的权重加起来是 1。",
            en="The softmax runs over all keypoints together. The weights of each heat map sum to 1.",
        ),
        Mistake(
            "softmax_over_batch",
            _placed(lambda logits: logits.flatten().softmax(0).view_as(logits)),
            zh="softmax 把整批都混在了一起。每张热力图各自的权重加起来是 1。",
            en="The softmax runs over the whole batch. The weights of each heat map sum to 1.",
        ),
        Mistake(
            "sigmoid",
            _placed(lambda logits: logits.sigmoid() / logits.sigmoid().sum((2, 3), keepdim=True)),
            zh="用的是 sigmoid 再归一化。背景的每一格还有不小的权重，结果被拉向中间；要 softmax。",
            en="A sigmoid was normalised. Every cell of background keeps a good share and pulls the result to the middle; take the softmax.",
        ),
        Mistake(
            "not_normalised",
            _placed(lambda logits: logits.sigmoid()),
            zh="权重没有归一化，加起来不是 1。",
            en="The weights do not sum to 1.",
        ),
        Mistake(
            "softmax_twice",
            _placed(lambda logits: _softmax(_softmax(logits))),
            zh="softmax 做了两次：第二次的输入都在 0 到 1 之间，权重几乎是均匀的。",
            en="The softmax was taken twice: the second gets numbers from 0 to 1, and its weights are nearly even.",
        ),
        Mistake(
            "temperature_multiplied",
            lambda heatmaps, temperature: soft_argmax(heatmaps * temperature, 1.0),
            zh="乘了温度。温度越低，热力图越尖：要除以它。",
            en="Multiplied by the temperature. A lower one makes the map sharper: divide.",
        ),
        Mistake(
            "temperature_ignored",
            lambda heatmaps, temperature: soft_argmax(heatmaps, 1.0),
            zh="没有用上温度。",
            en="The temperature is not used.",
        ),
        Mistake(
            "temperature_after",
            lambda heatmaps, temperature: soft_argmax(heatmaps, 1.0) / temperature,
            zh="温度除在了结果上。它要在 softmax 之前除 logit。",
            en="The result was divided by the temperature. Logits are, before the softmax.",
        ),
        Mistake(
            "relative",
            _after(lambda places, size: places / size),
            zh="除以了宽和高，成了 0 到 1。这里的单位是格。",
            en="Divided by width and height, which gives shares from 0 to 1. The unit here is a cell.",
        ),
        Mistake(
            "from_minus_one_to_one",
            _after(lambda places, size: 2 * places / size - 1),
            zh="换成了 −1 到 1（`grid_sample` 的坐标）。这里的单位是格。",
            en="That is −1 to 1, as `grid_sample` has it. The unit here is a cell.",
        ),
        Mistake(
            "mean_number",
            _mean_number,
            zh="先对展平后的编号求了平均，再拆成行和列。两行之间的平均编号，拆出来的列毫无意义：先拆开，再平均。",
            en="The cells' numbers were averaged and then split into row and column. A mean of numbers in two rows lies in some unrelated column: split first, then average.",
        ),
        Mistake(
            "divided_by_height",
            _by_height,
            zh="拆编号时除以了高。一行有“宽”那么多格：行 = 编号 // 宽，列 = 编号 % 宽。",
            en="Numbers were split by the height. A row holds as many cells as the width: row = number // width, column = number % width.",
        ),
        Mistake(
            "overflow",
            _placed(_unshifted),
            zh="自己写的 softmax 没有先减去最大值：exp(500) 在 float32 里是 ∞，∞/∞ = NaN。",
            en="A softmax of your own does not subtract the largest logit first: exp(500) is ∞ in float32, and ∞/∞ = NaN.",
        ),
        Mistake(
            "detached",
            _placed(lambda logits: _softmax(logits).detach() + 0 * logits),
            zh="数值对，梯度断了：热力图学不到东西。",
            en="Right values, but no gradient arrives: the heat maps could not learn.",
        ),
    ),
    properties=(
        Property(
            lambda function, heatmaps, temperature: _close(
                function(heatmaps + 3, temperature), function(heatmaps, temperature)
            ),
            zh="所有 logit 加同一个数，结果不变。",
            en="adding one number to all logits changes nothing.",
        ),
        Property(
            lambda function, heatmaps, temperature: _close(
                function(0 * heatmaps, temperature),
                _after(lambda places, size: 0 * places + size / 2)(heatmaps, temperature),
            ),
            zh="处处一样高时，结果是热力图的正中间 (W/2, H/2)。",
            en="where all cells are equally high the result is the middle of the map, (W/2, H/2).",
        ),
        Property(
            lambda function, heatmaps, temperature: _close(
                function(heatmaps.transpose(2, 3), temperature), function(heatmaps, temperature).flip(-1)
            ),
            zh="热力图转置，x、y 互换。",
            en="transposing the heat map exchanges x and y.",
        ),
        Property(
            lambda function, heatmaps, temperature: _close(
                function(2 * heatmaps, 2 * temperature), function(heatmaps, temperature)
            ),
            zh="logit 和温度一起乘 2，结果不变。",
            en="doubling logits and temperature changes nothing.",
        ),
    ),
    hints=(
        Message(
            "把热力图变成一张概率表，总和是 1；位置就是按概率平均的 x 和 y。",
            "Turn the heat map into a table of probabilities that sum to 1; the place is the mean of x and the mean of y under it.",
        ),
        Message(
            "softmax 要跨两根轴：先展平，再变回来。然后列的概率之和配上 0.5、1.5……，行也一样。",
            "The softmax spans both axes: flatten, then bring the shape back. The sums over columns go with 0.5, 1.5 …, and those over rows likewise.",
        ),
        Message(
            "`p = (heatmaps / temperature).flatten(2).softmax(-1).view_as(heatmaps)`；`x = (p.sum(2) * (torch.arange(W) + 0.5)).sum(-1)`，y 用 `p.sum(3)`；`torch.stack([x, y], -1)`，注意 dtype。",
            "`p = (heatmaps / temperature).flatten(2).softmax(-1).view_as(heatmaps)`; `x = (p.sum(2) * (torch.arange(W) + 0.5)).sum(-1)`, and y with `p.sum(3)`; `torch.stack([x, y], -1)`. Mind the dtype.",
        ),
    ),
    minutes=15,
    mark="★★",
)

EXERCISES = (BOX_IOU, GIOU, FOCAL_LOSS, SMOOTH_L1, SILOG_DEPTH_LOSS, NMS, DECODE_BOXES, SOFT_ARGMAX)
