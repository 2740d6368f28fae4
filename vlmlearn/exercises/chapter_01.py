"""The exercises of chapter 01: cosines, the loss, its scale, a log-sum-exp in pieces, and Recall@K."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property
from vlmlearn.exercises.reading import most_read_at_once
from vlmlearn.messages import Message

BOUND = 100.0


def similarity(image: Float[Tensor, "n dim"], text: Float[Tensor, "n dim"]) -> Float[Tensor, "n n"]:
    """Cosine of every picture (row) with every sentence (column)."""
    return F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T


def clip_loss(
    image: Float[Tensor, "n dim"], text: Float[Tensor, "n dim"], scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE of raw features, as ``vlmlearn.losses.clip_loss`` of normalised ones."""
    return _both_directions(scale * similarity(image, text))


def logit_scale(log_scale: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The scale from its logarithm, at most 100."""
    return log_scale.exp().clamp(max=BOUND)


def streaming_logsumexp(x: Float[Tensor, "rows n"], chunk: int) -> Float[Tensor, " rows"]:
    """Log-sum-exp of each row, ``chunk`` columns at a time."""
    largest = x.new_full((len(x),), -math.inf)
    total = x.new_zeros(len(x))
    for part in x.split(chunk, dim=-1):
        new = torch.maximum(largest, part.amax(dim=-1))
        total = total * (largest - new).exp() + (part - new[:, None]).exp().sum(dim=-1)
        largest = new
    return largest + total.log()


def recall_at_k(similarity: Float[Tensor, "n n"], k: int) -> float:
    """Percentage of pictures (rows) whose own sentence is among the k best; ties count against it."""
    own = similarity.diagonal()[:, None]
    return 100 * float(((similarity >= own).sum(1) <= k).double().mean())


# Cases


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SINGLE = Message("只有一对。", "A single pair.")
LARGE = Message("float32，缩放为 100，配对几乎一致。", "float32, scale 100, partners nearly equal.")


def _features(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("image", "text")
    for n, dim in ((1, 2), (2, 3), (4, 4), (5, 8)):
        lengths = 0.5 + 3 * torch.rand(2, n, 1, generator=generator, dtype=torch.float64)
        image, text = lengths * (_normal(generator, 2, n, dim) + 0.3)
        yield Case((image, text), SINGLE if n == 1 else None, gradient)
    yield Case((image.float(), text.float()), Message("float32 的输入。", "Input in float32."), gradient)


def _pairs(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("image", "text", "scale")
    for n, dim, scale in ((1, 2, 1.0), (2, 3, 2.0), (3, 3, 14.3), (4, 6, 5.0), (6, 8, 100.0)):
        image, text = (0.5 + 2 * torch.rand(2, n, 1, generator=generator, dtype=torch.float64)) * _normal(
            generator, 2, n, dim
        )
        yield Case(
            (image, text, torch.tensor(scale, dtype=torch.float64)), SINGLE if n == 1 else None, gradient
        )
    image = _normal(generator, 3, 4)
    beyond = Message("缩放为 150：损失里不该有上限。", "Scale 150: no bound belongs inside the loss.")
    yield Case(
        (image, image + 0.5 * _normal(generator, 3, 4), torch.tensor(150.0).double()), beyond, gradient
    )
    image = _normal(generator, 3, 4).float()
    opposite = Message(
        "float32，缩放为 100，配对方向相反。", "float32, scale 100, partners point in opposite directions."
    )
    yield Case((image, -image, torch.tensor(100.0)), opposite, gradient)
    image = _normal(generator, 4, 6).float()
    text = 2 * image + 0.05 * _normal(generator, 4, 6).float()
    yield Case((image, text, torch.tensor(100.0)), LARGE, gradient)


def _log_scales(seed: int) -> Iterator[Case]:
    jitter = 0.2 * torch.rand(6, generator=_generator(seed), dtype=torch.float64)
    above = Message("指数超过了上限。", "The exponential is beyond the bound.")
    negative = Message("缩放小于 1。", "A scale below 1.")
    for value, about in (
        (-1.0, negative),
        (0.3, None),
        (2.6, None),
        (4.2, None),
        (5.0, above),
        (101.0, above),
    ):
        yield Case((value + jitter[0],), about, ("log_scale",))
        jitter = jitter.roll(-1)
    yield Case((torch.tensor(2.659),), Message("float32 的输入。", "Input in float32."), ("log_scale",))


def _rows(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    offsets = torch.tensor([600.0, -200.0], dtype=torch.float64)[:, None]
    cases = (
        (_normal(generator, 1, 4).sort().values, 2, None),
        (_normal(generator, 2, 6), 6, Message("一块正好装下整行。", "One chunk holds the whole row.")),
        (
            _normal(generator, 2, 7),
            3,
            Message("列数不是块大小的整数倍。", "The chunk does not divide the columns."),
        ),
        (_normal(generator, 2, 5).flip(-1), 8, Message("块比整行还大。", "The chunk is wider than the row.")),
        (_normal(generator, 2, 4), 1, Message("一次一列。", "One column at a time.")),
        (
            _normal(generator, 2, 8) - 1000,
            4,
            Message("所有的数都在 −1000 附近。", "All numbers are near −1000."),
        ),
        (_normal(generator, 2, 8) + offsets, 4, Message("两行相差 800。", "Two rows 800 apart.")),
        (
            torch.cat([_normal(generator, 3, 4), _normal(generator, 3, 4) + 900], 1),
            4,
            Message("第二块比第一块大 900。", "The second chunk is 900 above the first."),
        ),
        (
            torch.cat([_normal(generator, 3, 4) + 900, _normal(generator, 3, 4)], 1),
            4,
            Message("第二块比第一块小 900。", "The second chunk is 900 below the first."),
        ),
        (
            _normal(generator, 2, 9) + 3000 * torch.eye(9, dtype=torch.float64)[[1, 7]],
            3,
            Message("每行有一个数比其余的大 3000。", "One number in each row is 3000 above the rest."),
        ),
        (
            _normal(generator, 2, 6) - 1e6,
            2,
            Message("所有的数都在 −100 万附近。", "All numbers are near −1,000,000."),
        ),
        (_normal(generator, 4, 10).float() * 30, 4, Message("float32 的输入。", "Input in float32.")),
    )
    for x, chunk, about in cases:
        yield Case((x, chunk), about, ("x",))


def _rankings(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    yield Case((_normal(generator, 1, 1), 1), SINGLE)
    third = Message("三张图：百分比不是整数。", "Three pictures: the percentage is not whole.")
    yield Case(
        (torch.tensor([[2.0, 0.0, 1.0], [1.0, 0.0, 0.5], [0.2, 1.0, 0.0]], dtype=torch.float64), 1), third
    )
    near = Message("分数只差十万分之一。", "Scores only 0.00001 apart.")
    steps = 1e-5 * torch.rand(3, 3, generator=generator, dtype=torch.float64)
    yield Case((0.5 - steps - 1e-5 + torch.diag(steps.diagonal() + 2e-5), 1), near)
    yield Case(
        (torch.zeros(4, 4, dtype=torch.float64), 1), Message("所有分数都相同。", "All scores are equal.")
    )
    # Each row and column is a known ranking, so that every seed separates what it should; noise breaks no order.
    base = torch.tensor(
        [[5, 9, 1, 2, 3], [4, 8, 7, 1, 0], [9, 3, 6, 8, 7], [0, 1, 2, 3, 4], [9, 2, 8, 7, -5]]
    )
    for k in range(1, 6):
        yield Case((base + 0.3 * torch.rand(5, 5, generator=generator, dtype=torch.float64), k))
    tied = torch.tensor([[2, 2, 1, 0], [3, 3, 3, 1], [0, 1, 4, 4], [1, 0, 0, 2]], dtype=torch.float64)
    for k in (1, 2):
        yield Case((tied, k), Message("有并列。", "There are ties."))


# What mistakes share


def _cosines(image: Tensor, text: Tensor) -> Tensor:
    return similarity(image, text)


def _partners(logits: Tensor) -> Int[Tensor, " n"]:
    return torch.arange(len(logits), device=logits.device)


def _one(logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, _partners(logits))


def _both_directions(logits: Tensor) -> Tensor:
    return (_one(logits) + _one(logits.T)) / 2


def _both_soft(logits: Tensor) -> Tensor:
    return (_one(logits.softmax(1)) + _one(logits.T.softmax(1))) / 2


def _labels_zero(logits: Tensor) -> Tensor:
    zeros = torch.zeros_like(_partners(logits))
    return (F.cross_entropy(logits, zeros) + F.cross_entropy(logits.T, zeros)) / 2


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _naive_loss(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    exp = (scale * _cosines(image, text)).exp()
    right = exp.diagonal()
    return -((right / exp.sum(1)).log() + (right / exp.sum(0)).log()).mean() / 2


def _mean_inside_log(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    logits = scale * _cosines(image, text)
    return -(logits.softmax(1).diagonal().mean().log() + logits.softmax(0).diagonal().mean().log()) / 2


def _without_positive(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    logits = scale * _cosines(image, text)
    others = logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), -math.inf)
    return (others.logsumexp(1) / 2 + others.logsumexp(0) / 2 - logits.diagonal()).mean()


def _sigmoid_loss(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    logits = scale * _cosines(image, text)
    return F.binary_cross_entropy_with_logits(logits, torch.eye(len(logits), dtype=logits.dtype))


def _detached(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    image, text = (x / x.norm(dim=-1, keepdim=True).detach() for x in (image, text))
    return _both_directions(scale * image @ text.T)


def _carry(
    x: Tensor, chunk: int, *, rescale: str = "old", use: str = "new", keep_max: bool = False
) -> Tensor:
    """The running sum with one thing wrong: what is rescaled, or which maximum is subtracted."""
    parts = x.split(chunk, dim=-1)
    largest = parts[0].amax(-1)
    total = (parts[0] - largest[:, None]).exp().sum(-1)
    for part in parts[1:]:
        new = largest if keep_max else torch.maximum(largest, part.amax(-1))
        fresh = (part - (new if use == "new" else largest)[:, None]).exp().sum(-1)
        factor = (largest - new).exp()
        if rescale == "old":
            total = total * factor + fresh
        elif rescale == "backwards":
            total = total / factor + fresh
        elif rescale == "both":
            total = (total + fresh) * factor
        else:
            total = total + fresh
        largest = new
    return largest + total.log()


def _from_zero(x: Tensor, chunk: int) -> Tensor:
    largest = x.amax(-1).clamp(min=0)
    return largest + (x - largest[:, None]).exp().sum(-1).log()


def _lse_of_chunks(x: Tensor, chunk: int) -> Tensor:
    return torch.stack([part.logsumexp(-1) for part in x.split(chunk, dim=-1)])


def _overlapping(x: Tensor, chunk: int) -> Tensor:
    parts = [x[:, start : start + chunk + 1] for start in range(0, x.shape[1], chunk)]
    return torch.cat(parts, -1).logsumexp(-1)


def _hits(similarity: Tensor, k: int) -> Tensor:
    return (similarity >= similarity.diagonal()[:, None]).sum(1) <= k


def _percent(hits: Tensor) -> float:
    return 100 * float(hits.double().mean())


def _rivals(similarity: Tensor) -> Tensor:
    return (similarity >= similarity.diagonal()[:, None]).sum(1) - 1


def _by_position(similarity: Tensor, k: int) -> float:
    order = similarity.argsort(dim=1, descending=True, stable=True)
    return _percent((order[:, :k] == _partners(similarity)[:, None]).any(1))


SIMILARITY = Exercise(
    "similarity",
    similarity,
    _features,
    mistakes=(
        Mistake(
            "not_normalised",
            lambda image, text: image @ text.T,
            zh="点积还带着长度：向量越长分数越高，余弦却只看方向。相乘之前，每个向量要先变成单位长度。",
            en="A dot product still holds the lengths: long vectors score high, while a cosine asks for direction only. Make every vector a unit "
            "vector before you multiply.",
        ),
        Mistake(
            "normalised_over_batch",
            lambda image, text: F.normalize(image, dim=0) @ F.normalize(text, dim=0).T,
            zh="归一化沿着批次做了：每个特征在各样本间被缩放，一张图的分数会随同批次的其他图而变。该归一化的是每一行，看看 `dim`。",
            en="Normalised over the batch: each feature is scaled across samples, so a picture's score depends on who else is in the batch. Each row "
            "is to have length 1; look at `dim`.",
        ),
        Mistake(
            "normalised_as_a_whole",
            lambda image, text: (image / image.norm()) @ (text / text.norm()).T,
            zh="整个矩阵除以了同一个数，行与行的长度差别还在。范数要逐行求：看看 `norm` 的 `dim` 和 `keepdim`。",
            en="The whole matrix was divided by one number, so rows still differ in length. Take the norm of each row: see `dim` and `keepdim`.",
        ),
        Mistake(
            "image_only",
            lambda image, text: _unit(image) @ text.T,
            zh="只归一化了图像，句子向量的长度还留在分数里：长的那句对每张图都占便宜。两边都要。",
            en="Only the image side is normalised; the length of a text vector still counts, and a long one wins for every picture. Both sides need it.",
        ),
        Mistake(
            "text_only",
            lambda image, text: image @ _unit(text).T,
            zh="只归一化了文本，图像向量的长度还留在分数里。两边都要。",
            en="Only the text side is normalised; the length of an image vector still counts. Both sides need it.",
        ),
        Mistake(
            "transposed",
            lambda image, text: _cosines(text, image),
            zh="行和列反了：应当行是图、列是句子。方阵从形状上看不出来，但之后按行的召回率会变成反方向的。",
            en="Rows and columns are exchanged: a row is a picture, a column a sentence. A square shape hides it, but recall over rows would then "
            "answer the opposite question.",
        ),
        Mistake(
            "squared_norm",
            lambda image, text: (
                (image / image.square().sum(-1, keepdim=True))
                @ (text / text.square().sum(-1, keepdim=True)).T
            ),
            zh="除以的是长度的平方，忘了开方：向量的新长度是 1/长度，不是 1。",
            en="Divided by the squared length, without the root: the new length is 1/length and not 1.",
        ),
        Mistake(
            "l1_norm",
            lambda image, text: F.normalize(image, p=1, dim=-1) @ F.normalize(text, p=1, dim=-1).T,
            zh="用了绝对值之和（L1 范数）。余弦要的是平方和开根（L2）：自己和自己比应当得 1。",
            en="Normalised by the sum of absolute values (L1). A cosine needs the root of the sum of squares (L2): a vector with itself gives 1.",
        ),
        Mistake(
            "normalised_after",
            lambda image, text: F.normalize(image @ text.T, dim=-1),
            zh="先乘后归一化了：那是把每一行分数缩到单位长度，不是余弦。归一化要在相乘之前，对特征做。",
            en="Normalised after the product: that scales each row of scores to length 1, which makes no cosines. Normalise the features, before.",
        ),
        Mistake(
            "divided_by_root_dim",
            lambda image, text: image @ text.T / image.shape[-1] ** 0.5,
            zh="除以 √d 是注意力里的做法，只把分数整体缩小，长度的影响还在。余弦要除以每个向量自己的长度。",
            en="Dividing by √d belongs to attention: it shrinks all scores alike and leaves the lengths in. A cosine divides by each vector's own length.",
        ),
        Mistake(
            "softmax_added",
            lambda image, text: _cosines(image, text).softmax(-1),
            zh="这是概率，不是余弦：多做了一次 softmax。softmax 属于损失，交叉熵里已经有了。",
            en="These are probabilities, no cosines: there is a softmax too many. It belongs to the loss, inside the cross entropy.",
        ),
        Mistake(
            "centred",
            lambda image, text: _cosines(
                image - image.mean(-1, keepdim=True), text - text.mean(-1, keepdim=True)
            ),
            zh="先减了均值，得到的是皮尔逊相关系数。余弦不减均值。",
            en="The mean was subtracted first, which gives Pearson's correlation. A cosine subtracts nothing.",
        ),
        Mistake(
            "zero_to_one",
            lambda image, text: (_cosines(image, text) + 1) / 2,
            zh="余弦被挪到了 0 到 1。原样保留 −1 到 1：负值说的是方向相反。",
            en="The cosines were moved to between 0 and 1. Keep −1 to 1: a negative one says that directions are opposed.",
        ),
        Mistake(
            "negative_cut_off",
            lambda image, text: _cosines(image, text).clamp(min=0),
            zh="负的余弦被截成了 0，“不相关”与“相反”就分不开了，那里的梯度也没有了。",
            en="Negative cosines were cut off at 0: unrelated and opposed look the same, and no gradient is left there.",
        ),
        Mistake(
            "euclidean",
            lambda image, text: torch.cdist(_unit(image), _unit(text)),
            zh="这是距离，越小越像；相似度要越大越像。单位向量之间，一次矩阵乘法就够了。",
            en="That is a distance, small for what is alike; a similarity is large. For unit vectors one matrix product is enough.",
        ),
        Mistake(
            "norm_detached",
            lambda image, text: (
                (image / image.norm(dim=-1, keepdim=True).detach())
                @ (text / text.norm(dim=-1, keepdim=True).detach()).T
            ),
            zh="数值对，梯度不对：长度被当成了常数。梯度要穿过归一化，否则训练会徒劳地拉长向量。",
            en="Right values, wrong gradient: the length is treated as a constant. The gradient must pass through the normalisation, or training "
            "stretches the vectors in vain.",
        ),
    ),
    properties=(
        Property(
            lambda function, image, text: torch.allclose(
                function(image, text), function(3 * image, text / 2), atol=1e-4
            ),
            zh="把向量拉长或缩短，余弦不变（归一化）。",
            en="longer or shorter vectors have the same cosines (normalisation).",
        ),
        Property(
            lambda function, image, text: torch.allclose(
                function(image, image).diagonal(), image.new_ones(len(image)), atol=1e-4
            ),
            zh="每个向量与自己的余弦是 1（缩放）。",
            en="every vector has cosine 1 with itself (scale).",
        ),
        Property(
            lambda function, image, text: torch.allclose(
                function(image, text), function(text, image).T, atol=1e-4
            ),
            zh="图文互换，矩阵转置（对称）。",
            en="exchanging images and texts transposes the matrix (symmetry).",
        ),
    ),
    hints=(
        Message(
            "余弦就是单位向量的点积。所以分两步：先归一化，再相乘。",
            "A cosine is the dot product of unit vectors: first normalise, then multiply.",
        ),
        Message(
            "一行是一个样本，所以沿最后一维求长度。全部两两点积，是一次矩阵乘法。",
            "A row is one sample, so lengths are taken along the last dimension. All pairs of dot products are one matrix product.",
        ),
        Message(
            "`torch.nn.functional.normalize(…, dim=-1)` 用两次，再用 `@` 和 `.T`，使行是图、列是句子。",
            "Use `torch.nn.functional.normalize(…, dim=-1)` twice, then `@` and `.T` so that rows are pictures and columns sentences.",
        ),
    ),
    minutes=10,
    mark="★★",
)

CLIP_LOSS = Exercise(
    "clip_loss",
    clip_loss,
    _pairs,
    mistakes=(
        Mistake(
            "not_normalised",
            lambda image, text, scale: _both_directions(scale * image @ text.T),
            zh="特征没有归一化，logit 里混进了长度：模型拉长向量就能降低损失，不必学会匹配，缩放也失去了意义。看看相乘之前。",
            en="The features were not normalised, so lengths get into the logits: stretching vectors lowers the loss without any matching, and the "
            "scale means nothing. Look at what comes before the product.",
        ),
        Mistake(
            "image_to_text_only",
            lambda image, text, scale: _one(scale * _cosines(image, text)),
            zh="只问了一个方向：图选句。另一半是句选图，softmax 沿另一根轴归一化。如果你算了两次，看看第二次是不是真的转置了。",
            en="Only one direction is asked: picture chooses sentence. In the other half, sentence chooses picture, the softmax runs along the other axis. "
            "If you computed two terms, see whether the second is really transposed.",
        ),
        Mistake(
            "text_to_image_only",
            lambda image, text, scale: _one(scale * _cosines(text, image)),
            zh="只问了一个方向：句选图。还缺图选句的那一半。",
            en="Only one direction is asked: sentence chooses picture. The half in which pictures choose is missing.",
        ),
        Mistake(
            "directions_summed",
            lambda image, text, scale: 2 * _both_directions(scale * _cosines(image, text)),
            zh="正好是两倍：两个方向相加了，没有取平均。那样瞎猜的损失就不再是 ln N。",
            en="Exactly twice the loss: the directions were added, not averaged. Guessing would no longer cost ln N.",
        ),
        Mistake(
            "pairs_summed",
            lambda image, text, scale: len(image) * _both_directions(scale * _cosines(image, text)),
            zh="对所有的对求了和，没有取平均：批量翻倍，损失和梯度也翻倍，学习率就得重调。看看 `reduction`。",
            en="Summed over pairs instead of averaged: twice the batch gives twice the loss and gradient, and needs another learning rate. See `reduction`.",
        ),
        Mistake(
            "divided_by_scale",
            lambda image, text, scale: _both_directions(_cosines(image, text) / scale),
            zh="除以了缩放。要除的是温度，缩放是温度的倒数，所以要乘。",
            en="Divided by the scale. One divides by a temperature; the scale is its inverse, and multiplies.",
        ),
        Mistake(
            "scale_ignored",
            lambda image, text, scale: _both_directions(_cosines(image, text)) + 0 * scale,
            zh="没有用上缩放：余弦只在 −1 到 1 之间，softmax 几乎是均匀的，损失离 ln N 不会太远。",
            en="The scale is not used: cosines lie between −1 and 1, the softmax stays nearly flat, and the loss never gets far from ln N.",
        ),
        Mistake(
            "scale_exponentiated_again",
            lambda image, text, scale: _both_directions(scale.exp() * _cosines(image, text)),
            zh="缩放又取了一次指数。传进来的已经是取过指数的值。",
            en="The scale was exponentiated once more. What comes in is exponentiated already.",
        ),
        Mistake(
            "scale_applied_twice",
            lambda image, text, scale: _both_directions(scale * scale * _cosines(image, text)),
            zh="缩放乘了两次，比如两边的特征各乘了一次。",
            en="The scale was applied twice, perhaps once to each side's features.",
        ),
        Mistake(
            "softmax_twice",
            lambda image, text, scale: _both_soft(scale * _cosines(image, text)),
            zh="softmax 做了两次：`cross_entropy` 里面已经有一次。分数被压到 0 到 1，损失降不下去。",
            en="The softmax runs twice: `cross_entropy` holds one already. Scores are squeezed between 0 and 1, and the loss cannot fall.",
        ),
        Mistake(
            "normalised_over_batch",
            lambda image, text, scale: _both_directions(
                scale * F.normalize(image, dim=0) @ F.normalize(text, dim=0).T
            ),
            zh="归一化沿着批次做了，一张图的向量会随同批次的其他图而变。每一行要有单位长度，看看 `dim`。",
            en="Normalised over the batch: a picture's vector depends on who else is there. Each row is to have length 1; look at `dim`.",
        ),
        Mistake(
            "image_only_normalised",
            lambda image, text, scale: _both_directions(scale * _unit(image) @ text.T),
            zh="只归一化了图像，句子向量的长度还在 logit 里。",
            en="Only the image side is normalised; the lengths of text vectors are still in the logits.",
        ),
        Mistake(
            "text_only_normalised",
            lambda image, text, scale: _both_directions(scale * image @ _unit(text).T),
            zh="只归一化了文本，图像向量的长度还在 logit 里。",
            en="Only the text side is normalised; the lengths of image vectors are still in the logits.",
        ),
        Mistake(
            "all_labels_zero",
            lambda image, text, scale: _labels_zero(scale * _cosines(image, text)),
            zh="每道题的答案都成了第 0 项。第 i 行的正确选项在第 i 列：答案是 0, 1, 2, …",
            en="Option 0 was made the answer to every question. Row i has its right option in column i: the answers are 0, 1, 2, …",
        ),
        Mistake(
            "sign_flipped",
            lambda image, text, scale: -_both_directions(scale * _cosines(image, text)),
            zh="符号反了：最小化它会把配对推开。损失是概率对数的**负**值。",
            en="The sign is wrong: minimising this pushes partners apart. A loss is *minus* the logarithm of the probability.",
        ),
        Mistake(
            "positives_only",
            lambda image, text, scale: -(scale * _cosines(image, text)).diagonal().mean(),
            zh="只看了对角线，没有负样本：所有向量挤到一个点上就能让它最小。还缺分母里的 log-sum-exp。",
            en="Only the diagonal counts, there are no negatives: all vectors in one point would minimise it. The log-sum-exp of the denominator is missing.",
        ),
        Mistake(
            "positive_left_out",
            _without_positive,
            zh="分母里少了正确选项自己，于是不再是概率，损失可以变成负的。（有的论文故意这样做，CLIP 没有。）",
            en="The denominator leaves out the right option, so these are no probabilities and the loss can get negative. (Some papers do so on purpose; CLIP does not.)",
        ),
        Mistake(
            "mean_inside_the_log",
            _mean_inside_log,
            zh="先对概率取了平均，再取对数。要先取对数再平均：一对彻底判错，损失就该很大。",
            en="Probabilities were averaged before the logarithm. First the logarithm, then the mean: one pair gone badly wrong should cost a lot.",
        ),
        Mistake(
            "overflow",
            _naive_loss,
            zh="缩放为 100 时指数溢出，得到无穷或 NaN，一步之后权重就毁了。取对数和求和要合在一步里，先减最大值；哪个现成的函数这样做？",
            en="At scale 100 the exponential overflows to infinity or NaN, and one step later the weights are ruined. Logarithm and sum belong in one step that subtracts "
            "the maximum first; which function does that?",
        ),
        Mistake(
            "sigmoid_loss",
            _sigmoid_loss,
            zh="这是逐对的二分类（SigLIP 一类，见第 03 章），每一对各自判断真假。CLIP 的是多选一：一行里的选项互相竞争。",
            en="That is a yes-or-no loss on each pair (as in SigLIP, chapter 03). CLIP's is multiple choice: the options of a row compete.",
        ),
        Mistake(
            "norm_detached",
            _detached,
            zh="数值对，梯度不对：归一化的长度被当成了常数。",
            en="Right values, wrong gradient: the length in the normalisation is treated as a constant.",
        ),
    ),
    properties=(
        Property(
            lambda function, image, text, scale: torch.allclose(
                function(image, text, scale), function(3 * image, text / 2, scale), atol=1e-4
            ),
            zh="把特征拉长或缩短，损失不变（归一化）。",
            en="longer or shorter features have the same loss (normalisation).",
        ),
        Property(
            lambda function, image, text, scale: torch.allclose(
                function(image, text, scale), function(text, image, scale), atol=1e-4
            ),
            zh="图文互换，损失不变（对称）。",
            en="exchanging images and texts leaves the loss alone (symmetry).",
        ),
        Property(
            lambda function, image, text, scale: torch.allclose(
                function(torch.ones_like(image), torch.ones_like(text), scale),
                image.new_tensor(math.log(len(image))),
                atol=1e-3,
            ),
            zh="所有向量都相同时，损失是 ln N（瞎猜的水平）。",
            en="when all vectors are equal the loss is ln N (guessing).",
        ),
        Property(
            lambda function, image, text, scale: torch.allclose(
                function(image, text, scale), function(image.flip(0), text.flip(0), scale), atol=1e-4
            ),
            zh="成对地换次序，损失不变。",
            en="another order of the pairs leaves the loss alone.",
        ),
    ),
    hints=(
        Message(
            "先得到 N×N 的 logit：余弦乘缩放。每一行是一道 N 选 1 的题，每一列也是。",
            "First the N×N logits, cosines times scale. Each row is a question with N options, and so is each column.",
        ),
        Message(
            "第 i 行的正确答案是第 i 列。`cross_entropy` 收 logit 和正确答案的编号；列的那一半，把矩阵转置再来一次。",
            "The right answer of row i is column i. `cross_entropy` takes logits and the numbers of the right answers; for the columns, transpose and do it again.",
        ),
        Message(
            "归一化两边 → `logits` → `labels = torch.arange(len(image))` → 两个 `cross_entropy` 的平均。",
            "Normalise both → `logits` → `labels = torch.arange(len(image))` → the mean of two `cross_entropy`s.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

LOGIT_SCALE = Exercise(
    "logit_scale",
    logit_scale,
    _log_scales,
    mistakes=(
        Mistake(
            "not_clamped",
            lambda log_scale: log_scale.exp(),
            zh="没有上限：缩放会一路涨上去，logit 太大，训练不稳。最多到 100。",
            en="No bound: the scale keeps growing, logits get huge and training unstable. It stops at 100.",
        ),
        Mistake(
            "not_exponentiated",
            lambda log_scale: log_scale.clamp(max=BOUND),
            zh="没有取指数：参数是缩放的对数，可以是负的；用作缩放会把相似度反过来。",
            en="Not exponentiated: the parameter is the logarithm of the scale and may be negative, which as a scale would turn similarities around.",
        ),
        Mistake(
            "log_clamped_at_100",
            lambda log_scale: log_scale.clamp(max=BOUND).exp(),
            zh="上限加在了对数上：100 的指数约为 10 的 43 次方，等于没有上限。上限是对缩放说的；若要限制对数，数值要换。",
            en="The bound was put on the logarithm: the exponential of 100 is about 10 to the 43rd, no bound at all. It is meant for the scale; to bound the logarithm, the "
            "number must change.",
        ),
        Mistake(
            "log_bound_on_scale",
            lambda log_scale: log_scale.exp().clamp(max=math.log(BOUND)),
            zh="缩放被夹在了 ln 100 = 4.6：那是对数的上限，你已经取过指数了。",
            en="The scale was held at ln 100 = 4.6: that is the bound of the logarithm, and you have taken the exponential already.",
        ),
        Mistake(
            "also_at_least_one",
            lambda log_scale: log_scale.exp().clamp(1, BOUND),
            zh="还加了下限 1：小于 1 的缩放也被改了。题目只要上限。",
            en="There is a lower bound of 1 as well, which changes scales below 1. Only an upper bound is asked for.",
        ),
        Mistake(
            "lower_bound",
            lambda log_scale: log_scale.exp().clamp(min=BOUND),
            zh="上限写成了下限：所有缩放都成了至少 100。`min` 是“不小于”。",
            en="The bound became a lower one: every scale is at least 100. `min` means not below.",
        ),
        Mistake(
            "temperature",
            lambda log_scale: (-log_scale).exp().clamp(max=BOUND),
            zh="这是温度，缩放的倒数。缩放越大，softmax 越尖。",
            en="That is the temperature, the inverse of the scale. A larger scale makes the softmax sharper.",
        ),
        Mistake(
            "logarithm",
            lambda log_scale: log_scale.log().clamp(max=BOUND),
            zh="方向反了：参数已经是对数，要取的是指数。负数的对数是 NaN。",
            en="The wrong way round: the parameter is a logarithm already and needs the exponential. The logarithm of a negative number is NaN.",
        ),
        Mistake(
            "base_ten",
            lambda log_scale: (10**log_scale).clamp(max=BOUND),
            zh="用了 10 为底。这里的对数是自然对数。",
            en="Ten was taken as the base. The logarithm is the natural one.",
        ),
        Mistake(
            "base_two",
            lambda log_scale: (2**log_scale).clamp(max=BOUND),
            zh="用了 2 为底。这里的对数是自然对数。",
            en="Two was taken as the base. The logarithm is the natural one.",
        ),
        Mistake(
            "always_the_bound",
            lambda log_scale: log_scale.exp().clamp(BOUND, BOUND),
            zh="无论输入是多少都得 100：上限只在超过的时候起作用。",
            en="It is 100 whatever comes in: a bound acts only on what exceeds it.",
        ),
        Mistake(
            "softplus",
            lambda log_scale: F.softplus(log_scale).clamp(max=BOUND),
            zh="softplus 也总是正的，但它不是指数：学的是对数，取指数才能还原。",
            en="Softplus is positive too, but it is no exponential: what was learnt is a logarithm, and only the exponential undoes it.",
        ),
    ),
    properties=(
        Property(
            lambda function, log_scale: function(log_scale).item() > 0,
            zh="缩放总是正数。",
            en="the scale is always positive.",
        ),
        Property(
            lambda function, log_scale: function(log_scale).item() <= BOUND + 1e-3,
            zh="缩放不超过 100。",
            en="the scale is at most 100.",
        ),
        Property(
            lambda function, log_scale: abs(function(torch.zeros_like(log_scale)).item() - 1) < 1e-4,
            zh="对数为 0 时，缩放是 1。",
            en="a logarithm of 0 is a scale of 1.",
        ),
    ),
    hints=(
        Message(
            "学的是对数，用的是缩放：先还原，再设上限。",
            "What is learnt is a logarithm, what is used is the scale: undo it, then bound it.",
        ),
        Message(
            "还原对数的是指数函数；上限只管上面，不管下面。",
            "The exponential undoes a logarithm; the bound is one from above only.",
        ),
        Message(
            "张量有 `.exp()` 和 `.clamp(max=…)`，依次用上。",
            "A tensor has `.exp()` and `.clamp(max=…)`: use them in this order.",
        ),
    ),
    minutes=5,
    mark="★★",
)

STREAMING_LOGSUMEXP = Exercise(
    "streaming_logsumexp",
    streaming_logsumexp,
    _rows,
    mistakes=(
        Mistake(
            "no_maximum",
            lambda x, chunk: x.exp().sum(-1).log(),
            zh="没有减最大值：大的数溢出成无穷，很小的数全变成零。每个指数都应当不大于 0。",
            en="No maximum was subtracted: large numbers overflow to infinity, very small ones all become zero. Every exponent should be at most 0.",
        ),
        Mistake(
            "sum_not_rescaled",
            lambda x, chunk: _carry(x, chunk, rescale="none"),
            zh="最大值变大之后，旧的和没有换算：它是相对旧最大值记的。最大值一变，旧的和也要乘一个因子。",
            en="When the maximum rose, the old sum stayed: it was counted relative to the old maximum, and needs a factor when that changes.",
        ),
        Mistake(
            "rescaled_backwards",
            lambda x, chunk: _carry(x, chunk, rescale="backwards"),
            zh="换算的方向反了：最大值变大，旧的和相对地要变**小**。看看指数里谁减谁。",
            en="Rescaled the wrong way: when the maximum rises, the old sum gets *smaller* relative to it. See which is subtracted from which.",
        ),
        Mistake(
            "new_part_rescaled_too",
            lambda x, chunk: _carry(x, chunk, rescale="both"),
            zh="新的一块也被换算了。它已经是相对新最大值算的，只有旧的和要换算。",
            en="The new chunk was rescaled as well. It is relative to the new maximum already; only the old sum needs the factor.",
        ),
        Mistake(
            "old_maximum_in_new_part",
            lambda x, chunk: _carry(x, chunk, use="old"),
            zh="新的一块减的还是旧的最大值，会溢出，也和换算过的和对不上。先更新最大值，再用它。",
            en="The new chunk still subtracts the old maximum: it can overflow, and does not fit the rescaled sum. Update the maximum first, then use it.",
        ),
        Mistake(
            "maximum_of_first_chunk",
            lambda x, chunk: _carry(x, chunk, keep_max=True),
            zh="最大值只取自第一块，之后没有更新：后面的块大得多时就溢出了。",
            en="The maximum is that of the first chunk and is never updated: a later chunk that is much larger overflows.",
        ),
        Mistake(
            "maximum_starts_at_zero",
            _from_zero,
            zh="最大值的起点太高（比如从 0 开始）：当所有的数都远小于它，指数全是零，对数成了 −∞。起点要比任何数都小。",
            en="The maximum starts too high (at 0, say): when all numbers are far below, every exponential is zero and the logarithm −∞. Start below any number.",
        ),
        Mistake(
            "one_maximum_for_all_rows",
            lambda x, chunk: (x - x.max()).exp().sum(-1).log() + x.max(),
            zh="所有的行共用了一个最大值：小得多的行，指数全变成零。最大值要逐行求，看看 `dim`。",
            en="All rows share one maximum: in a row far below it every exponential is zero. Take the maximum of each row; see `dim`.",
        ),
        Mistake(
            "maximum_not_added",
            lambda x, chunk: x.logsumexp(-1) - x.amax(-1),
            zh="最后忘了把最大值加回来。",
            en="The maximum was not added back at the end.",
        ),
        Mistake(
            "maximum_only",
            lambda x, chunk: x.amax(-1),
            zh="返回的只是最大值，少了和的对数那一项。",
            en="Only the maximum is returned; the logarithm of the sum is missing.",
        ),
        Mistake(
            "last_chunk_dropped",
            lambda x, chunk: x[:, : x.shape[1] // chunk * chunk].logsumexp(-1),
            zh="列数除不尽块大小时，最后不完整的那块丢了。块的个数要向上取整。",
            en="Where the chunk does not divide the columns, the last, shorter piece was lost. Round the number of chunks up.",
        ),
        Mistake(
            "last_chunk_only",
            lambda x, chunk: x.split(chunk, dim=-1)[-1].logsumexp(-1),
            zh="只剩下最后一块：循环里每次都从头开始，没有累积。",
            en="Only the last chunk is left: the loop starts anew each time instead of carrying on.",
        ),
        Mistake(
            "first_chunk_only",
            lambda x, chunk: x[:, :chunk].logsumexp(-1),
            zh="只算了第一块：是不是在循环里面就 `return` 了？",
            en="Only the first chunk was computed: is the `return` inside the loop?",
        ),
        Mistake(
            "chunks_overlap",
            _overlapping,
            zh="相邻的两块重叠了一列，那一列算了两次。切片的终点不包含在内。",
            en="Neighbouring chunks overlap by one column, which counts twice. The end of a slice is not part of it.",
        ),
        Mistake(
            "chunks_added",
            lambda x, chunk: _lse_of_chunks(x, chunk).sum(0),
            zh="各块的结果直接相加了。它们是对数，相加等于把和相乘。",
            en="The results of the chunks were added. They are logarithms: adding them multiplies the sums.",
        ),
        Mistake(
            "chunks_averaged",
            lambda x, chunk: _lse_of_chunks(x, chunk).mean(0),
            zh="各块的结果取了平均。合并两块要回到和，再取对数。",
            en="The results of the chunks were averaged. To join two chunks, go back to sums, then take the logarithm.",
        ),
        Mistake(
            "largest_chunk",
            lambda x, chunk: _lse_of_chunks(x, chunk).amax(0),
            zh="取了各块结果里最大的一个，其余各块的和没有算进去。",
            en="The largest of the chunks' results was taken; the sums of the others are missing.",
        ),
        Mistake(
            "mean_for_sum",
            lambda x, chunk: x.logsumexp(-1) - math.log(x.shape[1]),
            zh="差了一个 ln n：里面求的是平均，不是和。",
            en="Off by ln n: the inner step is a mean, not a sum.",
        ),
    ),
    properties=(
        Property(
            lambda function, x, chunk: torch.allclose(
                function(x + 7, chunk), function(x, chunk) + 7, atol=1e-3
            ),
            zh="所有的数加 7，结果也加 7（平移）。",
            en="adding 7 to every number adds 7 to the result (shift).",
        ),
        Property(
            lambda function, x, chunk: torch.allclose(function(x, chunk), function(x, x.shape[1]), atol=1e-3),
            zh="结果与块的大小无关。",
            en="the result does not depend on the chunk.",
        ),
        Property(
            lambda function, x, chunk: torch.allclose(
                function(x, chunk), function(x.flip(-1), chunk), atol=1e-3
            ),
            zh="列的次序倒过来，结果不变。",
            en="columns in reverse order give the same result.",
        ),
    ),
    demands=(
        Property(
            lambda function, x, chunk: most_read_at_once(function, x, chunk) <= len(x) * chunk,
            zh="有一步一次读了不止一块：数值没错，但内存会随整行增长。每一步只碰 `chunk` 列，边走边记最大值与和。",
            en="Some step read more than one chunk at once: the numbers are right, but memory grows with the whole row. Touch only `chunk` columns a step, and carry the maximum and the sum along.",
        ),
    ),
    hints=(
        Message(
            "带着两个数走：到目前为止每行的最大值，以及相对这个最大值的和。",
            "Carry two numbers for each row: the largest so far, and the sum relative to it.",
        ),
        Message(
            "来了新的一块：先得到新的最大值 m'；旧的和乘上 e 的（m − m'）次方，再加上新块减去 m' 之后的指数和。",
            "For a new chunk: first the new maximum m'; the old sum times e to the (m − m'), plus the exponentials of the new chunk less m'.",
        ),
        Message(
            "从 m = −∞、z = 0 开始；`x.split(chunk, dim=-1)` 给出各块，`amax(dim=-1)` 和 `torch.maximum` 更新 m；最后是 m 加 z 的对数。",
            "Start at m = −∞, z = 0; `x.split(chunk, dim=-1)` gives the chunks, `amax(dim=-1)` and `torch.maximum` the new m; the result is m plus the logarithm of z.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

RECALL_AT_K = Exercise(
    "recall_at_k",
    recall_at_k,
    _rankings,
    mistakes=(
        Mistake(
            "text_to_image",
            lambda similarity, k: _percent(_hits(similarity.T, k)),
            zh="方向反了：算的是句子找图（按列）。题目要图找句子：在同一行里比较。",
            en="The other direction: sentences look for pictures, along columns. Here pictures look for sentences: compare within a row.",
        ),
        Mistake(
            "fraction",
            lambda similarity, k: _percent(_hits(similarity, k)) / 100,
            zh="这是 0 到 1 的比例，题目要百分数。",
            en="That is a share between 0 and 1; a percentage is asked for.",
        ),
        Mistake(
            "count",
            lambda similarity, k: float(_hits(similarity, k).sum()),
            zh="这是命中的个数，没有除以图的总数，不能跨题库比较。",
            en="That is the number of hits, not divided by the number of pictures; it cannot be compared between galleries.",
        ),
        Mistake(
            "ties_count_for",
            lambda similarity, k: _percent((similarity > similarity.diagonal()[:, None]).sum(1) < k),
            zh="并列算成了命中：给所有人打同样分数的模型会得 100。并列要算作不利。",
            en="Ties count as hits: a model that gives everything one score would get 100. Ties are to count against.",
        ),
        Mistake(
            "ties_by_position",
            _by_position,
            zh="并列由位置决定：排序时分数相同的，次序是任意的，结果全凭运气。数一数有多少个分数不低于正确的那个。",
            en="Ties are decided by position: sorting puts equal scores in some order, and the result is luck. Count how many scores are at least as high as the right one.",
        ),
        Mistake(
            "lowest_first",
            lambda similarity, k: _percent((similarity <= similarity.diagonal()[:, None]).sum(1) <= k),
            zh="次序反了：把分数最低的当成了最好的。相似度越大越好。",
            en="The order is reversed: the lowest scores were taken for the best. A larger similarity is better.",
        ),
        Mistake(
            "one_too_many",
            lambda similarity, k: _percent(_rivals(similarity) <= k),
            zh="多算了一名：前面有 k 个，自己就是第 k+1 名了。",
            en="One place too many: with k others ahead, the right one is in place k+1.",
        ),
        Mistake(
            "counts_itself",
            lambda similarity, k: _percent(_rivals(similarity) + 1 < k),
            zh="把自己也算成了对手：“不低于自己”的当中总有自己，于是 k = 1 时永远是 0。",
            en="The right one counts as its own rival: among those at least as high is always itself, so k = 1 gives 0.",
        ),
        Mistake(
            "exactly_kth",
            lambda similarity, k: _percent(_rivals(similarity) + 1 == k),
            zh="只数了正好排第 k 的。前 k 名都算。",
            en="Only those exactly in place k were counted. All of the first k are hits.",
        ),
        Mistake(
            "k_ignored",
            lambda similarity, k: _percent(_hits(similarity, 1)),
            zh="k 没有用上，算的一直是第一名。",
            en="k is not used: only the first place was ever looked at.",
        ),
        Mistake(
            "divided_by_k",
            lambda similarity, k: _percent(_hits(similarity, k)) / k,
            zh="除以了 k，那是 Precision@K。每张图只有一句正确，前 k 名里有就算命中。",
            en="Divided by k, which makes it Precision@K. Every picture has one right sentence, and finding it among k is a full hit.",
        ),
        Mistake(
            "both_directions",
            lambda similarity, k: (_percent(_hits(similarity, k)) + _percent(_hits(similarity.T, k))) / 2,
            zh="两个方向取了平均。题目只要图找句子。",
            en="Both directions were averaged. Only pictures looking for sentences are asked for.",
        ),
        Mistake(
            "order_for_rank",
            lambda similarity, k: _percent(
                similarity.argsort(dim=1, descending=True, stable=True).diagonal() < k
            ),
            zh="把 `argsort` 的结果当成了名次。它说的是“第几名是谁”，不是“谁是第几名”。",
            en="The result of `argsort` was taken for ranks. It tells who is in a place, not in which place someone is.",
        ),
        Mistake(
            "absolute",
            lambda similarity, k: _percent(_hits(similarity.abs(), k)),
            zh="取了绝对值：方向相反的句子也成了“很像”。",
            en="Absolute values were taken: a sentence pointing the opposite way looks alike.",
        ),
        Mistake(
            "miss_rate",
            lambda similarity, k: 100 - _percent(_hits(similarity, k)),
            zh="这是没命中的百分数。",
            en="That is the percentage of misses.",
        ),
    ),
    properties=(
        Property(
            lambda function, similarity, k: (
                float(function(torch.zeros_like(similarity), k)) == (100 if k == len(similarity) else 0)
            ),
            zh="所有分数都相同时，k 小于总数就得 0（并列算作不利）。",
            en="when all scores are equal the result is 0 for k below their number (ties count against).",
        ),
        Property(
            lambda function, similarity, k: abs(float(function(torch.eye(len(similarity)), k)) - 100) < 1e-4,
            zh="完美的矩阵得 100（缩放）。",
            en="a perfect matrix gets 100 (scale).",
        ),
        Property(
            lambda function, similarity, k: abs(float(function(similarity, len(similarity))) - 100) < 1e-4,
            zh="k 等于总数时一定得 100。",
            en="k equal to their number gives 100.",
        ),
    ),
    hints=(
        Message(
            "对每一行，问一句：有多少个别的分数不低于正确的那个？",
            "For each row ask: how many other scores are at least as high as the right one?",
        ),
        Message(
            "正确的分数在对角线上。让每一行与自己的对角元比较，再对每行计数；并列也数进去。",
            "The right scores are on the diagonal. Compare each row with its own diagonal entry and count along the row, ties included.",
        ),
        Message(
            "`similarity.diagonal()[:, None]` 可以和整个矩阵比较（`>=`）；对手少于 k 个就是命中；最后求平均，乘 100。",
            "`similarity.diagonal()[:, None]` can be compared with the whole matrix (`>=`); fewer than k rivals is a hit; take the mean, times 100.",
        ),
    ),
    minutes=10,
    mark="★★",
)

EXERCISES = (SIMILARITY, CLIP_LOSS, LOGIT_SCALE, STREAMING_LOGSUMEXP, RECALL_AT_K)
