"""The exercises of chapter 02: zero-shot, prompt ensembles, two ways to read a text, AP, and a hard negative."""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property
from vlmlearn.messages import Message
from vlmlearn.world.shapes import COLORS, SHAPES, SIZES
from vlmlearn.world.tokenizer import Tokenizer
from vlmlearn.world.words import RELATIONS, translate

OBJECT = 4  # words of an object in a caption of the world: a small red star, 一个红色小星形


def zero_shot(
    image: Float[Tensor, "images dim"], classes: Float[Tensor, "classes dim"], scale: float
) -> Float[Tensor, "images classes"]:
    """Probability of each class for each picture: softmax of the scaled cosines of raw features."""
    return (scale * F.normalize(image, dim=-1) @ F.normalize(classes, dim=-1).T).softmax(-1)


def prompt_ensemble(features: Float[Tensor, "classes templates dim"]) -> Float[Tensor, "classes dim"]:
    """One vector of length one a class, from the raw features of its sentences."""
    return F.normalize(F.normalize(features, dim=-1).mean(1), dim=-1)


def eos_pooling(
    tokens: Float[Tensor, "batch length dim"], ids: Int64[Tensor, "batch length"], eos_id: int
) -> Float[Tensor, "batch dim"]:
    """The vector at the first EOS of each text."""
    first = (ids == eos_id).int().argmax(1)
    return tokens[torch.arange(len(ids)), first]


def text_attention(
    query: Float[Tensor, "batch length dim"],
    key: Float[Tensor, "batch length dim"],
    real: Bool[Tensor, "batch length"],
) -> Float[Tensor, "batch length length"]:
    """Attention weights of a causal text with padding; where there is nothing to look at, all are 0."""
    return _attend(_scores(query, key), _visible(real))


def average_precision(scores: Float[Tensor, " n"], relevant: Bool[Tensor, " n"]) -> float:
    """Mean over the relevant of the precision at their place; equal scores share the last of their places."""
    at_least = scores[None] >= scores[:, None]
    precision = (at_least & relevant).sum(1).double() / at_least.sum(1)
    return float(precision[relevant].mean())


def swap_objects(ids: Int64[Tensor, " length"], article: int) -> Int64[Tensor, " length"]:
    """The caption with its first two objects exchanged; each is ``OBJECT`` words from an article on."""
    first, second = _starts(ids, article)[:2]
    return _exchanged(ids, first, second)


# Cases


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _uneven(generator: torch.Generator, *shape: int) -> Tensor:
    """Vectors of lengths from 0.5 to 3.5, with a mean that is not zero."""
    lengths = 0.5 + 3 * torch.rand(*shape[:-1], 1, generator=generator, dtype=torch.float64)
    return lengths * (_normal(generator, *shape) + 0.3)


FLOAT32 = Message("float32 的输入。", "Input in float32.")


