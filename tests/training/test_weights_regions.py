"""The recipe of the shipped region encoder: what it writes can be loaded, and what is too weak or too large is not."""

from functools import partial

import pytest
import torch

from vlmlearn.hub import load_shipped, shipped
from vlmlearn.models import RegionEncoder
from vlmlearn.training.recipes import chapter_10, weights_regions
from vlmlearn.training.recipes.record import package_sources
from vlmlearn.world import labelled_pictures, sample_scenes


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    few = {
        "STEPS": 2,
        "TARGETS": dict.fromkeys(weights_regions.TARGETS, 0.0),
        "THREADS": torch.get_num_threads(),
    }
    for name, value in few.items():
        monkeypatch.setattr(weights_regions, name, value)
    monkeypatch.setattr(chapter_10, "labelled", labelled)
    monkeypatch.setattr(chapter_10, "scene_batches", partial(chapter_10.scene_batches, batch_size=4))
    return tmp_path


def labelled(split, count):
    return labelled_pictures(sample_scenes(min(count, 8), split=split))


def test_the_weights_and_their_card(small):
    weights_regions.main()
    assert sorted(path.name for path in small.iterdir()) == ["tiny-regions.json", "tiny-regions.safetensors"]
    found = load_shipped("tiny-regions")
    assert isinstance(found.model, RegionEncoder) and found.model.config == RegionEncoder().config
    assert found.card["steps"] == 2 and found.card["data"]["split"] == "train"
    assert set(weights_regions.TARGETS) < set(found.card["scores"])
    assert (small / "tiny-regions.safetensors").stat().st_size <= weights_regions.LARGEST + 50_000


def test_below_a_target_nothing_is_written(small, monkeypatch):
    monkeypatch.setitem(weights_regions.TARGETS, "new_class", 100.5)
    with pytest.raises(SystemExit, match=r"'new_class': .*: nothing is written"):
        weights_regions.main()
    assert not list(small.iterdir())


def test_what_is_too_large_is_not_written(small, monkeypatch):
    monkeypatch.setattr(weights_regions, "LARGEST", 1000)
    with pytest.raises(SystemExit, match="expected at most 1,000: nothing is written"):
        weights_regions.main()
    assert not list(small.iterdir())


def test_the_sources_exist():
    assert all(path.is_file() for path in package_sources(weights_regions.SOURCES))
