"""Shipped weights: written whole or not at all, loaded to the last bit, refused where they do not fit."""

import json

import pytest
import torch

from vlmlearn.hub import load_shipped, save_shipped, shipped
from vlmlearn.losses import box_iou
from vlmlearn.models import CLIP, CLIPConfig
from vlmlearn.training.recipes import weights_clip, weights_regions
from vlmlearn.training.recipes.record import recipe_hash
from vlmlearn.training.scene_scores import scene_scores
from vlmlearn.world import Tokenizer, labelled_pictures, sample_scenes

CONFIG = {
    "vocabulary": len(Tokenizer()),
    "image_width": 8,
    "text_width": 16,
    "text_layers": 1,
    "embedding": 8,
}
CARD = {"model": "tiny CLIP", "config": CONFIG, "command": "make it", "scores": {"test": 1.5}}
NAMES = sorted(path.stem for path in shipped.WEIGHTS.glob("*.safetensors"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def model():
    torch.manual_seed(0)
    return CLIP(CLIPConfig.tiny(**CONFIG)).eval()


def test_what_was_saved_is_loaded(folder, model):
    path = save_shipped("small", model, CARD)
    before = torch.random.get_rng_state()
    found = load_shipped("small")
    assert torch.equal(before, torch.random.get_rng_state())
    assert not found.model.training and found.card["scores"] == {"test": 1.5}
    assert found.model.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], value)
    assert sorted(p.name for p in folder.iterdir()) == ["small.json", "small.safetensors"]
    readable = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert readable.pop("bytes") == path.stat().st_size and readable == found.card


def test_half_precision_becomes_full(folder, model):
    save_shipped("small", model.half(), CARD)
    assert load_shipped("small").model.log_scale.dtype == torch.float32


def test_an_unknown_name_lists_the_known(folder, model):
    with pytest.raises(ValueError, match=r"no weights 'clip', only none"):
        load_shipped("clip")
    save_shipped("tiny-clip", model, CARD)
    with pytest.raises(ValueError, match=r"no weights 'tinyclip'.*did you mean 'tiny-clip'"):
        load_shipped("tinyclip")


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_file_cut_off_is_refused(folder, model, keep):
    path = save_shipped("small", model, CARD)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="damaged or of another version"):
        load_shipped("small")


def test_other_words_are_refused(folder, model, monkeypatch):
    save_shipped("small", model, CARD)
    monkeypatch.setattr(shipped, "vocabulary_digest", lambda: "other")
    with pytest.raises(ValueError, match="other words: train it again with make it"):
        load_shipped("small")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "large CLIP"}, "model is 'large CLIP'"),
        ({"config": CONFIG | {"embedding": 16}}, "another shape"),
        ({"config": CONFIG | {"text_layers": 2}}, "does not fit the model"),
    ],
)
def test_a_card_that_does_not_describe_the_model_is_refused(folder, model, change, message):
    with pytest.raises(ValueError, match=message):
        save_shipped("small", model, CARD | change)
    assert not folder.exists()


def test_nothing_is_written_that_nobody_could_use(folder, model, monkeypatch):
    with pytest.raises(ValueError, match="lacks command, config"):
        save_shipped("small", model, {"model": "tiny CLIP"})
    monkeypatch.setattr(shipped, "LARGEST", 1000)
    with pytest.raises(ValueError, match="expected at most 1,000"):
        save_shipped("small", model, CARD)
    model.log_scale.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="log_scale holds NaN"):
        save_shipped("small", model, CARD)
    assert not folder.exists()


def test_a_failure_while_writing_leaves_the_old_weights(folder, model, monkeypatch):
    path = save_shipped("small", model, CARD)
    old = path.read_bytes()
    model.log_scale.data += 1

    def full_disk(self, data):
        raise OSError("no space left")

    monkeypatch.setattr(type(path), "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_shipped("small", model, CARD)
    assert path.read_bytes() == old and len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_are_those_of_the_code_as_it_stands(name):
    card = load_shipped(name).card
    path = shipped.WEIGHTS / f"{name}.safetensors"
    readable = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert readable.pop("bytes") == path.stat().st_size <= shipped.LARGEST and readable == card
    assert {"data", "steps", "seed", "seconds", "scores", "machine", "date"} <= set(card)
    if name == weights_clip.NAME:
        assert card["scores"]["test"]["image_to_text"] >= weights_clip.TARGET
        assert card["source_hash"] == recipe_hash(weights_clip), f"run {card['command']} again"
    if name == weights_regions.NAME:
        assert all(card["scores"][score] >= least for score, least in weights_regions.TARGETS.items())
        assert card["source_hash"] == recipe_hash(weights_regions), f"run {card['command']} again"
        assert path.stat().st_size <= weights_regions.LARGEST


@pytest.fixture(scope="module")
def region_encoder():
    return load_shipped("tiny-regions").model


@pytest.mark.parametrize(("split", "classes"), [("test", 95), ("compositional", 80)])
def test_the_region_encoder_knows_pictures_that_it_has_never_seen(region_encoder, split, classes):
    pictures = labelled_pictures(sample_scenes(range(5000, 5100), split=split))
    scores = scene_scores(region_encoder, pictures)
    assert scores["ap50"] > 90 and scores["class"] > classes and scores["mask_ap50"] > 85


def test_the_regions_are_the_objects(region_encoder):
    """As many sure regions as objects, each on its own object, of its shape."""
    pictures = labelled_pictures(sample_scenes(range(5000, 5060), split="test"))
    regions = region_encoder.regions(torch.from_numpy(pictures.images), k=6)
    right = total = 0
    for picture in range(len(pictures)):
        here = pictures.present[picture]
        boxes = torch.from_numpy(pictures.boxes[picture][here])
        overlap = box_iou(boxes, regions.boxes[picture, : len(boxes)])
        found = regions.shapes[picture][overlap.argmax(1)] == torch.from_numpy(pictures.shape[picture][here])
        right += ((overlap.amax(1) > 0.5) & found).sum().item()
        total += len(boxes)
    assert right >= 0.9 * total
    assert regions.features.shape == (60, 6, 48) and region_encoder.grid(
        torch.from_numpy(pictures.images[:2])
    ).shape == (2, 64, 48)
