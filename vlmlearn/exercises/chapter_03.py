"""The exercises of chapter 03: the sigmoid loss, its start, in chunks and in a ring; attention pooling, padding."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property
from vlmlearn.exercises.reading import most_made_at_once
from vlmlearn.messages import Message


def sigmoid_loss(
    image: Float[Tensor, "n dim"],
    text: Float[Tensor, "n dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Each pair of unit vectors judged by itself, summed, and divided by the number of pictures."""
    return _cost(_logits(image, text, scale, bias), _signs(len(image))) / len(image)


def initial_values(n: int, scale: float) -> Float[Tensor, "2"]:
    """What the two parameters start from: the logarithm of ``scale``, and the bias of a probability of 1/n."""
    return torch.tensor([math.log(scale), -math.log(n - 1)])


def chunked_loss(
    image: Float[Tensor, "n dim"],
    text: Float[Tensor, "n dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    chunk: int,
) -> Float[Tensor, ""]:
    """``sigmoid_loss`` from ``chunk`` pictures at a time."""
    total = image.new_zeros(())
    for start in range(0, len(image), chunk):
        logits = _logits(image[start : start + chunk], text, scale, bias)
        signs = logits.new_full(logits.shape, -1.0)
        signs.diagonal(start).fill_(1.0)
        total = total + _cost(logits, signs)
    return total / len(image)


def ring_step(
    image: Float[Tensor, "n dim"],
    chunks: Float[Tensor, "world n dim"],
    rank: int,
    step: int,
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """What process ``rank`` adds to the loss of the whole batch after ``step`` exchanges."""
    world, n = chunks.shape[:2]
    origin = (rank - step) % world
    return _cost(_logits(image, chunks[origin], scale, bias), _signs(n, own=origin == rank)) / (world * n)


def map_head(
    probe: Float[Tensor, " dim"],
    tokens: Float[Tensor, "batch patches dim"],
    real: Bool[Tensor, "batch patches"],
) -> Float[Tensor, "batch dim"]:
    """The patches weighted by the attention that one learnt query pays to them; none to padding."""
    return _weighted(_attention(_scores(probe, tokens), real), tokens)


def padding_safe_mean(
    features: Float[Tensor, "batch patches dim"], real: Bool[Tensor, "batch patches"]
) -> Float[Tensor, "batch dim"]:
    """Mean over the real patches of each picture, whatever stands in the others.

    Raises:
        ValueError: a picture without a real patch.
    """
    count = _count(real)
    if not bool(count.all()):
        raise ValueError("a picture has no real patch, expected at least one in each: drop it from the batch")
    return _kept(features, real).sum(1) / count


# Cases


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _number(value: float, like: Tensor) -> Tensor:
    return torch.tensor(value, dtype=like.dtype)


FLOAT32 = Message("float32 的输入。", "Input in float32.")
SINGLE = Message("只有一对。", "A single pair.")
OPPOSITE = Message(
    "float32，缩放为 100，配对方向相反。", "float32, scale 100, partners point in opposite directions."
)
ALIKE = Message("float32，所有向量都相同，logit 都是 30。", "float32, all vectors equal, every logit 30.")
LEARNT = ("image", "text", "scale", "bias")


def _pair_features(seed: int) -> Iterator[tuple[Tensor, Tensor, float, float, Message | None]]:
    """Unit vectors with a scale and a bias; large logits of either sign come in float32."""
    generator = _generator(seed)
    for n, dim, scale, bias in (
        *((1, 2, 1.0, -0.5), (2, 3, 2.0, -1.0), (3, 3, 14.3, -10.0)),
        *((4, 6, 5.0, 0.7), (5, 2, 10.0, -1.4), (6, 8, 10.0, -2.5)),
    ):
        image, text = _unit(_normal(generator, 2, n, dim) + 0.3)
        yield image, text, scale, bias, SINGLE if n == 1 else None
    yield image.float(), text.float(), 3.0, -2.0, FLOAT32
    yield image.float(), -image.float(), 100.0, -10.0, OPPOSITE
    same = image[:1].float().expand(4, -1).contiguous()
    yield same, same, 35.0, -5.0, ALIKE


def _pairs(seed: int) -> Iterator[Case]:
    for image, text, scale, bias, about in _pair_features(seed):
        yield Case((image, text, _number(scale, image), _number(bias, image)), about, LEARNT)


def _pairs_and_chunks(seed: int) -> Iterator[Case]:
    uneven = Message("批量除不尽块的大小。", "The chunk does not divide the batch.")
    whole = Message("一块正好装下整批。", "One chunk holds the whole batch.")
    wider = Message("块比整批还大。", "The chunk is larger than the batch.")
    one = Message("一次一张图。", "One picture at a time.")
    generator = _generator(seed)
    for n, dim, chunk, scale, bias, about in (
        (1, 2, 1, 1.0, -0.5, SINGLE),
        (4, 2, 2, 2.0, -1.0, None),
        (3, 2, 3, 5.0, 0.7, whole),
        (5, 2, 8, 10.0, -1.4, wider),
        (5, 2, 2, 14.3, -10.0, uneven),
        (4, 3, 1, 3.0, -2.0, one),
        (7, 2, 3, 10.0, -1.8, uneven),
        (8, 3, 4, 4.0, -2.1, None),
    ):
        image, text = _unit(_normal(generator, 2, n, dim) + 0.3)
        yield Case((image, text, _number(scale, image), _number(bias, image), chunk), about, LEARNT)
    image, text = image.float(), text.float()
    yield Case((image, text, _number(3.0, image), _number(-2.0, image), 3), FLOAT32, LEARNT)
    yield Case((image, -image, _number(100.0, image), _number(-10.0, image), 3), OPPOSITE, LEARNT)


def _sizes(seed: int) -> Iterator[Case]:
    generator = _generator(seed)

    def near(value: float | int) -> float:
        """At most a fifth more."""
        return value * (1 + 0.2 * float(torch.rand(1, generator=generator, dtype=torch.float64)))

    half = Message("两张图：一半的配对是对的。", "Two pictures: half of the pairs belong together.")
    yield Case((2, near(2.0)), half)
    for n, scale in ((4, 3.0), (8, 1.2), (100, 14.3)):
        yield Case((int(near(n)), near(scale)))
    yield Case((int(near(500)), near(0.4)), Message("缩放小于 1。", "A scale below 1."))
    yield Case((32768, near(10.0)), Message("论文里的批量大小。", "The batch size of the paper."))


def _rings(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    alone = Message("只有一个进程。", "A single process.")
    own = Message("还没有交换过：手里是自己的句子。", "No exchange yet: the process holds its own sentences.")
    wraps = Message("要绕过 0 号进程往回数。", "Counting back goes past process 0.")
    for world, n, dim, rank, step, about in (
        (1, 2, 2, 0, 0, alone),
        (2, 2, 3, 1, 0, own),
        (2, 2, 3, 1, 1, None),
        (3, 2, 3, 0, 1, wraps),
        (3, 3, 4, 2, 1, None),
        (3, 2, 3, 2, 2, None),
        (4, 2, 3, 1, 3, wraps),
        (4, 1, 3, 2, 3, Message("每个进程只有一对。", "One pair a process.")),
        (4, 3, 2, 0, 0, own),
        (5, 2, 4, 3, 1, None),
    ):
        image, chunks = (
            _unit(_normal(generator, n, dim) + 0.3),
            _unit(_normal(generator, world, n, dim) + 0.3),
        )
        numbers = (_number(4.0, image), _number(-1.5 - 0.3 * world, image))
        yield Case((image, chunks, rank, step, *numbers), about, ("image", "chunks", "scale", "bias"))
    image, chunks = image.float(), chunks.float()
    yield Case(
        (image, chunks, 1, 4, *(x.float() for x in numbers)), FLOAT32, ("image", "chunks", "scale", "bias")
    )


def _mask(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.bool)


def _patches(seed: int) -> Iterator[Case]:
    """Each place is real in some picture, so that a softmax over pictures has something to share among."""
    generator, gradient = _generator(seed), ("probe", "tokens")
    full = Message("没有填充。", "No padding.")
    elsewhere = Message("填充不在最后。", "Padding does not come last.")
    for rows, dim, about in (
        ([[1]], 2, full),
        ([[1, 1, 1]], 3, full),
        ([[1, 1], [1, 0]], 2, None),
        ([[1, 1, 0], [1, 0, 0], [1, 1, 1]], 4, None),
        ([[0, 1, 1, 1], [1, 0, 0, 1]], 5, elsewhere),
        ([[1, 0, 1, 0, 1], [0, 1, 1, 1, 0]], 4, elsewhere),
    ):
        real = _mask(rows)
        yield Case(
            (1.5 * _normal(generator, dim), _normal(generator, *real.shape, dim) + 0.4, real), about, gradient
        )
    probe, tokens = _normal(generator, 4).abs() + 0.5, _normal(generator, *real.shape, 4)
    zero = Message("填充处全是 0。", "Padding holds nothing but 0.")
    yield Case((probe, tokens * real[..., None], real), zero, gradient)
    yield Case((probe.float(), tokens.float(), real), FLOAT32, gradient)
    large = Message("填充的分数比真图像块高几百。", "Padding scores hundreds above real patches.")
    yield Case((probe, tokens + torch.where(real, 0.0, 1000.0)[..., None], real), large, gradient)
    low = Message("真图像块的分数都低于 −500。", "All real patches score below −500.")
    yield Case((probe, tokens - torch.where(real, 1000.0, 0.0)[..., None], real), low, gradient)


def _padded(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("features",)
    zero = Message("填充处全是 0。", "Padding holds nothing but 0.")
    nan = Message("填充处是 NaN。", "Padding holds NaN.")
    infinite = Message("填充处是无穷。", "Padding holds infinity.")
    elsewhere = Message("填充不在最后。", "Padding does not come last.")
    for rows, dim, filled, about in (
        ([[1, 1]], 2, None, Message("没有填充。", "No padding.")),
        ([[1, 1], [1, 0]], 2, None, None),
        ([[1, 1, 0], [1, 0, 0]], 3, 0.0, zero),
        ([[1, 0, 0], [1, 1, 0]], 2, math.nan, nan),
        ([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], 3, math.inf, infinite),
        ([[0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 1, 1]], 4, None, elsewhere),
        ([[0, 1, 1, 0, 1], [1, 0, 1, 0, 0]], 3, -math.inf, infinite),
    ):
        real = _mask(rows)
        features = _normal(generator, *real.shape, dim) + 0.4
        yield Case((features if filled is None else _kept(features, real, filled), real), about, gradient)
    features = _kept(features, real, 7.0)
    yield Case((features.float(), real), FLOAT32, gradient)
    features[0, 2, 1] = math.nan
    seen = Message(
        "有一个**真**图像块里是 NaN：它必须留在结果里。",
        "A *real* patch holds NaN: it has to show in the result.",
    )
    yield Case((features, real), seen, gradient)


# What mistakes share


def _logits(image: Tensor, text: Tensor, scale: Tensor | float, bias: Tensor | float) -> Tensor:
    return scale * image @ text.T + bias


def _eye(logits: Tensor) -> Tensor:
    return torch.eye(*logits.shape, dtype=logits.dtype)


def _signs(n: int, own: bool = True) -> Tensor:
    """+1 for a pair that belongs together, −1 for one that does not."""
    return 2 * torch.eye(n) * own - 1


def _cost(logits: Tensor, signs: Tensor) -> Tensor:
    return -F.logsigmoid(signs * logits).sum()


def _of_logits(cost: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Right up to the logits, whatever follows."""
    return lambda image, text, scale, bias: cost(_logits(image, text, scale, bias)) / len(image)


def _with_logits(logits: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Right but for the logits."""

    def run(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return _cost(logits(image @ text.T, scale, bias), _signs(len(image))) / len(image)

    return run


def _right(logits: Tensor) -> Tensor:
    return _cost(logits, _signs(len(logits)))


def _with_signs(signs: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Right but for the labels, made from the identity."""
    return _of_logits(lambda z: _cost(z, signs(_eye(z))))


def _off_diagonal(logits: Tensor) -> Tensor:
    return logits[~torch.eye(len(logits), dtype=torch.bool)]


def _logarithms_of_probabilities(logits: Tensor) -> Tensor:
    p, positive = logits.sigmoid(), _eye(logits).bool()
    return -torch.where(positive, p, 1 - p).log().sum()


def _cross_entropy(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, torch.arange(len(logits)), reduction="sum")


Step = Callable[[Tensor, int, int, int], Tensor]


def _over_chunks(cost: Step, start_over: bool = False) -> Callable[..., Tensor]:
    """Sum of cost(logits of a chunk, its start, chunk, n) over chunks of pictures."""

    def run(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, chunk: int) -> Tensor:
        n = len(image)
        parts = [
            cost(_logits(image[start : start + chunk], text, scale, bias), start, chunk, n)
            for start in range(0, n, chunk)
        ]
        return parts[-1] if start_over else torch.stack(parts).sum()

    return run


def _signs_at(logits: Tensor, start: int) -> Tensor:
    signs = torch.full_like(logits, -1.0)
    signs.diagonal(start).fill_(1.0)
    return signs


def _chunk_cost(logits: Tensor, start: int) -> Tensor:
    return _cost(logits, _signs_at(logits, start))


def _on_whole(function: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    """A function of the whole matrix of logits, for mistakes that chunks do not change."""
    return lambda image, text, scale, bias, chunk: function(_logits(image, text, scale, bias), chunk)


def _costs(logits: Tensor) -> Tensor:
    return -F.logsigmoid(_signs(len(logits)) * logits)


def _overlapping(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, chunk: int) -> Tensor:
    n = len(image)
    costs = _costs(_logits(image, text, scale, bias))
    return torch.stack([costs[start : start + chunk + 1].sum() for start in range(0, n, chunk)]).sum() / n


def _divided_again(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, chunk: int) -> Tensor:
    total = image.new_zeros(())
    for start in range(0, len(image), chunk):
        logits = _logits(image[start : start + chunk], text, scale, bias)
        total = (total + _chunk_cost(logits, start)) / len(image)
    return total


def _up_to_here(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, chunk: int) -> Tensor:
    """Each chunk meets the sentences up to its own end."""
    n = len(image)
    costs = _costs(_logits(image, text, scale, bias))
    parts = [costs[start : start + chunk, : start + chunk].sum() for start in range(0, n, chunk)]
    return torch.stack(parts).sum() / n


def _both_in_chunks(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, chunk: int) -> Tensor:
    parts = zip(image.split(chunk), text.split(chunk), strict=True)
    costs = [_right(_logits(one, other, scale, bias)) for one, other in parts]
    return torch.stack(costs).sum() / len(image)


def _ring(
    origin: Callable[[int, int, int], int] = lambda rank, step, world: rank - step,
    own: Callable[[int, int, int], bool] = lambda rank, step, origin: origin == rank,
    divisor: Callable[[int, int], float] = lambda world, n: world * n,
    cost: Callable[[Tensor, bool], Tensor] = lambda logits, own: _cost(logits, _signs(len(logits), own)),
    logits: Callable[..., Tensor] = _logits,
) -> Callable[..., Tensor]:
    """A step of the ring with one thing wrong: which chunk is here, whether it is its own, divisor, cost or logits."""

    def run(image: Tensor, chunks: Tensor, rank: int, step: int, scale: Tensor, bias: Tensor) -> Tensor:
        world, n = chunks.shape[:2]
        here = origin(rank, step, world) % world
        return cost(logits(image, chunks[here], scale, bias), own(rank, step, here)) / divisor(world, n)

    return run


def _all_steps(image: Tensor, chunks: Tensor, rank: int, step: int, scale: Tensor, bias: Tensor) -> Tensor:
    world = len(chunks)
    return torch.stack([ring_step(image, chunks, rank, k, scale, bias) for k in range(world)]).sum()


def _steps_so_far(image: Tensor, chunks: Tensor, rank: int, step: int, scale: Tensor, bias: Tensor) -> Tensor:
    return torch.stack([ring_step(image, chunks, rank, k, scale, bias) for k in range(step + 1)]).sum()


def _scores(probe: Tensor, tokens: Tensor) -> Tensor:
    return tokens @ probe / len(probe) ** 0.5


def _attention(scores: Tensor, real: Tensor, dim: int = 1) -> Tensor:
    return scores.masked_fill(~real, -math.inf).softmax(dim)


def _weighted(weights: Tensor, tokens: Tensor) -> Tensor:
    return (weights[:, None] @ tokens)[:, 0]


def _pooled(
    weights: Callable[[Tensor, Tensor], Tensor], scores: Callable[[Tensor, Tensor], Tensor] = _scores
) -> Callable[..., Tensor]:
    """Right but for the weights, or the scores."""
    return lambda probe, tokens, real: _weighted(weights(scores(probe, tokens), real), tokens)


def _flat(scores: Tensor, real: Tensor) -> Tensor:
    return real.to(scores) / _count(real)


def _exponential_first(probe: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    scores = _scores(probe, tokens)
    largest = scores.masked_fill(~real, -math.inf).amax(1, keepdim=True)
    exp = torch.where(real, (scores - largest).exp(), 0)
    return _weighted(exp / exp.sum(1, keepdim=True), tokens)


def _one_softmax(scores: Tensor, real: Tensor) -> Tensor:
    return scores.masked_fill(~real, -math.inf).flatten().softmax(0).view(real.shape)


def _per_channel(probe: Tensor, tokens: Tensor, real: Tensor) -> Tensor:
    scores = tokens * probe / len(probe) ** 0.5
    return (scores.masked_fill(~real[..., None], -math.inf).softmax(1) * tokens).sum(1)


def _count(real: Tensor) -> Tensor:
    return real.sum(1, keepdim=True)


def _kept(features: Tensor, real: Tensor, filled: float = 0.0) -> Tensor:
    return torch.where(real[..., None], features, filled)


def _mean_where(features: Tensor, mask: Tensor) -> Tensor:
    return _kept(features, mask).sum(1) / _count(mask)


def _last_real(features: Tensor, real: Tensor) -> Tensor:
    last = real.shape[1] - 1 - real.flip(1).int().argmax(1)
    return features[torch.arange(len(real)), last]


def _in_front(features: Tensor, real: Tensor) -> Tensor:
    """Takes padding to come last."""
    return _mean_where(features, torch.arange(real.shape[1]) < _count(real))


def _finite(features: Tensor, real: Tensor) -> Tensor:
    """Takes all that is finite to be real."""
    finite = features.isfinite()
    return torch.where(finite, features, 0).sum(1) / finite.sum(1)


def _nan_skipped(features: Tensor, real: Tensor) -> Tensor:
    """Each channel averages its numbers among the real patches."""
    return _kept(features, real, math.nan).nanmean(1)


def _without_patches(function: Callable[..., Any], features: Tensor, real: Tensor) -> Any:
    """What ``function`` returns or raises when the last picture has no real patch."""
    empty = real.clone()
    empty[-1] = False
    try:
        return function(features.clone(), empty)
    except Exception as error:
        return error


def _shows_nan(value: Any) -> bool:
    return isinstance(value, Tensor) and bool(value.isnan().any())


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), atol=1e-4, rtol=1e-4, equal_nan=True)


def _chance_loss(n: int, bias: Tensor) -> Tensor:
    """The loss when every cosine is 0."""
    return F.softplus(-bias.double()) + (n - 1) * F.softplus(bias.double())


SIGMOID_LOSS = Exercise(
    "sigmoid_loss",
    sigmoid_loss,
    _pairs,
    mistakes=(
        Mistake(
            "labels_zero_one",
            _with_signs(lambda eye: eye),
            zh="标签用了 0 和 1。logit 乘以 0，什么也不剩：每个负样本不管分数多高，损失都是 ln 2，也没有梯度。这个公式里的标签是 +1 和 −1。",
            en="The labels are 0 and 1. A logit times 0 leaves nothing: every negative costs ln 2 whatever its score, and gets no gradient. In this formula labels are +1 and −1.",
        ),
        Mistake(
            "positives_at_zero",
            _with_signs(lambda eye: eye - 1),
            zh="标签成了 0 和 −1：正样本的 logit 乘以 0，没有梯度，谁也不会被拉近。看看单位矩阵是怎样变成标签的。",
            en="The labels became 0 and −1: the logit of a positive is multiplied by 0 and gets no gradient, so nothing is pulled together. See how the identity turns into labels.",
        ),
        Mistake(
            "positives_at_two",
            _with_signs(lambda eye: 2 * eye),
            zh="标签成了 2 和 0：乘了 2，还没有减去什么。负样本的损失成了常数 ln 2。",
            en="The labels became 2 and 0: doubled, with nothing subtracted. Negatives cost a constant ln 2.",
        ),
        Mistake(
            "signs_reversed",
            _with_signs(lambda eye: 1 - 2 * eye),
            zh="正负号反了：对角线上的被推开，别的都被拉近。对角线才是 +1。",
            en="The signs are reversed: pairs are pushed apart and all others pulled together. It is the diagonal that has +1.",
        ),
        Mistake(
            "all_positive",
            _with_signs(torch.ones_like),
            zh="每一对都当成了正样本。让所有向量挤在一处，损失就最小了。不在对角线上的要取负号。",
            en="Every pair counts as a positive, so all vectors in one place would be best. What is off the diagonal takes a minus.",
        ),
        Mistake(
            "all_negative",
            _with_signs(lambda eye: -torch.ones_like(eye)),
            zh="每一对都当成了负样本，连对角线上的也被推开。",
            en="Every pair counts as a negative; even those on the diagonal are pushed apart.",
        ),
        Mistake(
            "positives_only",
            _of_logits(lambda z: -F.logsigmoid(z.diagonal()).sum()),
            zh="只算了对角线。没有负样本，所有向量挤到一个点上损失最小。",
            en="Only the diagonal counts. Without negatives, all vectors in one point are best.",
        ),
        Mistake(
            "negatives_only",
            _of_logits(lambda z: F.softplus(_off_diagonal(z)).sum()),
            zh="只算了对角线以外的。没有正样本，什么也不会被拉到一起。",
            en="Only what is off the diagonal counts. Without positives nothing is ever pulled together.",
        ),
        Mistake(
            "diagonal_counted_twice",
            _of_logits(lambda z: F.softplus(z).sum() + F.softplus(-z.diagonal()).sum()),
            zh="对角线算了两次：一次当正样本，一次当负样本，两边互相抵着。算负样本时要把它去掉。",
            en="The diagonal counts twice, as positives and among the negatives, and pulls against itself. Leave it out of the negatives.",
        ),
        Mistake(
            "mean_over_all",
            _of_logits(lambda z: _right(z) / len(z)),
            zh="对 N² 个数求了平均。批量翻倍，正样本的那一份就减半：一批里 N 个正样本，各只占 1/N²。论文除以 N：每张图一份。",
            en="That is the mean over N² numbers. With N positives a batch, each at 1/N², doubling the batch halves their share. The paper divides by N, the number of pictures.",
        ),
        Mistake(
            "not_divided",
            _of_logits(lambda z: _right(z) * len(z)),
            zh="求了和，没有除以 N：批量一变，学习率就得重调。",
            en="Summed, but not divided by N: another batch size would need another learning rate.",
        ),
        Mistake(
            "halved",
            _of_logits(lambda z: _right(z) / 2),
            zh="除以了 2N。CLIP 要平均两个方向，这里没有方向：每一对只判断一次。",
            en="Divided by 2N. CLIP averages two directions; there are none here, each pair is judged once.",
        ),
        Mistake(
            "doubled",
            _of_logits(lambda z: 2 * _right(z)),
            zh="正好是两倍：矩阵和它的转置各算了一次。CLIP 才有两个方向；这里转置以后还是那些对。",
            en="Exactly twice the loss: the matrix and its transpose were both counted. Directions belong to CLIP; here a transpose holds the same pairs.",
        ),
        Mistake(
            "divided_by_dim",
            lambda image, text, scale, bias: _right(_logits(image, text, scale, bias)) / image.shape[1],
            zh="除以的是特征的维数，不是图的个数。看看 `shape` 的下标。",
            en="Divided by the width of the features and not by the number of pictures. See the index into `shape`.",
        ),
        Mistake(
            "two_means",
            _of_logits(
                lambda z: len(z) * (F.softplus(-z.diagonal()).mean() + F.softplus(_off_diagonal(z)).mean())
            ),
            zh="正样本、负样本各求了平均，等于给正样本加了 N−1 倍的权重。论文不加权，不平衡交给偏置。",
            en="Positives and negatives were averaged apart, which weighs a positive N−1 times as much. The paper weighs nothing and leaves the imbalance to the bias.",
        ),
        Mistake(
            "bias_left_out",
            _with_logits(lambda cosines, scale, bias: scale * cosines),
            zh="没有用上偏置：一开始 N−1 个负样本对一个正样本，没有偏置，头几步都花在把所有分数往下压。",
            en="The bias is not used. With N−1 negatives to a positive, the first steps would go into pushing all scores down.",
        ),
        Mistake(
            "bias_subtracted",
            _with_logits(lambda cosines, scale, bias: scale * cosines - bias),
            zh="减去了偏置。它本来就是负的，减就成了往上抬。",
            en="The bias was subtracted. It is negative already, so that lifts all scores.",
        ),
        Mistake(
            "bias_times_scale",
            _with_logits(lambda cosines, scale, bias: scale * (cosines + bias)),
            zh="偏置也乘上了缩放：−10 成了 −100。先缩放，再加偏置。",
            en="The bias got multiplied by the scale: −10 becomes −100. Scale first, then add it.",
        ),
        Mistake(
            "bias_outside_the_sign",
            lambda image, text, scale, bias: (
                -F.logsigmoid(_signs(len(image)) * (scale * image @ text.T) + bias).sum() / len(image)
            ),
            zh="偏置没有跟着变号：它加在了标签之外，对正样本和负样本成了同一个方向。标签要乘的是整个 logit。",
            en="The bias did not change its sign: added outside the label it acts on positives and negatives alike. The label multiplies the whole logit.",
        ),
        Mistake(
            "scale_left_out",
            _with_logits(lambda cosines, scale, bias: cosines + bias),
            zh="没有用上缩放：余弦最大是 1，盖不过 −10 的偏置，没有一对能被判为真。",
            en="The scale is not used: a cosine is at most 1 and cannot outweigh a bias of −10, so no pair could ever be called true.",
        ),
        Mistake(
            "divided_by_scale",
            _with_logits(lambda cosines, scale, bias: cosines / scale + bias),
            zh="除以了缩放。要除的是温度；缩放是它的倒数，要乘。",
            en="Divided by the scale. One divides by a temperature; the scale is its inverse and multiplies.",
        ),
        Mistake(
            "scale_exponentiated_again",
            _with_logits(lambda cosines, scale, bias: scale.exp() * cosines + bias),
            zh="缩放又取了一次指数。传进来的已经是取过指数的。",
            en="The scale was exponentiated once more. What comes in is exponentiated already.",
        ),
        Mistake(
            "no_minus",
            _of_logits(lambda z: -_right(z)),
            zh="少了负号：这是对数似然，最小化它会把一切都判反。损失是概率对数的**负**值。",
            en="The minus is missing: this is the log-likelihood, and minimising it gets everything wrong. A loss is *minus* the logarithm of the probability.",
        ),
        Mistake(
            "no_logarithm",
            _of_logits(lambda z: -(_signs(len(z)) * z).sigmoid().sum()),
            zh="忘了取对数：直接对概率求了和。判得彻底错的一对，梯度反而接近 0。",
            en="The logarithm is missing: probabilities were summed. A pair gone badly wrong would get almost no gradient.",
        ),
        Mistake(
            "sigmoid_twice",
            _of_logits(lambda z: F.binary_cross_entropy_with_logits(z.sigmoid(), _eye(z), reduction="sum")),
            zh="sigmoid 做了两次：`…_with_logits` 里面已经有一次。logit 被压到 0 到 1，负样本再也压不到一半以下。",
            en="The sigmoid runs twice: `…_with_logits` holds one. Logits are squeezed between 0 and 1, and no negative can fall below one half.",
        ),
        Mistake(
            "underflow",
            _of_logits(lambda z: -(_signs(len(z)) * z).sigmoid().log().sum()),
            zh="先 sigmoid 后取对数：logit 到了 −110，概率在 float32 里成了 0，对数就是 −∞。两步要合成一步，有现成的函数。",
            en="Sigmoid first, logarithm after: at a logit of −110 the probability is 0 in float32, and its logarithm −∞. One function does both in one step.",
        ),
        Mistake(
            "one_minus_probability",
            _of_logits(_logarithms_of_probabilities),
            zh="负样本用了 1 − p 的对数：logit 到了 30，p 在 float32 里就是 1，1 − p 成了 0。取负 logit 的 sigmoid，就没有这个减法。",
            en="Negatives take the logarithm of 1 − p: at a logit of 30, p is 1 in float32 and 1 − p is 0. The sigmoid of minus the logit needs no such difference.",
        ),
        Mistake(
            "clamped_probability",
            _of_logits(lambda z: F.binary_cross_entropy(z.sigmoid(), _eye(z), reduction="sum")),
            zh="先求概率再用 `binary_cross_entropy`：它把对数截在 −100，于是 logit 为 30 的负样本也记成 100，超过以后没有梯度。要从 logit 直接算。",
            en="Probabilities went into `binary_cross_entropy`, which cuts logarithms off at −100: a negative with logit 30 is charged 100 too, and beyond that no gradient is left. Start "
            "from the logits.",
        ),
        Mistake(
            "softmax_over_rows",
            _of_logits(_cross_entropy),
            zh="这是按行的 softmax：一行里的句子互相竞争，偏置也被约掉了。sigmoid 损失里，每一对只看自己。",
            en="That is a softmax over rows: sentences compete, and the bias cancels. In the sigmoid loss every pair is judged by itself.",
        ),
        Mistake(
            "clip_loss",
            _of_logits(lambda z: (_cross_entropy(z) + _cross_entropy(z.T)) / 2),
            zh="这是第 01 章的 CLIP 损失：选项互相竞争，偏置不起作用。这里每一对是一道单独的判断题。",
            en="That is the CLIP loss of chapter 01: options compete and the bias does nothing. Here each pair is a yes-or-no question of its own.",
        ),
        Mistake(
            "normalised_over_batch",
            lambda image, text, scale, bias: sigmoid_loss(
                F.normalize(image, dim=0), F.normalize(text, dim=0), scale, bias
            ),
            zh="沿着批次做了归一化，一张图的向量会随同批次的其他图而变。传进来的已经是单位向量。",
            en="Normalised over the batch, so that a picture's vector depends on who else is there. What comes in are unit vectors already.",
        ),
        Mistake(
            "normalised_again",
            lambda image, text, scale, bias: sigmoid_loss(_unit(image), _unit(text), scale, bias),
            zh="数值对，梯度不对：单位向量又归一化了一次，沿半径方向的梯度就没有了。归一化是模型做的，这里只管算损失。",
            en="Right values, other gradients: unit vectors were normalised once more, which removes the gradient along the radius. The model normalises; this function computes the loss.",
        ),
    ),
    properties=(
        Property(
            lambda function, image, text, scale, bias: _close(
                function(image, text, scale, bias), function(text, image, scale, bias)
            ),
            zh="图文互换，损失不变（对称）。",
            en="exchanging images and texts leaves the loss alone (symmetry).",
        ),
        Property(
            lambda function, image, text, scale, bias: _close(
                function(image, text, scale, bias), function(image.flip(0), text.flip(0), scale, bias)
            ),
            zh="成对地换次序，损失不变。",
            en="another order of the pairs leaves the loss alone.",
        ),
        Property(
            lambda function, image, text, scale, bias: _close(
                function(image, text, 0 * scale, 0 * bias), image.new_tensor(len(image) * math.log(2))
            ),
            zh="缩放和偏置都是 0 时，损失是 N ln 2。",
            en="with scale and bias at 0 the loss is N ln 2.",
        ),
        Property(
            lambda function, image, text, scale, bias: _close(
                function(image, text, 0 * scale, bias), _chance_loss(len(image), bias)
            ),
            zh="缩放为 0 时，每张图有一个 logit 为 b 的正样本和 N−1 个 logit 为 b 的负样本。",
            en="with the scale at 0, each picture has one positive and N−1 negatives, all with the logit b.",
        ),
    ),
    hints=(
        Message(
            "N×N 个 logit，每个都是一道判断题：这一对是真是假？对角线上的答案是真，其余的是假。",
            "There are N×N logits, each a yes-or-no question: do these two belong together? Yes on the diagonal, no elsewhere.",
        ),
        Message(
            "标签是 +1 和 −1，乘在整个 logit 上；再取 sigmoid 的对数，求和，变号，除以图的个数。",
            "The label is +1 or −1 and multiplies the whole logit; then the logarithm of the sigmoid, the sum, a minus, and divide by the number of pictures.",
        ),
        Message(
            "`logits = scale * image @ text.T + bias`；`signs = 2 * torch.eye(len(image)) - 1`；最后用 `F.logsigmoid`。",
            "`logits = scale * image @ text.T + bias`; `signs = 2 * torch.eye(len(image)) - 1`; then `F.logsigmoid`.",
        ),
    ),
    minutes=15,
    mark="★★",
)


def _start(
    first: Callable[[float], float] = math.log, second: Callable[[int], float] = lambda n: -math.log(n - 1)
) -> Callable[[int, float], Tensor]:
    return lambda n, scale: torch.tensor([first(scale), second(n)], dtype=torch.float32)


INITIAL_VALUES = Exercise(
    "initial_values",
    initial_values,
    _sizes,
    mistakes=(
        Mistake(
            "scale_itself",
            _start(first=lambda scale: scale),
            zh="第一个数是缩放本身。模型学的是它的对数，用的时候才取指数：从 10 出发，缩放就成了 22026。",
            en="The first number is the scale itself. The model learns its logarithm and exponentiates it for use: starting from 10 would be a scale of 22,026.",
        ),
        Mistake(
            "base_ten",
            _start(first=math.log10),
            zh="对数的底用了 10。还原时用的是 e 的指数，所以要自然对数。",
            en="The logarithm has base 10. It is undone by the exponential with base e, so it must be the natural one.",
        ),
        Mistake(
            "base_two",
            _start(first=math.log2),
            zh="对数的底用了 2。还原时用的是 e 的指数，所以要自然对数。",
            en="The logarithm has base 2. It is undone by the exponential with base e, so it must be the natural one.",
        ),
        Mistake(
            "temperature",
            _start(first=lambda scale: -math.log(scale)),
            zh="这是温度的对数，差了一个负号：缩放成了 1/10 而不是 10，余弦几乎不起作用。",
            en="That is the logarithm of the temperature, off by a minus: the scale would be 1/10 instead of 10, and cosines would hardly matter.",
        ),
        Mistake(
            "inverse",
            _start(first=lambda scale: 1 / scale),
            zh="取了倒数，没有取对数。模型学的是缩放的对数。",
            en="That is the inverse and not the logarithm. It is the logarithm of the scale that the model learns.",
        ),
        Mistake(
            "exponential",
            _start(first=lambda scale: math.exp(min(scale, 80.0))),
            zh="取指数是用的时候的事；这里要反过来，取对数。",
            en="The exponential comes when the parameter is used; here you need its inverse, the logarithm.",
        ),
        Mistake(
            "always_ln_ten",
            _start(first=lambda scale: math.log(10)),
            zh="第一个数写死成了 ln 10。那是论文的选择，这里的 `scale` 会变。",
            en="The first number is fixed at ln 10. That is the paper's choice; here `scale` varies.",
        ),
        Mistake(
            "ln_n",
            _start(second=lambda n: -math.log(n)),
            zh="很接近，但差一点：赔率不是概率。概率 1/n 对应的赔率是 1 比 n−1。n = 2 时看得最清楚：一半对一半，偏置应当是 0。",
            en="Close, but odds are no probability: a probability of 1/n means odds of 1 to n−1. See it at n = 2: half and half needs a bias of 0.",
        ),
        Mistake(
            "positive_bias",
            _start(second=lambda n: math.log(n - 1)),
            zh="符号反了：这样一开始每一对都被当成真的。负样本多，偏置要往下压。",
            en="The sign is wrong: at the start every pair would be taken for true. Negatives are many, so the bias pushes down.",
        ),
        Mistake(
            "positive_ln_n",
            _start(second=math.log),
            zh="符号反了，而且赔率是 1 比 n−1，不是 1 比 n。",
            en="The sign is wrong, and odds are 1 to n−1 rather than 1 to n.",
        ),
        Mistake(
            "always_minus_ten",
            _start(second=lambda n: -10.0),
            zh="偏置写死成了 −10：那是论文为三万多的批量选的，ln 32767 ≈ 10.4。批量不同，它也不同。",
            en="The bias is fixed at −10, which the paper chose for batches of above thirty thousand: ln 32767 ≈ 10.4. Other batches need another one.",
        ),
        Mistake(
            "no_bias",
            _start(second=lambda n: 0.0),
            zh="偏置从 0 出发：n−1 个负样本都被当成一半的可能，损失从 n ln 2 开始。",
            en="A bias of 0 gives each of the n−1 negatives one half, and the loss starts at n ln 2.",
        ),
        Mistake(
            "probability",
            _start(second=lambda n: 1 / n),
            zh="1/n 是要得到的概率，偏置是 logit。从概率回到 logit，要解 sigmoid。",
            en="1/n is the probability that is wanted, and the bias is a logit. Undo the sigmoid to get from one to the other.",
        ),
        Mistake(
            "logarithm_of_odds_forgotten",
            _start(second=lambda n: -float(n - 1)),
            zh="忘了取对数：赔率是 n−1 比 1，logit 是赔率的对数。",
            en="The logarithm is missing: n−1 to 1 are the odds, and the logit is their logarithm.",
        ),
        Mistake(
            "bias_base_ten",
            _start(second=lambda n: -math.log10(n - 1)),
            zh="偏置的对数用了 10 为底。sigmoid 里是 e，所以要自然对数。",
            en="The bias has a logarithm with base 10. The sigmoid is made from e, so take the natural one.",
        ),
        Mistake(
            "bias_base_two",
            _start(second=lambda n: -math.log2(n - 1)),
            zh="偏置的对数用了 2 为底。sigmoid 里是 e，所以要自然对数。",
            en="The bias has a logarithm with base 2. The sigmoid is made from e, so take the natural one.",
        ),
        Mistake(
            "one_positive_in_the_matrix",
            _start(second=lambda n: -math.log(n * n - 1)),
            zh="把整个矩阵当成只有一个正样本。n×n 里有 n 个正样本，比例还是 1 比 n−1。",
            en="That counts one positive in the whole matrix. Among n×n pairs n are positive, which is still 1 to n−1.",
        ),
        Mistake(
            "bias_of_scaled_cosine",
            lambda n, scale: torch.tensor([math.log(scale), -math.log(n - 1) / scale]),
            zh="偏置除以了缩放。它加在缩放之后，不再乘缩放。",
            en="The bias was divided by the scale. It is added after scaling, and not scaled itself.",
        ),
        Mistake(
            "minus_scale",
            lambda n, scale: torch.tensor([math.log(scale), -scale]),
            zh="偏置成了 −缩放，与批量无关了。论文里两个数碰巧都是 10。",
            en="The bias became minus the scale and no longer depends on the batch. In the paper both happen to be 10.",
        ),
        Mistake(
            "exchanged",
            lambda n, scale: initial_values(n, scale).flip(0),
            zh="两个数的次序反了：先是缩放的对数，后是偏置。",
            en="The two numbers are exchanged: first the logarithm of the scale, then the bias.",
        ),
    ),
    properties=(
        Property(
            lambda function, n, scale: _close(function(n, scale)[0].exp(), torch.tensor(scale)),
            zh="第一个数取指数，就是 `scale`。",
            en="the exponential of the first number is `scale`.",
        ),
        Property(
            lambda function, n, scale: _close(n * function(n, scale)[1].sigmoid(), torch.tensor(1.0)),
            zh="第二个数取 sigmoid，就是 1/n。",
            en="the sigmoid of the second number is 1/n.",
        ),
    ),
    hints=(
        Message(
            "余弦都是 0 时，每个 logit 都等于偏置。n 对里一对为真：最好的猜测是概率 1/n。",
            "When all cosines are 0, every logit is the bias. One pair in n is true, so the best guess is a probability of 1/n.",
        ),
        Message(
            "解方程 σ(b) = 1/n：先写成赔率 e^b = 1/(n−1)，再取对数。缩放那一边也是取对数。",
            "Solve σ(b) = 1/n: as odds it reads e^b = 1/(n−1); take the logarithm. The scale needs a logarithm too.",
        ),
        Message(
            "`torch.tensor([…, …])`，里面是两个 `math.log`，第二个带负号。",
            "`torch.tensor([…, …])` with two `math.log` in it, the second with a minus.",
        ),
    ),
    minutes=10,
    mark="★★",
)

CHUNKED_LOSS = Exercise(
    "chunked_loss",
    chunked_loss,
    _pairs_and_chunks,
    mistakes=(
        Mistake(
            "diagonal_not_moved",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, 0) / n),
            zh="每一块都把自己的第 0 行配给第 0 句。第二块的第 0 行，是整批里的第 `chunk` 张图，正样本在第 `chunk` 列：对角线要跟着起点往右移。",
            en="Every chunk matches its row 0 with sentence 0. Row 0 of the second chunk is picture `chunk` of the batch, with its positive in column `chunk`: the diagonal moves right "
            "with the start.",
        ),
        Mistake(
            "diagonal_moved_down",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, -start) / n),
            zh="只有第一块里有正样本，后面各块全成了负样本：对角线移到块的外面去了。看看移动的方向。",
            en="Only the first chunk has positives, and all others hold negatives alone: their diagonal was moved out of the chunk. See in which direction it moves.",
        ),
        Mistake(
            "moved_by_chunk_number",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, start // chunk) / n),
            zh="对角线按块的序号移动了，不是按起点：第 k 块要移 k × chunk 列。",
            en="The diagonal moves by the number of the chunk and not by its start: chunk k needs k × chunk columns.",
        ),
        Mistake(
            "text_in_chunks_too",
            _both_in_chunks,
            zh="句子也切成了块，图只和同一块的句子比：块与块之间的负样本都没有了。图按块来，句子要全部。",
            en="Sentences were cut into chunks as well, and a picture meets only those of its own: negatives between chunks are lost. Pictures come in chunks, sentences all at once.",
        ),
        Mistake(
            "sum_of_chunk_means",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, start) / len(z)),
            zh="每块除以了自己的图数，再相加：块越小，损失越大。要除以整批的 N。",
            en="Each chunk was divided by its own number of pictures before the sum: smaller chunks, larger loss. Divide by the N of the batch.",
        ),
        Mistake(
            "divided_by_chunk",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, start) / chunk),
            zh="除以的是 `chunk`，不是整批的 N：损失随块的大小变。",
            en="Divided by `chunk` and not by the N of the batch: the loss depends on the size of a chunk.",
        ),
        Mistake(
            "mean_of_chunk_means",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, start) / len(z) / math.ceil(n / chunk)),
            zh="把各块的平均再平均了。最后一块较小，里面的图就多算了分量。先求总和，最后除一次。",
            en="The means of chunks were averaged. The last chunk is smaller, so its pictures count for more. Add everything up and divide once, at the end.",
        ),
        Mistake(
            "divided_by_whole_chunks",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, start) / (math.ceil(n / chunk) * chunk)),
            zh="除以了块数 × chunk：最后一块不满时，多除了几张不存在的图。",
            en="Divided by the number of chunks times `chunk`: where the last one is not full, that counts pictures which do not exist.",
        ),
        Mistake(
            "mean_over_all",
            _on_whole(lambda z, chunk: _costs(z).mean()),
            zh="除以了 N²。和第一题一样，要除以 N。",
            en="Divided by N². As in the first exercise it is N.",
        ),
        Mistake(
            "mean_of_entries_of_chunks",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, start) / z.numel()),
            zh="每块对它所有的 logit 求了平均，再相加。先求总和，最后除以 N。",
            en="Each chunk was averaged over all of its logits before the sum. Add everything up, and divide by N at the end.",
        ),
        Mistake(
            "not_divided",
            _on_whole(lambda z, chunk: _costs(z).sum()),
            zh="求了和，最后没有除以 N。",
            en="Summed, but not divided by N at the end.",
        ),
        Mistake(
            "divided_in_every_step",
            _divided_again,
            zh="每加一块就把累积的总和除一次 N，前面的块被除了好多次。除法要放在循环之后。",
            en="The running total is divided by N after every chunk, so that earlier ones are divided again and again. Divide after the loop.",
        ),
        Mistake(
            "last_chunk_dropped",
            _on_whole(lambda z, chunk: _costs(z)[: len(z) // chunk * chunk].sum() / len(z)),
            zh="最后不满的那块丢了。块的个数要向上取整。",
            en="The last, shorter chunk was lost. Round the number of chunks up.",
        ),
        Mistake(
            "first_chunk_only",
            _on_whole(lambda z, chunk: _costs(z)[:chunk].sum() / len(z)),
            zh="只算了第一块：`return` 是不是在循环里面？",
            en="Only the first chunk was computed: is the `return` inside the loop?",
        ),
        Mistake(
            "last_chunk_only",
            _over_chunks(lambda z, start, chunk, n: _chunk_cost(z, start) / n, start_over=True),
            zh="只剩下最后一块：循环里每次都盖掉了前面的，没有累加。",
            en="Only the last chunk is left: the loop overwrites the total instead of adding to it.",
        ),
        Mistake(
            "overlapping",
            _overlapping,
            zh="相邻的两块重叠了一行，那张图算了两次。切片的终点不包含在内。",
            en="Neighbouring chunks share a row, and its picture counts twice. The end of a slice is not part of it.",
        ),
        Mistake(
            "columns_cut_too",
            _up_to_here,
            zh="只比到了这一块为止的句子，后面的句子没有比。一张图要和**全部**句子比。",
            en="Each chunk is compared only with the sentences up to its own end. A picture meets *all* sentences.",
        ),
        Mistake(
            "positives_only",
            _on_whole(lambda z, chunk: F.softplus(-z.diagonal()).sum() / len(z)),
            zh="只算了正样本，负样本都没有了。",
            en="Only the positives count; the negatives are missing.",
        ),
        Mistake(
            "no_positives",
            _on_whole(lambda z, chunk: F.softplus(z).sum() / len(z)),
            zh="全都当成了负样本：对角线没有换成 +1。",
            en="Everything counts as a negative: the diagonal was never set to +1.",
        ),
        Mistake(
            "diagonal_counted_twice",
            _on_whole(lambda z, chunk: (F.softplus(z).sum() + F.softplus(-z.diagonal()).sum()) / len(z)),
            zh="对角线算了两次，一次当正样本，一次当负样本。",
            en="The diagonal counts twice, as positives and among the negatives.",
        ),
        Mistake(
            "labels_zero_one",
            _on_whole(lambda z, chunk: _cost(z, _eye(z)) / len(z)),
            zh="标签用了 0 和 1：负样本的损失成了常数 ln 2。要 +1 和 −1。",
            en="The labels are 0 and 1, so that negatives cost a constant ln 2. Take +1 and −1.",
        ),
        Mistake(
            "bias_left_out",
            lambda image, text, scale, bias, chunk: sigmoid_loss(image, text, scale, 0 * bias),
            zh="没有用上偏置。",
            en="The bias is not used.",
        ),
        Mistake(
            "underflow",
            _on_whole(lambda z, chunk: -(_signs(len(z)) * z).sigmoid().log().sum() / len(z)),
            zh="先 sigmoid 后取对数：logit 到了 −110 就成了无穷。两步要合成一步。",
            en="Sigmoid first, logarithm after: at a logit of −110 that is infinite. One function does both.",
        ),
    ),
    properties=(
        Property(
            lambda function, image, text, scale, bias, chunk: _close(
                function(image, text, scale, bias, chunk), function(image, text, scale, bias, len(image))
            ),
            zh="损失与块的大小无关。",
            en="the loss does not depend on the chunk.",
        ),
        Property(
            lambda function, image, text, scale, bias, chunk: _close(
                function(image, text, 0 * scale, bias, chunk), _chance_loss(len(image), bias)
            ),
            zh="缩放为 0 时，每张图有一个 logit 为 b 的正样本和 N−1 个 logit 为 b 的负样本。",
            en="with the scale at 0, each picture has one positive and N−1 negatives, all with the logit b.",
        ),
        Property(
            lambda function, image, text, scale, bias, chunk: _close(
                function(image, text, scale, bias, chunk),
                function(image.flip(0), text.flip(0), scale, bias, chunk),
            ),
            zh="成对地换次序，损失不变。",
            en="another order of the pairs leaves the loss alone.",
        ),
    ),
    demands=(
        Property(
            lambda function, image, text, scale, bias, chunk: (
                chunk >= len(image)
                or most_made_at_once(function, image, text, scale, bias, chunk)
                <= len(image) * max(2 * chunk, image.shape[1])  # logits and labels may be made in one
            ),
            zh="有一步做出了比 chunk × N 还大的矩阵，可能是 logit，也可能是标签：数值没错，内存却还是 N²。两样都要一块一块地做。",
            en="Some step made a matrix larger than chunk × N, of logits or of labels: the numbers are right, but memory still grows with N². Make both chunk by chunk.",
        ),
    ),
    hints=(
        Message(
            "每一对只看自己，所以损失是一个和，可以一段一段地加。难的只有一件事：每一块里，正样本在哪一列？",
            "Every pair is judged by itself, so the loss is a sum that can be added up in pieces. One thing is hard: in which columns are the positives of a chunk?",
        ),
        Message(
            "从 `start` 开始的块，第 k 行是第 start + k 张图，正样本在第 start + k 列。除以 N 放在最后。",
            "In the chunk that begins at `start`, row k is picture start + k, and its positive is in column start + k. Divide by N at the end.",
        ),
        Message(
            "`signs = torch.full_like(logits, -1.0)`，再 `signs.diagonal(start).fill_(1.0)`；`diagonal(start)` 就是往右移了 `start` 列的对角线。",
            "`signs = torch.full_like(logits, -1.0)`, then `signs.diagonal(start).fill_(1.0)`; `diagonal(start)` is the diagonal moved `start` columns to the right.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

RING_STEP = Exercise(
    "ring_step",
    ring_step,
    _rings,
    mistakes=(
        Mistake(
            "other_direction",
            _ring(origin=lambda rank, step, world: rank + step),
            zh="转反了：每个进程把句子传给编号大一号的，所以手里的是从编号**小**的那边传来的。",
            en="The ring turns the other way: sentences are passed on to the next higher number, so what is here came from *lower* ones.",
        ),
        Mistake(
            "one_step_late",
            _ring(origin=lambda rank, step, world: rank - step + 1, own=lambda rank, step, origin: step == 1),
            zh="差了一步：交换 0 次时，手里还是自己的句子。",
            en="One step off: after no exchange at all, a process still holds its own sentences.",
        ),
        Mistake(
            "one_step_early",
            _ring(origin=lambda rank, step, world: rank - step - 1),
            zh="多转了一步：交换 0 次时，手里还是自己的句子。",
            en="One step too far: after no exchange at all, a process still holds its own sentences.",
        ),
        Mistake(
            "chunk_by_step",
            _ring(origin=lambda rank, step, world: step),
            zh="第几步就拿第几块：那样每一步所有进程都要同一块，它就得一次送给所有人。环里每一步各人手里都不同，要看 `rank`。",
            en="Step k takes chunk k: then all processes would need the same one at once. In a ring each holds another, so `rank` matters.",
        ),
        Mistake(
            "never_exchanged",
            _ring(origin=lambda rank, step, world: rank),
            zh="每一步用的都是自己的那块：一直没有见到别人的句子，负样本只有自己的那些。",
            en="Every step uses the process's own chunk: it never meets the sentences of others, and has no negatives but its own.",
        ),
        Mistake(
            "own_chunk_as_negatives",
            _ring(origin=lambda rank, step, world: rank, own=lambda rank, step, origin: step == 0),
            zh="标签按步数走了，手里的句子却没有换：从第 1 步起，自己的配对被当成负样本推开。",
            en="The labels follow the steps but the sentences never change: from step 1 on, the process's own pairs are pushed apart as negatives.",
        ),
        Mistake(
            "positives_in_every_step",
            _ring(own=lambda rank, step, origin: True),
            zh="每一步都把对角线当成正样本。别人的第 i 句不是我的第 i 张图的描述：只有自己的那块里才有正样本。",
            en="Every step takes the diagonal for positives. Sentence i of another process does not describe picture i of this one: only its own chunk holds positives.",
        ),
        Mistake(
            "positives_never",
            _ring(own=lambda rank, step, origin: False),
            zh="哪一步都没有正样本，连自己的那块也全成了负的。",
            en="There are positives in no step; even in its own chunk all pairs count as negatives.",
        ),
        Mistake(
            "positives_where_step_is_rank",
            _ring(own=lambda rank, step, origin: step == rank),
            zh="步数等于进程号时才算正样本。自己的那块一开始就在手里，与进程号无关。",
            en="Positives were expected when the step equals the rank. A process begins with its own chunk, whatever its number.",
        ),
        Mistake(
            "whole_block_positive",
            _ring(cost=lambda z, own: _cost(z, torch.full_like(z, 1.0 if own else -1.0))),
            zh="自己的那块里，每一对都成了正样本。第 i 张图只配第 i 句：只有对角线。",
            en="In its own chunk every pair became a positive. Picture i goes with sentence i alone: the diagonal.",
        ),
        Mistake(
            "divided_by_own_pairs",
            _ring(divisor=lambda world, n: n),
            zh="除以了自己的 n。所有进程、所有步加起来要等于整批的损失，所以要除以整批的 world × n。",
            en="Divided by the process's own n. Added over all processes and steps this is to give the loss of the batch, so divide by all world × n.",
        ),
        Mistake(
            "divided_by_world",
            _ring(divisor=lambda world, n: world),
            zh="除以了进程数。要除以整批的对数：world × n。",
            en="Divided by the number of processes. Divide by the number of pairs in the batch, world × n.",
        ),
        Mistake(
            "not_divided",
            _ring(divisor=lambda world, n: 1),
            zh="没有除：要除以整批的对数 world × n。",
            en="Not divided: divide by the number of pairs in the batch, world × n.",
        ),
        Mistake(
            "mean_of_block",
            _ring(divisor=lambda world, n: n * n),
            zh="对这一块的 n² 个数求了平均。各块要相加，所以分母对每块都一样：整批的 world × n。",
            en="That is the mean over the n² numbers of the block. Blocks are added up, so all share one divisor: the world × n of the batch.",
        ),
        Mistake(
            "mean_of_everything",
            _ring(divisor=lambda world, n: world * n * n),
            zh="多除了一个 n。分母是整批的对数 world × n，不是 logit 的个数。",
            en="Divided by one n too many. The divisor is the number of pairs, world × n, and not a number of logits.",
        ),
        Mistake(
            "squared_batch",
            _ring(divisor=lambda world, n: (world * n) ** 2),
            zh="除以了整批的平方 N²。和第一题一样，除以 N。",
            en="Divided by the square of the batch, N². As in the first exercise it is N.",
        ),
        Mistake(
            "all_steps",
            _all_steps,
            zh="这是所有步的和。这里只要这一步的一份，手里也只有一块。",
            en="That is the sum of all steps. Only this step's share is asked for, and only one chunk is here.",
        ),
        Mistake(
            "steps_so_far",
            _steps_so_far,
            zh="这是到这一步为止的和。这里只要这一步的一份。",
            en="That is the sum of the steps so far. Only this step's share is asked for.",
        ),
        Mistake(
            "labels_zero_one",
            _ring(cost=lambda z, own: _cost(z, _eye(z) * own)),
            zh="标签用了 0 和 1：别人的那块全是 0，损失成了常数 ln 2，什么也学不到。要 +1 和 −1。",
            en="The labels are 0 and 1: others' chunks are all 0, cost a constant ln 2, and teach nothing. Take +1 and −1.",
        ),
        Mistake(
            "nothing_from_others",
            _ring(cost=lambda z, own: _cost(z, _signs(len(z))) * own),
            zh="别人的那块没有算进来。那里没有正样本，可全是负样本，正是要交换的理由。",
            en="Chunks of others count for nothing. They hold no positives but plenty of negatives, which is why they are exchanged at all.",
        ),
        Mistake(
            "softmax",
            _ring(
                cost=lambda z, own: (
                    F.cross_entropy(z, torch.arange(len(z)), reduction="sum") if own else 0 * z.sum()
                )
            ),
            zh="这是块里的 softmax。softmax 的分母要整行，分步算就得带着最大值和总和；sigmoid 的每一对只看自己。",
            en="That is a softmax within the block. Its denominator needs whole rows; with a sigmoid every pair is judged by itself.",
        ),
        Mistake(
            "bias_left_out",
            _ring(logits=lambda image, text, scale, bias: scale * image @ text.T),
            zh="没有用上偏置。",
            en="The bias is not used.",
        ),
        Mistake(
            "scale_left_out",
            _ring(logits=lambda image, text, scale, bias: image @ text.T + bias),
            zh="没有用上缩放。",
            en="The scale is not used.",
        ),
        Mistake(
            "received_chunks_detached",
            lambda image, chunks, rank, step, scale, bias: ring_step(
                image, chunks.detach(), rank, step, scale, bias
            ),
            zh="数值对，可句子收不到梯度：传来的句子也要学，梯度要沿着环传回去。不要 `detach`。",
            en="Right values, but sentences get no gradient: those received have to learn too, and theirs travels back round the ring. Do not `detach`.",
        ),
    ),
    properties=(
        Property(
            lambda function, image, chunks, rank, step, scale, bias: _close(
                function(image, chunks, rank, step, 0 * scale, 0 * bias),
                image.new_tensor(len(image) * math.log(2) / len(chunks)),
            ),
            zh="缩放和偏置都是 0 时，每一步贡献 n ln 2 / world。",
            en="with scale and bias at 0, every step adds n ln 2 / world.",
        ),
        Property(
            lambda function, image, chunks, rank, step, scale, bias: _close(
                torch.stack(
                    [
                        function(image_of, chunks, r, s, scale, bias)
                        for r, image_of in enumerate(chunks.flip(-1))
                        for s in range(len(chunks))
                    ]
                ).sum(),
                sigmoid_loss(chunks.flip(-1).flatten(0, 1), chunks.flatten(0, 1), scale, bias),
            ),
            zh="所有进程、所有步的和，等于整批的损失。",
            en="the sum over all processes and all steps is the loss of the whole batch.",
        ),
    ),
    hints=(
        Message(
            "画三个进程站成一圈，每步把手里的句子递给右边的人。一步之后，我手里的是谁的？两步之后呢？",
            "Draw three processes in a circle, each passing its sentences to the right. Whose do I hold after one step, and after two?",
        ),
        Message(
            "第 `step` 步手里的那块来自 (rank − step) mod world。只有来自自己时，对角线才是 +1；除数总是整批的对数。",
            "After `step` exchanges the chunk here came from (rank − step) mod world. Only where that is oneself does the diagonal have +1; the divisor is always the pairs of the batch.",
        ),
        Message(
            "`origin = (rank - step) % world`；`signs = 2 * torch.eye(n) * (origin == rank) - 1`；除以 `world * n`。",
            "`origin = (rank - step) % world`; `signs = 2 * torch.eye(n) * (origin == rank) - 1`; divide by `world * n`.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

MAP_HEAD = Exercise(
    "map_head",
    map_head,
    _patches,
    mistakes=(
        Mistake(
            "not_scaled",
            _pooled(_attention, lambda probe, tokens: tokens @ probe),
            zh="没有除以 √dim：维数一高，注意力就几乎全给了一个图像块。",
            en="There is no division by √dim: in high dimensions nearly all attention goes to one patch.",
        ),
        Mistake(
            "divided_by_dim",
            _pooled(_attention, lambda probe, tokens: tokens @ probe / len(probe)),
            zh="除以的是 dim，不是它的平方根。",
            en="Divided by dim and not by its square root.",
        ),
        Mistake(
            "root_of_patches",
            _pooled(_attention, lambda probe, tokens: tokens @ probe / tokens.shape[1] ** 0.5),
            zh="除以的是图像块个数的平方根。点积的大小随维数变，与有多少块无关。",
            en="Divided by the root of the number of patches. It is the width that makes dot products large, however many patches there are.",
        ),
        Mistake(
            "no_mask",
            _pooled(lambda scores, real: scores.softmax(1)),
            zh="没有用掩码：填充也分到了注意力，同一张图补得长一点，结果就变了。",
            en="The mask is not used: padding gets attention, and the same picture with more of it gives another vector.",
        ),
        Mistake(
            "mask_inverted",
            _pooled(lambda scores, real: _attention(scores, ~real)),
            zh="掩码反了：看的全是填充。`real` 里 True 是真图像块。",
            en="The mask is inverted: only padding is looked at. In `real`, True means a real patch.",
        ),
        Mistake(
            "mask_of_the_first_picture",
            _pooled(lambda scores, real: _attention(scores, real[:1].expand_as(real))),
            zh="每张图都用了第一张图的掩码。图的大小不同，各有各的掩码。",
            en="Every picture got the mask of the first. Pictures differ in size, and each has a mask of its own.",
        ),
        Mistake(
            "mask_after_softmax",
            _pooled(lambda scores, real: scores.softmax(1) * real),
            zh="掩码用在了 softmax 之后：填充是 0 了，可它拿走的那一份没有还回来，权重的和不到 1。",
            en="The mask comes after the softmax: padding is at 0, but the share it took is lost, and the weights sum to less than 1.",
        ),
        Mistake(
            "zero_for_minus_infinity",
            _pooled(lambda scores, real: (scores * real).softmax(1)),
            zh="填充的分数成了 0，可 e⁰ = 1：它照样分到注意力。",
            en="The scores of padding became 0, but e⁰ = 1: it gets attention all the same.",
        ),
        Mistake(
            "padding_set_to_zero",
            lambda probe, tokens, real: _weighted(
                _scores(probe, tokens * real[..., None]).softmax(1), tokens * real[..., None]
            ),
            zh="把填充清成了零向量，就当没有了。零向量的分数是 0，e⁰ = 1：它照样分走注意力，把结果往 0 拉。",
            en="Padding was set to zero vectors and taken to be gone. A zero vector scores 0, and e⁰ = 1: it takes its share and pulls the result towards 0.",
        ),
        Mistake(
            "constant_too_high",
            _pooled(lambda scores, real: (scores - 100.0 * ~real).softmax(1)),
            zh="从填充的分数里减了 100。它原来可以高出几百，减完还是最高。挡住的不该起任何作用。",
            en="100 was subtracted from the scores of padding. They may be hundreds higher to begin with and stay the highest. What is hidden should not matter at all.",
        ),
        Mistake(
            "filled_too_high",
            _pooled(lambda scores, real: scores.masked_fill(~real, -100.0).softmax(1)),
            zh="填充的分数换成了一个固定的数，可它不够低：真图像块的分数可以比它还低，那时注意力全给了填充。要低于任何分数。",
            en="Padding got a fixed score that is not low enough: real patches may score lower still, and then all attention goes to padding. It has to be below any score.",
        ),
        Mistake(
            "exponential_before_mask",
            _exponential_first,
            zh="数值对，梯度却是 NaN：先取指数，后掩码，填充的指数已经溢出成无穷；`where` 挡得住数值，挡不住反向时的 0 × ∞。先掩码，再取指数。",
            en="Right values, but the gradient is NaN: the exponential comes before the mask and overflows in the padding; `where` stops the value, not 0 × ∞ on the way back. Mask first, then exponentiate.",
        ),
        Mistake(
            "softmax_over_pictures",
            _pooled(lambda scores, real: _attention(scores, real, 0)),
            zh="softmax 沿批次做了：各张图在争抢同一个位置。一张图要把注意力分给自己的图像块，看看 `dim`。",
            en="The softmax runs over the batch: pictures compete for a place. Each shares its attention among its own patches; look at `dim`.",
        ),
        Mistake(
            "softmax_over_all",
            _pooled(_one_softmax),
            zh="整批一起做了一次 softmax，所有图的权重加起来才是 1。每张图各做各的。",
            en="One softmax over the whole batch: the weights of all pictures together sum to 1. Each picture has its own.",
        ),
        Mistake(
            "no_softmax",
            _pooled(lambda scores, real: scores * real),
            zh="直接拿分数当权重了：分数可以是负的，和也不是 1。",
            en="The scores themselves were taken for weights: they may be negative, and do not sum to 1.",
        ),
        Mistake(
            "sigmoid",
            _pooled(lambda scores, real: scores.sigmoid() * real),
            zh="用了 sigmoid：权重的和不是 1，图像块越多，结果越长。损失用 sigmoid，注意力还是 softmax。",
            en="A sigmoid was used: weights do not sum to 1, and more patches give a longer vector. The loss has a sigmoid; attention keeps its softmax.",
        ),
        Mistake(
            "mean",
            _pooled(_flat),
            zh="这是平均池化：查询没有起作用，天空和星形一样重。",
            en="That is mean pooling: the query does nothing, and the background counts as much as the star.",
        ),
        Mistake(
            "largest_of_each",
            lambda probe, tokens, real: tokens.masked_fill(~real[..., None], -math.inf).amax(1),
            zh="每个分量取了最大的，那是最大池化，查询没有起作用。",
            en="For each entry the largest was taken: that is max pooling, and the query does nothing.",
        ),
        Mistake(
            "best_patch",
            _pooled(
                lambda scores, real: F.one_hot(_attention(scores, real).argmax(1), real.shape[1]).to(scores)
            ),
            zh="只取了分数最高的那一块。`argmax` 没有梯度，查询学不到东西；要加权平均。",
            en="Only the best patch was taken. `argmax` has no gradient, so the query could not learn; take the weighted mean.",
        ),
        Mistake(
            "divided_by_count",
            lambda probe, tokens, real: map_head(probe, tokens, real) / _count(real),
            zh="加权之后又除了一次图像块的个数。权重的和已经是 1。",
            en="After weighting, it was divided by the number of patches as well. The weights sum to 1 already.",
        ),
        Mistake(
            "probe_added",
            lambda probe, tokens, real: map_head(probe, tokens, real) + probe,
            zh="把查询加了回去。SigLIP 的这一步没有残差：查询对每张图都一样，加上它什么也没有说。",
            en="The query was added to the result. SigLIP has no residual here: the query is the same for every picture and says nothing about any.",
        ),
        Mistake(
            "cosines",
            _pooled(_attention, lambda probe, tokens: _unit(tokens) @ _unit(probe)),
            zh="用的是余弦：分数都在 −1 到 1 之间，权重几乎是均匀的。要点积除以 √dim。",
            en="Cosines were used: scores lie between −1 and 1, and the weights are nearly even. Take dot products over √dim.",
        ),
        Mistake(
            "unit_patches_averaged",
            lambda probe, tokens, real: _weighted(_attention(_scores(probe, tokens), real), _unit(tokens)),
            zh="加权的是归一化之后的图像块。归一化在最后，由模型来做。",
            en="The patches were made unit vectors before weighting. Normalising comes last, and the model does it.",
        ),
        Mistake(
            "normalised",
            lambda probe, tokens, real: _unit(map_head(probe, tokens, real)),
            zh="结果归一化了。之后还有前馈网络，归一化由模型在最后做。",
            en="The result was normalised. A feed-forward network still follows, and the model normalises at the very end.",
        ),
        Mistake(
            "one_softmax_a_channel",
            _per_channel,
            zh="每个分量各做了一次 softmax。一个图像块只有一个权重：点积要先求和。",
            en="Every channel got a softmax of its own. A patch has a single weight: sum the product first.",
        ),
        Mistake(
            "weights_detached",
            lambda probe, tokens, real: (
                _weighted(_attention(_scores(probe, tokens), real).detach(), tokens) + 0 * probe.sum()
            ),
            zh="数值对，权重却断了梯度：查询学不到该看哪里。",
            en="Right values, but no gradient passes the weights: the query cannot learn where to look.",
        ),
    ),
    properties=(
        Property(
            lambda function, probe, tokens, real: _close(
                function(probe, torch.where(real[..., None], tokens, 5 - tokens), real),
                function(probe, tokens, real),
            ),
            zh="填充处是什么，都不影响结果。",
            en="whatever stands in the padding, the result is the same.",
        ),
        Property(
            lambda function, probe, tokens, real: _close(
                function(probe, torch.ones_like(tokens), real), torch.ones_like(tokens[:, 0])
            ),
            zh="所有图像块都相同时，结果就是它（权重之和是 1）。",
            en="when all patches are equal, so is the result (the weights sum to 1).",
        ),
        Property(
            lambda function, probe, tokens, real: _close(
                function(0 * probe, tokens, real), _mean_where(tokens, real)
            ),
            zh="查询是零向量时，结果是真图像块的平均。",
            en="with a query of zeros the result is the mean of the real patches.",
        ),
        Property(
            lambda function, probe, tokens, real: _close(
                function(probe, tokens.flip(1), real.flip(1)), function(probe, tokens, real)
            ),
            zh="图像块的次序不影响结果。",
            en="the order of patches does not matter.",
        ),
    ),
    hints=(
        Message(
            "一个查询看所有图像块：分数、掩码、softmax、加权和，就是第 00b 章的注意力只剩一行。",
            "One query looks at all patches: scores, mask, softmax, weighted sum. It is the attention of chapter 00b with a single row.",
        ),
        Message(
            "分数的形状是 (batch, patches)：`tokens` 和 `probe` 的点积，除以 √dim。填充在 softmax 之前填 −∞。",
            "Scores have shape (batch, patches): dot products of `tokens` and `probe` over √dim. Padding gets −∞ before the softmax.",
        ),
        Message(
            "`scores = tokens @ probe / dim**0.5`；`masked_fill(~real, -math.inf).softmax(dim=1)`；再乘 `[..., None]` 上的 `tokens`，沿图像块求和。",
            "`scores = tokens @ probe / dim**0.5`; `masked_fill(~real, -math.inf).softmax(dim=1)`; give the weights a last axis with `[..., None]`, multiply by `tokens` and sum over patches.",
        ),
    ),
    minutes=15,
    mark="★★",
)

PADDING_SAFE_MEAN = Exercise(
    "padding_safe_mean",
    padding_safe_mean,
    _padded,
    mistakes=(
        Mistake(
            "mean_of_all",
            lambda features, real: features.mean(1),
            zh="平均了所有位置，填充也算了进去。",
            en="All places were averaged, padding included.",
        ),
        Mistake(
            "multiplied_by_mask",
            lambda features, real: (features * real[..., None]).sum(1) / _count(real),
            zh="乘以 0 挡不住 NaN 和无穷：0 × NaN 还是 NaN，0 × ∞ 也是。要**换掉**填充处的数，而不是乘掉。",
            en="A product with 0 does not stop NaN or infinity: 0 × NaN is NaN, and so is 0 × ∞. *Replace* what stands in the padding instead of multiplying it away.",
        ),
        Mistake(
            "multiplied_and_all_counted",
            lambda features, real: (features * real[..., None]).mean(1),
            zh="两处不对：乘以 0 挡不住 NaN；而且除以的是所有位置的个数，填充越多，结果越短。",
            en="Two things: a product with 0 does not stop NaN, and the divisor counts all places, so more padding gives a shorter vector.",
        ),
        Mistake(
            "all_places_counted",
            lambda features, real: _kept(features, real).mean(1),
            zh="填充换成了 0，可除以的还是所有位置的个数：填充越多，结果越短。要除以真图像块的个数。",
            en="Padding was replaced by 0, but the divisor still counts all places: more padding, shorter vector. Divide by the number of real patches.",
        ),
        Mistake(
            "largest_count",
            lambda features, real: _kept(features, real).sum(1) / _count(real).max(),
            zh="每张图都除以了最大那张图的块数。各张图有各自的个数。",
            en="Every picture was divided by the count of the largest. Each has a count of its own.",
        ),
        Mistake(
            "count_of_the_batch",
            lambda features, real: _kept(features, real).sum(1) / real.sum(),
            zh="除以的是整批真图像块的总数：`sum` 少了 `dim`。",
            en="Divided by the number of real patches in the whole batch: a `dim` is missing in the `sum`.",
        ),
        Mistake(
            "number_of_pictures",
            lambda features, real: _kept(features, real).sum(1) / len(real),
            zh="除以的是图的张数。要除以每张图真图像块的个数。",
            en="Divided by the number of pictures. Divide by each one's number of real patches.",
        ),
        Mistake(
            "one_too_many",
            lambda features, real: _kept(features, real).sum(1) / (_count(real) + 1),
            zh="分母多加了 1，想必是怕除以 0。那样每个结果都变短了；没有真图像块的图要报错。",
            en="The divisor has 1 added, to avoid a division by 0. That shortens every result; a picture without a real patch should raise.",
        ),
        Mistake(
            "summed",
            lambda features, real: _kept(features, real).sum(1),
            zh="求了和，没有除：图越大，结果越长。",
            en="Summed, and not divided: a larger picture gives a longer vector.",
        ),
        Mistake(
            "padding_averaged",
            lambda features, real: _mean_where(features, ~real),
            zh="掩码反了：平均的是填充。`torch.where(条件, 甲, 乙)` 在条件为真的地方取甲。",
            en="The mask is inverted: padding was averaged. `torch.where(condition, a, b)` takes a where the condition holds.",
        ),
        Mistake(
            "padding_at_the_end",
            _in_front,
            zh="数了个数，然后取了最前面的那几个：填充不一定在最后。用掩码本身。",
            en="You counted, then took that many from the front: padding need not come last. Use the mask itself.",
        ),
        Mistake(
            "mask_of_the_first_picture",
            lambda features, real: _mean_where(features, real[:1].expand_as(real)),
            zh="每张图都用了第一张图的掩码。",
            en="Every picture got the mask of the first.",
        ),
        Mistake(
            "one_mean_for_all",
            lambda features, real: features[real].mean(0).expand(len(real), -1).clone(),
            zh="所有图的真图像块平均到了一起，每张图得到同一个向量。`features[real]` 不再分得清是哪张图。",
            en="The real patches of all pictures went into one mean, and every picture got the same vector. `features[real]` no longer tells pictures apart.",
        ),
        Mistake(
            "last_real",
            _last_real,
            zh="取的是最后一个真图像块，没有平均。",
            en="That is the last real patch, and no mean.",
        ),
        Mistake(
            "largest_of_each",
            lambda features, real: _kept(features, real, -math.inf).amax(1),
            zh="每个分量取了最大的。题目要平均。",
            en="For each entry the largest was taken. The mean is asked for.",
        ),
        Mistake(
            "nan_to_zero",
            lambda features, real: (features.nan_to_num(0, 0, 0) * real[..., None]).sum(1) / _count(real),
            zh="把所有的 NaN 都换成了 0，真图像块里的也换了：前面哪里出了错，从此看不见。只换填充处的。",
            en="Every NaN was replaced by 0, in real patches too: whatever went wrong before is now invisible. Replace only what stands in the padding.",
        ),
        Mistake(
            "nan_skipped",
            _nan_skipped,
            zh="真图像块里的 NaN 也跳过了（`nanmean`）：前面哪里出了错，从此看不见。该跳过谁，由 `real` 说了算。",
            en="NaN in real patches was skipped too (`nanmean`): whatever went wrong before is now invisible. It is `real` that says what to skip.",
        ),
        Mistake(
            "finite_taken_for_real",
            _finite,
            zh="凡是有限的数都当成了真的。填充里也可以是普通的数；哪些是真的，`real` 说了算。",
            en="All that is finite was taken to be real. Padding may hold ordinary numbers too; it is `real` that tells.",
        ),
        Mistake(
            "normalised",
            lambda features, real: _unit(padding_safe_mean(features, real)),
            zh="结果归一化了。这里只要平均。",
            en="The result was normalised. Only the mean is asked for.",
        ),
        Mistake(
            "detached",
            lambda features, real: (
                padding_safe_mean(features.detach(), real) + 0 * _kept(features, real).nan_to_num().sum()
            ),
            zh="数值对，梯度断了：图像塔学不到东西。",
            en="Right values, but no gradient arrives: the image tower could not learn.",
        ),
    ),
    properties=(
        Property(
            lambda function, features, real: _close(
                function(_kept(features, real, -9.0), real), function(_kept(features, real, 4.0), real)
            ),
            zh="填充处是什么数，都不影响结果。",
            en="whatever numbers stand in the padding, the result is the same.",
        ),
        Property(
            lambda function, features, real: _close(
                function(_kept(torch.ones_like(features), real, math.nan), real),
                torch.ones_like(features[:, 0]),
            ),
            zh="真图像块都是 1、填充都是 NaN 时，结果是 1。",
            en="with 1 in all real patches and NaN in the padding, the result is 1.",
        ),
        Property(
            lambda function, features, real: _close(
                function(features.flip(1), real.flip(1)), function(features, real)
            ),
            zh="图像块的次序不影响结果。",
            en="the order of patches does not matter.",
        ),
    ),
    demands=(
        Property(
            lambda function, features, real: (
                not _shows_nan(_without_patches(function, _kept(features, real), real))
            ),
            zh="一张图没有真图像块时，你返回了 NaN：0 除以 0。它会悄悄传进损失，毁掉整批。这样的图要报 `ValueError`。",
            en="For a picture without a real patch you return NaN, 0 divided by 0. It would slip into the loss and ruin the batch. Raise a `ValueError`.",
        ),
        Property(
            lambda function, features, real: isinstance(
                _without_patches(function, features, real), Exception
            ),
            zh="一张图没有真图像块时，你照样返回了一个向量。它不代表任何图，却会被当成真的去训练。这样的图要报 `ValueError`。",
            en="For a picture without a real patch you still return a vector. It stands for no picture and would be trained on as if it did. Raise a `ValueError`.",
        ),
        Property(
            lambda function, features, real: isinstance(
                _without_patches(function, features, real), ValueError
            ),
            zh="一张图没有真图像块时，你报的不是 `ValueError`。",
            en="For a picture without a real patch you raise something other than a `ValueError`.",
        ),
    ),
    hints=(
        Message(
            "三步：换掉填充处的数，求和，除以真图像块的个数。乘以 0 不算换掉：0 × NaN 还是 NaN。",
            "Three steps: replace what stands in the padding, sum, divide by the number of real patches. Multiplying by 0 does not replace: 0 × NaN is NaN.",
        ),
        Message(
            "`torch.where` 或 `masked_fill` 能换。个数沿图像块那根轴数，留着那根轴好相除。先看看有没有个数是 0 的。",
            "`torch.where` or `masked_fill` replaces. Count along the axis of patches and keep that axis for the division. First see whether some count is 0.",
        ),
        Message(
            "`count = real.sum(dim=1, keepdim=True)`；有 0 就 `raise ValueError(…)`；`torch.where(real[..., None], features, 0)` 沿 1 求和，除以 `count`。",
            "`count = real.sum(dim=1, keepdim=True)`; where one is 0, `raise ValueError(…)`; sum `torch.where(real[..., None], features, 0)` over dim 1 and divide by `count`.",
        ),
    ),
    minutes=10,
    mark="★★",
)

EXERCISES = (SIGMOID_LOSS, INITIAL_VALUES, CHUNKED_LOSS, RING_STEP, MAP_HEAD, PADDING_SAFE_MEAN)
