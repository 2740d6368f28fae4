"""Average precision of boxes in 1,000 pictures beside pycocotools, on one thread.

pycocotools gets its pictures indexed already; ours reads and checks the tensors within the time.
"""

import contextlib
import io

import pytest

from tests.benchmarks.harness import STATUS, Step, compare, record
from tests.coco import coco_evaluation, scenes
from vlmlearn.metrics import box_average_precision

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not STATUS.exists(), reason="peak memory is read from /proc, which only Linux has"),
]
TIME_LIMIT = 0.5  # ours / theirs
MEMORY_LIMIT = 1.0
SIZES = {"images": 1_000, "classes": 6, "objects": 8, "extra": 30}  # objects and inventions: at most
TINY = {**SIZES, "images": 2}


def pictures(images: int, classes: int, objects: int, extra: int):
    return scenes(0, images, classes, objects=objects, extra=extra, side=200, grid=0, levels=0, masks=False)


def ours(classes: int, **sizes) -> Step:
    made = pictures(classes=classes, **sizes)
    return lambda: box_average_precision(*made, classes)


def theirs(classes: int, **sizes) -> Step:
    evaluation = coco_evaluation(*pictures(classes=classes, **sizes), classes, "boxes")

    def step() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
            evaluation.accumulate()

    return step


def test_less_time_than_pycocotools(capsys):
    comparison = compare(ours, theirs, SIZES, TINY, threads=1)
    figures = comparison.summary(TIME_LIMIT, MEMORY_LIMIT)
    text = record("average precision against pycocotools", figures, SIZES, threads=1)
    with capsys.disabled():
        print(text)
    assert comparison.memory_ratio <= MEMORY_LIMIT
    assert comparison.time_verdict(TIME_LIMIT) in ("met", "tie")
