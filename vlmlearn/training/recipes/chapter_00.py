"""Chapter 00, start here: what the colours alone carry of a caption."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from vlmlearn.losses import clip_loss
from vlmlearn.metrics import recall_at_k, retrieval_bits
from vlmlearn.models.baselines import ColorHistogramBaseline
from vlmlearn.training.batches import shuffled_batches
from vlmlearn.training.loop import TrainConfig, fit
from vlmlearn.training.recipes.chapter_01 import GALLERY as LEDGER_GALLERY
from vlmlearn.training.recipes.chapter_01 import caption_line
from vlmlearn.training.recipes.record import progress
from vlmlearn.world import CaptionPairs, Tokenizer, caption_pairs

_WORLD = "backgrounds captions datasets entropy labels random relations render scenes shapes tokenizer words"
SOURCES = (
    *(f"world.{name}" for name in _WORLD.split()),
    *("losses.contrastive", "metrics.bits", "metrics.retrieval", "models.baselines"),
    *(f"training.{name}" for name in ("batches", "loop", "optimizers", "schedules")),
    *("training.recipes.chapter_00", "training.recipes.chapter_01"),
)
SEEDS = (0, 1, 2)
SCENES = 4000
BATCH = 128
STEPS = 300
GALLERY = 200  # of the exam, captions all different


def run() -> dict[str, Any]:
    """Everything that ``vlmlearn/results/00.json`` holds."""
    found = _over_seeds()
    return {
        "settings": {"scenes": SCENES, "batch": BATCH, "steps": STEPS, "gallery": GALLERY}
        | {"seeds": SEEDS, "train": asdict(TrainConfig(STEPS))},
        "color_histogram": found,
        "ledger": caption_line(found["bits"]),
    }


def train_histogram(seed: int) -> ColorHistogramBaseline:
    """The chapter's own training of the baseline."""
    torch.manual_seed(seed)
    pairs = caption_pairs(SCENES)
    model = ColorHistogramBaseline(len(Tokenizer()))
    batches = shuffled_batches(pairs.images, pairs.ids[:, 0], batch_size=BATCH, seed=seed)
    fit(model, batches, _loss, TrainConfig(STEPS))
    return model


def _loss(model: ColorHistogramBaseline, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, ids = batch
    return clip_loss(model.encode_image(images), model.encode_text(ids), model.log_scale.exp())


@torch.no_grad()
def _similarity(model: ColorHistogramBaseline, pairs: CaptionPairs) -> Tensor:
    return model.encode_image(pairs.images) @ model.encode_text(pairs.ids[:, 0]).T


def _over_seeds() -> dict[str, list[float]]:
    """Scores for every seed, in lists of the same order."""
    exam = caption_pairs(GALLERY, split="test", distinct=True)
    drawn = caption_pairs(LEDGER_GALLERY, split="test")
    scores: dict[str, list[float]] = {"test_i2t": [], "bits": []}
    for seed in SEEDS:
        model = train_histogram(seed)
        scores["test_i2t"].append(round(recall_at_k(_similarity(model, exam)).image_to_text, 3))
        bits = retrieval_bits(_similarity(model, drawn), model.log_scale.exp().item())
        scores["bits"].append(round(bits, 3))
        progress(f"seed {seed}: {scores}")
    return scores
