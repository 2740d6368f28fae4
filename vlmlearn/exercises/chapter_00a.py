"""The exercises of chapter 00a: patches, ids and texts, a stable log-sum-exp, the cross entropy, texts compared."""

import math
from collections.abc import Callable, Iterator
from itertools import groupby

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from vlmlearn.exercises.exercise import Case, Exercise, Mistake, Property
from vlmlearn.messages import Message

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
UNKNOWN = "<unk>"  # not among the words to leave out: a learner's answer keeps it


def patchify(images: Float[Tensor, "batch 3 side side"], patch: int) -> Float[Tensor, "batch tokens numbers"]:
    """Square patches as rows of numbers: patches row by row, in each channel, then row, then column."""
    return rearrange(
        images, "batch c (row h) (column w) -> batch (row column) (c h w)", h=patch, w=patch
    ).contiguous()


def encode(words: list[str], vocabulary: dict[str, int], length: int) -> Int64[Tensor, " length"]:
    """Ids of the words between BOS and EOS, padded on the right."""
    ids = [vocabulary[word] for word in (BOS, *words, EOS)]
    return torch.tensor(ids + [vocabulary[PAD]] * (length - len(ids)))


def decode(ids: Int64[Tensor, " length"], words: list[str]) -> str:
    """The words up to the first EOS, if there is one, without BOS and PAD, joined by one space."""
    kept = []
    for k in ids.tolist():
        if words[k] == EOS:
            break
        if words[k] not in (BOS, PAD):
            kept.append(words[k])
    return " ".join(kept)


def log_sum_exp(x: Float[Tensor, "rows n"]) -> Float[Tensor, " rows"]:
    """Logarithm of the sum of exponentials of each row, for numbers of any finite size."""
    largest = x.amax(dim=1)
    return largest + (x - largest[:, None]).exp().sum(dim=1).log()


def cross_entropy(
    logits: Float[Tensor, "batch classes"], labels: Int64[Tensor, " batch"]
) -> Float[Tensor, ""]:
    """Mean over the batch of minus the log-probability of the right class."""
    return (logits.logsumexp(dim=1) - _picked(logits, labels)).mean()


def cosine_matrix(
    embeddings: Float[Tensor, "n length dim"], real: Bool[Tensor, "n length"]
) -> Float[Tensor, "n n"]:
    """Cosines between texts, each the mean of its real words' embeddings."""
    return _cosines(_mean(embeddings, real))


# Cases


def _normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


FLOAT32 = Message("float32 的输入。", "Input in float32.")


