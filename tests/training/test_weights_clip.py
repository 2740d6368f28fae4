"""The recipe of the shipped CLIP: what it writes can be loaded, and a model below the target is not written."""

import pytest
import torch

from vlmlearn.hub import load_shipped, shipped
from vlmlearn.training.recipes import weights_clip
from vlmlearn.training.recipes.record import package_sources


@pytest.fixture
def small(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    threads = torch.get_num_threads()
    for name, value in {"SCENES": 40, "VARIANTS": 2, "STEPS": 2, "TARGET": 0.0, "THREADS": threads}.items():
        monkeypatch.setattr(weights_clip, name, value)
    return tmp_path


def test_the_weights_and_their_card(small):
    weights_clip.main()
    assert sorted(path.name for path in small.iterdir()) == ["tiny-clip.json", "tiny-clip.safetensors"]
    found = load_shipped()
    assert found.card["steps"] == 2 and found.card["data"]["scenes"] == 40
    assert set(found.card["scores"]) == {"recall_at_1_of", "test", "compositional"}
    assert sum(weight.numel() for weight in found.model.parameters()) < 500_000


def test_below_the_target_nothing_is_written(small, monkeypatch):
    monkeypatch.setattr(weights_clip, "TARGET", 100.5)
    with pytest.raises(SystemExit, match=r"expected 100\.5 or more: nothing is written"):
        weights_clip.main()
    assert not list(small.iterdir())


def test_the_sources_exist():
    assert all(path.is_file() for path in package_sources(weights_clip.SOURCES))
