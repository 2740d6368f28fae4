"""Tiny models saved by transformers, loaded as published ones are: from a folder, and from a Hub on this machine."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants, try_to_load_from_cache
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from tests.equality import assert_equal
from tests.hub.tiny import CONTEXT, PARTS, TEXTS, edit_json, save
from vlmlearn.hub import Source, load
from vlmlearn.models import ALIGN, CLIP, ChineseCLIP, SigLIP, SigLIP2

NAME = "someone/tiny-clip"


def photos() -> list[Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(40, 61), (33, 32), (70, 35)]
    return [Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]


@pytest.fixture(scope="module", params=PARTS)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def of_family(family, tmp_path_factory):
    folder = tmp_path_factory.mktemp(family)
    save(family, folder)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    save("clip", folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(saved, tmp_path / "clip")


def upstreams(family: str, folder) -> tuple[torch.Tensor, ...]:
    """Features of photographs and texts, the scale and SigLIP's bias, all through upstream's classes."""
    kinds = [type(part) for part in (PARTS[family].model(), PARTS[family].images, PARTS[family].tokenizer())]
    model, images, tokenizer = (kind.from_pretrained(folder) for kind in kinds)
    pixels = images(images=photos(), return_tensors="pt")
    siglip = family.startswith("siglip")
    padding = {"padding": "max_length", "max_length": CONTEXT} if siglip else {"padding": True}
    words = tokenizer(TEXTS, **padding, return_tensors="pt")
    with torch.no_grad():
        found = model.eval()(**pixels, **words)
    scale = 1 / model.temperature if family == "align" else model.logit_scale.exp()
    bias = (model.logit_bias,) if siglip else ()
    return found.image_embeds, found.text_embeds, scale, *bias


@pytest.fixture(scope="module")
def expected(saved) -> tuple[torch.Tensor, ...]:
    return upstreams("clip", saved)


def check(checkpoint, expected, kind: type = CLIP) -> None:
    assert type(checkpoint.model) is kind
    assert not checkpoint.model.training
    with torch.no_grad():
        ours = checkpoint.model(checkpoint.images(photos()), checkpoint.tokenizer.encode(TEXTS).ids)
    names = ("images", "texts", "scale", "bias")[: len(expected)]
    for one, other, name in zip(ours, expected, names, strict=True):
        assert name in ("scale", "bias") or other.std(0).mean() > 0.01, (
            f"{name} all look alike, so equality says little"
        )
        assert_equal(one, other.reshape(one.shape), name)


CLASSES = {
    "clip": CLIP,
    "chinese_clip": ChineseCLIP,
    "align": ALIGN,
    "siglip": SigLIP,
    "siglip2_fixed": SigLIP,
    "siglip2": SigLIP2,
}


class TestFromAFolder:
    def test_equals_upstream_from_pixels_and_words_to_features(self, family, of_family, capsys):
        checkpoint = load(str(of_family))
        check(checkpoint, upstreams(family, of_family), CLASSES[family])
        assert checkpoint.tokenizer.context_length == CONTEXT
        assert checkpoint.config == checkpoint.model.config
        assert checkpoint.source == Source(str(of_family), of_family)
        assert capsys.readouterr().out == ""

    def test_in_parts(self, family, of_family, tmp_path):
        save(family, tmp_path, max_shard_size="20KB")
        assert len([*tmp_path.glob("model-*-of-*.safetensors")]) > 2
        assert not (tmp_path / "model.safetensors").exists()
        check(load(tmp_path), upstreams(family, of_family), CLASSES[family])

    def test_every_tensor_is_needed_and_no_other_allowed(self, family, of_family, tmp_path):
        """Of all the names, one at a time is enough to fail; those that upstream only counts with are not needed."""
        folder = shutil.copytree(of_family, tmp_path / "copy")
        weights = load_file(of_family / "model.safetensors")
        names = [name for name in weights if not name.endswith("position_ids") and ".pooler." not in name]
        for name in names[:: max(1, len(names) // 12)]:
            rest = {other: tensor for other, tensor in weights.items() if other != name}
            save_file(rest, folder / "model.safetensors")
            with pytest.raises(
                ValueError, match=r"does not fit the model: [13] missing"
            ):  # some hold three of ours
                load(folder)
        save_file(weights | {"vision_model.other.weight": torch.ones(1)}, folder / "model.safetensors")
        with pytest.raises(
            ValueError, match=r"does not fit the model: 1 not used \(vision_model\.other\.weight\)"
        ):
            load(folder)
        ids = {"text_model.embeddings.position_ids": torch.arange(CONTEXT)[None]}  # as in older files
        save_file(weights | ids, folder / "model.safetensors")
        load(folder)

    def test_settings_of_a_saved_processor(self, folder, expected):
        settings = (folder / "preprocessor_config.json").read_text()
        (folder / "preprocessor_config.json").unlink()
        (folder / "processor_config.json").write_text(f'{{"image_processor": {settings}}}')
        check(load(folder), expected)

    def test_half_precision_becomes_full(self, folder, saved):
        CLIPModel.from_pretrained(saved, dtype=torch.float16).save_pretrained(folder)
        weights = load(folder).model.state_dict()
        assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
        full = load(saved).model.state_dict()
        assert all(torch.equal(weights[name], full[name].half().float()) for name in full)

    def test_the_seed_is_left_alone(self, saved):
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        load(saved)
        assert torch.equal(torch.rand(3), expected)


@pytest.mark.bad_input
class TestBadFolder:
    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("config.json", "has no config.json: is it the folder of a published model"),
            ("tokenizer.json", "holds no tokenizer"),
            ("preprocessor_config.json", "has no preprocessor_config.json"),
            ("model.safetensors", "has no model.safetensors. Choose a revision with safetensors"),
        ],
    )
    def test_missing_file(self, folder, name, message):
        (folder / name).unlink()
        with pytest.raises(FileNotFoundError, match=message):
            load(folder)

    @pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer_config.json"])
    @pytest.mark.parametrize(("content", "message"), [("{", "is not valid JSON"), ("[1]", "holds a list")])
    def test_damaged_settings(self, folder, name, content, message):
        (folder / name).write_text(content)
        with pytest.raises(ValueError, match=f"{name} {message}"):
            load(folder)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"model_type": "blip"},
                r"model_type 'blip' \(CLIPModel\), which has no class here: known are clip,",
            ),
            ({"model_type": None}, "model_type None"),
            ({"architectures": ["CLIPTextModel"]}, "says architecture CLIPTextModel, expected CLIPModel"),
        ],
    )
    def test_another_architecture(self, folder, changes, message):
        edit_json(folder / "config.json", **changes)
        with pytest.raises(ValueError, match=message):
            load(folder)

    def test_tokenizer_of_another_model(self, folder):
        edit_json(folder / "config.json", text_config={"vocab_size": 300})
        with pytest.raises(ValueError, match="the tokenizer has 516 pieces, the model takes 300"):
            load(folder)

    def test_config_of_another_model(self, folder):
        edit_json(folder / "config.json", projection_dim=21)
        message = r"2 tensors have another shape \(.*projection.weight \(20, 24\), expected \(21, 24\)"
        with pytest.raises(ValueError, match=message):
            load(folder)


class TestFromTheHub:
    def test_fetched_once_and_then_kept(self, hub, saved, expected, capsys):
        commit = hub.publish(NAME, saved)
        checkpoint = load(NAME)
        check(checkpoint, expected)
        assert checkpoint.source.id == NAME
        assert checkpoint.source.commit == commit
        assert capsys.readouterr().out == f"{NAME} @ {commit}\n"
        hub.asked.clear()
        check(load(NAME), expected)
        assert not [path for path in hub.asked if "/resolve/" in path]

    def test_from_the_cache_without_a_network(self, hub, saved, expected, monkeypatch):
        hub.publish(NAME, saved)
        load(NAME)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://no-network.example")
        check(load(NAME), expected)

    def test_a_revision(self, hub, saved, tmp_path, expected):
        hub.publish(NAME, tmp_path)
        commit = hub.publish(NAME, saved, "v1")
        assert load(NAME, revision="v1").source.commit == commit
        assert load(NAME, revision=commit).source.commit == commit

    def test_the_hubs_own_conversion_of_a_pickle(self, hub, saved, folder, expected, capsys, monkeypatch):
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        main = hub.publish(NAME, folder)
        commit = hub.publish(NAME, saved, "refs/pr/7")
        hub.publish(NAME, folder, "refs/pr/9")
        title = "Adding `safetensors` variant of this model"
        hub.offer(NAME, 7, "SFconvertbot", title)
        hub.offer(NAME, 8, "SFconvertbot", title, status="closed")
        hub.offer(NAME, 9, "a-stranger", title)
        checkpoint = load(NAME)
        check(checkpoint, expected)
        assert checkpoint.source.commit == commit
        printed = capsys.readouterr().out
        assert f"{NAME} @ {main} has no safetensors; taking the Hub's own conversion" in printed
        assert printed.endswith(f"{NAME} @ {commit}\n")
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://no-network.example")
        check(load(NAME), expected)

    def test_a_damaged_file_is_fetched_again_once_it_is_deleted(self, hub, saved, expected):
        hub.publish(NAME, saved)
        weights = load(NAME).source.folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(ValueError, match=r"is cut off or damaged .*: delete .* and load again") as caught:
            load(NAME)
        Path(str(caught.value).split(": delete ")[1].removesuffix(" and load again")).unlink()
        check(load(NAME), expected)

    def test_a_fetch_that_breaks_off_leaves_nothing_half_written(self, hub, saved, expected):
        commit = hub.publish(NAME, saved)
        hub.cut = "model.safetensors"
        with pytest.raises(ConnectionError, match="could not be fetched"):
            load(NAME)
        assert try_to_load_from_cache(NAME, "model.safetensors", constants.HF_HUB_CACHE, commit) is None
        hub.cut = ""
        check(load(NAME), expected)