def _pictures(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("images",)
    one = Message("整张图就是一块。", "The whole picture is one patch.")
    pixel = Message("每块只有一个像素。", "A patch is a single pixel.")
    for batch, side, patch, about in (
        (1, 2, 2, one),
        (1, 2, 1, pixel),
        (1, 4, 2, None),
        (2, 6, 2, None),
        (3, 6, 3, None),
        (2, 8, 2, None),
    ):
        yield Case((_normal(generator, batch, 3, side, side), patch), about, gradient)
    yield Case((_normal(generator, 2, 3, 12, 12).float(), 4), FLOAT32, gradient)


def _vocabulary(generator: torch.Generator, pad: int, bos: int, eos: int) -> dict[str, int]:
    """Some words and the three special ones, in an order that has nothing to do with their ids."""
    words = ["red", "ring", "above", "blue", "star", "a", ","]
    free = [k for k in range(len(words) + 3) if k not in (pad, bos, eos)]
    # A move by two to five places: no word ever has its place in the list as its id.
    move = int(torch.randint(2, 6, (), generator=generator))
    ids = [free[(k + move) % len(free)] for k in range(len(free))]
    return {**dict(zip(words, ids, strict=True)), EOS: eos, PAD: pad, BOS: bos}


SENTENCES = (
    ("a", "red", "ring"),
    ("a", "blue", "star", "above", "a", "red", "ring"),
    ("star", ",", "ring", ",", "star"),
)


def _to_encode(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    empty = Message("一个词也没有。", "No word at all.")
    full = Message("正好装满，没有填充。", "It just fits, without padding.")
    other = Message("特殊词的编号不是 0、1、2。", "The special words are not 0, 1, 2.")
    for words, length, specials, about in (
        (("ring",), 5, (0, 1, 2), None),
        (SENTENCES[0], 8, (0, 1, 2), None),
        (SENTENCES[1], 9, (0, 1, 2), full),
        (SENTENCES[0], 9, (7, 9, 4), other),
        (SENTENCES[1], 12, (5, 3, 8), other),
        (SENTENCES[2], 10, (1, 2, 0), other),
        ((), 4, (6, 2, 9), empty),
    ):
        yield Case((list(words), _vocabulary(generator, *specials), length), about)


def _to_decode(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    garbage = Message("EOS 之后还有别的词，不该出现。", "After EOS come other words, which do not belong.")
    left = Message("填充在左边。", "The padding is on the left.")
    unended = Message("没有 EOS：句子被截断了。", "There is no EOS: the text was cut off.")
    empty = Message("一个词也没有。", "No word at all.")
    twice = Message("有两个 EOS，到第一个为止。", "There are two EOS; the first one counts.")
    within = Message(
        "特殊词也出现在词与词之间，还有一个词连说了两遍。",
        "Special words stand between words, too, and one word is said twice in a row.",
    )
    unlisted = Message(
        "词表里还有 `<unk>`，题目没有说要去掉它。",
        "The vocabulary also holds `<unk>`, which is not to be left out.",
    )
    at_once = Message("EOS 在最前面：文字是空的。", "EOS comes first: the text is empty.")
    a, b, c = SENTENCES
    for row, specials, about in (
        ((BOS, "ring", EOS, PAD), (0, 1, 2), None),
        ((BOS, *a, EOS, PAD, PAD), (0, 1, 2), None),
        ((BOS, *b, EOS), (5, 3, 8), None),
        ((BOS, *a, EOS, "blue", "star", PAD), (7, 9, 4), garbage),
        ((BOS, *c, EOS, BOS, "ring", EOS, "red"), (4, 8, 6), twice),
        ((PAD, PAD, BOS, *c, EOS), (1, 2, 0), left),
        ((BOS, *c), (6, 9, 3), unended),
        ((BOS, EOS, PAD, PAD, PAD), (2, 0, 1), empty),
        (("blue", PAD, BOS, "red", PAD, PAD, "red", "ring", EOS), (8, 1, 5), within),
        ((EOS, BOS, "blue", "star", PAD), (3, 7, 1), at_once),
        ((BOS, "a", UNKNOWN, "ring", EOS, PAD), (0, 5, 9), unlisted),
    ):
        vocabulary = _vocabulary(generator, *specials)
        words = [*sorted(vocabulary, key=lambda word: vocabulary[word]), UNKNOWN]
        vocabulary[UNKNOWN] = len(vocabulary)
        yield Case((torch.tensor([vocabulary[word] for word in row]), words), about)


def _rows(seed: int) -> Iterator[Case]:
    """As many rows as columns: elsewhere a wrong axis would show in the shape, or raise."""
    generator = _generator(seed)
    apart = torch.tensor([[600.0], [-200.0], [0.0]], dtype=torch.float64)
    gaps = torch.tensor([[0.0, 1000.0], [3000.0, 0.0]], dtype=torch.float64)
    wide = Message("一行里相差 1000 以上。", "Numbers 1,000 and more apart in one row.")
    for x, about in (
        (_normal(generator, 1, 1), Message("只有一个数。", "A single number.")),
        (_normal(generator, 2, 2), None),
        (3 * _normal(generator, 3, 3), None),
        (_normal(generator, 3, 3) + 1000, Message("所有的数都在 1000 附近。", "All numbers are near 1,000.")),
        (
            _normal(generator, 3, 3) - 1000,
            Message("所有的数都在 −1000 附近。", "All numbers are near −1,000."),
        ),
        (_normal(generator, 3, 3) + apart, Message("两行相差 800。", "Two rows 800 apart.")),
        (_normal(generator, 2, 2) + gaps, wide),
        (30 * _normal(generator, 4, 4).float() + 100, FLOAT32),
    ):
        yield Case((x,), about, ("x",))


def _batches(seed: int) -> Iterator[Case]:
    generator = _generator(seed)
    beyond = Message("logits 在 1000 附近。", "Logits near 1,000.")
    below = Message("logits 在 −1000 附近。", "Logits near −1,000.")
    apart = Message("两行相差 800。", "Two rows 800 apart.")
    confident = Message(
        "错得很有把握：别的类高出 3000。", "Confidently wrong: another class is 3,000 above the right one."
    )
    offsets = torch.tensor([[600.0], [-200.0], [0.0]], dtype=torch.float64)
    peak = torch.zeros(2, 3, dtype=torch.float64)
    peak[1, 0] = 3000
    for logits, labels, about in (
        (_normal(generator, 1, 3), [1], Message("只有一个样本。", "A single sample.")),
        (_normal(generator, 2, 2), [0, 0], None),
        (2 * _normal(generator, 3, 5), [4, 0, 2], None),
        (2 * _normal(generator, 5, 3), [2, 2, 0, 1, 2], None),
        (3 * _normal(generator, 4, 4), [3, 1, 1, 2], None),
        (_normal(generator, 3, 4) + 1000, [1, 0, 3], beyond),
        (_normal(generator, 3, 4) - 1000, [2, 0, 3], below),
        (_normal(generator, 3, 4) + offsets, [0, 2, 3], apart),
        (_normal(generator, 2, 3) + peak, [1, 2], confident),
        (10 * _normal(generator, 4, 6).float(), [5, 0, 0, 3], FLOAT32),
    ):
        yield Case((logits, torch.tensor(labels)), about, ("logits",))


def _texts(seed: int) -> Iterator[Case]:
    generator, gradient = _generator(seed), ("embeddings",)
    for rows, dim, about in (
        (("1",), 2, Message("只有一个词。", "A single word.")),
        (("110", "111"), 3, None),
        (("111", "111", "111"), 3, Message("没有填充。", "No padding.")),
        (("1100", "1110", "1000", "1111"), 4, None),
        (
            ("0011", "1101", "0111"),
            4,
            Message("填充也在左边和中间。", "Padding on the left and in between, too."),
        ),
        (("111110", "100000", "111100", "110000", "111111"), 8, None),
    ):
        real = torch.tensor([[mark == "1" for mark in row] for row in rows])
        lengths = 0.5 + 2 * torch.rand(*real.shape, 1, generator=generator, dtype=torch.float64)
        embeddings = lengths * (_normal(generator, *real.shape, dim) + 0.3)
        padding = _normal(generator, dim) + 1  # PAD has an embedding, too, the same everywhere
        yield Case((torch.where(real[..., None], embeddings, padding), real), about, gradient)
    yield Case((torch.where(real[..., None], embeddings, padding).float(), real), FLOAT32, gradient)


# What mistakes share


def _pattern(pattern: str) -> Callable[..., Tensor]:
    return lambda images, patch: rearrange(images, pattern, h=patch, w=patch).contiguous()


def _cut(images: Tensor, patch: int) -> Tensor:
    """(batch, 3, rows, columns, patch, patch), as two calls of ``unfold`` give it."""
    return images.unfold(2, patch, patch).unfold(3, patch, patch)


def _like_tokens(pieces: Tensor, images: Tensor, patch: int) -> Tensor:
    return pieces.reshape(len(images), -1, 3 * patch * patch)


def _padded(ids: list[int], pad: int, length: int) -> Tensor:
    return torch.tensor((ids + [pad] * length)[:length])


def _ids(words: list[str], vocabulary: dict[str, int]) -> list[int]:
    return [vocabulary[word] for word in words]


def _encoded(
    choose: Callable[[list[str]], list[str]] = list,
    *,
    bos: str = BOS,
    eos: str = EOS,
    pad: str = PAD,
    shift: int = 0,
) -> Callable[..., Tensor]:
    """``encode`` with other words, or with another word in a special place."""

    def function(words: list[str], vocabulary: dict[str, int], length: int) -> Tensor:
        ids = [k + shift for k in _ids(choose(words), vocabulary)]
        start, end = ([vocabulary[word]] if word else [] for word in (bos, eos))
        return _padded(start + ids + end, vocabulary[pad], length)

    return function


def _last_word_overwritten(words: list[str], vocabulary: dict[str, int], length: int) -> Tensor:
    row = _padded(_ids([BOS, *words], vocabulary), vocabulary[PAD], length)
    row[len(words)] = vocabulary[EOS]
    return row


def _first_word_overwritten(words: list[str], vocabulary: dict[str, int], length: int) -> Tensor:
    return _padded(_ids([BOS, *words[1:], EOS], vocabulary), vocabulary[PAD], length)


def _marks_hard_coded(words: list[str], vocabulary: dict[str, int], length: int) -> Tensor:
    return _padded([1, *_ids(words, vocabulary), 2], 0, length)


def _eos_at_the_end(words: list[str], vocabulary: dict[str, int], length: int) -> Tensor:
    row = _padded([vocabulary[BOS], *_ids(words, vocabulary)], vocabulary[PAD], length)
    row[-1] = vocabulary[EOS]
    return row


def _padded_on_the_left(words: list[str], vocabulary: dict[str, int], length: int) -> Tensor:
    ids = _ids([BOS, *words, EOS], vocabulary)
    return torch.tensor([vocabulary[PAD]] * (length - len(ids)) + ids)


def _padded_in_the_middle(words: list[str], vocabulary: dict[str, int], length: int) -> Tensor:
    ids = _ids([*words, EOS], vocabulary)
    return torch.tensor([vocabulary[BOS], *[vocabulary[PAD]] * (length - len(ids) - 1), *ids])


def _said(ids: Tensor, words: list[str]) -> list[str]:
    return [words[k] for k in ids.tolist()]


def _until(said: list[str], stop: str = EOS) -> list[str]:
    return said[: said.index(stop)] if stop in said else said


def _without(said: list[str], *dropped: str) -> list[str]:
    return [word for word in said if word not in dropped]


def _decoded(
    change: Callable[[list[str]], list[str]], join: Callable[[list[str]], str] = " ".join
) -> Callable[..., str]:
    return lambda ids, words: join(change(_said(ids, words)))


def _right(said: list[str]) -> list[str]:
    return _without(_until(said), BOS, PAD)


def _stripped(said: list[str]) -> list[str]:
    """Special words off both ends, and no others."""
    kept = _until(said)
    while kept and kept[0] in (BOS, PAD):
        kept = kept[1:]
    while kept and kept[-1] in (BOS, PAD):
        kept = kept[:-1]
    return kept


def _last_eos(said: list[str]) -> list[str]:
    if EOS not in said:
        return _without(said, BOS, PAD)
    return _without(said[: len(said) - 1 - said[::-1].index(EOS)], BOS, PAD, EOS)


def _specials_by_number(ids: Tensor, words: list[str]) -> str:
    row = ids.tolist()
    row = row[: row.index(2)] if 2 in row else row
    return " ".join(words[k] for k in row if k not in (0, 1))


def _picked(scores: Tensor, labels: Tensor) -> Tensor:
    return scores.gather(1, labels[:, None])[:, 0]


def _nll(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    return -_picked(log_probabilities, labels).mean()


def _naive_softmax(logits: Tensor) -> Tensor:
    return logits.exp() / logits.exp().sum(1, keepdim=True)


def _without_right_class(logits: Tensor, labels: Tensor) -> Tensor:
    others = logits.masked_fill(_one_hot(logits, labels).bool(), -math.inf)
    return (others.logsumexp(1) - _picked(logits, labels)).mean()


def _one_hot(logits: Tensor, labels: Tensor) -> Tensor:
    return F.one_hot(labels, logits.shape[1]).to(logits.dtype)


def _mean(embeddings: Tensor, real: Tensor) -> Tensor:
    mask = real[..., None].to(embeddings.dtype)
    return (embeddings * mask).sum(1) / mask.sum(1)


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


def _cosines(x: Tensor) -> Tensor:
    return _unit(x) @ _unit(x).T


def _products(x: Tensor) -> Tensor:
    return x @ x.T


def _last_real(embeddings: Tensor, real: Tensor) -> Tensor:
    places = torch.arange(real.shape[1]).expand_as(real).masked_fill(~real, -1).amax(1)
    return embeddings[torch.arange(len(real)), places]


def _first_by_count(embeddings: Tensor, real: Tensor) -> Tensor:
    """As if padding always stood at the end."""
    return _mean(embeddings, torch.arange(real.shape[1]) < real.sum(1, keepdim=True))


PATCHIFY = Exercise(
    "patchify",
    patchify,
    _pictures,
    mistakes=(
        Mistake(
            "reshape_only",
            lambda images, patch: _like_tokens(images, images, patch),
            zh="`reshape`（或 `view`）只把数从头到尾重新分段，不移动像素：一块里装的是连着的几行，不是一个方块。先把高和宽各拆成两根轴，再换轴。",
            en="`reshape` (or `view`) only cuts the numbers anew and moves no pixel: a token then holds a run of rows, not a square. Split height and width in two axes each, then move the axes.",
        ),
        Mistake(
            "channels_not_moved",
            lambda images, patch: _like_tokens(_cut(images, patch), images, patch),
            zh="方块切对了，可是通道还排在块的前面：一个词元里装了同一个通道的好几块，而不是一块的三个通道。合并之前先把通道轴移到块的后面。",
            en="The squares are cut well, but channels still come before patches: a token holds several patches of one channel instead of all channels of one patch. Move the channel axis behind the patches before joining.",
        ),
        Mistake(
            "columns_not_moved",
            lambda images, patch: _like_tokens(
                rearrange(images, "b c (row h) w -> b row c h w", h=patch), images, patch
            ),
            zh="只横着切了：每一段是整幅宽的长条，没有再竖着切开。宽也要拆成两根轴，其中的列号要移到前面。",
            en="Cut in one direction only: each piece comes from a strip as wide as the picture. Split the width as well, and move the number of the column to the front.",
        ),
        Mistake(
            "columns_first",
            _pattern("batch c (row h) (column w) -> batch (column row) (c h w)"),
            zh="块是一列一列排的：第二块跑到了第一块下面。括号里靠右的轴走得最快，从一块到下一块先动列。",
            en="The patches are in order of columns: the second is below the first. In a bracket the axis on the right runs fastest, and from one patch to the next the column moves first.",
        ),
        Mistake(
            "channel_last",
            _pattern("batch c (row h) (column w) -> batch (row column) (h w c)"),
            zh="块里面通道排到了最后：每个像素的三种颜色挨在一起。卷积的权重是“通道、行、列”，数的次序要和它一样，展平的权重才对得上。",
            en="Inside a patch the channel comes last, so the three colours of a pixel are neighbours. The weight of a convolution is ordered channel, row, column; flattened, it fits only that order.",
        ),
        Mistake(
            "channel_in_the_middle",
            _pattern("batch c (row h) (column w) -> batch (row column) (h c w)"),
            zh="块里面的次序成了“行、通道、列”。题目要“通道、行、列”，看看合并时通道在哪里。",
            en="Inside a patch the order is row, channel, column. Asked for is channel, row, column: see where the channel stands when you join.",
        ),
        Mistake(
            "transposed_inside",
            _pattern("batch c (row h) (column w) -> batch (row column) (c w h)"),
            zh="每一块里高和宽对调了，像沿对角线翻了一次。块里面也是先行后列。",
            en="Inside each patch height and width are exchanged, as if mirrored along the diagonal. Inside a patch, too, rows come before columns.",
        ),
        Mistake(
            "channel_behind_rows",
            lambda images, patch: _like_tokens(
                rearrange(images, "b c (row h) (column w) -> b row h c column w", h=patch, w=patch),
                images,
                patch,
            ),
            zh="轴的次序排错了：块的行号之后紧跟着块里的行，列号没有移到前面。拆开以后是六根轴，次序应当是：批次、行号、列号、通道、块里的行、块里的列。",
            en="The axes are in a wrong order: after the row of patches comes the row inside a patch, and the column of patches was not moved to the front. "
            "Of the six axes the order is: batch, row of patches, column of patches, channel, row inside, column inside.",
        ),
        Mistake(
            "pictures_transposed",
            _pattern("batch c (row h) (column w) -> batch (column row) (c w h)"),
            zh="整张图的高和宽对调了：块与块之间、块里面都先走了列。输入的第三根轴是高，第四根是宽。",
            en="Height and width of the whole picture are exchanged, between patches and inside them. The third axis of the input is the height, the fourth the width.",
        ),
        Mistake(
            "both_channel_last_and_transposed",
            _pattern("batch c (row h) (column w) -> batch (row column) (w h c)"),
            zh="块里面的次序正好反了：列、行、通道。应当是通道、行、列。",
            en="Inside a patch the order is just the reverse: column, row, channel. It should be channel, row, column.",
        ),
        Mistake(
            "every_other_pixel",
            lambda images, patch: rearrange(
                images, "b c (h row) (w column) -> b (row column) (c h w)", h=patch, w=patch
            ).contiguous(),
            zh="像素是隔着取的：一块里的像素散布在整张图上。拆高和宽的时候，块号在前（走得慢），块里的位置在后（走得快）。",
            en="The pixels are picked at intervals: those of a token are scattered over the picture. When an axis is split, the number of the patch comes first (slow), the place inside it second (fast).",
        ),
        Mistake(
            "sizes_swapped",
            lambda images, patch: _like_tokens(
                rearrange(images, "b c (row h) (column w) -> b row column c h w", row=patch, column=patch),
                images,
                patch,
            ),
            zh="块的数目和块的边长弄反了：切出了 `patch` 行 `patch` 列，而不是边长为 `patch` 的块。两者碰巧相等时看不出来。",
            en="The number of patches and their size are exchanged: there are `patch` rows and columns of patches instead of patches that are `patch` wide. Where the two are equal it does not show.",
        ),
        Mistake(
            "unfold_not_transposed",
            lambda images, patch: _like_tokens(F.unfold(images, patch, stride=patch), images, patch),
            zh="`F.unfold` 给出的是（批次、数、块），最后两根轴要对调；`reshape` 只改形状，把不同块的数混在了一起。",
            en="`F.unfold` returns (batch, numbers, patches), and the last two axes have to change places; `reshape` only relabels them and mixes numbers of different patches.",
        ),
        Mistake(
            "pictures_mixed",
            lambda images, patch: _like_tokens(
                rearrange(patchify(images, patch), "b token d -> token b d").contiguous(), images, patch
            ),
            zh="不同图的块混在一起了：堆叠之后块在第一根轴，批次在第二根，要对调，不能只 `reshape`。批次只有一张图时看不出来。",
            en="Patches of different pictures are mixed: after stacking, the patch is the first axis and the batch the second; exchange them rather than `reshape`. With one picture it does not show.",
        ),
        Mistake(
            "first_patch_repeated",
            lambda images, patch: (
                patchify(images, patch)[:, :1].expand(-1, (images.shape[2] // patch) ** 2, -1).clone()
            ),
            zh="每一块都是左上角那一块：取的范围没有随块号移动。",
            en="Every patch is the one in the upper left corner: the range does not move with the number of the patch.",
        ),
        Mistake(
            "first_picture_repeated",
            lambda images, patch: patchify(images[:1], patch).repeat(len(images), 1, 1),
            zh="每张图的块都来自第一张图：批次这根轴没有跟着走。",
            en="The patches of every picture come from the first one: the batch axis was not carried along.",
        ),
        Mistake(
            "colours_reversed",
            lambda images, patch: patchify(images.flip(1), patch),
            zh="通道的次序反了（蓝、绿、红）。保持输入里的次序。",
            en="The channels are in reverse order (blue, green, red). Keep the order of the input.",
        ),
        Mistake(
            "one_channel_repeated",
            lambda images, patch: patchify(images[:, :1].expand(-1, 3, -1, -1), patch),
            zh="三个通道都是第一个通道的复制，颜色丢了。",
            en="All three channels are copies of the first; the colours are lost.",
        ),
    ),
    properties=(
        Property(
            lambda function, images, patch: torch.equal(
                function(images, patch).flatten().sort().values, images.flatten().sort().values
            ),
            zh="切块只移动像素，不改动、不丢失、不重复。",
            en="cutting moves pixels; none is changed, lost or repeated.",
        ),
        Property(
            lambda function, images, patch: torch.equal(
                function(images, patch)[:, 0], images[:, :, :patch, :patch].flatten(1)
            ),
            zh="第一个词元就是左上角的方块，按通道、行、列展平。",
            en="the first token is the upper left square, flattened by channel, row, column.",
        ),
        Property(
            lambda function, images, patch: torch.equal(
                function(images, patch)[:, -1], images[:, :, -patch:, -patch:].flatten(1)
            ),
            zh="最后一个词元就是右下角的方块。",
            en="the last token is the lower right square.",
        ),
    ),
    hints=(
        Message(
            "高和宽各拆成两根轴：第几块，块里第几个像素。然后把两个块号放到前面，把通道和块里的位置放到后面。",
            "Split height and width in two axes each: which patch, and which pixel inside it. Then bring the two numbers of patches to the front, channel and places inside to the back.",
        ),
        Message(
            '`rearrange` 的左边是 `"b c (row h) (column w)"`，告诉它 `h` 和 `w` 的长度。右边三项：批次、块号、一块里的数；括号里靠右的走得最快。',
            'Left in `rearrange` stands `"b c (row h) (column w)"`, given the lengths of `h` and `w`. On the right are three parts: batch, number of the patch, numbers inside; in a bracket the axis on the right runs fastest.',
        ),
        Message(
            "块号是 `(row column)`，里面的数由 `c`、`h`、`w` 依次组成；别忘了传 `h=patch, w=patch`。",
            "The number of the patch is `(row column)`; the numbers inside are made of `c`, `h` and `w`, in that order. Pass `h=patch, w=patch`.",
        ),
    ),
    minutes=10,
    mark="★★",
)

ENCODE = Exercise(
    "encode",
    encode,
    _to_encode,
    mistakes=(
        Mistake(
            "no_eos",
            _encoded(eos=""),
            zh="少了 EOS。没有它，模型不知道句子在哪里结束，生成时也学不会停。",
            en="EOS is missing. Without it a model cannot know where the text ends, and never learns to stop.",
        ),
        Mistake(
            "no_bos",
            _encoded(bos=""),
            zh="少了 BOS。生成第一个词之前，模型要有一个起点可看。",
            en="BOS is missing. Before the first word, a model needs a start to look at.",
        ),
        Mistake(
            "no_marks",
            _encoded(bos="", eos=""),
            zh="只有词和填充，BOS 和 EOS 都没有。句子的头和尾要标出来。",
            en="Only words and padding: neither BOS nor EOS. The start and the end of the text have to be marked.",
        ),
        Mistake(
            "eos_at_the_end",
            _eos_at_the_end,
            zh="EOS 跑到了填充之后。它标的是句子的结尾，应当紧跟最后一个词。",
            en="EOS stands after the padding. It marks the end of the text, so it follows the last word at once.",
        ),
        Mistake(
            "padded_on_the_left",
            _padded_on_the_left,
            zh="填充放到了左边，句子的开头不再是第一个位置。题目要补在右边。",
            en="The padding is on the left, so the text no longer starts in the first place. Pad on the right.",
        ),
        Mistake(
            "padded_in_the_middle",
            _padded_in_the_middle,
            zh="填充夹在 BOS 和词之间。先把整句排好（BOS、词、EOS），再补。",
            en="The padding is between BOS and the words. Put the text together first (BOS, words, EOS), then pad.",
        ),
        Mistake(
            "pad_is_zero",
            lambda words, vocabulary, length: _padded(_ids([BOS, *words, EOS], vocabulary), 0, length),
            zh="填充写成了 0。在有些词表里 0 是别的词，于是句子后面多出一串那个词。编号要从词表里查。",
            en="The padding is written as 0. In some vocabularies 0 is another word, and the text is followed by a row of it. Look its id up.",
        ),
        Mistake(
            "marks_hard_coded",
            _marks_hard_coded,
            zh="特殊词的编号写死成了 0、1、2。换一个词表就错了，要像别的词一样去查。",
            en="The ids of the special words are fixed as 0, 1, 2. In another vocabulary that is wrong; look them up like any word.",
        ),
        Mistake(
            "bos_eos_swapped",
            _encoded(bos=EOS, eos=BOS),
            zh="BOS 和 EOS 换了位置。BOS 是开头（begin of sentence），EOS 是结尾（end）。",
            en="BOS and EOS are exchanged. BOS is the beginning of the sentence, EOS its end.",
        ),
        Mistake(
            "padded_with_eos",
            _encoded(pad=EOS),
            zh="用 EOS 补齐了。有的模型这样做，但题目要 PAD：这样才分得清结尾和填充。",
            en="Padded with EOS. Some models do so, but PAD is asked for: it tells the end from the padding.",
        ),
        Mistake(
            "padded_with_bos",
            _encoded(pad=BOS),
            zh="用 BOS 补齐了：一句话只有一个开头。补的应当是 PAD。",
            en="Padded with BOS, but a text begins only once. Pad with PAD.",
        ),
        Mistake(
            "eos_for_bos",
            _encoded(bos=EOS),
            zh="两头都是 EOS，开头应当是 BOS。",
            en="EOS at both ends; the start is BOS.",
        ),
        Mistake(
            "bos_for_eos",
            _encoded(eos=BOS),
            zh="两头都是 BOS，结尾应当是 EOS。",
            en="BOS at both ends; the end is EOS.",
        ),
        Mistake(
            "words_off_by_one",
            _encoded(shift=1),
            zh="词的编号都大了 1，每个词都成了词表里的下一个。编号已经在词表里，不用再加。",
            en="The id of every word is 1 too large, so each becomes its neighbour. The vocabulary holds the ids as they are; add nothing.",
        ),
        Mistake(
            "ids_by_place",
            lambda words, vocabulary, length: _padded(
                [list(vocabulary).index(word) for word in (BOS, *words, EOS)],
                list(vocabulary).index(PAD),
                length,
            ),
            zh="用的是词在字典里的位置，不是它的编号。编号是字典的值，和写进去的先后无关。",
            en="That is the place of a word in the dictionary, not its id. The id is the value, whatever the order of the entries.",
        ),
        Mistake(
            "places_for_ids",
            lambda words, vocabulary, length: _padded(
                [vocabulary[BOS], *range(len(words)), vocabulary[EOS]], vocabulary[PAD], length
            ),
            zh="给词编了 0、1、2…：那是词在句子里的位置。要从词表里查它的编号。",
            en="The words are numbered 0, 1, 2, …: those are places in the sentence. Look each word up in the vocabulary.",
        ),
        Mistake(
            "words_sorted",
            _encoded(sorted),
            zh="词被排了序，句子的意思就丢了。保持原来的次序。",
            en="The words were sorted, which loses the meaning of the sentence. Keep their order.",
        ),
        Mistake(
            "words_reversed",
            _encoded(lambda words: words[::-1]),
            zh="词的次序反了。从第一个词开始查。",
            en="The words are in reverse order. Start from the first.",
        ),
        Mistake(
            "repeats_dropped",
            _encoded(lambda words: list(dict.fromkeys(words))),
            zh="重复的词只留了一次。一句话里同一个词可以出现多次，每次都要占一个位置。",
            en="Repeated words were kept once only. A word may occur several times in a sentence, and takes a place each time.",
        ),
        Mistake(
            "last_word_overwritten",
            _last_word_overwritten,
            zh="EOS 盖掉了最后一个词：前面还有 BOS，每个词都往后移了一位。",
            en="EOS has replaced the last word: with BOS in front, every word is one place further on.",
        ),
        Mistake(
            "first_word_overwritten",
            _first_word_overwritten,
            zh="BOS 盖掉了第一个词。它要加在前面，而不是放进第一个词的位置。",
            en="BOS has replaced the first word. It is to be added in front, not put in that word's place.",
        ),
    ),
    properties=(
        Property(
            lambda function, words, vocabulary, length: (
                int(function(words, vocabulary, length)[0]) == vocabulary[BOS]
            ),
            zh="第一个编号是 BOS。",
            en="the first id is BOS.",
        ),
        Property(
            lambda function, words, vocabulary, length: (
                function(words, vocabulary, length).tolist().count(vocabulary[EOS]) == 1
            ),
            zh="EOS 正好出现一次。",
            en="EOS occurs exactly once.",
        ),
        Property(
            lambda function, words, vocabulary, length: (
                function(words, vocabulary, length).tolist()[1 : len(words) + 1] == _ids(words, vocabulary)
            ),
            zh="BOS 之后依次是各个词的编号。",
            en="after BOS come the ids of the words, in order.",
        ),
        Property(
            lambda function, words, vocabulary, length: (
                set(function(words, vocabulary, length).tolist()[len(words) + 2 :]) <= {vocabulary[PAD]}
            ),
            zh="EOS 之后只有 PAD。",
            en="after EOS there is only PAD.",
        ),
    ),
    hints=(
        Message(
            "先排好四段：BOS、每个词、EOS、若干个 PAD。",
            "Put four parts together: BOS, each word, EOS, and some PAD.",
        ),
        Message(
            "每个编号，特殊词也不例外，都从 `vocabulary` 里查。PAD 的个数是 `length` 减去前面的个数。",
            "Look up every id in `vocabulary`, those of the special words as well. The number of PAD is `length` minus what stands before them.",
        ),
        Message(
            "列表可以相加，也可以乘一个整数：`[k] * 3`。最后用 `torch.tensor(...)` 变成张量，整数自然是 int64。",
            "Lists can be added, and multiplied by a whole number: `[k] * 3`. At the end `torch.tensor(...)` makes a tensor, of int64 where the numbers are whole.",
        ),
    ),
    minutes=10,
    mark="★★",
)

DECODE = Exercise(
    "decode",
    decode,
    _to_decode,
    mistakes=(
        Mistake(
            "keeps_bos",
            _decoded(lambda said: _without(_until(said), PAD)),
            zh="BOS 留在了文字里。它是给模型看的记号，不是词。",
            en="BOS was left in the text. It is a sign for the model and no word.",
        ),
        Mistake(
            "keeps_eos",
            _decoded(lambda said: _without(said[: len(_until(said)) + 1], BOS, PAD)),
            zh="EOS 也进了文字：到它为止，但不包括它。",
            en="EOS got into the text: stop at it, and leave it out.",
        ),
        Mistake(
            "keeps_pad",
            _decoded(lambda said: _without(_until(said), BOS)),
            zh="填充留在了文字里。填充在右边时看不出来，因为它在 EOS 之后；在左边时就露出来了。",
            en="Padding was left in the text. On the right it hides behind EOS; on the left it shows.",
        ),
        Mistake(
            "keeps_all_specials",
            _decoded(list),
            zh="特殊词全在文字里，EOS 之后的也在。先找到 EOS，再去掉 BOS 和 PAD。",
            en="All special words are in the text, and so is what follows EOS. Find EOS first, then drop BOS and PAD.",
        ),
        Mistake(
            "goes_on_after_eos",
            _decoded(lambda said: _without(said, BOS, EOS, PAD)),
            zh="EOS 去掉了，但没有停：生成时它后面常有多余的词。遇到它就该结束。",
            en="EOS was removed, but the text goes on. What a model writes after it is garbage; stop there.",
        ),
        Mistake(
            "stops_at_pad",
            _decoded(lambda said: _without(_until(said, PAD), BOS, EOS)),
            zh="在 PAD 处才停。EOS 和 PAD 之间可能还有词；填充在左边时更是什么也不剩。该停的地方是 EOS。",
            en="It stops at PAD only. There may be words between EOS and PAD, and with padding on the left nothing is left at all. The place to stop is EOS.",
        ),
        Mistake(
            "stops_at_eos_or_pad",
            _decoded(lambda said: _without(_until(_until(said), PAD), BOS)),
            zh="遇到 PAD 也停了。填充在左边时，还没读到词就结束了。只在 EOS 处停，PAD 跳过。",
            en="It stops at PAD as well: with padding on the left it ends before the first word. Stop at EOS only, and skip PAD.",
        ),
        Mistake(
            "all_in_angle_brackets_dropped",
            _decoded(lambda said: [word for word in _until(said) if not word.startswith("<")]),
            zh="凡是带尖括号的词都去掉了，`<unk>` 也没了。要去掉的只有 BOS 和 PAD。",
            en="Every word in angle brackets was dropped, `<unk>` as well. Only BOS and PAD are to be left out.",
        ),
        Mistake(
            "specials_dropped_at_the_ends",
            _decoded(_stripped),
            zh="只去掉了两头的特殊词，词与词之间的还在。每个位置都要看。",
            en="Special words were taken off the two ends only, and those between words are still there. Look at every place.",
        ),
        Mistake(
            "repeats_in_a_row_dropped",
            _decoded(lambda said: [word for word, _ in groupby(_right(said))]),
            zh="接连两个相同的词只留了一个。同一个词可以连说两遍。",
            en="Of two equal words in a row only one was kept. A word may be said twice in a row.",
        ),
        Mistake(
            "starts_at_bos",
            _decoded(
                lambda said: _without(_until(said[said.index(BOS) + 1 :] if BOS in said else said), PAD)
            ),
            zh="从 BOS 之后才开始读：它前面的词丢了，前面的 EOS 也没有看到。BOS 只要跳过。",
            en="Reading starts after BOS: words before it are lost, and so is an EOS before it. BOS is only to be skipped.",
        ),
        Mistake(
            "last_eos",
            _decoded(_last_eos),
            zh="停在了最后一个 EOS。句子到第一个 EOS 就结束了，后面的都不算。",
            en="It stops at the last EOS. The text ends at the first one; nothing after it counts.",
        ),
        Mistake(
            "last_word_dropped",
            _decoded(lambda said: _right(said)[:-1]),
            zh="少了最后一个词：切片的右端本来就不包括在内，不用再减 1。",
            en="The last word is missing: the right end of a slice is not included anyway, so subtract nothing.",
        ),
        Mistake(
            "first_word_dropped",
            _decoded(lambda said: _right(said)[1:]),
            zh="少了第一个词：BOS 已经去掉，又多去了一个。",
            en="The first word is missing: BOS was gone already when one more was taken away.",
        ),
        Mistake(
            "first_place_dropped",
            _decoded(lambda said: _until(said)[1:]),
            zh="去掉的是第一个位置，不是 BOS。填充在左边时，第一个位置并不是 BOS。按词去掉，不按位置。",
            en="The first place was dropped, not BOS. With padding on the left that is something else. Drop by word, not by place.",
        ),
        Mistake(
            "first_place_dropped_for_bos",
            _decoded(lambda said: _without(_until(said)[1:], PAD)),
            zh="去掉的是第一个位置，不是 BOS。BOS 不在最前面时（比如填充在左边），它就留了下来。按词去掉，不按位置。",
            en="The first place was dropped, not BOS. Where BOS is not the first, as with padding on the left, it stays in the text. Drop by word, not by place.",
        ),
        Mistake(
            "last_dropped_without_eos",
            _decoded(lambda said: _right(said) if EOS in said else _right(said)[:-1]),
            zh="没有 EOS 时少了最后一个词。没找到时返回的 −1 当切片用，就是“倒数第一”；没有 EOS 要一直读到底。",
            en='Without EOS the last word is missing. A −1 for "not found" means "the last" in a slice; where there is no EOS, read to the end.',
        ),
        Mistake(
            "empty_without_eos",
            _decoded(lambda said: _right(said) if EOS in said else []),
            zh="没有 EOS 时什么都没返回。`argmax` 对全是 False 的行也返回 0；被截断的句子要读到底。",
            en="Without EOS nothing is returned. `argmax` of a row of False is 0, too; a text that was cut off is read to its end.",
        ),
        Mistake(
            "no_spaces",
            _decoded(_right, "".join),
            zh="词之间没有空格，英文连成了一串。用一个空格连接。",
            en="There are no spaces between the words. Join them by one space.",
        ),
        Mistake(
            "space_at_the_end",
            _decoded(_right, lambda said: "".join(f"{word} " for word in said)),
            zh="末尾多了一个空格：空格在词与词之间，不在每个词之后。",
            en="There is a space at the end: spaces go between words, not after each.",
        ),
        Mistake(
            "space_at_the_start",
            _decoded(_right, lambda said: "".join(f" {word}" for word in said)),
            zh="开头多了一个空格：空格在词与词之间，不在每个词之前。",
            en="There is a space at the start: spaces go between words, not before each.",
        ),
        Mistake(
            "blanks_for_specials",
            _decoded(lambda said: ["" if word in (BOS, PAD) else word for word in _until(said)]),
            zh="特殊词换成了空串，空格还在。要在连接之前把它们拿掉。",
            en="Special words became empty texts, and their spaces are still there. Take them out before you join.",
        ),
        Mistake(
            "specials_by_number",
            _specials_by_number,
            zh="特殊词的编号写死成了 0、1、2。换一个词表，去掉的就是普通的词了。看词，不看编号。",
            en="The ids of the special words are fixed as 0, 1, 2. In another vocabulary those are ordinary words. Look at the word, not at its number.",
        ),
        Mistake(
            "numbers_for_words",
            lambda ids, words: " ".join(str(words.index(word)) for word in _right(_said(ids, words))),
            zh="返回的是编号，不是词。编号就是词在 `words` 里的下标。",
            en="Those are ids, not words. An id is the index of a word in `words`.",
        ),
        Mistake(
            "off_by_one",
            lambda ids, words: " ".join(words[words.index(word) - 1] for word in _right(_said(ids, words))),
            zh="每个词都成了词表里的前一个：编号从 0 开始，直接用作下标，不用减 1。",
            en="Every word became its neighbour in the vocabulary: ids start at 0 and are indices as they are; subtract nothing.",
        ),
        Mistake(
            "repeats_dropped",
            _decoded(lambda said: list(dict.fromkeys(_right(said)))),
            zh="重复的词只留了一次。同一个词可以说两遍。",
            en="Repeated words were kept once only. The same word may be said twice.",
        ),
        Mistake(
            "words_reversed",
            _decoded(lambda said: _right(said)[::-1]),
            zh="词的次序反了。",
            en="The words are in reverse order.",
        ),
        Mistake(
            "list_as_text",
            _decoded(_right, str),
            zh="返回的是列表的写法，带着括号和引号。用空格把词连接起来。",
            en="That is a list as Python prints it, with brackets and quotes. Join the words by spaces.",
        ),
    ),
    properties=(
        Property(
            lambda function, ids, words: not any(word in function(ids, words) for word in (BOS, EOS, PAD)),
            zh="文字里没有特殊词。",
            en="the text holds no special word.",
        ),
        Property(
            lambda function, ids, words: function(ids, words) == " ".join(function(ids, words).split()),
            zh="词之间正好一个空格，两头没有。",
            en="there is one space between words, and none at the ends.",
        ),
        Property(
            lambda function, ids, words: (
                function(torch.tensor([words.index(BOS), words.index("ring"), words.index(EOS)]), words)
                == "ring"
            ),
            zh="BOS、一个词、EOS，得到的就是这个词。",
            en="BOS, one word and EOS give that word.",
        ),
        Property(
            lambda function, ids, words: (
                function(torch.cat([ids, torch.tensor([words.index(EOS)])]), words)
                == function(torch.cat([ids, torch.tensor([words.index(EOS), words.index("ring")])]), words)
            ),
            zh="EOS 之后写什么都不影响结果。",
            en="what follows EOS does not matter.",
        ),
    ),
    hints=(
        Message(
            "一个一个地读：遇到 EOS 就停，BOS 和 PAD 跳过，其余的收下。",
            "Read one by one: stop at EOS, skip BOS and PAD, keep the rest.",
        ),
        Message(
            "`ids.tolist()` 给出普通的整数，`words[k]` 就是那个词。循环里用 `break` 停，用 `continue` 跳过。",
            "`ids.tolist()` gives plain numbers, and `words[k]` is the word. In the loop, `break` stops and `continue` skips.",
        ),
        Message(
            '把留下的词收进列表，最后 `" ".join(kept)`。没有 EOS 时循环自然走到底。',
            'Collect the words in a list, and end with `" ".join(kept)`. Without EOS the loop simply runs to the end.',
        ),
    ),
    minutes=10,
    mark="★★",
)

LOG_SUM_EXP = Exercise(
    "log_sum_exp",
    log_sum_exp,
    _rows,
    mistakes=(
        Mistake(
            "overflow",
            lambda x: x.exp().sum(1).log(),
            zh="直接取了指数：数一大就成了无穷，数很小又全成了零。先减去每行的最大值，指数就不会超过 1，最后再加回来。",
            en="The exponentials were taken as they are: large numbers become infinite, small ones all zero. Subtract each row's maximum first, so that none is above 1, and add it back at the end.",
        ),
        Mistake(
            "whole_maximum",
            lambda x: x.max() + (x - x.max()).exp().sum(1).log(),
            zh="减的是整个矩阵的最大值。别的行要是小 800，它的指数就全成了零。每一行要减自己的最大值：看看 `dim`。",
            en="The maximum of the whole matrix was subtracted. A row that is 800 lower then has only zeros left. Each row needs its own maximum: look at `dim`.",
        ),
        Mistake(
            "max_not_added",
            lambda x: (x - x.amax(1, keepdim=True)).exp().sum(1).log(),
            zh="减掉的最大值没有加回来：所有的数加 7，结果应当也加 7。",
            en="The maximum was subtracted but never added back: 7 more in every number should give 7 more in the result.",
        ),
        Mistake(
            "max_added_inside_log",
            lambda x: (x.amax(1) + (x - x.amax(1, keepdim=True)).exp().sum(1)).log(),
            zh="最大值加到了对数里面。它是从指数里提出来的，取完对数之后才能加。",
            en="The maximum was added inside the logarithm. It was taken out of the exponent, so it is added after the logarithm.",
        ),
        Mistake(
            "max_subtracted_again",
            lambda x: (x - x.amax(1, keepdim=True)).exp().sum(1).log() - x.amax(1),
            zh="最后又减了一次最大值，符号反了：减掉的要加回来。",
            en="At the end the maximum was subtracted once more: what was taken away has to be added back.",
        ),
        Mistake(
            "over_columns",
            lambda x: x.logsumexp(0),
            zh="沿着列求和了：题目要每一行一个数。方阵从形状上看不出来，看看 `dim`。",
            en="The sum runs down the columns; one number for each row is asked for. A square matrix hides it: look at `dim`.",
        ),
        Mistake(
            "maxima_of_columns",
            lambda x: x.amax(0) + (x - x.amax(0)).exp().sum(1).log(),
            zh="减的是每一列的最大值。求和沿着行，最大值也要沿着行：两处的 `dim` 应当一样。",
            en="The maximum of each column was subtracted. The sum runs along rows, so the maximum must as well: both take the same `dim`.",
        ),
        Mistake(
            "maximum_misaligned",
            lambda x: x.amax(1) + (x - x.amax(1)).exp().sum(1).log(),
            zh="行的最大值减到列上去了：形状 `(n,)` 广播时对齐的是最后一根轴。求最大值时保留那一维（`keepdim=True`）。方阵不会报错，更危险。",
            en="The maxima of the rows were subtracted from columns: a shape `(n,)` is aligned with the last axis. Keep the dimension (`keepdim=True`). With a square matrix nothing raises, which makes it worse.",
        ),
        Mistake(
            "base_two",
            lambda x: x.amax(1) + (x - x.amax(1, keepdim=True)).exp().sum(1).log2(),
            zh="用了以 2 为底的对数。指数的底是 e，对数也要用自然对数。",
            en="The logarithm has base 2. The exponential has base e, and so must the logarithm.",
        ),
        Mistake(
            "base_ten",
            lambda x: x.amax(1) + (x - x.amax(1, keepdim=True)).exp().sum(1).log10(),
            zh="用了以 10 为底的对数。要用自然对数。",
            en="The logarithm has base 10; the natural one is wanted.",
        ),
        Mistake(
            "mean_for_sum",
            lambda x: x.logsumexp(1) - math.log(x.shape[1]),
            zh="差了一个 ln n：里面求的是平均，不是和。",
            en="Off by ln n: the inner step is a mean, not a sum.",
        ),
        Mistake(
            "log_forgotten",
            lambda x: x.amax(1) + (x - x.amax(1, keepdim=True)).exp().sum(1),
            zh="没有取对数，和直接加到最大值上了。",
            en="The logarithm is missing: the sum itself was added to the maximum.",
        ),
        Mistake(
            "maximum_only",
            lambda x: x.amax(1),
            zh="返回的是最大值。log-sum-exp 只有在一个数远大于其余时才约等于它，别的数也有份。",
            en="That is the maximum. A log-sum-exp comes near it only where one number is far above the others; they count as well.",
        ),
        Mistake(
            "minimum_subtracted",
            lambda x: x.amin(1) + (x - x.amin(1, keepdim=True)).exp().sum(1).log(),
            zh="减的是最小值：一行里相差很大时，指数照样溢出。减最大值，指数才不会超过 1。",
            en="The minimum was subtracted: with numbers far apart in a row it still overflows. Only less the maximum is no exponential above 1.",
        ),
        Mistake(
            "mean_subtracted",
            lambda x: x.mean(1) + (x - x.mean(1, keepdim=True)).exp().sum(1).log(),
            zh="减的是平均值：有一个数远高于平均时，照样溢出。要减最大值。",
            en="The mean was subtracted: a number far above the mean still overflows. Subtract the maximum.",
        ),
        Mistake(
            "largest_size_subtracted",
            lambda x: x.abs().amax(1) + (x - x.abs().amax(1, keepdim=True)).exp().sum(1).log(),
            zh="减的是绝对值的最大值。所有的数都是 −1000 时，再减 1000，指数就全成了零。",
            en="The largest absolute value was subtracted. Where all numbers are −1,000, less another 1,000 every exponential is zero.",
        ),
        Mistake(
            "clamped",
            lambda x: x.clamp(-80, 80).exp().sum(1).log(),
            zh="先把数夹到了一个范围里：不溢出了，结果却错了，梯度也断了。减最大值不改变结果。",
            en="The numbers were clamped to a range first: nothing overflows, but the result is wrong and the gradient cut. Less the maximum, it stays right.",
        ),
        Mistake(
            "epsilon_in_log",
            lambda x: (x.exp().sum(1) + 1e-8).log(),
            zh="对数里加一个小数，只躲开了 log 0，溢出还在，小的数也全错了。减最大值就用不着它。",
            en="A small number inside the logarithm avoids log 0 only: large numbers still overflow and small ones come out wrong. Less the maximum, it is not needed.",
        ),
        Mistake(
            "one_too_many",
            lambda x: x.amax(1) + (x - x.amax(1, keepdim=True)).exp().sum(1).log1p(),
            zh="和里面多了一个 1（`log1p`）：最大的那个数的指数已经是 1，不用再加。",
            en="The sum is 1 too large (`log1p`): the exponential of the largest number is that 1 already.",
        ),
    ),
    properties=(
        Property(
            lambda function, x: bool(function(x).isfinite().all()),
            zh="输入是有限的数，结果也是：指数没有溢出，也没有全部成零。",
            en="finite numbers give a finite result: no exponential overflows, nor do all of them become zero.",
        ),
        Property(
            lambda function, x: torch.allclose(function(x + 7), function(x) + 7, atol=1e-3),
            zh="所有的数加 7，结果也加 7（平移）。",
            en="adding 7 to every number adds 7 to the result (shift).",
        ),
        Property(
            lambda function, x: torch.allclose(function(x), function(x.flip(1)), atol=1e-3),
            zh="列的次序倒过来，结果不变。",
            en="columns in reverse order give the same result.",
        ),
        Property(
            lambda function, x: torch.allclose(function(x), function(x.flip(0)).flip(0), atol=1e-3),
            zh="每一行的结果与别的行无关。",
            en="the result of a row does not depend on other rows.",
        ),
        Property(
            lambda function, x: torch.allclose(
                function(torch.cat([x, x], 1)), function(x) + math.log(2), atol=1e-3
            ),
            zh="每个数说两遍，结果只加 ln 2。",
            en="every number twice adds ln 2 to the result.",
        ),
    ),
    hints=(
        Message(
            "指数最怕大数。从每一行里提出它的最大值：剩下的数都不大于 0，指数都不大于 1。",
            "Exponentials dislike large numbers. Take each row's maximum out: what is left is at most 0, and its exponential at most 1.",
        ),
        Message(
            "ln Σ exp(xᵢ) = m + ln Σ exp(xᵢ − m)，对任何 m 都成立；取 m 为这一行的最大值。",
            "ln Σ exp(xᵢ) = m + ln Σ exp(xᵢ − m) for any m; take the maximum of the row.",
        ),
        Message(
            "`x.amax(dim=1)` 是每行的最大值，形状 `(rows,)`；减的时候写成 `m[:, None]`，最后加的时候不用。",
            "`x.amax(dim=1)` is the maximum of each row, of shape `(rows,)`; subtract it as `m[:, None]`, add it as it is.",
        ),
    ),
    minutes=10,
    mark="★★",
)

CROSS_ENTROPY = Exercise(
    "cross_entropy",
    cross_entropy,
    _batches,
    mistakes=(
        Mistake(
            "softmax_twice",
            lambda logits, labels: F.cross_entropy(logits.softmax(1), labels),
            zh="softmax 做了两遍：概率又被当成了 logits。概率都在 0 到 1 之间，再做一遍就几乎一样大，损失降不下去。",
            en="Softmax was taken twice: probabilities went in as logits. They lie between 0 and 1, so a second softmax makes them nearly equal, and the loss cannot fall.",
        ),
        Mistake(
            "over_batch",
            lambda logits, labels: _nll(logits.log_softmax(0), labels),
            zh="softmax 沿着批次做了：各样本在互相竞争，而不是各类。每一行的概率之和应当是 1，看看 `dim`。",
            en="The softmax runs over the batch: samples compete instead of classes. The probabilities of each row should sum to 1; look at `dim`.",
        ),
        Mistake(
            "sum_for_mean",
            lambda logits, labels: _nll(logits.log_softmax(1), labels) * len(logits),
            zh="求的是和，不是平均：批量大一倍，损失也大一倍。",
            en="That is the sum over the batch, not the mean: twice the batch, twice the loss.",
        ),
        Mistake(
            "sign_forgotten",
            lambda logits, labels: -_nll(logits.log_softmax(1), labels),
            zh="忘了负号：概率的对数是负的，损失应当是正的，越小越好。",
            en="The minus is missing: the logarithm of a probability is negative, a loss is positive and better when smaller.",
        ),
        Mistake(
            "base_two",
            lambda logits, labels: _nll(logits.log_softmax(1), labels) / math.log(2),
            zh="用了以 2 为底的对数（单位是比特）。题目要自然对数：瞎猜 N 类应得 ln N。",
            en="The logarithm has base 2 (bits). The natural one is asked for: guessing among N classes should cost ln N.",
        ),
        Mistake(
            "base_ten",
            lambda logits, labels: _nll(logits.log_softmax(1), labels) / math.log(10),
            zh="用了以 10 为底的对数。要用自然对数。",
            en="The logarithm has base 10; the natural one is asked for.",
        ),
        Mistake(
            "overflow",
            lambda logits, labels: _nll(_naive_softmax(logits).log(), labels),
            zh="直接取了指数：logits 大到 1000 时，指数是无穷，结果成了 NaN。先减去每行的最大值，或者用 log-sum-exp。",
            en="The exponentials were taken as they are: with logits near 1,000 they are infinite. Subtract each row's maximum first, or use a log-sum-exp.",
        ),
        Mistake(
            "overflow_in_the_sum",
            lambda logits, labels: (logits.exp().sum(1).log() - _picked(logits, labels)).mean(),
            zh="直接取了指数再求和：logits 大到 1000 时和是无穷，小到 −1000 时和是零，它的对数是负无穷。先减去每行的最大值，最后再加回来。",
            en="The exponentials were summed as they are: with logits near 1,000 the sum is infinite, near −1,000 it is zero. Subtract each row's maximum first, and add it back at the end.",
        ),
        Mistake(
            "log_of_a_zero",
            lambda logits, labels: _nll(logits.softmax(1).log(), labels),
            zh="softmax 没有溢出，可是概率小到成了 0，它的对数就是负无穷。错得最厉害的样本，正是最需要梯度的。不要先求概率再取对数，直接求对数概率。",
            en="The softmax did not overflow, but a tiny probability became 0 and its logarithm infinite, just where the model is most wrong and needs a gradient. Do not go through probabilities; compute their logarithms directly.",
        ),
        Mistake(
            "epsilon_in_log",
            lambda logits, labels: _nll((logits.softmax(1) + 1e-8).log(), labels),
            zh="对数里加一个小数，损失不再是无穷，却有了上限（约 18），错得厉害的样本收不到梯度。直接求对数概率。",
            en="A small number inside the logarithm keeps the loss finite but gives it a ceiling, about 18, beyond which no gradient comes. Compute the logarithm of the probability directly.",
        ),
        Mistake(
            "all_pairs",
            lambda logits, labels: -logits.log_softmax(1)[:, labels].mean(),
            zh="取了所有样本与所有标签的组合。`[:, labels]` 对每一行取了全部标签；每一行只要自己的那一个，行号也要给出。",
            en="Every sample was combined with every label. `[:, labels]` takes all labels in each row; a row needs its own only, so name the rows, too.",
        ),
        Mistake(
            "divided_by_classes",
            lambda logits, labels: _nll(logits.log_softmax(1), labels) / logits.shape[1],
            zh="多除了类别数：用独热编码相乘再对整个矩阵求平均，就会这样。只按批次平均。",
            en="Divided by the number of classes as well, as when a product with one-hot labels is averaged over the whole matrix. Average over the batch only.",
        ),
        Mistake(
            "probability",
            lambda logits, labels: -_picked(logits.softmax(1), labels).mean(),
            zh="求的是概率的平均，没有取对数。没有对数，错得再离谱，损失也只有 0，梯度几乎消失。",
            en="That is the mean probability; no logarithm was taken. Without it the worst error costs hardly more than a bad one, and gradients vanish.",
        ),
        Mistake(
            "one_minus_probability",
            lambda logits, labels: (1 - _picked(logits.softmax(1), labels)).mean(),
            zh="用 1 减去了概率，没有取对数：错得再离谱，损失也不超过 1。",
            en="That is 1 minus the probability, without a logarithm: the worst error costs no more than 1.",
        ),
        Mistake(
            "most_likely",
            lambda logits, labels: -logits.log_softmax(1).amax(1).mean(),
            zh="取的是最大的概率，不是标签的概率：模型错得越有把握，损失反而越小。",
            en="The largest probability was taken, not that of the label: the surer a wrong model is, the smaller its loss.",
        ),
        Mistake(
            "mean_inside_log",
            lambda logits, labels: -_picked(logits.softmax(1), labels).mean().log(),
            zh="先平均概率，再取了对数。要先对每个样本取对数，再平均；两者不相等。",
            en="The probabilities were averaged before the logarithm. Take the logarithm for each sample, then the mean; the two differ.",
        ),
        Mistake(
            "label_off_by_one",
            lambda logits, labels: _nll(logits.log_softmax(1), (labels - 1) % logits.shape[1]),
            zh="标签减了 1：类别从 0 开始编号，直接用作下标。",
            en="The labels were reduced by 1: classes are numbered from 0 and are indices as they are.",
        ),
        Mistake(
            "label_one_further",
            lambda logits, labels: _nll(logits.log_softmax(1), (labels + 1) % logits.shape[1]),
            zh="取了标签的下一类：类别从 0 开始编号，直接用作下标。",
            en="The class after the label was taken: classes are numbered from 0 and are indices as they are.",
        ),
        Mistake(
            "normaliser_forgotten",
            lambda logits, labels: -_picked(logits, labels).mean(),
            zh="只取了标签的 logit，没有归一化：把所有 logits 一起加大，损失就能无限下降。还要加上每行的 log-sum-exp。",
            en="Only the logit of the label was taken, without normalising: raising all logits together would lower the loss for ever. The log-sum-exp of the row belongs to it.",
        ),
        Mistake(
            "normalised_over_all",
            lambda logits, labels: (logits.logsumexp((0, 1)) - _picked(logits, labels)).mean(),
            zh="归一化用了整个矩阵：不同样本也在互相竞争。每一行有自己的 log-sum-exp。",
            en="Normalised over the whole matrix, so samples compete as well. Each row has its own log-sum-exp.",
        ),
        Mistake(
            "maximum_not_added",
            lambda logits, labels: (
                (logits - logits.amax(1, keepdim=True)).logsumexp(1) - _picked(logits, labels)
            ).mean(),
            zh="log-sum-exp 里减掉的最大值没有加回来（或者标签的 logit 没有减）。两边要么都减，要么都不减。",
            en="The maximum taken from the log-sum-exp was not added back, nor taken from the logit of the label. Subtract it on both sides or on neither.",
        ),
        Mistake(
            "one_maximum_for_all",
            lambda logits, labels: _nll(_naive_softmax(logits - logits.max()).log(), labels),
            zh="减的是整个矩阵的最大值：小 800 的那一行，指数全成了零。每一行减自己的最大值。",
            en="The maximum of the whole matrix was subtracted: in a row 800 lower every exponential is zero. Subtract each row's own.",
        ),
        Mistake(
            "one_maximum_in_the_sum",
            lambda logits, labels: (
                logits.max() + (logits - logits.max()).exp().sum(1).log() - _picked(logits, labels)
            ).mean(),
            zh="log-sum-exp 里减的是整个矩阵的最大值：小 800 的那一行，指数全成了零，对数是负无穷。每一行减自己的最大值。",
            en="The log-sum-exp subtracts the maximum of the whole matrix: in a row 800 lower every exponential is zero, and the logarithm −∞. Subtract each row's own.",
        ),
        Mistake(
            "right_class_left_out",
            _without_right_class,
            zh="分母里少了正确的那一类：损失可以变成负的，也就没有下限了。分母是所有类的和。",
            en="The right class is missing from the denominator, so the loss can fall below zero without end. The denominator sums over all classes.",
        ),
        Mistake(
            "labels_ignored",
            lambda logits, labels: -logits.log_softmax(1).mean(),
            zh="没有用到标签：对所有类求了平均。每一行只取标签那一类。",
            en="The labels were not used: the mean runs over all classes. Take the class of the label in each row.",
        ),
        Mistake(
            "binary_cross_entropy",
            lambda logits, labels: F.binary_cross_entropy_with_logits(logits, _one_hot(logits, labels)),
            zh="这是二元交叉熵：每一类各答一次“是不是”。这里是单选，各类共用一个 softmax。",
            en="That is the binary cross entropy: a yes or no for every class. Here one class is chosen among all, so they share one softmax.",
        ),
        Mistake(
            "squared_error",
            lambda logits, labels: (logits.softmax(1) - _one_hot(logits, labels)).square().sum(1).mean(),
            zh="这是概率的平方误差。错得很有把握时它几乎没有梯度；交叉熵看的是对数概率。",
            en="That is the squared error of the probabilities. Confidently wrong, it hardly has a gradient; the cross entropy looks at the logarithm.",
        ),
        Mistake(
            "entropy",
            lambda logits, labels: -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean(),
            zh="这是预测自己的熵，没有用到标签：乘的应当是标签的分布，不是预测的概率。",
            en="That is the entropy of the prediction, without labels: the weights should be the labels', not the predicted probabilities.",
        ),
    ),
    properties=(
        Property(
            lambda function, logits, labels: torch.allclose(
                function(logits + 7, labels), function(logits, labels), atol=1e-3
            ),
            zh="所有 logits 加 7，损失不变（平移）。",
            en="adding 7 to all logits changes nothing (shift).",
        ),
        Property(
            lambda function, logits, labels: torch.allclose(
                function(torch.zeros_like(logits), labels),
                torch.tensor(math.log(logits.shape[1])).to(logits),
                atol=1e-3,
            ),
            zh="什么都不知道（logits 全是 0）时，损失是 ln N。",
            en="knowing nothing, with all logits 0, costs ln N.",
        ),
        Property(
            lambda function, logits, labels: torch.allclose(
                function(logits.repeat(2, 1), labels.repeat(2)), function(logits, labels), atol=1e-3
            ),
            zh="同一批数据重复一遍，平均的损失不变。",
            en="the same batch twice has the same mean loss.",
        ),
        Property(
            lambda function, logits, labels: (
                abs(float(function(3000 * _one_hot(logits, (labels + 1) % logits.shape[1]), labels)) - 3000)
                < 1
            ),
            zh="错得有把握，别的类高出 3000，损失就约是 3000。",
            en="confidently wrong by 3,000 costs about 3,000.",
        ),
        Property(
            lambda function, logits, labels: (
                abs(float(function(100 * _one_hot(logits, labels), labels))) < 1e-3
            ),
            zh="答得又对又有把握，损失约为 0。",
            en="right and confident costs about 0.",
        ),
    ),
    hints=(
        Message(
            "损失是“正确的那一类的对数概率”的相反数，对批次求平均。",
            "The loss is minus the logarithm of the probability of the right class, averaged over the batch.",
        ),
        Message(
            "对数概率 = 这一类的 logit − 这一行的 log-sum-exp。不必先求概率，也就不会遇到 log 0。",
            "The logarithm of a probability is the logit of the class minus the log-sum-exp of the row. Without going through probabilities there is no log 0.",
        ),
        Message(
            "`torch.arange(len(labels))` 给出行号，`logits[rows, labels]` 每行取一个；log-sum-exp 用上一题的办法（减最大值）。",
            "`torch.arange(len(labels))` gives the rows, and `logits[rows, labels]` takes one number from each; for the log-sum-exp use the last exercise (less the maximum).",
        ),
    ),
    minutes=20,
    mark="★★★",
)

COSINE_MATRIX = Exercise(
    "cosine_matrix",
    cosine_matrix,
    _texts,
    mistakes=(
        Mistake(
            "padding_averaged",
            lambda embeddings, real: _cosines(embeddings.mean(1)),
            zh="填充也平均进去了。PAD 也有自己的嵌入，短的句子填充多，于是短句之间都显得相像。平均之前先用 `real` 去掉它们。",
            en="Padding was averaged in. PAD has an embedding, too; short texts hold much of it, and so look alike. Take it out with `real` before the mean.",
        ),
        Mistake(
            "mask_inverted",
            lambda embeddings, real: _cosines((embeddings * ~real[..., None]).sum(1)),
            zh="掩码用反了：留下的是填充，去掉的是词。`real` 为 True 的才是词。",
            en="The mask is the wrong way round: padding was kept and words dropped. Words are where `real` is True.",
        ),
        Mistake(
            "mean_of_padding",
            lambda embeddings, real: _cosines(_mean(embeddings, ~real)),
            zh="掩码用反了：平均的是填充，不是词；没有填充的句子就成了 0/0。`real` 为 True 的才是词。",
            en="The mask is the wrong way round: padding was averaged instead of words, and a text without padding is 0/0. Words are where `real` is True.",
        ),
        Mistake(
            "not_normalised",
            lambda embeddings, real: _products(_mean(embeddings, real)),
            zh="点积里还有长度：长的向量分数高。相乘之前，每个句子的向量要先变成单位长度。",
            en="A dot product still holds the lengths, so long vectors score high. Make each text's vector a unit vector before you multiply.",
        ),
        Mistake(
            "sums_not_normalised",
            lambda embeddings, real: _products((embeddings * real[..., None]).sum(1)),
            zh="求了和，没有变成单位长度：词多的句子，分数就高。余弦要除以向量自己的长度。",
            en="The words were summed, and nothing was normalised: texts with more words score higher. A cosine divides by the vectors' lengths.",
        ),
        Mistake(
            "normalised_over_batch",
            lambda embeddings, real: _products(F.normalize(_mean(embeddings, real), dim=0)),
            zh="归一化沿着批次做了：一句话的分数会随同批次的其他句子而变。每一行要有单位长度，看看 `dim`。",
            en="Normalised over the batch, so a score depends on which other texts are there. Each row is to have length 1; look at `dim`.",
        ),
        Mistake(
            "normalised_as_a_whole",
            lambda embeddings, real: _products(_mean(embeddings, real) / _mean(embeddings, real).norm()),
            zh="整个矩阵除以了同一个数，句子之间的长度差别还在。范数要逐行求。",
            en="The whole matrix was divided by one number, so texts still differ in length. Take the norm of each row.",
        ),
        Mistake(
            "normalised_after",
            lambda embeddings, real: F.normalize(_products(_mean(embeddings, real)), dim=-1),
            zh="先乘后归一化了：那只是把每一行分数缩放一遍，不是余弦。归一化在相乘之前做。",
            en="Normalised after the product: that only scales each row of scores and makes no cosines. Normalise before.",
        ),
        Mistake(
            "one_side_normalised",
            lambda embeddings, real: _unit(_mean(embeddings, real)) @ _mean(embeddings, real).T,
            zh="只归一化了一边，另一边的长度还在分数里，矩阵也不再对称。两边都要。",
            en="Only one side is normalised; the other's length still counts, and the matrix is no longer symmetric. Both sides need it.",
        ),
        Mistake(
            "words_normalised_first",
            lambda embeddings, real: _cosines(_mean(_unit(embeddings), real)),
            zh="先把每个词变成了单位长度，再平均。这样长的词向量失去了分量；题目要先平均，再归一化一次。",
            en="Each word was normalised before the mean, so that long word vectors lose their weight. Average first, then normalise once.",
        ),
        Mistake(
            "mean_of_word_cosines",
            lambda embeddings, real: _products(_mean(_unit(embeddings), real)),
            zh="这是词与词的余弦的平均：自己和自己也得不到 1。先平均成一个向量，再求一次余弦。",
            en="That is the mean of cosines between words: a text with itself does not even give 1. Average to one vector first, then take one cosine.",
        ),
        Mistake(
            "squared_norm",
            lambda embeddings, real: _products(
                _mean(embeddings, real) / _mean(embeddings, real).square().sum(1, keepdim=True)
            ),
            zh="除以的是长度的平方，忘了开方：新的长度是 1/长度，不是 1。",
            en="Divided by the squared length, without the root: the new length is 1/length and not 1.",
        ),
        Mistake(
            "divided_by_one_norm",
            lambda embeddings, real: (
                _products(_mean(embeddings, real)) / _mean(embeddings, real).norm(dim=1)[:, None].square()
            ),
            zh="除了两次同一个句子的长度。余弦要除以两个句子各自的长度：一次按行，一次按列。",
            en="Divided twice by the length of the same text. A cosine divides by the lengths of both: once by row, once by column.",
        ),
        Mistake(
            "l1_norm",
            lambda embeddings, real: _products(F.normalize(_mean(embeddings, real), p=1, dim=-1)),
            zh="用了绝对值之和（L1 范数）。余弦要的是平方和开根（L2）：自己和自己得 1。",
            en="Normalised by the sum of absolute values (L1). A cosine needs the root of the sum of squares (L2): a text with itself gives 1.",
        ),
        Mistake(
            "first_word",
            lambda embeddings, real: _cosines(embeddings[:, 0]),
            zh="只看了第一个位置的向量。要平均所有的词。",
            en="Only the first place was looked at. Average all the words.",
        ),
        Mistake(
            "last_place",
            lambda embeddings, real: _cosines(embeddings[:, -1]),
            zh="只看了最后一个位置，短的句子在那里是填充。要平均所有的词。",
            en="Only the last place was looked at, which is padding in short texts. Average all the words.",
        ),
        Mistake(
            "last_word",
            lambda embeddings, real: _cosines(_last_real(embeddings, real)),
            zh="只看了最后一个词。GPT 一类的模型那样做；这里要平均所有的词。",
            en="Only the last word was looked at, as models like GPT do. Here all words are averaged.",
        ),
        Mistake(
            "maximum_for_mean",
            lambda embeddings, real: _cosines(embeddings.masked_fill(~real[..., None], -math.inf).amax(1)),
            zh="取的是每一维的最大值，不是平均。",
            en="That is the maximum of each dimension, not the mean.",
        ),
        Mistake(
            "first_mask_for_all",
            lambda embeddings, real: _cosines(_mean(embeddings, real[:1].expand_as(real))),
            zh="所有的句子都用了第一句的掩码。句子有长有短，各用各的。",
            en="The mask of the first text was used for all. Texts differ in length; each has its own.",
        ),
        Mistake(
            "padding_assumed_at_the_end",
            lambda embeddings, real: _cosines(_first_by_count(embeddings, real)),
            zh="只取了前几个位置，以为填充总在最后。`real` 说了词在哪里，填充也可能在左边。",
            en="The first places were taken, as if padding always stood at the end. `real` says where the words are; padding may be on the left.",
        ),
        Mistake(
            "words_strung_together",
            lambda embeddings, real: _cosines((embeddings * real[..., None]).flatten(1)),
            zh="把一句话的词首尾相接成了一个长向量：同样的词换个位置就不像了。要平均。",
            en="The words of a text were strung together into one long vector: the same words in other places no longer match. Average them.",
        ),
        Mistake(
            "averaged_over_features",
            lambda embeddings, real: _cosines(embeddings.mean(2) * real),
            zh="平均错了轴：每个词的各维平均成了一个数。要在词之间平均，留下 dim。",
            en="The wrong axis was averaged: each word became one number. Average between words and keep dim.",
        ),
        Mistake(
            "distance",
            lambda embeddings, real: 1 - _cosines(_mean(embeddings, real)),
            zh="返回的是 1 减去余弦，也就是距离。自己和自己的余弦是 1。",
            en="That is 1 minus the cosine, a distance. The cosine of a text with itself is 1.",
        ),
        Mistake(
            "divided_by_root_dim",
            lambda embeddings, real: _products(_mean(embeddings, real)) / embeddings.shape[2] ** 0.5,
            zh="除以 √d 是注意力里的做法，长度的影响还在。余弦要除以向量自己的长度。",
            en="Division by √d belongs to attention and leaves the lengths in. A cosine divides by the vectors' own lengths.",
        ),
    ),
    properties=(
        Property(
            lambda function, embeddings, real: torch.allclose(
                function(embeddings, real).diagonal(), embeddings.new_ones(len(real)), atol=1e-4
            ),
            zh="自己和自己的余弦是 1。",
            en="a text has cosine 1 with itself.",
        ),
        Property(
            lambda function, embeddings, real: torch.allclose(
                function(embeddings, real), function(embeddings, real).T, atol=1e-4
            ),
            zh="矩阵是对称的。",
            en="the matrix is symmetric.",
        ),
        Property(
            lambda function, embeddings, real: torch.allclose(
                function(embeddings, real),
                function(torch.where(real[..., None], embeddings, embeddings + 5), real),
                atol=1e-4,
            ),
            zh="填充的嵌入是什么，不影响结果。",
            en="the embeddings of padding do not matter.",
        ),
        Property(
            lambda function, embeddings, real: torch.allclose(
                function(embeddings, real), function(embeddings.flip(1), real.flip(1)), atol=1e-4
            ),
            zh="词的次序不影响结果（词袋）。",
            en="the order of the words does not matter (a bag of words).",
        ),
        Property(
            lambda function, embeddings, real: torch.allclose(
                function(embeddings, real), function(3 * embeddings, real), atol=1e-4
            ),
            zh="所有的嵌入放大三倍，余弦不变。",
            en="embeddings three times as long have the same cosines.",
        ),
        Property(
            lambda function, embeddings, real: torch.allclose(
                function(torch.cat([embeddings, -embeddings]), torch.cat([real, real]))[
                    : len(real), len(real) :
                ],
                -function(embeddings, real),
                atol=1e-4,
            ),
            zh="一句话的嵌入都反过来，它与别的句子的余弦就变号：余弦可以是负的。",
            en="with all its embeddings turned round, a text's cosines with others change their sign: a cosine may be negative.",
        ),
    ),
    hints=(
        Message(
            "三步：平均每句话的词，把每个平均变成单位长度，一次矩阵乘法得到所有余弦。",
            "Three steps: average the words of each text, make each average a unit vector, and one matrix product gives all cosines.",
        ),
        Message(
            "让填充的向量成为零，再沿着 `length` 求和。掩码的形状是 `(n, length)`，要多一根轴才能乘。",
            "Make the vectors of padding zero, then sum along `length`. The mask has shape `(n, length)` and needs one more axis for the product.",
        ),
        Message(
            "`real[..., None]` 和 `embeddings` 相乘，`.sum(dim=1)`，除以词数；再除以 `.norm(dim=-1, keepdim=True)`；最后乘上自己的转置。",
            "Multiply `embeddings` by `real[..., None]`, `.sum(dim=1)`, divide by the number of words; then divide by `.norm(dim=-1, keepdim=True)`, and multiply by its own transpose.",
        ),
    ),
    minutes=20,
    mark="★★★",
)

EXERCISES = (PATCHIFY, ENCODE, DECODE, LOG_SUM_EXP, CROSS_ENTROPY, COSINE_MATRIX)
