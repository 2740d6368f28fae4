"""Two languages in one space: every picture has captions in one language only, and pictures tie the two together."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vlmlearn.heads.retrieval import ZeroShotClassifier, world_class_names, world_templates
from vlmlearn.losses import siglip_loss
from vlmlearn.metrics import recall_at_k
from vlmlearn.models.siglip import SigLIP, SigLIPConfig
from vlmlearn.training.batches import shuffled_batches
from vlmlearn.training.loop import TrainConfig, fit
from vlmlearn.training.recipes import chapter_01 as base
from vlmlearn.training.recipes.record import progress
from vlmlearn.world import SHAPES, Tokenizer, sample_scenes
from vlmlearn.world.captions import captions
from vlmlearn.world.render import render

LANGUAGES = ("en", "zh")
STEPS = 500
PARALLEL = 500  # sentences of the retrieval from one language to the other
NAMED = 500  # pictures of one object
CONTEXT = {"words": 32, "characters": 64}
MATRIX_LEARNING_RATE = 0.025  # on the validation split 0.05 was worse for a sigmoid, 0.014 too

Encode = Callable[[Sequence[str]], Tensor]


@dataclass(frozen=True)
class Reader:
    """How sentences of both languages become ids.

    Args:
        vocabulary: number of ids.
        encode: sentences to (batch, length).
    """

    vocabulary: int
    encode: Encode


def settings() -> dict[str, Any]:
    """What the results should say of these trainings."""
    return {
        "steps": STEPS,
        "parallel": PARALLEL,
        "named": NAMED,
        "context": CONTEXT,
        "train": asdict(sigmoid_training(STEPS)),
    }


def sigmoid_training(steps: int) -> TrainConfig:
    """How this chapter's SigLIPs are trained."""
    return TrainConfig(steps, matrix_learning_rate=MATRIX_LEARNING_RATE)


def run(seeds: tuple[int, ...]) -> dict[str, Any]:
    """The scores of a model that reads Chinese by words, and of one that reads it by characters."""
    found: dict[str, Any] = {}
    for unit in CONTEXT:
        scores: dict[str, Any] = {}
        for seed in seeds:
            model, seconds = train(seed, STEPS, unit)
            measured = exams(model, unit) | {"seconds": seconds}
            for name, value in measured.items():
                scores.setdefault(name, []).append(round(value, 3))
            progress(f"{unit} seed {seed}: {measured}")
        found[unit] = scores
    return found


@cache
def reader(unit: str) -> Reader:
    """English is read by words; Chinese by words or by characters.

    Raises:
        ValueError: another unit.
    """
    if unit not in CONTEXT:
        raise ValueError(f"unit is {unit!r}, expected one of {', '.join(CONTEXT)}")
    length = CONTEXT[unit]
    if unit == "words":
        words = Tokenizer()
        return Reader(len(words), lambda texts: words.encode(texts, length))
    known = Tokenizer()
    characters = {character for word in known.words if _is_chinese(word) for character in word}
    spelled = Tokenizer(sorted(characters - set(known.words)))
    # A space behind every Chinese character keeps the tokenizer from joining them.
    return Reader(
        len(spelled), lambda texts: spelled.encode([re.sub(r"([一-鿿])", r"\1 ", t) for t in texts], length)
    )


@cache
def training_data(unit: str) -> tuple[Tensor, Tensor]:
    """Chapter 01's pictures and (pairs, variants, length) ids: Chinese for every second picture, else English."""
    english = base.training_pairs()
    rows = torch.arange(len(english)) % 2 == 1
    chinese = spoken("zh")
    encode = reader(unit).encode
    variants = range(len(english.texts[0]))
    ids = torch.stack(
        [encode([(chinese if odd else english.texts)[i][k] for i, odd in enumerate(rows)]) for k in variants],
        dim=1,
    )
    return english.images, ids


@cache
def spoken(language: str) -> list[tuple[str, ...]]:
    """What each training scene's captions say in this language."""
    scenes = base.training_pairs().scenes
    return list(zip(*(captions(scenes, language, variant=k) for k in range(base.VARIANTS)), strict=True))


def train(seed: int, steps: int, unit: str = "words") -> tuple[SigLIP, float]:
    """One SigLIP for both languages, and the seconds it took."""
    torch.manual_seed(seed)
    model = SigLIP(SigLIPConfig.tiny(reader(unit).vocabulary, context_length=CONTEXT[unit]))
    history = fit(model, batches(seed, unit), loss, sigmoid_training(steps), after_step=model.clamp_scale_)
    return model, history.seconds


def batches(seed: int, unit: str) -> Any:
    """Endless batches of pictures, each with one sentence in the language it has."""
    pick = torch.Generator().manual_seed(seed)
    for images, ids in shuffled_batches(*training_data(unit), batch_size=base.BATCH, seed=seed):
        yield images, ids[torch.arange(len(ids)), torch.randint(ids.shape[1], (len(ids),), generator=pick)]


def loss(model: SigLIP, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, ids = batch
    scale, bias = model.log_scale.exp(), model.logit_bias
    return siglip_loss(model.encode_image(images), model.encode_text(ids), scale, bias)


# --- exams ------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def exams(model: SigLIP, unit: str) -> dict[str, float]:
    """Finding pictures and sentences in each language, a sentence's translation, and names."""
    model.eval()
    encode, found = reader(unit).encode, {}
    for language in LANGUAGES:
        pairs = base.gallery("test")
        texts = translated(language)
        images = torch.cat([model.encode_image(part) for part in pairs.images.split(250)])
        recall = recall_at_k(images @ model.encode_text(encode(texts)).T)
        found[f"{language}_i2t"], found[f"{language}_t2i"] = recall.image_to_text, recall.text_to_image
    english, chinese = (model.encode_text(encode(translated(language)[:PARALLEL])) for language in LANGUAGES)
    across = recall_at_k(english @ chinese.T)
    found["en_to_zh"], found["zh_to_en"] = across.image_to_text, across.text_to_image
    for language in LANGUAGES:
        for split in ("test", "compositional"):
            found[f"{language}_names_{split}"] = classifier(model, unit, language).accuracy(
                *one_object(split)
            )
    return found


@cache
def translated(language: str) -> list[str]:
    """The gallery's sentences in this language."""
    return captions(base.gallery("test").scenes, language)


def classifier(model: SigLIP, unit: str, language: str) -> ZeroShotClassifier:
    """The 48 pairs of colour and shape, each in 18 sentences of which one is true: their probabilities are summed."""
    slots = ("color", "shape")
    return ZeroShotClassifier(
        model,
        world_class_names(slots, language),
        world_templates(slots, language),
        reader(unit).encode,
        combine="probabilities",
    )


@cache
def one_object(split: str) -> tuple[Tensor, Tensor]:
    """Pictures of one object each, and its class: the place of its name among the 48."""
    scenes = sample_scenes(NAMED, split=split, objects=(1, 1))
    labels = scenes.color[:, 0] * len(SHAPES) + scenes.shape[:, 0]
    return torch.from_numpy(render(scenes).images), torch.from_numpy(labels.astype(np.int64))


def _is_chinese(word: str) -> bool:
    return bool(re.fullmatch("[一-鿿]+", word))
