"""What a trained dual encoder of the world can do: find, name, search, tell word orders apart; and its modality gap."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vlmlearn.heads.retrieval import (
    ZeroShotClassifier,
    encode_images,
    encode_texts,
    world_class_names,
    world_templates,
)
from vlmlearn.metrics import mean_average_precision, modality_gap, recall_at_k
from vlmlearn.models.clip import CLIP
from vlmlearn.training.recipes import chapter_01 as base
from vlmlearn.world import COLORS, SHAPES, Scenes, Tokenizer, photo_backgrounds, sample_scenes
from vlmlearn.world.render import render

EXAM = 500  # pictures of one object in each split
CLASS = ("color", "shape")
NAMES = len(SHAPES) * len(COLORS)

Measures = dict[str, float]


@cache
def one_object(split: str, photos: str | None = None) -> tuple[Tensor, Tensor]:
    """Pictures of one object each, and its class: the place of its name in ``class_names()``."""
    scenes = sample_scenes(EXAM, split=split, objects=(1, 1))
    grounds = None if photos is None else photo_backgrounds(scenes, photos)
    images = torch.from_numpy(render(scenes, backgrounds=grounds).images)
    return images, torch.from_numpy(scenes.color[:, 0] * len(SHAPES) + scenes.shape[:, 0])


def class_names() -> list[Any]:
    """The 48 pairs ("red", "circle"), as ``world_class_names`` orders them."""
    return world_class_names(CLASS)


def prompts() -> dict[str, list[str]]:
    """Four ways to say a class: its bare name, one caption, 18 captions whose vectors are averaged, and the same 18
    whose probabilities are summed."""
    captions = world_templates(CLASS)
    return {
        "name": ["{} {}"],
        "caption": ["a large {} {} at the center"],
        "averaged": captions,
        "summed": captions,
    }


def classifier(model: CLIP, kind: str = "summed") -> ZeroShotClassifier:
    """The model as a classifier of the 48 pairs."""
    combine = "probabilities" if kind == "summed" else "vectors"
    return ZeroShotClassifier(model, class_names(), prompts()[kind], Tokenizer().encode, combine=combine)


def zero_shot(model: CLIP) -> Measures:
    """Accuracy for each kind of prompt on pairs that training showed and on those it never did, and the cross
    entropy (nats) of the summed answers on the former."""
    exams = {split: one_object(split) for split in ("test", "compositional")}
    vectors = {split: encode_images(model, images) for split, (images, _) in exams.items()}
    found: Measures = {}
    for kind in prompts():
        answers = classifier(model, kind)
        for split, (_, labels) in exams.items():
            logits = answers.logits_of(vectors[split])
            found[f"{kind}_{split}"] = 100 * (logits.argmax(1) == labels).double().mean().item()
            if (kind, split) == ("summed", "test"):
                found["name_loss"] = F.cross_entropy(logits, labels).item()
    return found


def gap_scores(image: Tensor, text: Tensor, model: CLIP) -> Measures:
    """The modality gap on the gallery, and what closing it afterwards does to the ranking.

    Closed is: each kind less its own mean, which is measured on pictures and sentences of the split "val".
    """
    gap, other = modality_gap(image, text), base.gallery("val")
    means = encode_images(model, other.images).mean(0), encode_texts(model, other.ids[:, 0]).mean(0)
    moved = [F.normalize(x - mean, dim=-1) for x, mean in zip((image, text), means, strict=True)]
    return {
        "gap": gap.length,
        "gap_explained": gap.explained,
        "gap_separated": gap.separated,
        "gap_closed": modality_gap(*moved).length,
        "i2t_closed": recall_at_k(moved[0] @ moved[1].T).image_to_text,
    }


def search_score(model: CLIP, vectors: Tensor) -> float:
    """mAP (0–1) of searching the gallery for each of the 48 pairs; relevant are pictures with such an object.

    Args:
        model: whose text tower says the pairs.
        vectors: of the gallery's pictures, of length one.
    """
    relevant = relevant_pictures(base.gallery("test").scenes)
    asked = relevant.any(1)  # the pairs that training never shows are in no picture of this split
    queries = classifier(model, "averaged").class_vectors  # a query is one vector
    return mean_average_precision((queries @ vectors.T)[asked], relevant[asked])


def relevant_pictures(scenes: Scenes) -> Tensor:
    """(48, scenes): whether a scene has an object of the class."""
    classes = np.where(scenes.present, scenes.color * len(SHAPES) + scenes.shape, -1)
    return torch.from_numpy((classes[None] == np.arange(NAMES)[:, None, None]).any(2))


def scores(model: CLIP) -> Measures:
    """Everything that this chapter measures of a model."""
    model.eval()
    pairs = base.gallery("test")
    image, text = encode_images(model, pairs.images), encode_texts(model, pairs.ids[:, 0])
    recall = recall_at_k(image @ text.T)
    unseen = recall_at_k(base.similarity(model, base.gallery("compositional")))
    return {
        "scale": model.log_scale.exp().item(),
        "test_i2t": recall.image_to_text,
        "test_t2i": recall.text_to_image,
        "compositional_i2t": unseen.image_to_text,
        **{f"swap_{kind}": base.swap_accuracy(model, kind) for kind in ("relation", "binding")},
        **zero_shot(model),
        **gap_scores(image, text, model),
        "map": search_score(model, image),
    }