def _pictures_and_classes(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    one = Message("只有一个类别：概率一定是 1。", "A single class: its probability is 1.")
    for images, classes, dim, scale in ((1, 2, 2, 1.0), (2, 3, 3, 5.0), (3, 3, 4, 14.3), (4, 6, 8, 2.0)):
        yield Case((_uneven(generator, images, dim), _uneven(generator, classes, dim), scale))
    yield Case((_uneven(generator, 3, 4), _uneven(generator, 1, 4), 3.0), one)
    image, others = _uneven(generator, 3, 5).float(), _uneven(generator, 4, 5).float()
    yield Case((image, others, 1.0), FLOAT32)
    large = Message("float32，缩放为 100。", "float32, scale 100.")
    yield Case((image, torch.cat([image, others]), 100.0), large)
    alike = _uneven(generator, 1, 4) + 0.02 * _normal(generator, 3, 4)
    over = Message("几个类别很像，缩放是 300。", "Classes that are much alike, scale 300.")
    yield Case((_uneven(generator, 2, 4), alike, 300.0), over)


def _sentences(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("features",)
    one = Message("每类只有一句。", "One sentence a class.")
    for classes, templates, dim in ((1, 1, 2), (1, 2, 2), (2, 3, 4), (3, 3, 3), (4, 7, 6)):
        features = _uneven(generator, classes, templates, dim)
        yield Case((features,), one if templates == 1 else None, gradient)
    longest = features * torch.tensor([50.0, 1, 1, 1, 1, 1, 1])[:, None]
    yield Case(
        (longest,),
        Message("每类有一句特别长的向量。", "One sentence of each class has a very long vector."),
        gradient,
    )
    yield Case((features.float(),), FLOAT32, gradient)


def _texts(seed: int) -> Iterator[Case]:
    """Ids from 3 to 9; EOS is 2, 5 or 20, and padding 0, EOS itself, or a higher id."""
    generator, gradient = _generator(seed), ("tokens",)
    zero = Message("填充的编号小于 EOS。", "The id of padding is below EOS.")
    same = Message("填充用的就是 EOS。", "Padding is EOS itself.")
    above = Message("填充的编号大于 EOS。", "The id of padding is above EOS.")
    settings = (
        ([0], 2, 1, 2, None),
        ([2, 0], 3, 3, 2, None),
        ([3, 1, 4], 6, 0, 2, zero),
        ([4, 2, 1], 6, 20, 20, same),
        ([1, 4, 2], 6, 2, 2, same),
        ([3, 5, 2, 4], 7, 30, 20, above),
        ([2, 4, 3], 6, 0, 5, Message("别的词的编号有大有小。", "Other ids lie below and above EOS.")),
    )
    for ends, length, pad, eos, about in settings:
        ids = torch.randint(6, 10, (len(ends), length), generator=generator)
        for row, end in zip(ids, ends, strict=True):
            row[end], row[end + 1 :] = eos, pad
        yield Case((_normal(generator, len(ends), length, 4), ids, eos), about, gradient)
    rest = Message("EOS 之后还有乱七八糟的编号。", "Anything may stand behind EOS.")
    ids = torch.tensor([[7, 8, 5, 7, 5, 9], [6, 5, 5, 3, 9, 8], [9, 6, 7, 8, 7, 5]])
    yield Case((_normal(generator, 3, 6, 4), ids, 5), rest, gradient)
    yield Case((_normal(generator, 3, 6, 4).float(), ids, 5), FLOAT32, gradient)


def _padded(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("query", "key")
    behind = Message("PAD 在最后。", "PAD comes last.")
    before = Message(
        "PAD 在最前面：那里的词元什么也看不到。", "PAD comes first: tokens there have nothing to look at."
    )
    settings = (
        ([[1]], 2, None),
        ([[1, 1, 1]], 3, Message("没有 PAD。", "No PAD.")),
        ([[1, 1, 0], [1, 0, 0]], 4, behind),
        ([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], 4, behind),
        ([[0, 1]], 2, before),
        ([[0, 1, 1, 1], [0, 0, 1, 1]], 5, before),
        ([[1, 0, 1, 0, 1], [0, 1, 1, 0, 1]], 4, Message("PAD 在别的位置。", "PAD in other places.")),
    )
    for rows, dim, about in settings:
        real = torch.tensor(rows, dtype=torch.bool)
        query, key = 1.5 * _normal(generator, 2, *real.shape, dim) + 0.4
        yield Case((query, key, real), about, gradient)
    yield Case((query.float(), key.float(), real), FLOAT32, gradient)
    large = Message("PAD 的分数比真词元高几百。", "PAD scores hundreds above real tokens.")
    offset = torch.where(real, 0.0, 40.0)[..., None]
    yield Case((query.abs() * 10, key.abs() * 3 + offset, real), large, gradient)
    low = Message("所有的分数都在 −100 以下。", "All scores are below −100.")
    yield Case((query.abs() + 1, key - 80, real), low, gradient)


def _rankings(seed: int) -> Iterator[Case]:
    generator = _generator(seed)

    def noisy(*scores: int) -> Tensor:
        """Known rankings, so that every seed separates what it should; the noise breaks no order."""
        return torch.tensor(scores, dtype=torch.float64) + 0.3 * torch.rand(
            1, generator=generator, dtype=torch.float64
        )

    def marked(*relevant: int) -> Tensor:
        return torch.tensor(relevant, dtype=torch.bool)

    ties = Message("有并列。", "There are ties.")
    yield Case((noisy(1), marked(1)), Message("只有一个候选。", "A single candidate."))
    yield Case((noisy(3, 2, 1), marked(0, 1, 0)))
    yield Case((noisy(4, 1, 3, 2), marked(1, 0, 0, 1)))
    yield Case((noisy(1, 2, 3), marked(1, 1, 1)), Message("全都相关。", "All of them are relevant."))
    yield Case(
        (noisy(-1, -5, -3, -4, -2), marked(0, 1, 1, 0, 0)),
        Message("分数都是负的。", "All scores are negative."),
    )
    yield Case((noisy(5, 1, 7, 3, 8, 2, 6, 4), marked(1, 0, 0, 1, 0, 1, 1, 0)))
    yield Case((noisy(2, 2, 1, 1), marked(1, 0, 1, 0)), ties)
    yield Case((noisy(2, 2, 1, 1), marked(0, 1, 0, 1)), ties)
    yield Case(
        (noisy(3, 2, 2, 2, 1), marked(0, 1, 0, 1, 1)),
        Message("并列的里面有两个相关的。", "Two relevant ones are among the equals."),
    )
    yield Case(
        (noisy(2, 5, 1, 4, 3) / 1000, marked(1, 0, 0, 1, 1)),
        Message("分数彼此很近，但没有并列。", "Scores lie close together, but none are equal."),
    )
    yield Case(
        (noisy(0, 0, 0, 0, 0), marked(0, 1, 0, 0, 1)), Message("分数全都相同。", "All scores are equal.")
    )


def _captions(seed: int) -> Iterator[Case]:
    """Objects that differ in every word; two, three or four of them, also with words before the first."""
    generator, tokenizer = _generator(seed), Tokenizer()
    patterns = {
        "en": ("{0} {r} {1}", "{0} {r} {1} and {2}", "{0} {r} {1}, {2} and {3}", "there is {0} {r} {1}"),
        "zh": (
            "{0}在{1}的{r}",
            "{0}在{1}的{r}，还有{2}",
            "{0}在{1}的{r}，还有{2}和{3}",
            "图中有{0}在{1}的{r}",
        ),
    }
    articles = {"en": "a", "zh": "一个"}
    names = {
        "en": Message("一句英文描述。", "A caption in English."),
        "zh": Message("一句中文描述。", "A caption in Chinese."),
    }
    for language, form, relation in (
        *(("en", 0, 0), ("en", 0, 2), ("zh", 0, 1), ("en", 1, 3), ("zh", 1, 2)),
        *(("en", 2, 1), ("zh", 2, 3), ("en", 3, 0), ("zh", 3, 1)),
    ):
        colors, shapes = (torch.randperm(n, generator=generator).tolist() for n in (len(COLORS), len(SHAPES)))
        size = int(torch.randint(2, (1,), generator=generator))
        said = []
        for k in range(4):
            words = [
                translate(word, language)
                for word in (SIZES[(size + k) % 2], COLORS[colors[k]], SHAPES[shapes[k]])
            ]
            said.append("a {} {} {}".format(*words) if language == "en" else "一个{1}{0}{2}".format(*words))
        text = patterns[language][form].format(*said, r=translate(RELATIONS[relation], language))
        article = int(tokenizer.encode(articles[language])[0, 1])
        yield Case((tokenizer.encode(text)[0], article), names[language])


# What mistakes share


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _logits(image: Tensor, classes: Tensor, scale: float) -> Tensor:
    return scale * _unit(image) @ _unit(classes).T


def _naive_softmax(image: Tensor, classes: Tensor, scale: float) -> Tensor:
    exp = _logits(image, classes, scale).exp()
    return exp / exp.sum(-1, keepdim=True)


def _is_eos(ids: Tensor, eos_id: int) -> Tensor:
    return ids == eos_id


def _first(ids: Tensor, eos_id: int) -> Tensor:
    return _is_eos(ids, eos_id).int().argmax(1)


def _at(tokens: Tensor, place: Tensor) -> Tensor:
    return tokens[torch.arange(len(tokens)), place.clamp(0, tokens.shape[1] - 1)]


def _up_to_eos(ids: Tensor, eos_id: int) -> Tensor:
    """(batch, length, 1) ones up to the first EOS, that one included."""
    return (torch.arange(ids.shape[1]) <= _first(ids, eos_id)[:, None])[..., None]


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT / query.shape[-1] ** 0.5


def _before(real: Tensor, offset: int = 0) -> Tensor:
    return torch.ones(real.shape[1], real.shape[1], dtype=torch.bool).tril(offset)


def _keys(real: Tensor) -> Tensor:
    return real[:, None, :]


def _visible(real: Tensor) -> Tensor:
    return _before(real) & _keys(real)


def _attend(scores: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    """Softmax over what the mask shows, and 0 elsewhere; a row that shows nothing is all 0, with gradient 0."""
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim) * mask


def _masked(
    mask: Callable[[Tensor], Tensor], scores: Callable[[Tensor, Tensor], Tensor] = _scores
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Right but for the mask or the scores."""
    return lambda query, key, real: _attend(scores(query, key), mask(real).expand(-1, *[real.shape[1]] * 2))


def _ranked(scores: Tensor, relevant: Tensor) -> Tensor:
    """Which places hold something relevant, ties in the order given."""
    return relevant[scores.argsort(descending=True, stable=True)]


def _precisions(hits: Tensor) -> Tensor:
    return hits.cumsum(0).double() / torch.arange(1, len(hits) + 1)


def _by_position(scores: Tensor, relevant: Tensor) -> float:
    hits = _ranked(scores, relevant)
    return float(_precisions(hits)[hits].mean())


def _optimistic(scores: Tensor, relevant: Tensor) -> float:
    """Relevant ones first among equals."""
    order = sorted(range(len(scores)), key=lambda i: (-float(scores[i]), not relevant[i]))
    hits = relevant[torch.tensor(order)]
    return float(_precisions(hits)[hits].mean())


def _once_a_place(scores: Tensor, relevant: Tensor) -> float:
    """Mean over the distinct scores of what is relevant."""
    levels = scores[relevant].unique()
    return float(torch.stack([relevant[scores >= level].double().mean() for level in levels]).mean())


def _interpolated(scores: Tensor, relevant: Tensor) -> float:
    hits = _ranked(scores, relevant)
    best = _precisions(hits).flip(0).cummax(0).values.flip(0)
    return float(best[hits].mean())


def _trapezoids(scores: Tensor, relevant: Tensor) -> float:
    hits = _ranked(scores, relevant)
    precision = torch.cat([torch.ones(1, dtype=torch.float64), _precisions(hits)])
    recall = torch.cat([torch.zeros(1, dtype=torch.float64), hits.cumsum(0).double() / hits.sum()])
    return float(torch.trapezoid(precision, recall))


def _without_itself(scores: Tensor, relevant: Tensor) -> float:
    """Places counted from 0, with 1 for the first to keep the division possible."""
    rivals = (scores[None] > scores[:, None]).sum(1)
    found = ((scores[None] > scores[:, None]) & relevant).sum(1)
    return float((found.double() / rivals.clamp(min=1))[relevant].mean())


def _starts(ids: Tensor, article: int) -> list[int]:
    return (ids == article).nonzero()[:, 0].tolist()


def _exchanged(ids: Tensor, first: int, second: int, start: int = 0, stop: int = OBJECT) -> Tensor:
    """Words ``start`` to ``stop`` of two objects exchanged."""
    swapped = ids.clone()
    swapped[first + start : first + stop] = ids[second + start : second + stop]
    swapped[second + start : second + stop] = ids[first + start : first + stop]
    return swapped


def _repeated(ids: Tensor, article: int, kept: int) -> Tensor:
    """Both of the first two objects are the same one."""
    starts = _starts(ids, article)[:2]
    copied = ids.clone()
    copied[starts[1 - kept] : starts[1 - kept] + OBJECT] = ids[starts[kept] : starts[kept] + OBJECT]
    return copied


def _of_two(ids: Tensor, article: int, one: int, other: int) -> Tensor:
    starts = _starts(ids, article)
    return _exchanged(ids, starts[one], starts[other])


def _words(start: int, stop: int) -> Callable[[Tensor, int], Tensor]:
    """Only some words of the first two objects are exchanged."""

    def run(ids: Tensor, article: int) -> Tensor:
        first, second = _starts(ids, article)[:2]
        return _exchanged(ids, first, second, start, stop)

    return run


def _backwards(ids: Tensor, article: int) -> Tensor:
    """Exchanged, with the words of each object in reverse."""
    swapped = swap_objects(ids, article)
    for start in _starts(ids, article)[:2]:
        swapped[start : start + OBJECT] = swapped[start : start + OBJECT].flip(0)
    return swapped


def _turned(ids: Tensor, article: int) -> Tensor:
    """Every object moves one place on."""
    starts = _starts(ids, article)
    turned = ids.clone()
    for here, there in zip(starts, starts[1:] + starts[:1], strict=True):
        turned[there : there + OBJECT] = ids[here : here + OBJECT]
    return turned


def _mirrored(ids: Tensor, article: int) -> Tensor:
    """All words between BOS and EOS in reverse."""
    end = int((ids == Tokenizer().eos_id).int().argmax())
    return torch.cat([ids[:1], ids[1:end].flip(0), ids[end:]])


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), atol=1e-4, rtol=1e-4)


ZERO_SHOT = Exercise(
    "zero_shot",
    zero_shot,
    _pictures_and_classes,
    mistakes=(
        Mistake(
            "not_normalised",
            lambda image, classes, scale: (scale * image @ classes.T).softmax(-1),
            zh="用的是点积，不是余弦：向量长的类别占了便宜，而长度与图里有什么无关。两边都要先变成单位长度。",
            en="These are dot products and no cosines: a class with a long vector has an advantage that says nothing about the picture. Make both sides unit vectors first.",
        ),
        Mistake(
            "images_only",
            lambda image, classes, scale: (scale * _unit(image) @ classes.T).softmax(-1),
            zh="只归一化了图像，类别向量的长度还留在分数里：长的类别对每张图都占便宜。",
            en="Only the pictures are normalised; the length of a class vector still counts, and a long one wins for every picture.",
        ),
        Mistake(
            "classes_only",
            lambda image, classes, scale: (scale * image @ _unit(classes).T).softmax(-1),
            zh="只归一化了类别。第一名没有变，可概率变了：向量长的图，softmax 更尖，显得更有把握。",
            en="Only the classes are normalised. The winner is the same, but a picture with a long vector gets a sharper softmax and looks more certain than it is.",
        ),
        Mistake(
            "normalised_over_batch",
            lambda image, classes, scale: (
                scale * F.normalize(image, dim=0) @ F.normalize(classes, dim=0).T
            ).softmax(-1),
            zh="归一化沿着批次做了：一张图的概率会随同批次的其他图而变。该归一化的是每一行，看看 `dim`。",
            en="Normalised over the batch: a picture's probabilities depend on who else is there. Each row is to have length 1; look at `dim`.",
        ),
        Mistake(
            "softmax_over_images",
            lambda image, classes, scale: _logits(image, classes, scale).softmax(0),
            zh="softmax 沿图像做了：每一列的和是 1，各张图在争抢同一个类别。一张图要把概率分给各个类别，看看 `dim`。",
            en="The softmax runs over pictures: each column sums to 1, and pictures compete for a class. It is a picture that shares its probability among classes; look at `dim`.",
        ),
        Mistake(
            "softmax_over_all",
            lambda image, classes, scale: (
                _logits(image, classes, scale).flatten().softmax(0).view(len(image), -1)
            ),
            zh="整个矩阵一起做了 softmax，所有概率的和是 1。每张图都要有自己的分布。",
            en="One softmax over the whole matrix: all probabilities together sum to 1. Each picture has a distribution of its own.",
        ),
        Mistake(
            "scale_ignored",
            lambda image, classes, scale: _logits(image, classes, 1.0).softmax(-1),
            zh="缩放没有用上。余弦都在 −1 到 1 之间，不放大的话，概率几乎是均匀的。",
            en="The scale is not used. Cosines lie between −1 and 1, so without it the probabilities are nearly even.",
        ),
        Mistake(
            "divided_by_scale",
            lambda image, classes, scale: (_logits(image, classes, 1.0) / scale).softmax(-1),
            zh="除以了 `scale`。它是温度的倒数，要乘；除了以后概率比不缩放还要平。",
            en="Divided by `scale`. That is one over the temperature, to be multiplied by; after a division the probabilities are flatter than without.",
        ),
        Mistake(
            "scale_after_softmax",
            lambda image, classes, scale: scale * _logits(image, classes, 1.0).softmax(-1),
            zh="缩放用在了 softmax 之后：一行的和成了 `scale`。它要改变的是分布的尖锐程度，所以要用在之前。",
            en="The scale comes after the softmax: rows sum to `scale`. It is to sharpen the distribution, so it belongs before.",
        ),
        Mistake(
            "exponential_of_scale",
            lambda image, classes, scale: _logits(image, classes, min(math.exp(scale), 1e30)).softmax(-1),
            zh="又取了一次指数。给你的 `scale` 已经是取过指数的了（第 01 章的 `logit_scale`）。",
            en="The exponential was taken once more. The `scale` you are given is already exponentiated (`logit_scale` of chapter 01).",
        ),
        Mistake(
            "logits",
            _logits,
            zh="停在了缩放后的余弦。题目要概率：在 0 到 1 之间，每行的和是 1。",
            en="That stops at the scaled cosines. Probabilities are asked for: between 0 and 1, each row summing to 1.",
        ),
        Mistake(
            "logarithms",
            lambda image, classes, scale: _logits(image, classes, scale).log_softmax(-1),
            zh="这是概率的对数，都不大于 0。题目要概率本身。",
            en="These are the logarithms of the probabilities, none above 0. The probabilities themselves are asked for.",
        ),
        Mistake(
            "sigmoid",
            lambda image, classes, scale: _logits(image, classes, scale).sigmoid(),
            zh="每个类别各做了一次 sigmoid，一行的和不是 1。那回答的是“这一类配不配”，这里问的是“哪一类最配”。",
            en="A sigmoid for each class, so rows do not sum to 1. That answers whether a class fits; here the question is which fits best.",
        ),
        Mistake(
            "one_hot",
            lambda image, classes, scale: F.one_hot(
                _logits(image, classes, scale).argmax(-1), len(classes)
            ).to(image.dtype),
            zh="只留下了第一名，概率不是 0 就是 1。有多少把握也要说出来。",
            en="Only the winner is kept, at 1, and the rest at 0. How certain it is belongs to the answer.",
        ),
        Mistake(
            "overflow",
            _naive_softmax,
            zh="缩放是 100 时，e¹⁰⁰ 在 float32 里溢出成无穷，一除就是 NaN。用现成的 softmax，它会先减去每行的最大值。",
            en="At scale 100 the number e¹⁰⁰ overflows in float32, and infinity over infinity is NaN. Use the softmax there is; it subtracts each row's maximum first.",
        ),
        Mistake(
            "scale_clamped",
            lambda image, classes, scale: _logits(image, classes, min(scale, 100.0)).softmax(-1),
            zh="缩放超过 100 时被截住了。上限是训练时给参数加的；这里给了多少，就用多少。",
            en="A scale above 100 was cut off. The bound is for the parameter in training; here the scale is used as it is given.",
        ),
    ),
    properties=(
        Property(
            lambda function, image, classes, scale: _close(
                function(image, classes, scale).sum(-1), torch.ones(len(image))
            ),
            zh="每张图的概率之和是 1。",
            en="the probabilities of each picture sum to 1.",
        ),
        Property(
            lambda function, image, classes, scale: _close(
                function(3 * image, 2 * classes, scale), function(image, classes, scale)
            ),
            zh="特征的长度不影响结果（归一化）。",
            en="the lengths of the features do not matter (normalisation).",
        ),
    ),
    hints=(
        Message(
            "和第 01 章的余弦矩阵一样，只是把句子换成了类别；再把每一行变成概率。",
            "It is the cosine matrix of chapter 01 with classes for sentences; then every row becomes probabilities.",
        ),
        Message(
            "先归一化两边的每一行，相乘，乘上 `scale`，最后沿类别那根轴做 softmax。",
            "Normalise every row of both sides, multiply them, multiply by `scale`, and take the softmax along the axis of classes.",
        ),
        Message(
            "`F.normalize(x, dim=-1)`、`@`、`.T`，最后 `.softmax(dim=-1)`。",
            "`F.normalize(x, dim=-1)`, `@`, `.T`, and at the end `.softmax(dim=-1)`.",
        ),
    ),
    minutes=10,
    mark="★★",
)

PROMPT_ENSEMBLE = Exercise(
    "prompt_ensemble",
    prompt_ensemble,
    _sentences,
    mistakes=(
        Mistake(
            "averaged_before_normalising",
            lambda features: _unit(features.mean(1)),
            zh="先平均、后归一化：向量长的那几句说了算，而长度与意思无关。平均之前，每一句要先变成单位长度。",
            en="Averaged first, normalised after: sentences with long vectors outvote the others, and length has nothing to do with meaning. Before the average, each becomes a unit vector.",
        ),
        Mistake(
            "not_normalised_after",
            lambda features: _unit(features).mean(1),
            zh="平均之后没有再归一化。几句意见不一，平均向量就短，这一类的分数就低：各句一致的类别占了便宜。",
            en="Not normalised after the average. Where sentences disagree their mean is short and the class scores low, so classes whose sentences agree have an advantage.",
        ),
        Mistake(
            "never_normalised",
            lambda features: features.mean(1),
            zh="一次也没有归一化：长的句子说了算，类别向量的长度也各不相同。平均的前后各要一次。",
            en="There is no normalising at all: long sentences outvote the others, and class vectors differ in length. It takes one before the average and one after.",
        ),
        Mistake(
            "summed",
            lambda features: _unit(features).sum(1),
            zh="求了和，没有再归一化：模板越多，类别向量越长，分数也越高。",
            en="Summed, and not normalised after: the more templates, the longer the class vector, and the higher its scores.",
        ),
        Mistake(
            "first_template",
            lambda features: _unit(features[:, 0]),
            zh="只用了第一个模板，其余的都没有用上。",
            en="Only the first template is used and all others are left out.",
        ),
        Mistake(
            "last_template",
            lambda features: _unit(features[:, -1]),
            zh="只剩下最后一个模板：多半是循环里每次都盖掉了前一个，而没有累加。",
            en="Only the last template is left: probably a loop that overwrites the one before instead of adding to it.",
        ),
        Mistake(
            "normalised_over_templates",
            lambda features: _unit(F.normalize(features, dim=1).mean(1)),
            zh="第一次归一化沿模板做了：每个特征在各模板间被缩放。该变成单位长度的是每一句的向量，看看 `dim`。",
            en="The first normalising runs over templates: each feature is scaled across them. It is each sentence's vector that becomes a unit vector; look at `dim`.",
        ),
        Mistake(
            "normalised_over_classes",
            lambda features: F.normalize(_unit(features).mean(1), dim=0),
            zh="第二次归一化沿类别做了：一类的向量会随别的类别而变。平均以后少了一根轴，看看 `dim`。",
            en="The second normalising runs over classes: a class's vector depends on which others there are. The average has one axis less; look at `dim`.",
        ),
        Mistake(
            "normalised_over_classes_twice",
            lambda features: F.normalize(F.normalize(features, dim=0).mean(1), dim=0),
            zh="两次归一化都沿类别做了。要变成单位长度的是向量：最后一根轴。",
            en="Both times it is the axis of classes that is normalised. Vectors become unit vectors along the last axis.",
        ),
        Mistake(
            "largest_of_each",
            lambda features: _unit(_unit(features).amax(1)),
            zh="每个分量取了各模板里最大的。那样拼出来的方向，没有一句话指向它。要的是平均。",
            en="For each entry the largest over templates was taken. That pieces together a direction no sentence points to. The mean is asked for.",
        ),
        Mistake(
            "median",
            lambda features: _unit(_unit(features).median(1).values),
            zh="取了中位数。题目要平均。",
            en="That is the median. The mean is asked for.",
        ),
        Mistake(
            "l1_norm",
            lambda features: F.normalize(F.normalize(features, p=1, dim=-1).mean(1), p=1, dim=-1),
            zh="用了绝对值之和（L1 范数）。余弦要的是平方和开根（L2）。",
            en="Normalised by the sum of absolute values (L1). A cosine needs the root of the sum of squares (L2).",
        ),
        Mistake(
            "normalised_as_a_whole",
            lambda features: (mean := _unit(features).mean(1)) / mean.norm(),
            zh="第二次除以了整个矩阵的范数：各类向量的长短差别还在。要逐行求范数，看看 `dim` 和 `keepdim`。",
            en="The second time the whole matrix was divided by one number, so classes still differ in length. Take the norm of each row: see `dim` and `keepdim`.",
        ),
        Mistake(
            "detached",
            lambda features: prompt_ensemble(features.detach()) + 0 * features.sum(),
            zh="数值对，梯度断了：训练提示词的人要靠它。不要 `detach`，也不要 `no_grad`。",
            en="Right values, but no gradient arrives; whoever trains prompts needs it. Use neither `detach` nor `no_grad`.",
        ),
    ),
    properties=(
        Property(
            lambda function, features: _close(function(features).norm(dim=-1), torch.ones(len(features))),
            zh="每个类别向量的长度是 1。",
            en="each class vector has length 1.",
        ),
        Property(
            lambda function, features: _close(
                function(features * torch.linspace(1, 9, features.shape[1]).to(features)[:, None]),
                function(features),
            ),
            zh="句子向量的长度不影响结果（归一化）。",
            en="the lengths of the sentences' vectors do not matter (normalisation).",
        ),
        Property(
            lambda function, features: _close(function(features.flip(1)), function(features)),
            zh="模板的次序不影响结果。",
            en="the order of templates does not matter.",
        ),
    ),
    hints=(
        Message(
            "每句话都有同样的一票：只算方向，不算长度。最后得到的也要能直接拿去求余弦。",
            "Every sentence has one vote: its direction counts and its length does not. And the result should be ready for cosines.",
        ),
        Message(
            "三步：归一化，沿模板那根轴平均，再归一化。两次归一化都沿最后一根轴。",
            "Three steps: normalise, average along the axis of templates, normalise again. Both normalise the last axis.",
        ),
        Message(
            "`F.normalize(…, dim=-1)` 套在 `.mean(dim=1)` 的里面和外面。",
            "`F.normalize(…, dim=-1)`, once inside and once around `.mean(dim=1)`.",
        ),
    ),
    minutes=5,
    mark="★★",
)

EOS_POOLING = Exercise(
    "eos_pooling",
    eos_pooling,
    _texts,
    mistakes=(
        Mistake(
            "last_place",
            lambda tokens, ids, eos_id: tokens[:, -1],
            zh="取了最后一个位置，那里多半是填充：同一句话补得长一点，结果就变了。",
            en="The last place was taken, which mostly holds padding: the same text, padded further, gives another vector.",
        ),
        Mistake(
            "first_place",
            lambda tokens, ids, eos_id: tokens[:, 0],
            zh="取了第一个位置。因果掩码之下，它只看得到自己，后面的词一个也没有读到。",
            en="The first place was taken. Under a causal mask it sees only itself and has read none of the words.",
        ),
        Mistake(
            "highest_id",
            lambda tokens, ids, eos_id: _at(tokens, ids.argmax(1)),
            zh="找的是编号最大的词元。OpenAI 的 CLIP 这样写，因为它的 EOS 恰好编号最大；别的词表就不是了。按 `eos_id` 找。",
            en="That looks for the highest id. OpenAI's CLIP does so because its EOS happens to have the highest; other vocabularies differ. Look for `eos_id`.",
        ),
        Mistake(
            "last_eos",
            lambda tokens, ids, eos_id: _at(
                tokens, ids.shape[1] - 1 - _is_eos(ids, eos_id).flip(1).int().argmax(1)
            ),
            zh="取了最后一个 EOS。填充也可以用 EOS，那时最后一个就在填充里。要第一个。",
            en="The last EOS was taken. Padding may be EOS as well, and then the last one is padding. Take the first.",
        ),
        Mistake(
            "before_eos",
            lambda tokens, ids, eos_id: _at(tokens, _first(ids, eos_id) - 1),
            zh="早了一个位置：取的是最后一个词，不是 EOS。",
            en="One place too early: that is the last word and not EOS.",
        ),
        Mistake(
            "after_eos",
            lambda tokens, ids, eos_id: _at(tokens, _first(ids, eos_id) + 1),
            zh="晚了一个位置：EOS 之后是填充。",
            en="One place too late: behind EOS is padding.",
        ),
        Mistake(
            "sum_of_all_eos",
            lambda tokens, ids, eos_id: (tokens * _is_eos(ids, eos_id)[..., None]).sum(1),
            zh="把所有 EOS 处的向量加了起来。填充用的就是 EOS 时，填充全加进来了。",
            en="The vectors of all EOS were added up. Where padding is EOS too, all of it is included.",
        ),
        Mistake(
            "mean_of_all_eos",
            lambda tokens, ids, eos_id: (
                (tokens * _is_eos(ids, eos_id)[..., None]).sum(1) / _is_eos(ids, eos_id).sum(1)[:, None]
            ),
            zh="把所有 EOS 处的向量平均了。填充用的就是 EOS 时，填充也在里面。只要第一个。",
            en="The vectors of all EOS were averaged. Where padding is EOS too, it is among them. Only the first is wanted.",
        ),
        Mistake(
            "mean_of_all",
            lambda tokens, ids, eos_id: tokens.mean(1),
            zh="平均了所有位置，连填充也算了进去：这是平均池化。",
            en="All places were averaged, padding included: that is mean pooling.",
        ),
        Mistake(
            "mean_up_to_eos",
            lambda tokens, ids, eos_id: (
                (tokens * _up_to_eos(ids, eos_id)).sum(1) / _up_to_eos(ids, eos_id).sum(1)
            ),
            zh="平均了到 EOS 为止的所有向量。因果掩码之下，EOS 自己已经读完了整句，用它一个就够。",
            en="All vectors up to EOS were averaged. Under a causal mask EOS has read the whole text by itself; it alone is wanted.",
        ),
        Mistake(
            "counted",
            lambda tokens, ids, eos_id: _at(tokens, (~_is_eos(ids, eos_id)).sum(1)),
            zh="数了不是 EOS 的词元，拿这个数当位置。只有填充也是 EOS 时才对；EOS 之后还有别的编号时就错了。",
            en="You counted what is not EOS and took that for the place. It is right only while padding is EOS; anything else behind it shifts the place.",
        ),
        Mistake(
            "zero_is_padding",
            lambda tokens, ids, eos_id: _at(tokens, (ids != 0).sum(1) - 1),
            zh="你数了不是 0 的词元，认定 0 是填充。填充可以是任何编号，甚至就是 EOS。按 `eos_id` 找。",
            en="You counted what is not 0, taking 0 for padding. Padding may be any id, EOS itself included. Look for `eos_id`.",
        ),
        Mistake(
            "eos_is_two",
            lambda tokens, ids, eos_id: _at(tokens, _first(ids, 2)),
            zh="EOS 的编号写死成了 2。每个词表都不一样，用传进来的 `eos_id`。",
            en="The id of EOS is fixed at 2. Vocabularies differ; use the `eos_id` you are given.",
        ),
        Mistake(
            "place_of_the_first_text",
            lambda tokens, ids, eos_id: tokens[:, int(_first(ids, eos_id)[0])],
            zh="每句都用了第一句的位置。句子长短不同，每句有自己的位置：批次那根轴也要一个一个对上。",
            en="Every text uses the place of the first. Texts differ in length, and each has a place of its own: the batch axis needs an index as well.",
        ),
        Mistake(
            "detached",
            lambda tokens, ids, eos_id: eos_pooling(tokens.detach(), ids, eos_id) + 0 * tokens.sum(),
            zh="数值对，梯度断了：文本塔学不到东西。",
            en="Right values, but no gradient arrives: the text tower could not learn.",
        ),
    ),
    properties=(
        Property(
            lambda function, tokens, ids, eos_id: bool(
                (function(tokens, ids, eos_id)[:, None] == tokens).all(-1).any(1).all()
            ),
            zh="每句的结果就是它自己某个位置上的向量。",
            en="each text's result is the vector at one of its own places.",
        ),
        Property(
            lambda function, tokens, ids, eos_id: _close(
                function(tokens, torch.where(_up_to_eos(ids, eos_id)[..., 0], ids, eos_id), eos_id),
                function(tokens, ids, eos_id),
            ),
            zh="第一个 EOS 之后是什么编号，都不影响结果。",
            en="whatever ids follow the first EOS, the result stays the same.",
        ),
    ),
    hints=(
        Message(
            "两步：每句的第一个 EOS 在哪里；再从每句取那一个位置。",
            "Two steps: where is the first EOS of each text; then take that place of each text.",
        ),
        Message(
            "`ids == eos_id` 里有几个 True 时，最大值第一次出现的地方就是第一个。取位置时，批次和位置各要一个下标。",
            "In `ids == eos_id` the first True is where its maximum first occurs. To take the places, index both the batch and the place.",
        ),
        Message(
            "`(…).int().argmax(dim=1)` 返回第一个最大值的位置；`tokens[torch.arange(len(ids)), first]` 从每句取一个。",
            "`(…).int().argmax(dim=1)` gives the place of the first maximum; `tokens[torch.arange(len(ids)), first]` takes one of each text.",
        ),
    ),
    minutes=10,
    mark="★★",
)

TEXT_ATTENTION = Exercise(
    "text_attention",
    text_attention,
    _padded,
    mistakes=(
        Mistake(
            "no_mask",
            lambda query, key, real: _scores(query, key).softmax(-1),
            zh="两种掩码都没有用上：每个词元都看得到后面的词和填充。",
            en="Neither mask is used: every token sees later words and padding.",
        ),
        Mistake(
            "causal_only",
            _masked(lambda real: _before(real)[None]),
            zh="后面的挡住了，填充没有挡：PAD 在前面或中间时，真词元会去看它。",
            en="What comes later is hidden, padding is not: where it stands in front or in the middle, real tokens look at it.",
        ),
        Mistake(
            "padding_only",
            _masked(lambda real: _keys(real)),
            zh="填充挡住了，后面的词没有挡：每个词元都偷看得到答案。文本塔还要因果掩码。",
            en="Padding is hidden, later words are not: every token can look ahead. The text tower needs the causal mask too.",
        ),
        Mistake(
            "either",
            _masked(lambda real: _before(real) | _keys(real)),
            zh="两个掩码用“或”合在了一起：只要有一个放行就看得到。两个都放行才行。",
            en="The masks are joined by *or*: one that permits is enough. Both must permit.",
        ),
        Mistake(
            "causal_transposed",
            _masked(lambda real: _before(real).T & _keys(real)),
            zh="因果掩码转置了：看得到的是后面，看不到的是前面。行是查询，列是键。",
            en="The causal mask is transposed: tokens see what comes later and not what came before. A row is a query, a column a key.",
        ),
        Mistake(
            "not_itself",
            _masked(lambda real: _before(real, -1) & _keys(real)),
            zh="每个词元看不到自己：对角线也要放行。",
            en="A token cannot see itself: the diagonal is permitted as well.",
        ),
        Mistake(
            "one_ahead",
            _masked(lambda real: _before(real, 1) & _keys(real)),
            zh="多看了一个：下一个词也露出来了，那正是要猜的。",
            en="One too many: the next word shows, and it is the one to be guessed.",
        ),
        Mistake(
            "queries_masked",
            _masked(lambda real: _before(real) & real[:, :, None]),
            zh="挡住的是填充的行（查询），不是列（键）：真词元还在看填充。",
            en="The rows (queries) of padding are hidden instead of its columns (keys): real tokens still look at it.",
        ),
        Mistake(
            "both_masked",
            _masked(lambda real: _visible(real) & real[:, :, None]),
            zh="列都对，可填充的行也清成了 0。填充当查询时，也照常去看它之前的真词元；只有什么也看不到的行才是 0。",
            en="The columns are right, but rows of padding were set to 0 as well. As a query, padding looks at the real tokens before it like the rest; only a row with nothing to see is 0.",
        ),
        Mistake(
            "mask_inverted",
            _masked(lambda real: _before(real) & ~_keys(real)),
            zh="填充的掩码反了：看得到的是填充。`real` 里 True 是真词元。",
            en="The padding mask is inverted: padding is what shows. In `real`, True means a real token.",
        ),
        Mistake(
            "mask_of_the_first_text",
            _masked(lambda real: (_before(real) & real[0])[None].expand(len(real), -1, -1)),
            zh="每句都用了第一句的填充掩码。批次那根轴要对上批次，中间再补一根长度为 1 的轴。",
            en="Every text got the padding mask of the first. Batch has to meet batch, with a new axis of length 1 in between.",
        ),
        Mistake(
            "not_scaled",
            _masked(_visible, lambda query, key: query @ key.mT),
            zh="没有除以 √dim：维数一高，注意力就几乎全给了一个词元。",
            en="There is no division by √dim: in high dimensions nearly all attention goes to one token.",
        ),
        Mistake(
            "divided_by_dim",
            _masked(_visible, lambda query, key: query @ key.mT / query.shape[-1]),
            zh="除以的是 dim，不是它的平方根。",
            en="Divided by dim and not by its square root.",
        ),
        Mistake(
            "query_and_key_exchanged",
            _masked(_visible, lambda query, key: _scores(key, query)),
            zh="查询和键对调了：行应当是查询，列是键。",
            en="Query and key are exchanged: a row is to be a query, a column a key.",
        ),
        Mistake(
            "mask_after_softmax",
            lambda query, key, real: _scores(query, key).softmax(-1) * _visible(real),
            zh="掩码用在了 softmax 之后：挡住的是 0 了，可它们拿走的那一份没有还回来，一行的和不到 1。",
            en="The masks come after the softmax: what is hidden is at 0, but the share it took is lost, and rows sum to less than 1.",
        ),
        Mistake(
            "zero_for_minus_infinity",
            lambda query, key, real: (_scores(query, key) * _visible(real)).softmax(-1),
            zh="挡住的分数变成了 0，可 e⁰ = 1：它们照样分到注意力。",
            en="Hidden scores became 0, but e⁰ = 1: they get attention all the same.",
        ),
        Mistake(
            "rows_of_nan",
            lambda query, key, real: _scores(query, key).masked_fill(~_visible(real), -math.inf).softmax(-1),
            zh="什么也看不到的行成了 NaN：一整行都是 −∞，softmax 就是 0/0。这样的行应当全是 0；NaN 会一层一层传下去。",
            en="Rows with nothing to see turned into NaN: where all is −∞ the softmax is 0/0. Such rows are to be 0; a NaN spreads from layer to layer.",
        ),
        Mistake(
            "flat_rows",
            lambda query, key, real: (
                _scores(query, key).masked_fill(~_visible(real), torch.finfo(query.dtype).min).softmax(-1)
            ),
            zh="什么也看不到的行成了均匀的：填的数都一样低，softmax 就平分了，填充和后面的词都露了出来。这样的行应当全是 0。",
            en="Rows with nothing to see became flat: where all is equally low the softmax shares evenly, and padding and later words show. Such rows are to be 0.",
        ),
        Mistake(
            "softmax_over_queries",
            lambda query, key, real: _attend(_scores(query, key), _visible(real), 1),
            zh="softmax 沿查询做了：和为 1 的是列。一个查询要把注意力分给各个键，看看 `dim`。",
            en="The softmax runs over queries: it is columns that sum to 1. A query shares its attention among the keys; look at `dim`.",
        ),
        Mistake(
            "constant_too_high",
            lambda query, key, real: (
                (_scores(query, key) - 100.0 * ~_visible(real)).softmax(-1)
                * _visible(real).any(-1, keepdim=True)
            ),
            zh="从挡住的分数里减了 100。它们原来可以高出几百，减完还是最高。被挡住的分数不该起任何作用。",
            en="100 was subtracted from hidden scores. They may be hundreds higher to begin with and stay the highest. What is hidden should not matter at all.",
        ),
    ),
    properties=(
        Property(
            lambda function, query, key, real: _close(
                function(query, key, real).sum(-1), _visible(real).any(-1).to(query.dtype)
            ),
            zh="看得到东西的行，和是 1；什么也看不到的行，全是 0。",
            en="rows that see something sum to 1; rows that see nothing are 0.",
        ),
        Property(
            lambda function, query, key, real: not bool(function(query, key, real)[~_visible(real)].any()),
            zh="后面的词元和填充，权重正好是 0。",
            en="the weights of later tokens and of padding are exactly 0.",
        ),
    ),
    hints=(
        Message(
            "把第 00b 章的三件事合起来：缩放的分数、因果掩码、填充掩码。一个键要两个掩码都放行才看得到。",
            "It joins three things of chapter 00b: scaled scores, the causal mask, the padding mask. A key shows only where both masks permit.",
        ),
        Message(
            "布尔掩码用 `&` 合并，形状 (length, length) 和 (batch, 1, length)。softmax 之前填一个很低但有限的数，之后再把挡住的清成 0：这样就没有 NaN。",
            "Join boolean masks with `&`: shapes (length, length) and (batch, 1, length). Fill in a very low but finite number before the softmax and set what is hidden to 0 after it, "
            "so that no NaN arises.",
        ),
        Message(
            "`mask = torch.ones(length, length, dtype=torch.bool).tril() & real[:, None, :]`；`masked_fill(~mask, torch.finfo(query.dtype).min)`，softmax，再乘 `mask`。",
            "`mask = torch.ones(length, length, dtype=torch.bool).tril() & real[:, None, :]`; `masked_fill(~mask, torch.finfo(query.dtype).min)`, softmax, then times `mask`.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

AVERAGE_PRECISION = Exercise(
    "average_precision",
    average_precision,
    _rankings,
    mistakes=(
        Mistake(
            "ties_by_position",
            _by_position,
            zh="并列由位置决定：分数相同的，排序后的次序是任意的。并列的应当共用一个名次，取其中最靠后的。",
            en="Ties are decided by position: sorting puts equal scores in some order. They are to share one place, the last of theirs.",
        ),
        Mistake(
            "ties_count_for",
            _optimistic,
            zh="并列时把相关的排在了前面：给所有候选打同样分数的模型会得满分。并列的应当共用最靠后的名次。",
            en="Among equals the relevant ones come first: a model that gives everything one score would be perfect. Equals are to share the last of their places.",
        ),
        Mistake(
            "once_a_place",
            _once_a_place,
            zh="每个名次只算了一次。并列的里面有几个相关的，那个名次的精确率就要算几次。",
            en="Each place counts once. Where several of the equals are relevant, the precision at their place counts once for each of them.",
        ),
        Mistake(
            "reciprocal_rank",
            lambda scores, relevant: float(1 / (_ranked(scores, relevant).int().argmax() + 1)),
            zh="只看了第一个相关的（倒数排名）。后面的相关候选也要找得早，所以要对所有相关的求平均。",
            en="Only the first relevant one was looked at (the reciprocal rank). The others should come early too, so average over all that are relevant.",
        ),
        Mistake(
            "r_precision",
            lambda scores, relevant: float(_precisions(_ranked(scores, relevant))[relevant.sum() - 1]),
            zh="只算了第 R 名处的精确率（R 是相关的个数）。要在每个相关候选的名次上各算一次，再平均。",
            en="That is the precision at place R alone, R being how many are relevant. Take it at the place of every relevant candidate, then average.",
        ),
        Mistake(
            "precision_of_all",
            lambda scores, relevant: float(relevant.double().mean()),
            zh="这是相关的占全部的比例，与分数无关。",
            en="That is the share of relevant candidates, whatever their scores.",
        ),
        Mistake(
            "mean_over_all_places",
            lambda scores, relevant: float(_precisions(_ranked(scores, relevant)).mean()),
            zh="对所有名次的精确率求了平均。只在相关候选所在的名次上取。",
            en="The precision was averaged over all places. Take it only at the places of relevant candidates.",
        ),
        Mistake(
            "divided_by_all",
            lambda scores, relevant: average_precision(scores, relevant) * float(relevant.double().mean()),
            zh="除以了候选的总数。要除以相关的个数，不然完美的排序也得不到 1。",
            en="Divided by the number of candidates. Divide by how many are relevant, else a perfect ranking does not get 1.",
        ),
        Mistake(
            "sum",
            lambda scores, relevant: average_precision(scores, relevant) * float(relevant.sum()),
            zh="没有除以相关的个数，结果会超过 1。",
            en="Not divided by how many are relevant; the result can exceed 1.",
        ),
        Mistake(
            "lowest_first",
            lambda scores, relevant: average_precision(-scores, relevant),
            zh="次序反了：把分数最低的当成了第一名。",
            en="The order is reversed: the lowest score was taken for the first place.",
        ),
        Mistake(
            "recall_for_precision",
            lambda scores, relevant: float(
                (_ranked(scores, relevant).cumsum(0).double() / relevant.sum())[
                    _ranked(scores, relevant)
                ].mean()
            ),
            zh="分母用了相关的总数，那是召回率，与名次无关。精确率的分母是名次：到这里为止一共看了几个。",
            en="The denominator is how many are relevant, which makes it recall. Precision divides by the place: how many were looked at so far.",
        ),
        Mistake(
            "counted_from_zero",
            _without_itself,
            zh="没有把自己算进去：数的是分数严格更高的。到第 k 名为止的精确率，包括第 k 名。",
            en="It does not count itself, only what scores strictly higher. Precision at place k includes place k.",
        ),
        Mistake(
            "interpolated",
            _interpolated,
            zh="用了插值：每个精确率换成了它之后最大的。早年的 VOC 这样算，结果偏高；这里不插值。",
            en="That interpolates: each precision is replaced by the largest after it, as VOC once did, and comes out too high. There is no interpolation here.",
        ),
        Mistake(
            "trapezoids",
            _trapezoids,
            zh="用梯形求了曲线下的面积，那是在点与点之间连直线，会偏高。平均精确率是一级一级的台阶。",
            en="That is the area by trapezoids, which draws straight lines between points. Average precision has steps.",
        ),
        Mistake(
            "order_for_rank",
            lambda scores, relevant: float(
                (relevant.cumsum(0).double() / (scores.argsort(descending=True, stable=True) + 1))[
                    relevant
                ].mean()
            ),
            zh="把 `argsort` 的结果当成了名次。它说的是“第几名是谁”，不是“谁是第几名”。",
            en="The result of `argsort` was taken for ranks. It tells who is in a place, not in which place someone is.",
        ),
        Mistake(
            "not_sorted",
            lambda scores, relevant: float(_precisions(relevant)[relevant].mean()),
            zh="没有按分数排序，用的是给定的次序。",
            en="The candidates were not ranked by score but taken in the order given.",
        ),
        Mistake(
            "percent",
            lambda scores, relevant: 100 * average_precision(scores, relevant),
            zh="这是百分数，题目要 0 到 1 之间的数。",
            en="That is a percentage; a number from 0 to 1 is asked for.",
        ),
    ),
    properties=(
        Property(
            lambda function, scores, relevant: abs(float(function(relevant.double(), relevant)) - 1) < 1e-6,
            zh="相关的都排在最前面时，得 1。",
            en="a ranking with all that is relevant in front gets 1.",
        ),
        Property(
            lambda function, scores, relevant: (
                abs(float(function(torch.zeros_like(scores), relevant)) - float(relevant.double().mean()))
                < 1e-6
            ),
            zh="分数全都相同时，得相关的占全部的比例（并列共用最后的名次）。",
            en="when all scores are equal the result is the share of what is relevant (equals share their last place).",
        ),
        Property(
            lambda function, scores, relevant: (
                abs(float(function(scores.flip(0), relevant.flip(0))) - float(function(scores, relevant)))
                < 1e-6
            ),
            zh="候选给出的次序不影响结果。",
            en="the order in which candidates are given does not matter.",
        ),
    ),
    hints=(
        Message(
            "对每个相关的候选问：分数不低于它的有几个？其中相关的占多少？",
            "For each relevant candidate ask: how many score at least as high, and what share of those is relevant?",
        ),
        Message(
            "“不低于”把自己和并列的都算进去，并列就自动共用了最后的名次。两个计数相除是精确率，只对相关的求平均。",
            "*At least as high* includes itself and all equals, which so share their last place. One count over the other is the precision; average it over the relevant.",
        ),
        Message(
            "`at_least = scores[None] >= scores[:, None]`，形状 (n, n)；`(at_least & relevant).sum(1)` 除以 `at_least.sum(1)`，再取 `[relevant]` 的平均。",
            "`at_least = scores[None] >= scores[:, None]` has shape (n, n); divide `(at_least & relevant).sum(1)` by `at_least.sum(1)`, then the mean of its `[relevant]`.",
        ),
    ),
    minutes=15,
    mark="★★★",
)

SWAP_OBJECTS = Exercise(
    "swap_objects",
    swap_objects,
    _captions,
    mistakes=(
        Mistake(
            "unchanged",
            lambda ids, article: ids.clone(),
            zh="描述没有变，还是真话，当不了难负样本。",
            en="The caption is as it was: it is still true, and no hard negative.",
        ),
        Mistake(
            "second_twice",
            lambda ids, article: _repeated(ids, article, 1),
            zh="第二个物体出现了两次，第一个不见了。张量的切片不是副本：先写的那一步改掉了后一步要读的内容。换之前先复制。",
            en="The second object stands there twice and the first is gone. A slice of a tensor is no copy: what is written first changes what is read next. Copy before you exchange.",
        ),
        Mistake(
            "first_twice",
            lambda ids, article: _repeated(ids, article, 0),
            zh="第一个物体出现了两次，第二个不见了。张量的切片不是副本：先写的那一步改掉了后一步要读的内容。",
            en="The first object stands there twice and the second is gone. A slice of a tensor is no copy: what is written first changes what is read next.",
        ),
        Mistake(
            "last_word_only",
            _words(3, 4),
            zh="只换了最后一个词（形状），颜色和大小留在了原处：那是另一种难负样本（属性绑定）。要换整个物体。",
            en="Only the last word, the shape, was exchanged; colour and size stayed: that is another hard negative (binding). Exchange whole objects.",
        ),
        Mistake(
            "without_last_word",
            _words(0, 3),
            zh="少换了一个词：最后那个（形状）留在了原处。从冠词数起一共四个词。",
            en="One word short: the last, the shape, stayed behind. An object has four words from its article on.",
        ),
        Mistake(
            "second_word_only",
            _words(1, 2),
            zh="只换了冠词后面的那个词。要换整个物体，四个词。",
            en="Only the word after the article was exchanged. Exchange whole objects, four words.",
        ),
        Mistake(
            "third_word_only",
            _words(2, 3),
            zh="只换了物体的第三个词。要换整个物体，四个词。",
            en="Only the third word of the objects was exchanged. Exchange whole objects, four words.",
        ),
        Mistake(
            "last_two_words",
            _words(2, 4),
            zh="只换了后两个词，冠词后面的那个留在了原处。一个物体有四个词。",
            en="Only the last two words were exchanged; the one after the article stayed. An object has four words.",
        ),
        Mistake(
            "one_word_too_far",
            _words(0, 5),
            zh="多换了一个词：物体后面的那个词（关系词、“的”或 EOS）也跟着换了，句子读不通了。",
            en="One word too many: the one behind the object, a relation or EOS, moved along, and the sentence makes no sense.",
        ),
        Mistake(
            "last_two_objects",
            lambda ids, article: _of_two(ids, article, -2, -1),
            zh="换的是最后两个物体。三个以上物体时，关系说的是头两个，换后面的，句子还是真的。",
            en="The last two objects were exchanged. With three or more, the relation is about the first two, and exchanging others leaves the caption true.",
        ),
        Mistake(
            "first_and_last",
            lambda ids, article: _of_two(ids, article, 0, -1),
            zh="换的是第一个和最后一个物体。要换头两个。",
            en="The first and the last object were exchanged. Exchange the first two.",
        ),
        Mistake(
            "all_moved_on",
            _turned,
            zh="所有物体都挪了一位。只换头两个，其余不动。",
            en="All objects moved one place on. Exchange the first two and leave the rest.",
        ),
        Mistake(
            "words_backwards",
            _backwards,
            zh="物体换了，可物体里的词也倒过来了。词的次序不变，不然一眼就能看出是假的。",
            en="The objects are exchanged, but their words stand in reverse. Keep the order of words, or the sentence gives itself away.",
        ),
        Mistake(
            "sentence_backwards",
            _mirrored,
            zh="整句话倒过来了。那已经不是一句话，语言模型不看图也知道是假的。",
            en="The whole sentence is reversed. That is no sentence any more, and can be told without a look at the picture.",
        ),
        Mistake(
            "fixed_place",
            lambda ids, article: _exchanged(ids, 1, 6),
            zh="第二个物体的位置写死了。它在第几个词，要看语言和关系词（left of 是两个词，above 是一个）。用冠词来找。",
            en="The place of the second object is fixed. It depends on the language and the relation (two words in *left of*, one in *above*). Find it by its article.",
        ),
        Mistake(
            "first_place_fixed",
            lambda ids, article: _exchanged(ids, 1, _starts(ids, article)[1]),
            zh="第一个物体的位置写死了，当成总在 BOS 之后。它前面可以有别的词（there is、“图中有”），也要用冠词来找。",
            en="The place of the first object is fixed, as though it always came right after BOS. Words may stand before it (*there is*), so find it by its article too.",
        ),
    ),
    properties=(
        Property(
            lambda function, ids, article: torch.equal(
                function(ids, article).sort().values, ids.sort().values
            ),
            zh="词还是那些词，一个不多，一个不少。",
            en="the words are the same ones, none lost and none repeated.",
        ),
        Property(
            lambda function, ids, article: torch.equal(function(function(ids, article), article), ids),
            zh="换两次，回到原句。",
            en="exchanging twice gives back the caption.",
        ),
    ),
    hints=(
        Message(
            "先找到头两个物体从哪里开始，再把两段对调。每段一样长，所以别的词都不用动。",
            "Find where the first two objects begin, then exchange the two pieces. They are equally long, so no other word moves.",
        ),
        Message(
            "`ids == article` 为 True 的头两个位置就是起点。写进副本，从原来的 `ids` 里读。",
            "The first two places where `ids == article` are the starts. Write into a copy and read from the original `ids`.",
        ),
        Message(
            "`(ids == article).nonzero()[:2, 0].tolist()` 给出 `a, b`；`swapped = ids.clone()`；`swapped[a:a + 4] = ids[b:b + 4]`，反过来再写一次。",
            "`(ids == article).nonzero()[:2, 0].tolist()` gives `a, b`; `swapped = ids.clone()`; `swapped[a:a + 4] = ids[b:b + 4]`, and once more the other way round.",
        ),
    ),
    minutes=10,
    mark="★★",
)

EXERCISES = (ZERO_SHOT, PROMPT_ENSEMBLE, EOS_POOLING, TEXT_ATTENTION, AVERAGE_PRECISION, SWAP_OBJECTS)
