"""The exams of a dual encoder: labels that fit their pictures, and every measure in its range."""

import pytest

from vlmlearn.training.recipes import chapter_01, chapter_02, exams
from vlmlearn.world import captions, sample_scenes


@pytest.mark.parametrize("split", ["test", "compositional"])
def test_the_label_is_the_name(tiny, split):
    images, labels = exams.one_object(split)
    names = exams.class_names()
    scenes = sample_scenes(len(images), split=split, objects=(1, 1))
    for label, caption in zip(labels.tolist(), captions(scenes), strict=True):
        assert " ".join(names[label]) in caption


def test_a_picture_is_relevant_for_what_it_shows(tiny):
    pairs = chapter_01.gallery("test")
    relevant = exams.relevant_pictures(pairs.scenes)
    assert relevant.shape == (48, len(pairs))
    for name, row in zip(exams.class_names(), relevant, strict=True):
        assert row.tolist() == [" ".join(name) in text for (text,) in pairs.texts]


def test_every_measure_is_in_its_range(tiny):
    for name, value in exams.scores(chapter_02.new_model(0)).items():
        assert 0 <= value <= 100 + 1e-3, name
