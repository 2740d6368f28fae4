"""The figures of the front pages, from a small record."""

import json

import pytest

from book.figures import chapter_01, clip_loss_benchmark

RECORD = {
    "command": "python -m vlmlearn.training.recipes 01",
    "machine": {"cpu": "Some CPU", "threads": 2, "torch": "2.13.0"},
    "date": "2026-01-02",
    "settings": {"gallery": 1000, "steps": 560, "batch": 128, "seeds": [0, 1, 2]},
    "clip": {
        "test_i2t": [90.0, 91.0, 92.5],
        "compositional_i2t": [80.0, 82.0, 84.0],
        "seconds": [50.4, 52.0, 54.0],
    },
    "bag_of_words": {"test_i2t": [70.0], "compositional_i2t": [60.0], "seconds": [40.0]},
    "color_histogram": {"test_i2t": [20.0], "seconds": [5.0]},
}

BENCHMARKS = {
    "clip_loss against open_clip": {
        "machine": {"cpu": "Some CPU", "load_when_done": 2.1, "threads": 2, "torch": "2.13.0+cpu"},
        "memory_ratio": 0.13,
        "memory_ratio_limit": 0.05,
        "our_extra_megabytes": 12.0,
        "our_seconds": {"median": 7.0, "lowest": 6.5, "highest": 7.5},
        "sizes": {"batch": 16384, "dim": 256},
        "their_extra_megabytes": 86.4,
        "their_seconds": {"median": 14.0, "lowest": 13.0, "highest": 15.0},
        "time_ratio": {"median": 0.62, "lowest": 0.5, "highest": 0.7},
        "time_ratio_limit": 0.6,
        "time_verdict": "tie",
    },
    "clip_loss at a large batch": {"extra_megabytes": 222.3, "seconds": 99.1, "sizes": {"batch": 65536}},
}


@pytest.fixture
def results(tmp_path):
    (tmp_path / "01.json").write_text(json.dumps(RECORD))
    (tmp_path / "benchmarks.json").write_text(json.dumps(BENCHMARKS))
    return tmp_path


@pytest.mark.parametrize("language", ["zh", "en"])
def test_means_stand_with_their_spread(results, language):
    text = chapter_01(language, results)
    assert "| 91.2 (90.0–92.5) | 82.0 (80.0–84.0) | 52 (50–54) |" in text
    assert "| 20.0 (20.0–20.0) | – | 5 (5–5) |" in text  # the baseline is not scored on never-seen pairs


def test_the_note_says_how_it_was_measured(results):
    note = chapter_01("en", results).splitlines()[-1]
    for said in (
        "1000",
        "0.1%",
        "560",
        "128",
        "3 seeds",
        "Some CPU, 2 threads, torch 2.13.0",
        RECORD["command"],
    ):
        assert said in note


def test_what_is_not_recorded_is_not_invented(tmp_path):
    assert chapter_01("en", tmp_path) == "Not recorded yet: `python -m vlmlearn.training.recipes 01`."
    assert clip_loss_benchmark("en", tmp_path) == "Not recorded yet: `pytest tests/benchmarks`."


def test_a_benchmark_tells_what_was_missed(results):
    text = clip_loss_benchmark("en", results)
    assert "| 16,384 pairs, width 256 |" in text
    assert "| 0.62 (0.50–0.70), target ≤ 0.6: a tie | 0.13, target ≤ 0.05: missed |" in text
    assert "Some CPU, 2 threads, torch 2.13.0, system load at the end 2.1" in text
    assert "65,536 pairs takes 222 MB" in text


def test_a_benchmark_is_told_in_chinese_too(results):
    assert "目标 ≤ 0.6：持平" in clip_loss_benchmark("zh", results)
