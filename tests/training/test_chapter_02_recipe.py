"""The recipe of chapter 02 runs from end to end, here with two steps and a handful of scenes."""

import json
import math

import pytest
import torch

from vlmlearn.training.recipes import chapter_01, chapter_02
from vlmlearn.training.recipes.record import package_sources


def test_everything_is_measured_for_every_seed(tiny, monkeypatch):
    monkeypatch.setattr(chapter_02, "TEMPERATURES", (0.1,))
    monkeypatch.setattr(chapter_02, "NOISE", (0.5,))
    found = json.loads(json.dumps(chapter_02.run()))
    assert set(found["towers"]) == {"cnn", "vit", "convnext"} == set(found["seconds_per_step"])
    assert set(found["temperature"]) == {"0.1", "learnt"} and set(found["noise"]) == {"0", "0.5"}
    assert {data: list(rows) for data, rows in found["swaps"].items()} == {
        "16": ["1", "2"],
        "40": ["1", "2", "3"],
    }
    for entry in (found["tuned"], found["hard_negatives"], found["untrained"], *found["towers"].values()):
        assert all(len(values) == 3 for name, values in entry.items() if name != "mean")
    assert found["ledger"]["told"] == "name" and len(found["ledger"]["carried"]) == 3


def test_swapped_captions_are_the_false_ones(tiny):
    pairs, (swapped, usable) = chapter_01.training_pairs(), chapter_02.swapped_ids()
    assert swapped.shape == pairs.ids.shape and usable.any() and not usable.all()
    assert (swapped == pairs.ids).all((1, 2)).eq(~usable).all()
    assert (swapped.sort(-1).values == pairs.ids.sort(-1).values).all()  # the same words


def test_batches_keep_picture_sentence_and_swap_together(tiny):
    pairs, (swapped, usable) = chapter_01.training_pairs(), chapter_02.swapped_ids()
    images, ids, wrong, can = next(chapter_02.swap_batches(0))
    for image, sentence, false, swappable in zip(images, ids, wrong, can, strict=True):
        row = int((pairs.images == image).flatten(1).all(1).nonzero()[0])
        variant = int((pairs.ids[row] == sentence).all(1).nonzero()[0])
        assert (swapped[row, variant] == false).all() and usable[row] == swappable


def test_hard_negatives_cost_only_pictures(tiny):
    """Where nothing can be swapped the loss is CLIP's; a swap that is there can only make it larger."""
    model = chapter_02.new_model(0).eval()
    images, ids, wrong, can = next(chapter_02.swap_batches(0))
    with torch.no_grad():
        plain = chapter_01.chapter_loss(model, (images, ids))
        none = chapter_02.hard_loss(model, (images, ids, wrong, torch.zeros_like(can)))
        hard = chapter_02.hard_loss(model, (images, ids, wrong, can))
    assert none.item() == pytest.approx(plain.item(), abs=1e-5)
    assert hard > plain + 0.05


def test_further_training_leaves_the_first_model_alone(tiny):
    first = chapter_02.train(0, 1)
    before = {name: value.clone() for name, value in first.state_dict().items()}
    second = chapter_02.train_hard(0, 1, start=first)
    assert all(torch.equal(before[name], value) for name, value in first.state_dict().items())
    assert any(not torch.equal(before[name], value) for name, value in second.state_dict().items())


def test_noise_changes_that_share_of_sentences(tiny):
    pairs, noisy = chapter_01.training_pairs(), chapter_02.noisy(0.5)
    share = (pairs.ids != noisy.ids).any(-1).double().mean().item()
    assert 0.25 < share < 0.75 and noisy.images is pairs.images


def test_a_fixed_temperature_stays(tiny):
    assert chapter_02.train(0, 2, temperature=0.1).log_scale.item() == pytest.approx(math.log(10))


def test_the_sources_exist():
    assert all(path.is_file() for path in package_sources(chapter_02.SOURCES))
