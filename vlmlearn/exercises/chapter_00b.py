"""The exercises of chapter 00b: scores, two masks, heads, and the block that holds them."""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property
from vlmlearn.messages import Message

Layer = Callable[[Tensor], Tensor]
EPS = 1e-5


def attention_scores(
    query: Float[Tensor, "batch queries dim"], key: Float[Tensor, "batch keys dim"]
) -> Float[Tensor, "batch queries keys"]:
    """Scaled dot product of every query (row) with every key (column)."""
    return query @ key.transpose(1, 2) / query.shape[-1] ** 0.5


def causal_mask(length: int) -> Bool[Tensor, "length length"]:
    """True where a query (row) may look: at itself and at what came before."""
    return torch.ones(length, length, dtype=torch.bool).tril()


def padded_weights(
    scores: Float[Tensor, "batch queries keys"], real: Bool[Tensor, "batch keys"]
) -> Float[Tensor, "batch queries keys"]:
    """Softmax over the real keys; padding gets exactly zero."""
    return scores.masked_fill(~real[:, None, :], -math.inf).softmax(-1)


def split_heads(
    x: Float[Tensor, "batch tokens width"], heads: int
) -> Float[Tensor, "batch heads tokens channels"]:
    """Head ``h`` gets the ``h``-th block of channels."""
    return rearrange(x, "batch token (head channel) -> batch head token channel", head=heads)


def merge_heads(x: Float[Tensor, "batch heads tokens channels"]) -> Float[Tensor, "batch tokens width"]:
    """The heads of each token side by side: the inverse of ``split_heads``."""
    return rearrange(x, "batch head token channel -> batch token (head channel)")


def pre_norm_block(
    x: Float[Tensor, "batch tokens width"], attention: Layer, feed_forward: Layer
) -> Float[Tensor, "batch tokens width"]:
    """A Transformer block whose layer norms (without learnt weights) stand before each half."""
    x = x + attention(_norm(x))
    return x + feed_forward(_norm(x))


# Cases


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


FLOAT32 = Message("float32 的输入。", "Input in float32.")


def _queries_and_keys(seed: int) -> Iterator[Case]:
    """As many queries as keys, so that an exchange of the two keeps the shape; a demand tries other numbers."""
    generator, gradient = _generator(seed), ("query", "key")
    single = Message("一个查询，一个键。", "One query, one key.")
    for batch, tokens, dim in ((1, 1, 2), (1, 2, 3), (2, 3, 5), (3, 5, 8), (2, 4, 64)):
        lengths = 0.5 + 2 * torch.rand(2, batch, tokens, 1, generator=generator, dtype=torch.float64)
        query, key = lengths * (_normal(generator, 2, batch, tokens, dim) + 0.2)
        yield Case((query, key), single if tokens == 1 else None, gradient)
    yield Case((query.float(), key.float()), FLOAT32, gradient)


def _lengths(seed: int) -> Iterator[Case]:
    one = Message("只有一个词元。", "A single token.")
    long = Message("许多词元。", "Many tokens.")
    for length, about in (
        (1, one),
        (2, None),
        (3, None),
        (4, None),
        (5, None),
        (7 + seed % 5, None),
        (40, long),
    ):
        yield Case((length,), about)


def _padded(seed: int) -> Iterator[Case]:
    """As many queries as keys, as in self-attention, so that a mask on the wrong axis fits."""
    generator = _generator(seed)
    end = [[1, 1, 1, 0], [1, 1, 0, 0]]
    far = Message("PAD 的分数比真实词元高得多。", "PAD scores far above those of real tokens.")
    large = Message("float32，分数在 600 附近。", "float32, scores near 600.")
    low = Message("所有的分数都在 −2000 附近。", "All scores are near −2000.")
    lower = Message("所有的分数都在 −200000 附近。", "All scores are near −200,000.")
    apart = Message("各查询的分数相差 2000。", "The scores of one query are 2,000 from those of the next.")
    settings = (
        ([[1]], 0.0, 0.0, torch.float64, Message("只有一个词元。", "A single token.")),
        ([[1, 0]], 0.0, 0.0, torch.float64, None),
        ([[0, 1, 1]], 0.0, 0.0, torch.float64, Message("PAD 在最前面。", "PAD comes first.")),
        ([[1, 1, 0], [1, 0, 0]], 0.0, 0.0, torch.float64, None),
        (
            [[1, 0, 1, 0], [0, 0, 1, 1]],
            0.0,
            0.0,
            torch.float64,
            Message("PAD 在别的位置。", "PAD in other places."),
        ),
        (
            [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]],
            0.0,
            0.0,
            torch.float64,
            Message("第一句没有 PAD。", "The first text has no PAD."),
        ),
        (end, 600.0, 0.0, torch.float32, large),
        (end, -2000.0, 0.0, torch.float64, low),
        (end, 0.0, 200.0, torch.float32, far),
        (end, 0.0, 2000.0, torch.float64, far),
        (end, -200_000.0, 0.0, torch.float64, lower),
        (end, -2000.0 * torch.arange(4)[:, None], 0.0, torch.float64, apart),
    )
    for rows, offset, above, dtype, about in settings:
        real = torch.tensor(rows, dtype=torch.bool)
        batch, tokens = real.shape
        scores = 1.5 * _normal(generator, batch, tokens, tokens) + offset + above * ~real[:, None, :]
        yield Case((scores.to(dtype), real), about, ("scores",))


HEADS = (
    (1, 2, 2, 1),
    (1, 2, 2, 2),
    (2, 3, 4, 2),
    (3, 5, 4, 3),
    (2, 4, 4, 4),
)  # batch, tokens, channels, heads


