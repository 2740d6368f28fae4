"""The exact entropy of captions against enumerating the rules, and against counting what is really said."""

import math
from collections import Counter
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
import pytest

from vlmlearn.world import caption_entropy, captions, free_word_bits, sample_scenes
from vlmlearn.world.entropy import CaptionEntropy, pair_probabilities
from vlmlearn.world.relations import cells
from vlmlearn.world.scenes import SPLITS, Scenes
from vlmlearn.world.shapes import ALL_PAIRS, HELD_OUT_PAIRS, SEEN_PAIRS
from vlmlearn.world.tokenizer import Tokenizer
from vlmlearn.world.words import OBJECTS, POSITIONS, RELATIONS

MANY = 100_000


@pytest.fixture(scope="module")
def scenes() -> dict[int, Scenes]:
    """Training scenes by their number of objects."""
    return {n: sample_scenes(MANY, objects=(n, n)) for n in (1, 2, 3, 4)}


def surprise(counts: np.ndarray, expected: np.ndarray) -> float:
    """Pearson's chi-squared in standard deviations from its mean: within ±4 if the counts are as expected."""
    assert expected.sum() == pytest.approx(counts.sum()) and (counts[expected == 0] == 0).all()
    counts, expected = counts[expected > 0], expected[expected > 0]
    freedom = len(counts) - 1
    spread = math.sqrt(2 * freedom + (1 / expected).sum())
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / spread)


def set_probabilities(pool: np.ndarray, count: int) -> dict[tuple[int, ...], float]:
    """How likely each set of pairs is, summed over the orders in which it may be sampled."""
    likely = pair_probabilities(pool, count)
    orders = [likely.transpose(order) for order in permutations(range(count))]
    together = sum(orders)
    return {
        tuple(pool[list(places)].tolist()): float(together[places])
        for places in combinations(range(len(pool)), count)
    }


def mentioned(text: str) -> tuple[list[str], str]:
    """The objects of an English caption in their order, and its relation or position."""
    names = sorted((text.find(name), name) for name in OBJECTS["en"] if name in text)
    place = [words for words in (*RELATIONS, *(f"at the {p}" for p in POSITIONS)) if words in text]
    return [name for _, name in names], max(place, key=len)


