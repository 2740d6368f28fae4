"""Chapter 01, the CLIP loss: three full trainings, and the sweeps behind every claim.

A sweep's run is short (``SWEEP_STEPS``) and changes one thing against the chapter's own training. "At equal cost" is at
equal steps and batch size throughout.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vlmlearn.losses import clip_loss
from vlmlearn.metrics import recall_at_k, retrieval_bits
from vlmlearn.models.baselines import ColorHistogramBaseline
from vlmlearn.models.clip import CLIP, CLIPConfig
from vlmlearn.training.batches import shuffled_batches
from vlmlearn.training.loop import History, TrainConfig, fit
from vlmlearn.training.recipes.ledger import ledger_line
from vlmlearn.training.recipes.record import progress
from vlmlearn.world import (
    CaptionPairs,
    Tokenizer,
    caption_entropy,
    caption_pairs,
    free_word_bits,
    swapped_captions,
)

_WORLD = "backgrounds captions datasets entropy labels random relations render scenes shapes tokenizer words"
_LAYERS = "attention checks feed_forward image_towers masks text_tower transformer vit"
SOURCES = (
    *(f"world.{name}" for name in _WORLD.split()),
    *(f"layers.{name}" for name in _LAYERS.split()),
    *("losses.contrastive", "metrics.bits", "metrics.retrieval", "models.clip", "models.baselines"),
    *(f"training.{name}" for name in ("batches", "loop", "optimizers", "schedules", "recipes.chapter_01")),
)
SEEDS = (0, 1, 2)
SCENES = 36_000
VARIANTS = 8
BATCH = 192
STEPS = 330
SWEEP_STEPS = 80
GALLERY = 1000
TEMPERATURES = (1.0, 0.3, 0.1, 0.03, 0.01)
WIDTHS = (2, 4, 8, 16, 32, 128)
GROUPS = (2, 8, 32, 192)
PHOTO_SHARE = 0.5  # of the training scenes that stand on photographs, where any do

Model = CLIP | ColorHistogramBaseline
Loss = Callable[[Any, Any], Tensor]


def run() -> dict[str, Any]:
    """Everything that ``vlmlearn/results/01.json`` holds."""
    sweep = partial(_over_seeds, steps=SWEEP_STEPS)
    clip = _over_seeds(steps=STEPS, full=True)
    return {
        "settings": {
            "scenes": SCENES,
            "variants": VARIANTS,
            "batch": BATCH,
            "steps": STEPS,
            "sweep_steps": SWEEP_STEPS,
            "gallery": GALLERY,
            "photo_share": PHOTO_SHARE,
            "seeds": SEEDS,
            "train": asdict(TrainConfig(STEPS)),
        },
        "clip": clip,
        "ledger": caption_line(clip["bits"]),
        "trained_on_photos": _over_seeds(steps=STEPS, full=True, photos="train"),
        "bag_of_words": _over_seeds(steps=STEPS, full=True, text_tower="bag"),
        "color_histogram": _histogram(),
        "unnormalised": sweep(loss=unnormalised_loss, normalize=False),
        "temperature": {str(t): sweep(temperature=t) for t in TEMPERATURES} | {"learnt": sweep()},
        "width": {str(w): sweep(embedding=w) for w in WIDTHS},
        "negatives": {str(g - 1): sweep(loss=partial(grouped_loss, group=g)) for g in GROUPS},
    }


def caption_line(carried: list[float]) -> dict[str, Any]:
    """The ledger's line of a model that finds captions among ``GALLERY``."""
    entropy = caption_entropy()
    spoken = free_word_bits([text for (text,) in caption_pairs(GALLERY, split="test").texts])
    return ledger_line(
        told="caption",
        bits=entropy.visible,
        language=spoken - entropy.total,
        ceiling=math.log2(GALLERY),
        carried=carried,
    )


@cache
def training_pairs(photos: str | None = None) -> CaptionPairs:
    share = PHOTO_SHARE if photos else 1.0
    return caption_pairs(SCENES, variants=VARIANTS, photos=photos, photo_share=share)


@cache
def gallery(split: str, photos: str | None = None) -> CaptionPairs:
    return caption_pairs(GALLERY, split=split, distinct=True, photos=photos)


def train_clip(
    seed: int,
    steps: int,
    *,
    loss: Loss | None = None,
    temperature: float | None = None,
    photos: str | None = None,
    **changes: Any,
) -> tuple[CLIP, History]:
    """Train the tiny CLIP of the chapter.

    Args:
        seed: of the weights and the batches.
        steps: of training.
        loss: (model, batch) to a scalar; by default ``chapter_loss``.
        temperature: held at this value; by default learnt from 0.07 on.
        photos: the group of photographs that ``PHOTO_SHARE`` of the scenes stand on; by default none does.
        changes: fields of ``CLIPConfig``.
    """
    torch.manual_seed(seed)
    model = CLIP(CLIPConfig.tiny(len(Tokenizer()), **changes))
    if temperature is not None:
        model.log_scale.data.fill_(-torch.tensor(temperature).log())
        model.log_scale.requires_grad_(False)
    batches = pair_batches(training_pairs(photos), seed)
    history = fit(model, batches, loss or chapter_loss, TrainConfig(steps), after_step=model.clamp_scale_)
    return model, history