def _whole(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    one = Message("只有一个头。", "A single head.")
    for batch, tokens, channels, heads in HEADS:
        x = _normal(generator, batch, tokens, heads * channels)
        yield Case((x, heads), one if heads == 1 else None, ("x",))
    yield Case((x.float(), heads), FLOAT32, ("x",))


def _in_heads(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    one = Message("只有一个头。", "A single head.")
    for batch, tokens, channels, heads in HEADS:
        x = _normal(generator, batch, heads, tokens, channels)
        yield Case((x,), one if heads == 1 else None, ("x",))
    yield Case((x.float(),), FLOAT32, ("x",))


def look_around(x: Tensor) -> Tensor:
    """An attention without weights, for the cases: every token mixes all, by how alike they are."""
    return 0.2 + 1.5 * (x @ x.roll(1, -1).transpose(1, 2) / x.shape[-1] ** 0.5).softmax(-1) @ x.roll(1, -1)


def think(x: Tensor) -> Tensor:
    """A feed-forward network without weights, for the cases: bends every token on its own."""
    return torch.tanh(2 * x) + 0.3 * x.roll(1, -1) * x - 0.1


def _streams(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    zero = Message("有一个词元全是 0。", "One token is all zeros.")
    nearly = Message("每个词元的各通道几乎相等。", "The channels of each token are nearly equal.")
    for batch, tokens, width in ((1, 1, 3), (1, 2, 4), (2, 3, 5), (3, 4, 8)):
        x = (1 + 2 * torch.rand(batch, tokens, 1, generator=generator, dtype=torch.float64)) * (
            _normal(generator, batch, tokens, width) + 0.5
        )
        yield Case((x, look_around, think), None, ("x",))
    yield Case((x.float(), look_around, think), FLOAT32, ("x",))
    yield Case((0.5 + 2e-3 * _normal(generator, 2, 2, 6), look_around, think), nearly, ("x",))
    x = _normal(generator, 2, 3, 4)
    x[0, 1] = 0
    yield Case((x, look_around, think), zero, ("x",))


# What mistakes share


def _dots(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.transpose(1, 2)


def _one_by_one(rows: Callable[[int, int], bool]) -> Callable[[int], Tensor]:
    """A mask from a question about each place: may query ``i`` look at key ``j``?"""
    return lambda length: torch.tensor(
        [[rows(i, j) for j in range(length)] for i in range(length)], dtype=torch.bool
    )


def _all(length: int) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool)


def _hide(scores: Tensor, mask: Tensor, value: float | Tensor = -math.inf) -> Tensor:
    """The scores with ``value`` wherever the mask is False."""
    return scores.masked_fill(~mask, value)


def _keys(real: Tensor) -> Tensor:
    return real[:, None, :]


def _queries(real: Tensor) -> Tensor:
    return real[:, :, None]


def _lowest(scores: Tensor) -> float:
    return torch.finfo(scores.dtype).min


def _before(scores: Tensor) -> Tensor:
    return torch.ones(scores.shape[1:], dtype=torch.bool).tril()


def _up_to_length(real: Tensor) -> Tensor:
    """Right only where all padding stands at the end."""
    return torch.arange(real.shape[1]) < real.sum(1, keepdim=True)


def _first_pad(real: Tensor) -> Tensor:
    """True at the first PAD of each text."""
    return ~real & ((~real).cumsum(1) == 1)


def _renormalised(scores: Tensor, real: Tensor, eps: float = 0.0) -> Tensor:
    kept = scores.softmax(-1) * _keys(real)
    return kept / (kept.sum(-1, keepdim=True) + eps)


def _naive_softmax(scores: Tensor, real: Tensor) -> Tensor:
    kept = scores.exp() * _keys(real)
    return kept / kept.sum(-1, keepdim=True)


def _one_maximum(scores: Tensor, real: Tensor) -> Tensor:
    kept = _hide(scores, _keys(real))
    exp = (kept - kept.amax()).exp()
    return exp / exp.sum(-1, keepdim=True)


def _blocks(x: Tensor, heads: int, start: Callable[[int, int], int]) -> Tensor:
    """Heads cut out one by one; ``start(head, channels)`` is where each begins."""
    channels = x.shape[-1] // heads
    return torch.stack(
        [x[..., start(h, channels) : start(h, channels) + channels] for h in range(heads)], dim=1
    )


def _written(x: Tensor, start: Callable[[int], int]) -> Tensor:
    """Heads written one after the other into a tensor of zeros, each from ``start(head)`` on."""
    batch, heads, tokens, channels = x.shape
    merged = x.new_zeros(batch, tokens, heads * channels)
    for h in range(heads):
        merged[..., start(h) : start(h) + channels] = x[:, h]
    return merged


def _cut(x: Tensor, heads: int) -> tuple[int, int, int, int]:
    batch, tokens, width = x.shape
    return batch, heads, tokens, width // heads


def _joined(x: Tensor) -> tuple[int, int, int]:
    batch, heads, tokens, channels = x.shape
    return batch, tokens, heads * channels


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=EPS)


def _norm_over(*dims: int) -> Layer:
    """Mean 0, variance 1 over other axes than the channels."""
    return lambda x: (x - x.mean(dims, keepdim=True)) / (x.var(dims, keepdim=True, correction=0) + EPS).sqrt()


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


def _variance(x: Tensor, correction: int = 0) -> Tensor:
    return x.var(-1, keepdim=True, correction=correction)


def _block(norm: Layer) -> Callable[[Tensor, Layer, Layer], Tensor]:
    """The right block around another norm."""

    def run(x: Tensor, attention: Layer, feed_forward: Layer) -> Tensor:
        x = x + attention(norm(x))
        return x + feed_forward(norm(x))

    return run


def _post_norm(x: Tensor, attention: Layer, feed_forward: Layer) -> Tensor:
    x = _norm(x + attention(x))
    return _norm(x + feed_forward(x))


def _norm_on_the_stream(x: Tensor, attention: Layer, feed_forward: Layer) -> Tensor:
    x = _norm(x)
    x = _norm(x + attention(x))
    return x + feed_forward(x)


def _norm_after_each_half(x: Tensor, attention: Layer, feed_forward: Layer) -> Tensor:
    x = x + _norm(attention(x))
    return x + _norm(feed_forward(x))


def _same(x: Tensor) -> Tensor:
    return x


def _received(function: Callable[..., Tensor], x: Tensor, attention: Layer | None = None) -> Tensor:
    """What the last half receives: attention where none is given, else the feed-forward network after it."""
    seen = [x.new_empty(0)]

    def listen(z: Tensor) -> Tensor:
        seen.append(z)
        return torch.zeros_like(z)

    function(x, attention or listen, listen if attention else torch.zeros_like)
    return seen[-1]


def _two_norms(first: Layer, second: Layer) -> Callable[[Tensor, Layer, Layer], Tensor]:
    def run(x: Tensor, attention: Layer, feed_forward: Layer) -> Tensor:
        x = x + attention(first(x))
        return x + feed_forward(second(x))

    return run


def _residuals(first: bool, second: bool) -> Callable[[Tensor, Layer, Layer], Tensor]:
    def run(x: Tensor, attention: Layer, feed_forward: Layer) -> Tensor:
        x = first * x + attention(_norm(x))
        return second * x + feed_forward(_norm(x))

    return run


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-4, atol=1e-4)


ATTENTION_SCORES = Exercise(
    "attention_scores",
    attention_scores,
    _queries_and_keys,
    mistakes=(
        Mistake(
            "not_scaled",
            _dots,
            zh="忘了按维数缩放。点积是许多项之和，维数越大，分数的起伏越大，softmax 就几乎只选一个键，梯度也几乎没有了。看看公式里的分母。",
            en="The scaling by the width is missing. A dot product adds up many terms, so scores spread more the wider the vectors are; "
            "the softmax then picks almost a single key, and hardly any gradient is left. Look at the denominator of the formula.",
        ),
        Mistake(
            "divided_by_dim",
            lambda query, key: _dots(query, key) / query.shape[-1],
            zh="缩得太小了：除以了整个维数（或者缩放了两次）。独立的项相加，方差与维数成正比，起伏只与它的平方根成正比。",
            en="Scaled down too far: by the whole width, or twice. Adding independent terms makes the variance grow with the width, "
            "but the spread only with its square root.",
        ),
        Mistake(
            "multiplied_by_root",
            lambda query, key: _dots(query, key) * query.shape[-1] ** 0.5,
            zh="方向反了：乘了那个平方根，分数的起伏变得更大，softmax 更极端。缩放是为了把起伏拉回 1 左右。",
            en="The wrong way round: the root multiplies, so scores spread even more. The scaling is to bring their spread back to about 1.",
        ),
        Mistake(
            "half_of_dim",
            lambda query, key: _dots(query, key) / (query.shape[-1] * 0.5),
            zh="除以了维数的一半，不是维数的平方根：`* 0.5` 和 `** 0.5` 只差一个星号。",
            en="Divided by half the width instead of its square root: `* 0.5` and `** 0.5` differ by one star.",
        ),
        Mistake(
            "root_of_tokens",
            lambda query, key: _dots(query, key) / key.shape[1] ** 0.5,
            zh="开方的是词元的个数，不是维数：句子一变长，分数就变小。起伏来自点积里相加的项数，看看取的是形状的第几个数。",
            en="The root is of the number of tokens, not of the width: scores would shrink as texts get longer. The spread comes from the number "
            "of terms in one dot product; see which entry of the shape you take.",
        ),
        Mistake(
            "root_of_batch",
            lambda query, key: _dots(query, key) / len(query) ** 0.5,
            zh="开方的是批次的大小：同一句话的分数会随同批次的句子有几个而变。`len` 给的是第一根轴，要的是最后一根。",
            en="The root is of the batch size: a text's scores would depend on how many others are in the batch. `len` is the first axis; you need the last.",
        ),
        Mistake(
            "transposed",
            lambda query, key: _dots(key, query) / query.shape[-1] ** 0.5,
            zh="行和列反了：应当行是查询、列是键。个数相同时形状看不出来，可之后沿最后一根轴做 softmax，就成了键在选查询。",
            en="Rows and columns are exchanged: a row is a query, a column a key. With as many of both the shape does not show it, but a softmax over "
            "the last axis would then let keys choose queries.",
        ),
        Mistake(
            "key_reshaped",
            lambda query, key: (
                query @ key.reshape(key.shape[0], key.shape[2], key.shape[1]) / query.shape[-1] ** 0.5
            ),
            zh="键没有转置，只是被 `reshape` / `view` 重新分段了：一列里混着好几个键的数。要换的是轴。",
            en="The keys were not transposed but cut anew by `reshape` / `view`, so a column mixes numbers of several keys. It is the axes that change places.",
        ),
        Mistake(
            "cosine",
            lambda query, key: _dots(F.normalize(query, dim=-1), F.normalize(key, dim=-1)),
            zh="这是余弦，不是点积。注意力让向量的长度也说话：长的键能得到更多的注意，长的查询选得更专一。除的只是一个固定的数。",
            en="These are cosines. Attention lets lengths speak as well: a long key draws more attention, a long query chooses more sharply. "
            "The division is by one fixed number.",
        ),
        Mistake(
            "cosine_scaled",
            lambda query, key: (
                _dots(F.normalize(query, dim=-1), F.normalize(key, dim=-1)) / query.shape[-1] ** 0.5
            ),
            zh="既归一化了，又缩放了。余弦本来就不超过 1，再缩小，softmax 几乎是均匀的。点积要用原来的向量。",
            en="Normalised and scaled. Cosines are at most 1 anyway; smaller still, their softmax is nearly flat. Use the vectors as they are.",
        ),
        Mistake(
            "softmax_added",
            lambda query, key: attention_scores(query, key).softmax(-1),
            zh="softmax 已经做了，这是权重，不是分数。掩码要加在分数上，所以这里先停在 softmax 之前。",
            en="The softmax is done already: these are weights, not scores. Masks act on the scores, so stop before the softmax.",
        ),
        Mistake(
            "scaled_after_softmax",
            lambda query, key: _dots(query, key).softmax(-1) / query.shape[-1] ** 0.5,
            zh="先做了 softmax，再缩放：权重的和不是 1，softmax 的极端也没有缓和。这里只要分数，不要 softmax。",
            en="First the softmax, then the scaling: weights no longer sum to 1, and the softmax was as extreme as before. Only scores are asked for here.",
        ),
        Mistake(
            "maximum_subtracted",
            lambda query, key: (
                attention_scores(query, key) - attention_scores(query, key).amax(-1, keepdim=True)
            ),
            zh="每一行减去了最大值。那是 softmax 内部防溢出的做法，结果虽不变，却不是题目要的分数。",
            en="Each row's maximum was subtracted. That is what a softmax does inside against overflow; harmless, but not the scores asked for.",
        ),
        Mistake(
            "first_text_for_all",
            lambda query, key: query @ key[0].T / query.shape[-1] ** 0.5,
            zh="每一句的查询都在看第一句的键：批次这根轴没有跟着走。",
            en="The queries of every text look at the keys of the first: the batch axis was not carried along.",
        ),
        Mistake(
            "keys_with_themselves",
            lambda query, key: _dots(key, key) / query.shape[-1] ** 0.5,
            zh="查询没有用上：是键和键在相乘。看看乘号的左边。",
            en="The queries are not used: keys are multiplied with keys. Look at the left side of the product.",
        ),
        Mistake(
            "queries_with_themselves",
            lambda query, key: _dots(query, query) / query.shape[-1] ** 0.5,
            zh="键没有用上：是查询和查询在相乘。看看乘号的右边。",
            en="The keys are not used: queries are multiplied with queries. Look at the right side of the product.",
        ),
        Mistake(
            "distance",
            lambda query, key: torch.cdist(query, key) / query.shape[-1] ** 0.5,
            zh="这是距离，越小越像；分数要越大越像。用点积。",
            en="These are distances, small for what is alike; a score is to be large. Use the dot product.",
        ),
    ),
    properties=(
        Property(
            lambda function, query, key: _close(function(query[-1:], key[-1:]), function(query, key)[-1:]),
            zh="一句话的分数与同批次的其他句子无关。",
            en="the scores of a text do not depend on the others in the batch.",
        ),
        Property(
            lambda function, query, key: _close(function(2 * query, key), 2 * function(query, key)),
            zh="查询加倍，分数也加倍（点积是线性的）。",
            en="doubling the queries doubles the scores (a dot product is linear).",
        ),
        Property(
            lambda function, query, key: _close(
                function(key, query), function(query, key).transpose(1, 2).contiguous()
            ),
            zh="查询和键互换，矩阵转置。",
            en="exchanging queries and keys transposes the matrix.",
        ),
        Property(
            lambda function, query, key: _close(
                function(torch.cat([query, query], -1), torch.cat([key, key], -1)),
                2**0.5 * function(query, key),
            ),
            zh="每个向量首尾相接重复一遍，维数翻倍，分数变为 √2 倍（缩放）。",
            en="repeating every vector end to end doubles the width and makes the scores √2 times as large (scaling).",
        ),
    ),
    demands=(
        Property(
            lambda function, query, key: _close(
                function(query[:, :1], torch.cat([key, key], 1)),
                attention_scores(query[:, :1], torch.cat([key, key], 1)),
            ),
            zh="查询和键的个数相同时是对的，不同时不对。交叉注意力里，两边的个数不一样：看看每个形状取自哪一边。",
            en="Right for as many queries as keys, wrong for other numbers. In cross-attention the two differ: see from which side you take each shape.",
        ),
    ),
    hints=(
        Message(
            "每个查询和每个键做一次点积，再除以同一个数，让起伏与维数无关。",
            "Every query meets every key in a dot product; one number then makes the spread independent of the width.",
        ),
        Message(
            "一批矩阵可以直接用 `@` 相乘，只要把键的最后两根轴换过来。那个数是维数的平方根。",
            "`@` multiplies batches of matrices, once the last two axes of the keys have changed places. The number is the square root of the width.",
        ),
        Message(
            "`query @ key.transpose(…, …)`，除以 `query.shape[-1]` 的平方根；不做 softmax。",
            "`query @ key.transpose(…, …)`, divided by the square root of `query.shape[-1]`; no softmax.",
        ),
    ),
    minutes=10,
    mark="★★",
)

CAUSAL_MASK = Exercise(
    "causal_mask",
    causal_mask,
    _lengths,
    mistakes=(
        Mistake(
            "hidden_is_true",
            lambda length: _all(length).triu(1),
            zh="该看的和不该看的正好反了：你的 True 表示“挡住”，这里的 True 表示“可以看”。两种约定都有人用，混用时程序不会报错。",
            en="Just the other way round: your True means hidden, here True means may look. Both conventions are in use, and mixing them raises no error.",
        ),
        Mistake(
            "future",
            lambda length: _all(length).triu(),
            zh="每个词元看的是自己和后面的词元：训练时答案就在眼前，生成时后面却什么也没有。行是查询，列是键；你留下的是另一半三角，或者多转置了一次。",
            en="Each token sees itself and what comes after: in training the answer lies open, in generation there is nothing there. A row is a query, a column a key; "
            "you kept the other triangle, or transposed once too often.",
        ),
        Mistake(
            "itself_left_out",
            lambda length: _all(length).tril(-1),
            zh="词元看不到自己，第一个词元便什么都看不到，那一行的 softmax 会是 NaN。对角线也要留下。",
            en="A token does not see itself, and the first sees nothing at all: its softmax would be NaN. The diagonal belongs to it.",
        ),
        Mistake(
            "one_leaks",
            lambda length: _all(length).tril(1),
            zh="多看了一个：下一个词元露了出来，而它正是要预测的答案。训练损失会好得出奇，生成却一团糟。看看对角线的偏移，或切片的终点。",
            en="One too many: the next token shows, and it is the very answer to predict. Training loss gets suspiciously good and generation is rubbish. "
            "Check the offset of the diagonal, or where your slice ends.",
        ),
        Mistake(
            "everything",
            _all,
            zh="什么都没有挡：每个词元都能看到全句。这是编码器的注意力，不是因果的。",
            en="Nothing is hidden: every token sees the whole text. That is an encoder's attention, not a causal one.",
        ),
        Mistake(
            "nothing",
            lambda length: ~_all(length),
            zh="全是 False：谁都不能看，softmax 会是 NaN。掩码建好之后没有填，或者填到了别的张量里。",
            en="All False: nobody may look anywhere, and the softmax would be NaN. The mask was made but not filled, or something else was.",
        ),
        Mistake(
            "only_itself",
            _one_by_one(lambda i, j: i == j),
            zh="每个词元只看自己，注意力就没有事可做了。之前的词元也要看得到。",
            en="Each token sees only itself, which leaves attention nothing to do. What came before has to be visible too.",
        ),
        Mistake(
            "only_the_previous",
            _one_by_one(lambda i, j: j == i - 1),
            zh="只看得到前一个词元。要看到自己，以及之前的**全部**。",
            en="Only the previous token is visible. It should be the token itself and *all* that came before.",
        ),
        Mistake(
            "itself_and_the_previous",
            _one_by_one(lambda i, j: i - 1 <= j <= i),
            zh="只看得到自己和前一个词元，更早的被挡住了，整句话的开头就传不过来。",
            en="Only the token and the one before it are visible; earlier ones are hidden, so the start of the text never arrives.",
        ),
        Mistake(
            "all_but_itself",
            _one_by_one(lambda i, j: i != j),
            zh="只挡住了自己，后面的词元全都看得到。因果说的是先后：挡住之后的，留下自己。",
            en="Only the token itself is hidden, and all that comes after shows. Causal is about order: hide what comes later, keep the token.",
        ),
        Mistake(
            "mirrored",
            lambda length: _all(length).tril().flip(-1),
            zh="三角左右反了：第一个词元看的是最后一个。列也是从前往后数的，哪一步把次序倒过来了？",
            en="The triangle is mirrored: the first token looks at the last. Columns count from the front as well; what reverses their order?",
        ),
        Mistake(
            "last_row_empty",
            lambda length: _one_by_one(lambda i, j: j <= i < length - 1)(length),
            zh="最后一行是空的：循环少走了一步，最后一个词元什么都看不到。",
            en="The last row is empty: a loop ends one step early, and the last token sees nothing.",
        ),
        Mistake(
            "first_row_empty",
            _one_by_one(lambda i, j: j <= i and i > 0),
            zh="第一行是空的：循环从 1 开始了，第一个词元连自己都看不到，softmax 会是 NaN。",
            en="The first row is empty: a loop starts at 1, so the first token does not even see itself, and its softmax would be NaN.",
        ),
    ),
    properties=(
        Property(
            lambda function, length: bool(function(length).diagonal().all()),
            zh="每个词元都看得到自己。",
            en="every token sees itself.",
        ),
        Property(
            lambda function, length: not bool(function(length).triu(1).any()),
            zh="没有词元看得到后面的词元。",
            en="no token sees a later one.",
        ),
        Property(
            lambda function, length: function(length).sum(1).tolist() == list(range(1, length + 1)),
            zh="第 i 行（从 1 数起）有 i 个 True。",
            en="row i, counted from 1, holds i times True.",
        ),
    ),
    hints=(
        Message(
            "把每一行读成一个问题：第 i 个词元可以看哪些列？画出长度为 3 的表来。",
            "Read each row as a question: at which columns may token i look? Draw the table for length 3.",
        ),
        Message(
            "True 填满下三角，包括对角线。数列号和行号的大小也行。",
            "True fills the lower triangle, diagonal included. Comparing column numbers with row numbers works too.",
        ),
        Message(
            "从全是 True 的 `torch.ones(…, dtype=torch.bool)` 出发，用 `.tril()` 留下一半。",
            "Start from `torch.ones(…, dtype=torch.bool)` and keep half of it with `.tril()`.",
        ),
    ),
    minutes=5,
    mark="★★",
)

PADDED_WEIGHTS = Exercise(
    "padded_weights",
    padded_weights,
    _padded,
    mistakes=(
        Mistake(
            "mask_ignored",
            lambda scores, real: scores.softmax(-1),
            zh="没有用上掩码，PAD 也分到了注意力：同一句话补得越长，结果越不一样。如果你调用过 `masked_fill`，看看它的返回值有没有接住。",
            en="The mask is not used and padding gets attention: the same text, padded further, gives another result. If you did call `masked_fill`, "
            "see whether you kept what it returns.",
        ),
        Mistake(
            "mask_after_softmax",
            lambda scores, real: scores.softmax(-1) * _keys(real),
            zh="掩码用在了 softmax 之后：PAD 是 0 了，可它们拿走的那一份没有还回来，一行的和不到 1，补得越长，输出越小。掩码应当用在哪一步之前？",
            en="The mask comes after the softmax: padding is at 0, but the share it took is lost, so rows sum to less than 1, and the output shrinks as padding grows. "
            "Before which step does a mask belong?",
        ),
        Mistake(
            "zero_for_minus_infinity",
            lambda scores, real: (scores * _keys(real)).softmax(-1),
            zh="PAD 的分数变成了 0，可 0 是个普普通通的分数，e⁰ = 1：它照样分到注意力，甚至比负分的真词元还多。什么样的分数，取指数以后才是 0？",
            en="The scores of padding became 0, but 0 is an ordinary score, and e⁰ = 1: padding still gets attention, more than a real token with a negative score. "
            "Which score has the exponential 0?",
        ),
        Mistake(
            "inverted",
            lambda scores, real: _hide(scores, ~_keys(real)).softmax(-1),
            zh="掩码反了：挡住的是真词元，留下的是 PAD；没有 PAD 的句子，整行都成了 NaN。这里 True 是真词元，而 `masked_fill` 填的是 True 的地方。",
            en="The mask is inverted: real tokens are hidden and padding stays; a text without padding turns into NaN. Here True means real, "
            "while `masked_fill` fills where it finds True.",
        ),
        Mistake(
            "inverted_lowest",
            lambda scores, real: _hide(scores, ~_keys(real), _lowest(scores)).softmax(-1),
            zh="掩码反了：挡住的是真词元，留下的是 PAD。这里 True 是真词元，而 `masked_fill` 填的是 True 的地方。",
            en="The mask is inverted: real tokens are hidden and padding stays. Here True means real, while `masked_fill` fills where it finds True.",
        ),
        Mistake(
            "queries_masked",
            lambda scores, real: _hide(scores, _queries(real)).softmax(-1),
            zh="挡住的是行（查询），不是列（键）：PAD 的那几行成了 NaN，而真词元还在看 PAD。要让谁都看不到 PAD，掩码该沿哪根轴排开？",
            en="Rows (queries) are hidden instead of columns (keys): the rows of padding turn into NaN, and real tokens still look at padding. For nobody to look at it, "
            "along which axis must the mask lie?",
        ),
        Mistake(
            "queries_masked_lowest",
            lambda scores, real: _hide(scores, _queries(real), _lowest(scores)).softmax(-1),
            zh="挡住的是行（查询），不是列（键）：PAD 的那几行成了均匀的，而真词元还在看 PAD。要让谁都看不到 PAD，掩码该沿哪根轴排开？",
            en="Rows (queries) are hidden instead of columns (keys): the rows of padding become flat, and real tokens still look at padding. For nobody to look at it, "
            "along which axis must the mask lie?",
        ),
        Mistake(
            "both_masked",
            lambda scores, real: _hide(scores, _keys(real) & _queries(real)).softmax(-1),
            zh="列挡住了，是对的；可 PAD 的行也整行挡住了，成了 NaN，再乘什么都是 NaN。PAD 当查询时的输出没有人用，让它照常去看真词元就好。",
            en="Hiding columns is right; but the rows of padding are hidden as well, and a row that may look at nothing is NaN, which spreads. Nobody uses what padding computes as a query: "
            "let it look at real tokens like the rest.",
        ),
        Mistake(
            "pad_queries_zeroed",
            lambda scores, real: padded_weights(scores, real) * _queries(real),
            zh="列都对，但 PAD 的行被清成了 0，和不再是 1。掩码只管键；查询不只来自这句话（交叉注意力里就不是），每一行的和都要是 1。",
            en="The columns are right, but the rows of padding were set to 0 and no longer sum to 1. The mask is about keys; queries may come from elsewhere, as in cross-attention, "
            "and every row sums to 1.",
        ),
        Mistake(
            "softmax_over_queries",
            lambda scores, real: _hide(scores, _keys(real)).softmax(1),
            zh="softmax 沿查询做了：每一**列**的和是 1，全被挡住的列成了 NaN。一个查询要把自己的注意力分给各个键，看看 `dim`。",
            en="The softmax runs over queries: each *column* sums to 1, and hidden columns turn into NaN. It is a query that shares its attention among the keys; look at `dim`.",
        ),
        Mistake(
            "softmax_over_queries_lowest",
            lambda scores, real: _hide(scores, _keys(real), _lowest(scores)).softmax(1),
            zh="softmax 沿查询做了：每一**列**的和是 1，PAD 的列也是。一个查询要把自己的注意力分给各个键，看看 `dim`。",
            en="The softmax runs over queries: each *column* sums to 1, those of padding too. It is a query that shares its attention among the keys; look at `dim`.",
        ),
        Mistake(
            "softmax_over_batch",
            lambda scores, real: _hide(scores, _keys(real)).softmax(0),
            zh="softmax 沿批次做了：各句话在互相争抢注意力。`dim=0` 是批次（不写 `dim` 时，三维张量也会这样）；要沿键的那根轴。",
            en="The softmax runs over the batch: texts compete with each other. `dim=0` is the batch, and also what a three-dimensional tensor gets without `dim`; take the axis of keys.",
        ),
        Mistake(
            "minus_ten",
            lambda scores, real: _hide(scores, _keys(real), -10.0).softmax(-1),
            zh="−10 不够低：PAD 只是变少了，没有变成 0，每个 PAD 还漏进一点点，上千个加起来就不少了。权重要正好是 0。",
            en="−10 is not low enough: padding gets little, but not nothing, and a thousand times little is much. The weights have to be exactly 0.",
        ),
        Mistake(
            "constant_too_high",
            lambda scores, real: _hide(scores, _keys(real), -1000.0).softmax(-1),
            zh="填进去的数是固定的，而真实的分数可以比它更低（这里在 −2000 附近），那时注意力就全给了 PAD。换成无论如何都最低的数。",
            en="You fill in a fixed number, and real scores may be lower still (here near −2000): then padding gets all the attention. Take a number that is lowest whatever comes.",
        ),
        Mistake(
            "constant_still_too_high",
            lambda scores, real: _hide(scores, _keys(real), -10_000.0).softmax(-1),
            zh="填进去的数是固定的，而真实的分数可以比它更低（这里在 −200000 附近），那时注意力就全给了 PAD。换成无论如何都最低的数。",
            en="You fill in a fixed number, and real scores may be lower still (here near −200,000): then padding gets all the attention. Take a number that is lowest whatever comes.",
        ),
        Mistake(
            "one_maximum_for_all",
            _one_maximum,
            zh="减的是所有分数的最大值：有的查询分数低 2000，它那一行的指数全成了零，0/0 是 NaN。每一行要减自己的最大值。",
            en="The maximum of all scores was subtracted: for a query whose scores are 2,000 lower every exponential is zero, and 0/0 is NaN. Each row needs its own maximum.",
        ),
        Mistake(
            "added_constant_too_small",
            lambda scores, real: (scores - 1000 * ~_keys(real)).softmax(-1),
            zh="从 PAD 的分数里减了一个固定的数，可 PAD 的分数是随意的，可以高出 2000，减完还是最高。PAD 原来的分数不该起任何作用。",
            en="A fixed number is subtracted from the scores of padding, but those are arbitrary, here 2000 above the rest, and stay the highest. What padding scored should not matter at all.",
        ),
        Mistake(
            "infinity_times_zero",
            lambda scores, real: (scores + -math.inf * (~_keys(real)).to(scores.dtype)).softmax(-1),
            zh="全是 NaN：0 乘以 −∞ 不是 0，是 NaN。不要用乘法造掩码，按掩码直接填值。",
            en="All NaN: zero times −∞ is not 0 but NaN. Do not build the mask by multiplying; fill values in by the mask.",
        ),
        Mistake(
            "first_text_for_all",
            lambda scores, real: _hide(scores, real[0]).softmax(-1),
            zh="每一句都用了第一句的掩码。句子长短不同，掩码也各不相同：批次这根轴要对上批次，中间再补一根长度为 1 的轴。",
            en="Every text got the mask of the first. Texts differ in length and so do their masks: batch has to meet batch, with a new axis of length 1 in between.",
        ),
        Mistake(
            "first_pad_only",
            lambda scores, real: _hide(scores, ~_keys(_first_pad(real))).softmax(-1),
            zh="每句只挡住了第一个 PAD，后面的还在分注意力。不要找位置，整个掩码一次用上。",
            en="Only the first PAD of each text is hidden, the others still get attention. There is no place to look for: apply the whole mask at once.",
        ),
        Mistake(
            "length_only",
            lambda scores, real: _hide(scores, _keys(_up_to_length(real))).softmax(-1),
            zh="你数了真词元的个数，再从头留下这么多。PAD 在最后时是对的；有的分词器把 PAD 补在前面，那就挡错了。直接用掩码的位置。",
            en="You count the real tokens and keep as many from the start. That is right while padding stands at the end; some tokenizers pad in front, and then the wrong ones are hidden. "
            "Use the places the mask gives.",
        ),
        Mistake(
            "renormalised_after",
            _renormalised,
            zh="先 softmax，再挡住，再除以和：纸面上是对的。可当 PAD 的分数高得多时，真词元的权重已经下溢成 0，再除就是 0/0 = NaN。让 PAD 根本不进 softmax。",
            en="Softmax, hide, divide by the sum: right on paper. But where padding scores far higher, the weights of real tokens have underflowed to 0 already, and 0/0 is NaN. "
            "Keep padding out of the softmax altogether.",
        ),
        Mistake(
            "renormalised_with_epsilon",
            lambda scores, real: _renormalised(scores, real, 1e-9),
            zh="先 softmax，再挡住，再除以和，分母里还加了一点防止 0/0。可当 PAD 的分数高得多时，真词元的权重已经下溢成 0，整行就都是 0。让 PAD 根本不进 softmax。",
            en="Softmax, hide, divide by the sum plus a little against 0/0. But where padding scores far higher, the weights of real tokens have underflowed to 0 already, and the whole row is 0. "
            "Keep padding out of the softmax altogether.",
        ),
        Mistake(
            "overflow",
            _naive_softmax,
            zh="分数大（600）时指数溢出成无穷，分数很低时又全成了 0，一除就是 NaN。先减去每行真词元里最大的分数；哪个现成的函数会替你做？",
            en="For scores like 600 the exponential overflows, for very low ones it vanishes, and the division gives NaN. The largest score of the real tokens has to be subtracted first; "
            "which function does that for you?",
        ),
        Mistake(
            "softmax_twice",
            lambda scores, real: _hide(scores.softmax(-1), _keys(real)).softmax(-1),
            zh="softmax 做了两次：第二次的输入都在 0 到 1 之间，结果几乎是均匀的。先挡住，然后只做一次。",
            en="The softmax runs twice: what enters the second lies between 0 and 1, so the result is nearly flat. Hide first, then once is enough.",
        ),
        Mistake(
            "filled_with_smallest",
            lambda scores, real: _hide(scores, _keys(real), scores.min()).softmax(-1),
            zh="PAD 的分数换成了最小的那个分数。最小的分数也有权重，PAD 还是分到了注意力。",
            en="The scores of padding were replaced by the smallest score. Even that one has some weight, so padding still gets attention.",
        ),
        Mistake(
            "mean_of_real",
            lambda scores, real: (
                (_keys(real).to(scores.dtype) / _keys(real).sum(-1, keepdim=True)).expand_as(scores).clone()
            ),
            zh="真词元平分了注意力，分数没有用上：这是平均池化，不是注意力。",
            en="Real tokens share attention evenly and the scores are not used: that is mean pooling, not attention.",
        ),
        Mistake(
            "causal_too",
            lambda scores, real: _hide(scores, _keys(real) & _before(scores)).softmax(-1),
            zh="连后面的词元也挡住了。那是因果掩码的事；这里每个查询都能看到全部真词元。",
            en="Later tokens are hidden as well. That is the business of a causal mask; here every query may look at all real tokens.",
        ),
        Mistake(
            "logarithms",
            lambda scores, real: _hide(scores, _keys(real)).log_softmax(-1),
            zh="这是权重的对数。要的是权重本身：在 0 到 1 之间，每行的和是 1。",
            en="These are the logarithms of the weights. The weights themselves are wanted: between 0 and 1, each row summing to 1.",
        ),
    ),
    properties=(
        Property(
            lambda function, scores, real: (
                not bool(function(scores, real).masked_select(~_keys(real).expand_as(scores)).any())
            ),
            zh="PAD 的权重正好是 0。",
            en="the weights of padding are exactly 0.",
        ),
        Property(
            lambda function, scores, real: _close(
                function(scores, real).sum(-1), torch.ones_like(scores[..., 0])
            ),
            zh="每个查询的权重之和是 1。",
            en="the weights of each query sum to 1.",
        ),
        Property(
            lambda function, scores, real: _close(
                function(scores + 3.0 * ~_keys(real), real), function(scores, real)
            ),
            zh="PAD 的分数是多少，结果都不变。",
            en="whatever padding scores, the result stays the same.",
        ),
        Property(
            lambda function, scores, real: _close(function(scores + 5, real), function(scores, real)),
            zh="所有分数加上同一个数，结果不变。",
            en="adding one number to all scores leaves the result alone.",
        ),
    ),
    demands=(
        Property(
            lambda function, scores, real: (
                not bool(function(scores, real).masked_select(~_keys(real).expand_as(scores)).any())
            ),
            zh="PAD 的权重很小，但不正好是 0：填进去的分数还不够低。",
            en="The weights of padding are tiny, but not exactly 0: the score filled in is not low enough.",
        ),
        Property(
            lambda function, scores, real: _close(
                function(scores[:, :1], real), padded_weights(scores[:, :1], real)
            ),
            zh="查询和键的个数相同时是对的，不同时不对。掩码只说键，不要从它推断有几个查询。",
            en="Right for as many queries as keys, wrong for other numbers. The mask is about keys; do not take the number of queries from it.",
        ),
    ),
    hints=(
        Message(
            "让 PAD 在取指数之后变成 0，softmax 就自然只在真词元里分配。想想什么分数的指数是 0。",
            "Let padding be 0 after the exponential, and the softmax shares among real tokens by itself. Which score has the exponential 0?",
        ),
        Message(
            "分数是 (batch, queries, keys)，掩码是 (batch, keys)：给掩码在中间添一根轴，它就会对每个查询都起作用。`~` 把 True 和 False 对调。",
            "Scores are (batch, queries, keys), the mask is (batch, keys): with an axis added in the middle it acts on every query. `~` exchanges True and False.",
        ),
        Message(
            "`scores.masked_fill(…, -math.inf)`，第一个参数是 PAD 所在的地方（用 `real[:, None, :]` 写出来），然后 `.softmax(dim=-1)`。",
            "`scores.masked_fill(…, -math.inf)`, whose first argument says where padding is (write it with `real[:, None, :]`), then `.softmax(dim=-1)`.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

SPLIT_HEADS = Exercise(
    "split_heads",
    split_heads,
    _whole,
    mistakes=(
        Mistake(
            "reshape_only",
            lambda x, heads: x.reshape(_cut(x, heads)),
            zh="形状对了，内容乱了：`reshape` / `view` 按内存次序重新分段，一个头里混进了别的词元的其他通道。先把通道拆成两根轴，再**移动**轴。",
            en="The shape is right, the contents are not: `reshape` / `view` cut the numbers anew in the order of memory, and one head mixes tokens and channels. "
            "First split the channels into two axes, then *move* an axis.",
        ),
        Mistake(
            "interleaved",
            lambda x, heads: rearrange(x, "b n (c h) -> b h n c", h=heads),
            zh="通道是一个隔一个分给各头的：第 0 个给头 0，第 1 个给头 1……约定是成块分：前 width/heads 个给头 0。括号里靠右的轴走得最快。"
            "用这种切法，别人训练好的权重就读错了。",
            en="The channels are dealt out like cards: 0 to head 0, 1 to head 1, … The convention is blocks: the first width/heads go to head 0. In a bracket the axis on the right runs fastest. "
            "Cut like this, weights trained elsewhere would be misread.",
        ),
        Mistake(
            "tokens_and_channels_mixed",
            lambda x, heads: x.transpose(1, 2).reshape(_cut(x, heads)),
            zh="先换了轴，接着的 `reshape` 又把词元和通道搅在了一起。词元那根轴在拆分时要原样留着：拆的只是最后一根轴。",
            en="Axes were exchanged first, and the `reshape` after it mixed tokens with channels. The axis of tokens stays whole while you split: only the last axis is cut.",
        ),
        Mistake(
            "tokens_last",
            lambda x, heads: x.reshape(len(x), heads, -1, x.shape[1]).transpose(2, 3),
            zh="拆的时候，把最前面的词元轴也卷了进去，再转置已经晚了。`reshape` 只能把 (width) 换成 (heads, width/heads)，前面的轴次序不变。",
            en="The split swept up the axis of tokens as well, and the transposition comes too late. `reshape` may only turn (width) into (heads, width/heads); the axes in front keep their order.",
        ),
        Mistake(
            "batch_mixed",
            lambda x, heads: x.reshape(heads, len(x), x.shape[1], -1).transpose(0, 1).reshape(_cut(x, heads)),
            zh="不同句子的内容混进了同一个头：heads 被拆到了批次的前面。头来自通道，该拆的是最后一根轴。",
            en="Different texts ended up in one head: heads were split off in front of the batch. Heads come out of the channels, so the last axis is the one to split.",
        ),
        Mistake(
            "sequence_first",
            lambda x, heads: x.reshape(x.shape[1], len(x), heads, -1).permute(1, 2, 0, 3),
            zh="你当作输入是 (tokens, batch, width) 了，那是 PyTorch 一些旧模块的次序。这里批次在最前面。",
            en="You read the input as (tokens, batch, width), the order of some older PyTorch modules. Here the batch comes first.",
        ),
        Mistake(
            "first_block_for_all",
            lambda x, heads: _blocks(x, heads, lambda h, channels: 0),
            zh="每个头拿到的都是第一块通道，其余的没有人看。取块的起点要随头的编号往后移。",
            en="Every head got the first block of channels, and nobody reads the rest. The start of the block has to move with the number of the head.",
        ),
        Mistake(
            "blocks_overlap",
            lambda x, heads: _blocks(x, heads, lambda h, channels: h),
            zh="相邻的两块重叠了：起点每次只移了 1 个通道。每过一个头，要移过一整块。",
            en="Neighbouring blocks overlap: the start moves by one channel. From head to head it moves by a whole block.",
        ),
        Mistake(
            "wrong_step",
            lambda x, heads: _blocks(x, heads, lambda h, channels: h * heads),
            zh="起点的步长用了头的个数。每过一个头，要移过一块的宽度，也就是 width/heads 个通道；两个数碰巧相等时才看不出来。",
            en="The start moves by the number of heads. From head to head it moves by the width of a block, width/heads channels; only where the two happen to be equal does it not show.",
        ),
        Mistake(
            "heads_reversed",
            lambda x, heads: split_heads(x, heads).flip(1),
            zh="头的次序倒过来了：第 0 个头应当拿第一块。",
            en="The heads come in reverse order: head 0 gets the first block.",
        ),
        Mistake(
            "scaled",
            lambda x, heads: split_heads(x, heads) / (x.shape[-1] // heads) ** 0.5,
            zh="这里多除了一次 √(width/heads)。缩放属于分数那一步，拆头只移动数，不改动数。",
            en="There is a division by √(width/heads) here. Scaling belongs to the scores; splitting moves numbers and changes none.",
        ),
        Mistake(
            "first_text_for_all",
            lambda x, heads: split_heads(x[:1].expand_as(x), heads),
            zh="每一句都成了第一句：批次这根轴没有跟着走。",
            en="Every text has become the first: the batch axis was not carried along.",
        ),
    ),
    properties=(
        Property(
            lambda function, x, heads: torch.equal(
                function(x, heads).flatten().sort().values, x.flatten().sort().values
            ),
            zh="拆头只移动数，不改动、不丢失、不重复。",
            en="splitting moves numbers; none is changed, lost or repeated.",
        ),
        Property(
            lambda function, x, heads: torch.equal(function(x, heads)[:, 0], x[..., : x.shape[-1] // heads]),
            zh="第 0 个头就是每个词元的前 width/heads 个通道。",
            en="head 0 is the first width/heads channels of each token.",
        ),
        Property(
            lambda function, x, heads: torch.equal(function(x.flip(1), heads), function(x, heads).flip(2)),
            zh="词元换次序，每个头里的词元跟着换。",
            en="another order of the tokens is the same other order within each head.",
        ),
    ),
    hints=(
        Message(
            "头来自通道：宽度这一根轴拆成两根，（第几个头，头里的第几个通道）。词元还是那些词元。",
            "Heads come out of the channels: the axis of width becomes two, which head and which channel within it. The tokens stay the tokens.",
        ),
        Message(
            "拆完是 (batch, tokens, heads, channels)，还要把头这根轴挪到词元前面。`rearrange` 可以一步做完。",
            "After the split the axes are (batch, tokens, heads, channels); heads still have to move in front of tokens. `rearrange` does both at once.",
        ),
        Message(
            '`rearrange` 的左边是 `"batch token (head channel)"`，右边用同样四个名字，不要括号；别忘了传 `head=heads`。',
            'In `rearrange`, the left side is `"batch token (head channel)"`; the right has the same four names without brackets. Pass `head=heads`.',
        ),
    ),
    minutes=5,
    mark="★★",
)

MERGE_HEADS = Exercise(
    "merge_heads",
    merge_heads,
    _in_heads,
    mistakes=(
        Mistake(
            "reshape_only",
            lambda x: x.reshape(_joined(x)),
            zh="形状对了，内容乱了：头还排在词元前面，`reshape` / `view` 就把同一个头的好几个词元接成了一个。先把头挪到词元后面，再合并最后两根轴。",
            en="The shape is right, the contents are not: heads still stood in front of tokens, so `reshape` / `view` strung several tokens of one head together. "
            "First move heads behind tokens, then join the last two axes.",
        ),
        Mistake(
            "interleaved",
            lambda x: rearrange(x, "b h n c -> b n (c h)"),
            zh="各头的通道交错在一起了：0 号头一个，1 号头一个……应当一块接一块。括号里靠右的轴走得最快；用 `torch.stack` 时看看叠在哪根轴上。",
            en="The channels of the heads are interleaved: one of head 0, one of head 1, … They should follow block by block. In a bracket the axis on the right runs fastest; "
            "with `torch.stack`, see along which axis you stack.",
        ),
        Mistake(
            "channels_moved",
            lambda x: x.transpose(2, 3).reshape(_joined(x)),
            zh="换错了轴：换的是词元和通道，头还在最前面。挨着合并的两根轴必须是头和通道。",
            en="The wrong axes changed places: tokens and channels, with heads still in front. The two axes that are joined must be heads and channels.",
        ),
        Mistake(
            "all_axes_reversed",
            lambda x: x.permute(0, 3, 2, 1).reshape(_joined(x)),
            zh="头和通道对调了，再合并时词元夹在中间，全搅在一起。要换的是头和词元这两根轴。",
            en="Heads and channels changed places, and with tokens in between everything got mixed. The two axes to exchange are heads and tokens.",
        ),
        Mistake(
            "batch_mixed",
            lambda x: x.transpose(0, 1).reshape(_joined(x)),
            zh="不同句子的内容混到了一起：换的是批次和头。批次一直在最前面，换的是后面的轴。",
            en="Different texts were mixed: batch and heads changed places. The batch stays in front; it is the axes behind it that move.",
        ),
        Mistake(
            "sequence_first",
            lambda x: x.permute(2, 0, 1, 3).reshape(_joined(x)),
            zh="结果排成了 (tokens, batch, width) 的次序，那是 PyTorch 一些旧模块的习惯。这里批次在最前面。",
            en="The result is in the order (tokens, batch, width), as some older PyTorch modules have it. Here the batch comes first.",
        ),
        Mistake(
            "written_overlapping",
            lambda x: _written(x, lambda h: h),
            zh="各头写的时候互相盖住了：起点每次只移了 1 个通道。每过一个头，要移过一整块。",
            en="The heads overwrite each other: the start moves by one channel. From head to head it moves by a whole block.",
        ),
        Mistake(
            "wrong_step",
            lambda x: _written(x, lambda h: h * x.shape[1]),
            zh="起点的步长用了头的个数，于是块与块互相盖住，后面空着。每过一个头，要移过一块的宽度。",
            en="The start moves by the number of heads, so blocks overwrite each other and the end stays empty. From head to head it moves by the width of a block.",
        ),
        Mistake(
            "first_head_repeated",
            lambda x: x[:, 0].repeat(1, 1, x.shape[1]),
            zh="第一个头被抄了好几遍，其余的头丢了。",
            en="The first head was copied several times, and the others are lost.",
        ),
        Mistake(
            "heads_averaged",
            lambda x: x.mean(1).repeat(1, 1, x.shape[1]),
            zh="各头被平均了，于是都成了一样的：分头正是为了让它们各看各的。并排放，不要平均。",
            en="The heads were averaged and are now all the same; they were split so that each can look at something else. Put them side by side.",
        ),
        Mistake(
            "heads_reversed",
            lambda x: merge_heads(x.flip(1)),
            zh="头的次序倒过来了：第 0 个头放在最前面。",
            en="The heads come in reverse order: head 0 goes first.",
        ),
        Mistake(
            "divided_by_heads",
            lambda x: merge_heads(x) / x.shape[1],
            zh="多除了一次头的个数。合并是并排放，不是求和或平均，数都不变。",
            en="There is a division by the number of heads. Merging puts them side by side; it neither adds nor averages, and no number changes.",
        ),
        Mistake(
            "first_text_for_all",
            lambda x: merge_heads(x[:1].expand_as(x)),
            zh="每一句都成了第一句：批次这根轴没有跟着走。",
            en="Every text has become the first: the batch axis was not carried along.",
        ),
    ),
    properties=(
        Property(
            lambda function, x: torch.equal(function(x).flatten().sort().values, x.flatten().sort().values),
            zh="合并只移动数，不改动、不丢失、不重复。",
            en="merging moves numbers; none is changed, lost or repeated.",
        ),
        Property(
            lambda function, x: torch.equal(function(x)[..., : x.shape[-1]], x[:, 0]),
            zh="每个词元的第一块通道就是第 0 个头。",
            en="the first block of channels of each token is head 0.",
        ),
        Property(
            lambda function, x: torch.equal(split_heads(function(x), x.shape[1]), x),
            zh="合并之后再拆开，回到原样。",
            en="splitting what was merged gives back the heads.",
        ),
    ),
    hints=(
        Message(
            "把拆头的那一步倒着做：头回到词元后面，再和自己的通道接成一根轴。",
            "Do the splitting backwards: heads go back behind tokens, and become one axis with their channels.",
        ),
        Message(
            "先是 (batch, tokens, heads, channels)，再合并最后两根轴。`rearrange` 的括号也能合并。",
            "First (batch, tokens, heads, channels), then join the last two axes. Brackets in `rearrange` join as well.",
        ),
        Message(
            '`rearrange` 的左边是 `"batch head token channel"`，右边三项：`batch`、`token`，以及括号里的 `head channel`。',
            'In `rearrange`, the left side is `"batch head token channel"`; the right has three parts: `batch`, `token`, and `head channel` in a bracket.',
        ),
    ),
    minutes=5,
    mark="★★",
)

PRE_NORM_BLOCK = Exercise(
    "pre_norm_block",
    pre_norm_block,
    _streams,
    mistakes=(
        Mistake(
            "post_norm",
            _post_norm,
            zh="这是后归一化（post-norm，2017 年的原版）：归一化在加上残差之后。那样残差流每一步都被重新缩放，深的网络没有预热就很难训练。"
            "前归一化只归一化分支的输入，残差流原样往前走。",
            en="That is post-norm, the version of 2017: the norm comes after the residual is added. It rescales the residual stream at each step, and deep stacks are hard to train without warm-up. "
            "Pre-norm normalises only what enters a branch; the stream runs on untouched.",
        ),
        Mistake(
            "no_residual_around_attention",
            _residuals(False, True),
            zh="注意力这一半忘了加回输入：词元自己的内容被注意力的结果替换掉了。看看第一行的加号。",
            en="The attention half does not add its input: what a token held is replaced by what attention returns. Look at the first sum.",
        ),
        Mistake(
            "no_residual_around_feed_forward",
            _residuals(True, False),
            zh="前馈这一半忘了加回输入，前面的结果都被盖掉了，梯度也少了一条直路。看看第二行的加号。",
            en="The feed-forward half does not add its input: all before it is replaced, and the gradient has lost its direct way. Look at the second sum.",
        ),
        Mistake(
            "no_residual",
            _residuals(False, False),
            zh="两条残差都没有：每一层都重写全部内容，层数一多，梯度就传不到底。每一半的结果都要加到它的输入上。",
            en="Both residuals are missing: each layer rewrites everything, and in a deep stack no gradient reaches the bottom. Each half is added to its input.",
        ),
        Mistake(
            "no_norm",
            _two_norms(_same, _same),
            zh="没有归一化：残差流越加越大，后面的层收到的数也越来越大。每一半的输入都要先做层归一化。",
            en="There is no norm: the stream grows with each sum, and later layers receive ever larger numbers. What enters each half is normalised first.",
        ),
        Mistake(
            "no_norm_before_attention",
            _two_norms(_same, _norm),
            zh="注意力之前没有归一化，前馈之前的是对的。两半都要。",
            en="No norm before attention, while the one before the feed-forward network is right. Both halves need it.",
        ),
        Mistake(
            "no_norm_before_feed_forward",
            _two_norms(_norm, _same),
            zh="前馈之前没有归一化，注意力之前的是对的。两半都要，而且各做各的。",
            en="No norm before the feed-forward network, while the one before attention is right. Both halves need their own.",
        ),
        Mistake(
            "norm_on_the_stream",
            _norm_on_the_stream,
            zh="归一化的结果盖掉了 x，加回去的也成了归一化过的。加回去的要是原来的 x：归一化只进分支，不动残差流。",
            en="The normalised x replaces x, so what is added back is normalised too. Add back x itself: the norm goes into the branch and leaves the stream alone.",
        ),
        Mistake(
            "parallel",
            lambda x, attention, feed_forward: x + attention(_norm(x)) + feed_forward(_norm(x)),
            zh="前馈读的是最初的 x 的归一化，没有看到注意力带来的东西：两半成了并联（有的大模型故意这样做，换取速度）。这里要串联，第二次归一化用更新后的 x。",
            en="The feed-forward network reads the norm of the original x and sees nothing of what attention brought: the halves run in parallel, as some large models do for speed. "
            "Here they run one after the other; the second norm is of the updated x.",
        ),
        Mistake(
            "second_residual_from_input",
            lambda x, attention, feed_forward: x + feed_forward(_norm(x + attention(_norm(x)))),
            zh="第二次加回去的是最初的 x，注意力那一半只影响了前馈的输入，自己没有留在残差流里。加回去的应当是更新后的 x。",
            en="The second sum adds the original x, so attention only reaches the feed-forward network and does not stay in the stream. Add the updated x.",
        ),
        Mistake(
            "feed_forward_without_stream",
            lambda x, attention, feed_forward: (
                x + attention(_norm(x)) + feed_forward(_norm(attention(_norm(x))))
            ),
            zh="前馈读的是注意力的结果本身，不是加回 x 之后的残差流：词元忘了自己原来是什么。先求和，再归一化。",
            en="The feed-forward network reads what attention returned instead of the stream after the sum, so a token has forgotten what it was. First the sum, then the norm.",
        ),
        Mistake(
            "feed_forward_first",
            lambda x, attention, feed_forward: pre_norm_block(x, feed_forward, attention),
            zh="次序反了：先前馈、后注意力。先看别的词元，再各自消化。",
            en="The order is reversed: feed-forward first, attention second. First look at others, then digest.",
        ),
        Mistake(
            "attention_twice",
            lambda x, attention, feed_forward: pre_norm_block(x, attention, attention),
            zh="两半都是注意力，前馈没有用上。多半是复制第一行以后忘了改。",
            en="Both halves are attention, and the feed-forward network is not used; probably a copied line that was not changed.",
        ),
        Mistake(
            "attention_only",
            lambda x, attention, feed_forward: x + attention(_norm(x)),
            zh="只有注意力这一半，前馈没有用上。",
            en="Only the attention half is there; the feed-forward network is not used.",
        ),
        Mistake(
            "feed_forward_only",
            lambda x, attention, feed_forward: x + feed_forward(_norm(x)),
            zh="只有前馈这一半，注意力没有用上（或者它的结果被盖掉了）。",
            en="Only the feed-forward half is there; attention is not used, or its result was overwritten.",
        ),
        Mistake(
            "norm_after_each_half",
            _norm_after_each_half,
            zh="归一化放在了每一半的后面：x + norm(attention(x))。分支收到的仍是没有归一化、越来越大的 x。归一化要在进分支之前。",
            en="The norm stands behind each half: x + norm(attention(x)). The branch still receives x without a norm, and x grows. The norm comes before the branch.",
        ),
        Mistake(
            "final_norm",
            lambda x, attention, feed_forward: _norm(pre_norm_block(x, attention, feed_forward)),
            zh="最后多了一次归一化。整叠网络的末尾通常有一次，但不在每一块里：块的输出就是残差流本身。",
            en="There is one norm too many at the end. A whole stack often ends in one, but not each block: a block returns the stream itself.",
        ),
        Mistake(
            "norm_over_tokens",
            _block(_norm_over(1)),
            zh="归一化沿词元做了：一个词元的结果会随句子里的其他词元而变，因果掩码也挡不住。层归一化在一个词元的各通道之间做，看看 `dim`。",
            en="The norm runs over tokens: a token then depends on all others of the text, past any causal mask. Layer norm runs over the channels of one token; look at `dim`.",
        ),
        Mistake(
            "norm_over_batch",
            _block(_norm_over(0)),
            zh="归一化沿批次做了：一句话的结果会随同批次的句子而变。层归一化在一个词元的各通道之间做，看看 `dim`。",
            en="The norm runs over the batch: a text's result depends on who else is there. Layer norm runs over the channels of one token; look at `dim`.",
        ),
        Mistake(
            "batch_norm",
            _block(_norm_over(0, 1)),
            zh="这是批归一化：每个通道在全部句子和词元之间归一化。层归一化在一个词元的各通道之间做，与别的词元和句子无关。",
            en="That is batch norm: each channel is normalised over all texts and tokens. Layer norm runs over the channels of one token and depends on no other.",
        ),
        Mistake(
            "norm_over_the_text",
            _block(_norm_over(1, 2)),
            zh="整句话一起归一化了：词元和通道一起求了均值。每个词元要有自己的均值和方差；`layer_norm` 的第二个参数只该含最后一根轴。",
            en="The whole text was normalised at once, tokens and channels together. Each token has its own mean and variance; the second argument of `layer_norm` holds the last axis only.",
        ),
        Mistake(
            "mean_only",
            _block(_centred),
            zh="只减了均值，没有除以标准差：大小没有变。",
            en="Only the mean was subtracted and nothing divided by the standard deviation: sizes stay as they were.",
        ),
        Mistake(
            "mean_kept",
            _block(lambda x: x / (x.square().mean(-1, keepdim=True) + EPS).sqrt()),
            zh="没有减均值。这是 RMSNorm，许多大语言模型在用，但它不是层归一化：均值会留下来。",
            en="The mean was not subtracted. That is RMSNorm, in use in many language models, but no layer norm: the mean stays.",
        ),
        Mistake(
            "divided_by_variance",
            _block(lambda x: _centred(x) / (_variance(x) + EPS)),
            zh="除以了方差，忘了开方：数越大，反而被压得越小。",
            en="Divided by the variance, without the root: what was large comes out smaller than what was small.",
        ),
        Mistake(
            "sample_variance",
            _block(lambda x: _centred(x) / (_variance(x, 1) + EPS).sqrt()),
            zh="方差除的是 width − 1。`var` 和 `std` 默认如此，而层归一化除的是 width。通道少的时候差别很大。",
            en="The variance was divided by width − 1, the default of `var` and `std`; layer norm divides by width. With few channels the difference is large.",
        ),
        Mistake(
            "default_std",
            _block(lambda x: _centred(x) / (x.std(-1, keepdim=True) + EPS)),
            zh="`std` 默认除的是 width − 1，eps 又加在了标准差上。层归一化的方差除的是 width，eps 加在方差上，再一起开方。",
            en="`std` divides by width − 1 unless told otherwise, and eps was added to it. In layer norm the variance is divided by width, eps is added to the variance, "
            "and then the root is taken of both.",
        ),
        Mistake(
            "no_eps",
            _block(lambda x: _centred(x) / _variance(x).sqrt()),
            zh="没有加 eps：各通道全相等的词元（例如全是 0），方差为 0，一除就是 NaN；几乎相等的，噪声被放得很大。加在方差上，再开方。",
            en="There is no eps: a token with equal channels, all zeros say, has variance 0, and the division gives NaN; nearly equal channels turn into loud noise. Add it to the variance, then take the root.",
        ),
        Mistake(
            "eps_outside_the_root",
            _block(lambda x: _centred(x) / (_variance(x).sqrt() + EPS)),
            zh="eps 加在了标准差上。层归一化把它加在方差上，再开方：√1e-5 约是 0.003，方差小的词元差别很明显；而且方差为 0 时，开方的梯度是 NaN。",
            en="Eps was added to the standard deviation. Layer norm adds it to the variance, under the root: √1e-5 is about 0.003, which shows where the variance is small; "
            "and at variance 0 the gradient of a bare root is NaN.",
        ),
        Mistake(
            "norm_detached",
            _block(lambda x: _centred(x) / (_variance(x).detach() + EPS).sqrt()),
            zh="数值对，梯度不对：标准差被当成了常数。梯度要穿过归一化。",
            en="Right values, wrong gradient: the standard deviation is treated as a constant. The gradient has to pass through the norm.",
        ),
    ),
    properties=(
        Property(
            lambda function, x, attention, feed_forward: _close(
                function(x, torch.zeros_like, torch.zeros_like), x
            ),
            zh="两半都返回 0 时，输出就是 x（残差）。",
            en="when both halves return zero, the output is x (residuals).",
        ),
        Property(
            lambda function, x, attention, feed_forward: _close(_received(function, x), _norm(x)),
            zh="注意力收到的是层归一化后的 x：每个词元在自己的通道上均值为 0、方差为 1，方差上加了 eps = 1e-5（方差很小时才看得出来）。",
            en="attention receives the layer norm of x: over its channels each token has mean 0 and variance 1, with eps = 1e-5 added to the variance "
            "(which shows where the variance is small).",
        ),
        Property(
            lambda function, x, attention, feed_forward: _close(
                _received(function, x, attention), _norm(x + attention(_norm(x)))
            ),
            zh="前馈收到的是残差流（加上注意力的结果之后）的层归一化。",
            en="the feed-forward network receives the layer norm of the stream as it is after attention was added.",
        ),
        Property(
            lambda function, x, attention, feed_forward: _close(
                function(x, attention, torch.zeros_like), x + attention(_norm(x))
            ),
            zh="前馈返回 0 时，输出是 x 加上注意力的结果。",
            en="when the feed-forward network returns zero, the output is x plus what attention returned.",
        ),
    ),
    hints=(
        Message(
            "残差流一路直行；两条支路各从它读一份归一化过的，算完再加回去。",
            "The stream runs straight on. Two branches each read a normalised copy of it and add back what they computed.",
        ),
        Message(
            "两行，形式相同：x 等于 x 加上某一半（归一化后的 x）。第二行里的 x 已经是更新过的了。",
            "Two lines of the same form: x becomes x plus one half of (normalised x). In the second line x is the updated one.",
        ),
        Message(
            "层归一化：`torch.nn.functional.layer_norm(x, x.shape[-1:], eps=1e-5)`，每次都对当时的 x 做；先 `attention`，后 `feed_forward`。",
            "Layer norm is `torch.nn.functional.layer_norm(x, x.shape[-1:], eps=1e-5)`, each time of x as it is then; first `attention`, then `feed_forward`.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

EXERCISES = (ATTENTION_SCORES, CAUSAL_MASK, PADDED_WEIGHTS, SPLIT_HEADS, MERGE_HEADS, PRE_NORM_BLOCK)
