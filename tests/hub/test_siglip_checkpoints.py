"""SigLIP and SigLIP 2 as they are loaded; that all their features are upstream's is tested in test_checkpoint.py."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import Siglip2Model, Siglip2Processor, SiglipModel, SiglipProcessor

from tests.equality import assert_equal
from tests.hub.test_checkpoint import photos
from tests.hub.tiny import CONTEXT, PARTS, TEXTS, edit_json, save
from vlmlearn.hub import load, siglip

LONG = ["a red dog and two dogs and a red dog and two dogs again", "dogs", "红色的圆, A RED dog! 🦄"]
SIGLIPS = [name for name in PARTS if name.startswith("siglip")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in SIGLIPS}
    for name, folder in folders.items():
        save(name, folder)
    return folders


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    """A copy of SigLIP's that a test may damage."""
    return shutil.copytree(saved["siglip"], tmp_path / "siglip")


@pytest.mark.parametrize("name", ["siglip", "siglip2"])
def test_saved_by_upstreams_processor(saved, tmp_path, name):
    """Which puts its settings elsewhere; and a text too long for the model is cut as by that processor."""
    parts = PARTS[name]
    processor = (SiglipProcessor if name == "siglip" else Siglip2Processor)(parts.images, parts.tokenizer())
    model = (SiglipModel if name == "siglip" else Siglip2Model).from_pretrained(saved[name]).eval()
    processor.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    options = {} if name == "siglip" else {"max_num_patches": 21, "patch_size": 8}
    options |= {"padding": "max_length", "max_length": CONTEXT, "truncation": True, "return_tensors": "pt"}
    inputs = processor(text=LONG, images=photos(), **options)
    ours = load(tmp_path)
    ids = ours.tokenizer.encode(LONG, truncate=True).ids
    assert torch.equal(ids, inputs["input_ids"])
    assert ids[0, -1] == ours.tokenizer.end_id
    with torch.no_grad():
        theirs = model(**inputs)
        found = ours.model(ours.images(photos()), ids)
    assert_equal(found.image_features, theirs.image_embeds)
    assert_equal(found.text_features, theirs.text_embeds)


@pytest.mark.parametrize("name", SIGLIPS)
def test_texts_are_padded_as_in_training(saved, name):
    """So a sentence means the same alone and beside a longer one."""
    checkpoint = load(saved[name])
    alone, both = (checkpoint.tokenizer.encode(texts) for texts in (TEXTS[:1], TEXTS))
    assert alone.ids.shape == (1, CONTEXT)
    assert not alone.mask.all()
    assert torch.equal(alone.ids, both.ids[:1])


@pytest.mark.parametrize("name", ["siglip2_fixed", "siglip2"])
def test_siglip2_reads_lower_case(saved, name):
    tokenizer = load(saved[name]).tokenizer
    assert torch.equal(tokenizer.encode(["A Red DOG"]).ids, tokenizer.encode(["a red dog"]).ids)


def test_more_or_fewer_patches(saved):
    checkpoint = load(saved["siglip2"])
    upstream = Siglip2Model.from_pretrained(saved["siglip2"]).eval()
    for most in (9, 40):
        lists = dataclasses.replace(checkpoint.images, max_patches=most)(photos())
        inputs = PARTS["siglip2"].images(images=photos(), max_num_patches=most, return_tensors="pt")
        with torch.no_grad():
            expected = upstream.get_image_features(**inputs).pooler_output
            assert_equal(checkpoint.model.encode_image(lists, normalize=False), expected)


def test_from_the_hub(hub, saved):
    """Which must hand out spiece.model, too."""
    hub.publish("someone/tiny-siglip", saved["siglip"])
    fetched, local = load("someone/tiny-siglip"), load(saved["siglip"])
    assert torch.equal(fetched.tokenizer.encode(TEXTS).ids, local.tokenizer.encode(TEXTS).ids)
    assert (fetched.source.folder / "spiece.model").is_file()


@pytest.mark.bad_input
class TestBadFolder:
    def test_no_spiece_model(self, folder):
        (folder / "spiece.model").unlink()
        with pytest.raises(FileNotFoundError, match=r"holds no tokenizer: .* or spiece.model \(SigLIP\)"):
            load(folder)

    def test_no_spiece_model_beside_its_copy(self, folder):
        """Published folders hold a tokenizer.json, too, which upstream does not read."""
        (folder / "spiece.model").unlink()
        Tokenizer(models.Unigram([("a", 0.0)], 0)).save(str(folder / "tokenizer.json"))
        with pytest.raises(
            ValueError, match=r"cuts words by Unigram.*read from its spiece.model, so fetch that"
        ):
            load(folder)

    def test_half_a_spiece_model(self, folder):
        content = (folder / "spiece.model").read_bytes()
        (folder / "spiece.model").write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match=r"spiece.model is no SentencePiece model, or is cut off"):
            load(folder)

    def test_more_pieces_than_the_model_takes(self, folder, monkeypatch):
        message = r"the tokenizer has \d+ pieces, the model takes 10: are its files those of this checkpoint"
        settings = json.loads((folder / "config.json").read_text())
        edit_json(folder / "config.json", text_config=settings["text_config"] | {"vocab_size": 10})
        with pytest.raises(ValueError, match=message):
            load(folder)
        del settings["text_config"]["vocab_size"]  # published files leave out what upstream assumes anyway
        edit_json(folder / "config.json", text_config=settings["text_config"])
        monkeypatch.setitem(siglip.TEXT_DEFAULTS, "vocab_size", 10)
        with pytest.raises(ValueError, match=message):
            load(folder)

    def test_a_text_too_long(self, saved):
        with pytest.raises(
            ValueError, match=rf"text 0 has \d+ ids, expected at most {CONTEXT}.*truncate=True"
        ):
            load(saved["siglip"]).tokenizer.encode(LONG)

    @pytest.mark.parametrize("name", SIGLIPS)
    def test_no_image(self, saved, tmp_path, name):
        (tmp_path / "notes.txt").write_text("not an image")
        with pytest.raises(ValueError, match=r"notes.txt is not an image that Pillow knows"):
            load(saved[name]).images([tmp_path / "notes.txt"])

    def test_lists_without_a_place(self, saved, tmp_path):
        shutil.copytree(saved["siglip2"], tmp_path, dirs_exist_ok=True)
        edit_json(tmp_path / "preprocessor_config.json", max_num_patches=0)
        with pytest.raises(ValueError, match="max_patches"):
            load(tmp_path)
