"""The exact entropy of captions, from the sampling rules themselves: how many bits there are to be learnt.

No photograph comes with this number. Ours do: a caption tells of the number of objects, their shapes, colours
and sizes, one place, and one order of mention; the objects of a scene all differ, so a caption and these facts
determine one another, in either language.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float64, Int64

from vlmlearn.world.scenes import EDGE, LOOK_ALIKES, sample_scenes
from vlmlearn.world.shapes import ALL_PAIRS, COLORS, HELD_OUT_PAIRS, MAX_OBJECTS, SEEN_PAIRS, SHAPES
from vlmlearn.world.tokenizer import Tokenizer
from vlmlearn.world.words import RELATIONS


@dataclass(frozen=True)
class CaptionEntropy:
    """The entropy of a caption in bits (Shannon 1948), part by part; each part is given all before it.

    Attributes:
        count: how many objects there are.
        pairs: which shape–colour pairs they are, as a set.
        sizes: how large each is.
        place: the ninth of the picture a single object is in, or the side of the second object the first is on.
        order: in which order the objects are mentioned.
    """

    count: float
    pairs: float
    sizes: float
    place: float
    order: float

    @property
    def total(self) -> float:
        """Bits in a caption."""
        return self.count + self.pairs + self.sizes + self.place + self.order

    @property
    def visible(self) -> float:
        """Bits that a caption shares with its scene (mutual information): all but the order of mention.

        No picture of a scene can tell more about its caption.
        """
        return self.total - self.order


def caption_entropy(split: str = "train", objects: tuple[int, int] = (1, MAX_OBJECTS)) -> CaptionEntropy:
    """How many bits a caption of the world holds, exactly (but for the rounding of 24-bit random numbers).

    Args:
        split, objects: as in ``sample_scenes``.

    Returns:
        The bits of each part.

    Raises:
        ValueError: unknown split, impossible object numbers.
    """
    sample_scenes(0, split=split, objects=objects)  # complains of what no scene can be sampled with
    counts = range(objects[0], objects[1] + 1)
    order = [math.log2(math.factorial(n)) for n in counts]
    # Mentioned in a random order, n pairs have log2 n! bits more than as a set.
    pairs = [_mentioned_pairs_bits(split, n) - bits for n, bits in zip(counts, order, strict=True)]
    return CaptionEntropy(
        count=math.log2(len(counts)),
        pairs=float(np.mean(pairs)),
        sizes=float(np.mean(counts)),
        place=float(np.mean([_place_bits(n) for n in counts])),
        order=float(np.mean(order)),
    )


def free_word_bits(texts: Sequence[str], vocabulary: int | None = None) -> float:
    """Mean bits of a text if each of its words, and its end, were any of the vocabulary, all equally likely.

    What is beyond the entropy of the texts is supplied by language alone: which word may follow which.

    Args:
        texts: what the world says, in either language.
        vocabulary: number of words to choose from; by default that of ``Tokenizer()``.

    Raises:
        ValueError: no text, a word that the world never says, a vocabulary of fewer than two words.
    """
    tokenizer = Tokenizer()
    vocabulary = len(tokenizer) if vocabulary is None else vocabulary
    if len(texts) == 0 or vocabulary < 2:
        raise ValueError(
            f"{len(texts)} texts and a vocabulary of {vocabulary} words: pass at least one text and two words"
        )
    return float(np.mean([len(tokenizer.tokens(text)) + 1 for text in texts])) * math.log2(vocabulary)


def _bits(probabilities: np.ndarray) -> float:
    possible = probabilities[probabilities > 0]
    return float(-(possible * np.log2(possible)).sum())


def _place_bits(count: int) -> float:
    """One object: a column and a row, cut at thirds. More: four sides, all equally likely.

    For positions are drawn from a square and kept or dropped by their distances alone: whatever the objects, a
    layout turned by a right angle is as likely as the layout.
    """
    if count > 1:
        return math.log2(len(RELATIONS))
    thirds = np.diff([EDGE, 1 / 3, 2 / 3, 1 - EDGE]) / (1 - 2 * EDGE)
    return 2 * _bits(thirds)


@cache
def _mentioned_pairs_bits(split: str, count: int) -> float:
    pool = SEEN_PAIRS if split in ("train", "val", "test") else ALL_PAIRS
    pairs = pair_probabilities(pool, count)
    if split == "compositional":
        pairs = _with_held_out_pair(pairs, pool)
    # Averaged over all orders of mention: first those of one pair, then of two, …
    for last in range(1, count):
        pairs = (pairs + sum(pairs.swapaxes(last, before) for before in range(last))) / (last + 1)
    return _bits(pairs)


def pair_probabilities(pool: Int64[np.ndarray, " pool"], count: int) -> Float64[np.ndarray, "..."]:
    """How likely each pair of a pool is for the first, second, … object, in the order of sampling.

    Four different pairs are drawn. Then the second becomes, in ``LOOK_ALIKES`` of the scenes, one of the shape or
    the colour of the first, if that is in the pool and not yet drawn; also what is drawn for objects
    that are not there counts as drawn.

    Args:
        pool: at least four different pairs.
        count: number of objects, 1 to 4.

    Returns:
        ``count`` dimensions of the pool's length: entry [i, j, …] is the probability of pool[i], pool[j], …
    """
    shape, color, m = pool // len(COLORS), pool % len(COLORS), len(pool)
    # alike[a, b]: a look-alike made from a is b.
    alike = 0.5 * (shape[:, None] == shape) / len(COLORS) + 0.5 * (color[:, None] == color) / len(SHAPES)
    np.fill_diagonal(alike, 0)
    a_b, a_c, a_d = alike[:, :, None, None], alike[:, None, :, None], alike[:, None, None, :]
    # Four pairs stay as drawn unless the look-alike is new; and b may replace any of m - 4 other second pairs.
    new = alike.sum(1)[:, None, None, None] - a_b - a_c - a_d
    likely = 1 - LOOK_ALIKES * new + LOOK_ALIKES * (m - MAX_OBJECTS) * a_b
    different = ~np.eye(m, dtype=bool)
    for i in range(1, MAX_OBJECTS):
        for j in range(i):
            likely *= np.expand_dims(different, tuple(k for k in range(MAX_OBJECTS) if k not in (i, j)))
    return likely.sum(tuple(range(count, MAX_OBJECTS))) / math.perm(m, MAX_OBJECTS)


def _with_held_out_pair(
    pairs: Float64[np.ndarray, "..."], pool: Int64[np.ndarray, " pool"]
) -> Float64[np.ndarray, "..."]:
    """The rule of the split "compositional": without a held-out pair, a random object becomes a random one."""
    held_out, count = np.isin(pool, HELD_OUT_PAIRS), pairs.ndim
    lacking = pairs.copy()
    for axis in range(count):
        np.moveaxis(lacking, axis, 0)[held_out] = 0
    result = pairs - lacking
    for axis in range(count):
        moved = lacking.sum(axis) / (count * len(HELD_OUT_PAIRS))
        np.moveaxis(result, axis, 0)[held_out] += moved
    return result
