"""A published checkpoint in our own classes: ``load("openai/clip-vit-base-patch32")``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vlmlearn.hub.families import Family, family_of
from vlmlearn.hub.files import Source, find, read_json
from vlmlearn.hub.images import ImageProcessor
from vlmlearn.hub.naflex import NaFlexProcessor, processor_from_upstream
from vlmlearn.hub.text import TextTokenizer
from vlmlearn.hub.weights import fill, read_weights


@dataclass(frozen=True)
class Checkpoint:
    """A model with what prepares its inputs.

    Args:
        model: on the CPU, in float32, in evaluation mode.
        tokenizer: texts to ids and mask.
        images: photographs to floats, or for NaFlex to lists of patches.
        config: the model's.
        source: where it comes from, with the exact version.
    """

    model: nn.Module
    tokenizer: TextTokenizer
    images: ImageProcessor | NaFlexProcessor
    config: Any
    source: Source


def load(name: str | Path, *, revision: str | None = None) -> Checkpoint:
    """Fetch a published checkpoint, and print which version it is; or read one from a folder.

        clip = load("openai/clip-vit-base-patch32")
        images = clip.model.encode_image(clip.images(["cat.jpg"]))
        texts = clip.model.encode_text(clip.tokenizer.encode(["a photo of a cat"]).ids)

    CLIP, Chinese-CLIP ("OFA-Sys/chinese-clip-vit-base-patch16"), ALIGN ("kakaobrain/align-base"), SigLIP
    ("google/siglip-base-patch16-224") and SigLIP 2, of fixed size ("google/siglip2-base-patch16-224") or NaFlex
    ("google/siglip2-base-patch16-naflex"), in the layout of Hugging Face's transformers. Weights come from
    safetensors only, and no code is run. Files are kept in the Hub's cache (``HF_HOME``), so a second call needs no
    network.

    Args:
        name: a name of the Hub, or a folder that holds config.json, model.safetensors (or its parts with
            their index), the tokenizer's files and preprocessor_config.json.
        revision: a branch, tag or commit of the Hub. ``None``: the newest.

    Raises:
        ValueError: an unknown name or revision, a family without a class here, a file that is damaged, or
            tensors that do not fill the model exactly. FileNotFoundError: a missing file. ConnectionError: no
            network, and not in the cache. ModuleNotFoundError: the extra ``hub`` is not installed.
    """
    source = find(name, revision)
    if source.commit is not None:
        print(source)
    settings = read_json(source.folder / "config.json")
    family = family_of(settings)
    text = settings.get("text_config_dict") or settings.get("text_config") or {}  # older files hold it twice
    tokenizer = TextTokenizer.from_folder(
        source.folder, text.get("max_position_embeddings", family.context_length)
    )
    _check_vocabulary(tokenizer, text.get("vocab_size", len(tokenizer)))
    images = processor_from_upstream(_image_settings(source.folder))
    config = _config(family, settings, source)
    _check_vocabulary(tokenizer, config.text.vocabulary)  # where config.json is silent
    weights = family.rename(read_weights(source.folder))
    with torch.random.fork_rng(
        devices=[]
    ):  # the first weights are overwritten: leave the reader's seed alone
        model = family.build(config)
    fill(model, weights)
    return Checkpoint(model.eval(), tokenizer, images, config, source)


def _check_vocabulary(tokenizer: TextTokenizer, words: int) -> None:
    if len(tokenizer) > words:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} pieces, the model takes {words}: are its files those of this "
            "checkpoint?"
        )


def _config(family: Family, settings: Mapping[str, Any], source: Source) -> Any:
    try:
        return family.config(settings)
    except KeyError as error:
        raise ValueError(f"{source.folder / 'config.json'} lacks {error}: is it complete?") from error


def _image_settings(folder: Path) -> Mapping[str, Any]:
    """From preprocessor_config.json, or from processor_config.json, where newer versions of upstream put them."""
    if not (folder / "preprocessor_config.json").is_file() and (folder / "processor_config.json").is_file():
        found = read_json(folder / "processor_config.json").get("image_processor")
        if isinstance(found, dict):
            return found
    return read_json(folder / "preprocessor_config.json")
