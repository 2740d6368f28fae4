"""Recipes at a size at which nothing is learnt and everything is run."""

import pytest

from vlmlearn.training.recipes import chapter_01, chapter_02, exams

CACHED = (
    chapter_01.training_pairs,
    chapter_01.gallery,
    chapter_02.few,
    chapter_02.noisy,
    exams.one_object,
    chapter_02.swapped_ids,
)


@pytest.fixture
def tiny(monkeypatch):
    """A handful of scenes and steps for chapters 01 and 02."""
    for name, value in {"SCENES": 40, "VARIANTS": 2, "BATCH": 8, "GALLERY": 12}.items():
        monkeypatch.setattr(chapter_01, name, value)
    for name, value in {"SHORT": 1, "USUAL": 2, "LONG": 3, "FEW": 16, "TUNE_STEPS": 1}.items():
        monkeypatch.setattr(chapter_02, name, value)
    monkeypatch.setattr(exams, "EXAM", 10)
    monkeypatch.setattr(chapter_02, "TOWER_STEPS", {"cnn": 1, "vit": 1, "convnext": 1})
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()