def by_the_rules(pool: list[int], count: int) -> dict[tuple[int, ...], Fraction]:
    """Every way in which the rules can go, followed one by one."""
    found: Counter = Counter()
    drawn = list(permutations(pool, 4))
    for a, b, c, d in drawn:
        alike = [(8 * (a // 8) + color, Fraction(1, 16)) for color in range(8)]
        alike += [(8 * shape + a % 8, Fraction(1, 12)) for shape in range(6)]
        for other, probability in alike:
            second = other if other in pool and other not in (a, b, c, d) else b
            found[(a, second, c, d)[:count]] += Fraction(2, 5) * probability / len(drawn)
        found[(a, b, c, d)[:count]] += Fraction(3, 5) / len(drawn)
    return found


@pytest.mark.parametrize("pool", [[0, 1, 8, 9, 20], [0, 1, 2, 8, 17, 45], [3, 11, 19, 27]])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_small_pool_followed_way_by_way(pool, count):
    likely, expected = pair_probabilities(np.array(pool), count), by_the_rules(pool, count)
    assert sum(expected.values()) == 1 and likely.sum() == pytest.approx(1)
    for pairs in permutations(pool, count):
        place = tuple(pool.index(pair) for pair in pairs)
        assert likely[place] == pytest.approx(float(expected[pairs]), abs=1e-14)
    assert np.count_nonzero(likely) == sum(p > 0 for p in expected.values())


def test_one_object():
    """Any of 40 pairs and 2 sizes; a place that is less likely at the edges than in the middle."""
    middle = (1 / 3) / 0.74
    edge = (1 - middle) / 2
    place = -2 * (middle * math.log2(middle) + 2 * edge * math.log2(edge))
    found = caption_entropy(objects=(1, 1))
    expected = CaptionEntropy(count=0.0, pairs=math.log2(40), sizes=1.0, place=place, order=0.0)
    for part in ("count", "pairs", "sizes", "place", "order", "total", "visible"):
        assert getattr(found, part) == pytest.approx(getattr(expected, part))
    assert place < math.log2(9) and found.visible == found.total


@pytest.mark.parametrize("split", ["train", "all"])
@pytest.mark.parametrize("count", [2, 3])
def test_pairs_as_sets(split, count):
    """The module averages over orders of mention; here sets are summed."""
    likely = set_probabilities(SEEN_PAIRS if split == "train" else ALL_PAIRS, count).values()
    found = caption_entropy(split, (count, count))
    assert found.pairs == pytest.approx(-sum(p * math.log2(p) for p in likely))
    assert (found.count, found.sizes, found.place) == (0, count, 2)
    assert found.order == pytest.approx(math.log2(math.factorial(count)))


def test_the_parts_are_means_over_the_number_of_objects():
    whole, apart = caption_entropy(), [caption_entropy(objects=(n, n)) for n in (1, 2, 3, 4)]
    assert whole.total == pytest.approx(2 + np.mean([part.total for part in apart]))
    assert whole.visible == pytest.approx(whole.total - np.mean([math.log2(k) for k in (1, 2, 6, 24)]))


def test_the_exact_figures():
    """The course quotes them: another world has others."""
    assert (caption_entropy().total, caption_entropy().visible) == pytest.approx((19.932, 17.889), abs=1e-3)
    everything = caption_entropy("all")
    assert (everything.total, everything.visible) == pytest.approx((20.580, 18.537), abs=1e-3)


def test_splits():
    bits = {split: caption_entropy(split).total for split in SPLITS}
    assert bits["train"] == bits["val"] == bits["test"] < bits["all"]
    held_out = caption_entropy("compositional", (1, 1))
    assert held_out.pairs == pytest.approx(3)  # one of eight


def test_counted_captions_of_one_object(scenes):
    counts = Counter(captions(scenes[1]))
    edge, middle = (1 - 1 / 3 / 0.74) / 2, 1 / 3 / 0.74
    thirds = np.outer([edge, middle, edge], [edge, middle, edge]).ravel()
    names = [OBJECTS["en"][96 // 2 * size + pair] for size in (0, 1) for pair in SEEN_PAIRS]
    texts = [f"{name} at the {position}" for name in names for position in POSITIONS]
    expected = np.tile(thirds, 80) / 80 * MANY
    assert abs(surprise(np.array([counts[text] for text in texts]), expected)) < 4
    assert np.bincount(cells(scenes[1])[:, 0], minlength=9) == pytest.approx(thirds * MANY, rel=0.03)


def test_counted_captions_of_two_objects(scenes):
    """The objects as mentioned, and all four sides for each choice of sizes and for look-alikes or not."""
    told = [mentioned(text) for text in captions(scenes[2])[:40_000]]
    place = {name: k for k, name in enumerate(OBJECTS["en"])}
    objects = np.array([[place[name] for name in names] for names, _ in told])
    side = np.array([RELATIONS.index(words) for _, words in told])
    first, second = (np.searchsorted(SEEN_PAIRS, objects % 48)).T
    ordered = pair_probabilities(SEEN_PAIRS, 2)
    expected = (ordered + ordered.T) / 2 * len(told)
    assert abs(surprise(np.bincount(first * 40 + second, minlength=1600), expected.ravel())) < 4

    sizes = objects // 48
    groups = sizes[:, 0] * 2 + sizes[:, 1]
    counts = np.bincount(groups * 4 + side, minlength=16)
    assert abs(surprise(counts, np.full(16, len(told) / 16))) < 4
    alike = (objects[:, 0] % 8 == objects[:, 1] % 8) | (objects[:, 0] % 48 // 8 == objects[:, 1] % 48 // 8)
    for group in (alike, ~alike):
        assert abs(surprise(np.bincount(side[group], minlength=4), np.full(4, group.sum() / 4))) < 4


@pytest.mark.parametrize("count", [3, 4])
def test_all_sides_are_equally_likely_in_crowded_scenes(scenes, count):
    sides = Counter(mentioned(text)[1] for text in captions(scenes[count])[:20_000])
    counts = np.array([sides[words] for words in RELATIONS])
    assert abs(surprise(counts, np.full(4, 5000.0))) < 4


@pytest.mark.parametrize("count", [2, 3, 4])
def test_counted_sets_of_pairs(scenes, count):
    likely = set_probabilities(SEEN_PAIRS, count)
    pairs = np.sort(scenes[count].pair[:, :count], axis=1)
    found = Counter(map(tuple, pairs.tolist()))
    expected = np.array(list(likely.values())) * MANY
    assert abs(surprise(np.array([found[pairs] for pairs in likely]), expected)) < 4
    # The mean surprisal of what was sampled, for which few samples suffice.
    surprisal = -np.array([math.log2(likely[pairs]) for pairs in map(tuple, pairs.tolist())])
    error = 4 * surprisal.std() / math.sqrt(MANY)
    assert surprisal.mean() == pytest.approx(caption_entropy(objects=(count, count)).pairs, abs=error)


@pytest.mark.parametrize("split", ["train", "all", "compositional"])
def test_plug_in_entropy(split):
    """The entropy of counted captions, corrected for its bias (Miller 1955): possible texts / (2 N ln 2)."""
    scenes = sample_scenes(4 * MANY, split=split, objects=(1, 2))
    counts = np.array(list(Counter(captions(scenes)).values()))
    share = counts / counts.sum()
    pairs = {"train": (40, 40 * 39), "all": (48, 48 * 47), "compositional": (8, 48 * 47 - 40 * 39)}[split]
    possible = pairs[0] * 2 * 9 + pairs[1] * 4 * 4
    bias = (possible - 1) / (2 * len(scenes) * math.log(2))
    counted = -(share * np.log2(share)).sum() + bias
    assert counted == pytest.approx(caption_entropy(split, (1, 2)).total, abs=0.02)


def test_every_compositional_scene_counts_a_held_out_pair():
    """Pairs of two objects, counted: both held out, one of them, or (never) none."""
    pairs = np.sort(sample_scenes(MANY, split="compositional", objects=(2, 2)).pair[:, :2], axis=1)
    likely = pair_probabilities(ALL_PAIRS, 2)
    held_out = np.isin(ALL_PAIRS, HELD_OUT_PAIRS)
    none = likely[~held_out][:, ~held_out]
    expected = likely.copy()
    expected[np.ix_(~held_out, ~held_out)] = 0
    expected[np.ix_(held_out, ~held_out)] += none.sum(0) / 16  # the first of two, 1 of 8
    expected[np.ix_(~held_out, held_out)] += none.sum(1)[:, None] / 16
    expected = np.triu(expected + expected.T) * MANY
    assert abs(surprise(np.bincount(pairs[:, 0] * 48 + pairs[:, 1], minlength=2304), expected.ravel())) < 4
    sets = expected[expected > 0] / MANY
    found = caption_entropy("compositional", (2, 2)).pairs
    assert found == pytest.approx(-(sets * np.log2(sets)).sum())


def test_the_languages_hold_the_same_bits_in_other_numbers_of_words(scenes):
    """One to one: as many different sentences, at the same scenes; only the free words differ."""
    texts = {language: captions(scenes[2], language) for language in ("en", "zh")}
    together = set(zip(*texts.values(), strict=True))
    assert len(together) == len(set(texts["en"])) == len(set(texts["zh"]))
    english, chinese = free_word_bits(texts["en"]), free_word_bits(texts["zh"])
    assert english != chinese and min(english, chinese) > caption_entropy(objects=(2, 2)).total


def test_free_words():
    """Eight words and the end in English; five and the end in Chinese."""
    assert free_word_bits(["a large red star at the top left"], 2) == 9
    assert free_word_bits(["一个红色大星形在左上角"], 2) == 7
    assert free_word_bits(["a large red star at the top left"]) == pytest.approx(
        9 * math.log2(len(Tokenizer()))
    )


@pytest.mark.bad_input
class TestBadInput:
    def test_an_unknown_split(self):
        with pytest.raises(ValueError, match="split is 'dev', expected one of train"):
            caption_entropy("dev")

    def test_impossible_numbers_of_objects(self):
        with pytest.raises(ValueError, match=r"objects is \(0, 4\)"):
            caption_entropy(objects=(0, 4))

    def test_no_texts_or_no_choice(self):
        with pytest.raises(ValueError, match="0 texts and a vocabulary of 114 words"):
            free_word_bits([])
        with pytest.raises(ValueError, match="a vocabulary of 1 words"):
            free_word_bits(["a large red star at the top left"], 1)

    def test_a_word_that_the_world_never_says(self):
        with pytest.raises(ValueError, match="unknown word 'dog'"):
            free_word_bits(["a dog"])
