"""The recipe of chapter 03 runs from end to end, here with two steps and a handful of scenes."""

import json
import math

import numpy as np
import pytest
import torch

from vlmlearn.training.recipes import bilingual, chapter_01, chapter_03, naflex
from vlmlearn.training.recipes.record import package_sources
from vlmlearn.world import Tokenizer, captions

CACHED = (
    chapter_01.training_pairs,
    chapter_01.gallery,
    bilingual.reader,
    bilingual.training_data,
    bilingual.spoken,
    bilingual.translated,
    bilingual.one_object,
    naflex.crops,
    naflex.patches_of,
)


@pytest.fixture
def tiny(monkeypatch):
    """A handful of scenes and steps."""
    for name, value in {"SCENES": 40, "VARIANTS": 2, "BATCH": 8, "GALLERY": 12}.items():
        monkeypatch.setattr(chapter_01, name, value)
    for name, value in {"STEPS": 2, "SWEEP_STEPS": 1, "BATCHES": (4, 8)}.items():
        monkeypatch.setattr(chapter_03, name, value)
    for name, value in {"STEPS": 2, "PARALLEL": 6, "NAMED": 5}.items():
        monkeypatch.setattr(bilingual, name, value)
    for name, value in {"SCENES": 24, "GALLERY": 12, "BATCH": 8, "STEPS": 2, "VARIANTS": 2}.items():
        monkeypatch.setattr(naflex, name, value)
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()


def test_everything_is_measured_for_every_seed(tiny):
    found = json.loads(json.dumps(chapter_03.run()))
    assert {loss: set(rows) for loss, rows in found["batch_sizes"].items()} == {
        "sigmoid": {"4", "8"},
        "softmax": {"4", "8"},
    }
    assert set(found["start"]) == {"paper", "chance", "zero"}
    assert found["start"]["zero"]["first_loss"] > found["start"]["chance"]["first_loss"]
    for entry in (
        found["siglip"],
        found["divided_by_n_squared"],
        found["bilingual"]["characters"],
        found["naflex"]["square"],
    ):
        assert all(len(values) == 3 for name, values in entry.items() if name != "mean")
    assert found["ledger"]["told"] == "caption"


def test_each_picture_has_one_language(tiny):
    pairs = chapter_01.training_pairs()
    _, ids = bilingual.training_data("words")
    decode = Tokenizer().words
    for row, texts in enumerate(ids):
        spoken = {decode[int(k)] for k in texts.flatten()}
        assert ("一个" in spoken) == (row % 2 == 1) and ("a" in spoken) == (row % 2 == 0)
    english, chinese = (
        Tokenizer().encode(captions(pairs.scenes, language, variant=1)) for language in ("en", "zh")
    )
    assert (ids[::2, 1] == english[::2]).all() and (ids[1::2, 1] == chinese[1::2]).all()


def test_characters_are_read_one_by_one():
    reader, words = bilingual.reader("characters"), bilingual.reader("words")
    (ids,) = reader.encode(["红色圆环"])
    assert (ids > 2).sum() == 4 and (words.encode(["红色圆环"]) > 2).sum() == 2
    assert (reader.encode(["a red ring"])[0, :5] == words.encode(["a red ring"])[0, :5]).all()
    with pytest.raises(ValueError, match="expected one of words, characters"):
        bilingual.reader("letters")


def test_a_crop_holds_its_objects_and_whole_patches():
    image = np.arange(3 * 64 * 64).reshape(3, 64, 64).astype(np.uint8)
    boxes = np.array([[10, 20, 18, 30], [30, 22, 41, 33], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    part = naflex.cut(image, boxes)
    assert part.shape == (3, 40 - 16, 48 - 8) and (part == image[:, 16:40, 8:48]).all()


def test_the_mean_over_all_pairs_is_the_loss_over_n(tiny):
    model, batch = chapter_03.new_model(0).eval(), next(chapter_03.pair_batches(0, 8))
    with torch.no_grad():
        assert math.isclose(
            8 * chapter_03.mean_loss(model, batch).item(),
            chapter_03.sigmoid_loss(model, batch).item(),
            rel_tol=1e-5,
        )


def test_the_sources_exist():
    assert all(path.is_file() for path in package_sources(chapter_03.SOURCES))
