"""How many pictures of the embedded world one core draws in a second, scenes included."""

import statistics

import pytest

from tests.benchmarks.harness import PAIRS, STATUS, Step, measure_memory, record
from vlmlearn.world import render, sample_scenes

pytestmark = pytest.mark.skipif(
    not STATUS.exists(), reason="peak memory is read from /proc, which only Linux has"
)
AT_LEAST = 3_000  # pictures a second
TINY = {"scenes": 64, "side": 64}


def draw(scenes: int, side: int) -> Step:
    return lambda: render(sample_scenes(scenes), side)


def test_pictures_a_second(capsys):
    sizes = {"scenes": 6_000, "side": 64}
    runs = [measure_memory(draw, sizes, TINY, threads=1) for _ in range(PAIRS)]
    rates = sorted(sizes["scenes"] / seconds for _, seconds in runs)
    figures = {
        "pictures_a_second": {
            "median": round(statistics.median(rates)),
            "lowest": round(rates[0]),
            "highest": round(rates[-1]),
        },
        "pictures_a_second_at_least": AT_LEAST,
        "extra_megabytes": round(max(megabytes for megabytes, _ in runs), 1),
    }
    text = record("pictures of the world", figures, sizes, threads=1)
    with capsys.disabled():
        print(text)
    assert statistics.median(rates) >= AT_LEAST