def pair_batches(pairs: CaptionPairs, seed: int) -> Any:
    """Endless batches of images and one random sentence for each."""
    pick = torch.Generator().manual_seed(seed)
    for images, ids in shuffled_batches(pairs.images, pairs.ids, batch_size=BATCH, seed=seed):
        yield images, ids[torch.arange(len(ids)), torch.randint(ids.shape[1], (len(ids),), generator=pick)]


def chapter_loss(model: Model, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, ids = batch
    return clip_loss(model.encode_image(images), model.encode_text(ids), model.log_scale.exp())


def grouped_loss(model: Model, batch: tuple[Tensor, Tensor], group: int) -> Tensor:
    """The same batch, but a pair meets only the group - 1 negatives of its own group."""
    image, text, scale = model.encode_image(batch[0]), model.encode_text(batch[1]), model.log_scale.exp()
    parts = zip(image.split(group), text.split(group), strict=True)
    return torch.stack([clip_loss(i, t, scale) for i, t in parts]).mean()


def unnormalised_loss(model: CLIP, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The CLIP loss on raw dot products, without the division by the lengths."""
    image = model.encode_image(batch[0], normalize=False)
    text = model.encode_text(batch[1], normalize=False)
    logits = image @ text.T * model.log_scale.exp()
    match = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, match) + F.cross_entropy(logits.T, match)) / 2


@torch.no_grad()
def similarity(model: Model, pairs: CaptionPairs, **options: Any) -> Tensor:
    """(N, N) scores of all pictures against all (first) sentences; ``options`` go to the encoders."""
    model.eval()
    images = torch.cat([model.encode_image(part, **options) for part in pairs.images.split(250)])
    return images @ model.encode_text(pairs.ids[:, 0], **options).T


@torch.no_grad()
def swap_accuracy(model: CLIP, kind: str, split: str = "test") -> float:
    """How often (%) the true sentence beats the one with the same words in another order; chance is 50.

    A tie counts one half: a model that cannot tell the two is guessing.
    """
    pairs = gallery(split)
    true, false, usable = swapped_captions(pairs.scenes, kind)
    image = torch.cat([model.encode_image(part) for part in pairs.images.split(250)])
    encode = Tokenizer().encode
    margin = (image * (model.encode_text(encode(true)) - model.encode_text(encode(false)))).sum(1)
    wins = (margin > 1e-6).double() + 0.5 * (margin.abs() <= 1e-6)
    return 100 * float(wins[torch.from_numpy(usable)].mean())


@torch.no_grad()
def bits(model: Model) -> float:
    """Bits of a caption that the model is shown to carry, on pairs as they come, some captions twice."""
    drawn = caption_pairs(GALLERY, split="test")
    return retrieval_bits(similarity(model, drawn), model.log_scale.exp())


def _over_seeds(*, steps: int, full: bool = False, normalize: bool = True, **options: Any) -> dict[str, Any]:
    """Scores for every seed, in lists of the same order; ``full`` are those of a chapter's whole training."""
    scores: dict[str, Any] = {}
    encoding = {} if normalize else {"normalize": False}
    for seed in SEEDS:
        model, history = train_clip(seed, steps, **options)
        found = {"seconds": history.seconds, "loss": history.last(), "scale": model.log_scale.exp().item()}
        for split in ("test", "compositional") if full else ("test",):
            recall = recall_at_k(similarity(model, gallery(split), **encoding))
            found |= {f"{split}_i2t": recall.image_to_text, f"{split}_t2i": recall.text_to_image}
        if full:
            found |= {f"swap_{kind}": swap_accuracy(model, kind) for kind in ("relation", "binding")}
            found |= {
                f"{photos}_photos_i2t": recall_at_k(similarity(model, gallery("test", photos))).image_to_text
                for photos in ("train", "test")
            }
            found["bits"] = bits(model)
        for name, value in found.items():
            scores.setdefault(name, []).append(round(value, 3))
        progress(f"{options} seed {seed}: {found}")
    scores["mean"] = round(statistics.mean(scores["test_i2t"]), 1)
    return scores


def _histogram() -> dict[str, Any]:
    """The colour-histogram baseline, trained with the same loss."""
    scores: dict[str, Any] = {"test_i2t": [], "test_t2i": [], "seconds": []}
    for seed in SEEDS:
        torch.manual_seed(seed)
        model = ColorHistogramBaseline(len(Tokenizer()))
        history = fit(model, pair_batches(training_pairs(), seed), chapter_loss, TrainConfig(STEPS))
        recall = recall_at_k(similarity(model, gallery("test")))
        for name, value in zip(scores, (*recall, history.seconds), strict=True):
            scores[name].append(round(value, 3))
    return scores
